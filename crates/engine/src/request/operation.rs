//! The operation that a request resolved to. It owns what it refers to, so that it can wait together with the request and
//! nothing is routed twice.

use std::borrow::Cow;
use std::sync::Arc;

use demur_contract::Condition;
use demur_validation::{Operation, RouteMatch, SavedMatch};
use http::request::Parts;

use crate::api::Api;
use crate::reject::rejection::Rejection;
use crate::request::credential;
use crate::settings::{ApiSettings, OperationSettings, RequestValidation};

/// A resolved operation, for a request whose head does not change until it is forwarded.
#[derive(Debug, Clone)]
pub(crate) struct ResolvedOperation {
    pub(crate) api: Arc<Api>,
    /// The API's index in the engine.
    pub(crate) api_index: usize,
    route: SavedMatch,
    /// Where the path within the API begins in the request's path.
    path_start: usize,
    query: ForwardedQuery,
}

/// The query that the upstream sees.
#[derive(Debug, Clone)]
enum ForwardedQuery {
    AsSent,
    /// Without the parameter that carries the API key.
    Rewritten(Option<String>),
}

impl ResolvedOperation {
    /// `path` is the path within the API, a part of the request's path or `/`.
    pub(crate) fn new(
        (api_index, api): (usize, &Arc<Api>),
        parts: &Parts,
        path: &str,
        found: &RouteMatch<'_, '_>,
    ) -> Self {
        let sent = parts.uri.query();
        let query = match query_without_key(sent, &api.settings) {
            Some(Cow::Owned(query)) => ForwardedQuery::Rewritten(Some(query)),
            None if sent.is_some() => ForwardedQuery::Rewritten(None),
            Some(Cow::Borrowed(_)) | None => ForwardedQuery::AsSent,
        };
        let path_start = api.settings.mount.path.len();
        Self { api: Arc::clone(api), api_index, route: found.save(path), path_start, query }
    }

    /// The operation's index in the API's document.
    pub(crate) fn index(&self) -> usize {
        self.route.operation()
    }

    /// The operation as the API's document declares it.
    pub(crate) fn document(&self) -> &Operation {
        &self.api.settings.document.operations()[self.index()]
    }

    /// The operation's policy.
    pub(crate) fn settings(&self) -> &OperationSettings {
        &self.api.settings.operations[self.index()]
    }

    /// Whether its requests are validated.
    pub(crate) fn validation(&self) -> RequestValidation {
        self.settings().validation.unwrap_or(self.api.settings.validation.requests)
    }

    /// The path within the API.
    pub(crate) fn path<'p>(&self, parts: &'p Parts) -> &'p str {
        match parts.uri.path().get(self.path_start..) {
            None | Some("") => "/",
            Some(path) => path,
        }
    }

    /// The query, without the API key.
    pub(crate) fn query<'p>(&'p self, parts: &'p Parts) -> Option<&'p str> {
        match &self.query {
            ForwardedQuery::AsSent => parts.uri.query(),
            ForwardedQuery::Rewritten(query) => query.as_deref(),
        }
    }

    /// The operation with its path parameters. `path` is [`path`](Self::path).
    pub(crate) fn route_match<'p>(&'p self, path: &'p str) -> Result<RouteMatch<'p, 'p>, Rejection> {
        let found = self.api.settings.document.restore(&self.route, path);
        found.ok_or_else(|| Rejection::from(Condition::Internal).with_cause("operation not in the document"))
    }
}

/// The query without the API key: the key is for the gateway alone. In monitor mode the query stays as it is, since the
/// upstream may use the key.
pub(crate) fn query_without_key<'q>(query: Option<&'q str>, settings: &ApiSettings) -> Option<Cow<'q, str>> {
    match settings.monitor {
        true => query.map(Cow::Borrowed),
        false => credential::without_key(query, &settings.authentication),
    }
}
