//! What reaches the upstream: all that the client sent, and nothing that is only the gateway's or the
//! connection's to say.

use demur_e2e::{MockResponse, MockedGateway, OWNED_BRAND, Request, sound_request};
use serde_json::json;

use crate::APIS;

fn scripted() -> MockedGateway {
    let scripted = MockedGateway::start();
    scripted.upstream_does(MockResponse::json(200, &json!({ "well": true })));
    scripted
}

/// Spellings that some framework reads as the same header.
#[test]
fn strips_reserved_headers_from_clients() {
    let scripted = scripted();
    for api in APIS {
        let mut request = sound_request(api, scripted.key(api));
        let forged = [
            "Demur-Account",
            "demur-account",
            "DEMUR-KEY",
            "Demur_Account",
            "Demur.Plan",
            "Demur-Credits-Remaining",
            "demur_credits.reset",
            "Demur-Client-Request-Id",
            "Demur-Error",
            "Demur-Anything",
        ];
        for name in forged {
            request = request.header(name, "forged");
        }
        let response = scripted.client(api).send(&request);
        assert_eq!(response.status, 200, "{response:?}");
        let arrived = scripted.last().headers;
        for (name, value) in arrived.iter() {
            assert_ne!(value, "forged", "{api}: {name}");
        }
        let (account, plan) = match api {
            "trakkr-get-scores" => ("acme-scores", "unmetered"),
            _ => ("acme", "pro"),
        };
        for (name, expected) in [("demur-account", account), ("demur-plan", plan)] {
            let values: Vec<&str> = arrived.all(name).collect();
            assert_eq!(values, [expected], "{api}: {name}");
        }
        let keys: Vec<&str> = arrived.all("demur-key").collect();
        assert!(keys.len() == 1 && keys[0].starts_with("key_"), "{keys:?}");
    }
}

#[test]
fn sets_a_request_id_and_keeps_the_id_of_the_client() {
    let scripted = scripted();
    for api in APIS {
        let request = sound_request(api, scripted.key(api));
        let response =
            scripted.client(api).send(&request.clone().header("X-Request-Id", "mine-0000000000000000"));
        let arrived = scripted.last().headers;
        let ids: Vec<&str> = arrived.all("x-request-id").collect();
        assert_eq!(ids, [response.header("x-request-id")], "{api}");
        assert_eq!(arrived.first("demur-client-request-id"), Some("mine-0000000000000000"));

        let response = scripted.client(api).send(&request);
        let arrived = scripted.last().headers;
        assert_eq!(arrived.first("x-request-id"), Some(response.header("x-request-id")));
        assert_eq!(arrived.first("demur-client-request-id"), None, "{api}");

        // Two request IDs of the client: neither replaces the gateway's.
        let twice = request.header("X-Request-Id", "mine-1").header("x-request-id", "mine-2");
        let response = scripted.client(api).send(&twice);
        let arrived = scripted.last().headers;
        let ids: Vec<&str> = arrived.all("x-request-id").collect();
        assert_eq!(ids, [response.header("x-request-id")], "{api}");
    }
}

/// Who asks, for what and with which method, the upstream is not to hear from the client a second time.
#[test]
fn strips_forwarding_headers_of_clients() {
    let scripted = scripted();
    for api in APIS {
        let mut request = sound_request(api, scripted.key(api));
        for name in [
            "Forwarded",
            "X-Forwarded-For",
            "X_Forwarded_For",
            "X-Forwarded-Host",
            "X-Forwarded-Proto",
            "X-Real-IP",
            "X-Original-URL",
            "X-Rewrite-URL",
            "X-HTTP-Method-Override",
            "X_Http_Method_Override",
            "X_Request_Id",
            "X.Request.Id",
        ] {
            request = request.header(name, "forged");
        }
        let response = scripted.client(api).send(&request);
        assert_eq!(response.status, 200, "{response:?}");
        let arrived = scripted.last().headers;
        assert!(!format!("{arrived:?}").contains("forged"), "{api}: {arrived:?}");
        assert_eq!(arrived.all("x-forwarded-for").collect::<Vec<_>>(), ["127.0.0.1"], "{api}");
    }
}

