//! [`Client`] and its builder.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use demur_contract::{Contract, builtin};
use demur_source::{Diagnostics, Source};
use http::{HeaderMap, HeaderName, StatusCode};
use reqwest::RequestBuilder;

use crate::attempts::{AttemptContext, Transport};
use crate::backoff::{Jitter, RandomJitter};
use crate::budget::{BudgetSettings, Budgets};
use crate::cache::ResponseCache;
use crate::classifier::{ByStatus, Classifier};
use crate::decode::decode;
use crate::error::{ApiError, Error};
use crate::hooks::{Hooks, NoHooks};
use crate::middleware::Retries;
use crate::network::NetworkError;
use crate::pacing::Pacing;
use crate::policy::Policy;
use crate::response::Response;

/// An HTTP client that decodes errors and retries. Clones share budgets, pacing and cache.
#[derive(Clone)]
pub struct Client<T = reqwest::Client> {
    http: T,
    context: Arc<AttemptContext>,
}

impl Client {
    /// A builder with default settings.
    pub fn builder() -> ClientBuilder {
        ClientBuilder::default()
    }

    /// The inner client, which creates requests: `client.send(client.http().get(url))`.
    pub fn http(&self) -> &reqwest::Client {
        &self.http
    }

    /// Sends a request, and retries it until it succeeds or a retry is pointless.
    pub async fn send(&self, request: RequestBuilder) -> Result<Response, Error> {
        let request = request.build().map_err(|error| Error::Network(Box::new(NetworkError::from(error))))?;
        self.execute(request, None).await
    }

    /// Sends a request with its own deadline.
    pub async fn send_within(&self, request: RequestBuilder, deadline: Duration) -> Result<Response, Error> {
        let request = request.build().map_err(|error| Error::Network(Box::new(NetworkError::from(error))))?;
        self.execute(request, Some(deadline)).await
    }
}

impl<T: Transport + Clone> Client<T> {
    /// Sends a request that is already built; `deadline` replaces the one of the policy.
    pub async fn execute(
        &self,
        request: reqwest::Request,
        deadline: Option<Duration>,
    ) -> Result<Response, Error> {
        self.context.call(&mut self.http.clone(), request, deadline).await
    }
}

impl<T> Client<T> {
    /// Decodes an error response that did not come from this client, by the client's contract: see
    /// [`decode`](crate::decode()).
    pub fn decode(&self, status: StatusCode, headers: HeaderMap, body: impl Into<Bytes>) -> ApiError {
        decode(self.context.contract.as_deref(), status, headers, body)
    }
}

impl<T> fmt::Debug for Client<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("policy", &self.context.policy).finish_non_exhaustive()
    }
}

/// Configures and builds a [`Client`] or a [`Retries`] middleware.
///
/// ```
/// # use std::time::Duration;
/// # use demur_client::Client;
/// let client = Client::builder().deadline(Duration::from_secs(30)).idempotency_keys(true).build();
/// ```
pub struct ClientBuilder<T = reqwest::Client> {
    http: T,
    contract: Option<Arc<Contract>>,
    policy: Policy,
    budget: BudgetSettings,
    is_paced: bool,
    is_cached: bool,
    public_headers: Vec<HeaderName>,
    classifier: Box<dyn Classifier>,
    jitter: Box<dyn Jitter>,
    hooks: Box<dyn Hooks>,
}

impl Default for ClientBuilder {
    /// Sends requests with a new `reqwest` client.
    fn default() -> Self {
        Self::new(reqwest::Client::new())
    }
}

impl ClientBuilder {
    /// Sends requests with this `reqwest` client.
    #[must_use]
    pub fn http_client(mut self, http: reqwest::Client) -> Self {
        self.http = http;
        self
    }
}

impl<T> ClientBuilder<T> {
    /// A builder with default settings that sends requests with this [`Transport`].
    pub fn new(http: T) -> Self {
        Self {
            http,
            contract: None,
            policy: Policy::default(),
            budget: BudgetSettings::default(),
            is_paced: false,
            is_cached: false,
            public_headers: Vec::new(),
            classifier: Box::new(ByStatus),
            jitter: Box::new(RandomJitter),
            hooks: Box::new(NoHooks),
        }
    }

    /// Decodes errors by this contract.
    #[must_use]
    pub fn contract(mut self, contract: Arc<Contract>) -> Self {
        self.contract = Some(contract);
        self
    }

    /// Decodes errors by the contract in this text, such as `CONTRACT` of a generated module.
    pub fn contract_text(self, text: &str) -> Result<Self, BuildError> {
        self.load(&Source::new("contract", text))
    }

    /// Decodes errors by the contract in this file.
    pub fn contract_file(self, path: impl AsRef<Path>) -> Result<Self, BuildError> {
        let source = Source::read(path.as_ref()).map_err(BuildError::File)?;
        self.load(&source)
    }

