//! Who is calling.

use std::any::Any;
use std::fmt;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, OnceLock};

use jiff::Timestamp;

use crate::cache::{Remembered, Term};
use crate::{Account, Credential, Demand, Denial, KeyRecord, Meter, Now, Plan, Report};

/// Who is calling: the key, its account, the account's plan, and the counters of both.
///
/// What each request asks stands in the record itself, and nothing that is asked leads further than to the
/// account's counts; the credential is for those who want to know more.
pub struct Principal {
    term: Term,
    /// Before this moment the key is active, if it is for this API; from then on, the credential says why not.
    opens_until: Timestamp,
    /// For which API. One text for all keys of an API.
    api: Arc<str>,
    /// When its use was told last, in seconds since 1970.
    told: AtomicI64,
    meter: Meter,
    plan: Arc<Plan>,
    credential: Arc<Credential>,
    kept: OnceLock<Box<dyn Any + Send + Sync>>,
}

/// So many seconds of use are one use, as far as it is written down.
const TELL_EVERY: i64 = 60;

impl Principal {
    pub(crate) fn new(
        term: Term,
        api: Arc<str>,
        credential: Arc<Credential>,
        plan: Arc<Plan>,
        meter: Meter,
    ) -> Self {
        let key = &credential.key;
        let opens_until = if key.revoked.is_some() || key.disabled.is_some() {
            Timestamp::MIN
        } else {
            [key.expires, credential.replaced].into_iter().flatten().min().unwrap_or(Timestamp::MAX)
        };
        let told = AtomicI64::new(i64::MIN);
        Self { term, opens_until, api, told, meter, plan, credential, kept: OnceLock::new() }
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

    /// What one who serves this caller makes of it, made once and kept as long as the principal: the form in which
    /// others are told who is calling. `None` where something of another type is kept already.
    pub fn kept<T: Any + Send + Sync>(&self, make: impl FnOnce(&Self) -> T) -> Option<&T> {
        self.kept.get_or_init(|| Box::new(make(self))).downcast_ref()
    }

    /// How the account's limits stand, for the header fields of refusals too.
    pub fn report(&self, now: Now) -> Report<'_> {
        self.meter.report(now)
    }

    /// Every limit that would deny this now, in the plan's order, but for those in the shadow: a denial itself
    /// tells of the longest alone.
    pub fn denials(&self, demand: &Demand<'_>, now: Now) -> Vec<Denial> {
        self.meter.exceeded(demand, now).into_iter().map(Denial::from).collect()
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

    pub(crate) fn meter(&self) -> &Meter {
        &self.meter
    }

    /// Whether the key opens this API at this moment.
    pub(crate) fn opens(&self, api: &str, at: Timestamp) -> bool {
        at < self.opens_until && *self.api == *api
    }
}

impl Remembered for Principal {
    fn term(&self) -> &Term {
        &self.term
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
