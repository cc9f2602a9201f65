//! Each of the five served both ways: behind the gateway, and with the layer inside. Every documented error,
//! asked for over a socket, comes out of both with the same bytes but for the request's id.
//!
//! In one process, so that both have the same keys, and stores that can be made to fail.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on should stop, in its functions that carry no #[test] too"
)]

#[path = "../vectors/expected.rs"]
mod expected;
mod keys;
mod rows;
mod sides;

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::Path;

use demur_e2e::{Response, contract};
use serde_json::Value as Json;

use expected::differences;
use rows::{ROWS, Row};
use sides::{Sides, Stores};

/// Cases that need a socket between the gateway and the service.
const NEEDS_A_SOCKET: [(&str, &str); 1] = [("trakkr", "service_unavailable")];

/// The documented cases of an API.
fn documented(api: &str) -> Vec<Json> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors").join(format!("{api}.json"));
    let file: Json = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    file["cases"].as_array().unwrap().clone()
}

#[test]
fn gateway_and_layer_render_every_documented_error_alike() {
    let mut wrong = Vec::new();
    let mut same = 0;
    for example in demur_examples::all() {
        let sound = Sides::start(example, Stores::Sound);
        let failing = Sides::start(example, Stores::Failing);
        for case in documented(example.name) {
            let id = case["id"].as_str().unwrap();
            for row in ROWS.iter().filter(|row| (row.api, row.case) == (example.name, id)) {
                let sides = if row.key == "failing store" { &failing } else { &sound };
                match check(sides, row, &case) {
                    Ok(()) => same += 1,
                    Err(difference) => wrong.push(format!("{} {id}: {difference}", row.api)),
                }
            }
        }
    }
    let _ = writeln!(std::io::stderr(), "the same both ways: {same}/{}", ROWS.len());
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    assert_eq!(same, ROWS.len());
}

#[test]
fn every_case_has_a_row_and_every_row_has_a_case() {
    let cases: BTreeSet<(String, String)> = demur_examples::all()
        .iter()
        .flat_map(|example| {
            let id = |case: Json| (example.name.to_owned(), case["id"].as_str().unwrap().to_owned());
            documented(example.name).into_iter().map(id).collect::<Vec<_>>()
        })
        .collect();
    let owned = |(api, case): (&str, &str)| (api.to_owned(), case.to_owned());
    let rows = ROWS.iter().map(|row| (row.api, row.case)).chain(NEEDS_A_SOCKET).map(owned).collect();
    assert_eq!(cases, rows);
}

fn check(sides: &Sides, row: &Row, case: &Json) -> Result<(), String> {
    let [gateway, layer] = sides.both(row);
    let said = differences(case, &layer);
    if !said.is_empty() {
        return Err(format!("the layer: {}", said.join("; ")));
    }
    let contract = contract(row.api);
    let header = &contract.request_id().header;
    let (gateway, layer) = (without_id(&gateway, header), without_id(&layer, header));
    if is_same(&gateway, &layer) { Ok(()) } else { Err(format!("gateway {gateway:?}, layer {layer:?}")) }
}

type Seen = (u16, Vec<(String, String)>, String);

/// The same, but for one second in the headers with times: the two get the request one after the other.
fn is_same(gateway: &Seen, layer: &Seen) -> bool {
    let is_close = |(gateway, layer): (&(String, String), &(String, String))| {
        let seconds = |text: &str| text.parse::<u64>().unwrap_or_default();
        let shows_time = ["x-ratelimit-reset", "retry-after"].contains(&gateway.0.as_str());
        gateway == layer
            || (gateway.0 == layer.0 && shows_time && seconds(&gateway.1).abs_diff(seconds(&layer.1)) <= 1)
    };
    (gateway.0, &gateway.2, gateway.1.len()) == (layer.0, &layer.2, layer.1.len())
        && gateway.1.iter().zip(&layer.1).all(is_close)
}

/// Status, headers and body, with each occurrence of the request ID replaced by a word. The headers are sorted: in
/// which order they are written is the server's business.
fn without_id(response: &Response, header: &str) -> Seen {
    let id = response.header(header);
    let headers = response.headers.iter().filter(|(name, _)| *name != "date");
    let mut headers: Vec<(String, String)> =
        headers.map(|(name, value)| (name.to_owned(), value.replace(id, "ID"))).collect();
    headers.sort();
    (response.status, headers, response.text().replace(id, "ID"))
}
