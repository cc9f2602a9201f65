//! Where the key stands in a request. What it is worth, admission says.

use demur_admission::Denial;
use http::HeaderMap;
use http::header::AUTHORIZATION;

use crate::settings::{Authentication, Scheme};

/// The key that the request carries.
///
/// More than one credential field is malformed: a proxy in front and the gateway could each read another
/// one.
pub(crate) fn presented<'h>(
    headers: &'h HeaderMap,
    authentication: &Authentication,
) -> Result<&'h str, Denial> {
    let (field, scheme) = match &authentication.scheme {
        Scheme::Authorization(scheme) => (&AUTHORIZATION, Some(scheme.as_str())),
        Scheme::Field(name) => (name, None),
    };
    let mut values = headers.get_all(field).iter();
    let Some(value) = values.next() else { return Err(Denial::CredentialMissing) };
    if values.next().is_some() {
        return Err(Denial::CredentialMalformed);
    }
    let value = value.to_str().map_err(|_| Denial::CredentialMalformed)?.trim();
    if value.is_empty() {
        return Err(Denial::CredentialMissing);
    }
    let Some(scheme) = scheme else { return Ok(value) };
    // RFC 9110, section 11.1: the scheme is case-insensitive, and one or more spaces follow it.
    let (given, key) = value.split_once(' ').unwrap_or((value, ""));
    if !given.eq_ignore_ascii_case(scheme) {
        return Err(Denial::CredentialScheme);
    }
    let key = key.trim_start();
    if key.is_empty() { Err(Denial::CredentialMissing) } else { Ok(key) }
}

/// The challenge of a 401 (RFC 9110, section 11.6.1).
pub(crate) fn challenge(authentication: &Authentication, realm: &str) -> String {
    let scheme = match &authentication.scheme {
        Scheme::Authorization(scheme) => scheme.as_str(),
        // A field of its own has no registered scheme; the name says where the key belongs.
        Scheme::Field(name) => return format!("ApiKey realm=\"{realm}\", in=\"header\", name=\"{name}\""),
    };
    format!("{scheme} realm=\"{realm}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_found_or_its_absence_named() {
        let bearer = Authentication { scheme: Scheme::Authorization("Bearer".into()), prefix: "k".into() };
        for (values, expected) in [
            (&[][..], Err(Denial::CredentialMissing)),
            (&["Bearer k_1"], Ok("k_1")),
            (&["bearer   k_1 "], Ok("k_1")),
            (&["Basic x"], Err(Denial::CredentialScheme)),
            (&["k_1"], Err(Denial::CredentialScheme)),
            (&["Bearer"], Err(Denial::CredentialMissing)),
            (&[""], Err(Denial::CredentialMissing)),
            (&["Bearer k_1", "Bearer k_2"], Err(Denial::CredentialMalformed)),
        ] {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(AUTHORIZATION, value.parse().unwrap());
            }
            assert_eq!(presented(&headers, &bearer), expected, "{values:?}");
        }
    }
}
