//! The failures of a service: an error that the contract declares, or an internal failure.
//!
//! The service writes neither in the format of the contract. The gateway adds status, code, message and format.

use axum::http::{HeaderName, StatusCode};
use axum::response::{Html, IntoResponse, Response};

use crate::store::Damaged;

/// The failure of a request.
#[derive(Debug)]
pub(crate) enum Failure {
    /// An error of the contract, by its name.
    Declared(&'static str),
    /// A record could not be decoded, which is an internal failure.
    Damaged(Damaged),
}

impl From<Damaged> for Failure {
    fn from(damaged: Damaged) -> Self {
        Self::Damaged(damaged)
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        match self {
            Self::Declared(error) => raise(error),
            Self::Damaged(damaged) => failure_page(&damaged),
        }
    }
}

/// Names a declared error for the gateway.
///
/// Any 4xx or 5xx status works, because the contract defines the status that the caller sees. The parameters of an error
/// are a JSON object in the body; the errors of the five examples have none.
fn raise(error: &'static str) -> Response {
    (StatusCode::BAD_REQUEST, [(HeaderName::from_static("demur-error"), error)]).into_response()
}

/// An error page with a stack trace, as many frameworks return. It must appear in the log of the gateway, and never in a
/// response to a caller.
fn failure_page(damaged: &Damaged) -> Response {
    let page = format!(
        "<!DOCTYPE html>\n<html><head><title>500 Internal Server Error</title></head><body>\n\
         <h1>Internal Server Error</h1>\n<pre>\nDecodeError: record '{id}': {cause}\n  \
         at Store::read (store.rs)\n  at Service::handle (service.rs)\n  \
         at Connection::serve (db-internal-3.example:5432)\n</pre>\n</body></html>\n",
        id = damaged.id,
        cause = damaged.cause,
    );
    (StatusCode::INTERNAL_SERVER_ERROR, Html(page)).into_response()
}
