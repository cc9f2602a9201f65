//! What headers say of an error, where the body does not.

use http::HeaderMap;
use http::header::WWW_AUTHENTICATE;

use super::formats::aws_name;
use super::found::HeuristicMatch;

/// The headers that name a request, for the support of an API.
pub(crate) const REQUEST_IDS: [&str; 14] = [
    "x-request-id",
    "request-id",
    "x-ms-request-id",
    "x-amzn-requestid",
    "x-amz-request-id",
    "apigw-requestid",
    "x-goog-request-id",
    "x-guploader-uploadid",
    "x-github-request-id",
    "x-trace-id",
    "x-correlation-id",
    "audit-id",
    "x-vercel-id",
    "cf-ray",
];

/// Adds what headers show: AWS's `X-Amzn-ErrorType`, Azure's `x-ms-error-code`, `X-Error-Code` and `X-Error-Message`, and
/// the parameters of `WWW-Authenticate` (RFC 6750, section 3).
pub(super) fn complete(found: &mut HeuristicMatch, headers: &HeaderMap) {
    let text = |name: &str| {
        let value = headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
        value.filter(|value| !value.is_empty()).map(str::to_owned)
    };
    if found.code.is_none() {
        let aws = || text("x-amzn-errortype").map(|kind| aws_name(&kind).to_owned());
        found.code = aws().or_else(|| text("x-ms-error-code")).or_else(|| text("x-error-code"));
    }
    if found.message.is_empty() {
        found.message = text("x-error-message").unwrap_or_default();
    }
    let Some(challenge) = headers.get(WWW_AUTHENTICATE).and_then(|value| value.to_str().ok()) else { return };
    if found.code.is_none() {
        found.code = parameter(challenge, "error");
    }
    if found.message.is_empty() {
        found.message = parameter(challenge, "error_description").unwrap_or_default();
    }
}

/// The value of a parameter of a challenge: a token or a quoted string.
fn parameter(challenge: &str, name: &str) -> Option<String> {
    let mut rest = challenge;
    loop {
        let at = rest.find('=')?;
        let key = rest[..at].rsplit([' ', ',', '\t']).find(|part| !part.is_empty()).unwrap_or_default();
        let (value, after) = value(rest[at + 1..].trim_start())?;
        if key.eq_ignore_ascii_case(name) {
            return Some(value).filter(|value| !value.is_empty());
        }
        rest = after;
    }
}

fn value(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([',', ' ']).unwrap_or(text.len());
        return Some((text[..end].to_owned(), &text[end..]));
    };
    let mut value = String::new();
    let mut chars = quoted.char_indices();
    while let Some((at, char)) = chars.next() {
        match char {
            '"' => return Some((value, &quoted[at + 1..])),
            '\\' => value.push(chars.next()?.1),
            other => value.push(other),
        }
    }
    None
}
