//! A JWK set (RFC 7517).

use std::fmt;

use serde_json::Value;

use crate::key::{KeyFault, KeyOrigin, VerifyingKey};
use crate::strict_json::parse_object;
use crate::{Algorithm, KeyKind};

/// The maximum size of a set, in bytes.
pub const MAX_KEY_SET_BYTES: usize = 256 * 1024;

/// The maximum number of keys in a set: a token without `kid` is compared with all of them.
const MAX_KEYS: usize = 256;

/// The keys of an issuer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeySet {
    keys: Vec<VerifyingKey>,
    skipped: Vec<SkippedKey>,
}

/// A key of a set that is not used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SkippedKey {
    /// Its ID, if it has one.
    pub id: Option<String>,
    /// Why it is not used.
    pub fault: KeyFault,
}

/// Why a document is not a usable set.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeySetError {
    /// It is larger than [`MAX_KEY_SET_BYTES`].
    TooLarge,
    /// It is in PEM.
    Pem,
    /// It is not a JSON object, or a name occurs twice.
    NotJson,
    /// It has no list `keys` of objects.
    NoKeys,
    /// It has too many keys.
    TooManyKeys,
    /// None of its keys can be used; the reason for the first one.
    NoUsableKey(Option<KeyFault>),
}

impl KeySet {
    /// Parses a document. Keys that cannot be used are skipped (RFC 7517, section 5), but at least one must be usable.
    pub fn parse(document: &[u8], origin: KeyOrigin) -> Result<Self, KeySetError> {
        if document.len() > MAX_KEY_SET_BYTES {
            return Err(KeySetError::TooLarge);
        }
        if document.trim_ascii_start().starts_with(b"-----BEGIN") {
            return Err(KeySetError::Pem);
        }
        let object = parse_object(document).map_err(|_| KeySetError::NotJson)?;
        let listed = object.get("keys").and_then(Value::as_array).ok_or(KeySetError::NoKeys)?;
        if listed.len() > MAX_KEYS {
            return Err(KeySetError::TooManyKeys);
        }
        let mut set = Self { keys: Vec::new(), skipped: Vec::new() };
        for jwk in listed {
            let jwk = jwk.as_object().ok_or(KeySetError::NoKeys)?;
            match VerifyingKey::parse(jwk, origin) {
                Ok(key) => set.keys.push(key),
                Err(fault) => {
                    let id = jwk.get("kid").and_then(Value::as_str).map(str::to_owned);
                    set.skipped.push(SkippedKey { id, fault });
                }
            }
        }
        match set.keys.is_empty() {
            true => Err(KeySetError::NoUsableKey(set.skipped.into_iter().next().map(|key| key.fault))),
            false => Ok(set),
        }
    }

    /// Returns the number of usable keys.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether it has no usable key, which is never.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Returns the keys that are not used.
    pub fn skipped(&self) -> &[SkippedKey] {
        &self.skipped
    }

    /// Returns the kinds of the usable keys.
    pub fn kinds(&self) -> impl Iterator<Item = KeyKind> {
        self.keys.iter().map(VerifyingKey::kind)
    }

    /// Whether a key fits the algorithm.
    pub fn has_key_for(&self, algorithm: Algorithm) -> bool {
        self.keys.iter().any(|key| key.fits(algorithm))
    }

    pub(crate) fn keys(&self) -> &[VerifyingKey] {
        &self.keys
    }
}

impl fmt::Display for KeySetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge => write!(f, "larger than {} KiB", MAX_KEY_SET_BYTES >> 10),
            Self::Pem => f.write_str("PEM, not a JWK set"),
            Self::NotJson => f.write_str("not a JSON object, or a name occurs twice in it"),
            Self::NoKeys => f.write_str("no list `keys` of objects"),
            Self::TooManyKeys => write!(f, "more than {MAX_KEYS} keys"),
            Self::NoUsableKey(None) => f.write_str("no key"),
            Self::NoUsableKey(Some(fault)) => write!(f, "no usable key: {fault}"),
        }
    }
}

