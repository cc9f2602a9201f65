//! Headers that tell the upstream how the client sees the API: `Via`, `X-Forwarded-Proto`, `-Host`, `-Port`, `-Prefix`
//! and `Forwarded` (RFC 9110, section 7.6.3; RFC 7239).
//!
//! Without them no service can make a link or a redirect that leads back through the gateway. What a trusted proxy says of
//! scheme, host and port is kept; what others say has been removed (`reserved_headers.rs`).

use http::header::{FORWARDED, VIA};
use http::{HeaderMap, HeaderName, HeaderValue};

const PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const PORT: HeaderName = HeaderName::from_static("x-forwarded-port");
const PREFIX: HeaderName = HeaderName::from_static("x-forwarded-prefix");

/// RFC 9110, section 7.6.3, allows a pseudonym in place of the host.
const OWN_VIA: &str = "1.1 demur";

/// How a request reached the gateway.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Arrival<'r> {
    /// The request's host, with its port.
    pub(crate) host: Option<&'r str>,
    /// The path prefix of the API, which the upstream does not see.
    pub(crate) mount: &'r str,
    /// The client's address.
    pub(crate) client: Option<&'r HeaderValue>,
    /// Whether its connection uses TLS.
    pub(crate) is_secure: bool,
    /// Whether a trusted proxy sent it.
    pub(crate) is_trusted: bool,
}

/// Sets the headers.
pub(crate) fn set(headers: &mut HeaderMap, arrival: Arrival<'_>) {
    let sent = if arrival.is_trusted { Sent::read(headers) } else { Sent::default() };
    let proto = sent.proto.as_deref().unwrap_or(if arrival.is_secure { "https" } else { "http" });
    let host = sent.host.as_deref().or(arrival.host).filter(|host| is_host(host));
    if let Some(forwarded) = forwarded(arrival.client, host, proto) {
        headers.insert(FORWARDED, forwarded);
    }
    let port = match (host.and_then(port_of), proto) {
        (Some(port), _) => HeaderValue::from_str(port).ok(),
        (None, "https" | "wss") => Some(HeaderValue::from_static("443")),
        (None, _) => Some(HeaderValue::from_static("80")),
    };
    let host = host.and_then(|host| HeaderValue::from_str(host).ok());
    let proto = match proto {
        "http" => Some(HeaderValue::from_static("http")),
        other => HeaderValue::from_str(other).ok(),
    };
    for (name, value) in [(PROTO, proto), (HOST, host), (PORT, port)] {
        if let Some(value) = value
            && !(arrival.is_trusted && headers.contains_key(&name))
        {
            headers.insert(name, value);
        }
    }
    set_prefix(headers, arrival.mount);
    add_via(headers);
}

/// Sets those that the request does not have, for an API in monitor mode.
pub(crate) fn set_missing(headers: &mut HeaderMap, arrival: Arrival<'_>) {
    let mut own = HeaderMap::new();
    set(&mut own, Arrival { is_trusted: false, ..arrival });
    for (name, value) in own {
        if let Some(name) = name.filter(|name| *name != VIA && !headers.contains_key(name)) {
            headers.insert(name, value);
        }
    }
    add_via(headers);
}

/// Adds the gateway to the proxies that the message has passed.
fn add_via(headers: &mut HeaderMap) {
    headers.append(VIA, HeaderValue::from_static(OWN_VIA));
}

/// The prefixes of trusted proxies come before that of the API.
fn set_prefix(headers: &mut HeaderMap, mount: &str) {
    if mount.is_empty() {
        return;
    }
    let before = headers.get(PREFIX).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let prefix = format!("{}{mount}", before.trim_end_matches('/'));
    if let Ok(prefix) = HeaderValue::from_str(&prefix) {
        headers.insert(PREFIX, prefix);
    }
}

