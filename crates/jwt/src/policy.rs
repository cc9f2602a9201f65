//! Verification of one token: form, algorithm, key, signature, and then its claims.
//!
//! The order matters. Nothing that the token says decides on a key or an algorithm beyond what the policy lists, and no
//! claim is read before the signature has been verified. Numbers in comments are sections of RFC 8725.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use crate::key::VerifyingKey;
use crate::strict_json::parse_object;
use crate::{Algorithm, Claims, KeySet};

/// The maximum length of a token, in bytes.
pub const MAX_TOKEN_BYTES: usize = 16 * 1024;

/// The end of the year 9999, in seconds since 1970.
const MAX_DATE: f64 = 253_402_300_799.0;

/// What a token must be to be accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// The value of `iss`.
    pub issuer: String,
    /// Accepted values of `aud`. A token needs one of them.
    pub audiences: Vec<String>,
    /// Accepted algorithms.
    pub algorithms: Vec<Algorithm>,
    /// The value of `typ`; `None` accepts `JWT`, `at+jwt` and tokens without `typ`.
    pub token_type: Option<String>,
    /// By how much the clocks of issuer and verifier may differ.
    pub leeway: Duration,
    /// Claims that a token must have, each with the accepted values.
    pub required: Vec<(String, Vec<String>)>,
}

/// A token that is not accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidToken {
    /// What is wrong with it.
    pub fault: Fault,
    /// The details, for a log. They contain no part of the signature.
    pub cause: String,
}

/// What is wrong with a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fault {
    /// It is not a signed token in the compact form.
    Malformed,
    /// Its algorithm is not accepted, or does not fit its key.
    Algorithm,
    /// The set has no key with its ID.
    UnknownKey,
    /// The signature is invalid.
    Signature,
    /// It is from another issuer.
    Issuer,
    /// It is for another audience.
    Audience,
    /// It has expired.
    Expired,
    /// It is not valid yet.
    NotYetValid,
    /// Another claim is missing or not accepted.
    Claim,
}

impl Policy {
    /// Creates a policy without audiences, which accepts no token yet, with a leeway of one minute.
    pub fn new(issuer: impl Into<String>, algorithms: impl IntoIterator<Item = Algorithm>) -> Self {
        Self {
            issuer: issuer.into(),
            audiences: Vec::new(),
            algorithms: algorithms.into_iter().collect(),
            token_type: None,
            leeway: Duration::from_secs(60),
            required: Vec::new(),
        }
    }

    /// Verifies a token at a time since 1970.
    pub fn verify(&self, token: &str, keys: &KeySet, now: Duration) -> Result<Claims, InvalidToken> {
        let parts = Parts::of(token)?;
        let header = Header::parse(&parts.header)?;
        // 3.1: the policy decides which algorithms there are, and `none` is not one (3.2).
        let algorithm = Algorithm::from_name(&header.algorithm)
            .filter(|algorithm| self.algorithms.contains(algorithm))
            .ok_or_else(|| invalid(Fault::Algorithm, format!("`alg` is {}", quoted(&header.algorithm))))?;
        let candidates = select(keys, header.key_id.as_deref(), algorithm)?;
        let is_valid = |key: &&VerifyingKey| key.verifies(algorithm, parts.message, &parts.signature);
        if !candidates.iter().any(is_valid) {
            return Err(invalid(Fault::Signature, "the signature is invalid"));
        }
        self.check_type(header.token_type.as_deref())?;
        let claims = parse_object(&parts.payload)
            .map_err(|error| invalid(Fault::Malformed, format!("the claims are not valid: {error}")))?;
        self.check(claims, now)
    }

    /// 3.11: tokens for another purpose, such as logout tokens, are not access tokens.
    fn check_type(&self, given: Option<&str>) -> Result<(), InvalidToken> {
        // RFC 7515, section 4.1.9: the prefix may be left out.
        let short = |name: &str| {
            let name = name.to_ascii_lowercase();
            name.strip_prefix("application/").map_or_else(|| name.clone(), str::to_owned)
        };
        let is_accepted = match (&self.token_type, given) {
            (None, None) => true,
            (None, Some(given)) => matches!(&*short(given), "jwt" | "at+jwt"),
            (Some(expected), Some(given)) => short(given) == short(expected),
            (Some(_), None) => false,
        };
        if is_accepted {
            return Ok(());
        }
        let given = given.map_or_else(|| "missing".to_owned(), quoted);
        Err(invalid(Fault::Claim, format!("`typ` is {given}")))
    }

