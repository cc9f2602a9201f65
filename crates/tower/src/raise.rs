//! [`Raise`]: an error that a handler returns.

use std::borrow::Cow;
use std::time::Duration;

use axum_core::response::IntoResponse;
use demur_contract::{Condition, Value, Violation};
use demur_engine::Raised;
use http::{Response, StatusCode};

/// An error of the contract that a handler returns: `Err(OutOfStock { item })?`.
///
/// `demur generate rust` generates a type for each error of a contract, which converts to `Raise`. An undeclared error, or
/// one without its parameters, then does not compile. Without generated types, [`Raise::error`] takes the name as text.
///
/// `Raise` is a response in axum; elsewhere, convert it with [`Raise::into_response`]. The layer replaces the response
/// with the error of the contract. Without the layer, it is an empty 500.
#[derive(Debug, Clone, PartialEq)]
pub struct Raise(Box<Raised>);

impl Raise {
    /// An error of the contract, by its name.
    pub fn error(name: impl Into<Cow<'static, str>>) -> Self {
        Raised::error(name).into()
    }

    /// A condition, which the contract maps to one of its errors.
    pub fn condition(condition: Condition) -> Self {
        Raised::condition(condition).into()
    }

    /// Violations of parameters that only the handler can detect.
    pub fn violations(violations: Vec<Violation>) -> Self {
        Raised::violations(violations).into()
    }

    /// Sets a parameter of the error.
    #[must_use]
    pub fn with(self, name: impl Into<Cow<'static, str>>, value: impl Into<Value>) -> Self {
        self.0.with(name, value).into()
    }

    /// Replaces the message, if the contract allows that (`open`).
    #[must_use]
    pub fn message(self, message: impl Into<String>) -> Self {
        self.0.message(message).into()
    }

    /// Sets the delay before a retry.
    #[must_use]
    pub fn after(self, delay: Duration) -> Self {
        self.0.after(delay).into()
    }

    /// Sets the internal cause for the logs, which is never sent to clients.
    #[must_use]
    pub fn with_cause(self, cause: impl Into<String>) -> Self {
        self.0.with_cause(cause).into()
    }

    /// A response that carries the error to the layer.
    pub fn into_response<B: Default>(self) -> Response<B> {
        let mut response = Response::new(B::default());
        *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        response.extensions_mut().insert(*self.0);
        response
    }
}

impl From<Raised> for Raise {
    fn from(raised: Raised) -> Self {
        Self(Box::new(raised))
    }
}

impl From<Condition> for Raise {
    fn from(condition: Condition) -> Self {
        Self::condition(condition)
    }
}

impl IntoResponse for Raise {
    fn into_response(self) -> axum_core::response::Response {
        Raise::into_response(self)
    }
}
