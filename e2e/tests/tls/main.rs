//! TLS: in front, with certificates by name and their renewal, and to upstreams.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on should stop and say where"
)]

mod listener;
mod renewal;
mod shop;
mod upstreams;
