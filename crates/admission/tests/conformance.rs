//! The stores in memory under the suite for all stores.

#![expect(clippy::unwrap_used, reason = "a test")]

use std::sync::Arc;

use demur_admission::conformance::Fixture;
use demur_admission::memory::{MemoryDirectory, MemoryLedger};
use demur_admission::{
    Account, AccountId, Grants, KeyId, KeyRecord, LocalCounters, Now, Pepper, Principal, Secret, Stores,
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
        // The directory in memory keeps accounts with their keys.
    }

    fn add_key(&self, account: &Account, expires: Option<Timestamp>, grants: Grants, now: Now) -> Secret {
        let secret = Secret::generate("shop").unwrap();
        let key = KeyRecord {
            id: KeyId::generate(),
            account: account.id.clone(),
            api: "shop".into(),
            hint: "shop".into(),
            created: now.wall,
            expires,
            revoked: None,
            grants,
        };
        self.keys.insert(self.pepper().digest(secret.expose()), key, account.clone());
        secret
    }

    fn revoke(&self, principal: &Principal, now: Now) {
        assert!(self.keys.revoke(&principal.key().id, now.wall));
    }

    fn set_plan(&self, account: &AccountId, plan: &str, _now: Now) {
        self.keys.set_plan(account, plan);
    }

    fn top_up(&self, account: &AccountId, amount: u64, _now: Now) {
        self.credits.top_up(account, amount).unwrap();
    }

    fn restart(self) -> Option<Self> {
        None
    }
}

fn make() -> Memory {
    Memory::default()
}

demur_admission::store_conformance!(make);
