//! Who is calling.

use std::any::Any;
use std::fmt;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, OnceLock};

use jiff::Timestamp;

use crate::cache_entry::{CacheEntry, EntryMeta};
use crate::{Account, Credential, Demand, Denial, KeyRecord, Meter, Now, Plan, Report};

/// Who is calling: the key, its account, the account's plan, and the counters of both.
///
/// What each request asks stands in the record itself, which is two cache lines long together with the count of those
/// who hold it, and nothing that is asked leads further than to the account's counts; the rest is for those who want
/// to know more.
pub struct Principal {
    meta: EntryMeta,
    /// Before this moment the key is active, if it is for this API; from then on, the credential says why not.
    opens_until: Nanoseconds,
    /// For which API. One text for all keys of an API.
    api: Arc<str>,
    /// When its use was told last, in seconds since 1970.
    told: AtomicI64,
    meter: Meter,
    more: Box<More>,
}

struct More {
    credential: Arc<Credential>,
    kept: OnceLock<Box<dyn Any + Send + Sync>>,
}

/// Since 1970; what is before 1678 or after 2262 is at the end of them. Half as long as a [`Timestamp`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Nanoseconds(i64);

impl From<Timestamp> for Nanoseconds {
    fn from(moment: Timestamp) -> Self {
        let nanoseconds = moment.as_nanosecond().clamp(i64::MIN.into(), i64::MAX.into());
        Self(i64::try_from(nanoseconds).unwrap_or(i64::MAX))
    }
}

/// So many seconds of use are one use, as far as it is written down.
const TELL_EVERY: i64 = 60;

impl Principal {
    pub(crate) fn new(meta: EntryMeta, api: Arc<str>, credential: Arc<Credential>, meter: Meter) -> Self {
        let key = &credential.key;
        let opens_until = if key.revoked.is_some() || key.disabled.is_some() {
            Nanoseconds(i64::MIN)
        } else {
            let ends = [key.expires, credential.replaced].into_iter().flatten().min();
            ends.map_or(Nanoseconds(i64::MAX), Nanoseconds::from)
        };
        let told = AtomicI64::new(i64::MIN);
        let more = Box::new(More { credential, kept: OnceLock::new() });
        Self { meta, opens_until, api, told, meter, more }
    }

    /// The key that opened.
    pub fn key(&self) -> &KeyRecord {
        &self.more.credential.key
    }

    /// Whose it is.
    pub fn account(&self) -> &Account {
        &self.more.credential.account
    }

    /// What the account may use.
    pub fn plan(&self) -> &Arc<Plan> {
        self.meter.plan()
    }

    /// What one who serves this caller makes of it, made once and kept as long as the principal: the form in which
    /// others are told who is calling. `None` where something of another type is kept already.
    pub fn extension<T: Any + Send + Sync>(&self, make: impl FnOnce(&Self) -> T) -> Option<&T> {
        self.more.kept.get_or_init(|| Box::new(make(self))).downcast_ref()
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
    pub(crate) fn should_record_use(&self, at: Timestamp) -> bool {
        let (told, at) = (self.told.load(Ordering::Relaxed), at.as_second());
        at.saturating_sub(told) >= TELL_EVERY
            && self.told.compare_exchange(told, at, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    pub(crate) fn credential(&self) -> &Arc<Credential> {
        &self.more.credential
    }

    pub(crate) fn meter(&self) -> &Meter {
        &self.meter
    }

    /// Whether the key opens this API at this moment.
    pub(crate) fn is_valid_for(&self, api: &str, at: Timestamp) -> bool {
        Nanoseconds::from(at) < self.opens_until && *self.api == *api
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
            .field("credential", &self.more.credential)
            .field("plan", &self.plan().name)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_two_cache_lines_with_the_count_of_its_holders() {
        let counts_of_an_arc = 2 * size_of::<usize>();
        assert!(size_of::<Principal>() + counts_of_an_arc <= 128, "{}", size_of::<Principal>());
    }

    #[test]
    fn moments_keep_their_order_however_far_they_are() {
        let second = |second| Timestamp::from_second(second).unwrap();
        let moments = [Timestamp::MIN, second(-1), second(0), second(1), Timestamp::MAX];
        assert!(moments.windows(2).all(|pair| Nanoseconds::from(pair[0]) < Nanoseconds::from(pair[1])));
    }
}
