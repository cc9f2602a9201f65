//! For callers of an API: errors decoded by its contract, and retried as it says.
//!
//! [`Client`] is a small client around `reqwest`; [`Retries`] is the same as a middleware for
//! `reqwest-middleware`. What is not a success becomes an [`Error`]: a typed [`ApiError`] with its class, or
//! a [`NetworkError`], after as many attempts as make sense.
//!
//! ```no_run
//! use std::time::Duration;
//! use demur_client::{Client, Error, ErrorClass};
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let client = Client::builder(reqwest::Client::new())
//!     .contract_file("shop.yaml")?
//!     .deadline(Duration::from_secs(30))
//!     .build();
//! match client.send(client.http().get("https://shop.example/items")).await {
//!     Ok(response) => println!("{}", response.text().await?),
//!     Err(Error::Api(error)) if error.class == ErrorClass::Payment => {
//!         println!("{}", error.user_message("en"));
//!     }
//!     Err(error) => eprintln!("{error}"),
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # When it tries again
//!
//! 1. The server's word counts most: `x-should-retry` (or `stripe-should-retry`), then the class that the
//!    contract gives the error. Without either, 429 and 5xx are tried again and nothing else. 402 never is.
//! 2. A request that changes something is repeated only with an `Idempotency-Key`, after a failure before it
//!    could be delivered, or after a 429 that the contract declares: nothing was processed then.
//! 3. The delay is the larger of `Retry-After` and full-jitter exponential backoff; jitter only ever adds to
//!    what the server asked for. A delay that would pass the deadline ends the call at once.
//! 4. Retries after failures of servers and networks come out of a budget per host (a fifth of the requests,
//!    and ten a second), so that an outage is not multiplied. 429 is neutral: it is paced by the server.
//!
//! Content that streams cannot be sent twice, and an answer that streams is handed over untouched. Dropping
//! a call at any time leaves nothing behind.

mod attempts;
mod backoff;
mod budget;
mod cache;
mod class;
mod client;
mod decode;
mod error;
mod heuristics;
mod hooks;
mod middleware;
mod network;
mod pacing;
mod policy;
mod retry_after;

pub use attempts::Transport;
pub use backoff::{Backoff, Jitter, RandomJitter};
pub use budget::BudgetSettings;
pub use class::ErrorClass;
pub use client::{BuildError, Client, ClientBuilder};
pub use demur_contract::RetryClass;
pub use error::{ApiError, Error, ErrorIdentity, FieldViolation, GiveUpReason, RetryAdvice};
pub use hooks::{Hooks, NoHooks};
pub use middleware::{Deadline, Retries};
pub use network::{NetworkError, NetworkKind};
pub use policy::Policy;

/// Compiles the example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
