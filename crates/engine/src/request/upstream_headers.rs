//! Removes headers that must not reach the upstream or the client.
//!
//! Hop-by-hop headers are removed, and those that `Connection` names (RFC 9110, section 7.6.1); it must not name one that was
//! checked. The gateway's own headers, and those that only a proxy may set (`reserved_headers.rs`), are removed from what a
//! client sends, with any separator in their names. API keys are not forwarded.

use demur_contract::{Condition, Location};
use demur_validation::Operation;
use http::header::{CONNECTION, HeaderMap, HeaderName, HeaderValue};
use smallvec::SmallVec;

use crate::reject::rejection::Rejection;
use crate::request::reserved_headers::{
    CHECKED, ReservedNames, ReservedReason, has_other_separators, normalized, reserved,
};
use crate::settings::Authentication;

/// The header with which an upstream raises a declared error.
pub(crate) const DEMUR_ERROR: HeaderName = HeaderName::from_static("demur-error");

/// What is removed from a request before it is forwarded.
#[derive(Clone, Copy)]
pub(crate) struct HeaderDirection<'a> {
    /// The header of the request ID.
    pub(crate) id: &'a HeaderName,
    pub(crate) authentication: &'a Authentication,
    /// Whether the headers of `authentication` hold credentials for the gateway. Without, they are for the upstream.
    pub(crate) authenticates: bool,
    /// Its declared header parameters were validated under their own names only.
    pub(crate) operation: Option<&'a Operation>,
    /// What the API reserves beside the built-in list.
    pub(crate) reserved: &'a ReservedNames,
    /// Whether a trusted proxy sent the request.
    pub(crate) is_trusted: bool,
}

impl HeaderDirection<'_> {
    /// Whether a header is removed because of its meaning. A name in another spelling counts
    /// where an upstream could take it for one that was checked, or that only the gateway or a proxy may set.
    fn is_removed(self, name: &HeaderName) -> bool {
        let sent = name.as_str();
        let has_other_separators = has_other_separators(sent);
        if is_reserved_by_gateway(sent) || (!has_other_separators && self.is_reserved(sent)) {
            return true;
        }
        if !has_other_separators && !self.declares_other_separators() {
            return false;
        }
        let meant = normalized(sent);
        if has_other_separators && self.is_reserved(&meant) {
            return true;
        }
        let others = [self.id].into_iter().chain(self.authentication.fields()).map(HeaderName::as_str);
        let mut judged = others.chain(CHECKED).chain(self.declared());
        let is_alias = |other: &str| !other.eq_ignore_ascii_case(sent) && normalized(other) == meant;
        let is_declared = || self.declared().any(|declared| declared.eq_ignore_ascii_case(sent));
        judged.any(is_alias) && !is_declared()
    }

    fn is_reserved(self, name: &str) -> bool {
        match reserved(name) {
            Some(ReservedReason::Override) => true,
            Some(ReservedReason::Identity) => !self.is_trusted,
            None => !self.is_trusted && self.reserved.contains(name),
        }
    }

    fn declared(&self) -> impl Iterator<Item = &str> {
        self.operation.into_iter().flat_map(|operation| operation.parameters(Location::Header))
    }

    fn declares_other_separators(&self) -> bool {
        self.declared().any(has_other_separators)
    }

    fn is_credential(self, name: &HeaderName) -> bool {
        self.authenticates && self.authentication.fields().any(|field| field == name)
    }
}

/// Removes from a request: hop-by-hop headers, headers that only the gateway or a proxy may set, and the API key, with any
/// separator in their names. `keep` gets the key.
pub(crate) fn strip_untrusted(
    headers: &mut HeaderMap,
    direction: HeaderDirection<'_>,
    mut keep: impl FnMut(HeaderValue),
) {
    let is_removed = |name: &HeaderName| {
        is_hop_by_hop(name.as_str()) || direction.is_credential(name) || direction.is_removed(name)
    };
    strip(headers, is_removed, |name, value| {
        if direction.is_credential(name) {
            keep(value);
        }
    });
}

/// In monitor mode: the headers that would be removed because of their content.
pub(crate) fn would_strip<'h>(headers: &'h HeaderMap, direction: HeaderDirection<'h>) -> Vec<&'h str> {
    let names = headers
        .keys()
        .filter(|name| !is_reserved_by_gateway(name.as_str()) && !direction.is_credential(name));
    names.filter(|name| direction.is_removed(name)).map(HeaderName::as_str).collect()
}