#[test]
fn strips_credentials_and_hop_by_hop_headers_from_requests() {
    let scripted = scripted();
    for api in APIS {
        let request = sound_request(api, scripted.key(api))
            .header("Connection", "keep-alive, X-Private, Keep-Alive")
            .header("Connection", "x-private-too")
            .header("Keep-Alive", "timeout=5")
            .header("X-Private", "a")
            .header("X-Private-Too", "b")
            .header("TE", "trailers")
            .header("Trailer", "X-Checksum")
            .header("Proxy-Authorization", "Basic eDp5")
            .header("Proxy-Connection", "keep-alive")
            .header("Accept", "application/json");
        let response = scripted.client(api).send(&request);
        assert_eq!(response.status, 200, "{response:?}");
        let arrived = scripted.last().headers;
        let dropped = [
            "authorization",
            "connection",
            "keep-alive",
            "x-private",
            "x-private-too",
            "te",
            "trailer",
            "proxy-authorization",
            "proxy-connection",
            "upgrade",
        ];
        for name in dropped {
            assert_eq!(arrived.first(name), None, "{api}");
        }
        assert_eq!(arrived.first("accept"), Some("application/json"));
        assert!(!format!("{arrived:?}").contains(scripted.key(api)), "{arrived:?}");
    }
}

#[test]
fn strips_hop_by_hop_headers_from_responses() {
    let scripted = scripted();
    let headers = [
        ("Connection", "X-Private"),
        ("X-Private", "a"),
        ("Keep-Alive", "timeout=5"),
        ("Proxy-Authenticate", "Basic"),
        ("Trailer", "X-Checksum"),
        ("X-Kept", "b"),
        ("Set-Cookie", "a=1"),
        ("Set-Cookie", "b=2"),
    ];
    for api in APIS {
        let response = scripted.response(api, MockResponse::response(200, &headers, "{}"));
        for name in ["x-private", "keep-alive", "proxy-authenticate", "trailer"] {
            assert_eq!(response.headers.first(name), None, "{api}");
        }
        assert_eq!(response.header("x-kept"), "b");
        assert_eq!(response.headers.all("set-cookie").collect::<Vec<_>>(), ["a=1", "b=2"]);
    }
}

/// Method, target, headers and body, for each framing of the body.
#[test]
fn forwards_whole_requests() {
    let scripted = scripted();
    let key = scripted.key("trackyard");
    let target = "/api/external/v1/tracks/a%2Fb%20c/similar";
    let query = "limit=7&q=%E2%82%AC&q=two&empty=&flag&p=a+b%2Bc&x=%00";
    // 700 KB, with every byte in it, and no period that a buffer's length could hide.
    let body: Vec<u8> = (0..700_000_u32).map(|place| (place % 251 + place / 65_521) as u8).collect();
    for (chunked, body) in [(false, Vec::new()), (false, body.clone()), (true, body)] {
        let request = Request::post(&format!("{target}?{query}"))
            .key(key)
            .header("X-Several", "a")
            .header("X-Several", "b, c")
            .header("X-Empty", "")
            .body("application/octet-stream", body.clone());
        let request = if chunked { request.chunked() } else { request };
        let response = scripted.client("trackyard").send(&request);
        assert_eq!(response.status, 200, "{response:?}");
        let arrived = scripted.last();
        assert_eq!((arrived.method.as_str(), arrived.target), ("POST", format!("{target}?{query}")));
        assert_eq!(arrived.body.len(), body.len());
        assert!(arrived.body == body, "the content is another");
        assert_eq!(arrived.headers.all("x-several").collect::<Vec<_>>(), ["a", "b, c"]);
        assert_eq!(arrived.headers.first("x-empty"), Some(""));
        assert_eq!(arrived.headers.first("content-type"), Some("application/octet-stream"));
    }
}

/// Validated JSON is forwarded byte for byte, not serialized again.
#[test]
fn forwards_validated_bodies_byte_for_byte() {
    let scripted = scripted();
    let body = format!(
        "\n{{ \"other\" : 1.50 ,\"brand\":\t\"{OWNED_BRAND}\", \"big\":123456789012345678901234567890, \"\\u0065\":[ ] }} "
    );
    for chunked in [false, true] {
        let request = Request::post("/get-scores").key(scripted.key("trakkr-get-scores"));
        let request = request.body("application/json", body.clone());
        let request = if chunked { request.chunked() } else { request };
        let response = scripted.client("trakkr-get-scores").send(&request);
        assert_eq!(response.status, 200, "{response:?}");
        assert_eq!(String::from_utf8(scripted.last().body).unwrap(), body);
    }
}

/// The mount is stripped, and Host is that of the upstream.
#[test]
fn sets_host_to_the_upstream() {
    let scripted = scripted();
    for api in APIS {
        let request = sound_request(api, scripted.key(api));
        scripted.client(api).send(&request.clone().header("Host", "public.example"));
        let arrived = scripted.last();
        assert!(!arrived.target.contains(&format!("/{api}/")), "{arrived:?}");
        let hosts: Vec<&str> = arrived.headers.all("host").collect();
        assert!(hosts.len() == 1 && hosts[0].starts_with("127.0.0.1:"), "{hosts:?}");
    }
}
