//! Hostile requests, as data (`e2e/hostile/`): each rejected one gets the error of its
//! condition and never reaches the upstream, and each admitted one arrives there unchanged.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on should stop and say where"
)]

mod desync;
mod site;

use std::path::Path;
use std::time::Duration;

use demur_e2e::hostile::{Case, Expected, cases};
use demur_e2e::{Connection, Response};

use site::{Document, Site};

/// The timeout to detect a closed connection.
const TIMEOUT: Duration = Duration::from_secs(5);

#[test]
fn every_case_gets_its_response_and_the_upstream_sees_only_accepted_requests() {
    let site = Site::start(Document::Things);
    let cases = cases(&Path::new(env!("CARGO_MANIFEST_DIR")).join("hostile"), site.key());
    assert!(cases.len() >= 150, "{} cases", cases.len());
    let found: Vec<String> =
        cases.iter().filter_map(|case| run(&site, case).inspect_err(|_| site.forget()).err()).collect();
    assert!(found.is_empty(), "{} of {} cases:\n{}", found.len(), cases.len(), found.join("\n"));
    // Nothing came late either.
    let (total, expected) = site.seen_and_accounted_for();
    assert_eq!(total, expected);
}

/// `Err` says what is not as it must be.
fn run(site: &Site, case: &Case) -> Result<(), String> {
    let wrong = |what: String| format!("- {} (RFC {}): {what}", case.name, case.rfc);
    site.respond_with(case.upstream.clone());
    let mut connection = site.connect();
    connection.write(&case.sent);
    if case.ends {
        connection.finish_sending();
    }
    let mut closes = case.ends;
    for (index, expected) in case.responses.iter().enumerate() {
        let is_head = index == 0 && case.sent.starts_with(b"HEAD ");
        let response = connection.try_read(if is_head { "HEAD" } else { "GET" });
        let response = response.map_err(|error| wrong(format!("answer {index}: {error}")))?;
        reported(site, &response, expected).map_err(|what| wrong(format!("answer {index}: {what}")))?;
        closes = closes || response.header("connection") == "close";
    }
    nothing_follows(&mut connection, closes).map_err(wrong)?;
    arrived(site, case).map_err(wrong)
}

fn reported(site: &Site, response: &Response, expected: &Expected) -> Result<(), String> {
    let shown = || format!("{} {}", response.status, response.text());
    match expected {
        Expected::Admitted if response.status == 200 => Ok(()),
        Expected::Status(status) if response.status == *status && !response.text().contains("hidden") => {
            Ok(())
        }
        Expected::Admitted | Expected::Status(_) => Err(format!("{expected:?} was {}", shown())),
        Expected::Rejected(condition) if response.status >= 400 => {
            let logged = site.logged(response.header("x-request-id"));
            let named = logged["condition"].as_str().unwrap_or_default();
            if named == condition {
                Ok(())
            } else {
                Err(format!("not {condition} but {named}, {}", logged["cause"]))
            }
        }
        Expected::Rejected(condition) => Err(format!("{condition} was {}", shown())),
    }
}

/// A rejection that says `close` closes by itself; otherwise the connection ends with our side, and never with bytes
/// that no request of the case asked for.
fn nothing_follows(connection: &mut Connection, closes: bool) -> Result<(), String> {
    if !closes {
        connection.finish_sending();
    }
    match connection.closed_within(TIMEOUT) {
        Ok(rest) if rest.is_empty() => Ok(()),
        Ok(rest) => Err(format!("and then: {}", String::from_utf8_lossy(&rest))),
        Err(error) => Err(format!("it stays open: {error}")),
    }
}

fn arrived(site: &Site, case: &Case) -> Result<(), String> {
    let mut received = site.received();
    // An upstream that closes a connection on which a request was sent may be asked again.
    if case.upstream.is_some() {
        received.dedup_by(|one, other| (&one.method, &one.target) == (&other.method, &other.target));
    }
    let seen: Vec<_> =
        received.iter().map(|request| (&*request.method, &*request.target, &*request.body)).collect();
    let expected: Vec<_> =
        case.arrives.iter().map(|arrival| (&*arrival.method, &*arrival.target, &*arrival.body)).collect();
    if seen != expected {
        return Err(format!("the upstream saw {received:?}"));
    }
    let Some(last) = received.last() else { return Ok(()) };
    for (name, value) in &case.carries {
        let values: Vec<&str> = last.headers.all(name).collect();
        if values != [value] {
            return Err(format!("{name} arrived as {values:?}"));
        }
    }
    match case.lacks.iter().find(|name| last.headers.first(name).is_some()) {
        Some(name) => Err(format!("{name} arrived")),
        None => Ok(()),
    }
}
