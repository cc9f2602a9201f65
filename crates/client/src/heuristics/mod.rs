//! Reads the common error formats, for responses that no contract matches.
//!
//! In this order: RFC 9457, Kubernetes, `{error: {…}}` (Google, OData and Azure, OpenAI, Stripe), `{error, errors}`,
//! `{error, message}` and OAuth, GraphQL, AWS, `{detail}` (FastAPI, Django REST, SCIM), `{status, code, message,
//! violations}`, JSON:API, errors by field (Rails, Django REST), lists (Salesforce), XML (AWS), text. What the body does not
//! show may be in headers. Only the structure counts, never the wording.

mod formats;
mod found;
mod headers;
mod violations;
mod xml;

use http::HeaderMap;
use http::header::CONTENT_TYPE;
use serde_json::Value as Json;

use found::{MAX_TEXT_CHARS, shortened};

pub(crate) use found::HeuristicMatch;
pub(crate) use headers::REQUEST_IDS;

pub(crate) fn recognize(headers: &HeaderMap, body: &[u8]) -> HeuristicMatch {
    let mut found = match serde_json::from_slice::<Json>(body) {
        Ok(Json::Object(object)) => formats::object(headers, &object),
        Ok(Json::Array(items)) => formats::list(headers, &items).unwrap_or_else(|| plain(headers, body)),
        // `"Not found."` as JSON: the text without its quotation marks.
        Ok(Json::String(text)) => HeuristicMatch { message: shortened(&text), ..HeuristicMatch::default() },
        Ok(_) | Err(_) => xml::error(body).unwrap_or_else(|| plain(headers, body)),
    };
    headers::complete(&mut found, headers);
    found
}

/// A text body, truncated. HTML is never a message.
fn plain(headers: &HeaderMap, body: &[u8]) -> HeuristicMatch {
    let media_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let text = String::from_utf8_lossy(&body[..body.len().min(4 * MAX_TEXT_CHARS)]);
    let text = text.trim();
    if media_type.contains("html") || text.starts_with('<') {
        return HeuristicMatch::default();
    }
    HeuristicMatch { message: shortened(text), ..HeuristicMatch::default() }
}

#[cfg(test)]
mod tests;
