//! Who is calling.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use jiff::Timestamp;

use crate::{Account, Credential, KeyRecord, Meter, Now, Plan, Report};

/// Who is calling: the key, its account, the account's plan, and the counters of both.
pub struct Principal {
    credential: Arc<Credential>,
    plan: Arc<Plan>,
    meter: Arc<dyn Meter>,
    /// When its use was told last, in seconds since 1970.
    told: AtomicI64,
}

/// So many seconds of use are one use, as far as it is written down.
const TELL_EVERY: i64 = 60;

impl Principal {
    pub(crate) fn new(credential: Arc<Credential>, plan: Arc<Plan>, meter: Arc<dyn Meter>) -> Self {
        Self { credential, plan, meter, told: AtomicI64::new(i64::MIN) }
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

    /// Whether it is time to write down that the key has been used; for one of those who ask at once.
    pub(crate) fn is_use_news(&self, at: Timestamp) -> bool {
        let (told, at) = (self.told.load(Ordering::Relaxed), at.as_second());
        at.saturating_sub(told) >= TELL_EVERY
            && self.told.compare_exchange(told, at, Ordering::Relaxed, Ordering::Relaxed).is_ok()
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
