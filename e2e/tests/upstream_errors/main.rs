//! What becomes of an upstream's own error responses and of the headers in both directions, by the configuration: cases of
//! public bug reports of other gateways, rebuilt small. The report is named at each test.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on should stop and say where"
)]

mod forwarded;
mod headers;
mod shop;
mod statuses;
mod translation;
