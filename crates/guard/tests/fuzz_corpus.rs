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

mod properties;

use std::path::Path;
use std::time::{Duration, Instant};

#[test]
fn any_head_is_judged_as_others_judge_it() {
    run("head", properties::head);
}

#[test]
fn any_chunks_end_where_others_say() {
    run("chunks", properties::chunks);
}

#[test]
fn any_connection_passes_whole_messages_alone() {
    run("connection", properties::connection);
}

fn run(target: &str, hold: impl Fn(&[u8])) {
    let number = |name: &str, usual| std::env::var(name).map_or(usual, |text| text.parse().unwrap());
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    let files = std::fs::read_dir(folder).unwrap().map(|entry| std::fs::read(entry.unwrap().path()).unwrap());
    let corpus: Vec<Vec<u8>> = files.collect();
    assert!(corpus.len() >= 10, "{target}: only {} files", corpus.len());
    corpus.iter().for_each(|bytes| hold(bytes));
    let mut random = Random(number("DEMUR_FUZZ_SEED", 1));
    let until = Instant::now() + Duration::from_secs(number("DEMUR_FUZZ_SECONDS", 3));
    let mut runs = 0u64;
    while Instant::now() < until {
        for _ in 0..64 {
            hold(&mutate(&corpus, &mut random));
            runs += 1;
        }
    }
    eprintln!("{target}: {} files, {runs} mutations", corpus.len());
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

#[rustfmt::skip] // A list of words.
const TOKENS: [&[u8]; 30] = [
    b"\r\n", b"\n", b"\r", b" ", b"\t", b":", b";", b",", b"\"", b"\\", b"\0", b"\xff", b"%", b"#", b"0\r\n\r\n",
    b"ffffffffffffffff", b"7fffffffffffffff", b"Content-Length: 2\r\n", b"Transfer-Encoding: chunked\r\n", b"chunked",
    b"identity", b"Host: a\r\n", b"GET / HTTP/1.1\r\n", b"HTTP/1.0", b"HTTP/2.0", b"http://a", b"*", b"+", b"0x", b"_",
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
