//! Fetches the key sets that verify tokens, on a thread of its own, and puts them into the cells of the APIs.
//!
//! A set is fetched at its interval, when a token names an unknown key (which the cell throttles), and again after a failure.
//! Only the configured URL is asked: redirects are not followed, and nothing in a token leads to a request. A document that
//! cannot be used is logged, and the last good set stays until it is too old.

use std::fmt;
use std::io;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use bytes::BytesMut;
use demur_admission::Clock;
use demur_engine::Api;
use demur_engine::settings::{KeySetUrl, KeySource};
use demur_http1::Limits;
use demur_http1::io::ClientStream;
use demur_jwt::{FetcherGuard, KeyOrigin, KeySet, KeySetError, MAX_KEY_SET_BYTES};
use http::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING, HOST, USER_AGENT};
use http::uri::PathAndQuery;
use http::{HeaderValue, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Empty};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::task::LocalSet;
use tokio::time::{Instant, sleep_until, timeout};

use crate::tls::client::{UpstreamTls, UpstreamTlsError, UpstreamTlsSettings};
use crate::upstream::connect::connect;
use crate::upstream::settings::{Endpoint, Upstream, UpstreamUrlError};

/// How long an attempt may take. Requests wait for it.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The delay after the first failure, which doubles with each further one.
const FIRST_RETRY: Duration = Duration::from_secs(1);

/// How long a set is fetched after its API was removed, at the most.
const MAX_SLEEP: Duration = Duration::from_secs(60);

/// The thread that fetches key sets, which is started for the first one.
pub(crate) struct KeySetFetcher {
    clock: Clock,
    jobs: OnceLock<Option<UnboundedSender<Job>>>,
}

/// A cell to be filled.
struct Job {
    api: String,
    source: KeySetUrl,
    guard: FetcherGuard,
    clock: Clock,
}

/// The address of a key set.
#[derive(Debug)]
pub struct KeySetEndpoint {
    endpoint: Endpoint,
    target: Uri,
    tls: UpstreamTls,
}

/// Why the address of a key set cannot be used.
#[derive(Debug)]
#[non_exhaustive]
pub enum KeySetUrlError {
    /// It is not a URL with `https`, or its host cannot be used.
    Url(UpstreamUrlError),
    /// Its scheme is another than `https`: anyone on the way could replace the keys.
    NotHttps,
    /// The root certificates cannot be used.
    Tls(UpstreamTlsError),
}

impl fmt::Display for KeySetUrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url(UpstreamUrlError::NotAUrl) => f.write_str("it is not a URL"),
            Self::Url(error) => error.fmt(f),
            Self::NotHttps => f.write_str("key sets are fetched with `https` only"),
            Self::Tls(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for KeySetUrlError {}

impl KeySetEndpoint {
    /// Reads the URL, and loads the root certificates.
    pub fn load(source: &KeySetUrl, now: SystemTime) -> Result<Self, KeySetUrlError> {
        if !source.url.starts_with("https://") {
            return Err(KeySetUrlError::NotHttps);
        }
        // Unlike an upstream, a key set may have a query.
        let (address, query) = source.url.split_once('?').map_or((&*source.url, None), |(a, q)| (a, Some(q)));
        let not_a_url = || KeySetUrlError::Url(UpstreamUrlError::NotAUrl);
        let uri: Uri = address.parse().map_err(|_| not_a_url())?;
        let upstream: Upstream = address.parse().map_err(KeySetUrlError::Url)?;
        let target = query.map_or_else(|| uri.path().to_owned(), |query| format!("{}?{query}", uri.path()));
        let target: PathAndQuery = target.parse().map_err(|_| not_a_url())?;
        let settings = UpstreamTlsSettings { roots: source.roots.clone(), ..UpstreamTlsSettings::default() };
        let tls = UpstreamTls::load(settings, now).map_err(KeySetUrlError::Tls)?;
        let endpoint = upstream.endpoints.into_iter().next().ok_or_else(not_a_url)?;
        Ok(Self { endpoint, target: target.into(), tls })
    }

    async fn fetch(&self) -> Result<KeySet, FetchError> {
        let (transport, _) = connect(&self.endpoint, Some(&self.tls)).await.map_err(FetchError::Connect)?;
        let mut request = Request::new(());
        *request.uri_mut() = self.target.clone();
        let headers = request.headers_mut();
        let host = HeaderValue::from_str(self.endpoint.authority.as_str());
        headers.insert(HOST, host.map_err(|error| FetchError::Exchange(error.to_string()))?);
        headers.insert(USER_AGENT, HeaderValue::from_static("demur"));
        headers.insert(ACCEPT, HeaderValue::from_static("application/jwk-set+json, application/json"));
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        let (head, ()) = request.into_parts();
        let body = Empty::<bytes::Bytes>::new();
        let sent = ClientStream::new(transport).send(&head, body, Limits::default(), |_, _| {});
        let response = sent.await.map_err(|error| FetchError::Exchange(format!("{error:?}")))?;
        if response.status() != StatusCode::OK {
            return Err(FetchError::Status(response.status()));
        }
        if response.headers().contains_key(CONTENT_ENCODING) {
            return Err(FetchError::Compressed);
        }
        let mut body = response.into_body();
        let mut document = BytesMut::new();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| FetchError::Exchange(format!("{error:?}")))?;
            let Ok(data) = frame.into_data() else { continue };
            if document.len() + data.len() > MAX_KEY_SET_BYTES {
                return Err(FetchError::Document(KeySetError::TooLarge));
            }
            document.extend_from_slice(&data);
        }
        KeySet::parse(&document, KeyOrigin::Network).map_err(FetchError::Document)
    }
}

