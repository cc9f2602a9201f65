//! Rewrites references to the upstream in its responses (`Location` and similar headers) into references to the API.
//!
//! Frameworks build absolute references from the `Host` that they receive, which is the upstream's own. Such a reference
//! reveals an internal address, and clients cannot reach it. It becomes a path below the API's mount, which the client
//! resolves against the URL that it requested. References to other hosts stay unchanged.
//!
//! A reference names the upstream if its host is the configured one or the address that it resolved to, in any spelling
//! that browsers read as the same, and its port is the upstream's. Without a port it also names the upstream if the host is
//! an address or not a public name, because frameworks that do not know their port leave it out.

use std::cell::Cell;
use std::net::IpAddr;

use http::header::{CONTENT_LOCATION, LINK, LOCATION, REFRESH};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::host::{Host, is_slash, split_authority};
use super::settings::{Endpoint, Upstream};

/// Finds references to one upstream, and replaces them.
#[derive(Debug)]
pub(crate) struct UpstreamOrigin {
    servers: Vec<Server>,
    /// The prefix of all paths at the upstream.
    prefix: String,
    /// The prefix of all paths at the gateway.
    mount: String,
}

/// One endpoint.
#[derive(Debug)]
struct Server {
    host: Host,
    port: u16,
    /// The address that the host resolved to last.
    resolved: Cell<Option<IpAddr>>,
}

impl UpstreamOrigin {
    pub(crate) fn new(upstream: &Upstream, mount: &str) -> Self {
        let server = |endpoint: &Endpoint| Server {
            host: Host::parse(endpoint.authority.host().as_bytes()),
            port: endpoint.port(),
            resolved: Cell::new(None),
        };
        Self {
            servers: upstream.endpoints.iter().map(server).collect(),
            prefix: upstream.path.clone(),
            mount: mount.to_owned(),
        }
    }

    /// Sets the address that a connection to an endpoint was made to.
    pub(crate) fn set_resolved(&self, index: usize, address: IpAddr) {
        if let Some(server) = self.servers.get(index) {
            server.resolved.set(Some(address.to_canonical()));
        }
    }

    /// Rewrites the headers that hold references.
    pub(crate) fn rewrite(&self, headers: &mut HeaderMap) {
        for name in [LOCATION, CONTENT_LOCATION] {
            self.rewrite_all(headers, &name, |value| self.rewritten(value));
        }
        self.rewrite_all(headers, &LINK, |value| self.rewritten_links(value));
        self.rewrite_all(headers, &REFRESH, |value| self.rewritten_refresh(value));
    }

    fn rewrite_all(
        &self,
        headers: &mut HeaderMap,
        name: &HeaderName,
        rewritten: impl Fn(&[u8]) -> Option<Vec<u8>>,
    ) {
        // Nearly no response has any of them.
        if !headers.contains_key(name) {
            return;
        }
        if let http::header::Entry::Occupied(mut entry) = headers.entry(name) {
            for value in entry.iter_mut() {
                let new = rewritten(value.as_bytes()).and_then(|new| HeaderValue::from_bytes(&new).ok());
                if let Some(new) = new {
                    *value = new;
                }
            }
        }
    }

    /// The reference that the client sees; `None` if it is unchanged.
    fn rewritten(&self, reference: &[u8]) -> Option<Vec<u8>> {
        let (is_https, authority, rest) = split_authority(reference)?;
        if !self.is_named_by(authority, is_https) {
            return None;
        }
        let end = rest.iter().position(|byte| matches!(byte, b'?' | b'#')).unwrap_or(rest.len());
        let (path, tail) = rest.split_at(end);
        // A path outside the upstream's prefix is not a path of the API, and gets no mount.
        let within = path.strip_prefix(self.prefix.as_bytes());
        let within = within.filter(|rest| rest.is_empty() || is_slash(rest[0]));
        let mut new = Vec::with_capacity(self.mount.len() + rest.len() + 2);
        let path = match within {
            Some(within) => {
                new.extend_from_slice(self.mount.as_bytes());
                within
            }
            None => path,
        };
        if path.is_empty() && new.is_empty() {
            new.push(b'/');
        }
        // A path that begins with two slashes would be read as a host.
        let mut visible = path.iter().filter(|byte| !matches!(byte, b'\t'));
        if new.is_empty() && visible.next().is_some_and(|byte| is_slash(*byte)) {
            if visible.next().is_some_and(|byte| is_slash(*byte)) {
                new.extend_from_slice(b"/.");
            }
        } else if new.is_empty() {
            new.push(b'/');
        }
        new.extend_from_slice(path);
        new.extend_from_slice(tail);
        Some(new)
    }

