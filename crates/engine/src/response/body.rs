//! Response bodies on their way to the client. The end of a body settles its request.

use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH};
use http::{Response, StatusCode};
use http_body::{Body, Frame, SizeHint};

use crate::request::context::RequestContext;
use crate::request::upstream_headers;
use crate::response::event_stream::{EventStreamErrors, Redacted, is_event_stream};
use crate::response::settlement::{BodyEnd, PendingSettlement};
use crate::response::validation::PeekedBody;

/// The body of a response: the gateway's own, or the upstream's passing through.
#[derive(Debug)]
pub enum ResponseBody<R> {
    /// The gateway's own, in one piece. `None` if it is empty or was taken.
    Whole(Option<Bytes>),
    /// The upstream's, of a request that is settled.
    Plain(PeekedBody<R>),
    /// The upstream's, of a request that is settled at its end. Boxed: a server reserves room for a response while its
    /// connection is idle, and a response is moved several times before it is sent.
    Settling(Box<SettlingBody<R>>),
    /// An event stream of the upstream's, whose error events are redacted.
    Stream(Box<Redacted<ResponseBody<R>>>),
}

/// An upstream's body that settles its request by the operation's rules: at its end, on an error (the upstream has failed),
/// or when it is dropped before (the client has gone). Dropping it releases the concurrency slot.
#[derive(Debug)]
pub struct SettlingBody<R> {
    body: PeekedBody<R>,
    settlement: PendingSettlement,
}

impl<R> ResponseBody<R> {
    pub(crate) fn settling(body: PeekedBody<R>, settlement: PendingSettlement) -> Self {
        match settlement.is_settled() {
            true => ResponseBody::Plain(body),
            false => ResponseBody::Settling(Box::new(SettlingBody { body, settlement })),
        }
    }
}

impl<R> Body for ResponseBody<R>
where
    R: Body<Data = Bytes> + Unpin,
{
    type Data = Bytes;
    type Error = R::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, R::Error>>> {
        match &mut *self {
            ResponseBody::Whole(body) => Poll::Ready(body.take().map(|bytes| Ok(Frame::data(bytes)))),
            ResponseBody::Plain(body) => {
                let mut frame = ready!(Pin::new(body).poll_frame(cx));
                if let Some(Ok(frame)) = &mut frame {
                    strip_trailers(frame);
                }
                Poll::Ready(frame)
            }
            ResponseBody::Settling(settling) => {
                let SettlingBody { body, settlement } = &mut **settling;
                let mut frame = ready!(Pin::new(&mut *body).poll_frame(cx));
                match &mut frame {
                    None => settlement.settle(BodyEnd::Complete),
                    Some(Err(_)) => settlement.settle(BodyEnd::UpstreamAborted),
                    // Trailers are the last frame, and nobody polls for another one.
                    Some(Ok(frame)) => {
                        if let Some(data) = frame.data_ref() {
                            settlement.on_data(data);
                        }
                        match frame.trailers_mut() {
                            Some(trailers) => {
                                settlement.on_trailers(trailers);
                                settlement.settle(BodyEnd::Complete);
                                strip_trailers(frame);
                            }
                            None if body.is_end_stream() => settlement.settle(BodyEnd::Complete),
                            None => {}
                        }
                    }
                }
                Poll::Ready(frame)
            }
            ResponseBody::Stream(stream) => stream.poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            ResponseBody::Whole(body) => body.is_none(),
            ResponseBody::Plain(body) => body.is_end_stream(),
            ResponseBody::Settling(settling) => settling.body.is_end_stream(),
            ResponseBody::Stream(stream) => stream.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            ResponseBody::Whole(body) => {
                SizeHint::with_exact(body.as_ref().map_or(0, |bytes| bytes.len() as u64))
            }
            ResponseBody::Plain(body) => body.size_hint(),
            ResponseBody::Settling(settling) => settling.body.size_hint(),
            ResponseBody::Stream(_) => SizeHint::default(),
        }
    }
}

/// Removes trailers that only the gateway may set.
fn strip_trailers(frame: &mut Frame<Bytes>) {
    if let Some(trailers) = frame.trailers_mut() {
        upstream_headers::strip_hop_by_hop(trailers);
    }
}

/// Redacts the error events of an event stream, if the API's settings say so.
pub(crate) fn redact_event_stream<R>(
    context: &mut RequestContext,
    response: Response<ResponseBody<R>>,
) -> Response<ResponseBody<R>>
where
    R: Body<Data = Bytes> + Unpin,
{
    let is_stream = is_event_stream(response.headers())
        && response.status() != StatusCode::SWITCHING_PROTOCOLS
        && !response.body().is_end_stream();
    let redacts = context.api().is_some_and(|api| {
        api.settings.event_stream_errors == EventStreamErrors::Redact && !api.settings.monitor
    });
    if !is_stream || !redacts {
        return response;
    }
    let codings = response.headers().get_all(CONTENT_ENCODING);
    if codings.iter().any(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity")) {
        context.record.add_note("error events of a compressed event stream cannot be redacted");
        return response;
    }
    let (mut head, body) = response.into_parts();
    // Redaction changes the length.
    head.headers.remove(CONTENT_LENGTH);
    let error = Arc::new(OnceLock::new());
    context.record.set_stream_error(Arc::clone(&error));
    let redactor = Arc::clone(context.engine().redactor());
    let stream = Redacted::new(body, context.stream_failure(), error, redactor);
    Response::from_parts(head, ResponseBody::Stream(Box::new(stream)))
}
