//! The retry decision for every kind of failure, with exact attempts and delays, on a paused clock.
//!
//! A row has the responses of the server, attempt by attempt, and the expected behavior of the client.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what failed by failing")]

mod rows;
mod script;

use std::time::Duration;

use demur_client::{ClientBuilder, Error, GiveUpReason, NetworkKind, Policy};
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
