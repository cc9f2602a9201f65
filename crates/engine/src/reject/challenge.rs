//! The value of `WWW-Authenticate`.

use crate::settings::{Authentication, Scheme};

/// The challenge of a 401 (RFC 9110, section 11.6.1).
pub(crate) fn challenge(authentication: &Authentication, realm: &str) -> String {
    let scheme = match &authentication.scheme {
        Scheme::Authorization(scheme) => scheme.as_str(),
        // A header of its own has no registered scheme; the parameter names the header.
        Scheme::Field(name) => return format!("ApiKey realm=\"{realm}\", in=\"header\", name=\"{name}\""),
    };
    format!("{scheme} realm=\"{realm}\"")
}
