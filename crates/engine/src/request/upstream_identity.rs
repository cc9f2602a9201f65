//! Headers that the gateway sets for the upstream: the caller, the client's address, the request ID.

use bytes::Bytes;
use demur_admission::{Balance, Principal};
use http::header::{CONNECTION, TE};
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::settings::Prefixes;

const ACCOUNT: HeaderName = HeaderName::from_static("demur-account");
const KEY: HeaderName = HeaderName::from_static("demur-key");
const PLAN: HeaderName = HeaderName::from_static("demur-plan");
const ENVIRONMENT: HeaderName = HeaderName::from_static("demur-environment");
const CREDITS_REMAINING: HeaderName = HeaderName::from_static("demur-credits-remaining");
const CREDITS_RESET: HeaderName = HeaderName::from_static("demur-credits-reset");
const CLIENT_REQUEST_ID: HeaderName = HeaderName::from_static("demur-client-request-id");
const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Sets the client's address.
pub(crate) fn set_x_forwarded_for(headers: &mut HeaderMap, peer: &HeaderValue) {
    headers.insert(X_FORWARDED_FOR, peer.clone());
}

/// Sets the client's address, unless a proxy has set it.
pub(crate) fn set_x_forwarded_for_once(headers: &mut HeaderMap, peer: &HeaderValue) {
    headers.entry(X_FORWARDED_FOR).or_insert_with(|| peer.clone());
}

/// The caller, as header values. IDs are visible ASCII; a plan's name that a header cannot carry is left out.
struct UpstreamIdentity {
    account: Option<HeaderValue>,
    key: Option<HeaderValue>,
    plan: Option<HeaderValue>,
    /// If the API has environments.
    environment: Option<HeaderValue>,
}

impl UpstreamIdentity {
    /// All values share one allocation, to touch little memory of a principal that is not in the CPU's cache.
    fn new(principal: &Principal, prefixes: &Prefixes) -> Self {
        let key = principal.key();
        let environment = prefixes.environment(&key.prefix);
        let texts = [
            principal.account().id.as_str(),
            key.id.as_str(),
            &principal.plan().name,
            environment.unwrap_or_default(),
        ];
        let mut all = Bytes::from(texts.concat());
        let [account, key, plan, environment_value] =
            texts.map(|text| HeaderValue::from_maybe_shared(all.split_to(text.len())).ok());
        // An account without a plan.
        let plan = plan.filter(|plan| !plan.is_empty());
        Self { account, key, plan, environment: environment_value.filter(|_| environment.is_some()) }
    }
}

/// Sets the headers that name the caller.
pub(crate) fn set_identity(
    headers: &mut HeaderMap,
    principal: &Principal,
    prefixes: &Prefixes,
    balance: Option<&Balance>,
) {
    let identity = |principal: &Principal| UpstreamIdentity::new(principal, prefixes);
    if let Some(UpstreamIdentity { account, key, plan, environment }) = principal.extension(identity) {
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

/// Sets the request ID, and keeps the client's own in another header.
pub(crate) fn set_request_id(headers: &mut HeaderMap, header: &HeaderName, id: HeaderValue) {
    if let Some(client_id) = headers.insert(header.clone(), id) {
        headers.insert(CLIENT_REQUEST_ID, client_id);
    }
}

/// Asks for trailers: upstreams need not send them otherwise (RFC 9110, section 6.5.1).
pub(crate) fn ask_for_trailers(headers: &mut HeaderMap) {
    headers.insert(TE, HeaderValue::from_static("trailers"));
    headers.insert(CONNECTION, HeaderValue::from_static("te"));
}