    fn check(&self, claims: Map<String, Value>, now: Duration) -> Result<Claims, InvalidToken> {
        // 3.8
        let issuer = claims.get("iss").and_then(Value::as_str);
        if issuer != Some(&*self.issuer) {
            return Err(invalid(Fault::Issuer, format!("`iss` is {}", shown(claims.get("iss")))));
        }
        // 3.9
        let is_for = |audience: &Value| {
            audience.as_str().is_some_and(|audience| self.audiences.iter().any(|own| own == audience))
        };
        let audience = claims.get("aud");
        let is_accepted = match audience {
            Some(Value::Array(all)) => all.iter().all(Value::is_string) && all.iter().any(is_for),
            Some(one) => is_for(one),
            None => false,
        };
        if !is_accepted {
            return Err(invalid(Fault::Audience, format!("`aud` is {}", shown(audience))));
        }
        let (now, leeway) = (now.as_secs_f64(), self.leeway.as_secs_f64());
        let expires = date(&claims, "exp")?.ok_or_else(|| invalid(Fault::Claim, "`exp` is missing"))?;
        if expires + leeway <= now {
            return Err(invalid(Fault::Expired, format!("expired {:.0} seconds ago", now - expires)));
        }
        for name in ["nbf", "iat"] {
            if let Some(begins) = date(&claims, name)?.filter(|begins| *begins - leeway > now) {
                let cause = format!("`{name}` is {:.0} seconds in the future", begins - now);
                return Err(invalid(Fault::NotYetValid, cause));
            }
        }
        let claims = Claims::new(claims, Duration::from_secs_f64(expires));
        for (name, accepted) in &self.required {
            let found = claims.get(name);
            if !found.is_some_and(|found| has_one_of(found, accepted)) {
                return Err(invalid(Fault::Claim, format!("`{name}` is {}", shown(found))));
            }
        }
        Ok(claims)
    }
}

/// The three parts of a token, decoded.
struct Parts<'t> {
    header: Vec<u8>,
    payload: Vec<u8>,
    signature: Vec<u8>,
    /// What is signed.
    message: &'t [u8],
}

impl<'t> Parts<'t> {
    fn of(token: &'t str) -> Result<Self, InvalidToken> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(invalid(Fault::Malformed, format!("longer than {MAX_TOKEN_BYTES} bytes")));
        }
        let parts: Vec<&str> = token.split('.').collect();
        let &[header, payload, signature] = parts.as_slice() else {
            let cause = match parts.len() {
                5 => "encrypted (JWE): only signed tokens are accepted".to_owned(),
                count => format!("{count} parts instead of 3"),
            };
            return Err(invalid(Fault::Malformed, cause));
        };
        // Without padding, and with exactly one encoding of each value (RFC 7515, section 2).
        let decoded = |name: &str, part: &str| {
            let error = |error| invalid(Fault::Malformed, format!("the {name} is not base64url: {error}"));
            URL_SAFE_NO_PAD.decode(part).map_err(error)
        };
        let message = token.as_bytes().get(..header.len() + 1 + payload.len()).unwrap_or_default();
        Ok(Self {
            header: decoded("header", header)?,
            payload: decoded("payload", payload)?,
            signature: decoded("signature", signature)?,
            message,
        })
    }
}

/// What matters of a token's header. Members that name or contain a key (`jwk`, `jku`, `x5c`, `x5u`) are ignored (3.10).
struct Header {
    algorithm: String,
    key_id: Option<String>,
    token_type: Option<String>,
}

