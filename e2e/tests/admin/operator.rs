//! A gateway with an admin API, and a token for each role.

use demur_e2e::{Client, Gateway, Request, Response, TestDir, read_contract};
use serde_json::Value as Json;

pub(crate) const ROLES: [&str; 3] = ["viewer", "support", "operator"];
pub(crate) const API: &str = "trackyard";

/// The gateway, and a client of its admin API.
pub(crate) struct Running {
    pub(crate) gateway: Gateway,
    pub(crate) client: Client,
    /// Of a viewer, of support, and of an operator.
    tokens: [String; 3],
}

/// The configuration of the examples with an admin API.
pub(crate) fn folder(admin: &str) -> TestDir {
    let folder = TestDir::of_examples();
    folder.edit("journal: journal.db", &format!("admin: {admin}\njournal: journal.db"));
    folder
}

impl Running {
    pub(crate) fn start() -> Self {
        Self::of(Gateway::serve(folder("127.0.0.1:0")))
    }

    pub(crate) fn of(gateway: Gateway) -> Self {
        let contract = include_str!("../../../crates/admin/data/contract.yaml");
        let client = Client::new(gateway.admin_address(), "", read_contract("admin", contract));
        let tokens = ROLES.map(|role| token(gateway.folder(), role, "1d").1);
        Self { gateway, client, tokens }
    }

    pub(crate) fn token(&self, role: &str) -> &str {
        &self.tokens[ROLES.iter().position(|known| *known == role).unwrap()]
    }

    /// Sends a request as this role.
    pub(crate) fn send(&self, role: &str, request: Request) -> Response {
        self.client.send(&request.key(self.token(role)))
    }

    /// Sends a request as an operator, which must succeed.
    pub(crate) fn done(&self, request: Request) -> Json {
        let response = self.send("operator", request);
        assert!(response.status < 300, "{response:?}");
        response.json()
    }

    /// Creates an account with a key, and returns the ID and the secret of the key.
    pub(crate) fn account_with_key(&self, account: &str) -> (String, String) {
        let new = serde_json::json!({ "id": account, "name": account, "plan": "pro" });
        self.done(Request::post("/v1/accounts").json(&new));
        let new = serde_json::json!({ "api": API, "account": account });
        let issued = self.done(Request::post("/v1/keys").json(&new));
        let text = |value: &Json| value.as_str().unwrap().to_owned();
        (text(&issued["key"]["id"]), text(&issued["secret"]))
    }

    /// The audit log, newest entries first.
    pub(crate) fn audit(&self) -> Vec<Json> {
        let page = self.done(Request::get("/v1/audit?limit=1000"));
        assert_eq!(page["next"], Json::Null);
        page["items"].as_array().unwrap().clone()
    }
}

/// `demur admin token create`: the ID and the secret.
pub(crate) fn token(folder: &TestDir, role: &str, valid_for: &str) -> (String, String) {
    let arguments = ["admin", "token", "create", "--name", role, "--role", role, "--expires-in", valid_for];
    let made = folder.result(&arguments);
    let text = |value: &Json| value.as_str().unwrap().to_owned();
    (text(&made["token"]["id"]), text(&made["secret"]))
}

/// The code of an error.
pub(crate) fn code(response: &Response) -> String {
    response.json()["code"].as_str().unwrap_or_default().to_owned()
}
