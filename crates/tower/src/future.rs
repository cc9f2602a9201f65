//! [`ResponseFuture`], and what is in it for a forwarded request: the call of the service, whose response goes to the engine.

use std::convert::Infallible;
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use axum_core::BoxError;
use bytes::Bytes;
use demur_engine::{
    BodyErrorSlot, InFlight, Panic, RequestRecord, ResponseBody, ResponseOutcome, UpstreamFault, catch_panic,
    catch_panic_async, is_failure,
};
use futures_core::future::FusedFuture;
use http::{Request, Response};
use http_body::Body;
use pin_project_lite::pin_project;
use tower_service::Service;

use crate::body::{LimitedBody, ServiceBody};
use crate::{error, rejection};

/// The response of the layer.
type LayerResponse<R> = Response<ResponseBody<ServiceBody<R>>>;
type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;
type ServiceResult<R> = Result<Response<ServiceBody<R>>, UpstreamFault>;

pin_project! {
    /// A request that the service is handling. Written by hand, because an `async` block would hold the states of this
    /// future at the same time instead of one after the other, for every request.
    struct ServiceCall<F, R> {
        // The future of the service.
        #[pin]
        service_call: Option<F>,
        in_flight: Option<InFlight>,
        body_errors: BodyErrorSlot,
        // The settlement of a response that the engine has to inspect first.
        settling: Option<BoxFuture<(LayerResponse<R>, RequestRecord)>>,
    }
}

/// What [`ResponseFuture`] waits for.
type LayerFuture<R> = BoxFuture<Result<LayerResponse<R>, Infallible>>;

/// The response of the layer, later. Fused: after the response it is pending for ever, and holds nothing any more.
pub struct ResponseFuture<R> {
    /// `None` after the response.
    inner: Option<LayerFuture<R>>,
}

impl<R> ResponseFuture<R> {
    pub(crate) fn new(inner: LayerFuture<R>) -> Self {
        Self { inner: Some(inner) }
    }
}

impl<R> Future for ResponseFuture<R> {
    type Output = Result<LayerResponse<R>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(inner) = &mut self.inner else { return Poll::Pending };
        let response = ready!(inner.as_mut().poll(context));
        self.inner = None;
        Poll::Ready(response)
    }
}

impl<R> FusedFuture for ResponseFuture<R> {
    fn is_terminated(&self) -> bool {
        self.inner.is_none()
    }
}

impl<R> fmt::Debug for ResponseFuture<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").field("is_terminated", &self.inner.is_none()).finish_non_exhaustive()
    }
}

/// Why the service cannot be called.
pub(crate) enum NotReady {
    Failed(BoxError),
    Panicked(Panic),
}

/// Answers for a service that failed before it was called.
pub(crate) fn forward_to_failed<R>(in_flight: InFlight, failure: NotReady) -> LayerFuture<R>
where
    R: Body<Data = Bytes> + Unpin + Send + 'static,
{
    let result = match failure {
        NotReady::Failed(error) => {
            catch_panic(|| error::classify(&*error)).unwrap_or_else(|panic| Err(panic.into()))
        }
        NotReady::Panicked(panic) => Err(panic.into()),
    };
    respond_without_service(in_flight, result)
}

/// Calls the service, which the layer has found ready. A caller that never asked `poll_ready` of the layer waits here.
pub(crate) fn forward<S, B, R>(
    mut service: S,
    request: Request<LimitedBody<B>>,
    in_flight: InFlight,
) -> LayerFuture<R>
where
    S: Service<Request<LimitedBody<B>>, Response = Response<R>> + Send + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send,
    B: Body<Data = Bytes> + Unpin + Send + 'static,
    B::Error: Into<BoxError>,
    R: Body<Data = Bytes> + Unpin + Send + 'static,
{
    let mut response_future = ServiceCall {
        service_call: None,
        in_flight: None,
        body_errors: BodyErrorSlot::default(),
        settling: None,
    };
    // The request is borrowed and the future stored in place: moving them through `catch_panic` would copy both.
    let mut pending = Some(request);
    let called = catch_panic(|| {
        if let Some(request) = &mut pending {
            response_future.body_errors = request.body_mut().track_errors();
        }
        match service.poll_ready(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Ok(())) => {
                if let Some(request) = pending.take() {
                    response_future.service_call = Some(service.call(request));
                }
                None
            }
            Poll::Ready(Err(error)) => Some(error::classify(&*error.into())),
            Poll::Pending => None,
        }
    });
    match (called, pending) {
        (Ok(None), None) => {
            response_future.in_flight = Some(in_flight);
            Box::pin(response_future)
        }
        (Ok(None), Some(request)) => {
            let (in_flight, body_errors) = (Some(in_flight), response_future.body_errors);
            let service_call = Some(Box::pin(when_ready(service, request)));
            Box::pin(ServiceCall { service_call, in_flight, body_errors, settling: None })
        }
        (Ok(Some(result)), _) => respond_without_service(in_flight, result),
        (Err(panic), _) => respond_without_service(in_flight, Err(panic.into())),
    }
}

