//! A gateway in front of an upstream that remembers, and sends the responses that a test sets.

use std::cell::Cell;
use std::sync::{Arc, Mutex, PoisonError};

use demur_e2e::{Connection, Gateway, MockResponse, NewKey, Received, TestDir, Upstream};
use serde_json::{Value as Json, json};

/// What the API has.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Document {
    /// What our own cases ask for.
    Things,
    /// What those of `http_desync_guardian` ask for.
    Desync,
}

pub(crate) struct Site {
    gateway: Gateway,
    upstream: Upstream,
    key: String,
    script: Arc<Mutex<Option<Vec<u8>>>>,
    accounted_for: Cell<usize>,
}

impl Site {
    pub(crate) fn start(document: Document) -> Self {
        let script = Arc::new(Mutex::new(None::<Vec<u8>>));
        let reported = Arc::clone(&script);
        let upstream =
            Upstream::start(move |_| match &*reported.lock().unwrap_or_else(PoisonError::into_inner) {
                Some(bytes) => MockResponse::bytes(bytes.clone()).and_closes(),
                None => MockResponse::json(200, &json!({ "fine": true })),
            });
        let folder = TestDir::empty();
        folder.write("demur.yaml", include_str!("../../hostile/gateway/demur.yaml"));
        match document {
            Document::Things => {
                folder.write("openapi.yaml", include_str!("../../hostile/gateway/openapi.yaml"));
            }
            Document::Desync => {
                folder.write("openapi.yaml", include_str!("../../hostile/gateway/desync.yaml"));
                folder.edit("showNamed", "putOpen");
                folder.edit("putOpen: { anonymous: true }", "putOpen: { anonymous: true }\n      showPage: { anonymous: true }\n      postPage: { anonymous: true }");
            }
        }
        folder.edit("127.0.0.1:9001", &upstream.address().to_string());
        folder.create_account("acme", "pro");
        let key = folder.create_key(&NewKey { api: "things", account: "acme", ..NewKey::default() }).secret;
        Self { gateway: Gateway::serve(folder), upstream, key, script, accounted_for: Cell::new(0) }
    }

    pub(crate) fn key(&self) -> &str {
        &self.key
    }

    pub(crate) fn connect(&self) -> Connection {
        self.gateway.client_of_no_api().connect()
    }

    /// From now on the upstream responds with these bytes and closes, or with its default response.
    pub(crate) fn respond_with(&self, bytes: Option<Vec<u8>>) {
        *self.script.lock().unwrap_or_else(PoisonError::into_inner) = bytes;
    }

    pub(crate) fn logged(&self, request_id: &str) -> Json {
        self.gateway.logged(request_id)
    }

    /// What the upstream saw since this was last asked.
    pub(crate) fn received(&self) -> Vec<Received> {
        let mut all = self.upstream.received();
        let new = all.split_off(self.accounted_for.get());
        self.accounted_for.set(all.len() + new.len());
        new
    }

    /// What a case that failed left behind is not counted as the next one's.
    pub(crate) fn forget(&self) {
        self.received();
    }

    /// How many requests the upstream saw, and of how many of them a case knew.
    pub(crate) fn seen_and_accounted_for(&self) -> (usize, usize) {
        (self.upstream.received().len(), self.accounted_for.get())
    }
}