    /// Decodes errors by a built-in contract.
    pub fn builtin_contract(self, name: &str) -> Result<Self, BuildError> {
        let source = builtin::source(name).ok_or_else(|| BuildError::UnknownContract(name.to_owned()))?;
        self.load(&source)
    }

    fn load(self, source: &Arc<Source>) -> Result<Self, BuildError> {
        let loaded = Contract::load(source).map_err(BuildError::Contract)?;
        Ok(self.contract(Arc::new(loaded.contract)))
    }

    /// Sets the retry policy.
    #[must_use]
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    /// Sets the deadline of a call, including all attempts, delays, and the body of the response.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.policy.deadline = deadline;
        self
    }

    /// Adds an `Idempotency-Key` to requests that are not idempotent, so that they can be retried. Default: off. Enable it
    /// only for APIs that support the header: others would process a retry twice.
    #[must_use]
    pub fn idempotency_keys(mut self, enabled: bool) -> Self {
        self.policy.idempotency_keys = enabled;
        self
    }

    /// Sets the retry budget of each host.
    #[must_use]
    pub fn budget(mut self, budget: BudgetSettings) -> Self {
        self.budget = budget;
        self
    }

    /// Waits for the reset of a rate limit that responses report as used up, instead of being rejected. Default: off.
    #[must_use]
    pub fn pacing(mut self, enabled: bool) -> Self {
        self.is_paced = enabled;
        self
    }

    /// Caches responses to GET in memory, and revalidates stale ones (RFC 9111). Default: off. Stores up to 256 complete
    /// responses of up to 256 KiB each.
    ///
    /// The cache is a shared one. A response to a request with credentials is stored only if its `Cache-Control`
    /// has `public`, `must-revalidate` or `s-maxage`, and is served only to requests with the same credentials.
    /// Every request header that is not known to be harmless counts as a credential: see
    /// [`public_header`](Self::public_header). As a [`middleware`](Self::middleware), the cache cannot see
    /// credentials that are added after it, and stores only what is `public` or has `s-maxage`.
    #[must_use]
    pub fn cache(mut self, enabled: bool) -> Self {
        self.is_cached = enabled;
        self
    }

    /// Declares that this request header does not identify a caller, so that requests with it can use the cache. A value
    /// marked as sensitive is still a credential.
    #[must_use]
    pub fn public_header(mut self, name: HeaderName) -> Self {
        self.public_headers.push(name);
        self
    }

    /// Decides what is an error and what is retried, beside status, contract and headers.
    #[must_use]
    pub fn classifier(mut self, classifier: impl Classifier + 'static) -> Self {
        self.classifier = Box::new(classifier);
        self
    }

    /// Sets the source of randomness, for tests.
    #[must_use]
    pub fn jitter(mut self, jitter: impl Jitter + 'static) -> Self {
        self.jitter = Box::new(jitter);
        self
    }

    /// Sets the hooks that observe calls.
    #[must_use]
    pub fn hooks(mut self, hooks: impl Hooks + 'static) -> Self {
        self.hooks = Box::new(hooks);
        self
    }

    /// Builds the client.
    pub fn build(self) -> Client<T> {
        let (http, context) = self.parts();
        Client { http, context }
    }

    /// Builds a middleware for `reqwest-middleware`. The middleware does not use the inner client of the builder.
    pub fn middleware(self) -> Retries {
        Retries::new(self.parts().1)
    }

    fn parts(self) -> (T, Arc<AttemptContext>) {
        let context = AttemptContext {
            contract: self.contract,
            policy: self.policy,
            budgets: Budgets::new(self.budget),
            pacing: self.is_paced.then(Pacing::default),
            cache: self.is_cached.then(|| ResponseCache::new(self.public_headers)),
            classifier: self.classifier,
            jitter: self.jitter,
            hooks: self.hooks,
        };
        (self.http, Arc::new(context))
    }
}

impl<T> fmt::Debug for ClientBuilder<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientBuilder").field("policy", &self.policy).finish_non_exhaustive()
    }
}

/// Why a contract could not be loaded.
#[derive(Debug)]
#[non_exhaustive]
pub enum BuildError {
    /// The file could not be read.
    File(std::io::Error),
    /// The contract is invalid; all its errors.
    Contract(Diagnostics),
    /// There is no built-in contract with this name.
    UnknownContract(String),
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BuildError::File(error) => write!(f, "cannot read the contract: {error}"),
            BuildError::Contract(found) => found.fmt(f),
            BuildError::UnknownContract(name) => write!(f, "unknown built-in contract `{name}`"),
        }
    }
}

impl std::error::Error for BuildError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            BuildError::File(error) => Some(error),
            BuildError::Contract(_) | BuildError::UnknownContract(_) => None,
        }
    }
}
