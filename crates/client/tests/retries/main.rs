//! Every situation in which a call can be, with the exact attempts and delays, on a paused clock.
//!
//! A row says what the server does, attempt by attempt, and what the client must do about it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what failed by failing")]

mod rows;
mod script;

use std::time::Duration;

use demur_client::{ClientBuilder, Error, GiveUpReason, NetworkKind, Policy};
use http::Method;

use rows::{ROWS, Row};
use script::{Always, Script, contract};

/// How a call ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// With this success.
    Status(u16),
    /// With this error of the API.
    Refused(u16, GiveUpReason),
    /// Without an answer.
    Failed(NetworkKind, GiveUpReason),
}

/// Half of everything that chance decides: delays are exact.
const FRACTION: f64 = 0.5;

#[tokio::test(start_paused = true)]
async fn every_situation_has_its_attempts_and_delays() {
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
fn rows_have_names_of_their_own() {
    let names: std::collections::BTreeSet<&str> = ROWS.iter().map(|row| row.name).collect();
    assert_eq!(names.len(), ROWS.len());
}

async fn check(row: &Row) -> Result<(), String> {
    let script = Script::new(row.answers);
    let mut builder = ClientBuilder::new(script.clone())
        .jitter(Always(FRACTION))
        .policy(Policy { idempotency_keys: row.gives_keys, ..Policy::default() });
    if row.has_contract {
        builder = builder.contract(contract());
    }
    if row.is_broke {
        builder = builder.budget(demur_client::BudgetSettings { share: 0.0, floor: 0 });
    }
    let client = builder.build();
    let mut request = reqwest::Request::new(method(row.method), "http://api.example/things".parse().unwrap());
    if let Some(key) = row.key {
        request.headers_mut().insert("idempotency-key", key.parse().unwrap());
    }
    *request.body_mut() = match row.content {
        Content::None => None,
        Content::Whole => Some("{}".into()),
        Content::Stream => {
            let pieces = futures_util::stream::iter([Ok::<_, std::io::Error>("{}")]);
            Some(reqwest::Body::wrap_stream(pieces))
        }
    };
    let deadline = row.deadline_secs.map(Duration::from_secs);
    let begun = tokio::time::Instant::now();
    let ended = client.execute(request, deadline).await;
    if deadline.is_some_and(|deadline| begun.elapsed() > deadline + Duration::from_millis(1)) {
        return Err(format!("it took {:?}", begun.elapsed()));
    }

    let delays: Vec<u64> = script.delays().iter().map(|delay| delay.as_millis() as u64).collect();
    if delays != row.delays {
        return Err(format!("delays {delays:?}, expected {:?}", row.delays));
    }
    let attempts = row.delays.len() as u32 + 1;
    let end = match &ended {
        Ok(response) => End::Status(response.status().as_u16()),
        Err(Error::Api(error)) => End::Refused(error.status.as_u16(), error.stop),
        Err(Error::Network(error)) => End::Failed(error.kind, error.stop),
    };
    if end != row.end {
        return Err(format!("{end:?}, expected {:?}", row.end));
    }
    if let Err(error) = &ended
        && error.attempts() != attempts
    {
        return Err(format!("{} attempts told, {attempts} made", error.attempts()));
    }
    let keys = script.keys();
    // The caller's own counts; one that the client made stays the same.
    let is_own = |key: &Option<String>| row.key.is_none_or(|own| key.as_deref() == Some(own));
    let is_one_key = keys.windows(2).all(|two| two[0] == two[1]) && keys.iter().all(is_own);
    if !is_one_key || keys.iter().any(|key| key.is_some()) != (row.key.is_some() || makes_key(row)) {
        return Err(format!("keys {keys:?}"));
    }
    Ok(())
}

/// A client that is paced waits for the reset of a limit that is used up, unless there is no time for it.
#[tokio::test(start_paused = true)]
async fn a_used_up_limit_is_waited_for() {
    const USED_UP: script::Answer = script::Answer::With(200, &[("ratelimit", "\"burst\";r=0;t=60")], "");
    const LEFT: script::Answer = script::Answer::With(200, &[("ratelimit", "\"burst\";r=5;t=60")], "");
    for (answers, deadlines, waits) in [
        (&[USED_UP][..], &[300, 300][..], 60),
        // The deadline would pass: the server says what it says.
        (&[USED_UP], &[300, 30], 0),
        (&[LEFT], &[300, 300], 0),
        // What it says counts: there is something left after all.
        (&[USED_UP, LEFT], &[300, 30, 300], 0),
    ] {
        let script = Script::new(answers);
        let client = ClientBuilder::new(script.clone()).pacing().build();
        for deadline in deadlines {
            let request = reqwest::Request::new(Method::GET, "http://api.example/things".parse().unwrap());
            client.execute(request, Some(Duration::from_secs(*deadline))).await.unwrap();
        }
        let waited: u64 = script.delays().iter().map(Duration::as_secs).sum();
        assert_eq!(waited, waits, "{answers:?} {deadlines:?}");
    }
}

fn makes_key(row: &Row) -> bool {
    row.gives_keys && !method(row.method).is_idempotent()
}

fn method(name: &str) -> Method {
    name.parse().unwrap()
}

/// What a request carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Content {
    None,
    Whole,
    Stream,
}
