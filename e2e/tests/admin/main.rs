//! The admin API over HTTP: its document, its roles, what it rejects, and what it records.

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on should stop and say where"
)]

mod document;
mod guards;
mod operator;
mod resources;
mod roles;
mod secrets;
mod writes;