impl Header {
    fn parse(json: &[u8]) -> Result<Self, InvalidToken> {
        let malformed = |cause: String| invalid(Fault::Malformed, cause);
        let header =
            parse_object(json).map_err(|error| malformed(format!("the header is not valid: {error}")))?;
        let text = |name: &str| match header.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(_) => Err(malformed(format!("`{name}` is not a string"))),
        };
        let algorithm = text("alg")?.ok_or_else(|| malformed("`alg` is missing".to_owned()))?;
        // RFC 7515, section 4.1.11: an extension that is not understood must be rejected, and none is. RFC 7797: `b64` is one.
        for extension in ["crit", "b64"] {
            if header.contains_key(extension) {
                return Err(malformed(format!("`{extension}` is not supported")));
            }
        }
        if text("cty")?.is_some_and(|content| content.to_ascii_lowercase().ends_with("jwt")) {
            return Err(malformed("nested: the token contains another token".to_owned()));
        }
        Ok(Self { algorithm, key_id: text("kid")?, token_type: text("typ")? })
    }
}

/// The keys that may have signed the token.
fn select<'k>(
    keys: &'k KeySet,
    id: Option<&str>,
    algorithm: Algorithm,
) -> Result<Vec<&'k VerifyingKey>, InvalidToken> {
    let all = keys.keys();
    let Some(id) = id else {
        let fitting: Vec<_> = all.iter().filter(|key| key.fits(algorithm)).collect();
        // Without an ID the choice must be unambiguous.
        return match fitting.len() {
            1 => Ok(fitting),
            0 => Err(invalid(Fault::UnknownKey, format!("no `kid`, and no key for {algorithm}"))),
            count => Err(invalid(Fault::UnknownKey, format!("no `kid`, and {count} keys for {algorithm}"))),
        };
    };
    let named: Vec<_> = all.iter().filter(|key| key.id.as_deref() == Some(id)).collect();
    if named.is_empty() {
        return Err(invalid(Fault::UnknownKey, format!("no key has the `kid` {}", quoted(id))));
    }
    let fitting: Vec<_> = named.into_iter().filter(|key| key.fits(algorithm)).collect();
    if fitting.is_empty() {
        let cause = format!("the key {} is not for {algorithm}", quoted(id));
        return Err(invalid(Fault::Algorithm, cause));
    }
    Ok(fitting)
}

/// A date in seconds since 1970, which may have a fraction (RFC 7519, section 2).
fn date(claims: &Map<String, Value>, name: &str) -> Result<Option<f64>, InvalidToken> {
    let Some(value) = claims.get(name) else { return Ok(None) };
    match value.as_f64().filter(|seconds| (0.0..=MAX_DATE).contains(seconds)) {
        Some(seconds) => Ok(Some(seconds)),
        None => Err(invalid(Fault::Claim, format!("`{name}` is not a date: {}", shown(Some(value))))),
    }
}

/// Whether a claim is one of these texts, or a list with one of them.
fn has_one_of(found: &Value, accepted: &[String]) -> bool {
    let is_accepted = |value: &Value| match value {
        Value::String(text) => accepted.iter().any(|accepted| accepted == text),
        Value::Bool(_) | Value::Number(_) => accepted.contains(&value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => false,
    };
    match found {
        Value::Array(items) => items.iter().any(is_accepted),
        value => is_accepted(value),
    }
}

fn invalid(fault: Fault, cause: impl Into<String>) -> InvalidToken {
    InvalidToken { fault, cause: cause.into() }
}

/// A text of the token as a log may show it.
fn quoted(text: &str) -> String {
    const LONGEST: usize = 64;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{:?}…", text.get(..end).unwrap_or_default()),
        None => format!("{text:?}"),
    }
}

/// A claim as a log may show it.
fn shown(value: Option<&Value>) -> String {
    match value {
        None => "missing".to_owned(),
        Some(Value::String(text)) => quoted(text),
        Some(Value::Array(items)) => match items.as_slice() {
            [one] => format!("[{}]", shown(Some(one))),
            items => format!("a list of {} values", items.len()),
        },
        Some(Value::Object(_)) => "an object".to_owned(),
        Some(other) => other.to_string(),
    }
}
