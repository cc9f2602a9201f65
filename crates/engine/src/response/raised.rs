//! An error that a handler in the same process raises: by name, with its parameters, as data.
//!
//! It travels in the extensions of the handler's response. Unlike an upstream, a handler is part of the API, so it may raise
//! every error of the contract.

use std::borrow::Cow;
use std::time::Duration;

use demur_contract::{Condition, Contract, Value, Violation};
use http::{HeaderName, HeaderValue};

use crate::reject::rejection::Rejection;

/// An error of the API, raised as an extension of a response. The response's own status and body are ignored.
#[derive(Debug, Clone, PartialEq)]
pub struct Raised {
    what: RaisedProblem,
    params: Vec<(Cow<'static, str>, Value)>,
    message: Option<String>,
    retry_after: Option<Duration>,
    headers: Vec<(HeaderName, HeaderValue)>,
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
            headers: Vec::new(),
            cause: String::new(),
        }
    }

    /// An error of the contract, by its name. If the contract has none of the name, the response is that of `internal`, and
    /// the name is logged.
    pub fn error(name: impl Into<Cow<'static, str>>) -> Self {
        Self::new(RaisedProblem::Error(name.into()))
    }

    /// A condition. The contract defines which of its errors answers it.
    pub fn condition(condition: Condition) -> Self {
        Self::new(RaisedProblem::Condition(condition))
    }

    /// Violations that only the handler can find.
    pub fn violations(violations: Vec<Violation>) -> Self {
        Self::new(RaisedProblem::Violations(violations))
    }

    /// A parameter of the error.
    #[must_use]
    pub fn with(mut self, name: impl Into<Cow<'static, str>>, value: impl Into<Value>) -> Self {
        self.params.push((name.into(), value.into()));
        self
    }

    /// A message in place of the catalogue's, if the contract leaves it open.
    #[must_use]
    pub fn message(mut self, message: impl Into<String>) -> Self {
        self.message = Some(message.into());
        self
    }

    /// When a retry makes sense.
    #[must_use]
    pub fn after(mut self, delay: Duration) -> Self {
        self.retry_after = Some(delay);
        self
    }

    /// A further header of the response, such as `Allow`.
    #[must_use]
    pub fn field(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// The internal reason, for logs. Never shown to clients.
    #[must_use]
    pub fn with_cause(mut self, cause: impl Into<String>) -> Self {
        self.cause = cause.into();
        self
    }

    pub(crate) fn in_contract(self, contract: &Contract) -> Rejection {
        let mut cause = self.cause;
        let mut rejection = match self.what {
            RaisedProblem::Condition(condition) => Rejection::from(condition),
            RaisedProblem::Violations(violations) => Rejection::violations(violations),
            RaisedProblem::Error(name) => match contract.named(&name) {
                Some(error) => Rejection::named(error, &name),
                None => {
                    let unknown = format!("handler raised `{name}`, which the contract does not declare");
                    cause = if cause.is_empty() { unknown } else { format!("{unknown}; {cause}") };
                    Rejection::from(Condition::Internal)
                }
            },
        };
        rejection.detail.params = self.params;
        rejection.detail.message = self.message;
        rejection.detail.headers = self.headers;
        rejection.retry_after(self.retry_after).with_cause(cause)
    }
}
