//! The client over real sockets: against the five behind the gateway, and against a server that misbehaves.
//!
//! Which attempts and delays each situation has, its own tests say on a clock that they hold; here it is
//! about what really comes over a wire.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on should stop and say where"
)]

use std::future::Future;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use demur_client::{
    ApiError, Backoff, Client, Error, ErrorClass, ErrorIdentity, GiveUpReason, NetworkKind, Policy,
};
use demur_e2e::{Gateway, MARKER, MockResponse, Received, Upstream, refusing_address};

fn run<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// The default policy with short delays.
fn policy() -> Policy {
    Policy {
        backoff: Backoff { base: Duration::from_millis(10), cap: Duration::from_millis(40) },
        attempt_timeout: Duration::from_millis(1500),
        ..Policy::default()
    }
}

fn http() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().build().unwrap()
}

struct Known {
    api: &'static str,
    key: &'static str,
    target: &'static str,
    /// Status, class, and name in the contract (or a word for an inexact match).
    error: (u16, ErrorClass, &'static str),
}

const fn known(
    api: &'static str,
    key: &'static str,
    target: &'static str,
    error: (u16, ErrorClass, &'static str),
) -> Known {
    Known { api, key, target, error }
}

#[rustfmt::skip]
const FIVE: &[Known] = &[
    known("trakkr", "revoked", "/brands", (401, ErrorClass::Authentication, "api_key_revoked")),
    known("trakkr", "restricted", "/brands/0000000000000x000000000000000000", (403, ErrorClass::Permission, "permission_denied")),
    known("trakkr", "active", "/scores", (400, ErrorClass::Validation, "missing_param")),
    known("trakkr", "active", "/nowhere", (404, ErrorClass::NotFound, "not_found")),
    known("trakkr", "active", "/reports/corrupt-record", (500, ErrorClass::Server, "internal_error")),
    known("trakkr-get-scores", "restricted", "/get-last-update?x", (404, ErrorClass::NotFound, "")),
    known("trackyard", "expired", "/api/external/v1/me", (401, ErrorClass::Authentication, "")),
    known("trackyard", "pro", "/api/external/v1/admin/usage", (403, ErrorClass::Permission, "")),
    known("trackbot-pro", "lapsed", "/shipments", (402, ErrorClass::Payment, "payment_required")),
    known("trackbot-pro", "active", "/shipments?limit=101", (400, ErrorClass::Validation, "validation_failed")),
    known("trackunit", "foreign", "/groups/group-1", (403, ErrorClass::Permission, "forbidden")),
];

#[test]
fn errors_of_all_examples_are_typed_and_have_the_request_id() {
    let demo = Gateway::demo();
    run(async {
        for Known { api, key, target, error: (status, class, name) } in FIVE {
            let with =
                Client::builder().http_client(http()).policy(policy()).builtin_contract(api).unwrap().build();
            let without = Client::builder().http_client(http()).policy(policy()).build();
            for client in [&with, &without] {
                let url = format!("http://{}/{api}{target}", demo.address());
                let request = client.http().get(url).bearer_auth(demo.sample_key(api, key));
                let error = match client.send(request).await {
                    Err(Error::Api(error)) => error,
                    // One of the rows is a request that this key is allowed to make.
                    other if name.is_empty() && other.is_ok() => continue,
                    other => panic!("{api} {target}: {other:?}"),
                };
                assert_eq!(
                    (error.status.as_u16(), error.class),
                    (*status, *class),
                    "{api} {target}: {error:?}"
                );
                let attempts = if *status >= 500 { 4 } else { 1 };
                assert_eq!(error.attempts, attempts, "{api} {target}: {error:?}");
                let id = error.request_id.clone().expect("every answer has one");
                assert!(demo.logged(&id).to_string().contains(&id));
                assert!(!error.user_message("en").contains(&error.message), "{error:?}");
                assert!(!error.message.is_empty(), "{api} {target}: {error:?}");
            }
            let url = format!("http://{}/{api}{target}", demo.address());
            let request = with.http().get(url).bearer_auth(demo.sample_key(api, key));
            if let (Err(Error::Api(error)), false) = (with.send(request).await, name.is_empty()) {
                assert_eq!(error.identity, ErrorIdentity::Exact((*name).to_owned()), "{api} {target}");
            }
        }
    });
}

#[test]
fn waits_for_a_rate_limit_but_not_for_a_daily_quota() {
    let demo = Gateway::demo();
    let client =
        Client::builder().http_client(http()).policy(policy()).builtin_contract("trakkr").unwrap().build();
    run(async {
        let get = |key: &str| {
            let url = format!("http://{}/trakkr/brands", demo.address());
            client.send(client.http().get(url).bearer_auth(demo.sample_key("trakkr", key)))
        };
        for _ in 0..5 {
            assert!(get("limited").await.is_ok());
        }
        for _ in 0..2 {
            assert!(get("daily").await.is_ok());
        }
        let error = get("daily").await.unwrap_err();
        let error = error.api().unwrap();
        assert_eq!(
            (error.name(), error.give_up_reason),
            (Some("daily_limit_exceeded"), GiveUpReason::Deadline),
            "{error:?}"
        );
        assert!(error.retry_at.is_some(), "when the day is over: {error:?}");
    });
}

/// What a server does with the first request; the second succeeds.
fn then_well(first: MockResponse) -> Upstream {
    let count = AtomicUsize::new(0);
    Upstream::start(move |_| match count.fetch_add(1, Ordering::SeqCst) {
        0 => first.clone(),
        _ => MockResponse::response(200, &[], "well"),
    })
}

#[test]
fn retries_connection_failures_when_safe() {
    let faults: Vec<(&str, MockResponse)> = vec![
        ("closes without a word", MockResponse::closes()),
        ("closes in the head", MockResponse::bytes("HTTP/1.1 200 OK\r\nContent-").and_closes()),
        ("no HTTP", MockResponse::bytes("\u{16}\u{3}\u{1} this is no HTTP\r\n\r\n").and_closes()),
        ("says nothing", MockResponse::silence()),
        ("a page of a proxy", MockResponse::html(502)),
        ("a stack trace", MockResponse::stack_trace()),
        (
            "an error cut short",
            MockResponse::bytes("HTTP/1.1 503 X\r\nContent-Length: 99\r\n\r\n{\"err").and_closes(),
        ),
        (
            "an endless error",
            MockResponse::bytes("HTTP/1.1 503 X\r\nContent-Length: 99\r\n\r\n{\"err").and_silence(),
        ),
        ("busy for no time", MockResponse::response(503, &[("Retry-After", "0")], "")),
    ];
    for (what, fault) in faults {
        for (method, is_repeated) in [("GET", true), ("POST", false)] {
            let server = then_well(fault.clone());
            let ended = run(async {
                let client = Client::builder().http_client(http()).policy(policy()).build();
                let url = format!("http://{}/", server.address());
                client.send(client.http().request(method.parse().unwrap(), url)).await
            });
            assert_eq!(ended.is_ok(), is_repeated, "{what}, {method}: {ended:?}");
            assert_eq!(server.received().len(), if is_repeated { 2 } else { 1 }, "{what}, {method}");
            if let Err(error) = ended {
                let stop = match &error {
                    Error::Api(error) => error.give_up_reason,
                    Error::Network(error) => error.give_up_reason,
                };
                assert_eq!(stop, GiveUpReason::NotIdempotent, "{what}");
                assert!(!error.to_string().contains(MARKER) || what == "a stack trace", "{what}: {error}");
            }
        }
    }
}

#[test]
fn retries_refused_connections_for_every_method() {
    let (address, _kept) = refusing_address();
    for method in ["GET", "POST"] {
        let error = run(async {
            let client = Client::builder().http_client(http()).policy(policy()).build();
            client.send(client.http().request(method.parse().unwrap(), format!("http://{address}/"))).await
        });
        let Err(Error::Network(error)) = error else { panic!("{error:?}") };
        assert_eq!(
            (error.kind, error.attempts, error.give_up_reason),
            (NetworkKind::Connect, 4, GiveUpReason::Attempts)
        );
    }
}

#[test]
fn sends_one_idempotency_key_per_call() {
    let keys = |received: Vec<Received>| -> Vec<String> {
        received.iter().map(|one| one.headers.first("idempotency-key").unwrap().to_owned()).collect()
    };
    let calls = Mutex::new(Vec::new());
    for _ in 0..2 {
        let server = then_well(MockResponse::closes());
        run(async {
            let client =
                Client::builder().http_client(http()).policy(policy()).idempotency_keys(true).build();
            let request = client.http().post(format!("http://{}/", server.address())).body("content");
            client.send(request).await.unwrap();
        });
        assert!(server.received().iter().all(|one| one.body == b"content"), "the content comes again");
        let keys = keys(server.received());
        assert_eq!((keys.len(), &keys[0]), (2, &keys[1]));
        calls.lock().unwrap().push(keys[0].clone());
    }
    let calls = calls.into_inner().unwrap();
    assert_ne!(calls[0], calls[1]);
}

/// The head is returned while the body still arrives, and the reader sees a truncated body.
#[test]
fn returns_streaming_responses_unread() {
    let begun = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n";
    let server = Upstream::always(
        MockResponse::bytes(begun).and_wait(Duration::from_millis(300)).and("5\r\nworld\r\n0\r\n\r\n"),
    );
    let cut = Upstream::always(MockResponse::bytes(begun).and_closes());
    run(async {
        let client = Client::builder().http_client(http()).policy(policy()).build();
        let asked = std::time::Instant::now();
        let response = client.send(client.http().get(format!("http://{}/", server.address()))).await.unwrap();
        assert!(asked.elapsed() < Duration::from_millis(250), "{:?}", asked.elapsed());
        assert_eq!(response.text().await.unwrap(), "helloworld");
        let response = client.send(client.http().get(format!("http://{}/", cut.address()))).await.unwrap();
        assert!(response.text().await.is_err());
    });
    assert_eq!(cut.received().len(), 1, "what has begun is not repeated behind the reader's back");
}

/// Dropping a call during a delay sends nothing more.
#[test]
fn dropping_a_call_stops_its_retries() {
    let server = Upstream::always(MockResponse::response(503, &[("Retry-After", "1")], ""));
    run(async {
        let client = Client::builder().http_client(http()).policy(policy()).build();
        let call = client.send(client.http().get(format!("http://{}/", server.address())));
        assert!(tokio::time::timeout(Duration::from_millis(200), call).await.is_err());
        tokio::time::sleep(Duration::from_millis(1600)).await;
    });
    assert_eq!(server.received().len(), 1);
}

#[test]
fn pacing_waits_instead_of_being_rejected() {
    let count = AtomicUsize::new(0);
    let server = Upstream::start(move |_| match count.fetch_add(1, Ordering::SeqCst) {
        0 => MockResponse::response(200, &[("RateLimit", "\"burst\";r=0;t=1")], ""),
        _ => MockResponse::response(200, &[("RateLimit", "\"burst\";r=5;t=1")], ""),
    });
    run(async {
        let client = Client::builder().http_client(http()).policy(policy()).pacing(true).build();
        let begun = std::time::Instant::now();
        for _ in 0..3 {
            client.send(client.http().get(format!("http://{}/", server.address()))).await.unwrap();
        }
        let elapsed = begun.elapsed();
        assert!(elapsed >= Duration::from_secs(1) && elapsed < Duration::from_millis(1900), "{elapsed:?}");
    });
}

#[test]
fn middleware_returns_errors_as_responses() {
    let server =
        Upstream::always(MockResponse::response(404, &[("X-Request-Id", "one")], r#"{"message":"no"}"#));
    let broken = then_well(MockResponse::closes());
    run(async {
        let retries = Client::builder().http_client(http()).policy(policy()).middleware();
        let client = reqwest_middleware::ClientBuilder::new(http()).with(retries).build();
        let response = client.get(format!("http://{}/", server.address())).send().await.unwrap();
        let error: &ApiError = response.extensions().get().unwrap();
        assert_eq!((error.message.as_str(), error.request_id.as_deref()), ("no", Some("one")));
        assert_eq!(response.status().as_u16(), 404);
        assert_eq!(response.text().await.unwrap(), r#"{"message":"no"}"#);
        let response = client.get(format!("http://{}/", broken.address())).send().await.unwrap();
        assert_eq!(response.text().await.unwrap(), "well");
    });
}
