//! The URL of an upstream or of one of its endpoints.

use demur_gateway::{Upstream, UpstreamUrlError};
use demur_source::Span;

use crate::reader::ConfigReader;

/// Reads it; the other settings have their defaults.
pub(super) fn read_url(url: &str, span: Span, reader: &mut ConfigReader<'_>) -> Option<Upstream> {
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
        UpstreamUrlError::SocketPath => ("url", Some("write `unix:/run/shop.sock`")),
        UpstreamUrlError::UnusualHost(_) | UpstreamUrlError::LinkLocal(_) => ("upstream-address", None),
        _ => ("url", None),
    };
    let message = match &error {
        UpstreamUrlError::NotAUrl => format!("`{url}` is not a URL"),
        _ => error.to_string(),
    };
    reader.error(span, check, message, help.map(str::to_owned));
    None
}
