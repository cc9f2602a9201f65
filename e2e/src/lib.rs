//! Support for the end-to-end tests: the real binary in a temporary folder, driven over real sockets.
//!
//! - [`TestDir`] is a configuration with everything that it names, and the command line at work on it.
//! - [`Gateway`] is the running binary: `demur demo`, or `demur serve` on a folder.
//! - [`run`] and [`Program`] are the command line with any arguments, in any folder.
//! - [`Client`] is the **checking client**. Every request of every test goes through it, and every response is
//!   checked for the invariants of all responses, whatever the test is about (`check.rs`).
//! - [`servers`] are the servers that applications run on, each serving the same API.
//! - [`hostile`] reads requests that no well-behaved client sends from data files.
//! - [`Upstream`] is a server that misbehaves on request and records what it receives.
//!
//! Nothing here reaches into the gateway's memory, and the gateway has no switch for tests: what a test
//! arranges, an operator could.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "test support: a test that cannot go on should stop and say where"
)]

mod certificates;
mod check;
mod client;
mod gateway;
mod headers;
pub mod hostile;
mod installed;
mod mocked_gateway;
mod process;
mod program;
mod request;
pub mod servers;
mod small_disk;
mod test_dir;
mod transport;
mod upstream;
mod wire;

pub use certificates::{Authority, Certified};
pub use check::{contract, read_contract};
pub use client::{Client, Connection};
pub use gateway::{Example, Gateway};
pub use headers::Headers;
pub use installed::installed;
pub use mocked_gateway::{MockedGateway, OWNED_BRAND, sound_request};
pub use program::{Program, run};
pub use request::Request;
pub use small_disk::{SmallDisk, with_own_mounts};
pub use test_dir::{Issued, NewKey, Outcome, TestDir};
pub use upstream::{MARKER, MockResponse, Received, Upstream, refusing_address};
pub use wire::Response;

/// The guides: their code is compiled and run unchanged.
#[cfg(doctest)]
mod guides {
    #[doc = include_str!("../../docs/how-to/protect-an-axum-service.md")]
    mod protect_an_axum_service {}
    #[doc = include_str!("../../docs/how-to/call-an-api.md")]
    mod call_an_api {}
    #[doc = include_str!("../../docs/how-to/change-an-error-format.md")]
    mod change_an_error_format {}
}
