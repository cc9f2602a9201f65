//! Finds the API key or the token in a request. Admission authenticates it.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use demur_admission::Denial;
use http::{HeaderMap, HeaderValue};

use crate::redact::{MIN_KEY, Redactor};
use crate::settings::{Authentication, Scheme};

/// What a request presents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Presented<'h> {
    /// An API key.
    Key(Cow<'h, str>),
    /// A token, by the way in which it was sent or by its form.
    Token(&'h str),
}

/// The API key or the token of the request.
///
/// More than one credential is malformed: a proxy in front could read another one than the gateway.
pub(crate) fn presented<'h>(
    headers: &'h HeaderMap,
    query: Option<&'h str>,
    authentication: &Authentication,
) -> Result<Presented<'h>, Denial> {
    let mut in_query = values_of(query, authentication.query.as_deref());
    let mut values = authentication
        .fields()
        .flat_map(|field| headers.get_all(field).iter().map(move |value| (field, value)));
    let (field, value) = match (values.next(), in_query.next()) {
        (None, None) => return Err(Denial::CredentialMissing),
        (Some(_), Some(_)) => return Err(Denial::CredentialMalformed),
        (None, Some(key)) => {
            let is_only = in_query.next().is_none();
            return match decoded(key) {
                Some(key) if key.is_empty() => Err(Denial::CredentialMissing),
                Some(key) if is_only => Ok(Presented::Key(key)),
                _ => Err(Denial::CredentialMalformed),
            };
        }
        (Some(found), None) => found,
    };
    if values.next().is_some() {
        return Err(Denial::CredentialMalformed);
    }
    let value = value.to_str().map_err(|_| Denial::CredentialMalformed)?.trim();
    if value.is_empty() {
        return Err(Denial::CredentialMissing);
    }
    let mut schemes = authentication.schemes().filter(|scheme| scheme.field() == field).peekable();
    let presented = |scheme: &Scheme, credential: &'h str| match authentication.is_token(scheme, credential) {
        true => Presented::Token(credential),
        false => Presented::Key(credential.into()),
    };
    if let Some(scheme @ Scheme::Field(_)) = schemes.peek() {
        return Ok(presented(scheme, value));
    }
    // RFC 9110, section 11.1: the scheme is case-insensitive, and one or more spaces follow it.
    let (given, key) = value.split_once(' ').unwrap_or((value, ""));
    let is_given =
        |scheme: &Scheme| matches!(scheme, Scheme::Authorization(name) if given.eq_ignore_ascii_case(name));
    let Some(scheme) = schemes.find(|scheme| is_given(scheme)) else {
        return Err(Denial::CredentialScheme);
    };
    let key = key.trim_start();
    match key.is_empty() {
        true => Err(Denial::CredentialMissing),
        false if given.eq_ignore_ascii_case("basic") => in_basic(key, authentication).map(Presented::Key),
        false => Ok(presented(scheme, key)),
    }
}

/// The key in the credentials of the scheme Basic (RFC 7617): the user or the password, whichever begins with a prefix of
/// this API's keys. If both or neither do, it is the user, unless only the password is given.
fn in_basic<'h>(credentials: &str, authentication: &Authentication) -> Result<Cow<'h, str>, Denial> {
    let decoded = BASE64.decode(credentials).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let (user, password) =
        decoded.as_deref().and_then(|text| text.split_once(':')).ok_or(Denial::CredentialMalformed)?;
    let is_key = |text: &str| {
        let rest = |prefix: &str| text.strip_prefix(prefix).is_some_and(|rest| rest.starts_with('_'));
        authentication.prefixes.all().any(rest)
    };
    let key = if user.is_empty() || is_key(password) && !is_key(user) { password } else { user };
    match key.is_empty() {
        true => Err(Denial::CredentialMissing),
        false => Ok(key.to_owned().into()),
    }
}

