//! The path oracle: the operation that the gateway judged is the operation that the server behind it ran.
//!
//! Every spelling of `e2e/oracle/spellings.yaml` is sent through the gateway to every server. Either the gateway rejects it,
//! or the server runs nothing, or the server's own router chose the operation that the access log names. What the gateway
//! should do about a spelling is not written down anywhere: only this rule is, and the ordinary spellings that must pass.
//!
//! `DEMUR_ORACLE_ROUNDS` adds as many spellings that are made of two rows each, from `DEMUR_ORACLE_SEED`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on should stop and say where"
)]

mod site;
mod spelling;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::thread;

use demur_e2e::servers::{self, Servers};
use site::{Key, Layout, Outcome, Site};
use spelling::{OPERATIONS, Spelling};

/// Servers with case-sensitive routers.
const SERVERS: [&str; 9] =
    ["flask", "nginx", "node", "node-strict", "php", "php-fpm", "php-twice", "tomcat", "tomcat-decode"];

#[test]
fn authorized_operation_is_the_operation_that_runs() {
    judged_is_run(&SERVERS);
}

#[test]
fn authorized_operation_runs_on_a_case_insensitive_router() {
    judged_is_run(&["express"]);
}

fn judged_is_run(servers: &[&'static str]) {
    let spellings = spelling::all();
    let rows = spelling::rows();
    assert!(rows >= 300, "{rows} rows");
    let outcomes = Site::start(servers, Layout::Whole).send_all(&spellings, Key::Full);
    let wrong = |outcome: &&Outcome| {
        let ran = outcome.ran.as_ref().map(|ran| &ran.operation);
        ran.is_some() && ran != outcome.judged.as_ref()
    };
    report("ran another operation than was judged", outcomes.iter().filter(wrong), &outcomes);
    // A gateway that rejects everything would satisfy this rule.
    for server in servers {
        let ran = outcomes.iter().filter(|outcome| outcome.server == *server && outcome.ran.is_some());
        assert!(ran.count() > spellings.len() / 20, "{server} runs next to nothing");
    }
}

#[test]
fn no_spelling_runs_an_operation_outside_of_the_grants() {
    // This key has no scope, and its grant is `item:1`.
    let outcomes = Site::start(&SERVERS, Layout::Whole).send_all(&spelling::all(), Key::Poor);
    let is_protected = |name: &str| OPERATIONS.iter().any(|known| known.name == name && known.needs_scope);
    let is_granted = |name: &str| OPERATIONS.iter().any(|known| known.name == name && known.needs_grant);
    let wrong = |outcome: &&Outcome| {
        outcome.ran.as_ref().is_some_and(|ran| {
            let item = ran.values.as_ref().and_then(|values| values.first());
            is_protected(&ran.operation)
                || (is_granted(&ran.operation) && item.is_some_and(|item| item != "1"))
        })
    };
    report("ran beyond the key's scopes and grants", outcomes.iter().filter(wrong), &outcomes);
}

#[test]
fn no_spelling_reaches_another_api() {
    // What is below `/admin` is an API of its own, with keys; everything else on the same server is open to all.
    let outcomes = Site::start(&SERVERS, Layout::Divided).send_all(&spelling::all(), Key::None);
    let wrong = |outcome: &&Outcome| {
        outcome.ran.as_ref().is_some_and(|ran| ["purge", "showAdmin"].contains(&ran.operation.as_str()))
    };
    report("crossed to the other API", outcomes.iter().filter(wrong), &outcomes);
    for server in SERVERS {
        let ran = outcomes.iter().filter(|outcome| outcome.server == server && outcome.ran.is_some());
        assert!(ran.count() > 0, "{server} runs nothing");
    }
}

#[test]
fn no_spelling_escapes_the_upstream_path() {
    // The upstream of the API below `/admin` has that path in its URL, and the key is one of that API.
    let outcomes = Site::start(&SERVERS, Layout::Divided).send_all(&spelling::all(), Key::Full);
    let wrong = |outcome: &&Outcome| {
        let ran = outcome.ran.as_ref().map(|ran| &ran.operation);
        ran.is_some() && ran != outcome.judged.as_ref()
    };
    report("ran another operation than was judged", outcomes.iter().filter(wrong), &outcomes);
}

/// Without a gateway: the oracle can only find what its servers read differently. What each of them makes of each spelling
/// is written to `path-oracle.tsv` in cargo's folder for tests' files (`target/tmp`).
#[test]
fn the_servers_read_spellings_differently() {
    let servers: Vec<&'static str> = SERVERS.into_iter().chain(["express"]).collect();
    let spellings = spelling::all();
    let running = Servers::shared();
    let columns: Vec<Vec<String>> = thread::scope(|scope| {
        let of_each = servers.iter().map(|server| {
            let spellings = &spellings;
            scope.spawn(move || {
                let ran = |spelling: &Spelling| {
                    let ran = servers::run(running.address(server), &spelling.target("oracle.example"));
                    ran.map_or_else(|| "-".to_owned(), |ran| ran.operation)
                };
                spellings.iter().map(ran).collect()
            })
        });
        let of_each: Vec<_> = of_each.collect();
        of_each.into_iter().map(|thread| thread.join().expect("its panic was told")).collect()
    });
    let mut table = format!("spelling\tnote\t{}\n", servers.join("\t"));
    for (row, spelling) in spellings.iter().enumerate() {
        let target = spelling.target("oracle.example").escape_ascii().to_string();
        let cells: Vec<&str> = columns.iter().map(|column| column[row].as_str()).collect();
        table.push_str(&format!("{target}\t{}\t{}\n", spelling.note, cells.join("\t")));
    }
    fs::write(Path::new(env!("CARGO_TARGET_TMPDIR")).join("path-oracle.tsv"), table).unwrap();
    let strict = servers.iter().position(|server| *server == "node-strict").unwrap();
    for (server, column) in servers.iter().zip(&columns) {
        let differs = |(ours, strict): &(&String, &String)| *ours != "-" && *strict != "-" && ours != strict;
        let count = column.iter().zip(&columns[strict]).filter(differs).count();
        assert!(*server == "node-strict" || count > 10, "{server} differs from node-strict {count} times");
    }
}

#[test]
fn forwards_ordinary_spellings() {
    let rows = spelling::ordinary();
    let spellings: Vec<Spelling> = rows.iter().map(|row| row.spelling.clone()).collect();
    let servers: Vec<&'static str> = SERVERS.into_iter().chain(["express"]).collect();
    let outcomes = Site::start(&servers, Layout::Whole).send_all(&spellings, Key::Full);
    let mut wrong = Vec::new();
    for outcome in &outcomes {
        let row = rows.iter().find(|row| row.spelling == outcome.spelling).unwrap();
        let ran = outcome.ran.as_ref();
        let values = ran.and_then(|ran| ran.values.as_ref()).zip(row.values.as_ref());
        let is_right = outcome.status == 200
            && outcome.judged.as_deref() == Some(row.runs.as_str())
            && ran.is_some_and(|ran| ran.operation == row.runs)
            && values.is_none_or(|(found, expected)| found == expected);
        if !is_right {
            wrong.push(outcome);
        }
    }
    report("did not run as they should", wrong.into_iter(), &outcomes);
}

/// Panics where there is anything to report: the number for each server, and as many as a person reads.
fn report<'o>(what: &str, wrong: impl Iterator<Item = &'o Outcome>, of: &[Outcome]) {
    const SHOWN: usize = 60;
    let wrong: Vec<&Outcome> = wrong.collect();
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for outcome in &wrong {
        *counts.entry(outcome.server).or_default() += 1;
    }
    let lines: Vec<String> = wrong.iter().take(SHOWN).map(|outcome| outcome.to_string()).collect();
    assert!(
        wrong.is_empty(),
        "{} of {} requests {what}: {counts:?}\n{}",
        wrong.len(),
        of.len(),
        lines.join("\n")
    );
}
