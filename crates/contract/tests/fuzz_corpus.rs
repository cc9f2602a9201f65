//! Replays the fuzzing corpus of contracts and bodies, and mutations of it.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test says what failed by failing"
)]

mod properties;
#[path = "../../../fuzz/replay.rs"]
mod replay;

use replay::run;

#[test]
fn any_file_loads_or_fails_with_diagnostics() {
    run("load", &WORDS, properties::load);
}

#[test]
fn any_body_is_parsed_without_panic() {
    let contracts = properties::builtins();
    run("parse", &WORDS, |bytes| properties::parse(&contracts, bytes));
}

const WORDS: [&[u8]; 27] = [
    b"\"",
    b"\\",
    b"{",
    b"}",
    b"[",
    b"]",
    b":",
    b",",
    b"null",
    b"$code",
    b"$detail",
    b"$violation.field",
    b"[$violation.message]",
    b"{ $violation.field: $violation.message }",
    b"[{ $violation.field: [$detail] }]",
    b"\\u0000",
    b"\\ud83d\\ude00",
    b"{param}",
    b"|quoted",
    b"on: [param]",
    b"\n  ",
    b"?",
    b"&a ",
    b"*a",
    b"0",
    b"-1e9",
    b"\xff",
];
