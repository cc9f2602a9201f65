//! The stores in memory under the conformance suite.

#![expect(clippy::unwrap_used, reason = "a test")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use demur_admission::conformance::Fixture;
use demur_admission::memory::{MemoryDirectory, MemoryLedger};
use demur_admission::{
    Account, AccountId, GrantDay, Grants, ImportedForm, ImportedForms, KeyId, KeyRecord, LocalCounters, Now,
    Pepper, Principal, Secret, Stores,
};
use jiff::Timestamp;

#[derive(Default)]
struct Memory {
    keys: Arc<MemoryDirectory>,
    limits: Arc<LocalCounters>,
    credits: Arc<MemoryLedger>,
}

impl Fixture for Memory {
    fn stores(&self) -> Stores {
        Stores { keys: self.keys.clone(), limits: self.limits.clone(), credits: self.credits.clone() }
    }

    fn pepper(&self) -> Pepper {
        Pepper::from_bytes(&[7; 32])
    }

    fn add_account(&self, _account: &Account) {
        // The directory in memory stores accounts with their keys.
    }

    fn add_key(&self, account: &Account, expires: Option<Timestamp>, grants: Grants, now: Now) -> Secret {
        let secret = Secret::generate("shop").unwrap();
        let key = record(account, expires, grants, now);
        self.keys.insert(self.pepper().digest(secret.expose()), key, account.clone());
        secret
    }

    fn revoke(&self, principal: &Principal, now: Now) {
        assert!(self.keys.revoke(&principal.key().id, now.wall));
    }

    fn rotate(&self, principal: &Principal, grace: Duration, now: Now) -> Secret {
        let secret = Secret::generate("shop").unwrap();
        let digest = self.pepper().digest(secret.expose());
        assert!(self.keys.rotate(&principal.key().id, digest, now.wall, grace));
        secret
    }

    fn set_disabled(&self, principal: &Principal, disabled: bool, now: Now) {
        let set = |key: &mut KeyRecord| key.disabled = disabled.then_some(now.wall);
        assert!(self.keys.change(&principal.key().id, set));
    }

    fn import(&self, account: &Account, form: ImportedForm, sha256: [u8; 32], now: Now) {
        let digest = self.pepper().imported_digest(&sha256).unwrap();
        self.keys.insert(digest, record(account, None, Grants::default(), now), account.clone());
        self.keys.accept_imported(ImportedForms { forms: vec![form], keys: Vec::new() });
    }

    fn last_used(&self, principal: &Principal) -> Option<Timestamp> {
        self.keys.last_used(&principal.key().id)
    }

    fn set_plan(&self, account: &AccountId, plan: &str, _now: Now) {
        self.keys.set_plan(account, plan);
    }

    fn set_grant_day(&self, account: &AccountId, day: Option<GrantDay>, _now: Now) {
        self.keys.set_grant_day(account, day);
    }

    fn top_up(&self, account: &AccountId, amount: u64, _now: Now) {
        self.credits.top_up(account, amount).unwrap();
    }

    fn set_unavailable(&self, _out_of_reach: bool) -> bool {
        false
    }

    fn restart(self) -> Option<Self> {
        None
    }
}

fn record(account: &Account, expires: Option<Timestamp>, grants: Grants, now: Now) -> KeyRecord {
    KeyRecord {
        id: KeyId::generate(),
        account: account.id.clone(),
        api: "shop".into(),
        prefix: "shop".into(),
        created: now.wall,
        expires,
        revoked: None,
        disabled: None,
        grants,
        metadata: BTreeMap::new(),
    }
}

fn make() -> Memory {
    Memory::default()
}

demur_admission::store_conformance!(make);