    /// `<REFERENCE>; rel=…, <REFERENCE>; …` (RFC 8288).
    fn rewritten_links(&self, value: &[u8]) -> Option<Vec<u8>> {
        let mut new = Vec::with_capacity(value.len());
        let (mut rest, mut is_changed, mut is_quoted) = (value, false, false);
        while let Some((&byte, behind)) = rest.split_first() {
            new.push(byte);
            rest = behind;
            match byte {
                b'"' => is_quoted = !is_quoted,
                b'\\' if is_quoted => {
                    new.extend(rest.first());
                    rest = rest.get(1..).unwrap_or_default();
                }
                b'<' if !is_quoted => {
                    let Some(end) = rest.iter().position(|byte| *byte == b'>') else { break };
                    let (reference, behind) = rest.split_at(end);
                    match self.rewritten(reference) {
                        Some(reference) => {
                            new.extend_from_slice(&reference);
                            is_changed = true;
                        }
                        None => new.extend_from_slice(reference),
                    }
                    rest = behind;
                }
                _ => {}
            }
        }
        new.extend_from_slice(rest);
        is_changed.then_some(new)
    }

    /// `5; url=REFERENCE`, as browsers read it (HTML, the refresh state): also with a comma, in quotes, or without
    /// `url=`.
    fn rewritten_refresh(&self, value: &[u8]) -> Option<Vec<u8>> {
        let is_time = |byte: &u8| byte.is_ascii_digit() || matches!(byte, b'.' | b' ' | b'\t');
        let is_between = |byte: &u8| matches!(byte, b';' | b',' | b' ' | b'\t');
        let mut at = value.iter().take_while(|byte| is_time(byte)).count();
        at += value[at..].iter().take_while(|byte| is_between(byte)).count();
        if value.get(at..at + 3).is_some_and(|name| name.eq_ignore_ascii_case(b"url")) {
            let blank =
                |from: usize| value[from..].iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
            let equals = at + 3 + blank(at + 3);
            if value.get(equals) == Some(&b'=') {
                at = equals + 1 + blank(equals + 1);
            }
        }
        let (before, mut reference) = value.split_at(at);
        let mut quote = &b""[..];
        let mut behind = &b""[..];
        if let Some((first @ (b'"' | b'\''), rest)) = reference.split_first() {
            let end = rest.iter().position(|byte| byte == first).unwrap_or(rest.len());
            quote = &reference[..1];
            (reference, behind) = rest.split_at(end);
        }
        let new = self.rewritten(reference)?;
        Some([before, quote, &new, behind].concat())
    }

    fn is_named_by(&self, authority: &[u8], is_https: Option<bool>) -> bool {
        let host_and_port = match authority.iter().rposition(|byte| *byte == b'@') {
            Some(at) => &authority[at + 1..],
            None => authority,
        };
        let colon = host_and_port.iter().rposition(|byte| *byte == b':');
        // A colon in brackets belongs to the address.
        let colon = colon.filter(|at| !host_and_port[*at..].contains(&b']'));
        let (host, port) = match colon {
            Some(at) => (&host_and_port[..at], &host_and_port[at + 1..]),
            None => (host_and_port, &b""[..]),
        };
        let host = Host::parse(host);
        self.servers.iter().any(|server| server.is(&host, port, is_https))
    }
}

