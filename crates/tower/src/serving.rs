//! One request that the engine lets pass, on its way through the service.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use axum_core::BoxError;
use bytes::Bytes;
use demur_engine::{Faulted, Outgoing, Passage, Record, Settled, UpstreamFault, caught, caught_async};
use http::{Request, Response, StatusCode};
use http_body::Body;
use pin_project_lite::pin_project;
use tower_service::Service;

use crate::content::{Answered, RequestContent};
use crate::{fault, rejection};

/// What a layer's service answers with.
type Answer<R> = Response<Outgoing<Answered<R>>>;
type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;
type Sent<R> = Result<Response<Answered<R>>, UpstreamFault>;

pin_project! {
    /// A request that is with the service. Written by hand: every request makes one, and an `async` block would hold
    /// side by side what this holds one after the other.
    struct Serving<F, R> {
        // What the service will answer.
        #[pin]
        answering: Option<F>,
        passage: Option<Passage>,
        faulted: Faulted,
        // What it answered, where that must be looked into first.
        settling: Option<Boxed<(Answer<R>, Record)>>,
    }
}

/// What becomes of a request in a layer.
pub(crate) type Served<R> = Boxed<Result<Answer<R>, Infallible>>;

/// Asks the service, at once if it is ready.
///
/// It is asked through a clone, ready or not: this one must not take up room that it may never use.
pub(crate) fn forward<S, B, R>(
    service: &S,
    request: Request<RequestContent<B>>,
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
    let mut service = service.clone();
    let mut serving = Serving { answering: None, passage: None, faulted: Faulted::default(), settling: None };
    // The request is lent, and the future put where it stays: what catches panics would copy both some times.
    let mut asking = Some(request);
    let asked = caught(|| {
        if let Some(request) = &mut asking {
            serving.faulted = request.body_mut().noted();
        }
        match service.poll_ready(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Ok(())) => {
                if let Some(request) = asking.take() {
                    serving.answering = Some(service.call(request));
                }
                None
            }
            Poll::Ready(Err(error)) => Some(fault::answer(&*error.into())),
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
            Box::pin(Serving { answering, passage, faulted, settling: None })
        }
        (Ok(Some(answer)), _) => without(passage, answer),
        (Err(panicked), _) => without(passage, Err(panicked.into())),
    }
}

/// The service was not asked, and this is what became of the request instead.
fn without<R>(passage: Passage, answer: Sent<R>) -> Served<R>
where
    R: Body<Data = Bytes> + Unpin + Send + 'static,
{
    match passage.answered(answer) {
        Settled::Done(response, record) => done(response, record),
        Settled::Waiting(waiting) => Box::pin(async move {
            let (mut response, record) = waiting.go_on().await;
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

impl<F, R, E> Future for Serving<F, R>
where
    F: Future<Output = Result<Response<R>, E>>,
    E: Into<BoxError>,
    R: Body<Data = Bytes> + Unpin + Send + 'static,
{
    type Output = Result<Answer<R>, Infallible>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        if let Some(answering) = this.answering.as_mut().as_pin_mut() {
            let answer = match caught(|| answering.poll(context)) {
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
                Ok(Ok(response)) => passage.answered(Ok(response.map(Answered::service))),
                Ok(Err(error)) => {
                    let answer = caught(|| fault::answer(&*error.into()));
                    passage.answered(answer.unwrap_or_else(|panicked| Err(panicked.into())))
                }
                Err(panicked) => passage.answered(Err(panicked.into())),
            };
            match settled {
                Settled::Done(mut response, record) => {
                    tell(&mut response, record);
                    return Poll::Ready(Ok(response));
                }
                Settled::Waiting(waiting) => *this.settling = Some(Box::pin(waiting.go_on())),
            }
        }
        settling(this.settling, context)
    }
}

fn settling<R>(
    settling: &mut Option<Boxed<(Answer<R>, Record)>>,
    context: &mut Context<'_>,
) -> Poll<Result<Answer<R>, Infallible>> {
    // Whoever asks again after the end gets nothing more.
    let Some(waiting) = settling else { return Poll::Pending };
    let (mut response, record) = ready!(waiting.as_mut().poll(context));
    *settling = None;
    tell(&mut response, record);
    Poll::Ready(Ok(response))
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
    settled(passage, answer).await
}

async fn settled<R>(passage: Passage, answer: Sent<R>) -> (Answer<R>, Record)
where
    R: Body<Data = Bytes> + Unpin,
{
    match passage.answered(answer) {
        Settled::Done(response, record) => (response, record),
        Settled::Waiting(settling) => settling.go_on().await,
    }
}
