//! Any bytes as a chunked body.
#![no_main]

#[path = "../../crates/http1/tests/properties/mod.rs"]
#[allow(dead_code, reason = "each target holds one of them")]
mod properties;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| properties::chunks(bytes));
