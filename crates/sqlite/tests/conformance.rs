//! The embedded store under the conformance suite.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test")]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use demur_admission::conformance::{self, Fixture};
use demur_admission::{
    Account, AccountId, Command, GrantDay, Grants, ImportedForm, ImportedKey, Now, Page, Pepper, Plans,
    Principal, Reply, Secret, Stores,
};
use demur_sqlite::Store;
use jiff::Timestamp;
use tempfile::TempDir;

struct Embedded {
    store: Arc<Store>,
    folder: TempDir,
}

impl Embedded {
    fn open(folder: TempDir) -> Self {
        let plans = Arc::new(Plans::new(conformance::plans()));
        let store = Store::open(&folder.path().join("demur.db"), plans).unwrap();
        Self { store, folder }
    }

    fn execute(&self, command: Command, now: Now) -> Reply {
        match self.store.execute(command, now.wall) {
            Reply::Rejected { fault } => panic!("{fault}"),
            reply => reply,
        }
    }
}

impl Fixture for Embedded {
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

    fn set_unavailable(&self, unavailable: bool) -> bool {
        let (file, aside) = (self.folder.path().join("demur.db"), self.folder.path().join("aside"));
        let (from, to) = if unavailable { (file, aside) } else { (aside, file) };
        std::fs::rename(from, to).unwrap();
        true
    }

    /// Copies the files elsewhere, since a forgotten hold keeps its store open.
    fn restart(self) -> Option<Self> {
        self.store.close();
        let elsewhere = tempfile::tempdir().unwrap();
        copy_all(self.folder.path(), elsewhere.path());
        Some(Self::open(elsewhere))
    }
}

fn copy_all(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_file() {
            std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

fn make() -> Embedded {
    Embedded::open(tempfile::tempdir().unwrap())
}

demur_admission::store_conformance!(make);
