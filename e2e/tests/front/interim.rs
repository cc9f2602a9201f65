//! Interim responses (RFC 9110, section 15.2): they reach clients that may have them, one after the other.

use demur_e2e::{MockResponse, Upstream};

use crate::raw::converse;
use crate::shop::serve;

const FINAL: &str = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n[]";

/// What a client of this version is sent by a gateway whose upstream says this.
fn said(upstream: &str, version: &str) -> String {
    let upstream = Upstream::always(MockResponse::bytes(upstream));
    let shop = serve(&upstream, "", "");
    let request = format!("GET /shop/open HTTP/{version}\r\nHost: a\r\nConnection: close\r\n\r\n");
    String::from_utf8(converse(shop.gateway.address(), request.as_bytes())).unwrap()
}

#[test]
fn interim_responses_reach_the_client() {
    let hints = "HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\nConnection: x\r\nX: 1\r\n\r\n";
    let relayed = "HTTP/1.1 103 Early Hints\r\nlink: </a.css>; rel=preload\r\n\r\n";
    let progress = "HTTP/1.1 102 Processing\r\n\r\n";
    for (name, upstream, version, expected) in [
        ("hints", hints.to_owned(), "1.1", relayed.to_owned()),
        ("several", format!("{progress}{hints}{progress}"), "1.1", format!("{progress}{relayed}{progress}")),
        // Old clients do not know them.
        ("an old client", hints.to_owned(), "1.0", String::new()),
        // The gateway handles `Expect` itself, and does not forward it.
        ("continue", "HTTP/1.1 100 Continue\r\n\r\n".to_owned(), "1.1", String::new()),
    ] {
        let said = said(&format!("{upstream}{FINAL}"), version);
        let rest = said.strip_prefix(&expected).unwrap_or_else(|| panic!("{name}: {said}"));
        assert!(rest.starts_with("HTTP/1.1 200 OK\r\n") && rest.ends_with("\r\n\r\n[]"), "{name}: {said}");
    }
}

#[test]
fn endless_interim_responses_are_an_error_in_the_contract() {
    let said = said(&"HTTP/1.1 103 Early Hints\r\n\r\n".repeat(1000), "1.1");
    let last = said.rsplit("HTTP/1.1 103 Early Hints\r\n\r\n").next().unwrap();
    assert!(last.starts_with("HTTP/1.1 502 "), "{said}");
    assert!(said.matches("HTTP/1.1 103").count() <= 8, "{said}");
}