/// Standard base64, with or without padding: clients differ.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Whether the query contains an API key where none is allowed. It would end up in the logs of proxies and upstreams.
/// Finds keys of all APIs of the gateway, and the one that the request presents.
pub(crate) fn is_exposed(
    query: Option<&str>,
    headers: &HeaderMap,
    authentication: &Authentication,
    redactor: &Redactor,
) -> bool {
    let is_presented = |text: &str| in_headers(headers, authentication).any(|secret| text.contains(secret));
    let shows_key = |raw: &str| {
        // No key is shorter, and decoding makes no text longer.
        if raw.len() < MIN_KEY {
            return false;
        }
        let text = percent_encoding::percent_decode_str(raw).decode_utf8_lossy();
        redactor.contains_key(&text) || is_presented(&text)
    };
    pairs(query).any(|(name, value)| {
        let allowed = authentication.query.as_deref().is_some_and(|allowed| is_named(name, allowed));
        !allowed && (shows_key(value) || shows_key(name))
    })
}

/// The values of the headers for keys, if they are long enough to be one.
pub(crate) fn in_headers<'h>(
    headers: &'h HeaderMap,
    authentication: &'h Authentication,
) -> impl Iterator<Item = &'h str> {
    let values = authentication.fields().flat_map(|field| headers.get_all(field));
    values.filter_map(secret_of)
}

/// The secret in a header's value, with or without a scheme before it.
pub(crate) fn secret_of(value: &HeaderValue) -> Option<&str> {
    value.to_str().ok()?.rsplit(' ').find(|part| !part.is_empty()).filter(|part| part.len() >= MIN_KEY)
}

/// The key in the query parameter for it, to be removed from logs.
pub(crate) fn presented_in_query(
    query: Option<&str>,
    authentication: &Authentication,
) -> Option<HeaderValue> {
    let key = values_of(query, authentication.query.as_deref()).next()?;
    HeaderValue::from_str(&decoded(key)?).ok()
}

/// The query without the parameter that carries the key.
pub(crate) fn without_key<'q>(
    query: Option<&'q str>,
    authentication: &Authentication,
) -> Option<Cow<'q, str>> {
    let query = query?;
    let Some(name) = authentication.query.as_deref() else { return Some(query.into()) };
    if values_of(Some(query), Some(name)).next().is_none() {
        return Some(query.into());
    }
    let kept = query.split('&').filter(|pair| !is_named(split(pair).0, name));
    let kept = kept.collect::<Vec<_>>().join("&");
    (!kept.is_empty()).then(|| kept.into())
}

fn values_of<'q, 'n>(
    query: Option<&'q str>,
    name: Option<&'n str>,
) -> impl Iterator<Item = &'q str> + use<'q, 'n> {
    pairs(query).filter_map(move |(key, value)| is_named(key, name?).then_some(value))
}

fn pairs(query: Option<&str>) -> impl Iterator<Item = (&str, &str)> {
    query.into_iter().flat_map(|query| query.split('&')).map(split)
}

fn split(pair: &str) -> (&str, &str) {
    pair.split_once('=').unwrap_or((pair, ""))
}

fn is_named(raw: &str, name: &str) -> bool {
    decoded(raw).is_some_and(|found| found == name)
}

