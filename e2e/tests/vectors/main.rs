//! Every documented error of the five, and each alternative way to it, over HTTP from the real binary.
//!
//! The files under `vectors/` say what is documented; `registry.rs` holds them against the requests in the
//! files that are called like the contracts. What is said of all responses is the checking client's business.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on should stop, in its functions that carry no #[test] too"
)]

mod demo;
mod expected;
mod explained;
mod mocked;
mod pages;
mod registry;
mod successes;
mod trackbot_pro;
mod trackunit;
mod trackyard;
mod trakkr;
mod trakkr_get_scores;
mod world;

use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::thread;

use demur_e2e::{OWNED_BRAND, Request, sound_request};
use serde_json::{Value as Json, json};

use crate::expected::differences;
use crate::mocked::Mock;
use crate::registry::{Documented, Produced, alternatives, documented, unmatched};
use crate::successes::{SUCCESSES, has_status, untouched};
use crate::world::World;

fn errors() -> Vec<Documented> {
    documented("cases", |case| case["id"].as_str().unwrap().to_owned())
}

fn successes() -> Vec<Documented> {
    documented("successes", |success| match &success["status"] {
        Json::String(class) => class.clone(),
        status => status.to_string(),
    })
}

fn requests() -> Vec<Produced> {
    let all =
        [trakkr::CASES, trakkr_get_scores::CASES, trackyard::CASES, trackbot_pro::CASES, trackunit::CASES];
    all.into_iter().flatten().copied().collect()
}

/// Produces every case and returns how many are as documented, and the failures.
fn produced(
    documented: &[Documented],
    requests: &[Produced],
    judge: impl Fn(&Documented, &World, &Produced) -> Vec<String>,
) -> (usize, Vec<String>) {
    let world = World::new();
    let mut wrong = unmatched(documented, requests);
    let mut right = 0;
    for case in documented {
        let Some(request) = requests.iter().find(|request| request.produces(case)) else { continue };
        // A case that cannot be produced must not hide the failures of others.
        let judged = catch_unwind(AssertUnwindSafe(|| judge(case, &world, request)));
        let found = judged.unwrap_or_else(|panic| vec![reported(&*panic)]);
        right += usize::from(found.is_empty());
        let name = format!("{} {} {}", case.contract, case.case, case.alternative);
        wrong.extend(found.into_iter().map(|difference| format!("{name}: {difference}")));
    }
    (right, wrong)
}

fn reported(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default()
}

/// Past the capture of the test's output: a run ends by saying how far it got.
fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

#[test]
fn reaches_every_documented_error_over_http() {
    let (documented, mock) = (errors(), Mock::start());
    let (mocked, documentation) = (Mutex::new(Vec::new()), Mutex::new(Vec::new()));
    let (right, wrong) = produced(&documented, &requests(), |case, world, request| {
        let responses = (request.produce)(world);
        assert!(!responses.is_empty(), "nothing was produced");
        for response in &responses {
            let found = mock.differences(&case.contract, response).into_iter();
            let found = found.map(|difference| format!("{} {}: {difference}", case.contract, case.case));
            mocked.lock().unwrap().extend(found);
            documentation.lock().unwrap().extend(pages::of(world, &case.contract, response));
        }
        responses.iter().flat_map(|response| differences(&case.expected, response)).collect()
    });
    say(&format!("every documented error reached over HTTP: {right}/{}", documented.len()));
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    // The mock, asked for each of these responses, sends the same bytes.
    let mocked = mocked.into_inner().unwrap();
    assert!(mocked.is_empty(), "\n{}", mocked.join("\n"));
    // Each link in them leads to a page about the error.
    let (followed, broken): (Vec<_>, Vec<_>) =
        documentation.into_inner().unwrap().into_iter().partition(Result::is_ok);
    assert!(broken.is_empty(), "{broken:?}");
    assert!(followed.len() >= 10, "only {} links", followed.len());
    explained::compare_with_golden();
}

