//! [`Classifier`]: the caller's own view of what is an error, and of what may be retried.

use demur_contract::RetryClass;
use http::{HeaderMap, StatusCode};

use crate::error::Error;

/// Decides what is an error and what is retried, where status, contract and headers do not say it right. The default of
/// every method changes nothing.
///
/// ```
/// use demur_client::{Classifier, Client, Error, RetryClass};
///
/// struct Patient;
///
/// impl Classifier for Patient {
///     fn retry_class(&self, error: &Error) -> Option<RetryClass> {
///         let is_locked = error.api().is_some_and(|error| error.status == 423);
///         is_locked.then_some(RetryClass::Backoff)
///     }
/// }
///
/// let client = Client::builder().classifier(Patient).build();
/// ```
pub trait Classifier: Send + Sync {
    /// Whether a response with this status and these headers is an error: 4xx and 5xx by default. A page of HTML where JSON
    /// is expected can be one too.
    fn is_error(&self, status: StatusCode, headers: &HeaderMap) -> bool {
        let _ = headers;
        status.is_client_error() || status.is_server_error()
    }

    /// The retry class of a failure, instead of the one that server, contract and status give; `None` keeps that one. What
    /// is not safe to repeat is still not repeated.
    fn retry_class(&self, error: &Error) -> Option<RetryClass> {
        let _ = error;
        None
    }
}

/// Changes nothing.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct ByStatus;

impl Classifier for ByStatus {}
