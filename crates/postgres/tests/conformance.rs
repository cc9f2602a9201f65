//! The store on PostgreSQL under the conformance suite, with the rules about several nodes.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test")]

mod server;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use demur_admission::conformance::nodes::SharedFixture;
use demur_admission::conformance::{self, Fixture};
use demur_admission::{
    Account, AccountId, Command, GrantDay, Grants, ImportedForm, ImportedKey, Now, Owner, Page, Pepper,
    Plans, Principal, Reply, Secret, Stores,
};
use demur_postgres::{Settings, Store};
use jiff::{SignedDuration, Timestamp};
use server::Server;

const LEASE: Duration = Duration::from_secs(3);

struct Node {
    store: Arc<Store>,
    owner: Owner,
    server: Arc<Server>,
}

impl Node {
    fn open(server: Arc<Server>, owner: Owner, clock_error: SignedDuration) -> Self {
        let pepper = "0a".repeat(32);
        let settings = Settings::new(&server.url("postgres"), &pepper, None).unwrap();
        let settings = settings.lease(LEASE).as_node(owner, clock_error);
        let store = Store::open(settings, Arc::new(Plans::new(conformance::plans()))).unwrap();
        Self { store, owner, server }
    }

    fn execute(&self, command: Command, now: Now) -> Reply {
        match self.store.execute(command, now.wall) {
            Reply::Rejected { fault } => panic!("{fault}"),
            reply => reply,
        }
    }
}

impl Fixture for Node {
    fn stores(&self) -> Stores {
        self.store.stores()
    }

    fn pepper(&self) -> Pepper {
        self.store.pepper()
    }

    fn add_account(&self, account: &Account) {
        let Account { id, name, plan, grant_day } = account.clone();
        self.execute(
            Command::CreateAccount { account: Some(id), name, plan, grant_day },
            conformance::start(),
        );
    }

    fn add_key(&self, account: &Account, expires: Option<Timestamp>, grants: Grants, now: Now) -> Secret {
        let (api, prefix) = ("shop".into(), "shop".into());
        let (account, metadata) = (account.id.clone(), BTreeMap::new());
        let command = Command::CreateKey { api, prefix, account, expires, grants, metadata, label: None };
        match self.execute(command, now) {
            Reply::KeyCreated(issued) => issued.secret,
            other => panic!("{other:?}"),
        }
    }

    fn revoke(&self, principal: &Principal, now: Now) {
        self.execute(Command::RevokeKey { key: principal.key().id.clone() }, now);
    }

    fn rotate(&self, principal: &Principal, grace: Duration, now: Now) -> Secret {
        let (key, prefix, grace_seconds) = (principal.key().id.clone(), "shop".into(), grace.as_secs());
        match self.execute(Command::RotateKey { key, prefix, grace_seconds }, now) {
            Reply::KeyRotated(rotated) => rotated.secret,
            other => panic!("{other:?}"),
        }
    }

    fn set_disabled(&self, principal: &Principal, disabled: bool, now: Now) {
        self.execute(Command::SetKeyDisabled { key: principal.key().id.clone(), disabled }, now);
    }

    fn import(&self, account: &Account, form: ImportedForm, sha256: [u8; 32], now: Now) {
        let hash = sha256.iter().map(|byte| format!("{byte:02x}")).collect();
        let (account, expires, metadata) = (account.id.clone(), None, BTreeMap::new());
        let keys =
            vec![ImportedKey { account, hash, expires, grants: Grants::default(), label: None, metadata }];
        self.execute(Command::ImportKeys { form, hash_key: None, keys }, now);
    }

    fn last_used(&self, principal: &Principal) -> Option<Timestamp> {
        let account = Some(principal.account().id.clone());
        match self.execute(Command::ListKeys { account, page: Page::default() }, conformance::start()) {
            Reply::Keys { keys, .. } => {
                keys.iter().find(|key| key.key.id == principal.key().id).and_then(|key| key.last_used)
            }
            other => panic!("{other:?}"),
        }
    }

    fn set_plan(&self, account: &AccountId, plan: &str, now: Now) {
        self.execute(Command::SetPlan { account: account.clone(), plan: plan.into() }, now);
    }

    fn set_grant_day(&self, account: &AccountId, day: Option<GrantDay>, now: Now) {
        self.execute(Command::SetGrantDay { account: account.clone(), grant_day: day }, now);
    }

    fn top_up(&self, account: &AccountId, amount: u64, now: Now) {
        let (account, reason) = (account.clone(), "test".into());
        self.execute(Command::TopUp { account, amount, reason, operation: None }, now);
    }

    /// Longer than the feed takes to read changes that it was not notified of.
    fn await_announcements(&self) {
        thread::sleep(Duration::from_millis(1500));
    }

    fn set_unavailable(&self, unavailable: bool) -> bool {
        if unavailable {
            // The tests use the database `postgres`, so this one has to do for the administrator.
            self.server.sql("template1", "ALTER DATABASE postgres ALLOW_CONNECTIONS false");
            let sql =
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = 'postgres'";
            self.server.sql("template1", sql);
        } else {
            self.server.sql("template1", "ALTER DATABASE postgres ALLOW_CONNECTIONS true");
        }
        true
    }

    fn restart(self) -> Option<Self> {
        self.store.close();
        Some(Self::open(Arc::clone(&self.server), Owner(self.owner.0 + 1000), SignedDuration::ZERO))
    }
}

impl SharedFixture for Node {
    fn another_node(&self, clock_error: SignedDuration) -> Self {
        Self::open(Arc::clone(&self.server), Owner(self.owner.0 + 1), clock_error)
    }

    fn owner(&self) -> Owner {
        self.owner
    }

    fn lease(&self) -> Duration {
        LEASE
    }

    fn kill(&self) {
        self.store.kill();
    }

    fn pause(&self, duration: Duration) {
        self.store.pause(duration);
    }
}

/// After every rule the books agree.
impl Drop for Node {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        match self.store.execute(Command::Verify, Timestamp::now()) {
            Reply::Verified { checks } => {
                for check in checks {
                    assert!(check.violations.is_empty(), "{}: {:?}", check.rule, check.violations);
                }
            }
            // Closed or killed.
            Reply::Rejected { .. } => {}
            other => panic!("{other:?}"),
        }
    }
}

fn make() -> Node {
    Node::open(Arc::new(Server::start()), Owner::this_process(), SignedDuration::ZERO)
}

demur_admission::store_conformance!(make);
demur_admission::node_conformance!(make);
