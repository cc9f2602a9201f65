//! The path of one request: [`Engine::receive`] runs its stages (`request/stages.rs`), the caller forwards it, and
//! [`InFlight::on_response`](crate::InFlight::on_response) makes the response of what the upstream answered.

use std::pin::pin;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;

use crate::api::Api;
use crate::engine::Engine;
use crate::pages;
use crate::panics::{catch_panic, catch_panic_async};
use crate::record::{Check, RequestRecord};
use crate::reject::rejection::Rejection;
use crate::request::body::{BodyError, RequestBody};
use crate::request::context::RequestContext;
use crate::request::info::{MalformedRequest, RequestInfo};
use crate::request::path::SentPath;
use crate::request::pending::{PendingRequest, RequestOutcome};
use crate::request::trace_context::TraceContext;
use crate::response::body::ResponseBody;
use crate::response::in_flight::ResponseOutcome;
use crate::response::upstream_error::UpstreamFault;
use crate::settings::RequestView;

impl Engine {
    /// Serves one request. `forward` makes the future that sends it to the API's upstream; it is called at most once.
    ///
    /// Always returns a response with a request ID, and the record for logs. Error responses are in the contract.
    pub fn serve<B, F, Sent, R>(
        self: &Arc<Self>,
        request: Request<B>,
        info: RequestInfo<'_>,
        forward: F,
    ) -> impl Future<Output = (Response<ResponseBody<R>>, RequestRecord)> + use<B, F, Sent, R>
    where
        B: Body<Data = Bytes, Error = BodyError> + Unpin,
        F: FnOnce(&Arc<Api>, Request<RequestBody<B>>) -> Sent,
        Sent: Future<Output = Result<Response<R>, UpstreamFault>>,
        R: Body<Data = Bytes> + Unpin,
    {
        let mut outcome = self.receive(request, info);
        async move {
            let (request, in_flight) = loop {
                match outcome {
                    RequestOutcome::Forward(request, in_flight) => break (request, in_flight),
                    RequestOutcome::Respond(response, record) => {
                        return (response.map(ResponseBody::Whole), record);
                    }
                    // Boxed, like everything that most requests do not need: the future of each has room for it
                    // otherwise.
                    RequestOutcome::Suspended(suspended) => outcome = Box::pin(suspended.resume()).await,
                }
            };
            let response = match catch_panic(|| forward(in_flight.api(), request)) {
                Ok(sent) => catch_panic_async(pin!(sent)).await,
                Err(panic) => Err(panic),
            };
            match in_flight.on_response(response.unwrap_or_else(|panic| Err(panic.into()))) {
                ResponseOutcome::Done(response, record) => (response, record),
                ResponseOutcome::Waiting(pending) => Box::pin(pending.resume()).await,
            }
        }
    }

    /// The first phase: up to the moment before the request is forwarded, or to its response.
    ///
    /// For callers that run the second phase themselves, with [`InFlight::on_response`](crate::InFlight::on_response);
    /// [`serve`](Self::serve) does both.
    pub fn receive<B>(self: &Arc<Self>, request: Request<B>, info: RequestInfo<'_>) -> RequestOutcome<B>
    where
        B: Body<Data = Bytes, Error = BodyError> + Unpin,
    {
        let mut context = RequestContext::new(self, &info);
        let (parts, body) = request.into_parts();
        context.record.trace = TraceContext::sent(&parts.headers);
        if let (Some(lookup), None) = (self.pages(), &info.rejection)
            && let Some(mut response) = pages::page(lookup, &parts)
        {
            let record = context.finalize(response.headers_mut());
            return RequestOutcome::Respond(response, record);
        }
        let mut request = PendingRequest { context, parts, body: Some(body), lag: info.lag };
        let result = catch_panic(|| {
            // From here on there is one path: the one that is checked is the one that is sent.
            request.context.path = SentPath::canonicalize(&mut request.parts.uri);
            let result = match info.rejection {
                Some(malformed) => Err(self.malformed(&mut request.context, *malformed, info.listener)),
                None => request.stages(self).route(info.listener, info.connection_cache),
            };
            request.prepare_upstream(result, info.peer)
        });
        request.apply(result, info.peer)
    }

    /// Rejects a request that could not be parsed. Its listener, host and path select the contract, as far as they are
    /// known.
    fn malformed(
        &self,
        context: &mut RequestContext,
        malformed: MalformedRequest,
        listener: Option<&str>,
    ) -> Rejection {
        let path = malformed.path.as_deref().unwrap_or_default();
        let host = malformed.host.as_deref();
        if let Some((api, path)) = self.router().find(host, path) {
            context.select_api((api.0, api.1), &RequestView { listener, host, path, headers: None });
        }
        let rejection = Rejection::from(malformed.condition).with_cause(malformed.cause);
        context.rejected(Check::Request, rejection)
    }
}
