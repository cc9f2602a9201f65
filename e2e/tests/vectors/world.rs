//! The gateways that produce the cases. They start on first use.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime};

use demur_e2e::{
    Client, Gateway, Issued, MockResponse, MockedGateway, NewKey, Request, Response, TestDir,
    refusing_address, sound_request,
};
use jiff::Timestamp;

use crate::explained;

/// Everything that a case may need. All of it is real: services, upstreams, databases, keys.
pub(crate) struct World {
    /// The demo.
    pub(crate) demo: LazyLock<Gateway>,
    /// The example APIs in front of a mocked upstream.
    pub(crate) scripted: LazyLock<MockedGateway>,
    accounts: AtomicU32,
}

impl World {
    pub(crate) fn new() -> Self {
        Self {
            demo: LazyLock::new(Gateway::demo),
            scripted: LazyLock::new(MockedGateway::start),
            accounts: AtomicU32::new(0),
        }
    }

    /// Sends a request to the demo.
    pub(crate) fn send(&self, api: &str, request: &Request) -> Response {
        self.client(api).send(request)
    }

    /// The response of the demo, checked to have this condition.
    pub(crate) fn assert_rejected(&self, condition: &str, api: &str, request: &Request) -> Response {
        assert_condition(condition, &self.demo, self.send(api, request))
    }

    /// A well-formed key that another gateway issued.
    pub(crate) fn unknown_key(&self, api: &str) -> &str {
        self.scripted.key(api)
    }

    /// A client for an API of the demo.
    pub(crate) fn client(&self, api: &str) -> Client {
        self.demo.client(api)
    }

    /// The secret of one of the demo's sample keys.
    pub(crate) fn key(&self, api: &str, label: &str) -> &str {
        self.demo.sample_key(api, label)
    }

    /// A new account on the demo, with nothing of its plan used.
    pub(crate) fn account(&self, plan: &str) -> String {
        let id = format!("{plan}-{}", self.accounts.fetch_add(1, Ordering::Relaxed));
        self.demo.folder().create_account(&id, plan);
        id
    }

    /// A new key on the demo, of a new account on this plan.
    pub(crate) fn new_key(&self, api: &str, plan: &str) -> Issued {
        let account = self.account(plan);
        self.demo.folder().create_key(&NewKey { api, account: &account, ..NewKey::default() })
    }

    /// The response to a key that worked a moment ago and was revoked on the command line since.
    pub(crate) fn revoked(&self, api: &str) -> Response {
        let key = self.new_key(api, "pro");
        let request = sound_request(api, &key.secret);
        let before = self.send(api, &request);
        assert_eq!(before.status, 200, "it works until then: {before:?}");
        self.demo.folder().revoke_key(&key.id);
        self.assert_rejected("credential.revoked", api, &request)
    }

    /// The response to a key that worked a moment ago and has expired since.
    pub(crate) fn expired(&self, api: &str) -> Response {
        let expires = SystemTime::now() + Duration::from_secs(3);
        let shown = Timestamp::try_from(expires).unwrap().to_string();
        let account = self.account("pro");
        let new = NewKey { api, account: &account, expires: Some(&shown), ..NewKey::default() };
        let request = sound_request(api, &self.demo.folder().create_key(&new).secret);
        let before = self.send(api, &request);
        assert_eq!(before.status, 200, "it works until then: {before:?}");
        if let Ok(left) = expires.duration_since(SystemTime::now()) {
            std::thread::sleep(left);
        }
        self.assert_rejected("credential.expired", api, &request)
    }

    /// The response when this request exceeds the rate of the plan.
    pub(crate) fn hurried(&self, api: &str) -> Response {
        let key = self.new_key(api, "limited");
        let request = sound_request(api, &key.secret);
        let mut connection = self.client(api).connect();
        // Three are allowed at once; on a slow machine another few may be.
        for _ in 0..100 {
            let response = connection.send(&request);
            if response.status != 200 {
                return assert_condition("rate.exceeded", &self.demo, response);
            }
        }
        panic!("a hundred requests at once, and all of them were let in");
    }

    /// The responses when the upstream does this, each for this reason.
    pub(crate) fn failing(&self, condition: &str, api: &str, reactions: Vec<MockResponse>) -> Vec<Response> {
        let response = |reaction| {
            let response = self.scripted.response(api, reaction);
            assert_condition(condition, self.scripted.gateway(), response)
        };
        reactions.into_iter().map(response).collect()
    }

    /// The response when nothing listens at the upstream's address.
    pub(crate) fn unreachable(&self, api: &str) -> Response {
        let (refusing, _kept) = refusing_address();
        let folder = TestDir::of_examples();
        folder.point(api, refusing);
        let gateway = Gateway::serve_with_keys(folder);
        let response = gateway.client(api).send(&sound_request(api, gateway.sample_key(api, "active")));
        assert_condition("upstream.unreachable", &gateway, response)
    }
}

/// The response, when the gateway's log says that this condition led to it (`-` for an error that the API
/// raised): a case that comes about for another reason than the one it names is not produced.
pub(crate) fn assert_condition(condition: &str, gateway: &Gateway, response: Response) -> Response {
    let logged = gateway.logged(response.header("x-request-id"));
    // An error of the API's own is logged under its own name.
    let expected = if condition == "-" { logged["error"].as_str().unwrap() } else { condition };
    // 502, 503 and 504 of an upstream keep their meaning.
    let found = match logged["condition"].as_str() {
        Some("upstream.unreachable" | "upstream.unavailable" | "upstream.timeout")
            if condition == "upstream.failed" =>
        {
            Some(condition)
        }
        found => found,
    };
    assert_eq!(found, Some(expected), "{logged}");
    assert_eq!(logged["status"].as_u64(), Some(response.status.into()), "{logged}");
    explained::check(gateway, &response, &logged);
    response
}

/// Failures of an upstream.
pub(crate) fn failures() -> Vec<MockResponse> {
    vec![MockResponse::html(500), MockResponse::html(500), MockResponse::stack_trace()]
}
