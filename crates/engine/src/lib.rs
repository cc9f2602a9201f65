//! One request: admit, forward, settle; every refusal and failure in the API's contract.
//!
//! [`Engine::serve`] takes a request and a way to send it on, and always gives an answer. Its two halves,
//! [`Engine::receive`] and [`InFlight::on_response`], are there for those who have a way of their own to wait. It knows no
//! socket, takes the time as an argument, and is `Send + Sync`: the gateway's workers, a Tower service and a
//! test drive the same code. The whole way stands in `pipeline.rs`.
//!
//! This is the one place where denials and violations become problems.

mod api;
mod body_budget;
mod checks;
mod concurrency_limit;
mod cors;
mod credential;
mod event_stream;
mod exchange;
mod in_flight;
mod limit_fields;
mod negotiation;
mod panics;
mod path;
mod pipeline;
mod raised;
mod record;
mod redact;
mod rejection;
mod replay;
mod request_body;
mod request_id;
mod request_info;
mod request_state;
mod reservation;
mod reserved_headers;
mod responder;
mod response_body;
mod response_validation;
mod router;
mod rules;
pub mod settings;
mod settlement;
mod suspended;
mod upstream_error;
mod upstream_headers;
mod upstream_request;

pub use api::Api;
pub use body_budget::{DEFAULT_BODY_MEMORY, LARGEST_BODY_PART};
pub use event_stream::{EventStreamErrors, Redacted};
pub use in_flight::{InFlight, PendingResponse, ResponseOutcome};
pub use panics::{Panic, catch_panic, catch_panic_async};
pub use pipeline::Engine;
pub use raised::Raised;
pub use record::{RejectionRecord, RequestRecord, WouldReject};
pub use request_body::{BodyError, BodyErrorSlot, RequestBody};
pub use request_id::RequestId;
pub use request_info::{MalformedRequest, Peer, RequestInfo, UpstreamTimeout};
pub use request_state::RequestOutcome;
pub use response_body::{ResponseBody, SettlingBody};
pub use response_validation::PeekedBody;
pub use suspended::Suspended;
pub use upstream_error::UpstreamFault;

/// Compiles the example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