#[test]
fn forwards_every_documented_success_unchanged() {
    let documented = successes();
    let (right, wrong) = produced(&documented, SUCCESSES, |case, world, request| {
        untouched(world, &case.contract, &case.case);
        let responses = (request.produce)(world);
        let other = responses.iter().filter(|response| !has_status(&case.case, response));
        other.map(|response| format!("{response:?}")).collect()
    });
    say(&format!("every documented success passed untouched: {right}/{}", documented.len()));
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn fails_on_a_case_without_a_request_and_a_request_without_a_case() {
    let (cases, requests) = (errors(), requests());
    assert_eq!(unmatched(&cases, &requests), Vec::<String>::new());

    let extra = Documented {
        contract: "trakkr".to_owned(),
        case: "never_heard_of".to_owned(),
        alternative: 1,
        expected: json!({ "when": "somebody documents one more" }),
    };
    let another_way = Documented { case: "not_found".to_owned(), alternative: 3, ..extra.clone() };
    for extra in [extra, another_way] {
        let longer: Vec<Documented> = cases.iter().cloned().chain([extra]).collect();
        assert_eq!(unmatched(&longer, &requests).len(), 1);
        let (right, wrong) = produced(&longer[longer.len() - 1..], &[], |_, _, _| Vec::new());
        assert_eq!((right, wrong.len()), (0, 1), "the run itself fails: {wrong:?}");
    }
    for missing in 0..requests.len() {
        let mut fewer = requests.clone();
        fewer.remove(missing);
        assert_eq!(unmatched(&cases, &fewer).len(), 1);
    }
    let twice: Vec<Produced> = requests.iter().chain(&requests[..1]).copied().collect();
    assert_eq!(unmatched(&cases, &twice).len(), 1);
    assert_eq!(unmatched(&cases[1..], &requests).len(), 1);
}

#[test]
fn accepts_each_listed_alternative() {
    for (when, count) in [
        ("a body that is not JSON", 1),
        ("each of: a malformed key; a well-formed key that is unknown", 2),
        ("each of: no Authorization field; an invalid key; a revoked key; an expired key", 4),
        ("more than one thing; and yet no list", 1),
    ] {
        assert_eq!(alternatives(when), count, "{when}");
    }
}

/// One gateway, two contract versions, the same mistake: each version renders its own error.
#[test]
fn serves_both_contract_versions_at_once() {
    let world = World::new();
    let cases = errors();
    for (newer, older) in
        [("missing_authorization", "missing_api_key"), ("invalid_api_key", "invalid_api_key")]
    {
        for (api, case) in [("trakkr", newer), ("trakkr-get-scores", older), ("trakkr", newer)] {
            let is_it = |known: &&Documented| known.contract == api && known.case == case;
            let case = cases.iter().find(is_it).unwrap();
            let request = match case.case.as_str() {
                "invalid_api_key" => sound_request(api, world.unknown_key(api)),
                _ => Request::post(if api == "trakkr" { "/brands" } else { "/get-scores" }),
            };
            let response = world.send(api, &request);
            assert_eq!(differences(&case.expected, &response), Vec::<String>::new(), "{api} {}", case.case);
        }
    }
    for api in ["trakkr", "trakkr-get-scores"] {
        assert_eq!(world.send(api, &sound_request(api, world.key(api, "active"))).status, 200);
    }
}

/// It has no visible rate limit: not for valid requests, invalid ones, or guessed keys.
#[test]
fn get_scores_never_responds_with_429() {
    const API: &str = "trakkr-get-scores";
    let world = World::new();
    let sound = sound_request(API, world.key(API, "active"));
    let invalid = Request::post("/get-scores").key(world.key(API, "limited")).json(&json!({}));
    let unknown = sound_request(API, world.unknown_key(API));
    let restricted = sound_request(API, world.key(API, "restricted"));
    let none = Request::post("/get-scores").json(&json!({ "brand": OWNED_BRAND }));
    let kinds = [(sound, 200), (invalid, 400), (unknown, 403), (restricted, 403), (none, 401)];
    let client = world.client(API);
    thread::scope(|scope| {
        for (request, status) in &kinds {
            let client = &client;
            scope.spawn(move || {
                let mut connection = client.connect();
                for _ in 0..60 {
                    let response = connection.send(request);
                    assert_eq!(response.status, *status, "{response:?}");
                    assert_eq!(response.headers.first("retry-after"), None, "{response:?}");
                }
            });
        }
    });
}

/// The date rules of get-scores: at most 90 days, in their order, and texts only.
#[test]
fn get_scores_checks_its_dates() {
    const API: &str = "trakkr-get-scores";
    let world = World::new();
    let text = |date: &str| json!(date);
    for (start, end, status, title) in [
        (text("2026-01-01"), text("2026-04-01"), 200, ""),
        (text("2026-01-01"), text("2026-04-02"), 400, "Date range too large"),
        (text("2026-01-02"), text("2026-01-02"), 200, ""),
        (text("2026-01-02"), text("2026-01-01"), 400, "Invalid date range"),
        (text("2026-04-02"), text("2026-01-01"), 400, "Invalid date range"),
        (json!(20_260_101), text("2026-01-01"), 400, "Invalid start_date format"),
        (json!(null), text("2026-01-01"), 400, "Invalid start_date format"),
        (text("2026-01-01"), json!(20_260_101), 400, "Invalid end_date format"),
        (text("2026-01-01"), json!(["2026-01-01"]), 400, "Invalid end_date format"),
        (text("2026-01-01"), json!(true), 400, "Invalid end_date format"),
        (text("20-11-2026"), text("2026-01-01"), 400, "Invalid start_date format"),
        (text("2026-02-30"), text("2026-03-01"), 500, "Date range validation error"),
    ] {
        let body = json!({ "brand": OWNED_BRAND, "start_date": start, "end_date": end });
        let request = Request::post("/get-scores").key(world.key(API, "active")).json(&body);
        let response = world.client(API).send(&request);
        assert_eq!(response.status, status, "{body}: {response:?}");
        if status != 200 {
            assert_eq!(response.json()["error"], title, "{body}");
        }
    }
}

/// On the wire are only the codes and types that the page documents, whatever goes wrong.
#[test]
fn closed_contracts_show_documented_codes_and_types_only() {
    const DOCUMENTED: [&str; 17] = [
        "authentication_error",
        "invalid_api_key",
        "api_key_revoked",
        "api_key_expired",
        "missing_authorization",
        "invalid_request_error",
        "invalid_param",
        "missing_param",
        "invalid_json",
        "not_found",
        "rate_limit_error",
        "rate_limit_exceeded",
        "daily_limit_exceeded",
        "api_error",
        "internal_error",
        "service_unavailable",
        "timeout",
    ];
    let source = demur_contract::builtin::source("trakkr").unwrap();
    let contract = demur_contract::Contract::load(&source).unwrap().contract;
    for (error, entry) in contract.entries() {
        let mut body = Vec::new();
        contract.render(&demur_contract::Problem::new(error, "req_1"), &mut body);
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
        for name in ["type", "code"] {
            let shown = body["error"][name].as_str().unwrap();
            assert!(DOCUMENTED.contains(&shown), "{}: {body}", entry.name);
        }
        let page = body["error"]["doc_url"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
        assert!(DOCUMENTED.contains(&page.as_str()), "{}: {body}", entry.name);
    }
}

/// The same of the API whose errors have a code only in some cases; and of the one whose list of codes is open, all codes are
/// in snake case.
#[test]
fn codes_are_documented_or_in_snake_case() {
    let load = |name: &str| {
        let source = demur_contract::builtin::source(name).unwrap();
        demur_contract::Contract::load(&source).unwrap().contract
    };
    let bodies = |contract: &demur_contract::Contract| -> Vec<Json> {
        let all = contract.entries().map(|(error, _)| {
            let mut body = Vec::new();
            contract.render(&demur_contract::Problem::new(error, "req_1"), &mut body);
            serde_json::from_slice(&body).unwrap()
        });
        all.collect()
    };
    const DOCUMENTED: [&str; 3] = ["validation_failed", "invalid_courier", "shipment_already_exists"];
    for body in bodies(&load("trackbot-pro")) {
        let code = body["error"].get("code").map(|code| code.as_str().unwrap());
        assert!(code.is_none_or(|code| DOCUMENTED.contains(&code)), "{body}");
    }
    for body in bodies(&load("trackunit")) {
        let code = body["code"].as_str().unwrap();
        assert!(code.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{body}");
    }
}
