//! Failures without a response.

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use crate::give_up::GiveUpReason;

/// The kind of a network failure.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NetworkKind {
    /// The connection failed: nothing was sent.
    Connect,
    /// There was no response within the timeout of an attempt.
    Timeout,
    /// The deadline of the call passed.
    Deadline,
    /// The connection was closed early, or the response is not valid HTTP.
    Broken,
    /// The request cannot be sent: invalid URL, failed redirect, or an error of its body.
    Request,
    /// The body of a success arrived, and is not what was expected: not the JSON of the type.
    Decode,
}

impl NetworkKind {
    /// Whether the request cannot have reached the server.
    pub fn is_undelivered(self) -> bool {
        matches!(self, Self::Connect)
    }
}

/// A call that got no response.
#[derive(Debug)]
pub struct NetworkError {
    /// What failed.
    pub kind: NetworkKind,
    /// The number of attempts.
    pub attempts: u32,
    /// The duration of the call.
    pub elapsed: Duration,
    /// Why the call was not retried.
    pub give_up_reason: GiveUpReason,
    pub(crate) cause: Option<Cause>,
}

#[derive(Debug)]
pub(crate) enum Cause {
    Reqwest(reqwest::Error),
    Middleware(reqwest_middleware::Error),
    Json(serde_json::Error),
}

impl NetworkError {
    /// A failure of this kind, for implementations of [`Transport`](crate::Transport).
    pub fn new(kind: NetworkKind) -> Self {
        Self {
            kind,
            attempts: 1,
            elapsed: Duration::ZERO,
            give_up_reason: GiveUpReason::NotRetryable,
            cause: None,
        }
    }
}

impl NetworkError {
    /// A body that did not arrive complete.
    pub(crate) fn of_body(error: reqwest::Error) -> Self {
        let kind = if error.is_timeout() { NetworkKind::Timeout } else { NetworkKind::Broken };
        Self { cause: Some(Cause::Reqwest(error.without_url())), ..Self::new(kind) }
    }
}

impl From<reqwest::Error> for NetworkError {
    fn from(error: reqwest::Error) -> Self {
        let kind = if error.is_connect() {
            NetworkKind::Connect
        } else if error.is_timeout() {
            NetworkKind::Timeout
        } else if error.is_builder() || error.is_redirect() {
            NetworkKind::Request
        } else {
            NetworkKind::Broken
        };
        // Errors end up in logs, and the query of a URL may contain a key.
        Self { cause: Some(Cause::Reqwest(error.without_url())), ..Self::new(kind) }
    }
}

impl From<reqwest_middleware::Error> for NetworkError {
    fn from(error: reqwest_middleware::Error) -> Self {
        match error {
            reqwest_middleware::Error::Reqwest(error) => error.into(),
            other => Self { cause: Some(Cause::Middleware(other)), ..Self::new(NetworkKind::Request) },
        }
    }
}

impl fmt::Display for NetworkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            NetworkKind::Connect => "connection failed",
            NetworkKind::Timeout => "attempt timed out",
            NetworkKind::Deadline => "deadline exceeded",
            NetworkKind::Broken => "connection closed before the response was complete",
            NetworkKind::Request => "request could not be sent",
            NetworkKind::Decode => "response body has another format than expected",
        })?;
        match self.attempts {
            1 => Ok(()),
            attempts => write!(f, " ({attempts} attempts)"),
        }
    }
}

impl StdError for NetworkError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match &self.cause {
            Some(Cause::Reqwest(error)) => Some(error),
            Some(Cause::Middleware(error)) => Some(error),
            Some(Cause::Json(error)) => Some(error),
            None => None,
        }
    }
}
