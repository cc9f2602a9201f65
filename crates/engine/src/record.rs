//! What operators should know of one request: for whoever logs or keeps it. None of it is for clients.

use std::fmt;
use std::sync::Arc;

use demur_contract::{Condition, Contract, ErrorId, ErrorOrigin};
use demur_validation::Operation;

use crate::exchange::Exchange;
use crate::upstream_error::error_code;

/// One request, as it was understood and answered. Keeping it costs a request that passes nothing: it is the very
/// notes that were made on the way. Whoever holds it holds the engine, with its stores: what must be closed is closed by
/// name.
pub struct RequestRecord(Box<Exchange>);

impl RequestRecord {
    pub(crate) fn new(exchange: Box<Exchange>) -> Self {
        Self(exchange)
    }

    /// The request's id, as the client was told it.
    pub fn request_id(&self) -> String {
        self.0.request_id()
    }

    /// What it was refused for.
    pub fn rejection(&self) -> Option<&RejectionRecord> {
        self.0.refusal.as_deref()
    }

    /// What it would have been refused for, in this order.
    pub fn would_reject(&self) -> &[WouldReject] {
        &self.0.observed
    }

    /// What is to be known beside that.
    pub fn notes(&self) -> &[String] {
        &self.0.remarks
    }

    /// What the first error event of its event stream said, once one has come: clients see another text.
    pub fn stream_error(&self) -> Option<&str> {
        self.0.stream_error.as_ref()?.get().map(String::as_str)
    }

    /// Whether there may still be something to say when its content has ended.
    pub fn may_become_notable(&self) -> bool {
        self.0.stream_error.is_some()
    }

    /// The text without any key in it, however it is written.
    pub fn redacted(&self, text: String) -> String {
        self.0.engine().secrets().redact(text, &[])
    }

    /// Whether there is more to say than that it passed.
    pub fn is_notable(&self) -> bool {
        self.rejection().is_some()
            || !self.would_reject().is_empty()
            || !self.notes().is_empty()
            || self.stream_error().is_some()
    }

    /// The API, where it was known.
    pub fn api(&self) -> Option<&str> {
        self.0.api().map(|api| api.name())
    }

    /// The operation, where it was known.
    pub fn operation(&self) -> Option<&str> {
        self.0.operation().map(Operation::id)
    }

    /// The account, where it was known.
    pub fn account(&self) -> Option<&str> {
        self.0.principal.as_ref().map(|principal| principal.account().id.as_str())
    }

    /// The key's id, where it was known.
    pub fn key(&self) -> Option<&str> {
        self.0.principal.as_ref().map(|principal| principal.key().id.as_str())
    }
}

impl fmt::Debug for RequestRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Record")
            .field("request_id", &self.request_id())
            .field("api", &self.api())
            .field("operation", &self.operation())
            .field("principal", &self.0.principal)
            .field("refusal", &self.rejection())
            .field("observations", &self.would_reject())
            .field("remarks", &self.notes())
            .finish()
    }
}

/// A refusal that did not take place: of a limit in the shadow, or of an API that is only watched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WouldReject {
    /// The condition, where it is one of the gateway's own.
    pub condition: Option<Condition>,
    /// The error's name in the contract.
    pub error: String,
    /// Its status.
    pub status: u16,
    /// What happened.
    pub cause: String,
}

/// What was refused, and why.
#[derive(Debug, Clone)]
pub struct RejectionRecord {
    /// The condition, where it is one of the gateway's own.
    pub condition: Option<Condition>,
    /// The status.
    pub status: u16,
    /// Whose error it is.
    pub origin: ErrorOrigin,
    /// What really happened. Never shown to a client.
    pub cause: String,
    pub(crate) contract: Arc<Contract>,
    pub(crate) error: ErrorId,
}

impl RejectionRecord {
    /// The contract that spoke.
    pub fn contract(&self) -> &Contract {
        &self.contract
    }

    /// The error's name in it.
    pub fn error(&self) -> &str {
        &self.contract.entry(self.error).name
    }

    /// Its code on the wire, or else its name.
    pub fn code(&self) -> &str {
        error_code(&self.contract, self.error)
    }
}
