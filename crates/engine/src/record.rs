//! What operators should know of one request: for whoever logs or keeps it. None of it is for clients.

use std::sync::Arc;

use demur_admission::Principal;
use demur_contract::{Condition, Contract, ErrorId, Origin};
use http::HeaderValue;

use crate::api::Api;
use crate::outcome::error_code;

/// One request, as it was understood and answered. Making it costs a request that passes nothing: it holds on
/// to what was found on the way.
#[derive(Debug)]
pub struct Record {
    pub(crate) request_id: HeaderValue,
    pub(crate) api: Option<Arc<Api>>,
    pub(crate) operation: Option<usize>,
    pub(crate) principal: Option<Arc<Principal>>,
    /// What it was refused for.
    pub refusal: Option<Box<Refusal>>,
    /// What it would have been refused for, in this order.
    pub observations: Vec<Observation>,
    /// What is to be known beside that.
    pub remarks: Vec<String>,
}

impl Record {
    /// The request's id, as the client was told it.
    pub fn request_id(&self) -> &str {
        self.request_id.to_str().unwrap_or_default()
    }

    /// Whether there is more to say than that it passed.
    pub fn is_notable(&self) -> bool {
        self.refusal.is_some() || !self.observations.is_empty() || !self.remarks.is_empty()
    }

    /// The API, where it was known.
    pub fn api(&self) -> Option<&str> {
        self.api.as_ref().map(|api| api.name())
    }

    /// The operation, where it was known.
    pub fn operation(&self) -> Option<&str> {
        let operations = self.api.as_ref()?.settings().document.operations();
        operations.get(self.operation?).map(|operation| operation.id())
    }

    /// The account, where it was known.
    pub fn account(&self) -> Option<&str> {
        self.principal.as_ref().map(|principal| principal.account().id.as_str())
    }

    /// The key's id, where it was known.
    pub fn key(&self) -> Option<&str> {
        self.principal.as_ref().map(|principal| principal.key().id.as_str())
    }
}

/// A refusal that did not take place: of a limit in the shadow, or of an API that is only watched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observation {
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
pub struct Refusal {
    /// The condition, where it is one of the gateway's own.
    pub condition: Option<Condition>,
    /// The status.
    pub status: u16,
    /// Whose error it is.
    pub origin: Origin,
    /// What really happened. Never shown to a client.
    pub cause: String,
    pub(crate) contract: Arc<Contract>,
    pub(crate) error: ErrorId,
}

impl Refusal {
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
