//! Request headers that a client must not set: the one list of them.
//!
//! Upstreams and the frameworks in them trust these headers, because a proxy in front is expected to set them: who the
//! client is, how it authenticated, which method or path it "really" asked for. What a client sends under these names is
//! removed, whatever separators it writes (many servers read `X_Real_IP` and `X.Real.IP` as `X-Real-IP`). A trusted proxy
//! may set all of them but those that replace method or path: these would run another operation than the one that was
//! checked.

use http::HeaderName;

/// Why a header is reserved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReservedReason {
    /// It says who the client is, or how it came. A trusted proxy may set it.
    Identity,
    /// It replaces the method or the path. Nobody may set it.
    Override,
}

/// Names that begin so replace method or path.
const OVERRIDE_PREFIXES: &[&str] = &["x-original-", "x-rewrite-", "x-override-"];

/// Names that replace method or path: of Rack, Symfony, Express, ASP.NET, IIS and Zend.
const OVERRIDES: &[&str] =
    &["x-http-method", "x-http-method-override", "x-method-override", "x-http-path-override"];

/// Names that begin so say who the client is, or how it came.
const IDENTITY_PREFIXES: &[&str] = &[
    // Proxies in general.
    "forwarded-",
    "x-forward-",
    "x-forwarded",
    "x-forwarder-",
    "x-real-",
    "x-remote-",
    "x-originating-",
    "x-proxyuser-",
    "remote-",
    // Client certificates that a proxy has verified: nginx, Apache, HAProxy, Traefik, Envoy.
    "client-cert",
    "ssl-client-",
    "x-client-cert",
    "x-client-dn",
    "x-client-verif",
    "x-certificate-",
    "x-ssl-",
    "x-tls-",
    // Authentication in front: oauth2-proxy, Kong, Authentik, Envoy, Pomerium, Vouch, Grafana.
    "x-auth-request-",
    "x-authenticated-",
    "x-authentik-",
    "x-consumer-",
    "x-credential-",
    "x-envoy-",
    "x-pomerium-",
    "x-vouch-",
    "x-webauth-",
    // Clouds and content delivery networks.
    "cf-",
    "cloudfront-",
    "fastly-",
    "fly-client-",
    "fly-forwarded-",
    "x-akamai-",
    "x-amzn-mtls-",
    "x-arr-",
    "x-amzn-oidc-",
    "x-appengine-",
    "x-azure-client",
    "x-azure-socket",
    "x-goog-authenticated-user-",
    "x-goog-iap-",
    "x-ms-client-principal",
];

/// Single names that say who the client is, or how it came.
const IDENTITIES: &[&str] = &[
    "client-ip",
    "forwarded",
    "front-end-https",
    "proxy",
    "proxy-client-ip",
    "proxy-user",
    "real-ip",
    "true-client-ip",
    "via-ip",
    "wl-proxy-client-ip",
    "x-anonymous-consumer",
    "x-client-address",
    "x-client-ip",
    "x-client-port",
    "x-cluster-client-ip",
    "x-coming-from",
    "x-host",
    "x-http-host-override",
    "x-proto",
    "x-scheme",
    "x-token-subject",
    "x-url-scheme",
    "x-userinfo",
    "x-vercel-forwarded-for",
];

/// Why this header is reserved, if it is. `name` is normalized.
pub(crate) fn reserved(name: &str) -> Option<ReservedReason> {
    let begins = |prefixes: &[&str]| prefixes.iter().any(|prefix| name.starts_with(prefix));
    // Most headers begin with none of these letters.
    if !matches!(name.as_bytes().first(), Some(b'c' | b'f' | b'p' | b'r' | b's' | b't' | b'v' | b'w' | b'x'))
    {
        return None;
    }
    if begins(OVERRIDE_PREFIXES) || OVERRIDES.contains(&name) {
        return Some(ReservedReason::Override);
    }
    (begins(IDENTITY_PREFIXES) || IDENTITIES.contains(&name)).then_some(ReservedReason::Identity)
}

/// Whether a header's name has separators other than `-`.
pub(crate) fn has_other_separators(name: &str) -> bool {
    name.bytes().any(|byte| !byte.is_ascii_alphanumeric() && byte != b'-')
}

