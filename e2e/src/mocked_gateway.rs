//! All five APIs in front of one upstream whose responses the test sets.

use std::sync::{Arc, Mutex, PoisonError};

use serde_json::json;

use crate::{Client, Gateway, MockResponse, Received, Request, Response, TestDir, Upstream};

/// A brand of the examples that the keys for get-scores own.
pub const OWNED_BRAND: &str = "0000000000000x000000000000000000";

/// A gateway with a key `active` for each API, and the upstream behind all of them.
pub struct MockedGateway {
    gateway: Gateway,
    upstream: Upstream,
    reaction: Arc<Mutex<MockResponse>>,
}

impl MockedGateway {
    /// Starts both. The upstream closes every connection until the test sets a response.
    pub fn start() -> Self {
        Self::on(TestDir::of_examples())
    }

    /// Starts both on a changed folder of the examples.
    pub fn on(folder: TestDir) -> Self {
        let reaction = Arc::new(Mutex::new(MockResponse::closes()));
        let current = Arc::clone(&reaction);
        let upstream =
            Upstream::start(move |_| current.lock().unwrap_or_else(PoisonError::into_inner).clone());
        for example in demur_examples::all() {
            folder.point(example.name, upstream.address());
        }
        Self { gateway: Gateway::serve_with_keys(folder), upstream, reaction }
    }

    /// Sets the response of the upstream to every further request.
    pub fn upstream_does(&self, reaction: MockResponse) {
        *self.reaction.lock().unwrap_or_else(PoisonError::into_inner) = reaction;
    }

    /// The gateway.
    pub fn gateway(&self) -> &Gateway {
        &self.gateway
    }

    /// A client for an API.
    pub fn client(&self, api: &str) -> Client {
        self.gateway.client(api)
    }

    /// The API's key.
    pub fn key(&self, api: &str) -> &str {
        self.gateway.sample_key(api, "active")
    }

    /// The response to a valid request when the upstream responds like this.
    pub fn response(&self, api: &str, reaction: MockResponse) -> Response {
        self.upstream_does(reaction);
        self.client(api).send(&sound_request(api, self.key(api)))
    }

    /// Every request that reached the upstream.
    pub fn received(&self) -> Vec<Received> {
        self.upstream.received()
    }

    /// The latest request that reached the upstream.
    pub fn last(&self) -> Received {
        self.upstream.last()
    }
}

/// A valid request to an example API, which costs no credits.
pub fn sound_request(api: &str, key: &str) -> Request {
    let request = match api {
        "trakkr" => Request::get("/brands"),
        "trakkr-get-scores" => Request::post("/get-scores").json(&json!({ "brand": OWNED_BRAND })),
        "trackyard" => Request::get("/api/external/v1/tracks/trk_001"),
        "trackbot-pro" => Request::get("/shipments"),
        "trackunit" => Request::get("/groups/group-1"),
        other => panic!("no example `{other}`"),
    };
    request.key(key)
}
