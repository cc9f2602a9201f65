//! Statuses keep their meaning, and the headers that they ask for.

use demur_e2e::{MockResponse, Request};

use crate::shop::Shop;

/// kaltura/nginx-vod-module#1597, dio-az/nginx-vod-module#120: a missing object came back as 502. KBVE/kbve#11047: 503 and
/// 429 became 502, and `Retry-After` was lost.
#[test]
fn plain_errors_keep_their_meaning() {
    let shop = Shop::open("", "");
    for (status, responded, code, condition) in [
        (400, 400, "upstream_bad_request", "upstream.refused.400"),
        (401, 500, "upstream_failed", "upstream.failed"),
        (403, 403, "upstream_forbidden", "upstream.refused.403"),
        (404, 404, "resource_not_found", "resource.not_found"),
        (405, 405, "resource_method_not_allowed", "resource.method_not_allowed"),
        (409, 409, "resource_conflict", "resource.conflict"),
        (410, 410, "resource_gone", "resource.gone"),
        (412, 412, "precondition_failed", "precondition.failed"),
        (413, 413, "body_too_large", "body.too_large"),
        (415, 415, "body_unsupported_media_type", "body.unsupported_media_type"),
        (422, 422, "upstream_unprocessable_content", "upstream.refused.422"),
        (429, 429, "upstream_too_many_requests", "upstream.refused.429"),
        (451, 451, "upstream_unavailable_for_legal_reasons", "upstream.refused.451"),
        (500, 500, "upstream_failed", "upstream.failed"),
        (502, 502, "upstream_unreachable", "upstream.unreachable"),
        (503, 503, "upstream_unavailable", "upstream.unavailable"),
        (504, 504, "upstream_timeout", "upstream.timeout"),
    ] {
        for response in [MockResponse::html(status), MockResponse::response(status, &[], "")] {
            let response = shop.response(response);
            assert_eq!(response.status, responded, "{status}: {response:?}");
            assert_eq!(response.json()["code"], code, "{status}");
            assert_eq!(shop.condition(&response), condition, "{status}");
        }
    }
}

/// A claim on `upstream` made a plain 404 a retryable 500.
#[test]
fn a_claim_on_upstream_does_not_cover_client_errors() {
    let contract = "demur: 1\nname: shop\nformats: { default: { code: $code, id: $request_id } }\nerrors:\n  \
                    bad: { status: 400, on: [request] }\n  \
                    oops: { status: 500, retry: backoff, on: [internal, upstream] }\n";
    let shop = Shop::with_contract("", "", Some(contract));
    for (status, responded, code) in [
        (404, 404, "resource_not_found"),
        (418, 418, "upstream_refused"),
        (503, 500, "oops"),
        (500, 500, "oops"),
    ] {
        let response = shop.response(MockResponse::html(status));
        assert_eq!((response.status, response.json()["code"].as_str()), (responded, Some(code)), "{status}");
    }
}

/// hapijs/h2o2#138 (`Allow`), tarampampam/error-pages#351 (headers of the response lost), use-agent-os/agent-os#735 (dates).
#[test]
fn keeps_headers_that_a_status_requires() {
    let shop = Shop::open("", "");
    let date = "Fri, 31 Dec 2100 23:59:59 GMT";
    let before = "Fri, 31 Dec 2100 23:59:19 GMT";
    for (status, sent, expected) in [
        (405, &[("Allow", "GET, PUT")][..], &[("allow", "GET, PUT")][..]),
        // Made from the document, without the method that is not allowed.
        (405, &[], &[("allow", "POST")]),
        (426, &[("Upgrade", "websocket"), ("Connection", "upgrade")], &[("upgrade", "websocket")]),
        (
            415,
            &[("Accept-Encoding", "identity"), ("Accept-Post", "application/json")],
            &[("accept-encoding", "identity"), ("accept-post", "application/json")],
        ),
        (416, &[("Content-Range", "bytes */4711")], &[("content-range", "bytes */4711")]),
        (413, &[("Retry-After", "30")], &[("retry-after", "30")]),
        (429, &[("Retry-After", "7")], &[("retry-after", "7")]),
        (429, &[("Retry-After", date), ("Date", before)], &[("retry-after", "40")]),
        (503, &[("Retry-After", date), ("Date", before)], &[("retry-after", "40")]),
        (
            503,
            &[("Retry-After", "Friday, 31-Dec-99 23:59:59 GMT"), ("Date", "Friday, 31-Dec-99 23:59:00 GMT")],
            &[("retry-after", "59")],
        ),
    ] {
        let response = shop.response(MockResponse::response(status, sent, "no"));
        assert_eq!(response.status, status);
        for (name, value) in expected {
            assert_eq!(
                response.headers.all(name).collect::<Vec<_>>(),
                [*value],
                "{status} {sent:?}: {response:?}"
            );
        }
    }
    // Headers that say something else stay behind.
    let response =
        shop.response(MockResponse::response(404, &[("Allow", "GET"), ("WWW-Authenticate", "Basic")], "no"));
    assert_eq!(response.headers.first("allow"), None);
    assert_eq!(response.headers.first("www-authenticate"), None);
}

/// vellum-ai/vellum-assistant#3814: the gateway took the `Authorization` of services that authenticate themselves.
/// traefik/traefik#12858: their challenge was lost.
#[test]
fn the_service_authenticates_where_the_gateway_does_not() {
    let shop = Shop::open("", "    operations: { login: { anonymous: true } }\n");
    let challenge = "Negotiate, Basic realm=\"inner\"";
    shop.upstream_does(MockResponse::response(401, &[("WWW-Authenticate", challenge)], "who are you?"));
    let request = Request::get("/login").header("Authorization", "Basic YTpi");
    let response = shop.send(&request);
    assert_eq!(response.status, 401, "{response:?}");
    assert_eq!(response.headers.all("www-authenticate").collect::<Vec<_>>(), [challenge]);
    assert_eq!(shop.condition(&response), "upstream.refused.401");
    assert_eq!(shop.last().headers.first("authorization"), Some("Basic YTpi"));
    shop.upstream_does(MockResponse::response(402, &[], "pay"));
    assert_eq!(shop.send(&request).status, 402);
    // A client that sends its key everywhere does not give it to the service.
    let response = shop.send(&Request::get("/login").key(&shop.key));
    assert_eq!((response.status, shop.last().headers.first("authorization")), (402, None));
    // Where the gateway authenticates, both are about its own account.
    for status in [401, 402, 407] {
        let headers = [("WWW-Authenticate", challenge)];
        let response = shop.response(MockResponse::response(status, &headers, "who are you?"));
        assert_eq!((response.status, response.headers.first("www-authenticate")), (500, None), "{status}");
    }
    assert!(!shop.log().contains("YTpi"), "the credentials of the service are in the log");
}
