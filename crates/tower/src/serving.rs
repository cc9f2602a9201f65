//! One request that the engine lets pass, on its way through the service.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use axum_core::BoxError;
use bytes::Bytes;
use demur_engine::{Content, Outgoing, Passage, Record, Settled, UpstreamFault, caught, caught_async};
use http::{Request, Response, StatusCode};
use http_body::Body;
use pin_project_lite::pin_project;
use tower_service::Service;

use crate::content::{Answered, Arriving, Faulted, RequestContent};
use crate::{fault, rejection};

/// What a layer's service answers with.
type Answer<R> = Response<Outgoing<Answered<R>>>;
type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;
type Sent<R> = Result<Response<Answered<R>>, UpstreamFault>;

pin_project! {
    /// A request that is with the service. Written by hand, for it holds one after the other what an `async` block
    /// would hold side by side, and every request makes one.
    #[project = Stage]
    enum Serving<F, R> {
        /// The service answers.
        Answering { #[pin] answering: F, passage: Option<Passage>, faulted: Faulted },
        /// What it answered must be looked into first.
        Settling { settling: Boxed<(Answer<R>, Record)> },
    }
}

/// What becomes of a request in a layer.
pub(crate) type Served<R> = Boxed<Result<Answer<R>, Infallible>>;

/// Asks the service, at once if it is ready.
///
/// It is asked through a clone, ready or not: this one must not take up room that it may never use.
pub(crate) fn forward<S, B, R>(
    service: &S,
    request: Request<Content<Arriving<B>>>,
    passage: Passage,
) -> Served<R>
where
    S: Service<Request<RequestContent<B>>, Response = Response<R>> + Clone + Send + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send,
    B: Body<Data = Bytes> + Unpin + Send + 'static,
    B::Error: Into<BoxError>,
    R: Body<Data = Bytes> + Unpin + Send + 'static,
{
    let faulted = Faulted::of(request.body());
    let request = request.map(|content| RequestContent::new(content, faulted.clone()));
    let mut service = service.clone();
    match caught(|| service.poll_ready(&mut Context::from_waker(Waker::noop()))) {
        Ok(Poll::Ready(Ok(()))) => {}
        Ok(Poll::Ready(Err(error))) => return without(passage, fault::answer(&*error.into())),
        Ok(Poll::Pending) => {
            let answering = Box::pin(when_ready(service, request));
            return Box::pin(Serving::new(answering, passage, faulted));
        }
        Err(panicked) => return without(passage, Err(panicked.into())),
    }
    // The request is lent, and the future put where it is wanted: what catches panics would copy both some times.
    let (mut request, mut answering) = (Some(request), None);
    let called = caught(|| answering = request.take().map(|request| service.call(request)));
    if let Some(answering) = answering {
        return Box::pin(Serving::new(answering, passage, faulted));
    }
    let panicked = called.err().map(UpstreamFault::from);
    without(passage, Err(panicked.unwrap_or(UpstreamFault::Unavailable(String::new()))))
}

/// The service was not asked, and this is what became of the request instead.
fn without<R>(passage: Passage, answer: Sent<R>) -> Served<R>
where
    R: Body<Data = Bytes> + Unpin + Send + 'static,
{
    match passage.answered(answer) {
        Settled::Done(response, record) => done(response, record),
        Settled::Waiting(settling) => Box::pin(async move {
            let (mut response, record) = settling.go_on().await;
            tell(&mut response, record);
            Ok(response)
        }),
    }
}

/// There is an answer already.
pub(crate) fn done<R: Send + 'static>(mut response: Answer<R>, record: Record) -> Served<R> {
    tell(&mut response, record);
    Box::pin(std::future::ready(Ok(response)))
}

async fn when_ready<S: Service<Q>, Q>(mut service: S, request: Q) -> Result<S::Response, S::Error> {
    poll_fn(|context| service.poll_ready(context)).await?;
    service.call(request).await
}

impl<F, R> Serving<F, R> {
    fn new(answering: F, passage: Passage, faulted: Faulted) -> Self {
        Self::Answering { answering, passage: Some(passage), faulted }
    }
}

impl<F, R, E> Future for Serving<F, R>
where
    F: Future<Output = Result<Response<R>, E>>,
    E: Into<BoxError>,
    R: Body<Data = Bytes> + Unpin + Send + 'static,
{
    type Output = Result<Answer<R>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let settling = match self.as_mut().project() {
            Stage::Settling { settling } => {
                let (mut response, record) = ready!(settling.as_mut().poll(context));
                tell(&mut response, record);
                return Poll::Ready(Ok(response));
            }
            Stage::Answering { answering, passage, faulted } => {
                let answer = match caught(|| answering.poll(context)) {
                    Ok(polled) => Ok(ready!(polled)),
                    Err(panicked) => Err(panicked),
                };
                // Whoever asks again after the end gets nothing more.
                let Some(passage) = passage.take() else { return Poll::Pending };
                let observes = passage.observes();
                let settled = match answer {
                    Ok(Ok(response)) if is_failure(response.status()) && !observes => {
                        let settling = Box::pin(failed(passage, response, faulted.clone()));
                        self.set(Self::Settling { settling });
                        return self.poll(context);
                    }
                    Ok(Ok(response)) => passage.answered(Ok(response.map(Answered::service))),
                    Ok(Err(error)) => passage.answered(fault::answer(&*error.into())),
                    Err(panicked) => passage.answered(Err(panicked.into())),
                };
                match settled {
                    Settled::Done(mut response, record) => {
                        tell(&mut response, record);
                        return Poll::Ready(Ok(response));
                    }
                    Settled::Waiting(settling) => Box::pin(settling.go_on()),
                }
            }
        };
        self.set(Self::Settling { settling });
        self.poll(context)
    }
}

/// Puts the record among the response's extensions where there is something to say.
fn tell<R>(response: &mut Answer<R>, record: Record) {
    if record.is_notable() {
        response.extensions_mut().insert(Arc::new(record));
    }
}

fn is_failure(status: StatusCode) -> bool {
    status.is_client_error() || status.is_server_error()
}

/// The service's failure as the engine takes it.
async fn failed<R>(passage: Passage, response: Response<R>, faulted: Faulted) -> (Answer<R>, Record)
where
    R: Body<Data = Bytes> + Unpin + Send + 'static,
{
    let answer = match faulted.fault() {
        // A service whose content could not be read to its end says so in its own way; we know what it was.
        Some(fault) => Err(UpstreamFault::Content(fault)),
        None => match caught_async(pin!(rejection::named(response))).await {
            Ok(named) => Ok(named),
            Err(panicked) => Err(panicked.into()),
        },
    };
    match passage.answered(answer) {
        Settled::Done(response, record) => (response, record),
        Settled::Waiting(settling) => settling.go_on().await,
    }
}
