//! The operations listener: health and metrics, at an address of its own.
//!
//! It is for probes and for Prometheus: it has no endpoint that changes anything, and shows no secret. It answers to the end
//! of the shutdown.

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderName, X_CONTENT_TYPE_OPTIONS};
use http::request::Parts;
use http::{HeaderValue, Method, Response, StatusCode};
use serde_json::json;

use crate::scrape::ScrapeContext;
use crate::service::HttpService;

/// The content type of the Prometheus text format.
const METRICS_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Health and metrics, as a service.
pub(crate) struct Operations(pub(crate) ScrapeContext);

impl HttpService for Operations {
    fn respond(&self, head: &Parts, _body: &[u8]) -> OperationsResponse {
        respond(&head.method, head.uri.path(), &self.0)
    }

    fn reject(&self, status: StatusCode) -> OperationsResponse {
        plain(status, "invalid request\n")
    }

    fn max_body_bytes(&self) -> usize {
        0
    }

    fn waits(&self) -> bool {
        false
    }
}

type OperationsResponse = Response<Bytes>;

fn respond(method: &Method, path: &str, context: &ScrapeContext) -> OperationsResponse {
    let endpoint: fn(&ScrapeContext) -> OperationsResponse = match path {
        "/health/live" => |_| response(StatusCode::OK, "application/json", "{\"status\":\"live\"}\n"),
        "/health/ready" => ready,
        "/metrics" => metrics,
        _ => return plain(StatusCode::NOT_FOUND, "try /health/live, /health/ready or /metrics\n"),
    };
    if !matches!(*method, Method::GET | Method::HEAD) {
        let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n");
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return response;
    }
    endpoint(context)
}

/// Whether requests should be sent here, and if not, why.
fn ready(context: &ScrapeContext) -> OperationsResponse {
    let reasons = context.not_ready();
    let (status, word) = match reasons.is_empty() {
        true => (StatusCode::OK, "ready"),
        false => (StatusCode::SERVICE_UNAVAILABLE, "not ready"),
    };
    let body = json!({ "status": word, "reasons": reasons, "generation": context.generation() });
    response(status, "application/json", format!("{body}\n"))
}

fn metrics(context: &ScrapeContext) -> OperationsResponse {
    match context.render() {
        Ok(text) => response(StatusCode::OK, METRICS_TYPE, text),
        Err(error) => {
            tracing::error!(%error, "metrics not rendered");
            plain(StatusCode::INTERNAL_SERVER_ERROR, "see the log\n")
        }
    }
}

fn plain(status: StatusCode, text: &'static str) -> OperationsResponse {
    response(status, "text/plain; charset=utf-8", text)
}

fn response(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> OperationsResponse {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    let headers: [(HeaderName, &str); 3] =
        [(CONTENT_TYPE, content_type), (CACHE_CONTROL, "no-store"), (X_CONTENT_TYPE_OPTIONS, "nosniff")];
    for (name, value) in headers {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}
