//! Why a presented API key does not have the form of one: for the log, without any part of the key.

use http::HeaderMap;

use super::credential::{self, Presented};
use crate::settings::Authentication;

/// The cause of `credential.malformed`.
pub(crate) fn cause(headers: &HeaderMap, query: Option<&str>, authentication: &Authentication) -> String {
    match credential::presented(headers, query, authentication) {
        Ok(Presented::Key(key)) => of_key(&key, authentication),
        Ok(Presented::Token(_)) | Err(_) => "several API keys, or one that cannot be read".to_owned(),
    }
}

fn of_key(key: &str, authentication: &Authentication) -> String {
    if is_jwt(key) {
        return "a JWT, not an API key".to_owned();
    }
    let prefix = authentication.prefixes.of_key(key);
    let has_prefix = key.strip_prefix(prefix).is_some_and(|rest| rest.starts_with('_'));
    match has_prefix {
        true => "wrong length or checksum: the key was changed, or not copied completely".to_owned(),
        false => {
            let prefixes: Vec<String> =
                authentication.prefixes.all().map(|prefix| format!("`{prefix}_`")).collect();
            format!("the key does not begin with {}", prefixes.join(" or "))
        }
    }
}

/// Whether a text has the form of a JWT (RFC 7519): three parts, of which the first begins like a JSON object.
fn is_jwt(text: &str) -> bool {
    text.starts_with("eyJ") && text.split('.').count() == 3
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{Prefixes, Scheme};

    #[test]
    fn names_the_cause_and_never_the_key() {
        const JWT: &str = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl";
        let scheme = Scheme::Authorization("Bearer".to_owned());
        let authentication = Authentication::new(scheme, Prefixes::one("shp"));
        let incomplete = "wrong length or checksum: the key was changed, or not copied completely";
        for (values, expected) in [
            (&[JWT][..], "a JWT, not an API key"),
            (&["shp_0123456789"], incomplete),
            (&["sh_0123456789"], "the key does not begin with `shp_`"),
            (&["shp0123456789"], "the key does not begin with `shp_`"),
            (&["eyJhbGciOiJIUzI1NiJ9"], "the key does not begin with `shp_`"),
            (&["shp_1", "shp_2"], "several API keys, or one that cannot be read"),
        ] {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append("authorization", format!("Bearer {value}").parse().unwrap());
            }
            let found = cause(&headers, None, &authentication);
            assert_eq!(found, expected, "{values:?}");
            assert!(values.iter().all(|value| !found.contains(value)));
        }
    }
}
