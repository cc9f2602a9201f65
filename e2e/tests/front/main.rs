//! The gateway's front through the real binary: browsers, proxies before it, the access log, bodies that are not
//! read, responses that are not taken, an upstream that is overloaded or breaks off early, clients
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
mod body;
mod cancelled;
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
mod trace_context;