/// A part of a query, decoded; `None` if that is not UTF-8.
fn decoded(raw: &str) -> Option<Cow<'_, str>> {
    percent_encoding::percent_decode_str(raw).decode_utf8().ok()
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::settings::{ClaimNames, KeySource, Prefixes, TokenSettings};
    use demur_admission::Secret;
    use demur_jwt::{KeySetCell, Policy};
    use http::HeaderName;
    use http::header::AUTHORIZATION;

    fn key(text: &str) -> Presented<'_> {
        Presented::Key(text.into())
    }

    fn bearer(query: Option<&str>) -> Authentication {
        Authentication {
            scheme: Scheme::Authorization("Bearer".into()),
            also: Vec::new(),
            prefixes: Prefixes::one("k"),
            query: query.map(str::to_owned),
            tokens: None,
            failures: (NonZeroU32::MIN, Duration::from_secs(1)),
        }
    }

    #[test]
    fn finds_the_key_or_names_the_fault() {
        for (values, expected) in [
            (&[][..], Err(Denial::CredentialMissing)),
            (&["Bearer k_1"], Ok(key("k_1"))),
            (&["bearer   k_1 "], Ok(key("k_1"))),
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
            assert_eq!(presented(&headers, Some("a=1"), &bearer(None)), expected, "{values:?}");
            let expected = if values.is_empty() { Ok(key("k_2")) } else { Err(Denial::CredentialMalformed) };
            assert_eq!(presented(&headers, Some("key=k_2"), &bearer(Some("key"))), expected, "{values:?}");
        }
    }

    #[test]
    fn rejects_credentials_in_two_headers() {
        let also = vec![Scheme::Field(HeaderName::from_static("x-api-key"))];
        let both = Authentication { also, ..bearer(None) };
        for (authorization, field, expected) in [
            (Some("Bearer k_1"), None, Ok(key("k_1"))),
            (None, Some("k_2"), Ok(key("k_2"))),
            (None, None, Err(Denial::CredentialMissing)),
            (Some("Bearer k_1"), Some("k_2"), Err(Denial::CredentialMalformed)),
            (Some("Basic x"), None, Err(Denial::CredentialScheme)),
        ] {
            let mut headers = HeaderMap::new();
            authorization.map(|value| headers.insert(AUTHORIZATION, value.parse().unwrap()));
            field.map(|value| headers.insert("x-api-key", value.parse().unwrap()));
            assert_eq!(presented(&headers, None, &both), expected, "{authorization:?} {field:?}");
        }
    }

    #[test]
    fn tells_tokens_from_keys() {
        let tokens = |scheme: Scheme| {
            let keys = KeySetCell::empty();
            let source = KeySource::File("keys.json".into());
            let (policy, claims) = (Policy::new("https://id.example", []), ClaimNames::default());
            Some(Arc::new(TokenSettings { scheme, policy, source, keys, claims, plan: None }))
        };
        let field = |name| Scheme::Field(HeaderName::from_static(name));
        let authorization = || Scheme::Authorization("Bearer".into());
        let shared = Authentication { tokens: tokens(authorization()), ..bearer(None) };
        let own_field = Authentication { tokens: tokens(field("x-token")), ..bearer(None) };
        let key_field =
            Authentication { scheme: field("x-api-key"), tokens: tokens(authorization()), ..bearer(None) };
        for (settings, sent, expected) in [
            // One header for both: the form decides.
            (&shared, &[("authorization", "Bearer k_1")][..], Ok(key("k_1"))),
            (&shared, &[("authorization", "bearer eyJh.e30.x")], Ok(Presented::Token("eyJh.e30.x"))),
            (&shared, &[("authorization", "Bearer ewog.e30.x")], Ok(Presented::Token("ewog.e30.x"))),
            (&shared, &[("authorization", "Bearer eyJh")], Ok(key("eyJh"))),
            (&shared, &[("authorization", "Bearer a.b.c")], Ok(key("a.b.c"))),
            (&bearer(None), &[("authorization", "Bearer eyJh.e30.x")], Ok(key("eyJh.e30.x"))),
            // A header for each: the header decides.
            (&own_field, &[("x-token", "k_1")], Ok(Presented::Token("k_1"))),
            (&own_field, &[("authorization", "Bearer eyJh.e30.x")], Ok(key("eyJh.e30.x"))),
            (&key_field, &[("x-api-key", "eyJh.e30.x")], Ok(key("eyJh.e30.x"))),
            (&key_field, &[("authorization", "Bearer k_1")], Ok(Presented::Token("k_1"))),
            (&key_field, &[("authorization", "Basic k_1")], Err(Denial::CredentialScheme)),
            (&key_field, &[("authorization", "Bearer ")], Err(Denial::CredentialMissing)),
            // Both at once.
            (
                &key_field,
                &[("x-api-key", "k_1"), ("authorization", "Bearer eyJh.e30.x")],
                Err(Denial::CredentialMalformed),
            ),
        ] {
            let mut headers = HeaderMap::new();
            for (name, value) in sent {
                headers.append(*name, value.parse().unwrap());
            }
            assert_eq!(presented(&headers, None, settings), expected, "{sent:?}");
        }
    }

    /// postmanlabs/httpbin#356, grails/grails-spring-security-rest#120: SDKs send the key as the user of Basic.
    #[test]
    fn reads_the_key_of_basic_credentials() {
        let basic = Authentication { scheme: Scheme::Authorization("basic".into()), ..bearer(None) };
        let both = Authentication { also: vec![Scheme::Authorization("Basic".into())], ..bearer(None) };
        let encoded = |text: &str| format!("Basic {}", BASE64.encode(text));
        for (value, expected) in [
            (encoded("k_1:"), Ok(key("k_1"))),
            (encoded("k_1:x"), Ok(key("k_1"))),
            (encoded(":k_1"), Ok(key("k_1"))),
            (encoded("api:k_1"), Ok(key("k_1"))),
            (encoded("k_1:k_2"), Ok(key("k_1"))),
            (encoded("other:"), Ok(key("other"))),
            (encoded("user:a:b"), Ok(key("user"))),
            (encoded("k_1:").replace("Basic", "BASIC "), Ok(key("k_1"))),
            (encoded("k_1:").trim_end_matches('=').to_owned(), Ok(key("k_1"))),
            (encoded(":"), Err(Denial::CredentialMissing)),
            (encoded("k_1"), Err(Denial::CredentialMalformed)),
            ("Basic k_1".to_owned(), Err(Denial::CredentialMalformed)),
            ("Basic /w==".to_owned(), Err(Denial::CredentialMalformed)),
            ("Basic".to_owned(), Err(Denial::CredentialMissing)),
            ("Digest x".to_owned(), Err(Denial::CredentialScheme)),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(AUTHORIZATION, value.parse().unwrap());
            assert_eq!(presented(&headers, None, &basic), expected, "{value}");
            assert_eq!(presented(&headers, None, &both), expected, "{value}");
        }
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, "Bearer k_1".parse().unwrap());
        assert_eq!(presented(&headers, None, &both), Ok(key("k_1")));
        assert_eq!(presented(&headers, None, &basic), Err(Denial::CredentialScheme));
        headers.append(AUTHORIZATION, encoded("k_1:").parse().unwrap());
        assert_eq!(presented(&headers, None, &both), Err(Denial::CredentialMalformed));
    }

    #[test]
    fn reads_and_removes_an_allowed_key_in_the_query() {
        let named = bearer(Some("key"));
        let headers = HeaderMap::new();
        for (query, found, rest) in [
            ("key=k%5F1&a=1", Ok(key("k_1")), Some("a=1")),
            ("a=1&k%65y=k_1&b=2", Ok(key("k_1")), Some("a=1&b=2")),
            ("key=k_1", Ok(key("k_1")), None),
            ("key=k_1&key=k_2", Err(Denial::CredentialMalformed), None),
            ("key=", Err(Denial::CredentialMissing), None),
            ("key=%ff", Err(Denial::CredentialMalformed), None),
            ("monkey=k_1", Err(Denial::CredentialMissing), Some("monkey=k_1")),
        ] {
            assert_eq!(presented(&headers, Some(query), &named), found, "{query}");
            assert_eq!(without_key(Some(query), &named).as_deref(), rest, "{query}");
            assert_eq!(without_key(Some(query), &bearer(None)).as_deref(), Some(query));
        }
    }

    #[test]
    fn finds_exposed_keys_in_the_query() {
        let secrets = Redactor::of_a_test(&["k", "other"]);
        let [own, other] = ["k", "other"].map(|prefix| Secret::generate(prefix).unwrap());
        let (key, other) = (own.expose(), other.expose());
        let (foreign, presented) = ("sk_live_0123456789abcdef", "p1q2r3s4t5u6v7w8x9y0");
        let escaped = key.replacen("k_", "%6b%5F", 1);
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, format!("Bearer {presented}").parse().unwrap());
        for (query, exposed) in [
            (format!("key={key}"), false),
            (format!("token={key}"), true),
            (format!("token={escaped}"), true),
            (format!("a=1&{key}"), true),
            (format!("token={key}0"), false),
            ("token=k_short".to_owned(), false),
            (format!("token={other}"), true),
            (format!("token={foreign}"), true),
            (format!("token={}", &foreign[1..]), false),
            // No form tells this one: it is the one that the request presents.
            (format!("token={presented}"), true),
            (format!("%ff=1&token=%ff{presented}"), true),
            (format!("token=Bearer%20{presented}"), true),
            (format!("token={}", &presented[1..]), false),
        ] {
            let named = bearer(Some("key"));
            assert_eq!(is_exposed(Some(&query), &headers, &named, &secrets), exposed, "{query}");
        }
        assert!(is_exposed(Some(&format!("key={key}")), &headers, &bearer(None), &secrets));
        assert!(!is_exposed(Some(&format!("a={presented}")), &HeaderMap::new(), &bearer(None), &secrets));
    }
}
