//! The value of `WWW-Authenticate`.

use crate::settings::{Authentication, Scheme};

/// The challenges of a 401, one for each way to send a key (RFC 9110, section 11.6.1).
pub(crate) fn challenge(authentication: &Authentication, realm: &str) -> String {
    let one = |scheme: &Scheme| match scheme {
        Scheme::Authorization(scheme) => format!("{scheme} realm=\"{realm}\""),
        // A header of its own has no registered scheme; the parameter names the header.
        Scheme::Field(name) => format!("ApiKey realm=\"{realm}\", in=\"header\", name=\"{name}\""),
    };
    // A challenge after `Bearer` or `Basic`, whose parameters clients know, is never read as one more parameter.
    authentication.schemes().map(one).collect::<Vec<_>>().join(", ")
}
