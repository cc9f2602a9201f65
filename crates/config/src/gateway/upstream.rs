//! `upstream:` of an API.

use demur_gateway::{Upstream, UpstreamUrlError};
use demur_source::{Fields, Node, Span};

use super::count::read_count;
use crate::reader::ConfigReader;

/// A URL, or a mapping with `url` and more.
pub(super) fn read_upstream(node: &Node, reader: &mut ConfigReader<'_>) -> Option<Upstream> {
    if let Some(url) = node.as_str() {
        return read_url(url, node.span, reader);
    }
    let mut fields = Fields::of(node, reader.source, "`upstream`", reader.found)?;
    let span = fields.node("url").map_or(node.span, |node| node.span);
    let url = fields.text("url", reader.found);
    if url.is_none() {
        fields.missing("url", reader.found);
    }
    let connect_timeout = reader.duration(&mut fields, "connect_timeout");
    let timeout = reader.duration(&mut fields, "timeout");
    let idle_timeout = reader.duration(&mut fields, "idle_timeout");
    let max_headers = read_count(&mut fields, "max_headers", reader);
    fields.finish(reader.found);
    let upstream = read_url(&url?, span, reader)?;
    Some(Upstream {
        connect_timeout: connect_timeout.unwrap_or(upstream.connect_timeout),
        timeout: timeout.unwrap_or(upstream.timeout),
        idle_timeout: idle_timeout.unwrap_or(upstream.idle_timeout),
        max_headers: max_headers.map_or(upstream.max_headers, |most| most.get()),
        ..upstream
    })
}

fn read_url(url: &str, span: Span, reader: &mut ConfigReader<'_>) -> Option<Upstream> {
    let error = match url.parse::<Upstream>() {
        Ok(upstream) => return Some(upstream),
        Err(error) => error,
    };
    let with_scheme = format!("http://{url}");
    let is_without_scheme = !url.contains("://") && with_scheme.parse::<Upstream>().is_ok();
    if is_without_scheme {
        let help = format!("write `{with_scheme}`");
        reader.error(span, "url", format!("`{url}` has no scheme"), help);
        return None;
    }
    let (check, help) = match &error {
        UpstreamUrlError::NotAUrl => ("url", Some("write `http://host:port`")),
        UpstreamUrlError::CredentialsOrQuery => {
            ("url", Some("remove credentials and query: URLs end up in logs, and neither is ever sent"))
        }
        UpstreamUrlError::NotPlainHttp => (
            "url",
            Some(
                "use the plain HTTP port of the upstream, or a local proxy, such as stunnel, that connects to it with TLS",
            ),
        ),
        UpstreamUrlError::Port => ("url", None),
        UpstreamUrlError::UnusualHost(_) | UpstreamUrlError::LinkLocal(_) => ("upstream-address", None),
    };
    let message = match &error {
        UpstreamUrlError::NotAUrl => format!("`{url}` is not a URL"),
        _ => error.to_string(),
    };
    reader.error(span, check, message, help.map(str::to_owned));
    None
}
