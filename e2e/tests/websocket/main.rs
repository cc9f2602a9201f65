//! WebSocket through the real binary, with a WebSocket library as client and as upstream, and with a real browser: what is
//! rejected before the 101, what a connection carries, and when it ends.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test that cannot go on should stop and say where; measured figures are for --nocapture"
)]

mod browser;
mod ending;
mod handshake;
mod messages;
mod peer;
mod shop;
mod tls;
