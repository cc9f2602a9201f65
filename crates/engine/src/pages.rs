//! Pages that are served beside the APIs: rendered before, and found by path and `Accept`.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_LENGTH};
use http::request::Parts;
use http::{HeaderValue, Method, Response};

/// From the path and the `Accept` of a GET to a page. `None` if there is none: the request is then routed to the APIs.
pub type PageLookup = Arc<dyn Fn(&str, Option<&str>) -> Option<Response<Bytes>> + Send + Sync>;

/// The page for a request. Other methods than GET and HEAD are no requests for a page.
pub(crate) fn page(lookup: &PageLookup, parts: &Parts) -> Option<Response<Option<Bytes>>> {
    if !matches!(parts.method, Method::GET | Method::HEAD) {
        return None;
    }
    let accept = parts.headers.get(ACCEPT).and_then(|value| value.to_str().ok());
    let mut page = lookup(parts.uri.path(), accept)?;
    if parts.method == Method::HEAD {
        let length = HeaderValue::from(page.body().len());
        page.headers_mut().insert(CONTENT_LENGTH, length);
        return Some(page.map(|_| None));
    }
    Some(page.map(Some))
}