/// Rejects a request whose `Connection` names a header that was checked, or that says who is calling: it would be removed
/// after the check (RFC 9110, section 7.6.1, forbids options that name end-to-end headers). Other headers that it names are removed.
pub(crate) fn check_connection(
    headers: &HeaderMap,
    direction: HeaderDirection<'_>,
    rules_read_headers: bool,
) -> Result<(), Rejection> {
    let rejected = |cause: String| Err(Rejection::from(Condition::RequestMalformed).with_cause(cause));
    for value in headers.get_all(CONNECTION) {
        let Ok(value) = value.to_str() else {
            return rejected("`Connection` is not visible ASCII".to_owned());
        };
        for option in value.split(',').map(|option| option.trim_matches([' ', '\t'])) {
            if option.is_empty() || is_common_option(option) {
                continue;
            }
            let Ok(name) = HeaderName::from_bytes(option.as_bytes()) else {
                return rejected("`Connection` contains an option that is not a token".to_owned());
            };
            let meant = normalized(name.as_str());
            // The gateway sets these itself, whatever becomes of the client's.
            if is_reserved_by_gateway(name.as_str()) || direction.is_credential(&name) || is_framing(&meant) {
                continue;
            }
            let is_checked = reserved(&meant).is_some()
                || direction.reserved.contains(&meant)
                || CHECKED.contains(&meant.as_str())
                || direction.declared().any(|declared| normalized(declared) == meant)
                || (rules_read_headers && headers.contains_key(&name));
            if is_checked {
                return rejected(format!("`Connection` names the end-to-end header `{name}`"));
            }
        }
    }
    Ok(())
}

/// Headers that are set again for the upstream's connection.
fn is_framing(name: &str) -> bool {
    matches!(name, "host" | "content-length")
}

/// Options that clients send: `close`, `keep-alive`, and the headers that concern a connection.
fn is_common_option(option: &str) -> bool {
    let is = |known: &str| option.eq_ignore_ascii_case(known);
    is("close") || is("keep-alive") || is("upgrade") || is_hop_by_hop(&option.to_ascii_lowercase())
}

/// Removes hop-by-hop headers and those that only the gateway may set: from responses, and from requests in monitor mode.
pub fn strip_hop_by_hop(headers: &mut HeaderMap) {
    strip(headers, |name| is_hop_by_hop(name.as_str()) || is_reserved_by_gateway(name.as_str()), |_, _| {});
}

/// Removes headers in one pass over the names: nearly all of them stay.
fn strip(
    headers: &mut HeaderMap,
    is_removed: impl Fn(&HeaderName) -> bool,
    mut on_removed: impl FnMut(&HeaderName, HeaderValue),
) {
    let mut removed: SmallVec<[HeaderName; 4]> = SmallVec::new();
    let mut is_named = false;
    for name in headers.keys() {
        is_named |= *name == CONNECTION;
        if is_removed(name) {
            removed.push(name.clone());
        }
    }
    if is_named {
        strip_named(headers);
    }
    for name in removed {
        if let Some(value) = headers.remove(&name) {
            on_removed(&name, value);
        }
    }
}

/// Removes the headers that `Connection` names.
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

/// Whether a header concerns one connection only. The gateway answers `expect` itself, and frames bodies again.
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

