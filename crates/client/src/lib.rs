//! An HTTP client that decodes the errors of an API by its contract and retries as the contract says.
//!
//! [`Client`] wraps `reqwest`; [`Retries`] is the same as a middleware for `reqwest-middleware`. A call that does not
//! succeed returns an [`Error`]: a typed [`ApiError`] with its class, or a [`NetworkError`].
//!
//! ```no_run
//! use std::time::Duration;
//! use demur_client::{Client, Error, ErrorClass};
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let client = Client::builder()
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
//! # Retries
//!
//! 1. The server decides first: `x-should-retry` (or `stripe-should-retry`), then the retry class of the error in the
//!    contract. Without either, only 408, 425, 429 and 5xx are retried. 402 is never retried. A [`Classifier`] can decide
//!    otherwise.
//! 2. A request that is not idempotent is retried only with an `Idempotency-Key`, after a failure before it was sent, or
//!    after an error that proves that nothing was processed: a 429 that the contract declares, or an error that the
//!    contract has only for rejections before a request is forwarded.
//! 3. The delay is the larger of `Retry-After` and exponential backoff with full jitter. Jitter never shortens the delay
//!    that the server asked for. A delay beyond the deadline ends the call immediately.
//! 4. Retries after server and network failures use a budget per host (a fifth of the requests, plus ten per second), so
//!    that retries do not amplify an outage. 429 does not use the budget: the server sets the pace.
//!
//! A request with a streaming body cannot be retried. A [`Response`] is returned while its body still arrives; the deadline
//! covers the body too ([`Response::without_deadline`] lifts it). Dropping a call at any time leaves nothing behind.
//!
//! Other HTTP clients can use [`decode`](decode()) alone.

mod attempts;
mod backoff;
mod budget;
mod cache;
mod class;
mod classifier;
mod client;
mod decode;
mod error;
mod give_up;
mod header_texts;
mod heuristics;
mod hooks;
mod middleware;
mod network;
mod pacing;
mod policy;
mod response;
mod retry_after;

pub use attempts::Transport;
pub use backoff::{Backoff, Jitter, RandomJitter};
pub use budget::BudgetSettings;
pub use class::ErrorClass;
pub use classifier::Classifier;
pub use client::{BuildError, Client, ClientBuilder};
pub use decode::decode;
pub use demur_contract::{Contract, RetryClass};
pub use error::{ApiError, Error, ErrorIdentity, FieldViolation, RetryAdvice};
pub use give_up::GiveUpReason;
pub use hooks::{Hooks, NoHooks};
pub use middleware::{Deadline, Retries};
pub use network::{NetworkError, NetworkKind};
pub use policy::Policy;
pub use response::{Response, ResponseBody};

/// Compiles the example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
