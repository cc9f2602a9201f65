//! How a handler raises an error.

use std::borrow::Cow;
use std::time::Duration;

use axum_core::response::IntoResponse;
use demur_contract::{Condition, Value, Violation};
use demur_engine::Raised;
use http::{Response, StatusCode};

/// An error of the contract, to be returned from a handler: `Err(OutOfStock { item })?`.
///
/// `demur generate rust` writes a type for each error of a contract that turns into this, so that an error
/// that is not declared, or one without its parameters, does not compile. By hand, [`Raise::error`] takes
/// the name as text.
///
/// In axum it is a response. Elsewhere [`Raise::into_response`] makes one. The layer replaces it by the
/// contract's answer; without the layer around it, it is an empty 500.
#[derive(Debug, Clone, PartialEq)]
pub struct Raise(Box<Raised>);

impl Raise {
    /// An error of the contract, by its name there.
    pub fn error(name: impl Into<Cow<'static, str>>) -> Self {
        Raised::error(name).into()
    }

    /// A condition; the contract says which of its errors answers it.
    pub fn condition(condition: Condition) -> Self {
        Raised::condition(condition).into()
    }

    /// Parameters that are invalid in a way that only the handler can see.
    pub fn violations(violations: Vec<Violation>) -> Self {
        Raised::violations(violations).into()
    }

    /// A parameter of the error.
    #[must_use]
    pub fn with(self, name: impl Into<Cow<'static, str>>, value: impl Into<Value>) -> Self {
        self.0.with(name, value).into()
    }

    /// A message instead of the catalogue's, where the contract leaves it open.
    #[must_use]
    pub fn message(self, message: impl Into<String>) -> Self {
        self.0.message(message).into()
    }

    /// When trying again makes sense.
    #[must_use]
    pub fn after(self, delay: Duration) -> Self {
        self.0.after(delay).into()
    }

    /// What really happened, for the operators. Never on the wire.
    #[must_use]
    pub fn with_cause(self, cause: impl Into<String>) -> Self {
        self.0.with_cause(cause).into()
    }

    /// A response that carries it to the layer.
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
