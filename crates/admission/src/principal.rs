//! Who is calling.

use std::fmt;
use std::sync::Arc;

use crate::{Account, Credential, KeyRecord, Meter, Now, Plan, Report};

/// Who is calling: the key, its account, the account's plan, and the counters of both.
pub struct Principal {
    credential: Arc<Credential>,
    plan: Arc<Plan>,
    meter: Arc<dyn Meter>,
}

impl Principal {
    pub(crate) fn new(credential: Arc<Credential>, plan: Arc<Plan>, meter: Arc<dyn Meter>) -> Self {
        Self { credential, plan, meter }
    }

    /// The key that opened.
    pub fn key(&self) -> &KeyRecord {
        &self.credential.key
    }

    /// Whose it is.
    pub fn account(&self) -> &Account {
        &self.credential.account
    }

    /// What the account may use.
    pub fn plan(&self) -> &Arc<Plan> {
        &self.plan
    }

    /// How the account's limits stand, for the header fields of refusals too.
    pub fn report(&self, now: Now) -> Report<'_> {
        self.meter.report(now)
    }

    pub(crate) fn credential(&self) -> &Arc<Credential> {
        &self.credential
    }

    pub(crate) fn meter(&self) -> &Arc<dyn Meter> {
        &self.meter
    }
}

impl fmt::Debug for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Principal")
            .field("credential", &self.credential)
            .field("plan", &self.plan.name)
            .finish()
    }
}