impl Server {
    /// Whether a reference to this host and port names it.
    fn is(&self, host: &Host, port: &[u8], is_https: Option<bool>) -> bool {
        let resolved = self.resolved.get().map(Host::Address);
        let is_host = *host == self.host
            || resolved.as_ref() == Some(host)
            || (host.is_loopback()
                && (self.host.is_loopback() || resolved.is_some_and(|it| it.is_loopback())));
        if !is_host {
            return false;
        }
        match (port, is_https) {
            // A reference without a scheme has the scheme of the request, which the upstream does not know.
            (b"", None) => host.is_internal() || matches!(self.port, 80 | 443),
            (b"", Some(is_https)) => host.is_internal() || self.port == if is_https { 443 } else { 80 },
            (port, _) => std::str::from_utf8(port).is_ok_and(|port| {
                let digits = port.trim_start_matches('0');
                digits.parse::<u16>().is_ok_and(|port| port == self.port)
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(url: &str, mount: &str) -> UpstreamOrigin {
        UpstreamOrigin::new(&url.parse().unwrap(), mount)
    }

    /// `=` for what stays.
    fn check(origin: &UpstreamOrigin, name: HeaderName, rows: &[(&str, &str)]) {
        for (value, expected) in rows {
            let expected = if *expected == "=" { value } else { expected };
            let mut headers = HeaderMap::new();
            headers.insert(&name, HeaderValue::from_str(value).unwrap());
            origin.rewrite(&mut headers);
            assert_eq!(headers[&name].to_str().unwrap(), *expected, "{name}: {value}");
        }
    }

    #[test]
    fn location_never_names_the_upstream() {
        check(
            &origin("http://shop.internal:9000/v1", "/shop"),
            LOCATION,
            &[
                ("http://shop.internal:9000/v1/items/3?a=b#c", "/shop/items/3?a=b#c"),
                ("https://shop.internal:9000/v1/items/3", "/shop/items/3"),
                ("HTTP://SHOP.Internal:9000/v1/items", "/shop/items"),
                ("http://shop.internal.:9000/v1/items", "/shop/items"),
                ("http://shop.internal:09000/v1/items", "/shop/items"),
                ("http://shop%2einternal:9000/v1/items", "/shop/items"),
                ("http://user:secret@shop.internal:9000/v1/items", "/shop/items"),
                ("//shop.internal:9000/v1/items", "/shop/items"),
                ("\\\\shop.internal:9000\\v1/items", "\\v1/items"),
                ("http:\\\\shop.internal:9000/v1/items", "/shop/items"),
                ("http:/shop.internal:9000/v1/items", "/shop/items"),
                ("http:shop.internal:9000/v1/items", "/shop/items"),
                ("ws://shop.internal:9000/v1/live", "/shop/live"),
                // Frameworks that know their host only.
                ("http://shop.internal/v1/items", "/shop/items"),
                ("//shop.internal/v1/items", "/shop/items"),
                ("http://shop.internal:9000", "/"),
                ("http://shop.internal:9000/v1", "/shop"),
                ("http://shop.internal:9000/v1?a", "/shop?a"),
                // Not below the upstream's path.
                ("http://shop.internal:9000/login", "/login"),
                ("http://shop.internal:9000/v10/items", "/v10/items"),
                ("http://shop.internal:9000//other.example/", "/.//other.example/"),
                ("http://shop.internal:9000/\\other.example/", "/./\\other.example/"),
                ("http://shop.internal:9000?a=b", "/?a=b"),
                // Other services, and what names none.
                ("http://shop.internal:9001/v1/items", "="),
                ("http://other.internal:9000/v1/items", "="),
                ("https://example.com/v1/items?next=http://shop.internal:9000/", "="),
                ("https://shop.internal.example.com/", "="),
                ("/v1/items/3", "="),
                ("items/3", "="),
                ("?page=2", "="),
                ("", "="),
                ("mailto:a@shop.internal", "="),
            ],
        );
        // At the root and without a path of its own.
        check(
            &origin("http://api.example.com", ""),
            LOCATION,
            &[
                ("http://api.example.com/items", "/items"),
                ("http://api.example.com:80/items", "/items"),
                ("http://api.example.com", "/"),
                ("http://api.example.com//evil.example/x", "/.//evil.example/x"),
                ("http://api.example.com/\\evil.example/x", "/./\\evil.example/x"),
                ("http://api.example.com/\t/evil.example/x", "/./\t/evil.example/x"),
                // A public name without its port may be another service.
                ("https://api.example.com/login", "="),
                ("https://api.example.com:443/login", "="),
            ],
        );
    }

    #[test]
    fn an_address_is_recognised_in_every_spelling() {
        check(
            &origin("http://10.0.0.5:9000", "/shop"),
            LOCATION,
            &[
                ("http://10.0.0.5:9000/a", "/shop/a"),
                ("http://10.0.0.5/a", "/shop/a"),
                ("http://10.5:9000/a", "/shop/a"),
                ("http://10.0.5:9000/a", "/shop/a"),
                ("http://167772165:9000/a", "/shop/a"),
                ("http://0x0a000005:9000/a", "/shop/a"),
                ("http://0xA.0.0.05:9000/a", "/shop/a"),
                ("http://012.0.0.5:9000/a", "/shop/a"),
                ("http://[::ffff:10.0.0.5]:9000/a", "/shop/a"),
                ("http://[::ffff:a00:5]:9000/a", "/shop/a"),
                ("http://%31%30.0.0.5:9000/a", "/shop/a"),
                ("http://10.0.0.6:9000/a", "="),
                ("http://10.0.0.5:80/a", "="),
                ("http://127.0.0.1:9000/a", "="),
                ("http://10.0.0.0.5:9000/a", "="),
                ("http://4294967296:9000/a", "="),
            ],
        );
        check(
            &origin("http://127.0.0.1:9000", "/shop"),
            LOCATION,
            &[
                ("http://localhost:9000/a", "/shop/a"),
                ("http://127.1:9000/a", "/shop/a"),
                ("http://[::1]:9000/a", "/shop/a"),
                ("http://localhost:9001/a", "="),
            ],
        );
        check(
            &origin("http://[2001:db8::5]:9000", "/shop"),
            LOCATION,
            &[
                ("http://[2001:DB8:0:0::5]:9000/a", "/shop/a"),
                ("http://[2001:db8::5]/a", "/shop/a"),
                ("http://[2001:db8::6]:9000/a", "="),
            ],
        );
        // A name is recognised by what it resolved to as well.
        let named = origin("http://shop:9000", "/shop");
        check(&named, LOCATION, &[("http://10.0.0.5:9000/a", "=")]);
        named.set_resolved(0, "::ffff:10.0.0.5".parse().unwrap());
        check(&named, LOCATION, &[("http://10.0.0.5:9000/a", "/shop/a"), ("http://shop/a", "/shop/a")]);
    }

    #[test]
    fn rewrites_the_other_headers_with_references_too() {
        let origin = origin("http://shop:9000", "/shop");
        check(&origin, CONTENT_LOCATION, &[("http://shop:9000/a.json", "/shop/a.json"), ("a.json", "=")]);
        check(
            &origin,
            LINK,
            &[
                (
                    "<http://shop:9000/a?page=2>; rel=\"next\", <https://example.com/b>; rel=help",
                    "</shop/a?page=2>; rel=\"next\", <https://example.com/b>; rel=help",
                ),
                ("</a>; rel=next, <http://shop/a,b>; rel=last", "</a>; rel=next, </shop/a,b>; rel=last"),
                ("</a>; title=\"<http://shop:9000/>\"", "="),
                ("</a>; title=\"\\\"<http://shop:9000/>\"", "="),
                ("<http://shop:9000/a", "="),
            ],
        );
        check(
            &origin,
            REFRESH,
            &[
                ("5; url=http://shop:9000/a", "5; url=/shop/a"),
                ("0;URL='http://shop:9000/a'", "0;URL='/shop/a'"),
                ("0, url = \"http://shop:9000/a\" x", "0, url = \"/shop/a\" x"),
                ("3 http://shop:9000/a", "3 /shop/a"),
                ("5", "="),
                ("5; url=https://example.com/", "="),
            ],
        );
    }
}
