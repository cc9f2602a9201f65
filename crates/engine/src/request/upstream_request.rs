//! The request that the upstream sees: the target within the API, and the gateway's headers in place of the client's.

use bytes::Bytes;
use demur_admission::Balance;
use demur_contract::Condition;
use http::header::HOST;
use http::request::Parts;
use http::uri::Authority;
use http::{HeaderMap, HeaderValue, Uri};

use crate::reject::rejection::Rejection;
use crate::request::context::RequestContext;
use crate::request::forwarding::{self, Arrival};
use crate::request::info::Peer;
use crate::request::{upstream_headers, upstream_identity};
use crate::settings::{ApiSettings, UsageSource};

/// The target that the upstream sees: the path within the API that was checked, and the query without the API key.
/// `None` if that is the client's target. An API in monitor mode gets the path as it arrived.
pub(crate) fn rewritten_target(
    context: &mut RequestContext,
    settings: &ApiSettings,
    uri: &Uri,
    path: &str,
    query: Option<&str>,
) -> Option<String> {
    let original = context.path.original_below(&settings.mount.path).filter(|_| settings.monitor);
    let note = original.is_some().then(|| format!("the path would have been forwarded as `{path}`"));
    let path = original.unwrap_or(path);
    if let (None, true) = (uri.authority(), (path, query) == (uri.path(), uri.query())) {
        return None;
    }
    let target = match query {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    };
    if let Some(note) = note {
        context.record.add_note(note);
    }
    Some(target)
}

/// Replaces the request's target.
pub(crate) fn set_uri(parts: &mut Parts, target: String) -> Result<(), Rejection> {
    parts.uri = Uri::from_maybe_shared(Bytes::from(target)).map_err(|error| {
        let cause = format!("target cannot be forwarded: {error}");
        Rejection::from(Condition::RequestMalformed).with_cause(cause)
    })?;
    Ok(())
}

/// Replaces headers, and returns a note for the record; `keep` gets the presented credentials. In monitor mode the upstream
/// gets the headers that it would get without the gateway, and further ones only where the request has none of the same
/// name. The changes of the configuration come last. `authority` is that of the target that the client sent.
pub(crate) fn rewrite_headers(
    context: &RequestContext,
    (headers, authority): (&mut HeaderMap, Option<&Authority>),
    peer: Option<&Peer>,
    balance: Option<&Balance>,
    mut keep: impl FnMut(HeaderValue),
) -> Option<String> {
    let mut note = None;
    let api = context.api()?;
    let authentication = &api.settings.authentication;
    let id_header = context.responder().id_header();
    let sent_host = headers.get(HOST).cloned();
    let host = authority.map(Authority::as_str).or(sent_host.as_ref().and_then(|host| host.to_str().ok()));
    let arrival = Arrival {
        host,
        mount: &api.settings.mount.path,
        client: peer.map(Peer::text),
        is_secure: peer.is_some_and(Peer::is_secure),
        is_trusted: context.is_trusted_proxy,
    };
    if api.settings.monitor {
        authentication.fields().flat_map(|it| headers.get_all(it)).cloned().for_each(keep);
        let removed = upstream_headers::would_strip(headers, context.header_direction(api));
        if !removed.is_empty() {
            note = Some(format!("headers that would have been removed: {}", removed.join(", ")));
        }
        upstream_headers::strip_hop_by_hop(headers);
        if let Some(peer) = peer {
            upstream_identity::set_x_forwarded_for_once(headers, peer.text());
        }
        forwarding::set_missing(headers, arrival);
        headers.entry(id_header).or_insert_with(|| context.request_id_value());
    } else {
        let mut direction = context.header_direction(api);
        if !direction.authenticates {
            // They are for the upstream, unless a client sends its key everywhere.
            let sent = || authentication.fields().flat_map(|name| headers.get_all(name));
            sent().cloned().for_each(&mut keep);
            let redactor = context.engine().redactor();
            direction.authenticates =
                sent().any(|value| redactor.contains_key(&String::from_utf8_lossy(value.as_bytes())));
        }
        upstream_headers::strip_untrusted(headers, direction, &mut keep);
        forwarding::set(headers, arrival);
        if let Some(peer) = peer {
            upstream_identity::set_x_forwarded_for(headers, peer.text());
        }
        upstream_identity::set_request_id(headers, id_header, context.request_id_value());
        if let UsageSource::Trailer(_) = context.metering().source {
            upstream_identity::ask_for_trailers(headers);
        }
    }
    if let Some(principal) = context.principal() {
        upstream_identity::set_identity(headers, principal, &authentication.prefixes, balance);
    }
    context.header_settings().for_each(|settings| settings.request.apply(headers));
    note
}
