//! `usage:` of an operation: what a call uses of the credits that are held for it, when that is settled, and
//! what becomes of it where the answer does not reach its end.

use demur_source::{Fields, Node, Span};
use http::HeaderName;
use http::header::{
    AUTHORIZATION, CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HOST, TE, TRAILER,
    TRANSFER_ENCODING, UPGRADE, WWW_AUTHENTICATE,
};

use super::ConfigReader;

/// How a call is settled. A quota that counts successes goes by the same rules as the credits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metering {
    /// Who says how much was used.
    pub told_by: UsageSource,
    /// What settles a call that succeeds.
    pub settled_by: SettleAt,
    /// What becomes of it where the client goes away before.
    pub client_gone: OnAbort,
    /// What becomes of it where the upstream cuts its content before.
    pub cut: OnAbort,
}

/// Who says how much was used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UsageSource {
    /// Nobody: a call uses all that it costs.
    Nobody,
    /// The upstream, in a field of its answer.
    Field(HeaderName),
    /// The upstream, in a trailer field: behind the content, when it knows.
    Trailer(HeaderName),
}

/// What settles a call that succeeds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SettleAt {
    /// The head of the answer: what comes behind it changes nothing.
    Head,
    /// The end of its content.
    End,
}

/// What becomes of a call that comes to no good end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnAbort {
    /// It is charged as if it had ended: what was told by then, or else all that is held.
    Charge,
    /// It costs nothing.
    Release,
}

impl Metering {
    /// Where nothing is said. The client went away from work that was done; the upstream that breaks off did not do
    /// what it was asked for.
    pub(crate) const USUAL: Metering = Metering {
        told_by: UsageSource::Nobody,
        settled_by: SettleAt::End,
        client_gone: OnAbort::Charge,
        cut: OnAbort::Release,
    };
}

impl Default for Metering {
    fn default() -> Self {
        Self::USUAL
    }
}

pub(super) fn read_usage(node: &Node, credits: u64, reading: &mut ConfigReader<'_>) -> Metering {
    let mut usage = Metering::default();
    let Some(mut fields) = Fields::of(node, reading.source, "`usage`", reading.found) else { return usage };
    let field = read_name(&mut fields, "field", reading);
    let trailer = read_name(&mut fields, "trailer", reading);
    if let Some(settled_by) =
        read_word(&mut fields, "settles", [("end", SettleAt::End), ("head", SettleAt::Head)], reading)
    {
        usage.settled_by = settled_by;
    }
    let ends = [("charge", OnAbort::Charge), ("release", OnAbort::Release)];
    if let Some(end) = read_word(&mut fields, "client_gone", ends, reading) {
        usage.client_gone = end;
    }
    let cut = fields.node("cut").map(|node| node.span);
    if let Some(end) = read_word(&mut fields, "cut", ends, reading) {
        usage.cut = end;
    }
    fields.finish(reading.found);
    let is_told = field.as_ref().or(trailer.as_ref()).map(|(_, span)| *span);
    if let Some(span) = is_told.filter(|_| credits == 0) {
        let help = "write under `credits` how many a call can use at the most: they are held".to_owned();
        reading.error(span, "usage", "nothing is held of which a part could be used", help);
    }
    if let (SettleAt::Head, Some((_, span))) = (usage.settled_by, &trailer) {
        let help = "name a `field`, or leave out `settles`".to_owned();
        reading.error(*span, "usage", "a trailer comes behind what settles the call", help);
    }
    if let (SettleAt::Head, Some(span)) = (usage.settled_by, cut) {
        let message = "the head settles the call, so nothing is left for `cut` to say";
        reading.error(span, "usage", message, "leave out one of the two".to_owned());
    }
    usage.told_by = match (field, trailer) {
        (Some(_), Some((_, span))) => {
            let message = "what was used is told in a field or in a trailer, not in both";
            reading.error(span, "usage", message, "leave out one of the two".to_owned());
            UsageSource::Nobody
        }
        (Some((name, _)), None) => UsageSource::Field(name),
        (None, Some((name, _))) => UsageSource::Trailer(name),
        (None, None) => UsageSource::Nobody,
    };
    usage
}

fn read_word<T: Copy>(
    fields: &mut Fields<'_>,
    name: &'static str,
    words: [(&'static str, T); 2],
    reading: &mut ConfigReader<'_>,
) -> Option<T> {
    let node = fields.node(name)?;
    let found = words.iter().find(|(word, _)| node.as_str() == Some(word)).map(|(_, value)| *value);
    if found.is_none() {
        let [(one, _), (other, _)] = words;
        reading.error(node.span, "unknown-word", format!("`{name}` is `{one}` or `{other}`"), None);
    }
    found
}

fn read_name(
    fields: &mut Fields<'_>,
    name: &'static str,
    reading: &mut ConfigReader<'_>,
) -> Option<(HeaderName, Span)> {
    let node = fields.node(name)?;
    let text = node.scalar_text().unwrap_or_default();
    let Ok(field) = text.parse::<HeaderName>() else {
        reading.error(node.span, "field-name", format!("`{text}` is no header field's name"), None);
        return None;
    };
    if is_taken(&field) {
        let message = format!("`{field}` has a meaning of its own, and is taken out of no answer");
        reading.error(node.span, "field-name", message, "use a field such as `X-Credits-Used`".to_owned());
        return None;
    }
    Some((field, node.span))
}

/// Fields without which an answer could not be understood, and those of the gateway's own.
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
