//! A request as its upstream should see it: the target within the API, and fields of the gateway's own in the place of
//! the client's.

use bytes::Bytes;
use demur_admission::Balance;
use demur_contract::Condition;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Uri};

use crate::arrival::Peer;
use crate::exchange::Exchange;
use crate::forward;
use crate::refused::Refused;
use crate::settings::{ApiSettings, ToldBy};

/// The target that the upstream should see: the path within the API that was checked, and the query without the key.
/// `None` where that is what the client asked for. An API in monitor mode gets the path as it arrived.
pub(crate) fn aimed_at(
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
pub(crate) fn aim(parts: &mut Parts, target: String) -> Result<(), Refused> {
    parts.uri = Uri::from_maybe_shared(Bytes::from(target)).map_err(|error| {
        let cause = format!("the target cannot be forwarded: {error}");
        Refused::from(Condition::RequestMalformed).because(cause)
    })?;
    Ok(())
}

/// Gives the request the fields that the upstream should see; `keep` gets what it presented as its key. A service that
/// is only watched gets what it would get without the gateway, and beside that only what is there in no request yet.
pub(crate) fn dress(
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
        let removed = forward::would_strip(headers, exchange.crossing(api));
        if !removed.is_empty() {
            remarks.push(format!("headers that would have been removed: {}", removed.join(", ")));
        }
        forward::strip_hops(headers);
        if let Some(peer) = peer {
            forward::name_peer_once(headers, peer.text());
        }
        headers.entry(id_field).or_insert_with(|| exchange.request_id_value());
    } else {
        forward::strip_request(headers, exchange.crossing(api), &mut keep);
        if let Some(peer) = peer {
            forward::name_peer(headers, peer.text());
        }
        forward::name_request(headers, id_field, exchange.request_id_value());
        if let ToldBy::Trailer(_) = exchange.usage().told_by {
            forward::ask_for_trailers(headers);
        }
    }
    if let Some(principal) = &exchange.principal {
        forward::identify(headers, principal, &authentication.prefixes, balance);
    }
}
