//! Responses that are no errors.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response, StatusCode};
use serde_json::Value as Json;

/// What was changed.
pub(crate) struct Done {
    pub(crate) status: u16,
    /// The body of the response.
    pub(crate) body: Json,
    /// A secret that only this response has, as its member `secret`.
    pub(crate) secret: Option<String>,
}

impl Done {
    pub(crate) fn new(body: Json) -> Self {
        Self { status: 200, body, secret: None }
    }
}

pub(crate) fn json_response(status: u16, body: String) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(body));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
