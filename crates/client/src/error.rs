//! The error of a call.

use std::fmt;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use demur_contract::RetryClass;
use http::{HeaderMap, StatusCode};

use crate::class::{ErrorClass, default_class};
use crate::give_up::GiveUpReason;
use crate::network::NetworkError;

/// The error of a call. Complete: there is a response or there is none.
#[derive(Debug)]
pub enum Error {
    /// The API responded with an error.
    Api(Box<ApiError>),
    /// There was no response, or its body did not arrive complete.
    Network(Box<NetworkError>),
}

impl Error {
    /// The error of the API, if it responded with one.
    pub fn api(&self) -> Option<&ApiError> {
        match self {
            Error::Api(error) => Some(error),
            Error::Network(_) => None,
        }
    }

    /// A message for end users; never the raw message of the API.
    pub fn user_message(&self, locale: &str) -> &str {
        match self {
            Error::Api(error) => error.user_message(locale),
            Error::Network(_) => ErrorClass::Server.user_message(locale),
        }
    }

    /// The number of attempts.
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

/// An error response of the API.
#[derive(Clone)]
pub struct ApiError {
    /// Which error of the contract it is.
    pub identity: ErrorIdentity,
    /// The class of the error.
    pub class: ErrorClass,
    /// The status code.
    pub status: StatusCode,
    /// The error code, if there is one.
    pub code: Option<String>,
    /// The error type (`type`), if there is one.
    pub kind: Option<String>,
    /// The message for developers. Empty if there is none.
    pub message: String,
    /// The invalid parameter, if the response names a single one.
    pub param: Option<String>,
    /// The violations of the parameters.
    pub violations: Vec<FieldViolation>,
    /// Message parameters recovered by the contract, by name.
    pub params: Vec<(String, String)>,
    /// The request ID, for the support of the API.
    pub request_id: Option<String>,
    /// Whether and when to retry.
    pub retry: RetryAdvice,
    /// The number of attempts.
    pub attempts: u32,
    /// The duration of the call.
    pub elapsed: Duration,
    /// The earliest time for a retry, if the server or the contract names one.
    pub retry_at: Option<SystemTime>,
    /// Why the call was not retried.
    pub give_up_reason: GiveUpReason,
    /// The response headers.
    pub headers: HeaderMap,
    /// The first 64 KiB of the response body.
    pub body: Bytes,
    /// Messages for end users by language tag, the default language of the contract first.
    pub(crate) user_messages: Vec<(String, String)>,
}

impl ApiError {
    /// An error with this status and nothing else, for tests: set the fields that matter.
    ///
    /// ```
    /// use demur_client::ApiError;
    ///
    /// let mut error = ApiError::new(http::StatusCode::CONFLICT);
    /// error.code = Some("already_exists".to_owned());
    /// assert_eq!(error.to_string(), "409 conflict (already_exists)");
    /// ```
    pub fn new(status: StatusCode) -> Self {
        Self {
            identity: ErrorIdentity::Unknown,
            class: ErrorClass::of_status(status.as_u16()),
            status,
            code: None,
            kind: None,
            message: String::new(),
            param: None,
            violations: Vec::new(),
            params: Vec::new(),
            request_id: None,
            retry: RetryAdvice { class: default_class(status.as_u16()), after: None },
            attempts: 1,
            elapsed: Duration::ZERO,
            retry_at: None,
            give_up_reason: GiveUpReason::NotRetryable,
            headers: HeaderMap::new(),
            body: Bytes::new(),
            user_messages: Vec::new(),
        }
    }

    /// Adds a message for end users in the language of this tag, as the `user_message` of a contract does.
    #[must_use]
    pub fn with_user_message(mut self, locale: impl Into<String>, message: impl Into<String>) -> Self {
        self.user_messages.push((locale.into(), message.into()));
        self
    }

    /// The name of the error in the contract, if the response identifies exactly one.
    pub fn name(&self) -> Option<&str> {
        match &self.identity {
            ErrorIdentity::Exact(name) => Some(name),
            ErrorIdentity::Ambiguous(_) | ErrorIdentity::Unknown => None,
        }
    }

    /// The value of a message parameter.
    pub fn param_named(&self, name: &str) -> Option<&str> {
        self.params.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// A message for end users: the `user_message` of the contract in the language of a locale such as `de-AT`, or in its
    /// default language. Without one, or if a parameter of it is not known, the default message of the error class.
    /// Never the raw message.
    pub fn user_message(&self, locale: &str) -> &str {
        let language = |tag: &str| tag.split(['-', '_']).next().unwrap_or_default().to_ascii_lowercase();
        let same = |tag: &str| tag.replace('_', "-").eq_ignore_ascii_case(&locale.replace('_', "-"));
        let messages = &self.user_messages;
        let exact = messages.iter().find(|(tag, _)| same(tag));
        let near = || messages.iter().find(|(tag, _)| language(tag) == language(locale));
        let chosen = exact.or_else(near).or_else(|| messages.first());
        chosen.map_or_else(|| self.class.user_message(locale), |(_, message)| message)
    }
}

/// Without headers and body: they contain cookies and personal data, and errors end up in logs.
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
            .field("give_up_reason", &self.give_up_reason)
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

/// The error of the contract that a response is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ErrorIdentity {
    /// Exactly this error, by its name.
    Exact(String),
    /// One of these errors, which cannot be told apart by their responses.
    Ambiguous(Vec<String>),
    /// No error of the contract, or there is no contract. The other fields are filled from the common formats; in the other
    /// two cases they come from the contract alone.
    Unknown,
}

/// An invalid parameter.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FieldViolation {
    /// The name of the parameter in the API.
    pub field: Option<String>,
    /// The message.
    pub message: Option<String>,
}

/// Whether and when to retry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryAdvice {
    /// The retry class, from the server, the contract or the status, in this order.
    pub class: RetryClass,
    /// The delay that the server or the contract asks for.
    pub after: Option<Duration>,
}
