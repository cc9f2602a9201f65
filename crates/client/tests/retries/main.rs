//! The retry decision for every kind of failure, with exact attempts and delays, on a paused clock.
//!
//! A row has the responses of the server, attempt by attempt, and the expected behavior of the client.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what failed by failing")]

mod rows;
mod script;

use std::time::Duration;

use demur_client::{Classifier, ClientBuilder, Error, GiveUpReason, NetworkKind, Policy, RetryClass};
use http::Method;

use rows::{ROWS, Row};
use script::{Always, Script, contract};

/// The result of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// A response with this status.
    Status(u16),
    /// An error of the API.
    ApiError(u16, GiveUpReason),
    /// No response.
    Failed(NetworkKind, GiveUpReason),
}

/// The constant value of the jitter, so that delays are exact.
const FRACTION: f64 = 0.5;

#[tokio::test(start_paused = true)]
async fn every_failure_has_its_attempts_and_delays() {
    let mut wrong = Vec::new();
    for row in ROWS {
        if let Err(difference) = check(row).await {
            wrong.push(format!("{}: {difference}", row.name));
        }
    }
    assert!(ROWS.len() >= 60, "only {} rows", ROWS.len());
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), ROWS.len(), wrong.join("\n"));
}

#[test]
fn row_names_are_unique() {
    let names: std::collections::BTreeSet<&str> = ROWS.iter().map(|row| row.name).collect();
    assert_eq!(names.len(), ROWS.len());
}

async fn check(row: &Row) -> Result<(), String> {
    let script = Script::new(row.replies);
    let mut builder = ClientBuilder::new(script.clone())
        .jitter(Always(FRACTION))
        .policy(Policy { idempotency_keys: row.creates_keys, ..Policy::default() });
    if row.has_contract {
        builder = builder.contract(contract());
    }
    if row.has_no_budget {
        builder = builder.budget(demur_client::BudgetSettings { ratio: 0.0, min_per_second: 0 });
    }
    let client = builder.build();
    let mut request = reqwest::Request::new(method(row.method), "http://api.example/things".parse().unwrap());
    if let Some(key) = row.key {
        request.headers_mut().insert("idempotency-key", key.parse().unwrap());
    }
    *request.body_mut() = match row.body {
        RequestBody::None => None,
        RequestBody::Text => Some("{}".into()),
        RequestBody::Stream => {
            let pieces = futures_util::stream::iter([Ok::<_, std::io::Error>("{}")]);
            Some(reqwest::Body::wrap_stream(pieces))
        }
    };
    let deadline = row.deadline_secs.map(Duration::from_secs);
    let started = tokio::time::Instant::now();
    let ended = client.execute(request, deadline).await;
    if deadline.is_some_and(|deadline| started.elapsed() > deadline + Duration::from_millis(1)) {
        return Err(format!("it took {:?}", started.elapsed()));
    }

    let delays: Vec<u64> = script.delays().iter().map(|delay| delay.as_millis() as u64).collect();
    if delays != row.delays {
        return Err(format!("delays {delays:?}, expected {:?}", row.delays));
    }
    let attempts = row.delays.len() as u32 + 1;
    let end = match &ended {
        Ok(response) => End::Status(response.status().as_u16()),
        Err(Error::Api(error)) => End::ApiError(error.status.as_u16(), error.give_up_reason),
        Err(Error::Network(error)) => End::Failed(error.kind, error.give_up_reason),
    };
    if end != row.end {
        return Err(format!("{end:?}, expected {:?}", row.end));
    }
    if let Err(error) = &ended
        && error.attempts() != attempts
    {
        return Err(format!("{} attempts reported, {attempts} made", error.attempts()));
    }
    let keys = script.keys();
    // A key of the caller is kept; a generated key is the same for all attempts.
    let is_unchanged = |key: &Option<String>| row.key.is_none_or(|own| key.as_deref() == Some(own));
    let is_one_key = keys.windows(2).all(|two| two[0] == two[1]) && keys.iter().all(is_unchanged);
    if !is_one_key || keys.iter().any(|key| key.is_some()) != (row.key.is_some() || creates_key(row)) {
        return Err(format!("keys {keys:?}"));
    }
    Ok(())
}

