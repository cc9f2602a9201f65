//! How a service answers when it has no success to answer with: it raises an error that the contract
//! declares, or it fails.
//!
//! Neither is written in the contract's format. Status, code, message and form of an error are the
//! contract's, and the gateway puts them there.

use axum::http::{HeaderName, StatusCode};
use axum::response::{Html, IntoResponse, Response};

use crate::store::Damaged;

/// Why there is no success.
#[derive(Debug)]
pub(crate) enum Failure {
    /// An error of the contract, by its name there.
    Declared(&'static str),
    /// A record could not be decoded: nobody's mistake but ours.
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

/// Tells the gateway which declared error to answer with.
///
/// Any 4xx or 5xx status will do, since the contract has the status that the caller sees. An error with
/// parameters takes them from a JSON object in the content; those of the five examples have none.
fn raise(error: &'static str) -> Response {
    (StatusCode::BAD_REQUEST, [(HeaderName::from_static("demur-error"), error)]).into_response()
}

/// What many a framework answers when a handler fails: a page that tells far too much. It is here to be
/// seen in the gateway's journal, and nowhere in what a caller gets.
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
