//! One request that the engine lets pass, on its way through the service.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use axum_core::BoxError;
use bytes::Bytes;
use demur_engine::{
    BodyErrorSlot, InFlight, RequestRecord, ResponseBody, ResponseOutcome, UpstreamFault, catch_panic,
    catch_panic_async, is_failure,
};
use http::{Request, Response};
use http_body::Body;
use pin_project_lite::pin_project;
use tower_service::Service;

use crate::body::{RequestContent, ServiceBody};
use crate::{error, rejection};

/// What a layer's service answers with.
type LayerResponse<R> = Response<ResponseBody<ServiceBody<R>>>;
type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;
type SentRequest<R> = Result<Response<ServiceBody<R>>, UpstreamFault>;

pin_project! {
    /// A request that is with the service. Written by hand: every request makes one, and an `async` block would hold
    /// side by side what this holds one after the other.
    struct ResponseFuture<F, R> {
        // What the service will answer.
        #[pin]
        answering: Option<F>,
        passage: Option<InFlight>,
        faulted: BodyErrorSlot,
        // What it answered, where that must be looked into first.
        settling: Option<Boxed<(LayerResponse<R>, RequestRecord)>>,
    }
}

/// What becomes of a request in a layer.
pub(crate) type Served<R> = Boxed<Result<LayerResponse<R>, Infallible>>;

/// Asks the service, at once if it is ready.
///
/// It is asked through a clone, ready or not: this one must not take up room that it may never use.
pub(crate) fn forward<S, B, R>(
    service: &S,
    request: Request<RequestContent<B>>,
    passage: InFlight,
) -> Served<R>
where
    S: Service<Request<RequestContent<B>>, Response = Response<R>> + Clone + Send + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send,
    B: Body<Data = Bytes> + Unpin + Send + 'static,
    B::Error: Into<BoxError>,
    R: Body<Data = Bytes> + Unpin + Send + 'static,
{
    let mut service = service.clone();
    let mut serving =
        ResponseFuture { answering: None, passage: None, faulted: BodyErrorSlot::default(), settling: None };
    // The request is lent, and the future put where it stays: what catches panics would copy both some times.
    let mut asking = Some(request);
    let asked = catch_panic(|| {
        if let Some(request) = &mut asking {
            serving.faulted = request.body_mut().track_errors();
        }
        match service.poll_ready(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Ok(())) => {
                if let Some(request) = asking.take() {
                    serving.answering = Some(service.call(request));
                }
                None
            }
            Poll::Ready(Err(error)) => Some(error::answer(&*error.into())),
            Poll::Pending => None,
        }
    });
    match (asked, asking) {
        (Ok(None), None) => {
            serving.passage = Some(passage);
            Box::pin(serving)
        }
        (Ok(None), Some(request)) => {
            let (passage, faulted) = (Some(passage), serving.faulted);
            let answering = Some(Box::pin(when_ready(service, request)));
            Box::pin(ResponseFuture { answering, passage, faulted, settling: None })
        }
        (Ok(Some(answer)), _) => without(passage, answer),
        (Err(panicked), _) => without(passage, Err(panicked.into())),
    }
}

/// The service was not asked, and this is what became of the request instead.
fn without<R>(passage: InFlight, answer: SentRequest<R>) -> Served<R>
where
    R: Body<Data = Bytes> + Unpin + Send + 'static,
{
    match passage.on_response(answer) {
        ResponseOutcome::Done(response, record) => done(response, record),
        ResponseOutcome::Waiting(waiting) => Box::pin(async move {
            let (mut response, record) = waiting.resume().await;
            attach_record(&mut response, record);
            Ok(response)
        }),
    }
}

/// There is an answer already.
pub(crate) fn done<R: Send + 'static>(mut response: LayerResponse<R>, record: RequestRecord) -> Served<R> {
    attach_record(&mut response, record);
    Box::pin(std::future::ready(Ok(response)))
}

async fn when_ready<S: Service<Q>, Q>(mut service: S, request: Q) -> Result<S::Response, S::Error> {
    poll_fn(|context| service.poll_ready(context)).await?;
    service.call(request).await
}

impl<F, R, E> Future for ResponseFuture<F, R>
where
    F: Future<Output = Result<Response<R>, E>>,
    E: Into<BoxError>,
    R: Body<Data = Bytes> + Unpin + Send + 'static,
{
    type Output = Result<LayerResponse<R>, Infallible>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        if let Some(answering) = this.answering.as_mut().as_pin_mut() {
            let answer = match catch_panic(|| answering.poll(context)) {
                Ok(polled) => Ok(ready!(polled)),
                Err(panicked) => Err(panicked),
            };
            this.answering.set(None);
            // It is there for as long as the service answers.
            let Some(passage) = this.passage.take() else { return Poll::Pending };
            let observes = passage.observes();
            let settled = match answer {
                Ok(Ok(response)) if is_failure(response.status()) && !observes => {
                    let failed = failed(passage, response, this.faulted.clone());
                    *this.settling = Some(Box::pin(failed));
                    return settling(this.settling, context);
                }
                Ok(Ok(response)) => passage.on_response(Ok(response.map(ServiceBody::service))),
                Ok(Err(error)) => {
                    let answer = catch_panic(|| error::answer(&*error.into()));
                    passage.on_response(answer.unwrap_or_else(|panicked| Err(panicked.into())))
                }
                Err(panicked) => passage.on_response(Err(panicked.into())),
            };
            match settled {
                ResponseOutcome::Done(mut response, record) => {
                    attach_record(&mut response, record);
                    return Poll::Ready(Ok(response));
                }
                ResponseOutcome::Waiting(waiting) => *this.settling = Some(Box::pin(waiting.resume())),
            }
        }
        settling(this.settling, context)
    }
}

fn settling<R>(
    settling: &mut Option<Boxed<(LayerResponse<R>, RequestRecord)>>,
    context: &mut Context<'_>,
) -> Poll<Result<LayerResponse<R>, Infallible>> {
    // Whoever asks again after the end gets nothing more.
    let Some(waiting) = settling else { return Poll::Pending };
    let (mut response, record) = ready!(waiting.as_mut().poll(context));
    *settling = None;
    attach_record(&mut response, record);
    Poll::Ready(Ok(response))
}

/// Puts the record among the response's extensions where there is something to say.
fn attach_record<R>(response: &mut LayerResponse<R>, record: RequestRecord) {
    if record.is_notable() {
        response.extensions_mut().insert(Arc::new(record));
    }
}

/// The service's failure as the engine takes it.
async fn failed<R>(
    passage: InFlight,
    response: Response<R>,
    faulted: BodyErrorSlot,
) -> (LayerResponse<R>, RequestRecord)
where
    R: Body<Data = Bytes> + Unpin + Send + 'static,
{
    let answer = match faulted.fault() {
        // A service whose content could not be read to its end says so in its own way; we know what it was.
        Some(fault) => Err(UpstreamFault::Content(fault)),
        None => match catch_panic_async(pin!(rejection::named(response))).await {
            Ok(named) => Ok(named),
            Err(panicked) => Err(panicked.into()),
        },
    };
    settled(passage, answer).await
}

async fn settled<R>(passage: InFlight, answer: SentRequest<R>) -> (LayerResponse<R>, RequestRecord)
where
    R: Body<Data = Bytes> + Unpin,
{
    match passage.on_response(answer) {
        ResponseOutcome::Done(response, record) => (response, record),
        ResponseOutcome::Waiting(settling) => settling.resume().await,
    }
}
