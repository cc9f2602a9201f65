//! Headers that a status asks for: they are for programs, and survive when an upstream's error is converted.
//!
//! RFC 9110: `Allow` of a 405 (15.5.6), `Accept-Encoding` and its relatives of a 415 (15.5.16), `Content-Range` of a 416
//! (15.5.17), `Upgrade` of a 426 (15.5.22), `WWW-Authenticate` of a 401 (15.5.2); RFC 7725: `Link` of a 451; RFC 10008:
//! `Accept-Query` of a 415.

use http::header::{
    ACCEPT, ACCEPT_ENCODING, ALLOW, CONNECTION, CONTENT_RANGE, LINK, UPGRADE, WWW_AUTHENTICATE,
};
use http::{HeaderMap, HeaderName, HeaderValue};

const ACCEPT_PATCH: HeaderName = HeaderName::from_static("accept-patch");
const ACCEPT_POST: HeaderName = HeaderName::from_static("accept-post");
const ACCEPT_QUERY: HeaderName = HeaderName::from_static("accept-query");

/// The headers of an upstream's response that one with this status asks for.
///
/// `authenticates` tells whether the gateway has authenticated the client: a challenge of the upstream is for the gateway
/// then.
pub(crate) fn asked_for(
    status: u16,
    headers: &HeaderMap,
    authenticates: bool,
) -> Vec<(HeaderName, HeaderValue)> {
    let names: &[HeaderName] = match status {
        401 if !authenticates => &[WWW_AUTHENTICATE],
        405 => &[ALLOW],
        415 => &[ACCEPT_ENCODING, ACCEPT, ACCEPT_PATCH, ACCEPT_POST, ACCEPT_QUERY],
        416 => &[CONTENT_RANGE],
        426 => &[UPGRADE],
        451 => &[LINK],
        _ => &[],
    };
    let all =
        names.iter().flat_map(|name| headers.get_all(name).iter().map(|value| (name.clone(), value.clone())));
    let mut all: Vec<_> = all.collect();
    // RFC 9110, section 7.8: whoever sends `Upgrade` names it in `Connection`.
    if all.iter().any(|(name, _)| *name == UPGRADE) {
        all.push((CONNECTION, HeaderValue::from_static("upgrade")));
    }
    all
}
