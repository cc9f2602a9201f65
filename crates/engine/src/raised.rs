//! An error that a handler in the same process raises: by name, with its parameters, as data.
//!
//! It travels in the extensions of the handler's response. Unlike an upstream, which is another party with
//! accounts of its own, a handler speaks for the API, so that it may raise every error of the contract.

use std::borrow::Cow;
use std::time::Duration;

use demur_contract::{Condition, Contract, Value, Violation};
use http::{HeaderName, HeaderValue};

use crate::rejection::Rejection;

/// An error of the API, raised. Its place is among the extensions of a response; the status and the content
/// that the response has beside it count for nothing.
#[derive(Debug, Clone, PartialEq)]
pub struct Raised {
    what: RaisedProblem,
    params: Vec<(Cow<'static, str>, Value)>,
    message: Option<String>,
    retry_after: Option<Duration>,
    fields: Vec<(HeaderName, HeaderValue)>,
    cause: String,
}

#[derive(Debug, Clone, PartialEq)]
enum RaisedProblem {
    Error(Cow<'static, str>),
    Condition(Condition),
    Violations(Vec<Violation>),
}

impl Raised {
    fn new(what: RaisedProblem) -> Self {
        Self {
            what,
            params: Vec::new(),
            message: None,
            retry_after: None,
            fields: Vec::new(),
            cause: String::new(),
        }
    }

    /// An error of the contract, by its name there. Where the contract has none of the name, the answer is
    /// that of `internal`, and the operators read the name.
    pub fn error(name: impl Into<Cow<'static, str>>) -> Self {
        Self::new(RaisedProblem::Error(name.into()))
    }

    /// A condition; the contract says which of its errors answers it.
    pub fn condition(condition: Condition) -> Self {
        Self::new(RaisedProblem::Condition(condition))
    }

    /// Parameters that are invalid in a way that only the handler can see.
    pub fn violations(violations: Vec<Violation>) -> Self {
        Self::new(RaisedProblem::Violations(violations))
    }

    /// A parameter of the error.
    #[must_use]
    pub fn with(mut self, name: impl Into<Cow<'static, str>>, value: impl Into<Value>) -> Self {
        self.params.push((name.into(), value.into()));
        self
    }

    /// A message instead of the catalogue's, where the contract leaves it open.
    #[must_use]
    pub fn message(mut self, message: impl Into<String>) -> Self {
        self.message = Some(message.into());
        self
    }

    /// When trying again makes sense.
    #[must_use]
    pub fn after(mut self, delay: Duration) -> Self {
        self.retry_after = Some(delay);
        self
    }

    /// A field of the answer beyond those that every one has, such as `Allow`.
    #[must_use]
    pub fn field(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.fields.push((name, value));
        self
    }

    /// What really happened, for the operators. Never on the wire.
    #[must_use]
    pub fn with_cause(mut self, cause: impl Into<String>) -> Self {
        self.cause = cause.into();
        self
    }

    pub(crate) fn in_contract(self, contract: &Contract) -> Rejection {
        let mut cause = self.cause;
        let mut refused = match self.what {
            RaisedProblem::Condition(condition) => Rejection::from(condition),
            RaisedProblem::Violations(violations) => Rejection::violations(violations),
            RaisedProblem::Error(name) => match contract.named(&name) {
                Some(error) => Rejection::error(error),
                None => {
                    cause = format!("`{name}` was raised, which the contract does not declare; {cause}");
                    Rejection::from(Condition::Internal)
                }
            },
        };
        refused.detail.params = self.params;
        refused.detail.message = self.message;
        refused.detail.fields = self.fields;
        refused.retry_after(self.retry_after).with_cause(cause)
    }
}
