//! The authenticated caller.

use std::any::Any;
use std::fmt;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, OnceLock};

use jiff::Timestamp;

use crate::cache_entry::{CacheEntry, EntryMeta};
use crate::{Account, Credential, Demand, Denial, KeyRecord, Meter, Now, Plan, Report};

/// The authenticated caller: the key, its account, the account's plan, and the counters of both.
///
/// What each request reads is in the record itself, which takes two cache lines with its reference counts, and in the
/// account's counts; the rest is behind a pointer.
pub struct Principal {
    meta: EntryMeta,
    /// Until when the key is active. Afterwards the credential contains the reason.
    valid_until: Nanoseconds,
    /// The API of the key. All keys of an API share one string.
    api: Arc<str>,
    /// When the use of the key was last recorded, in seconds since 1970.
    last_recorded: AtomicI64,
    meter: Meter,
    details: Box<Details>,
}

struct Details {
    credential: Arc<Credential>,
    is_stored: bool,
    extension: OnceLock<Box<dyn Any + Send + Sync>>,
}

/// A time in nanoseconds since 1970, clamped to the years 1678 to 2262. Half the size of a [`Timestamp`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Nanoseconds(i64);

impl From<Timestamp> for Nanoseconds {
    fn from(moment: Timestamp) -> Self {
        let nanoseconds = moment.as_nanosecond().clamp(i64::MIN.into(), i64::MAX.into());
        Self(i64::try_from(nanoseconds).unwrap_or(i64::MAX))
    }
}

/// How often the use of a key is recorded, in seconds.
const RECORD_INTERVAL: i64 = 60;

impl Principal {
    pub(crate) fn new(meta: EntryMeta, api: Arc<str>, credential: Arc<Credential>, meter: Meter) -> Self {
        let key = &credential.key;
        let valid_until = if key.revoked.is_some() || key.disabled.is_some() {
            Nanoseconds(i64::MIN)
        } else {
            let ends = [key.expires, credential.replaced].into_iter().flatten().min();
            ends.map_or(Nanoseconds(i64::MAX), Nanoseconds::from)
        };
        let last_recorded = AtomicI64::new(i64::MIN);
        let details = Box::new(Details { credential, is_stored: true, extension: OnceLock::new() });
        Self { meta, valid_until, api, last_recorded, meter, details }
    }

    /// Marks the account as one that no store has.
    pub(crate) fn without_stored_account(mut self) -> Self {
        self.details.is_stored = false;
        self
    }

    /// Whether a store has the account. Otherwise it has no credits, and its operations are not remembered.
    pub fn has_stored_account(&self) -> bool {
        self.details.is_stored
    }

    /// Returns the key.
    pub fn key(&self) -> &KeyRecord {
        &self.details.credential.key
    }

    /// Returns the account.
    pub fn account(&self) -> &Account {
        &self.details.credential.account
    }

    /// Returns the account's plan.
    pub fn plan(&self) -> &Arc<Plan> {
        self.meter.plan()
    }

    /// Returns a value that the server derives from this principal, created once and kept with it, for example the caller's
    /// identity in the form that upstreams get. `None` if a value of another type is kept already.
    pub fn extension<T: Any + Send + Sync>(&self, make: impl FnOnce(&Self) -> T) -> Option<&T> {
        self.details.extension.get_or_init(|| Box::new(make(self))).downcast_ref()
    }

    /// Returns the states of the account's limits, also for the headers of rejections.
    pub fn report(&self, now: Now) -> Report<'_> {
        self.meter.report(now)
    }

    /// Returns a denial for every limit that would deny this now, in the plan's order, without shadow limits. A single denial
    /// names only the limit with the longest wait.
    pub fn denials(&self, demand: &Demand<'_>, now: Now) -> Vec<Denial> {
        self.meter.exceeded(demand, now).into_iter().map(Denial::from).collect()
    }

    /// Whether the use of the key should be recorded now; true for one of several concurrent callers.
    pub(crate) fn should_record_use(&self, at: Timestamp) -> bool {
        let (last_recorded, at) = (self.last_recorded.load(Ordering::Relaxed), at.as_second());
        at.saturating_sub(last_recorded) >= RECORD_INTERVAL
            && self
                .last_recorded
                .compare_exchange(last_recorded, at, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
    }

    pub(crate) fn credential(&self) -> &Arc<Credential> {
        &self.details.credential
    }

    pub(crate) fn meter(&self) -> &Meter {
        &self.meter
    }

    /// Whether the key is valid for this API at this moment.
    pub(crate) fn is_valid_for(&self, api: &str, at: Timestamp) -> bool {
        Nanoseconds::from(at) < self.valid_until && *self.api == *api
    }
}

impl CacheEntry for Principal {
    const PREFETCH_BYTES: usize = Meter::TOUCHED_BYTES;

    fn meta(&self) -> &EntryMeta {
        &self.meta
    }

    fn prefetch_addr(&self) -> usize {
        self.meter.counts_address()
    }
}

impl fmt::Debug for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Principal")
            .field("credential", &self.details.credential)
            .field("plan", &self.plan().name)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_with_its_reference_counts_takes_two_cache_lines() {
        let counts_of_an_arc = 2 * size_of::<usize>();
        assert!(size_of::<Principal>() + counts_of_an_arc <= 128, "{}", size_of::<Principal>());
    }

    #[test]
    fn clamped_times_keep_their_order() {
        let second = |second| Timestamp::from_second(second).unwrap();
        let moments = [Timestamp::MIN, second(-1), second(0), second(1), Timestamp::MAX];
        assert!(moments.windows(2).all(|pair| Nanoseconds::from(pair[0]) < Nanoseconds::from(pair[1])));
    }
}
