//! `usage:` how many of the held credits a call uses, when that is settled, and what an aborted call costs.

use demur_engine::settings::{Metering, OnAbort, SettleAt, UsageSource};
use demur_source::{Fields, Node, Span};
use http::HeaderName;
use http::header::{
    AUTHORIZATION, CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HOST, TE, TRAILER,
    TRANSFER_ENCODING, UPGRADE, WWW_AUTHENTICATE,
};

use crate::reader::ConfigReader;

const SETTLE_AT: &[(&str, SettleAt)] = &[("end", SettleAt::End), ("head", SettleAt::Head)];
const ON_ABORT: &[(&str, OnAbort)] = &[("charge", OnAbort::Charge), ("release", OnAbort::Release)];

pub(crate) fn read_usage(node: &Node, credits: u64, reader: &mut ConfigReader<'_>) -> Metering {
    let mut usage = Metering::default();
    let Some(mut fields) = Fields::of(node, reader.source, "`usage`", reader.found) else { return usage };
    let header = read_name(&mut fields, "header", reader);
    let trailer = read_name(&mut fields, "trailer", reader);
    if let Some(settle_at) = reader.choice(&mut fields, "settle_at", SETTLE_AT) {
        usage.settle_at = settle_at;
    }
    if let Some(action) = reader.choice(&mut fields, "on_client_abort", ON_ABORT) {
        usage.on_client_abort = action;
    }
    let upstream_abort = fields.node("on_upstream_abort").map(|node| node.span);
    if let Some(action) = reader.choice(&mut fields, "on_upstream_abort", ON_ABORT) {
        usage.on_upstream_abort = action;
    }
    fields.finish(reader.found);
    let reported = header.as_ref().map(|(_, span)| ("header", *span));
    let reported = reported.or(trailer.as_ref().map(|(_, span)| ("trailer", *span)));
    if let Some((name, span)) = reported.filter(|_| credits == 0) {
        let help = "set `credits` to the most that a call can use: they are held".to_owned();
        reader.error(span, "usage", format!("`usage.{name}` needs `credits`"), help);
    }
    if let (SettleAt::Head, Some((_, span))) = (usage.settle_at, &trailer) {
        let help = "use `header`, or remove `settle_at`".to_owned();
        reader.error(*span, "usage", "`trailer` cannot be combined with `settle_at: head`", help);
    }
    if let (SettleAt::Head, Some(span)) = (usage.settle_at, upstream_abort) {
        let message = "`on_upstream_abort` has no effect with `settle_at: head`";
        reader.error(span, "usage", message, "remove one of the two".to_owned());
    }
    usage.source = match (header, trailer) {
        (Some(_), Some((_, span))) => {
            let message = "`header` and `trailer` cannot be combined";
            reader.error(span, "usage", message, "remove one of the two".to_owned());
            UsageSource::Nobody
        }
        (Some((name, _)), None) => UsageSource::Field(name),
        (None, Some((name, _))) => UsageSource::Trailer(name),
        (None, None) => UsageSource::Nobody,
    };
    usage
}

fn read_name(
    fields: &mut Fields<'_>,
    name: &'static str,
    reader: &mut ConfigReader<'_>,
) -> Option<(HeaderName, Span)> {
    let node = fields.node(name)?;
    let header = reader.header_name(&node.scalar_text().unwrap_or_default(), node.span)?;
    if is_taken(&header) {
        let message = format!("the {name} `{header}` cannot report usage: it has another meaning");
        let help = "use a name such as `X-Credits-Used`".to_owned();
        reader.error(node.span, "header-name", message, help);
        return None;
    }
    Some((header, node.span))
}

/// Headers without which a response could not be understood, and the gateway's own.
fn is_taken(name: &HeaderName) -> bool {
    let taken = [
        AUTHORIZATION,
        CONNECTION,
        CONTENT_ENCODING,
        CONTENT_LENGTH,
        CONTENT_TYPE,
        HOST,
        TE,
        TRAILER,
        TRANSFER_ENCODING,
        UPGRADE,
        WWW_AUTHENTICATE,
    ];
    taken.contains(name) || name.as_str().starts_with("demur-")
}