/// `for=192.0.2.60;host=api.example;proto=http`.
fn forwarded(client: Option<&HeaderValue>, host: Option<&str>, proto: &str) -> Option<HeaderValue> {
    let mut text = String::with_capacity(64);
    match client.and_then(|client| client.to_str().ok()) {
        // RFC 7239, section 6: an IPv6 address is in brackets, and quoted for its colons.
        Some(client) if client.contains(':') => {
            text.push_str("for=\"[");
            text.push_str(client);
            text.push_str("]\"");
        }
        Some(client) => {
            text.push_str("for=");
            text.push_str(client);
        }
        None => text.push_str("for=unknown"),
    }
    if let Some(host) = host {
        let quote = if host.contains([':', '[', ']']) { "\"" } else { "" };
        for part in [";host=", quote, host, quote] {
            text.push_str(part);
        }
    }
    text.push_str(";proto=");
    text.push_str(proto);
    HeaderValue::try_from(text).ok()
}

/// What a trusted proxy says of the client's request.
#[derive(Debug, Default)]
struct Sent {
    proto: Option<String>,
    host: Option<String>,
}

impl Sent {
    /// Of several values the last one counts: the trusted proxy has added it.
    fn read(headers: &HeaderMap) -> Self {
        let last = |name: &HeaderName| {
            let value = headers.get_all(name).iter().next_back()?.to_str().ok()?;
            value.rsplit(',').next().map(|value| value.trim().to_owned())
        };
        let element = last(&FORWARDED);
        let parameter = |wanted: &str| {
            let pairs = element.as_deref()?.split(';').filter_map(|pair| pair.split_once('='));
            let value = pairs.into_iter().find(|(name, _)| name.trim().eq_ignore_ascii_case(wanted))?.1;
            Some(value.trim().trim_matches('"').to_owned())
        };
        let proto = last(&PROTO).or_else(|| parameter("proto")).map(|proto| proto.to_ascii_lowercase());
        let host = last(&HOST).or_else(|| parameter("host"));
        Self { proto: proto.filter(|proto| is_scheme(proto)), host: host.filter(|host| is_host(host)) }
    }
}

fn is_scheme(text: &str) -> bool {
    matches!(text, "http" | "https" | "ws" | "wss")
}

/// Whether a host is safe in a quoted string, and in a URL that a service makes of it.
fn is_host(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~%:[]!$&'()*+,;=".contains(&byte);
    !text.is_empty() && text.len() <= 260 && text.bytes().all(allowed)
}

