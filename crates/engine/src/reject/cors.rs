//! Cross-origin requests (Fetch standard, section 3.3): preflights, and the fields that let a script read what
//! it was answered, errors above all.
//!
//! A preflight is answered before authentication, for it carries no key. It says who may ask, not what: what
//! may be asked the contract answers, and the script's author should see that answer.

use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode};

use crate::settings::{Cors, Origins};

/// The origin of a request that may read its answer, as it is told so.
pub(crate) fn allowed_origin(cors: &Cors, headers: &HeaderMap) -> Option<HeaderValue> {
    let origin = headers.get(ORIGIN)?;
    match &cors.origins {
        // With credentials the wildcard means nothing to a browser, so it is refused where it is configured.
        Origins::Any => Some(HeaderValue::from_static("*")),
        Origins::These(known) => known.iter().find(|known| *known == origin).cloned(),
    }
}

/// The answer to a preflight; `None` for any other request.
pub(crate) fn preflight(cors: &Cors, method: &Method, headers: &HeaderMap) -> Option<Response<()>> {
    let asked = headers.get(ACCESS_CONTROL_REQUEST_METHOD)?;
    if method != Method::OPTIONS || !headers.contains_key(ORIGIN) {
        return None;
    }
    let mut response = Response::new(());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let told = response.headers_mut();
    told.insert(VARY, HeaderValue::from_static("origin, access-control-request-headers"));
    // An origin that may not ask is told nothing, which is how a browser learns it.
    if allowed_origin(cors, headers).is_some() {
        told.insert(ACCESS_CONTROL_ALLOW_METHODS, asked.clone());
        let fields = match &cors.fields {
            Some(fields) => Some(fields),
            None => headers.get(ACCESS_CONTROL_REQUEST_HEADERS),
        };
        if let Some(fields) = fields {
            told.insert(ACCESS_CONTROL_ALLOW_HEADERS, fields.clone());
        }
        told.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from(cors.max_age.as_secs()));
    }
    Some(response)
}

/// Lets the origin read an answer and these fields of it. What the service behind said of it is replaced: of
/// two answers a browser takes neither.
pub(crate) fn expose(
    cors: &Cors,
    origin: Option<&HeaderValue>,
    fields: &HeaderValue,
    headers: &mut HeaderMap,
) {
    for name in UPSTREAMS {
        headers.remove(name);
    }
    if let Origins::These(_) = cors.origins
        && !varies_by_origin(headers)
    {
        headers.append(VARY, HeaderValue::from_static("origin"));
    }
    let Some(origin) = origin else { return };
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
    headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, fields.clone());
    if cors.credentials {
        headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
    }
}

const UPSTREAMS: [HeaderName; 3] =
    [ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_ALLOW_CREDENTIALS];

fn varies_by_origin(headers: &HeaderMap) -> bool {
    let lines = headers.get_all(VARY).iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).any(|name| matches!(name.trim(), "*" | "origin" | "Origin"))
}
