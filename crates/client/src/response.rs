//! A successful response, whose body has the deadline and the error type of its call.

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, StatusCode, Version};
use http_body::{Body, Frame, SizeHint};
use reqwest::ResponseBuilderExt;
use serde::de::DeserializeOwned;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::error::Error;
use crate::network::{Cause, NetworkError, NetworkKind};

/// A response that is no error. Its body has not been read yet.
///
/// The deadline of the call covers the body too, and whatever is wrong with it is an [`Error`]: a connection that breaks, a
/// deadline that passes, JSON of another type. No error contains the URL, which may have a key in its query.
pub struct Response {
    status: StatusCode,
    version: Version,
    headers: HeaderMap,
    extensions: http::Extensions,
    url: url::Url,
    body: ResponseBody,
}

impl Response {
    /// `deadline`: of the body; `None` if there is none.
    pub(crate) fn new(
        response: reqwest::Response,
        started: Instant,
        deadline: Option<Instant>,
        attempts: u32,
    ) -> Self {
        let url = response.url().clone();
        let (parts, inner) = http::Response::from(response).into_parts();
        let body = ResponseBody { inner, started, deadline, timer: None, attempts, has_failed: false };
        let http::response::Parts { status, version, headers, extensions, .. } = parts;
        Self { status, version, headers, extensions, url, body }
    }

    /// The status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The HTTP version.
    pub fn version(&self) -> Version {
        self.version
    }

    /// The headers.
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// The extensions.
    pub fn extensions(&self) -> &http::Extensions {
        &self.extensions
    }

    /// The URL, after redirects.
    pub fn url(&self) -> &url::Url {
        &self.url
    }

    /// The length of the body, if it is known.
    pub fn content_length(&self) -> Option<u64> {
        self.body.size_hint().exact()
    }

    /// Lifts the deadline of the call from the body, for streams that last longer than a call.
    #[must_use]
    pub fn without_deadline(mut self) -> Self {
        (self.body.deadline, self.body.timer) = (None, None);
        self
    }

    /// The whole body.
    pub async fn bytes(mut self) -> Result<Bytes, Error> {
        let Some(first) = self.chunk().await? else { return Ok(Bytes::new()) };
        let Some(second) = self.chunk().await? else { return Ok(first) };
        let mut body = BytesMut::from(first);
        body.extend_from_slice(&second);
        while let Some(chunk) = self.chunk().await? {
            body.extend_from_slice(&chunk);
        }
        Ok(body.freeze())
    }

    /// The whole body as text, in the charset of its `Content-Type` as `reqwest` knows it.
    pub async fn text(self) -> Result<String, Error> {
        let mut whole = http::Response::new(());
        *whole.headers_mut() = self.headers.clone();
        let body = self.bytes().await?;
        let text = reqwest::Response::from(whole.map(|()| body)).text().await;
        text.map_err(|error| Error::Network(Box::new(NetworkError::from(error))))
    }

    /// The whole body as JSON. A body that is no JSON of this type is a [`NetworkKind::Decode`].
    pub async fn json<T: DeserializeOwned>(self) -> Result<T, Error> {
        let (started, attempts) = (self.body.started, self.body.attempts);
        let body = self.bytes().await?;
        serde_json::from_slice(&body).map_err(|error| {
            let cause = Some(Cause::Json(error));
            let elapsed = started.elapsed();
            let error = NetworkError { cause, elapsed, attempts, ..NetworkError::new(NetworkKind::Decode) };
            Error::Network(Box::new(error))
        })
    }

    /// The next part of the body; `None` at its end.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, Error> {
        loop {
            let body = &mut self.body;
            let Some(frame) = poll_fn(|context| Pin::new(&mut *body).poll_frame(context)).await else {
                return Ok(None);
            };
            // Trailers are skipped.
            if let Ok(data) = frame?.into_data() {
                return Ok(Some(data));
            }
        }
    }

    /// The body, to be read as a [`Body`].
    pub fn into_body(self) -> ResponseBody {
        self.body
    }

    /// The response for code that expects one of `reqwest`. The deadline still covers the body; the source of an error while
    /// reading it is an [`Error`].
    pub fn into_reqwest(self) -> reqwest::Response {
        let mut response = http::Response::builder().url(self.url).body(reqwest::Body::wrap(self.body));
        if let Ok(response) = &mut response {
            (*response.status_mut(), *response.version_mut()) = (self.status, self.version);
            *response.headers_mut() = self.headers;
            response.extensions_mut().extend(self.extensions);
        }
        // A URL is the only part that was built, and always fits.
        response.unwrap_or_else(|_| http::Response::new(reqwest::Body::default())).into()
    }
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Response").field("status", &self.status).finish_non_exhaustive()
    }
}

/// The body of a [`Response`].
pub struct ResponseBody {
    inner: reqwest::Body,
    started: Instant,
    deadline: Option<Instant>,
    /// Made when the body is read.
    timer: Option<Pin<Box<Sleep>>>,
    attempts: u32,
    has_failed: bool,
}

impl ResponseBody {
    fn failed(&mut self, error: NetworkError) -> Error {
        self.has_failed = true;
        let (attempts, elapsed) = (self.attempts, self.started.elapsed());
        Error::Network(Box::new(NetworkError { attempts, elapsed, ..error }))
    }

    fn poll_deadline(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let Some(deadline) = self.deadline else { return Poll::Pending };
        self.timer.get_or_insert_with(|| Box::pin(sleep_until(deadline))).as_mut().poll(context)
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        if self.has_failed {
            return Poll::Ready(None);
        }
        // Checked first: a body that never stops would be ready for ever.
        if self.poll_deadline(context).is_ready() {
            let error = self.failed(NetworkError::new(NetworkKind::Deadline));
            return Poll::Ready(Some(Err(error)));
        }
        if let Poll::Ready(frame) = Pin::new(&mut self.inner).poll_frame(context) {
            let read = frame.map(|frame| frame.map_err(|error| self.failed(NetworkError::of_body(error))));
            return Poll::Ready(read);
        }
        Poll::Pending
    }

    fn is_end_stream(&self) -> bool {
        self.has_failed || self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl fmt::Debug for ResponseBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseBody").finish_non_exhaustive()
    }
}
