//! A small client: `reqwest`, with errors that mean something.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use demur_contract::{Contract, builtin};
use demur_source::{Diagnostics, Source};
use http::HeaderName;
use reqwest::{RequestBuilder, Response};

use crate::attempts::{AttemptContext, Transport};
use crate::backoff::{Jitter, RandomJitter};
use crate::budget::{BudgetSettings, Budgets};
use crate::cache::ResponseCache;
use crate::error::Error;
use crate::hooks::{Hooks, NoHooks};
use crate::middleware::Retries;
use crate::network::NetworkError;
use crate::pacing::Pacing;
use crate::policy::Policy;

/// Sends requests, decodes errors and tries again. Clones share budgets and pacing.
#[derive(Clone)]
pub struct Client<T = reqwest::Client> {
    http: T,
    caller: Arc<AttemptContext>,
}

impl Client {
    /// A client around this one.
    pub fn builder(http: reqwest::Client) -> ClientBuilder {
        ClientBuilder::new(http)
    }

    /// The client inside, which makes requests: `client.send(client.http().get(url))`.
    pub fn http(&self) -> &reqwest::Client {
        &self.http
    }

    /// Sends a request until it succeeds or there is no sense in it any more.
    pub async fn send(&self, request: RequestBuilder) -> Result<Response, Error> {
        let request = request.build().map_err(|error| Error::Network(Box::new(NetworkError::from(error))))?;
        self.execute(request, None).await
    }

    /// The same with a deadline of its own.
    pub async fn send_within(&self, request: RequestBuilder, deadline: Duration) -> Result<Response, Error> {
        let request = request.build().map_err(|error| Error::Network(Box::new(NetworkError::from(error))))?;
        self.execute(request, Some(deadline)).await
    }
}

impl<T: Transport + Clone> Client<T> {
    /// Sends a request that is built already; `deadline` replaces the policy's.
    pub async fn execute(
        &self,
        request: reqwest::Request,
        deadline: Option<Duration>,
    ) -> Result<Response, Error> {
        self.caller.call(&mut self.http.clone(), request, deadline).await
    }
}

impl<T> fmt::Debug for Client<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("policy", &self.caller.policy).finish_non_exhaustive()
    }
}

/// What a client is made of.
pub struct ClientBuilder<T = reqwest::Client> {
    http: T,
    contract: Option<Arc<Contract>>,
    policy: Policy,
    budget: BudgetSettings,
    is_paced: bool,
    is_cached: bool,
    public_headers: Vec<HeaderName>,
    jitter: Box<dyn Jitter>,
    hooks: Box<dyn Hooks>,
}

impl<T> ClientBuilder<T> {
    /// Around anything that sends a request once.
    pub fn new(http: T) -> Self {
        Self {
            http,
            contract: None,
            policy: Policy::default(),
            budget: BudgetSettings::default(),
            is_paced: false,
            is_cached: false,
            public_headers: Vec::new(),
            jitter: Box::new(RandomJitter),
            hooks: Box::new(NoHooks),
        }
    }

    /// The API's contract.
    #[must_use]
    pub fn contract(mut self, contract: Arc<Contract>) -> Self {
        self.contract = Some(contract);
        self
    }

    /// The API's contract, in this text. Generated code has it as `CONTRACT`.
    pub fn contract_text(self, text: &str) -> Result<Self, BuildError> {
        self.load(&Source::new("contract", text))
    }

    /// The API's contract, in this file.
    pub fn contract_file(self, path: impl AsRef<Path>) -> Result<Self, BuildError> {
        let source = Source::read(path.as_ref()).map_err(BuildError::File)?;
        self.load(&source)
    }

    /// A contract that is built in, by its name.
    pub fn builtin_contract(self, name: &str) -> Result<Self, BuildError> {
        let source = builtin::source(name).ok_or_else(|| BuildError::UnknownContract(name.to_owned()))?;
        self.load(&source)
    }

    fn load(self, source: &Arc<Source>) -> Result<Self, BuildError> {
        let loaded = Contract::load(source).map_err(BuildError::Contract)?;
        Ok(self.contract(Arc::new(loaded.contract)))
    }

    /// How often and how long.
    #[must_use]
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    /// For a whole call: attempts and delays.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.policy.deadline = deadline;
        self
    }

    /// Gives requests that change something an `Idempotency-Key`, so that they can be repeated. Only for
    /// APIs that know it.
    #[must_use]
    pub fn idempotency_keys(mut self) -> Self {
        self.policy.idempotency_keys = true;
        self
    }

    /// How much may be retried.
    #[must_use]
    pub fn budget(mut self, budget: BudgetSettings) -> Self {
        self.budget = budget;
        self
    }

    /// Waits where answers tell that nothing is left of a limit, instead of being refused.
    #[must_use]
    pub fn pacing(mut self) -> Self {
        self.is_paced = true;
        self
    }

    /// Stores responses to GET while they are fresh, and revalidates them after that (RFC 9111). Complete
    /// responses of up to 256 KiB, 256 of them, in memory.
    ///
    /// The cache is a shared one. A response to a request with credentials is stored only if its `Cache-Control`
    /// has `public`, `must-revalidate` or `s-maxage`, and is served only to requests with the same credentials.
    /// Every request header that is not known to be harmless counts as a credential: see
    /// [`public_header`](Self::public_header). As a [`middleware`](Self::middleware), the cache cannot see
    /// credentials that are added after it, and stores only what is `public` or has `s-maxage`.
    #[must_use]
    pub fn cache(mut self) -> Self {
        self.is_cached = true;
        self
    }

    /// Declares that this request header identifies no caller, so that requests with it use the cache. A value
    /// that is marked as sensitive is a credential all the same.
    #[must_use]
    pub fn public_header(mut self, name: HeaderName) -> Self {
        self.public_headers.push(name);
        self
    }

    /// Where chance comes from; for tests.
    #[must_use]
    pub fn jitter(mut self, jitter: impl Jitter + 'static) -> Self {
        self.jitter = Box::new(jitter);
        self
    }

    /// Is told what happens.
    #[must_use]
    pub fn hooks(mut self, hooks: impl Hooks + 'static) -> Self {
        self.hooks = Box::new(hooks);
        self
    }

    /// The client.
    pub fn build(self) -> Client<T> {
        let (http, caller) = self.parts();
        Client { http, caller }
    }

    /// The same as a middleware for `reqwest-middleware`.
    pub fn middleware(self) -> Retries {
        Retries::new(self.parts().1)
    }

    fn parts(self) -> (T, Arc<AttemptContext>) {
        let caller = AttemptContext {
            contract: self.contract,
            policy: self.policy,
            budgets: Budgets::new(self.budget),
            pacing: self.is_paced.then(Pacing::default),
            cache: self.is_cached.then(|| ResponseCache::new(self.public_headers)),
            jitter: self.jitter,
            hooks: self.hooks,
        };
        (self.http, Arc::new(caller))
    }
}

impl<T> fmt::Debug for ClientBuilder<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder").field("policy", &self.policy).finish_non_exhaustive()
    }
}

/// Why there is no contract.
#[derive(Debug)]
pub enum BuildError {
    /// The file cannot be read.
    File(std::io::Error),
    /// Every mistake in it.
    Contract(Diagnostics),
    /// None of this name is built in.
    UnknownContract(String),
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BuildError::File(error) => write!(f, "the contract cannot be read: {error}"),
            BuildError::Contract(found) => found.fmt(f),
            BuildError::UnknownContract(name) => write!(f, "there is no built-in contract `{name}`"),
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
