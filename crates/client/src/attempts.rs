//! One call: attempts, the delays between them, and its end.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::{Bytes, BytesMut};
use demur_contract::Contract;
use http::header::{HeaderName, SET_COOKIE};
use http::{HeaderValue, Method};
use reqwest::{Request, Response};
use tokio::time::{Instant, sleep, timeout};

use crate::backoff::Jitter;
use crate::budget::{Budget, Budgets};
use crate::cache::{CacheLookup, CacheableRequest, ResponseCache};
use crate::decode::read;
use crate::error::{Error, GiveUpReason};
use crate::hooks::Hooks;
use crate::network::{NetworkError, NetworkKind};
use crate::pacing::Pacing;
use crate::policy::{FailedAttempt, Policy, RetryContext, RetryDecision};

pub(crate) const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// The most of an error's content that is read.
const MAX_ERROR_BYTES: usize = 64 * 1024;

/// Sends one request, once.
pub trait Transport: Send {
    /// An answer, whatever its status, or the lack of one.
    fn send(&mut self, request: Request) -> impl Future<Output = Result<Response, NetworkError>> + Send;

    /// Whether it may add credentials that differ from one request to the next. The cache cannot see those, and
    /// then stores only responses that allow all callers to share them (`public`, `s-maxage`).
    fn adds_credentials(&self) -> bool {
        false
    }
}

/// Its default headers are the same for every request, and a cache belongs to one client. (A session that a cookie
/// store begins does change who the caller is: a response that sets a cookie clears the cache.)
impl Transport for reqwest::Client {
    async fn send(&mut self, request: Request) -> Result<Response, NetworkError> {
        self.execute(request).await.map_err(NetworkError::from)
    }
}

/// All that calls of one client share.
pub(crate) struct AttemptContext {
    pub(crate) contract: Option<Arc<Contract>>,
    pub(crate) policy: Policy,
    pub(crate) budgets: Budgets,
    pub(crate) pacing: Option<Pacing>,
    pub(crate) cache: Option<ResponseCache>,
    pub(crate) jitter: Box<dyn Jitter>,
    pub(crate) hooks: Box<dyn Hooks>,
}

/// One call under way.
struct Call<'c> {
    caller: &'c AttemptContext,
    method: Method,
    host: String,
    has_key: bool,
    begun: Instant,
    deadline: Duration,
}

impl AttemptContext {
    /// Sends a request until it succeeds or there is no sense in it any more.
    pub(crate) async fn call<T: Transport>(
        &self,
        transport: &mut T,
        mut request: Request,
        deadline: Option<Duration>,
    ) -> Result<Response, Error> {
        self.give_key(&mut request);
        let found = match &self.cache {
            Some(cache) => cache.find(&mut request, transport.adds_credentials(), Instant::now()),
            None => CacheLookup::Pass,
        };
        let asked = match found {
            CacheLookup::Fresh(response) => return Ok(response),
            CacheLookup::Ask(asked) => Some(asked),
            CacheLookup::Pass => None,
        };
        let is_change = !request.method().is_safe();
        let url = request.url().clone();
        let call = Call {
            caller: self,
            method: request.method().clone(),
            host: authority(request.url()),
            has_key: request.headers().contains_key(IDEMPOTENCY_KEY),
            begun: Instant::now(),
            deadline: deadline.unwrap_or(self.policy.deadline),
        };
        let budget = self.budgets.of(&call.host);
        budget.deposit(Instant::now());
        let answered = call.attempts(transport, request, &budget).await;
        let answered = match (&self.cache, asked, answered) {
            (Some(cache), Some(asked), Ok(response)) => call.keep(cache, asked, response).await,
            (Some(cache), None, Ok(response)) if is_change => {
                cache.invalidate(&url);
                Ok(response)
            }
            (_, _, answered) => answered,
        };
        if let Err(error) = &answered {
            self.hooks.failed(error);
        }
        answered
    }

    /// Made once; clones of the request carry the same one.
    fn give_key(&self, request: &mut Request) {
        let is_wanted = self.policy.idempotency_keys && !request.method().is_idempotent();
        if !is_wanted || request.headers().contains_key(IDEMPOTENCY_KEY) {
            return;
        }
        if let Ok(key) = HeaderValue::from_str(&uuid::Uuid::new_v4().to_string()) {
            request.headers_mut().insert(IDEMPOTENCY_KEY, key);
        }
    }
}

