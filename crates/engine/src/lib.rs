//! One request: admit, forward, settle; every refusal and failure in the API's contract.
//!
//! [`Engine::serve`] takes a request and a way to send it on, and always gives an answer. Its two halves,
//! [`Engine::receive`] and [`Passage::answered`], are there for those who have a way of their own to wait. It knows no
//! socket, takes the time as an argument, and is `Send + Sync`: the gateway's workers, a Tower service and a
//! test drive the same code. The whole way stands in `pipeline.rs`.
//!
//! This is the one place where denials and violations become problems.

mod answer;
mod api;
mod arrival;
mod body_budget;
mod charge;
mod checks;
mod content;
mod cors;
mod credential;
mod credits;
mod dressing;
mod event_stream;
mod exchange;
mod forward;
mod limit_fields;
mod mounts;
mod outcome;
mod outgoing;
mod panics;
mod path;
mod pipeline;
mod raised;
mod record;
mod refused;
mod replay;
mod request_id;
mod reserved_headers;
mod room;
mod rules;
mod secrets;
pub mod settings;
mod settle;
mod speaker;
mod voice;
mod waiting;
mod way;

pub use answer::Looked;
pub use api::Api;
pub use arrival::{Arrival, Peer, Rejection, Within};
pub use body_budget::{DEFAULT_BODY_MEMORY, LARGEST_BODY_PART};
pub use content::{Content, ContentFault, Faulted};
pub use event_stream::{EventStreamErrors, Redacted};
pub use outcome::UpstreamFault;
pub use outgoing::{Outgoing, Passing};
pub use panics::{Panicked, caught, caught_async};
pub use pipeline::Engine;
pub use raised::Raised;
pub use record::{Observation, Record, Refusal};
pub use request_id::RequestId;
pub use settle::{Passage, Settled, Settling};
pub use waiting::Waiting;
pub use way::Received;
