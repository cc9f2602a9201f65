//! Failures without an answer.

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use crate::error::GiveUpReason;

/// What failed on the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NetworkKind {
    /// No connection: nothing was sent.
    Connect,
    /// No answer within the time of one attempt.
    Timeout,
    /// The deadline of the whole call came.
    Deadline,
    /// The connection broke, or what came is no HTTP.
    Broken,
    /// The request cannot be sent at all: a bad URL, a redirect that leads nowhere, its own content failed.
    Request,
}

impl NetworkKind {
    /// Whether the server cannot have seen the request.
    pub fn is_undelivered(self) -> bool {
        matches!(self, Self::Connect)
    }
}

/// There is no answer.
#[derive(Debug)]
pub struct NetworkError {
    /// What failed.
    pub kind: NetworkKind,
    /// How often it was tried.
    pub attempts: u32,
    /// How long all of it took.
    pub elapsed: Duration,
    /// Why it was not tried again.
    pub stop: GiveUpReason,
    pub(crate) cause: Option<Cause>,
}

#[derive(Debug)]
pub(crate) enum Cause {
    Reqwest(reqwest::Error),
    Middleware(reqwest_middleware::Error),
}

impl NetworkError {
    /// A failure of this kind, as a transport reports it.
    pub fn new(kind: NetworkKind) -> Self {
        Self { kind, attempts: 1, elapsed: Duration::ZERO, stop: GiveUpReason::Advice, cause: None }
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
        // A URL can carry a key in its query; errors end up in logs.
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
            NetworkKind::Connect => "no connection could be made",
            NetworkKind::Timeout => "no answer came in time",
            NetworkKind::Deadline => "the deadline came before an answer",
            NetworkKind::Broken => "the connection broke",
            NetworkKind::Request => "the request could not be sent",
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
            None => None,
        }
    }
}
