//! Cross-origin requests (Fetch standard, section 3.3): preflights, and the headers that let a script read responses, errors
//! above all.
//!
//! A preflight is answered before authentication, since it carries no key. It checks the origin only: whether the request
//! itself is allowed is answered in the contract, where the script's author can read it.

use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode};

use crate::settings::{Cors, Origins};

/// The value of `Access-Control-Allow-Origin`, if the request's origin may read the response.
pub(crate) fn allowed_origin(cors: &Cors, headers: &HeaderMap) -> Option<HeaderValue> {
    let origin = headers.get(ORIGIN)?;
    match &cors.origins {
        // The loader rejects the wildcard together with credentials, where browsers ignore it.
        Origins::Any => Some(HeaderValue::from_static("*")),
        Origins::These(known) => known.iter().find(|known| *known == origin).cloned(),
    }
}

/// The response to a preflight; `None` for any other request.
pub(crate) fn preflight(cors: &Cors, method: &Method, headers: &HeaderMap) -> Option<Response<()>> {
    let method_requested = headers.get(ACCESS_CONTROL_REQUEST_METHOD)?;
    if method != Method::OPTIONS || !headers.contains_key(ORIGIN) {
        return None;
    }
    let mut response = Response::new(());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let allowed = response.headers_mut();
    allowed.insert(VARY, HeaderValue::from_static("origin, access-control-request-headers"));
    // For other origins the headers are missing, which tells the browser.
    if allowed_origin(cors, headers).is_some() {
        allowed.insert(ACCESS_CONTROL_ALLOW_METHODS, method_requested.clone());
        let names = match &cors.fields {
            Some(names) => Some(names),
            None => headers.get(ACCESS_CONTROL_REQUEST_HEADERS),
        };
        if let Some(names) = names {
            allowed.insert(ACCESS_CONTROL_ALLOW_HEADERS, names.clone());
        }
        allowed.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from(cors.max_age.as_secs()));
    }
    Some(response)
}

/// Lets the origin read a response and these headers of it. The upstream's own CORS headers are replaced: browsers reject
/// duplicates.
pub(crate) fn expose(
    cors: &Cors,
    origin: Option<&HeaderValue>,
    exposed: &HeaderValue,
    headers: &mut HeaderMap,
) {
    for name in UPSTREAM_CORS {
        headers.remove(name);
    }
    if let Origins::These(_) = cors.origins
        && !varies_by_origin(headers)
    {
        headers.append(VARY, HeaderValue::from_static("origin"));
    }
    let Some(origin) = origin else { return };
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
    headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, exposed.clone());
    if cors.credentials {
        headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
    }
}

const UPSTREAM_CORS: [HeaderName; 3] =
    [ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_ALLOW_CREDENTIALS];

fn varies_by_origin(headers: &HeaderMap) -> bool {
    let lines = headers.get_all(VARY).iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).any(|name| matches!(name.trim(), "*" | "origin" | "Origin"))
}
