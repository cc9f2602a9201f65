//! What crosses to the upstream, and what never does.
//!
//! Hop-by-hop fields end here, and so do those that `Connection` names (RFC 9110, section 7.6.1). Fields of
//! the gateway's own are taken from nobody: whatever a client sends under their names, spelt with `_` or
//! `.` for `-` too (many frameworks read those as the same), is removed. The key is for the gateway alone.

use bytes::Bytes;
use demur_admission::{Balance, Principal};
use http::header::{CONNECTION, HeaderMap, HeaderName, HeaderValue, TE};
use smallvec::SmallVec;

use crate::settings::{Prefixes, Scheme};

const ACCOUNT: HeaderName = HeaderName::from_static("demur-account");
const KEY: HeaderName = HeaderName::from_static("demur-key");
const PLAN: HeaderName = HeaderName::from_static("demur-plan");
const ENVIRONMENT: HeaderName = HeaderName::from_static("demur-environment");
const CREDITS_REMAINING: HeaderName = HeaderName::from_static("demur-credits-remaining");
const CREDITS_RESET: HeaderName = HeaderName::from_static("demur-credits-reset");
const CLIENT_REQUEST_ID: HeaderName = HeaderName::from_static("demur-client-request-id");

/// The field with which an upstream raises a declared error.
pub(crate) const DEMUR_ERROR: HeaderName = HeaderName::from_static("demur-error");

/// Removes from a request what must not cross: what concerns the connection, what only the gateway may set,
/// the key, and what a client says of forwarding, which nobody has checked; each however it is spelt.
pub(crate) fn strip_request<'s>(
    headers: &mut HeaderMap,
    id: &HeaderName,
    schemes: impl Iterator<Item = &'s Scheme> + Clone,
    mut keep: impl FnMut(HeaderValue),
) {
    let is_credential = |name: &HeaderName| schemes.clone().any(|scheme| scheme.field() == name);
    let goes = |name: &HeaderName| {
        let spelt = name.as_str();
        is_hop_by_hop(spelt)
            || is_own(spelt)
            || is_forwarding(spelt)
            || is_credential(name)
            || is_alias(name, id, schemes.clone())
    };
    strip(headers, goes, |name, value| {
        if is_credential(name) {
            keep(value);
        }
    });
}

/// Removes what concerns the connection, and what only the gateway may set: from an answer, and from a request to
/// a service that is only watched.
pub(crate) fn strip_hops(headers: &mut HeaderMap) {
    strip(headers, |name| is_hop_by_hop(name.as_str()) || is_own(name.as_str()), |_, _| {});
}

/// One look at each name: nearly all of them stay.
fn strip(
    headers: &mut HeaderMap,
    goes: impl Fn(&HeaderName) -> bool,
    mut gone: impl FnMut(&HeaderName, HeaderValue),
) {
    let mut going: SmallVec<[HeaderName; 4]> = SmallVec::new();
    let mut is_named = false;
    for name in headers.keys() {
        is_named |= *name == CONNECTION;
        if goes(name) {
            going.push(name.clone());
        }
    }
    if is_named {
        strip_named(headers);
    }
    for name in going {
        if let Some(value) = headers.remove(&name) {
            gone(&name, value);
        }
    }
}

/// Fields that `Connection` names belong to the connection too.
fn strip_named(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in named {
        headers.remove(name);
    }
}

/// Whether a field concerns one connection only. `expect` the gateway has answered; the framing that
/// `transfer-encoding` tells of is made anew on the other side.
fn is_hop_by_hop(name: &str) -> bool {
    matches!(
        name,
        "connection"
            | "expect"
            | "http2-settings"
            | "keep-alive"
            | "proxy-authenticate"
            | "proxy-authorization"
            | "proxy-connection"
            | "te"
            | "trailer"
            | "transfer-encoding"
            | "upgrade"
    )
}

/// Whether an upstream might take the field for the request's id, the key, or a field about forwarding or
/// framing, because it is spelt with `_` or `.` for `-`: many give both to a program under one name.
fn is_alias<'s>(name: &HeaderName, id: &HeaderName, schemes: impl Iterator<Item = &'s Scheme>) -> bool {
    let spelt = name.as_str();
    if !spelt.bytes().any(|byte| matches!(byte, b'_' | b'.')) {
        return false;
    }
    let plain = |text: &str| text.replace(['_', '.'], "-");
    let meant = plain(spelt);
    let keys = schemes.map(|scheme| scheme.field().as_str());
    let mut own = std::iter::once(id.as_str()).chain(keys).chain(FRAMING);
    own.any(|own| spelt != own && meant == plain(own)) || is_forwarding(&meant)
}

/// `demur-…`, with `_` and `.` read as `-`. Names are in lower case already.
fn is_own(name: &str) -> bool {
    const PREFIX: &[u8] = b"demur-";
    let plain = |byte: &u8| if matches!(byte, b'_' | b'.') { b'-' } else { *byte };
    name.len() >= PREFIX.len() && name.bytes().zip(PREFIX).all(|(byte, expected)| plain(&byte) == *expected)
}

