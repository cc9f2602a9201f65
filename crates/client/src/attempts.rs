//! A call: its attempts, the delays between them, and its result.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::{Bytes, BytesMut};
use demur_contract::Contract;
use http::header::{HeaderName, SET_COOKIE};
use http::{HeaderValue, Method};
use reqwest::Request;
use tokio::time::{Instant, sleep, timeout};

use crate::backoff::Jitter;
use crate::budget::{Budget, Budgets};
use crate::cache::{CacheLookup, CacheableRequest, ResponseCache};
use crate::classifier::Classifier;
use crate::decode::{MAX_ERROR_BYTES, decode_at};
use crate::error::Error;
use crate::give_up::GiveUpReason;
use crate::hooks::Hooks;
use crate::network::{NetworkError, NetworkKind};
use crate::pacing::Pacing;
use crate::policy::{FailedAttempt, Policy, RetryContext, RetryDecision};
use crate::response::Response;

pub(crate) const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// Sends a single request, without retries.
pub trait Transport: Send {
    /// Returns a response of any status, or why there is none.
    fn send(
        &mut self,
        request: Request,
    ) -> impl Future<Output = Result<reqwest::Response, NetworkError>> + Send;

    /// Whether the transport may add credentials that differ from request to request. The cache cannot see these, and
    /// then stores only responses that all callers may share (`public`, `s-maxage`).
    fn adds_credentials(&self) -> bool {
        false
    }
}

/// The default headers are the same for every request, and a cache belongs to one client. A cookie store can change the
/// caller, so a response that sets a cookie clears the cache.
impl Transport for reqwest::Client {
    async fn send(&mut self, request: Request) -> Result<reqwest::Response, NetworkError> {
        self.execute(request).await.map_err(NetworkError::from)
    }
}

/// The state shared by all calls of a client.
pub(crate) struct AttemptContext {
    pub(crate) contract: Option<Arc<Contract>>,
    pub(crate) policy: Policy,
    pub(crate) budgets: Budgets,
    pub(crate) pacing: Option<Pacing>,
    pub(crate) cache: Option<ResponseCache>,
    pub(crate) classifier: Box<dyn Classifier>,
    pub(crate) jitter: Box<dyn Jitter>,
    pub(crate) hooks: Box<dyn Hooks>,
}

/// A call in progress.
struct Call<'c> {
    context: &'c AttemptContext,
    method: Method,
    host: String,
    has_key: bool,
    started: Instant,
    deadline: Duration,
}

impl AttemptContext {
    /// Sends a request, and retries it until it succeeds or a retry is pointless.
    pub(crate) async fn call<T: Transport>(
        &self,
        transport: &mut T,
        mut request: Request,
        deadline: Option<Duration>,
    ) -> Result<Response, Error> {
        self.add_idempotency_key(&mut request);
        let found = match &self.cache {
            Some(cache) => cache.find(&mut request, transport.adds_credentials(), Instant::now()),
            None => CacheLookup::Bypass,
        };
        let cacheable = match found {
            CacheLookup::Fresh(response) => return Ok(Response::new(response, Instant::now(), None, 0)),
            CacheLookup::Miss(cacheable) => Some(cacheable),
            CacheLookup::Bypass => None,
        };
        let is_change = !request.method().is_safe();
        let url = request.url().clone();
        let call = Call {
            context: self,
            method: request.method().clone(),
            host: authority(request.url()),
            has_key: request.headers().contains_key(IDEMPOTENCY_KEY),
            started: Instant::now(),
            deadline: deadline.unwrap_or(self.policy.deadline),
        };
        let budget = self.budgets.of(&call.host);
        budget.deposit(Instant::now());
        let result = call.attempts(transport, request, &budget).await;
        let result = match (&self.cache, cacheable, result) {
            (Some(cache), Some(cacheable), Ok((response, attempts))) => {
                call.store(cache, cacheable, response, attempts).await
            }
            (Some(cache), None, Ok(response)) if is_change => {
                cache.invalidate(&url);
                Ok(response)
            }
            (_, _, result) => result,
        };
        match result {
            Ok((response, attempts)) => {
                let deadline = call.started.checked_add(call.deadline);
                Ok(Response::new(response, call.started, deadline, attempts))
            }
            Err(error) => {
                self.hooks.failed(&error);
                Err(error)
            }
        }
    }