/// With a contract, pacing reads the headers that it declares, and no others.
#[tokio::test(start_paused = true)]
async fn pacing_reads_the_limit_headers_of_the_contract() {
    const OWN: script::Reply = script::Reply::With(200, &[("x-left", "0"), ("x-reset", "60")], "");
    const LEFT: script::Reply = script::Reply::With(200, &[("x-left", "2"), ("x-reset", "60")], "");
    const GUESSED: script::Reply = script::Reply::With(
        200,
        &[("x-left", "2"), ("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "60")],
        "",
    );
    for (reply, waits) in [(&[OWN][..], 60), (&[LEFT], 0), (&[GUESSED], 0)] {
        let script = Script::new(reply);
        let client = ClientBuilder::new(script.clone()).contract(contract()).pacing(true).build();
        for _ in 0..2 {
            let request = reqwest::Request::new(Method::GET, "http://api.example/things".parse().unwrap());
            client.execute(request, Some(Duration::from_secs(300))).await.unwrap();
        }
        let waited: u64 = script.delays().iter().map(Duration::as_secs).sum();
        assert_eq!(waited, waits, "{reply:?}");
    }
}

/// A classifier changes what is an error and what is retried, but never what is safe to repeat.
#[tokio::test(start_paused = true)]
async fn a_classifier_decides_what_is_an_error_and_what_is_retried() {
    struct Own;

    impl Classifier for Own {
        fn is_error(&self, status: http::StatusCode, headers: &http::HeaderMap) -> bool {
            let is_page = headers.get("content-type").is_some_and(|kind| kind == "text/html");
            is_page || status.is_client_error() || status.is_server_error()
        }

        fn retry_class(&self, error: &Error) -> Option<RetryClass> {
            match error {
                Error::Api(error) if [200, 402, 423].contains(&error.status.as_u16()) => {
                    Some(RetryClass::Backoff)
                }
                Error::Api(error) if error.status == 503 => Some(RetryClass::Never),
                Error::Network(error) if error.kind == NetworkKind::Connect => Some(RetryClass::Never),
                _ => None,
            }
        }
    }

    use script::Reply::{Fails, With};
    const FINE: script::Reply = With(200, &[], "");
    for (method, replies, delays, end) in [
        (
            "GET",
            &[With(200, &[("content-type", "text/html")], "<p>Sign in</p>"), FINE][..],
            &[250][..],
            End::Status(200),
        ),
        ("GET", &[With(423, &[], ""), FINE], &[250], End::Status(200)),
        ("GET", &[With(402, &[], ""), FINE], &[250], End::Status(200)),
        ("POST", &[With(423, &[], ""), FINE], &[], End::ApiError(423, GiveUpReason::NotIdempotent)),
        ("GET", &[With(503, &[], ""), FINE], &[], End::ApiError(503, GiveUpReason::NotRetryable)),
        (
            "GET",
            &[Fails(NetworkKind::Connect), FINE],
            &[],
            End::Failed(NetworkKind::Connect, GiveUpReason::NotRetryable),
        ),
        ("GET", &[Fails(NetworkKind::Broken), FINE], &[250], End::Status(200)),
        ("GET", &[With(404, &[], ""), FINE], &[], End::ApiError(404, GiveUpReason::NotRetryable)),
    ] {
        let script = Script::new(replies);
        let client = ClientBuilder::new(script.clone()).jitter(Always(FRACTION)).classifier(Own).build();
        let request =
            reqwest::Request::new(self::method(method), "http://api.example/things".parse().unwrap());
        let ended = match &client.execute(request, None).await {
            Ok(response) => End::Status(response.status().as_u16()),
            Err(Error::Api(error)) => End::ApiError(error.status.as_u16(), error.give_up_reason),
            Err(Error::Network(error)) => End::Failed(error.kind, error.give_up_reason),
        };
        let made: Vec<u64> = script.delays().iter().map(|delay| delay.as_millis() as u64).collect();
        assert_eq!((made.as_slice(), ended), (delays, end), "{method} {replies:?}");
    }
}

/// With pacing, the client waits for the reset of a used-up limit, unless the wait exceeds the deadline.
#[tokio::test(start_paused = true)]
async fn pacing_waits_for_the_reset_of_a_limit() {
    const USED_UP: script::Reply = script::Reply::With(200, &[("ratelimit", "\"burst\";r=0;t=60")], "");
    const LEFT: script::Reply = script::Reply::With(200, &[("ratelimit", "\"burst\";r=5;t=60")], "");
    for (replies, deadlines, waits) in [
        (&[USED_UP][..], &[300, 300][..], 60),
        // The wait would exceed the deadline: the request is sent anyway.
        (&[USED_UP], &[300, 30], 0),
        (&[LEFT], &[300, 300], 0),
        // The latest response counts.
        (&[USED_UP, LEFT], &[300, 30, 300], 0),
    ] {
        let script = Script::new(replies);
        let client = ClientBuilder::new(script.clone()).pacing(true).build();
        for deadline in deadlines {
            let request = reqwest::Request::new(Method::GET, "http://api.example/things".parse().unwrap());
            client.execute(request, Some(Duration::from_secs(*deadline))).await.unwrap();
        }
        let waited: u64 = script.delays().iter().map(Duration::as_secs).sum();
        assert_eq!(waited, waits, "{replies:?} {deadlines:?}");
    }
}

fn creates_key(row: &Row) -> bool {
    row.creates_keys && !method(row.method).is_idempotent()
}

fn method(name: &str) -> Method {
    name.parse().unwrap()
}

/// The body of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RequestBody {
    None,
    Text,
    Stream,
}