/// The port of `HOST:PORT`.
fn port_of(host: &str) -> Option<&str> {
    let (name, port) = host.rsplit_once(':')?;
    let is_port = (1..=5).contains(&port.len()) && port.bytes().all(|byte| byte.is_ascii_digit());
    // A colon in brackets belongs to an address.
    (is_port && (!name.contains(':') || name.ends_with(']'))).then_some(port)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `NAME: VALUE` of all headers that the upstream gets, sorted.
    fn set_on(sent: &[(&'static str, &'static str)], arrival: Arrival<'_>) -> Vec<String> {
        let mut headers = HeaderMap::new();
        for (name, value) in sent {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        set(&mut headers, arrival);
        let mut lines: Vec<String> =
            headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect();
        lines.sort_unstable();
        lines
    }

    /// envoyproxy/envoy#1030, caddyserver/caddy#7643: `Via` is not optional.
    #[test]
    fn tells_the_upstream_how_the_client_sees_the_api() {
        let client = HeaderValue::from_static("192.0.2.7");
        let six = HeaderValue::from_static("2001:db8::7");
        let direct = Arrival {
            host: Some("api.example"),
            mount: "/shop",
            client: Some(&client),
            is_secure: false,
            is_trusted: false,
        };
        let trusted = Arrival { is_trusted: true, ..direct };
        for (sent, arrival, expected) in [
            (
                &[][..],
                direct,
                &[
                    "forwarded: for=192.0.2.7;host=api.example;proto=http",
                    "via: 1.1 demur",
                    "x-forwarded-host: api.example",
                    "x-forwarded-port: 80",
                    "x-forwarded-prefix: /shop",
                    "x-forwarded-proto: http",
                ][..],
            ),
            (
                &[("via", "1.0 fred")],
                Arrival {
                    host: Some("[2001:db8::1]:8080"),
                    mount: "",
                    client: Some(&six),
                    is_secure: false,
                    is_trusted: false,
                },
                &[
                    "forwarded: for=\"[2001:db8::7]\";host=\"[2001:db8::1]:8080\";proto=http",
                    "via: 1.0 fred",
                    "via: 1.1 demur",
                    "x-forwarded-host: [2001:db8::1]:8080",
                    "x-forwarded-port: 8080",
                    "x-forwarded-proto: http",
                ],
            ),
            (
                &[],
                Arrival { is_secure: true, ..direct },
                &[
                    "forwarded: for=192.0.2.7;host=api.example;proto=https",
                    "via: 1.1 demur",
                    "x-forwarded-host: api.example",
                    "x-forwarded-port: 443",
                    "x-forwarded-prefix: /shop",
                    "x-forwarded-proto: https",
                ],
            ),
            // A proxy that ends TLS for its own clients.
            (
                &[("x-forwarded-proto", "http")],
                Arrival { is_secure: true, ..trusted },
                &[
                    "forwarded: for=192.0.2.7;host=api.example;proto=http",
                    "via: 1.1 demur",
                    "x-forwarded-host: api.example",
                    "x-forwarded-port: 80",
                    "x-forwarded-prefix: /shop",
                    "x-forwarded-proto: http",
                ],
            ),
            // No host, and one that would break out of the quotes.
            (
                &[],
                Arrival {
                    host: Some("a\";proto=https"),
                    mount: "",
                    client: None,
                    is_secure: false,
                    is_trusted: false,
                },
                &[
                    "forwarded: for=unknown;proto=http",
                    "via: 1.1 demur",
                    "x-forwarded-port: 80",
                    "x-forwarded-proto: http",
                ],
            ),
            (
                &[
                    ("x-forwarded-proto", "https"),
                    ("x-forwarded-host", "shop.example"),
                    ("x-forwarded-port", "8443"),
                    ("x-forwarded-prefix", "/eu/"),
                ],
                trusted,
                &[
                    "forwarded: for=192.0.2.7;host=shop.example;proto=https",
                    "via: 1.1 demur",
                    "x-forwarded-host: shop.example",
                    "x-forwarded-port: 8443",
                    "x-forwarded-prefix: /eu/shop",
                    "x-forwarded-proto: https",
                ],
            ),
            // The last element is the trusted proxy's own.
            (
                &[(
                    "forwarded",
                    "for=10.9.9.9;host=evil.example, for=192.0.2.7;Host=\"shop.example:444\";proto=HTTPS",
                )],
                trusted,
                &[
                    "forwarded: for=192.0.2.7;host=\"shop.example:444\";proto=https",
                    "via: 1.1 demur",
                    "x-forwarded-host: shop.example:444",
                    "x-forwarded-port: 444",
                    "x-forwarded-prefix: /shop",
                    "x-forwarded-proto: https",
                ],
            ),
            (
                &[("x-forwarded-proto", "https")],
                trusted,
                &[
                    "forwarded: for=192.0.2.7;host=api.example;proto=https",
                    "via: 1.1 demur",
                    "x-forwarded-host: api.example",
                    "x-forwarded-port: 443",
                    "x-forwarded-prefix: /shop",
                    "x-forwarded-proto: https",
                ],
            ),
        ] {
            assert_eq!(set_on(sent, arrival), expected, "{sent:?}");
        }
    }

    #[test]
    fn finds_the_port_of_a_host() {
        for (host, port) in [
            ("a", None),
            ("a:80", Some("80")),
            ("a:", None),
            ("a:x", None),
            ("a:123456", None),
            ("[::1]", None),
            ("[::1]:8", Some("8")),
            ("::1", None),
        ] {
            assert_eq!(port_of(host), port, "{host}");
        }
    }
}
