//! The engine: everything that requests share. Its APIs, their contracts, and who may call them.
//!
//! The path of one request is in `serve.rs`.

use std::sync::Arc;

use demur_admission::Admission;
use demur_contract::Contract;

use crate::api::Api;
use crate::body_budget::{BodyBudget, DEFAULT_BODY_MEMORY};
use crate::pages::PageLookup;
use crate::redact::Redactor;
use crate::reject::responder::ErrorResponder;
use crate::router::ApiRouter;

/// Serves requests to a set of APIs.
pub struct Engine {
    apis: ApiRouter,
    admission: Arc<Admission>,
    redactor: Arc<Redactor>,
    /// Renders rejections of requests whose API is not known.
    default_responder: ErrorResponder,
    /// Memory for buffered bodies.
    body_budget: Arc<BodyBudget>,
    /// Pages that are served beside the APIs.
    pages: Option<PageLookup>,
}

impl Engine {
    /// An engine for these APIs. Of two with the same mount the first one is used. `default_contract` renders rejections
    /// of requests whose API is not known.
    pub fn new(apis: Vec<Arc<Api>>, admission: Arc<Admission>, default_contract: Arc<Contract>) -> Arc<Self> {
        Self::with_body_memory(apis, admission, default_contract, DEFAULT_BODY_MEMORY)
    }

    /// Like [`new`](Self::new), with `body_memory` bytes for buffered bodies instead of [`DEFAULT_BODY_MEMORY`]. Requests
    /// that need more are rejected as `overloaded`.
    pub fn with_body_memory(
        apis: Vec<Arc<Api>>,
        admission: Arc<Admission>,
        default_contract: Arc<Contract>,
        body_memory: usize,
    ) -> Arc<Self> {
        Self::with_pages(apis, admission, default_contract, body_memory, None)
    }

    /// The same, with pages that are served beside the APIs.
    pub fn with_pages(
        apis: Vec<Arc<Api>>,
        admission: Arc<Admission>,
        default_contract: Arc<Contract>,
        body_memory: usize,
        pages: Option<PageLookup>,
    ) -> Arc<Self> {
        let body_budget = BodyBudget::new(body_memory);
        Self::build(apis, admission, default_contract, body_budget, pages)
    }

    /// An engine that replaces this one when the configuration is reloaded. Both share the memory for buffered bodies, which
    /// gets another limit.
    pub fn succeed(
        &self,
        apis: Vec<Arc<Api>>,
        default_contract: Arc<Contract>,
        body_memory: usize,
        pages: Option<PageLookup>,
    ) -> Arc<Self> {
        self.body_budget.set_limit(body_memory);
        let (admission, body_budget) = (Arc::clone(&self.admission), Arc::clone(&self.body_budget));
        Self::build(apis, admission, default_contract, body_budget, pages)
    }

    fn build(
        apis: Vec<Arc<Api>>,
        admission: Arc<Admission>,
        default_contract: Arc<Contract>,
        body_budget: Arc<BodyBudget>,
        pages: Option<PageLookup>,
    ) -> Arc<Self> {
        let prefixes = apis.iter().flat_map(|api| api.settings.authentication.prefixes.all());
        let redactor = Arc::new(Redactor::new(prefixes, Arc::clone(&admission)));
        let default_responder = ErrorResponder::new(default_contract, &[], None);
        Arc::new(Self {
            apis: ApiRouter::new(apis),
            admission,
            redactor,
            default_responder,
            body_budget,
            pages,
        })
    }

    /// The APIs, in the order in which they are matched.
    pub fn apis(&self) -> &[Arc<Api>] {
        self.apis.all()
    }

    /// Keys, plans, limits and credits.
    pub fn admission(&self) -> &Arc<Admission> {
        &self.admission
    }

    /// The bytes that buffered bodies take, and the limit.
    pub fn body_memory(&self) -> (usize, usize) {
        self.body_budget.usage()
    }

    /// Removes everything that looks like an API key from a text, however it is encoded.
    pub fn redact(&self, text: String) -> String {
        self.redactor.redact(text, &[])
    }

    pub(crate) fn pages(&self) -> Option<&PageLookup> {
        self.pages.as_ref()
    }

    pub(crate) fn router(&self) -> &ApiRouter {
        &self.apis
    }

    pub(crate) fn body_budget(&self) -> &Arc<BodyBudget> {
        &self.body_budget
    }

    pub(crate) fn redactor(&self) -> &Arc<Redactor> {
        &self.redactor
    }

    pub(crate) fn default_responder(&self) -> &ErrorResponder {
        &self.default_responder
    }
}
