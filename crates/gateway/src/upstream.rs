//! Connections to the services behind, one pool per worker: no lock and no other thread on the way.
//!
//! A connection goes back into the pool when the answer it carried has been read to its end. One that the
//! upstream closed while it was idle is noticed before the request is sent, or hyper gives the request back
//! unsent, and another is tried.

use std::cell::RefCell;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use demur_engine::{Content, ContentFault, UpstreamFault};
use http::header::HOST;
use http::{HeaderValue, Request, Response, Uri};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep, timeout};

use crate::config::Upstream;

/// Idle connections that are kept for each API and worker.
const MAX_IDLE: usize = 128;
/// Shorter than what common servers keep an idle connection for.
const MAX_IDLE_TIME: Duration = Duration::from_secs(30);
/// Connections that turn out closed before a fresh one is made.
const MAX_STALE: usize = 4;

/// The connections of one worker to one upstream.
pub(crate) struct Pool<B> {
    upstream: Upstream,
    host: HeaderValue,
    idle: Rc<RefCell<Vec<Idle<B>>>>,
}

struct Idle<B> {
    sender: SendRequest<B>,
    since: Instant,
}

impl<B> Pool<Content<B>>
where
    B: Body<Data = Bytes, Error = ContentFault> + Unpin + 'static,
{
    pub(crate) fn new(upstream: Upstream) -> Self {
        // An authority consists of visible ASCII.
        let host = HeaderValue::from_str(upstream.authority.as_str())
            .unwrap_or_else(|_| HeaderValue::from_static("localhost"));
        Self { upstream, host, idle: Rc::default() }
    }

    /// Sends a request. Its target is a path within the API.
    pub(crate) async fn send(
        &self,
        mut request: Request<Content<B>>,
    ) -> Result<Response<Answer<Content<B>>>, UpstreamFault> {
        request.headers_mut().insert(HOST, self.host.clone());
        *request.version_mut() = http::Version::HTTP_11;
        if !self.upstream.path.is_empty() {
            prefix(request.uri_mut(), &self.upstream.path)?;
        }
        for _ in 0..MAX_STALE {
            let Some(sender) = self.take_idle().await else { break };
            match self.exchange(sender, request).await {
                Ok(response) => return Ok(response),
                Err(Failed::Unsent(unsent)) => request = *unsent,
                Err(Failed::Fault(fault)) => return Err(fault),
            }
        }
        let sender = self.connect().await?;
        match self.exchange(sender, request).await {
            Ok(response) => Ok(response),
            Err(Failed::Fault(fault)) => Err(fault),
            Err(Failed::Unsent(_)) => {
                Err(UpstreamFault::Invalid("it closed the connection before the request was sent".to_owned()))
            }
        }
    }

    async fn take_idle(&self) -> Option<SendRequest<Content<B>>> {
        loop {
            let Idle { mut sender, since } = self.idle.borrow_mut().pop()?;
            if since.elapsed() > MAX_IDLE_TIME {
                // The others have been idle for longer still.
                self.idle.borrow_mut().clear();
                return None;
            }
            if poll_fn(|cx| sender.poll_ready(cx)).await.is_ok() {
                return Some(sender);
            }
        }
    }

    async fn connect(&self) -> Result<SendRequest<Content<B>>, UpstreamFault> {
        let unreachable = |error: &dyn std::fmt::Display| UpstreamFault::Unreachable(error.to_string());
        let connecting = TcpStream::connect(&self.upstream.address);
        let socket = match timeout(self.upstream.connect_timeout, connecting).await {
            Err(_) => return Err(unreachable(&"no connection within the time for it")),
            Ok(Err(error)) => return Err(unreachable(&error)),
            Ok(Ok(socket)) => socket,
        };
        // Small writes should not wait for one another; trouble with that is no reason to fail.
        let _ = socket.set_nodelay(true);
        let (sender, connection) =
            handshake(TokioIo::new(socket)).await.map_err(|error| unreachable(&error))?;
        tokio::task::spawn_local(async move {
            // How it ended, the request that was on it has learnt.
            let _ = connection.await;
        });
        Ok(sender)
    }

    async fn exchange(
        &self,
        mut sender: SendRequest<Content<B>>,
        request: Request<Content<B>>,
    ) -> Result<Response<Answer<Content<B>>>, Failed<Content<B>>> {
        let patience = self.upstream.timeout;
        match timeout(patience, sender.try_send_request(request)).await {
            Err(_) => Err(Failed::Fault(UpstreamFault::Timeout(format!("no answer within {patience:?}")))),
            Ok(Err(mut error)) => match error.take_message() {
                Some(unsent) => Err(Failed::Unsent(Box::new(unsent))),
                None => Err(Failed::Fault(fault(&error.into_error()))),
            },
            Ok(Ok(response)) => {
                let home = self.idle.clone();
                Ok(response.map(|body| Answer {
                    body,
                    patience,
                    deadline: None,
                    returning: Some((sender, home)),
                }))
            }
        }
    }
}

enum Failed<B> {
    /// The connection was of no use; the request is as it was.
    Unsent(Box<Request<B>>),
    Fault(UpstreamFault),
}

/// What hyper's error means. An error of the request's own content comes wrapped in it.
fn fault(error: &hyper::Error) -> UpstreamFault {
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        if let Some(fault) = cause.downcast_ref::<ContentFault>() {
            return UpstreamFault::Content(fault.clone());
        }
        source = cause.source();
    }
    UpstreamFault::Invalid(error.to_string())
}

fn prefix(uri: &mut Uri, path: &str) -> Result<(), UpstreamFault> {
    let target = format!("{path}{}", uri.path_and_query().map_or("/", |target| target.as_str()));
    *uri = target.parse().map_err(|error| UpstreamFault::Unavailable(format!("no target: {error}")))?;
    Ok(())
}

/// An upstream's content. At its end the connection goes back into the pool; a silence longer than the
/// upstream's time-out ends it with an error.
pub(crate) struct Answer<B> {
    body: Incoming,
    patience: Duration,
    deadline: Option<Pin<Box<Sleep>>>,
    returning: Option<(SendRequest<B>, Rc<RefCell<Vec<Idle<B>>>>)>,
}

impl<B> Answer<B> {
    fn ended(&mut self) {
        if let Some((sender, home)) = self.returning.take() {
            let mut idle = home.borrow_mut();
            if idle.len() < MAX_IDLE && !sender.is_closed() {
                idle.push(Idle { sender, since: Instant::now() });
            }
        }
    }
}

impl<B> Body for Answer<B> {
    type Data = Bytes;
    type Error = UpstreamFault;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, UpstreamFault>>> {
        let this = &mut *self;
        let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(cx) else {
            // The timer is made when there is something to wait for: most content is there at once.
            let patience = this.patience;
            let deadline = this.deadline.get_or_insert_with(|| Box::pin(sleep(patience)));
            ready!(deadline.as_mut().poll(cx));
            return Poll::Ready(Some(Err(UpstreamFault::Timeout("its content stopped coming".to_owned()))));
        };
        this.deadline = None;
        match frame {
            None => {
                this.ended();
                Poll::Ready(None)
            }
            Some(Ok(frame)) => {
                if this.body.is_end_stream() {
                    this.ended();
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Some(Err(error)) => Poll::Ready(Some(Err(UpstreamFault::Invalid(error.to_string())))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Content that was empty from the start is never polled; its connection goes back all the same.
impl<B> Drop for Answer<B> {
    fn drop(&mut self) {
        if self.body.is_end_stream() {
            self.ended();
        }
    }
}
