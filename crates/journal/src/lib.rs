//! The journal of a gateway: what happened to each request that was rejected or failed.
//!
//! - [`Entry`] is what is known of one request: the checks that ran, the values that decided, the response, the timings.
//!   It never contains a body, a query, or a secret.
//! - [`Explanation`] says in plain words what happened, and what to do next.
//! - [`request_ids`] finds request IDs in whatever a person pastes: an ID, a header, an error body, the output of `curl -i`.
//! - [`Sink`] takes entries; the journal in a SQLite file (feature `sqlite`) is one.

mod entry;
mod explain;
mod pasted;
#[cfg(feature = "sqlite")]
mod store;

pub use entry::{Entry, EntryCheck, EntryViolation, EntryWouldReject};
pub use explain::Explanation;
pub use pasted::{PastedId, request_ids};
#[cfg(feature = "sqlite")]
pub use store::{Filter, Journal, JournalSettings, Lookup, OpenError, Reader, Recorded, Span, StatusFilter};

/// Takes the entries of requests. It never waits.
pub trait Sink: Send + Sync + std::fmt::Debug {
    /// Takes an entry, or loses and counts it.
    fn put(&self, entry: Entry);
}

/// Compiles the example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
