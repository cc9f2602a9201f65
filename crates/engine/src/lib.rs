//! The path of one request: admit, forward, settle. Every rejection and every failure is answered in the API's contract.
//!
//! [`Engine::serve`] takes a request and a function that forwards it, and always returns a response. Its two phases,
//! [`Engine::receive`] and [`InFlight::on_response`], are public for callers that wait in their own way. The engine knows no
//! socket, takes the time as an argument, and is `Send + Sync`: the gateway's workers, a Tower service and tests run the
//! same code. The stages of a request, in their order, are in `request/stages.rs`.
//!
//! This is the one crate in which denials and violations become problems.

mod api;
mod body_budget;
mod body_prefix;
mod concurrency_limit;
mod engine;
mod mount;
mod pages;
mod panics;
mod record;
mod redact;
mod reject;
mod request;
mod response;
mod router;
mod serve;
pub mod settings;
mod simulate;

pub use api::Api;
pub use body_budget::{DEFAULT_BODY_MEMORY, LARGEST_BODY_PART};
pub use body_prefix::read_at_most;
pub use engine::Engine;
pub use pages::PageLookup;
pub use panics::{Panic, catch_panic, catch_panic_async};
pub use record::{Check, CheckOutcome, RejectionRecord, RequestRecord, Stage, ViolationRecord, WouldReject};
pub use reject::example::{ExampleContext, ExampleReason, ExampleResponse};
pub use request::body::{BodyError, BodyErrorSlot, RequestBody};
pub use request::id::RequestId;
pub use request::info::{MalformedRequest, Peer, RequestInfo, UpstreamTimeout};
pub use request::pending::{RequestOutcome, Suspended};
pub use request::trace_context::TraceContext;
pub use request::upstream_headers::strip_hop_by_hop;
pub use response::body::{ResponseBody, SettlingBody};
pub use response::event_stream::{EventStreamErrors, Redacted, is_event_stream};
pub use response::in_flight::{InFlight, PendingResponse, ResponseOutcome};
pub use response::raised::Raised;
pub use response::upgraded::Upgraded;
pub use response::upstream_error::{UpstreamFault, is_failure};
pub use response::validation::PeekedBody;
pub use simulate::{Destination, SimulatedDetails, SimulatedRejection};

/// Compiles the example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
