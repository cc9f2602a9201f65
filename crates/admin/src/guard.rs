//! Which requests may reach a service of operators at all, whatever their credentials are.
//!
//! A browser is a deputy that anyone can confuse: a page of another site can make it send requests to this machine, under
//! a name of its own that its DNS points here (DNS rebinding), or across sites. Both are rejected before anything else.

use http::HeaderMap;
use http::header::{HOST, ORIGIN};
use http::request::Parts;

/// Whether the request is for one of these hosts. A host without a port stands for every port: `localhost`, `[::1]`.
pub fn is_known_host(head: &Parts, hosts: &[String]) -> bool {
    let of_target = head.uri.authority().map(http::uri::Authority::as_str);
    let authority = of_target.or_else(|| text(&head.headers, HOST.as_str())).unwrap_or_default();
    let name = without_port(authority);
    hosts.iter().any(|known| known.eq_ignore_ascii_case(authority) || known.eq_ignore_ascii_case(name))
}

/// Whether the request was not sent by a page of another site: what browsers say of it, if they do.
pub fn is_same_site(headers: &HeaderMap) -> bool {
    let is_site = !headers.contains_key("sec-fetch-site")
        || text(headers, "sec-fetch-site").is_some_and(|site| matches!(site, "same-origin" | "none"));
    let host = text(headers, HOST.as_str()).unwrap_or_default();
    let is_origin = !headers.contains_key(ORIGIN)
        || text(headers, ORIGIN.as_str())
            .is_some_and(|origin| origin.split_once("://").is_some_and(|(_, at)| at == host));
    is_site && is_origin
}

fn text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}

/// `[::1]:8092` and `localhost:8092` without the port.
fn without_port(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((name, port)) if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => authority,
    }
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn head(headers: &[(&str, &str)], target: &str) -> Parts {
        let mut request = Request::get(target);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn knows_its_hosts_only() {
        let hosts = ["127.0.0.1:8091", "localhost", "[::1]", "admin.example.com"].map(str::to_owned);
        for (host, is_known) in [
            ("127.0.0.1:8091", true),
            ("127.0.0.1:8092", false),
            ("127.0.0.1", false),
            ("localhost", true),
            ("LOCALHOST:1", true),
            ("[::1]:8092", true),
            ("[::1]", true),
            ("::1", false),
            ("admin.example.com:443", true),
            ("admin.example.com:", false),
            ("admin.example.com:x", false),
            ("admin.example.com.evil.example", false),
            ("evil.example", false),
            ("user@localhost", false),
            ("", false),
        ] {
            assert_eq!(is_known_host(&head(&[("host", host)], "/"), &hosts), is_known, "{host}");
        }
        assert!(!is_known_host(&head(&[], "/"), &hosts), "no host");
        assert!(!is_known_host(&head(&[("host", "localhost")], "http://evil.example/"), &hosts));
    }

    #[test]
    fn rejects_what_browsers_call_another_site() {
        let host = ("host", "localhost:8092");
        for (header, is_same) in [
            (("accept", "*/*"), true),
            (("origin", "http://localhost:8092"), true),
            (("origin", "http://localhost:8093"), false),
            (("origin", "https://evil.example"), false),
            (("origin", "null"), false),
            (("origin", ""), false),
            (("sec-fetch-site", "same-origin"), true),
            (("sec-fetch-site", "none"), true),
            (("sec-fetch-site", "same-site"), false),
            (("sec-fetch-site", "cross-site"), false),
            (("sec-fetch-site", ""), false),
        ] {
            assert_eq!(is_same_site(&head(&[host, header], "/").headers), is_same, "{header:?}");
        }
    }
}
