//! The fuzzers' corpus (`fuzz/corpus/`), replayed, and mutations of it: no nightly toolchain is needed. The tests of the
//! crates that are fuzzed share this file; what must hold, and the words of the format, they bring along.
//!
//! `DEMUR_FUZZ_SECONDS=600 DEMUR_FUZZ_SEED=7` runs the mutations longer; `make fuzz` does, and runs cargo-fuzz where
//! that is installed.

use std::path::Path;
use std::time::{Duration, Instant};

/// Holds every file of a target's corpus, and then mutations with these words, against a rule.
pub(crate) fn run(target: &str, words: &[&[u8]], hold: impl Fn(&[u8])) {
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
        for _ in 0..32 {
            hold(&mutate(&corpus, words, &mut random));
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

fn mutate(corpus: &[Vec<u8>], words: &[&[u8]], random: &mut Random) -> Vec<u8> {
    let mut bytes = corpus[random.below(corpus.len())].clone();
    for _ in 0..=random.below(6) {
        let at = random.below(bytes.len() + 1);
        match random.below(5) {
            0 => drop(bytes.splice(at..at, words[random.below(words.len())].iter().copied())),
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
