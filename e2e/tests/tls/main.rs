//! TLS in front: handshakes, certificates by name and their renewal, and that everything behind them is as over plain HTTP.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on should stop and say where"
)]

mod listener;
mod renewal;
mod shop;
