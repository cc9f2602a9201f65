//! The value of `WWW-Authenticate`.

use crate::settings::{Authentication, Scheme};

/// The challenges of a 401, one for each way to send a key or a token (RFC 9110, section 11.6.1).
///
/// `is_of_token` adds the error of a token that was presented (RFC 6750, section 3.1). What is wrong with it is in the log.
pub(crate) fn challenge(authentication: &Authentication, realm: &str, is_of_token: bool) -> String {
    let is_invalid = |scheme: &Scheme| {
        is_of_token && authentication.tokens.as_ref().is_some_and(|tokens| tokens.scheme == *scheme)
    };
    let one = |scheme: &Scheme| match scheme {
        Scheme::Authorization(name) if is_invalid(scheme) => {
            format!("{name} realm=\"{realm}\", error=\"invalid_token\"")
        }
        Scheme::Authorization(name) => format!("{name} realm=\"{realm}\""),
        // A header of its own has no registered scheme; the parameter names the header.
        Scheme::Field(name) => format!("ApiKey realm=\"{realm}\", in=\"header\", name=\"{name}\""),
    };
    // A challenge after `Bearer` or `Basic`, whose parameters clients know, is never read as one more parameter.
    authentication.schemes().map(one).collect::<Vec<_>>().join(", ")
}
