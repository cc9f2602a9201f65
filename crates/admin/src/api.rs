//! Answers requests: who sends them, what they may do, and what they ask for.

use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use demur_contract::Condition;
use demur_validation::{CheckedBody, Find, PathCharacters, RouteMatch, canonical_path};
use http::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, HeaderName, X_CONTENT_TYPE_OPTIONS};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use jiff::Timestamp;
use serde_json::Value as Json;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::context::AdminContext;
use crate::database::{Actor, TokenState};
use crate::document::Document;
use crate::error::{self, Failure};
use crate::operation::{OPERATIONS, Run};
use crate::request::AdminRequest;
use crate::response::json_response;
use crate::writes::Change;
use crate::{AdminDatabase, Host, guard};

/// The most bytes of a body: what a person pastes, escaped as JSON.
pub const MAX_BODY_BYTES: usize = 320 * 1024;

/// Where the document is served.
const DOCUMENT_PATH: &str = "/openapi.json";

/// The admin API of one gateway.
pub struct AdminApi {
    document: Document,
    context: AdminContext,
    /// The values of `Host` that requests may have.
    hosts: Vec<String>,
}

impl AdminApi {
    /// The API of a gateway, with its tokens in this database and its journal at this path. It is served under `hosts`; one
    /// without a port stands for every port.
    ///
    /// The error is a mistake in the contract or the document, which are part of the program.
    pub fn new(
        database: Arc<AdminDatabase>,
        host: Box<dyn Host>,
        journal: Option<PathBuf>,
        hosts: Vec<String>,
    ) -> Result<Self, String> {
        let contract = error::contract()?;
        let document = Document::load(&contract)?;
        Ok(Self { document, context: AdminContext { contract, database, host, journal }, hosts })
    }

    /// The response to a request. `body` has at most [`MAX_BODY_BYTES`]. It may block.
    pub fn respond(&self, head: &Parts, body: &[u8]) -> Response<Bytes> {
        let id = self.request_id();
        match self.answer(&id, head, body) {
            Ok(response) => with_headers(response, &id),
            Err(failure) => self.fail(failure, &id),
        }
    }

    /// The response to a request that cannot be read, as this status says.
    pub fn reject(&self, status: StatusCode) -> Response<Bytes> {
        self.fail(status.into(), &self.request_id())
    }

    fn request_id(&self) -> String {
        format!("{}{}", self.context.contract.request_id().prefix, Uuid::now_v7().simple())
    }

    fn fail(&self, failure: Failure, id: &str) -> Response<Bytes> {
        with_headers(error::render(&self.context.contract, failure, id), id)
    }

    fn answer(&self, id: &str, head: &Parts, body: &[u8]) -> Result<Response<Bytes>, Failure> {
        // Before anything else: a page of another site must learn nothing, not even what is wrong with its request.
        if !guard::is_known_host(head, &self.hosts) {
            return Err(Failure::Condition(Condition::RequestMisdirected));
        }
        if !guard::is_same_site(&head.headers) {
            return Err(Failure::CrossSite);
        }
        if head.uri.path() == DOCUMENT_PATH {
            return self.serve_document(&head.method);
        }
        let path = canonical_path(head.uri.path());
        if path.fault.is_some() || path.characters != PathCharacters::NONE {
            return Err(Failure::Condition(Condition::ResourceNotFound));
        }
        let matched = match self.document.api.find(&head.method, &path.text) {
            Find::Found(matched) => matched,
            Find::MethodNotAllowed { allow } => return Err(Failure::MethodNotAllowed(allow.to_owned())),
            Find::NotFound => return Err(Failure::Condition(Condition::ResourceNotFound)),
        };
        let operation = OPERATIONS.iter().find(|known| known.id == matched.operation.id());
        let operation = operation.ok_or_else(|| {
            Failure::Internal(format!("no code for the operation `{}`", matched.operation.id()))
        })?;
        let actor = self.authenticate(&head.headers)?;
        let parameters = self.document.api.check_parameters(&matched, head.uri.query(), &head.headers);
        let mut request = AdminRequest { id: id.to_owned(), parameters: parameters.values, body: Json::Null };
        if request.contains_credential() {
            return Err(Failure::CredentialInRequest);
        }
        let change =
            |request| Change { operation, actor: &actor, request, fingerprint: fingerprint(head, body) };
        if actor.role < operation.role {
            let failure = Failure::RoleInsufficient { role: actor.role, required: operation.role };
            if matches!(operation.run, Run::Write { .. }) {
                change(&request).record_rejection(&self.context, &failure);
            }
            return Err(failure);
        }
        if !parameters.violations.is_empty() {
            return Err(Failure::Violations(parameters.violations));
        }
        request.body = self.check_body(&matched, head, body)?;
        match &operation.run {
            Run::Read(run) => run(&self.context, &request).map(|body| json_response(200, body.to_string())),
            Run::Write { .. } if request.contains_credential() => Err(Failure::CredentialInRequest),
            Run::Write { .. } => change(&request).run(&self.context),
        }
    }

