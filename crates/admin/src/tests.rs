//! A change and its entry in the audit log, where something fails in between.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use demur_admission::{Account, AccountStatement, Balance, Command, Plan, Reply};
use http::Request;
use serde_json::{Value as Json, json};

use crate::*;

/// Counts the changes, and panics while it makes one for the account `panic`: as if the gateway ended.
struct Counting(Arc<AtomicUsize>);

impl Host for Counting {
    fn execute(&self, command: Command) -> Reply {
        self.0.fetch_add(1, Ordering::Relaxed);
        let id = match command {
            Command::TopUp { account, .. } => account,
            Command::CreateAccount { account, .. } => account.unwrap(),
            other => panic!("no change of these tests: {other:?}"),
        };
        assert_ne!(id.as_str(), "panic");
        let account = Account { id, name: String::new(), plan: String::new(), grant_day: None };
        let credits = Balance::default();
        Reply::Account(AccountStatement { account, credits, limits: Vec::new(), deleted: None })
    }

    fn plans(&self) -> Vec<Plan> {
        Vec::new()
    }

    fn api(&self, _: &str) -> Option<ApiInfo> {
        None
    }

    fn configuration(&self) -> Result<Configuration, String> {
        Err("there is none".to_owned())
    }

    fn reload(&self) -> Result<Reloaded, Vec<String>> {
        Err(Vec::new())
    }
}

struct Fixture {
    api: AdminApi,
    database: Arc<AdminDatabase>,
    changes: Arc<AtomicUsize>,
    secret: String,
    _folder: tempfile::TempDir,
}

impl Fixture {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let database = Arc::new(AdminDatabase::open(&folder.path().join("admin.db")).unwrap());
        let new = NewToken { name: "test", role: Role::Operator, valid_for: Duration::from_secs(600) };
        let secret = database.create_token(&new, "test").unwrap().secret.expose().to_owned();
        let changes = Arc::new(AtomicUsize::new(0));
        let host = Box::new(Counting(Arc::clone(&changes)));
        let hosts = vec!["localhost".to_owned()];
        let api = AdminApi::new(Arc::clone(&database), host, None, hosts).unwrap();
        Self { api, database, changes, secret, _folder: folder }
    }

    /// Sends a request with an `Idempotency-Key`: the status and the code.
    fn post(&self, path: &str, body: &Json) -> (u16, String) {
        let request = Request::post(path)
            .header("host", "localhost")
            .header("authorization", format!("Bearer {}", self.secret))
            .header("content-type", "application/json")
            .header("idempotency-key", "one");
        let (head, ()) = request.body(()).unwrap().into_parts();
        let response = self.api.respond(&head, body.to_string().as_bytes());
        let body: Json = serde_json::from_slice(response.body()).unwrap();
        (response.status().as_u16(), body["code"].as_str().unwrap_or_default().to_owned())
    }

    fn top_up(&self, account: &str) -> (u16, String) {
        self.post(&format!("/v1/accounts/{account}/top-ups"), &json!({ "amount": 1, "reason": "test" }))
    }

    fn create(&self, account: &str) -> (u16, String) {
        self.post("/v1/accounts", &json!({ "id": account, "name": "test" }))
    }

    fn changes(&self) -> usize {
        self.changes.load(Ordering::Relaxed)
    }
}

#[test]
fn changes_nothing_that_cannot_be_in_the_audit_log() {
    let fixture = Fixture::new();
    let other = rusqlite::Connection::open(fixture.database.path()).unwrap();
    // The claim of the key can be made, and the entry cannot.
    other
        .execute_batch("CREATE TRIGGER full BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'full'); END")
        .unwrap();
    assert_eq!(fixture.top_up("acme"), (503, "audit_unavailable".to_owned()));
    assert_eq!(fixture.changes(), 0);
    other.execute_batch("DROP TRIGGER full").unwrap();
    // The same request again: the key was given back.
    assert_eq!(fixture.top_up("acme").0, 200);
    assert_eq!(fixture.changes(), 1);
}

#[test]
fn records_a_change_whose_outcome_is_unknown() {
    for (path, after) in [("top-up", "repeated"), ("create", "idempotency_outcome_unknown")] {
        let fixture = Fixture::new();
        let change = || if path == "create" { fixture.create("panic") } else { fixture.top_up("panic") };
        assert!(catch_unwind(AssertUnwindSafe(change)).is_err(), "as if the gateway ended");
        let entry = fixture.database.audit(None, 1).unwrap().remove(0);
        assert_eq!((entry.status, entry.code), (None, None), "{path}");
        assert_eq!(change(), (409, "idempotency_in_progress".to_owned()), "{path}");
        // The next start.
        fixture.database.interrupt_requests().unwrap();
        if after == "repeated" {
            assert!(
                catch_unwind(AssertUnwindSafe(change)).is_err(),
                "it runs again, which has the same effect"
            );
            assert_eq!(fixture.changes(), 2);
        } else {
            assert_eq!(change(), (409, after.to_owned()));
            assert_eq!(fixture.changes(), 1);
        }
    }
}
