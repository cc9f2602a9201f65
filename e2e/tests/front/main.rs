//! The gateway's front through the real binary: browsers, proxies before it, the access log, content that nobody
//! wants, answers that nobody takes, an upstream that is asked for more than it can do or breaks off early, clients
//! that reset, memory and file descriptors that run short, and the end under load.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test that cannot go on should stop and say where"
)]

mod addresses;
mod cancelled;
mod content;
mod cors;
mod descriptors;
mod early_breaks;
mod ending;
mod event_streams;
mod interim;
mod log;
mod memory;
mod overload;
mod raw;
mod resets;
mod shop;