/// A header's name as a server reads it that turns names into variables (CGI, WSGI, PHP): every separator is the same.
pub(crate) fn normalized(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' }).collect()
}

/// More names that an API reserves, with `*` at the end for a prefix.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReservedNames {
    names: Vec<String>,
    prefixes: Vec<String>,
}

impl ReservedNames {
    /// Adds a name, or a prefix that ends in `*`. `false` where it is neither.
    pub fn add(&mut self, text: &str) -> bool {
        let (list, name) = match text.strip_suffix('*') {
            Some(prefix) => (&mut self.prefixes, prefix),
            None => (&mut self.names, text),
        };
        let is_name = HeaderName::from_bytes(name.as_bytes()).is_ok();
        if is_name {
            list.push(normalized(name));
        }
        is_name
    }

    /// Whether a normalized name is among them.
    pub(crate) fn contains(&self, name: &str) -> bool {
        self.names.iter().any(|known| known == name)
            || self.prefixes.iter().any(|prefix| name.starts_with(prefix.as_str()))
    }
}

/// Headers that decide about a request, or what its body is, beside those that an operation declares.
pub(crate) const CHECKED: [&str; 37] = [
    "accept",
    "accept-charset",
    "accept-encoding",
    "accept-language",
    "authorization",
    "cache-control",
    "connection",
    "content-disposition",
    "content-encoding",
    "content-language",
    "content-length",
    "content-location",
    "content-md5",
    "content-range",
    "content-type",
    "cookie",
    "date",
    "expect",
    "host",
    "idempotency-key",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "origin",
    "pragma",
    "prefer",
    "range",
    "referer",
    "sec-websocket-extensions",
    "sec-websocket-key",
    "sec-websocket-protocol",
    "sec-websocket-version",
    "traceparent",
    "transfer-encoding",
    "user-agent",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reserves_identifying_headers_only() {
        for name in [
            "forwarded",
            "x-forwarded-for",
            "x-forwarded-client-cert",
            "x-forwarded-anything",
            "x-real-ip",
            "true-client-ip",
            "cf-connecting-ip",
            "cf-connecting-ipv6",
            "fastly-client-ip",
            "x-client-cert",
            "x-client-ip",
            "x-cluster-client-ip",
            "x-ssl-client-verify",
            "ssl-client-cert",
            "remote-user",
            "remote-addr",
            "proxy",
            "x-remote-user",
            "x-auth-request-email",
            "x-envoy-external-address",
            "x-originating-ip",
            "x-amzn-oidc-identity",
            "x-goog-authenticated-user-email",
            "client-ip",
            "client-cert",
        ] {
            assert_eq!(reserved(name), Some(ReservedReason::Identity), "{name}");
        }
        for name in
            ["x-original-url", "x-original-host", "x-rewrite-url", "x-http-method-override", "x-http-method"]
        {
            assert_eq!(reserved(name), Some(ReservedReason::Override), "{name}");
        }
        for name in [
            "accept",
            "authorization",
            "content-type",
            "cookie",
            "idempotency-key",
            "priority",
            "referer",
            "sec-fetch-site",
            "te",
            "traceparent",
            "tracestate",
            "user-agent",
            "via",
            "x-api-key",
            "x-requested-with",
            "x-request-id",
            "x-csrf-token",
            "x-stainless-lang",
            "x-ms-date",
            "x-amz-date",
            "x-client-info",
            "x-client-data",
            "x-goog-api-client",
        ] {
            assert_eq!(reserved(name), None, "{name}");
        }
    }

    #[test]
    fn separators_are_equivalent() {
        for name in ["X_Real_IP", "x.real.ip", "x-real_ip", "X!Real~IP"] {
            assert_eq!(normalized(name), "x-real-ip");
        }
    }

    #[test]
    fn api_reserves_names_and_prefixes() {
        let mut names = ReservedNames::default();
        assert!(names.add("X-User-Id") && names.add("X_Tenant-*"));
        assert!(!names.add("a b") && !names.add("*") && !names.add(""));
        for (name, is_reserved) in [("x-user-id", true), ("x-user-id-2", false), ("x-tenant-name", true)] {
            assert_eq!(names.contains(name), is_reserved, "{name}");
        }
    }
}