/// `demur-…`, with any separator. Names are in lower case already.
fn is_reserved_by_gateway(name: &str) -> bool {
    let rest = name.strip_prefix("demur");
    rest.and_then(|rest| rest.bytes().next()).is_some_and(|byte| !byte.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{Prefixes, Scheme};

    fn authentication() -> Authentication {
        let scheme = Scheme::Field(HeaderName::from_static("x-key"));
        let failures = (std::num::NonZeroU32::MIN, std::time::Duration::from_secs(1));
        Authentication { failures, ..Authentication::new(scheme, Prefixes::one("shop")) }
    }

    /// The names that are left of these, and what was kept of the key.
    fn left(names: &[&'static str], is_trusted: bool) -> (Vec<String>, usize) {
        let mut headers = HeaderMap::new();
        for name in names {
            headers.insert(HeaderName::from_static(name), HeaderValue::from_static("x"));
        }
        let mut reserved = ReservedNames::default();
        assert!(reserved.add("x-user-*"));
        let direction = HeaderDirection {
            id: &HeaderName::from_static("x-request-id"),
            authentication: &authentication(),
            authenticates: true,
            operation: None,
            reserved: &reserved,
            is_trusted,
        };
        let mut kept = 0;
        strip_untrusted(&mut headers, direction, |_| kept += 1);
        let mut left: Vec<String> = headers.keys().map(|name| name.as_str().to_owned()).collect();
        left.sort_unstable();
        (left, kept)
    }

    #[test]
    fn removes_what_a_client_must_not_set() {
        for name in [
            "x-forwarded-for",
            "x_forwarded_for",
            "x.forwarded.for",
            "x!forwarded~for",
            "x-forwarded-email",
            "x.request_id",
            "x_key",
            "transfer_encoding",
            "content_type",
            "idempotency_key",
            "true_client_ip",
            "x_original_url",
            "x-http-method-override",
            "proxy",
            "demur.key",
            "x-user-id",
            "x_user_id",
            "host_",
        ] {
            let (left, _) = left(&[name], false);
            let expected: &[&str] = if name == "host_" { &["host_"] } else { &[] };
            assert_eq!(left, expected, "{name}");
        }
        let names = ["x-key", "x-request-id", "x_other", "x-forwarded-proto"];
        assert_eq!(left(&names, false), (vec!["x-request-id".to_owned(), "x_other".to_owned()], 1));
    }

    #[test]
    fn trusted_proxy_may_set_the_client_but_not_the_path() {
        let names = [
            "x-forwarded-proto",
            "true-client-ip",
            "x-user-id",
            "x-original-url",
            "x_http_method",
            "demur-key",
        ];
        let (left, _) = left(&names, true);
        assert_eq!(left, ["true-client-ip", "x-forwarded-proto", "x-user-id"]);
    }

    #[test]
    fn rejects_connection_options_that_name_checked_headers() {
        for (values, is_rejected) in [
            (&["close"][..], false),
            (&["keep-alive"], false),
            (&["Upgrade, HTTP2-Settings"], false),
            (&["TE, Trailer, close"], false),
            (&["x-private"], false),
            (&["", ","], false),
            (&["Content-Type"], true),
            (&["close, CONTENT-ENCODING"], true),
            // The gateway sets these itself.
            (&["Host, Content-Length"], false),
            (&["x-key"], false),
            (&["demur-account"], false),
            (&["x-request-id"], false),
            (&["close", " idempotency-key\t"], true),
            (&["authorization"], true),
            (&["X-Forwarded-For"], true),
            (&["x_forwarded_for"], true),
            (&["x-user-id"], true),
            (&["cookie"], true),
            (&["\"content-type\""], true),
            (&["a b"], true),
            (&["close;q=1"], true),
        ] {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(CONNECTION, HeaderValue::from_str(value).unwrap());
            }
            let mut reserved = ReservedNames::default();
            assert!(reserved.add("x-user-*"));
            let direction = HeaderDirection {
                id: &HeaderName::from_static("x-request-id"),
                authentication: &authentication(),
                authenticates: true,
                operation: None,
                reserved: &reserved,
                is_trusted: false,
            };
            assert_eq!(check_connection(&headers, direction, false).is_err(), is_rejected, "{values:?}");
        }
        // A rule may have read any header that is there.
        let mut headers = HeaderMap::new();
        headers.insert(CONNECTION, HeaderValue::from_static("x-private"));
        let direction = HeaderDirection {
            id: &HeaderName::from_static("x-request-id"),
            authentication: &authentication(),
            authenticates: true,
            operation: None,
            reserved: &ReservedNames::default(),
            is_trusted: false,
        };
        assert!(check_connection(&headers, direction, true).is_ok());
        headers.insert("x-private", HeaderValue::from_static("1"));
        assert!(check_connection(&headers, direction, true).is_err());
    }

    #[test]
    fn removes_the_gateways_own_headers() {
        let mut headers = HeaderMap::new();
        for name in
            ["demur-account", "demur_plan", "demur.key", "demurrage", "x-demur-plan", "te", "x-private"]
        {
            headers.insert(HeaderName::from_static(name), HeaderValue::from_static("x"));
        }
        headers.insert(CONNECTION, HeaderValue::from_static("close, X-Private"));
        strip_hop_by_hop(&mut headers);
        let mut left: Vec<&str> = headers.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["demurrage", "x-demur-plan"]);
    }
}