/// Ends a request without a call to the service.
fn respond_without_service<R>(in_flight: InFlight, result: ServiceResult<R>) -> LayerFuture<R>
where
    R: Body<Data = Bytes> + Unpin + Send + 'static,
{
    match in_flight.on_response(result) {
        ResponseOutcome::Done(response, record) => done(response, record),
        ResponseOutcome::Waiting(waiting) => Box::pin(async move {
            let (mut response, record) = waiting.resume().await;
            attach_record(&mut response, record);
            Ok(response)
        }),
    }
}

/// A future that is ready with this response.
pub(crate) fn done<R: Send + 'static>(
    mut response: LayerResponse<R>,
    record: RequestRecord,
) -> LayerFuture<R> {
    attach_record(&mut response, record);
    Box::pin(std::future::ready(Ok(response)))
}

async fn when_ready<S: Service<Q>, Q>(mut service: S, request: Q) -> Result<S::Response, S::Error> {
    poll_fn(|context| service.poll_ready(context)).await?;
    service.call(request).await
}

impl<F, R, E> Future for ServiceCall<F, R>
where
    F: Future<Output = Result<Response<R>, E>>,
    E: Into<BoxError>,
    R: Body<Data = Bytes> + Unpin + Send + 'static,
{
    type Output = Result<LayerResponse<R>, Infallible>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        if let Some(service_call) = this.service_call.as_mut().as_pin_mut() {
            let result = match catch_panic(|| service_call.poll(context)) {
                Ok(polled) => Ok(ready!(polled)),
                Err(panic) => Err(panic),
            };
            this.service_call.set(None);
            // Always present while the service future is.
            let Some(in_flight) = this.in_flight.take() else { return Poll::Pending };
            let is_monitored = in_flight.observes();
            let outcome = match result {
                Ok(Ok(response)) if is_failure(response.status()) && !is_monitored => {
                    let settlement = on_error_response(in_flight, response, this.body_errors.clone());
                    *this.settling = Some(Box::pin(settlement));
                    return poll_settling(this.settling, context);
                }
                Ok(Ok(response)) => in_flight.on_response(Ok(response.map(ServiceBody::service))),
                Ok(Err(error)) => {
                    let result = catch_panic(|| error::classify(&*error.into()));
                    in_flight.on_response(result.unwrap_or_else(|panic| Err(panic.into())))
                }
                Err(panic) => in_flight.on_response(Err(panic.into())),
            };
            match outcome {
                ResponseOutcome::Done(mut response, record) => {
                    attach_record(&mut response, record);
                    return Poll::Ready(Ok(response));
                }
                ResponseOutcome::Waiting(waiting) => *this.settling = Some(Box::pin(waiting.resume())),
            }
        }
        poll_settling(this.settling, context)
    }
}

fn poll_settling<R>(
    settling: &mut Option<BoxFuture<(LayerResponse<R>, RequestRecord)>>,
    context: &mut Context<'_>,
) -> Poll<Result<LayerResponse<R>, Infallible>> {
    // Polled again after completion.
    let Some(waiting) = settling else { return Poll::Pending };
    let (mut response, record) = ready!(waiting.as_mut().poll(context));
    *settling = None;
    attach_record(&mut response, record);
    Poll::Ready(Ok(response))
}

/// Adds the record to the extensions of the response, if it has anything to report.
fn attach_record<R>(response: &mut LayerResponse<R>, record: RequestRecord) {
    if record.is_notable() {
        response.extensions_mut().insert(Arc::new(record));
    }
}

/// Passes an error response of the service to the engine, with its condition if it is known.
async fn on_error_response<R>(
    in_flight: InFlight,
    response: Response<R>,
    body_errors: BodyErrorSlot,
) -> (LayerResponse<R>, RequestRecord)
where
    R: Body<Data = Bytes> + Unpin + Send + 'static,
{
    let result = match body_errors.fault() {
        // The service could not read the request body, and the reason is known here.
        Some(error) => Err(UpstreamFault::Body(error)),
        None => match catch_panic_async(pin!(rejection::classify(response))).await {
            Ok(response) => Ok(response),
            Err(panic) => Err(panic.into()),
        },
    };
    settle(in_flight, result).await
}

async fn settle<R>(in_flight: InFlight, result: ServiceResult<R>) -> (LayerResponse<R>, RequestRecord)
where
    R: Body<Data = Bytes> + Unpin,
{
    match in_flight.on_response(result) {
        ResponseOutcome::Done(response, record) => (response, record),
        ResponseOutcome::Waiting(settling) => settling.resume().await,
    }
}
