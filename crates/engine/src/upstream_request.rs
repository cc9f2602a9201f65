//! A request as its upstream should see it: the target within the API, and fields of the gateway's own in the place of
//! the client's.

use bytes::Bytes;
use demur_admission::Balance;
use demur_contract::Condition;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Uri};

use crate::exchange::Exchange;
use crate::rejection::Rejection;
use crate::request_info::Peer;
use crate::settings::{ApiSettings, UsageSource};
use crate::upstream_headers;

/// The target that the upstream should see: the path within the API that was checked, and the query without the key.
/// `None` where that is what the client asked for. An API in monitor mode gets the path as it arrived.
pub(crate) fn rewritten_target(
    exchange: &mut Exchange,
    settings: &ApiSettings,
    uri: &Uri,
    path: &str,
    query: Option<&str>,
) -> Option<String> {
    let original = exchange.path.original_below(&settings.mount.path).filter(|_| settings.observe);
    let remark = original.is_some().then(|| format!("the path would have been forwarded as `{path}`"));
    let path = original.unwrap_or(path);
    if let (None, true) = (uri.authority(), (path, query) == (uri.path(), uri.query())) {
        return None;
    }
    let target = match query {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    };
    exchange.remarks.extend(remark);
    Some(target)
}

/// Gives the request another target.
pub(crate) fn set_uri(parts: &mut Parts, target: String) -> Result<(), Rejection> {
    parts.uri = Uri::from_maybe_shared(Bytes::from(target)).map_err(|error| {
        let cause = format!("the target cannot be forwarded: {error}");
        Rejection::from(Condition::RequestMalformed).with_cause(cause)
    })?;
    Ok(())
}

/// Gives the request the fields that the upstream should see; `keep` gets what it presented as its key. A service that
/// is only watched gets what it would get without the gateway, and beside that only what is there in no request yet.
pub(crate) fn rewrite_headers(
    exchange: &Exchange,
    remarks: &mut Vec<String>,
    headers: &mut HeaderMap,
    peer: Option<&Peer>,
    balance: Option<&Balance>,
    mut keep: impl FnMut(HeaderValue),
) {
    let Some(api) = exchange.api() else { return };
    let authentication = &api.settings.authentication;
    let id_field = exchange.speaker().id_field();
    if api.settings.observe {
        authentication.fields().flat_map(|it| headers.get_all(it)).cloned().for_each(keep);
        let removed = upstream_headers::would_strip(headers, exchange.crossing(api));
        if !removed.is_empty() {
            remarks.push(format!("headers that would have been removed: {}", removed.join(", ")));
        }
        upstream_headers::strip_hop_by_hop(headers);
        if let Some(peer) = peer {
            upstream_headers::set_x_forwarded_for_once(headers, peer.text());
        }
        headers.entry(id_field).or_insert_with(|| exchange.request_id_value());
    } else {
        upstream_headers::strip_untrusted(headers, exchange.crossing(api), &mut keep);
        if let Some(peer) = peer {
            upstream_headers::set_x_forwarded_for(headers, peer.text());
        }
        upstream_headers::set_request_id(headers, id_field, exchange.request_id_value());
        if let UsageSource::Trailer(_) = exchange.usage().told_by {
            upstream_headers::ask_for_trailers(headers);
        }
    }
    if let Some(principal) = &exchange.principal {
        upstream_headers::set_identity(headers, principal, &authentication.prefixes, balance);
    }
}
