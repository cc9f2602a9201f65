//! The fuzzers' corpus (`fuzz/corpus/`), replayed, and mutations of it: no nightly toolchain is needed.
//!
//! `DEMUR_FUZZ_SECONDS=600 DEMUR_FUZZ_SEED=7` runs the mutations longer; `make fuzz` does, and runs cargo-fuzz where
//! that is installed.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test says what failed by failing"
)]

use std::path::Path;
use std::time::{Duration, Instant};

use demur_contract::{Answer, Contract, Parsed, Problem, builtin};
use demur_source::Source;

fn corpus(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    let files = std::fs::read_dir(folder).unwrap().map(|entry| std::fs::read(entry.unwrap().path()).unwrap());
    let corpus: Vec<Vec<u8>> = files.collect();
    assert!(corpus.len() >= 10, "{target}: only {} files", corpus.len());
    corpus
}

fn load(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(loaded) = Contract::load(&Source::new("fuzz.yaml", text)) else { return };
    loaded.contract.losses();
    for (error, _) in loaded.contract.entries().take(8) {
        let mut content = Vec::new();
        loaded.contract.render(&Problem::new(error, "req_\"1"), &mut content);
        assert!(serde_json::from_slice::<serde_json::Value>(&content).is_ok(), "{text}");
    }
}

fn parse(contracts: &[Contract], bytes: &[u8]) {
    let [which, status, content @ ..] = bytes else { return };
    let contract = &contracts[usize::from(*which) % contracts.len()];
    let status = 400 + u16::from(*status) % 200;
    let text = std::str::from_utf8(content).unwrap_or("7");
    let fields = |_: &str| Some(text);
    if let Parsed::Exact(read) = contract.parse(&Answer { status, fields: &fields, content }) {
        let mut again = Vec::new();
        contract.render(&read.problem, &mut again);
        let is_known = !matches!(contract.parse(&Answer::new(status, &again)), Parsed::Unknown { .. });
        assert!(is_known, "{}\n{}", String::from_utf8_lossy(content), String::from_utf8_lossy(&again));
    }
}

/// SplitMix64: the same seed gives the same run.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((word ^ (word >> 31)) % bound.max(1) as u64) as usize
    }
}

const TOKENS: [&[u8]; 24] = [
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

fn mutate(corpus: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let mut bytes = corpus[random.below(corpus.len())].clone();
    for _ in 0..=random.below(6) {
        let at = random.below(bytes.len() + 1);
        match random.below(5) {
            0 => drop(bytes.splice(at..at, TOKENS[random.below(TOKENS.len())].iter().copied())),
            1 => drop(bytes.drain(at..(at + random.below(16)).min(bytes.len()))),
            2 if at < bytes.len() => bytes[at] = random.below(256) as u8,
            3 => {
                let other = &corpus[random.below(corpus.len())];
                let from = random.below(other.len() + 1);
                let to = (from + random.below(64)).min(other.len());
                drop(bytes.splice(at..at, other[from..to].iter().copied()));
            }
            _ => bytes.truncate(at.max(2)),
        }
    }
    bytes
}

fn run(target: &str, input: impl Fn(&[u8])) {
    let number = |name: &str, usual| std::env::var(name).map_or(usual, |text| text.parse().unwrap());
    let corpus = corpus(target);
    corpus.iter().for_each(|bytes| input(bytes));
    let mut random = Random(number("DEMUR_FUZZ_SEED", 1));
    let until = Instant::now() + Duration::from_secs(number("DEMUR_FUZZ_SECONDS", 3));
    let mut runs = 0u64;
    while Instant::now() < until {
        for _ in 0..32 {
            input(&mutate(&corpus, &mut random));
            runs += 1;
        }
    }
    eprintln!("{target}: {} files, {runs} mutations", corpus.len());
}

#[test]
fn any_file_is_loaded_or_told() {
    run("load", load);
}

#[test]
fn any_answer_is_parsed() {
    let load = |name| Contract::load(&builtin::source(name).unwrap()).unwrap().contract;
    let contracts: Vec<Contract> = builtin::names().map(load).collect();
    run("parse", |bytes| parse(&contracts, bytes));
}
