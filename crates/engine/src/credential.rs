//! Where the key stands in a request. What it is worth, admission says.

use demur_admission::Denial;
use http::HeaderMap;

use crate::settings::{Authentication, Scheme};

/// The key that the request carries.
///
/// More than one credential field is malformed: a proxy in front and the gateway could each read another
/// one.
pub(crate) fn presented<'h>(
    headers: &'h HeaderMap,
    authentication: &Authentication,
) -> Result<&'h str, Denial> {
    let mut values = authentication
        .schemes()
        .flat_map(|scheme| headers.get_all(scheme.field()).iter().map(move |value| (scheme, value)));
    let Some((scheme, value)) = values.next() else { return Err(Denial::CredentialMissing) };
    if values.next().is_some() {
        return Err(Denial::CredentialMalformed);
    }
    let scheme = match scheme {
        Scheme::Authorization(scheme) => Some(scheme.as_str()),
        Scheme::Field(_) => None,
    };
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
    use http::HeaderName;
    use http::header::AUTHORIZATION;

    #[test]
    fn the_key_is_found_or_its_absence_named() {
        let bearer =
            Authentication { scheme: Scheme::Authorization("Bearer".into()), also: None, prefix: "k".into() };
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

    #[test]
    fn of_two_places_just_one_may_be_used() {
        let both = Authentication {
            scheme: Scheme::Authorization("Bearer".into()),
            also: Some(Scheme::Field(HeaderName::from_static("x-api-key"))),
            prefix: "k".into(),
        };
        for (authorization, field, expected) in [
            (Some("Bearer k_1"), None, Ok("k_1")),
            (None, Some("k_2"), Ok("k_2")),
            (None, None, Err(Denial::CredentialMissing)),
            (Some("Bearer k_1"), Some("k_2"), Err(Denial::CredentialMalformed)),
            (Some("Basic x"), None, Err(Denial::CredentialScheme)),
        ] {
            let mut headers = HeaderMap::new();
            authorization.map(|value| headers.insert(AUTHORIZATION, value.parse().unwrap()));
            field.map(|value| headers.insert("x-api-key", value.parse().unwrap()));
            assert_eq!(presented(&headers, &both), expected, "{authorization:?} {field:?}");
        }
    }
}