    /// Adds one idempotency key, which the clones of the request share.
    fn add_idempotency_key(&self, request: &mut Request) {
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
    /// The response, and the number of attempts.
    async fn attempts<T: Transport>(
        &self,
        transport: &mut T,
        request: Request,
        budget: &Budget,
    ) -> Result<(reqwest::Response, u32), Error> {
        let mut next = Some(request);
        let mut attempt = 0;
        loop {
            attempt += 1;
            // A request with a streaming body cannot be cloned: this attempt is the last.
            let Some(request) = next.take() else { return Err(self.not_replayable()) };
            next = request.try_clone();
            self.pace().await?;
            self.context.hooks.attempt(&self.method, request.url(), attempt);
            let (mut error, failure) = match self.attempt(transport, request).await {
                Ok(response) => return Ok((response, attempt)),
                Err(failed) => self.classify(failed),
            };
            let retry = RetryContext {
                method: &self.method,
                has_key: self.has_key,
                is_replayable: next.is_some(),
                attempt,
                remaining: self.remaining(),
            };
            let decision = self.context.policy.decide(failure, &retry, &*self.context.jitter);
            let reason = match decision {
                RetryDecision::GiveUp(reason) => reason,
                RetryDecision::Retry { is_charged: true, .. } if !budget.withdraw(Instant::now()) => {
                    GiveUpReason::Budget
                }
                RetryDecision::Retry { delay, .. } => {
                    self.describe(&mut error, attempt, GiveUpReason::Attempts);
                    self.context.hooks.retry(&error, attempt, delay);
                    sleep(delay).await;
                    continue;
                }
            };
            self.describe(&mut error, attempt, reason);
            return Err(error);
        }
    }

    async fn attempt<T: Transport>(
        &self,
        transport: &mut T,
        request: Request,
    ) -> Result<reqwest::Response, (Error, FailedAttempt)> {
        let timeout_left = self.context.policy.attempt_timeout.min(self.remaining());
        let response = match timeout(timeout_left, transport.send(request)).await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => return Err(network(error)),
            Err(_) => return Err(network(self.timed_out())),
        };
        if let Some(pacing) = &self.context.pacing {
            let contract = self.context.contract.as_deref();
            let now = (Instant::now(), SystemTime::now());
            pacing.observe(&self.host, response.headers(), contract, now);
        }
        if let (Some(cache), true) = (&self.context.cache, response.headers().contains_key(SET_COOKIE)) {
            cache.clear();
        }
        let status = response.status();
        if !self.context.classifier.is_error(status, response.headers()) {
            return Ok(response);
        }
        let headers = response.headers().clone();
        let timeout_left = self.context.policy.attempt_timeout.min(self.remaining());
        // If the body does not arrive, status and headers are enough.
        let body = read_start(response, timeout_left).await;
        let decoded = decode_at(self.context.contract.as_deref(), status, headers, body, SystemTime::now());
        let failure = FailedAttempt::Response {
            status: status.as_u16(),
            class: decoded.error.retry.class,
            after: decoded.error.retry.after,
            is_unprocessed: decoded.is_unprocessed,
            attempts: decoded.attempts,
            is_classified: false,
        };
        Err((Error::Api(Box::new(decoded.error)), failure))
    }

    /// Lets the caller's classifier change the retry class.
    fn classify(&self, (mut error, mut failure): (Error, FailedAttempt)) -> (Error, FailedAttempt) {
        let Some(changed) = self.context.classifier.retry_class(&error) else { return (error, failure) };
        match (&mut error, &mut failure) {
            (Error::Api(error), FailedAttempt::Response { class, is_classified, .. }) => {
                (error.retry.class, *class, *is_classified) = (changed, changed, true);
            }
            (_, FailedAttempt::Network(_, class)) => *class = Some(changed),
            (Error::Network(_), FailedAttempt::Response { .. }) => {}
        }
        (error, failure)
    }

    /// Waits for the reset of a rate limit that is used up. If the wait would exceed the deadline, the request is sent
    /// anyway, and the server decides.
    async fn pace(&self) -> Result<(), Error> {
        let Some(pacing) = &self.context.pacing else { return Ok(()) };
        let delay = pacing.delay(&self.host, Instant::now());
        if !delay.is_zero() && delay < self.remaining() && delay <= self.context.policy.max_delay {
            sleep(delay).await;
        }
        Ok(())
    }

    /// Stores a response. The body is read here instead of by the context, so it must arrive within the attempt timeout.
    async fn store(
        &self,
        cache: &ResponseCache,
        cacheable: CacheableRequest,
        response: reqwest::Response,
        attempts: u32,
    ) -> Result<(reqwest::Response, u32), Error> {
        let timeout_left = self.context.policy.attempt_timeout.min(self.remaining());
        let failed = match timeout(timeout_left, cache.store(cacheable, response, Instant::now())).await {
            Ok(Ok(response)) => return Ok((response, attempts)),
            Ok(Err(error)) => NetworkError::of_body(error),
            Err(_) => self.timed_out(),
        };
        let elapsed = self.started.elapsed();
        Err(Error::Network(Box::new(NetworkError { elapsed, attempts, ..failed })))
    }

    fn timed_out(&self) -> NetworkError {
        let kind = if self.remaining().is_zero() { NetworkKind::Deadline } else { NetworkKind::Timeout };
        NetworkError::new(kind)
    }

    fn remaining(&self) -> Duration {
        self.deadline.saturating_sub(self.started.elapsed())
    }

    fn describe(&self, error: &mut Error, attempt: u32, reason: GiveUpReason) {
        match error {
            Error::Api(error) => {
                (error.attempts, error.elapsed, error.give_up_reason) =
                    (attempt, self.started.elapsed(), reason);
            }
            Error::Network(error) => {
                (error.attempts, error.elapsed, error.give_up_reason) =
                    (attempt, self.started.elapsed(), reason);
            }
        }
    }

    fn not_replayable(&self) -> Error {
        let mut error = Error::Network(Box::new(NetworkError::new(NetworkKind::Request)));
        self.describe(&mut error, 1, GiveUpReason::NotReplayable);
        error
    }
}

fn network(error: NetworkError) -> (Error, FailedAttempt) {
    let failure = FailedAttempt::Network(error.kind, None);
    (Error::Network(Box::new(error)), failure)
}

/// Host and port: the key of budgets and pacing.
fn authority(url: &url::Url) -> String {
    let port = url.port_or_known_default().unwrap_or_default();
    format!("{}:{port}", url.host_str().unwrap_or_default())
}

/// Reads up to [`MAX_ERROR_BYTES`] of a body, as far as it arrives in time.
async fn read_start(mut response: reqwest::Response, limit: Duration) -> Bytes {
    let mut body = BytesMut::new();
    let reading = async {
        while let Ok(Some(chunk)) = response.chunk().await {
            let room = MAX_ERROR_BYTES - body.len();
            body.extend_from_slice(&chunk[..chunk.len().min(room)]);
            if chunk.len() >= room {
                break;
            }
        }
    };
    let _ = timeout(limit, reading).await;
    body.freeze()
}
