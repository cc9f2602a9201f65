//! The same as a middleware, for those who have a `reqwest-middleware` stack already.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::Extensions;
use reqwest::{Request, Response};
use reqwest_middleware::{Middleware, Next};

use crate::attempts::{AttemptContext, Transport};
use crate::error::Error;
use crate::network::{Cause, NetworkError};

/// Tries again as a [`Client`](crate::Client) does.
///
/// An API's error stays a response, as users of `reqwest` expect: with its status, fields and content, and
/// with the [`ApiError`](crate::ApiError) among its extensions.
///
/// ```
/// # use demur_client::Client;
/// let retries = Client::builder(reqwest::Client::new()).middleware();
/// let client = reqwest_middleware::ClientBuilder::new(reqwest::Client::new()).with(retries).build();
/// ```
///
/// One call has another deadline than the policy's by an extension of its request:
///
/// ```
/// # use demur_client::{Client, Deadline};
/// # use std::time::Duration;
/// # let client = reqwest_middleware::ClientBuilder::new(reqwest::Client::new()).build();
/// let request = client.get("https://api.example/teas").with_extension(Deadline(Duration::from_secs(2)));
/// ```
#[derive(Clone)]
pub struct Retries {
    caller: Arc<AttemptContext>,
}

impl Retries {
    pub(crate) fn new(caller: Arc<AttemptContext>) -> Self {
        Self { caller }
    }
}

impl fmt::Debug for Retries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Retries").field("policy", &self.caller.policy).finish_non_exhaustive()
    }
}

/// The deadline of one call through [`Retries`], in place of the policy's: an extension of its request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadline(pub Duration);

/// The rest of the stack.
struct NextHandlers<'n, 'e> {
    next: Next<'n>,
    extensions: &'e mut Extensions,
}

impl Transport for NextHandlers<'_, '_> {
    async fn send(&mut self, request: Request) -> Result<Response, NetworkError> {
        self.next.clone().run(request, self.extensions).await.map_err(NetworkError::from)
    }

    /// Later middleware signs requests, and one middleware may serve several stacks.
    fn adds_credentials(&self) -> bool {
        true
    }
}

#[async_trait::async_trait]
impl Middleware for Retries {
    async fn handle(
        &self,
        request: Request,
        extensions: &mut Extensions,
        next: Next<'_>,
    ) -> reqwest_middleware::Result<Response> {
        let deadline = extensions.get().map(|Deadline(deadline)| *deadline);
        match self.caller.call(&mut NextHandlers { next, extensions }, request, deadline).await {
            Ok(response) => Ok(response),
            Err(Error::Api(error)) => {
                let mut response = http::Response::new(error.content.clone());
                *response.status_mut() = error.status;
                *response.headers_mut() = error.headers.clone();
                response.extensions_mut().insert(*error);
                Ok(response.into())
            }
            Err(Error::Network(mut error)) => Err(match error.cause.take() {
                Some(Cause::Reqwest(cause)) => reqwest_middleware::Error::Reqwest(cause),
                Some(Cause::Middleware(cause)) => cause,
                None => reqwest_middleware::Error::middleware(Error::Network(error)),
            }),
        }
    }
}