    fn serve_document(&self, method: &Method) -> Result<Response<Bytes>, Failure> {
        if !matches!(*method, Method::GET | Method::HEAD) {
            return Err(Failure::MethodNotAllowed("GET, HEAD".to_owned()));
        }
        let mut response = Response::new(self.document.json.clone());
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        Ok(response)
    }

    fn authenticate(&self, headers: &HeaderMap) -> Result<Actor, Failure> {
        let failure = |condition| Err(Failure::Condition(condition));
        let mut values = headers.get_all(AUTHORIZATION).iter();
        let (Some(value), None) = (values.next(), values.next()) else {
            return failure(Condition::CredentialMissing);
        };
        let token = value.to_str().ok().and_then(|value| value.split_once(' '));
        let Some((_, token)) = token.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")) else {
            return failure(Condition::CredentialScheme);
        };
        match self.context.database.authenticate(token.trim(), Timestamp::now())? {
            Some((actor, TokenState::Active)) => Ok(actor),
            Some((_, TokenState::Expired)) => failure(Condition::CredentialExpired),
            Some((_, TokenState::Revoked)) => failure(Condition::CredentialRevoked),
            None => failure(Condition::CredentialUnknown),
        }
    }

    fn check_body(&self, matched: &RouteMatch<'_, '_>, head: &Parts, body: &[u8]) -> Result<Json, Failure> {
        let content_type = head.headers.get(CONTENT_TYPE).map(|value| value.to_str().unwrap_or_default());
        match self.document.api.check_body(matched.operation, content_type, body) {
            CheckedBody::Checked { violations, .. } if !violations.is_empty() => {
                Err(Failure::Violations(violations))
            }
            CheckedBody::Checked { value, .. } => Ok(value.unwrap_or_default()),
            CheckedBody::Rejected(problem) => Err(Failure::Condition(problem.condition)),
        }
    }
}

/// What makes two requests with one `Idempotency-Key` the same.
fn fingerprint(head: &Parts, body: &[u8]) -> [u8; 32] {
    let mut digest = Sha256::new();
    let target = head.uri.path_and_query().map(http::uri::PathAndQuery::as_str).unwrap_or_default();
    // No method and no target contains a zero.
    for part in [head.method.as_str().as_bytes(), b"\0", target.as_bytes(), b"\0", body] {
        digest.update(part);
    }
    digest.finalize().into()
}

/// The headers of all responses. There are none of CORS: no page of another site may read them.
fn with_headers(mut response: Response<Bytes>, id: &str) -> Response<Bytes> {
    let headers = response.headers_mut();
    let constants: [(HeaderName, &str); 3] = [
        (CACHE_CONTROL, "no-store"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ];
    for (name, value) in constants {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if let Ok(id) = HeaderValue::from_str(id) {
        headers.insert("x-request-id", id);
    }
    response
}

impl std::fmt::Debug for AdminApi {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AdminApi")
            .field("database", &self.context.database)
            .field("hosts", &self.hosts)
            .finish_non_exhaustive()
    }
}
