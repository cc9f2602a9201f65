//! Mocks the APIs of a configuration: the real gateway, with an upstream that makes up successes, and with every error on
//! demand.
//!
//! - [`Mocked`] prepares a configuration: it turns checks off that are not wanted, and sets the upstream and the simulator.
//! - [`Mock`] is the simulator. It decides by the headers of a request (`preferences.rs`) or by a [`Script`], and knows from
//!   the answer matrix why an error occurs at an operation.
//! - `success/` makes responses from examples and schemas. They are deterministic.
//! - `servers.rs` has the upstream, and the control endpoint for tests.
//!
//! Errors are rendered by the engine (`demur_engine::SimulatedRejection`), never here.

mod effect;
mod mock;
mod mocked;
mod preferences;
mod script;
mod servers;
mod success;

pub use mock::{Call, Mock};
pub use mocked::{Checks, Mocked};
pub use script::Script;
pub use servers::{Control, Servers};

/// Compiles the example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