/// Why a key set was not fetched.
enum FetchError {
    Address(KeySetUrlError),
    Connect(io::Error),
    Exchange(String),
    Status(StatusCode),
    Compressed,
    Document(KeySetError),
    Timeout,
}

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(error) => error.fmt(f),
            Self::Connect(error) => write!(f, "no connection: {error}"),
            Self::Exchange(error) => write!(f, "no valid response: {error}"),
            Self::Status(status) if status.is_redirection() => {
                write!(f, "status {}: redirects are not followed", status.as_u16())
            }
            Self::Status(status) => write!(f, "status {}", status.as_u16()),
            Self::Compressed => f.write_str("the response is compressed, which was not asked for"),
            Self::Document(error) => write!(f, "not a usable key set: {error}"),
            Self::Timeout => write!(f, "no complete response within {} seconds", TIMEOUT.as_secs()),
        }
    }
}

impl KeySetFetcher {
    pub(crate) fn new(clock: Clock) -> Arc<Self> {
        Arc::new(Self { clock, jobs: OnceLock::new() })
    }

    /// Fetches the key sets of these APIs from now on, if nobody does yet, until their cells are dropped.
    pub(crate) fn watch<'a>(&self, apis: impl Iterator<Item = &'a Arc<Api>>) {
        for api in apis {
            let Some(tokens) = &api.settings().authentication.tokens else { continue };
            let KeySource::Url(source) = &tokens.source else { continue };
            let Some(jobs) = self.jobs.get_or_init(start) else { continue };
            let Some(guard) = tokens.keys.attach() else { continue };
            let (api, source) = (api.name().to_owned(), source.clone());
            // If the thread has ended, the job is dropped, and with it the guard.
            let _ = jobs.send(Job { api, source, guard, clock: self.clock });
        }
    }
}

/// Starts the thread, which ends with the last sender.
fn start() -> Option<UnboundedSender<Job>> {
    let (sender, mut jobs) = unbounded_channel::<Job>();
    let run = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = match runtime {
            Ok(runtime) => runtime,
            Err(error) => return tracing::error!(%error, "token keys not fetched"),
        };
        runtime.block_on(LocalSet::new().run_until(async move {
            while let Some(job) = jobs.recv().await {
                tokio::task::spawn_local(job.run());
            }
        }));
    };
    match std::thread::Builder::new().name("demur-token-keys".to_owned()).spawn(run) {
        Ok(_) => Some(sender),
        Err(error) => {
            tracing::error!(%error, "token keys not fetched");
            None
        }
    }
}

impl Job {
    async fn run(self) {
        let mut failures = 0_u32;
        while !self.guard.is_abandoned() {
            self.guard.begin();
            let fetched = timeout(TIMEOUT, self.fetch()).await.unwrap_or(Err(FetchError::Timeout));
            match fetched {
                Ok(keys) => {
                    failures = 0;
                    self.store(keys);
                }
                Err(error) => {
                    failures = failures.saturating_add(1);
                    tracing::warn!(api = %self.api, url = %self.source.url, %error, "token keys unavailable");
                }
            }
            self.guard.end();
            let delay = match failures {
                0 => self.source.refresh,
                failures => {
                    let doubled = FIRST_RETRY.saturating_mul(1 << failures.saturating_sub(1).min(16));
                    doubled.min(self.source.refresh)
                }
            };
            self.sleep(delay).await;
        }
    }

    async fn fetch(&self) -> Result<KeySet, FetchError> {
        // Each time, since the file of root certificates may have changed.
        let endpoint = KeySetEndpoint::load(&self.source, SystemTime::now()).map_err(FetchError::Address)?;
        endpoint.fetch().await
    }

    fn store(&self, keys: KeySet) {
        let (count, skipped) = (keys.len(), keys.skipped().len());
        let first_fault = keys.skipped().first().map(|key| key.fault.to_string()).unwrap_or_default();
        if self.guard.cell().replace(keys, self.clock.now().monotonic) {
            let (api, url) = (&self.api, &self.source.url);
            tracing::info!(%api, %url, keys = count, skipped, reason = %first_fault, "token keys loaded");
        }
    }

    /// Sleeps until the next attempt: after the delay, or when a token names an unknown key.
    async fn sleep(&self, delay: Duration) {
        let ends = Instant::now() + delay;
        while Instant::now() < ends && !self.guard.is_abandoned() {
            let step = ends.min(Instant::now() + MAX_SLEEP);
            tokio::select! {
                () = sleep_until(step) => {}
                () = self.guard.requested() => return,
            }
        }
    }
}
