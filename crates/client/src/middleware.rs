//! [`Retries`]: the client as a middleware for `reqwest-middleware`.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::Extensions;
use reqwest::{Request, Response};
use reqwest_middleware::{Middleware, Next};

use crate::attempts::{AttemptContext, Transport};
use crate::error::Error;
use crate::network::{Cause, NetworkError};

/// A middleware that decodes errors and retries as [`Client`](crate::Client) does.
///
/// An error of the API stays a response, as in `reqwest`, with its status, headers and body, and with the
/// [`ApiError`](crate::ApiError) in its extensions. The deadline covers the body too; the source of an error while it is read
/// is an [`Error`].
///
/// ```
/// # use demur_client::Client;
/// let retries = Client::builder().middleware();
/// let client = reqwest_middleware::ClientBuilder::new(reqwest::Client::new()).with(retries).build();
/// ```
///
/// An extension of the request sets the deadline of one call:
///
/// ```
/// # use demur_client::{Client, Deadline};
/// # use std::time::Duration;
/// # let client = reqwest_middleware::ClientBuilder::new(reqwest::Client::new()).build();
/// let request = client.get("https://api.example/teas").with_extension(Deadline(Duration::from_secs(2)));
/// ```
#[derive(Clone)]
pub struct Retries {
    context: Arc<AttemptContext>,
}

impl Retries {
    pub(crate) fn new(context: Arc<AttemptContext>) -> Self {
        Self { context }
    }
}

impl fmt::Debug for Retries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Retries").field("policy", &self.context.policy).finish_non_exhaustive()
    }
}

/// A request extension: the deadline of one call through [`Retries`], instead of the deadline of the policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadline(pub Duration);

/// The rest of the middleware stack.
struct NextHandlers<'n, 'e> {
    next: Next<'n>,
    extensions: &'e mut Extensions,
}

impl Transport for NextHandlers<'_, '_> {
    async fn send(&mut self, request: Request) -> Result<Response, NetworkError> {
        self.next.clone().run(request, self.extensions).await.map_err(NetworkError::from)
    }

    /// Later middleware may sign requests, and one middleware may be part of several stacks.
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
        match self.context.call(&mut NextHandlers { next, extensions }, request, deadline).await {
            Ok(response) => Ok(response.into_reqwest()),
            Err(Error::Api(error)) => {
                let mut response = http::Response::new(error.body.clone());
                *response.status_mut() = error.status;
                *response.headers_mut() = error.headers.clone();
                response.extensions_mut().insert(*error);
                Ok(response.into())
            }
            Err(Error::Network(mut error)) => Err(match error.cause.take() {
                Some(Cause::Reqwest(cause)) => reqwest_middleware::Error::Reqwest(cause),
                Some(Cause::Middleware(cause)) => cause,
                Some(cause @ Cause::Json(_)) => {
                    error.cause = Some(cause);
                    reqwest_middleware::Error::middleware(Error::Network(error))
                }
                None => reqwest_middleware::Error::middleware(Error::Network(error)),
            }),
        }
    }
}