/// Whether a field tells an upstream of another client, target or method than it would see.
fn is_forwarding(name: &str) -> bool {
    matches!(
        name,
        "forwarded"
            | "x-forwarded-for"
            | "x-forwarded-host"
            | "x-forwarded-port"
            | "x-forwarded-prefix"
            | "x-forwarded-proto"
            | "x-real-ip"
            | "x-original-url"
            | "x-rewrite-url"
            | "x-http-method"
            | "x-http-method-override"
            | "x-method-override"
    )
}

/// Fields that tell where a message ends and to whom it goes.
const FRAMING: [&str; 3] = ["content-length", "content-type", "transfer-encoding"];
const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Says from where the connection came.
pub(crate) fn name_peer(headers: &mut HeaderMap, peer: &HeaderValue) {
    headers.insert(X_FORWARDED_FOR, peer.clone());
}

/// The same, unless somebody in front has said it.
pub(crate) fn name_peer_once(headers: &mut HeaderMap, peer: &HeaderValue) {
    headers.entry(X_FORWARDED_FOR).or_insert_with(|| peer.clone());
}

/// Who is calling, as the service behind is told. An id is visible ASCII; a plan's name that a field cannot carry is
/// left out.
struct Identity {
    account: Option<HeaderValue>,
    key: Option<HeaderValue>,
    plan: Option<HeaderValue>,
    /// Of an API that has environments.
    environment: Option<HeaderValue>,
}

impl Identity {
    /// All of it in one piece of memory: of many principals each is cold when its turn comes.
    fn of(principal: &Principal, prefixes: &Prefixes) -> Self {
        let key = principal.key();
        let environment = prefixes.environment(&key.hint);
        let texts = [
            principal.account().id.as_str(),
            key.id.as_str(),
            &principal.plan().name,
            environment.unwrap_or_default(),
        ];
        let mut all = Bytes::from(texts.concat());
        let [account, key, plan, told] =
            texts.map(|text| HeaderValue::from_maybe_shared(all.split_to(text.len())).ok());
        Self { account, key, plan, environment: told.filter(|_| environment.is_some()) }
    }
}

/// Says who is calling.
pub(crate) fn identify(
    headers: &mut HeaderMap,
    principal: &Principal,
    prefixes: &Prefixes,
    balance: Option<&Balance>,
) {
    let identity = |principal: &Principal| Identity::of(principal, prefixes);
    if let Some(Identity { account, key, plan, environment }) = principal.kept(identity) {
        for (name, value) in [(ACCOUNT, account), (KEY, key), (PLAN, plan), (ENVIRONMENT, environment)] {
            if let Some(value) = value {
                headers.insert(name, value.clone());
            }
        }
    }
    if let Some(balance) = balance {
        headers.insert(CREDITS_REMAINING, balance.available.into());
        if let Some(resets_at) = balance.resets_at
            && let Ok(value) = HeaderValue::from_str(&resets_at.to_string())
        {
            headers.insert(CREDITS_RESET, value);
        }
    }
}

/// Gives the request its id, and keeps the client's beside it.
pub(crate) fn name_request(headers: &mut HeaderMap, field: &HeaderName, id: HeaderValue) {
    if let Some(clients) = headers.insert(field.clone(), id) {
        headers.insert(CLIENT_REQUEST_ID, clients);
    }
}

/// Without being asked a service need not send trailers (RFC 9110, section 6.5.1).
pub(crate) fn ask_for_trailers(headers: &mut HeaderMap) {
    headers.insert(TE, HeaderValue::from_static("trailers"));
    headers.insert(CONNECTION, HeaderValue::from_static("te"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_told_of_another_client() {
        let mut headers = HeaderMap::new();
        for name in [
            "x-forwarded-for",
            "x_forwarded_for",
            "x.request_id",
            "x-request-id",
            "x-key",
            "x_key",
            "transfer_encoding",
            "x_other",
        ] {
            headers.insert(HeaderName::from_static(name), HeaderValue::from_static("x"));
        }
        let id = HeaderName::from_static("x-request-id");
        let key = Scheme::Field(HeaderName::from_static("x-key"));
        let mut kept = Vec::new();
        strip_request(&mut headers, &id, std::iter::once(&key), |value| kept.push(value));
        let mut left: Vec<&str> = headers.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["x-request-id", "x_other"]);
        assert_eq!(kept, ["x"], "the key, to be hidden from logs");
    }

    #[test]
    fn nothing_that_is_ours_crosses() {
        let mut headers = HeaderMap::new();
        for name in
            ["demur-account", "demur_plan", "demur.key", "demurrage", "x-demur-plan", "te", "x-private"]
        {
            headers.insert(HeaderName::from_static(name), HeaderValue::from_static("x"));
        }
        headers.insert(CONNECTION, HeaderValue::from_static("close, X-Private"));
        strip_hops(&mut headers);
        let mut left: Vec<&str> = headers.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["demurrage", "x-demur-plan"]);
    }
}