impl std::error::Error for KeySetError {}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test ends where its rule does not hold")]

    use super::*;

    const X: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
    const P256: &str = r#""x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0""#;

    fn parse(keys: &str, origin: KeyOrigin) -> Result<KeySet, KeySetError> {
        KeySet::parse(format!("{{\"keys\":[{keys}]}}").as_bytes(), origin)
    }

    #[test]
    fn uses_only_sound_keys_for_signatures() {
        let modulus = |bytes: usize| "_".repeat(bytes * 4 / 3);
        let rsa = |bytes: usize, exponent: &str| {
            format!(r#"{{"kty":"RSA","n":"{}","e":"{exponent}"}}"#, modulus(bytes))
        };
        let secret = |bytes: usize, rest: &str| {
            format!(r#"{{"kty":"oct","k":"{}"{rest}}}"#, "A".repeat(bytes * 4 / 3))
        };
        let ed = |rest: &str| format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{X}"{rest}}}"#);
        for (jwk, expected) in [
            (ed(""), Ok(KeyKind::Ed25519)),
            (ed(r#","use":"sig","alg":"EdDSA","kid":"a","key_ops":["verify"]"#), Ok(KeyKind::Ed25519)),
            (ed(r#","use":"enc""#), Err(KeyFault::NotForSignatures)),
            (ed(r#","key_ops":["sign"]"#), Err(KeyFault::NotForSignatures)),
            (ed(r#","alg":"RS256""#), Err(KeyFault::Algorithm)),
            (ed(r#","alg":"none""#), Err(KeyFault::Algorithm)),
            (ed(r#","d":"AAAA""#), Err(KeyFault::Private)),
            (ed(r#","kid":7"#), Err(KeyFault::Malformed("kid"))),
            (r#"{"kty":"OKP","crv":"Ed25519","x":"AAAA"}"#.to_owned(), Err(KeyFault::Malformed("x"))),
            (r#"{"kty":"OKP","crv":"X25519","x":"AAAA"}"#.to_owned(), Err(KeyFault::UnknownType)),
            (format!(r#"{{"kty":"EC","crv":"P-256",{P256}}}"#), Ok(KeyKind::P256)),
            (format!(r#"{{"kty":"EC","crv":"P-384",{P256}}}"#), Err(KeyFault::Malformed("x"))),
            (format!(r#"{{"kty":"EC","crv":"P-521",{P256}}}"#), Err(KeyFault::UnknownType)),
            (rsa(258, "AQAB"), Ok(KeyKind::Rsa)),
            (rsa(258, "AAEAAQ"), Ok(KeyKind::Rsa)),
            (rsa(129, "AQAB"), Err(KeyFault::RsaSize)),
            (rsa(1026, "AQAB"), Err(KeyFault::RsaSize)),
            (rsa(258, "AQ"), Err(KeyFault::Malformed("e"))),
            (rsa(258, "BA"), Err(KeyFault::Malformed("e"))),
            (r#"{"kty":"RSA","n":"","e":"AQAB"}"#.to_owned(), Err(KeyFault::RsaSize)),
            (r#"{"kty":"RSA","e":"AQAB"}"#.to_owned(), Err(KeyFault::Malformed("n"))),
            (secret(33, ""), Ok(KeyKind::Secret)),
            (secret(33, r#","alg":"HS512""#), Err(KeyFault::ShortSecret)),
            (secret(30, ""), Err(KeyFault::ShortSecret)),
            (r#"{"kty":"XYZ"}"#.to_owned(), Err(KeyFault::UnknownType)),
            ("{}".to_owned(), Err(KeyFault::UnknownType)),
        ] {
            let found = parse(&jwk, KeyOrigin::File).map(|set| set.kinds().next().unwrap());
            assert_eq!(found, expected.map_err(|fault| KeySetError::NoUsableKey(Some(fault))), "{jwk}");
        }
        let published = parse(&secret(33, ""), KeyOrigin::Network);
        assert_eq!(published, Err(KeySetError::NoUsableKey(Some(KeyFault::PublishedSecret))));
        let set = parse(&format!("{},{}", secret(33, r#","kid":"s""#), ed("")), KeyOrigin::Network).unwrap();
        assert_eq!(set.len(), 1);
        assert_eq!(set.skipped(), [SkippedKey { id: Some("s".into()), fault: KeyFault::PublishedSecret }]);
    }

    #[test]
    fn rejects_documents_that_are_no_key_set() {
        for (document, expected) in [
            (&b"{}"[..], KeySetError::NoKeys),
            (b"[]", KeySetError::NotJson),
            (b"<html>", KeySetError::NotJson),
            (b"{\"keys\":[],\"keys\":[]}", KeySetError::NotJson),
            (b"{\"keys\":{}}", KeySetError::NoKeys),
            (b"{\"keys\":[1]}", KeySetError::NoKeys),
            (b"{\"keys\":[]}", KeySetError::NoUsableKey(None)),
            (b"\n-----BEGIN PUBLIC KEY-----\n", KeySetError::Pem),
            (&[b' '; MAX_KEY_SET_BYTES + 1], KeySetError::TooLarge),
        ] {
            assert_eq!(KeySet::parse(document, KeyOrigin::File).unwrap_err(), expected);
        }
        let many = vec!["{}"; MAX_KEYS + 1].join(",");
        assert_eq!(parse(&many, KeyOrigin::File).unwrap_err(), KeySetError::TooManyKeys);
    }

    #[test]
    fn debug_output_shows_no_secret() {
        let secret =
            parse(&format!(r#"{{"kty":"oct","k":"{}"}}"#, "QUJD".repeat(11)), KeyOrigin::File).unwrap();
        let shown = format!("{secret:?}");
        assert!(shown.contains("Secret(..)") && !shown.contains("65, 66"), "{shown}");
    }
}
