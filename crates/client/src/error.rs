//! What a call ends with when it is no success.

use std::fmt;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use demur_contract::RetryClass;
use http::{HeaderMap, StatusCode};

use crate::class::ErrorClass;
use crate::network::NetworkError;

/// Why a call has no success.
#[derive(Debug)]
pub enum Error {
    /// The API answered with an error.
    Api(Box<ApiError>),
    /// There was no answer, or not all of it.
    Network(Box<NetworkError>),
}

impl Error {
    /// The API's error, where it is one.
    pub fn api(&self) -> Option<&ApiError> {
        match self {
            Error::Api(error) => Some(error),
            Error::Network(_) => None,
        }
    }

    /// A sentence for the person in front of the screen; never the raw message.
    pub fn user_message(&self, locale: &str) -> &str {
        match self {
            Error::Api(error) => error.user_message(locale),
            Error::Network(_) => ErrorClass::Server.user_message(locale),
        }
    }

    /// How often it was tried.
    pub fn attempts(&self) -> u32 {
        match self {
            Error::Api(error) => error.attempts,
            Error::Network(error) => error.attempts,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Api(error) => error.fmt(f),
            Error::Network(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Api(_) => None,
            Error::Network(error) => std::error::Error::source(error),
        }
    }
}

/// An error that the API answered with.
#[derive(Clone)]
pub struct ApiError {
    /// Which error of the contract it is.
    pub identity: ErrorIdentity,
    /// What kind of error.
    pub class: ErrorClass,
    /// The status.
    pub status: StatusCode,
    /// The code, where there is one.
    pub code: Option<String>,
    /// The API's own class of error (`type`), where there is one.
    pub kind: Option<String>,
    /// What the API says, for a developer. Empty where it says nothing.
    pub message: String,
    /// The parameter that is meant, where one alone is.
    pub param: Option<String>,
    /// What is wrong with the parameters.
    pub violations: Vec<FieldViolation>,
    /// Parameters that the contract's texts gave back, by name.
    pub params: Vec<(String, String)>,
    /// The request's id: what to tell the API's support.
    pub request_id: Option<String>,
    /// Whether and when to try again.
    pub retry: RetryAdvice,
    /// How often it was tried.
    pub attempts: u32,
    /// How long all of it took.
    pub elapsed: Duration,
    /// From when on trying again makes sense, where anything tells.
    pub retry_at: Option<SystemTime>,
    /// Why it was not tried again.
    pub stop: GiveUpReason,
    /// The header fields of the answer.
    pub headers: HeaderMap,
    /// The content of the answer, its first 64 KiB.
    pub content: Bytes,
    /// Sentences for people by the tags of their languages, the contract's own first.
    pub(crate) told_users: Vec<(String, String)>,
}

impl ApiError {
    /// The name of the error in the contract, where it is exactly one.
    pub fn name(&self) -> Option<&str> {
        match &self.identity {
            ErrorIdentity::Exact(name) => Some(name),
            ErrorIdentity::Ambiguous(_) | ErrorIdentity::Unknown => None,
        }
    }

    /// The parameter of that name.
    pub fn param_named(&self, name: &str) -> Option<&str> {
        self.params.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// A sentence for the person in front of the screen: the contract's `user_message` in the language of a
    /// locale such as `de-AT`, else in the contract's own; where it has none, or where the answer does not tell
    /// one of its parameters, a sentence by the class. Never the raw message.
    pub fn user_message(&self, locale: &str) -> &str {
        let language = |tag: &str| tag.split(['-', '_']).next().unwrap_or_default().to_ascii_lowercase();
        let same = |tag: &str| tag.replace('_', "-").eq_ignore_ascii_case(&locale.replace('_', "-"));
        let told = &self.told_users;
        let exact = told.iter().find(|(tag, _)| same(tag));
        let near = || told.iter().find(|(tag, _)| language(tag) == language(locale));
        let chosen = exact.or_else(near).or_else(|| told.first());
        chosen.map_or_else(|| self.class.user_message(locale), |(_, message)| message)
    }
}

/// Fields and content are not shown: cookies and people's data stand in them, and errors end up in logs.
impl fmt::Debug for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiError")
            .field("identity", &self.identity)
            .field("class", &self.class)
            .field("status", &self.status)
            .field("code", &self.code)
            .field("message", &self.message)
            .field("param", &self.param)
            .field("violations", &self.violations)
            .field("request_id", &self.request_id)
            .field("retry", &self.retry)
            .field("attempts", &self.attempts)
            .field("elapsed", &self.elapsed)
            .field("stop", &self.stop)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.status.as_u16(), self.class)?;
        if let Some(code) = self.name().or(self.code.as_deref()) {
            write!(f, " ({code})")?;
        }
        if !self.message.is_empty() {
            write!(f, ": {}", self.message)?;
        }
        if let Some(id) = &self.request_id {
            write!(f, " [request {id}]")?;
        }
        Ok(())
    }
}

impl std::error::Error for ApiError {}

/// Which error of the contract an answer is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ErrorIdentity {
    /// This one, by its name.
    Exact(String),
    /// One of these: the contract does not part them on the wire.
    Ambiguous(Vec<String>),
    /// None, or there is no contract. What could be recognised by its shape stands in the error's fields.
    Unknown,
}

/// One invalid parameter.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FieldViolation {
    /// The parameter, as the API calls it.
    pub field: Option<String>,
    /// What was said.
    pub message: Option<String>,
}

/// Whether and when to try again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryAdvice {
    /// As the server, the contract or else the status says.
    pub class: RetryClass,
    /// The delay that the server or the contract asks for.
    pub after: Option<Duration>,
}

/// Why a failure is final.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum GiveUpReason {
    /// The same request would fail the same way.
    Advice,
    /// It may have been processed, and repeating it could do it twice.
    NotIdempotent,
    /// Its content streamed, and cannot be had again.
    NotReplayable,
    /// It was tried as often as allowed.
    Attempts,
    /// The host has failed too often for more.
    Budget,
    /// The delay would pass the deadline, or is longer than anybody waits.
    Deadline,
}
