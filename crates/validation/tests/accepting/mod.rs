//! Compares the check without a tree to the check of the tree: for a body, and for bodies that differ from it in a byte.

use std::sync::atomic::{AtomicUsize, Ordering};

use demur_validation::{ApiDocument, CheckedBody, Operation};

/// Bytes that mean something in JSON.
const BYTES: &[u8] = b"\"\\{}[]:,.-+eE0123456789tfn \n\x00\x80u";
/// Bodies that differ from each body.
const MUTANTS: usize = 24;

/// How many valid bodies there were, and how many of them were accepted.
pub(crate) static VALID: AtomicUsize = AtomicUsize::new(0);
pub(crate) static ACCEPTED: AtomicUsize = AtomicUsize::new(0);

pub(crate) fn check(document: &ApiDocument, operation: &Operation, content_type: Option<&str>, body: &[u8]) {
    let (is_valid, is_accepted) = compare(document, operation, content_type, body);
    VALID.fetch_add(usize::from(is_valid), Ordering::Relaxed);
    ACCEPTED.fetch_add(usize::from(is_accepted), Ordering::Relaxed);
    // Positions and bytes follow from the body, so that each run is the same.
    let mut state =
        body.iter().fold(7_u64, |state, byte| state.wrapping_mul(31).wrapping_add(u64::from(*byte)));
    let mut next = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).unwrap() % below.max(1)
    };
    for _ in 0..MUTANTS {
        let mut mutant = body.to_vec();
        let at = next(mutant.len());
        match next(4) {
            0 => drop(mutant.splice(at..=at, [BYTES[next(BYTES.len())]])),
            1 => mutant.insert(at, BYTES[next(BYTES.len())]),
            2 => drop(mutant.remove(at)),
            // A part of it twice: duplicates, and longer lists and texts.
            _ => {
                let part = mutant[at..(at + next(40)).min(mutant.len())].to_vec();
                drop(mutant.splice(at..at, part));
            }
        }
        compare(document, operation, content_type, &mutant);
    }
}

/// Whether the tree is valid, and whether the body is accepted without one.
fn compare(
    document: &ApiDocument,
    operation: &Operation,
    content_type: Option<&str>,
    body: &[u8],
) -> (bool, bool) {
    let checked = document.check_body(operation, content_type, body);
    let is_valid = matches!(&checked, CheckedBody::Checked { violations, .. } if violations.is_empty());
    let is_accepted = document.accepts_body(operation, content_type, body);
    assert!(is_valid || !is_accepted, "{}: {checked:?}", String::from_utf8_lossy(body));
    (is_valid, is_accepted)
}

/// How many of the valid bodies were accepted.
pub(crate) fn print() {
    let [valid, accepted] = [&VALID, &ACCEPTED].map(|count| count.load(Ordering::Relaxed));
    println!("{accepted} of {valid} valid bodies are accepted without a tree");
}
