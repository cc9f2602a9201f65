//! The gateway's front through the real binary: browsers, proxies before it, the access log, content that nobody
//! wants, answers that nobody takes, and an upstream that is asked for more than it can do.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on should stop and say where"
)]

mod addresses;
mod content;
mod cors;
mod event_streams;
mod log;
mod overload;
mod shop;
