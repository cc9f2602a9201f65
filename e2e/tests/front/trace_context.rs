//! `traceparent` and `tracestate`: what the upstream gets, and the trace ID in the log.

use demur_e2e::{MockResponse, Request, Upstream};
use serde_json::json;

use crate::shop::serve;

const VALID: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const TRACE_ID: &str = "0af7651916cd43dd8448eb211c80319c";
const UPPER: &str = "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01";

#[test]
fn valid_traces_are_passed_on_and_others_are_replaced() {
    for (of_api, sent, state, passed, created_flags) in [
        ("", Some(VALID), Some("foo=1"), true, None),
        ("", Some(VALID), None, true, None),
        ("", Some(UPPER), Some("foo=1"), false, None),
        ("", None, Some("foo=1"), false, None),
        ("", None, None, false, None),
        ("traceparent: create", Some(VALID), Some("foo=1"), true, None),
        ("traceparent: create", Some(UPPER), Some("foo=1"), false, Some("00")),
        ("traceparent: create", None, None, false, Some("00")),
        ("traceparent: create_sampled", None, None, false, Some("01")),
    ] {
        let upstream = Upstream::always(MockResponse::json(200, &json!([])));
        let shop = serve(&upstream, "access_log: all", of_api);
        let mut request = Request::get("/items").key(&shop.key);
        for (name, value) in [("Traceparent", sent), ("Tracestate", state)] {
            if let Some(value) = value {
                request = request.header(name, value);
            }
        }
        let response = shop.client.send(&request);
        assert_eq!(response.status, 200);
        let id = response.header("x-request-id");
        let logged = shop.gateway.logged(id);
        let headers = upstream.last().headers;
        let (traceparent, tracestate) = (headers.first("traceparent"), headers.first("tracestate"));
        let own = id.strip_prefix("req_").unwrap();
        match (passed, created_flags) {
            (true, _) => {
                assert_eq!((traceparent, tracestate, &logged["trace_id"]), (sent, state, &json!(TRACE_ID)));
            }
            (false, None) => {
                assert_eq!((traceparent, tracestate, &logged["trace_id"]), (None, None, &json!(null)));
            }
            // Its trace ID is the request ID: there is one ID to search for.
            (false, Some(flags)) => {
                let (_, parent) = own.split_at(16);
                assert_eq!(traceparent, Some(&*format!("00-{own}-{parent}-{flags}")), "{of_api}");
                assert_eq!((tracestate, &logged["trace_id"]), (None, &json!(own)));
            }
        }
    }
}

/// The trace of a rejected request is in the log too. In monitor mode headers stay as they were sent.
#[test]
fn rejected_requests_have_a_trace_and_monitored_ones_keep_their_headers() {
    let upstream = Upstream::always(MockResponse::json(200, &json!([])));
    let shop = serve(&upstream, "access_log: all", "");
    let response = shop.client.send(&Request::get("/items").header("Traceparent", VALID));
    assert_eq!(response.status, 401);
    assert_eq!(shop.gateway.logged(response.header("x-request-id"))["trace_id"], TRACE_ID);

    let shop = serve(&upstream, "access_log: all", "mode: monitor");
    let response = shop.client.send(&Request::get("/items").header("Traceparent", UPPER));
    assert_eq!(response.status, 200);
    assert_eq!(upstream.last().headers.first("traceparent"), Some(UPPER));
}