impl Call<'_> {
    async fn attempts<T: Transport>(
        &self,
        transport: &mut T,
        request: Request,
        budget: &Budget,
    ) -> Result<Response, Error> {
        let mut next = Some(request);
        let mut attempt = 0;
        loop {
            attempt += 1;
            // Content that streams has no clone: then this attempt is the last.
            let Some(request) = next.take() else { return Err(self.no_request()) };
            next = request.try_clone();
            self.pace().await?;
            self.caller.hooks.attempt(&self.method, request.url(), attempt);
            let (mut error, failure) = match self.attempt(transport, request).await {
                Ok(response) => return Ok(response),
                Err(failed) => failed,
            };
            let situation = RetryContext {
                method: &self.method,
                has_key: self.has_key,
                is_replayable: next.is_some(),
                attempt,
                left: self.left(),
            };
            let verdict = self.caller.policy.decide(failure, &situation, &*self.caller.jitter);
            let stop = match verdict {
                RetryDecision::Stop(stop) => stop,
                RetryDecision::Retry { is_charged: true, .. } if !budget.withdraw(Instant::now()) => {
                    GiveUpReason::Budget
                }
                RetryDecision::Retry { delay, .. } => {
                    self.describe(&mut error, attempt, GiveUpReason::Attempts);
                    self.caller.hooks.retry(&error, attempt, delay);
                    sleep(delay).await;
                    continue;
                }
            };
            self.describe(&mut error, attempt, stop);
            return Err(error);
        }
    }

    async fn attempt<T: Transport>(
        &self,
        transport: &mut T,
        request: Request,
    ) -> Result<Response, (Error, FailedAttempt)> {
        let patience = self.caller.policy.per_attempt.min(self.left());
        let response = match timeout(patience, transport.send(request)).await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => return Err(network(error)),
            Err(_) => return Err(network(self.out_of_time())),
        };
        if let Some(pacing) = &self.caller.pacing {
            pacing.learn(&self.host, response.headers(), Instant::now(), SystemTime::now());
        }
        if let (Some(cache), true) = (&self.caller.cache, response.headers().contains_key(SET_COOKIE)) {
            cache.clear();
        }
        let status = response.status();
        if !(status.is_client_error() || status.is_server_error()) {
            return Ok(response);
        }
        let headers = response.headers().clone();
        let patience = self.caller.policy.per_attempt.min(self.left());
        // Where the content does not come, status and fields say enough.
        let content = beginning(response, patience).await;
        let read = read(self.caller.contract.as_deref(), status, headers, content, SystemTime::now());
        let failure = FailedAttempt::Answered {
            status: status.as_u16(),
            class: read.error.retry.class,
            after: read.error.retry.after,
            is_declared_limit: read.is_declared_limit,
            attempts: read.attempts,
        };
        Err((Error::Api(Box::new(read.error)), failure))
    }

    /// Waits for a limit that is used up; where that would pass the deadline, the request is sent at once,
    /// and the server says what it says.
    async fn pace(&self) -> Result<(), Error> {
        let Some(pacing) = &self.caller.pacing else { return Ok(()) };
        let delay = pacing.delay(&self.host, Instant::now());
        if !delay.is_zero() && delay < self.left() && delay <= self.caller.policy.longest_delay {
            sleep(delay).await;
        }
        Ok(())
    }

    /// Has an answer kept. Its content is read here and not by whoever awaits it, so that it must come within the
    /// time of an attempt.
    async fn keep(
        &self,
        cache: &ResponseCache,
        asked: CacheableRequest,
        response: Response,
    ) -> Result<Response, Error> {
        let patience = self.caller.policy.per_attempt.min(self.left());
        let failed = match timeout(patience, cache.keep(asked, response, Instant::now())).await {
            Ok(Ok(response)) => return Ok(response),
            Ok(Err(error)) => NetworkError::from(error),
            Err(_) => self.out_of_time(),
        };
        let elapsed = self.begun.elapsed();
        Err(Error::Network(Box::new(NetworkError { elapsed, ..failed })))
    }

    fn out_of_time(&self) -> NetworkError {
        let kind = if self.left().is_zero() { NetworkKind::Deadline } else { NetworkKind::Timeout };
        NetworkError::new(kind)
    }

    fn left(&self) -> Duration {
        self.deadline.saturating_sub(self.begun.elapsed())
    }

    fn describe(&self, error: &mut Error, attempt: u32, stop: GiveUpReason) {
        match error {
            Error::Api(error) => {
                (error.attempts, error.elapsed, error.stop) = (attempt, self.begun.elapsed(), stop);
            }
            Error::Network(error) => {
                (error.attempts, error.elapsed, error.stop) = (attempt, self.begun.elapsed(), stop);
            }
        }
    }

    fn no_request(&self) -> Error {
        let mut error = Error::Network(Box::new(NetworkError::new(NetworkKind::Request)));
        self.describe(&mut error, 1, GiveUpReason::NotReplayable);
        error
    }
}

fn network(error: NetworkError) -> (Error, FailedAttempt) {
    let failure = FailedAttempt::Network(error.kind);
    (Error::Network(Box::new(error)), failure)
}

/// Host and port: what a budget is for.
fn authority(url: &url::Url) -> String {
    let port = url.port_or_known_default().unwrap_or_default();
    format!("{}:{port}", url.host_str().unwrap_or_default())
}

async fn beginning(mut response: Response, patience: Duration) -> Bytes {
    let mut content = BytesMut::new();
    let reading = async {
        while let Ok(Some(chunk)) = response.chunk().await {
            let room = MAX_ERROR_BYTES - content.len();
            content.extend_from_slice(&chunk[..chunk.len().min(room)]);
            if chunk.len() >= room {
                break;
            }
        }
    };
    let _ = timeout(patience, reading).await;
    content.freeze()
}
