//! Who was authenticated lately: a table of fixed size in front of the key directory.
//!
//! A table is sets of four slots; the digest says which set. Digests are made under a secret pepper, so
//! nobody can choose keys that crowd one set. Reading is a few atomic loads: no lock, no allocation.
//!
//! **Nothing outdated stays.** A change drops its entries before it is acknowledged. A look-up that was
//! under way meanwhile may bring back what was true before; it carries the number of changes that it had
//! seen at its start, and what it found is kept only while that number stands.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;

use crate::{Change, Digest, Now, Principal, Watch};

const WAYS: usize = 4;

/// What is known of a digest.
#[derive(Debug, Clone)]
pub(crate) enum Known {
    /// There is such a key, in whatever state.
    Principal(Arc<Principal>),
    /// There is none.
    Absent,
}

/// The cache.
#[derive(Debug)]
pub(crate) struct Cache {
    /// Keys that exist, and apart from them digests that do not: whoever tries many keys that do not exist
    /// displaces nobody who has one.
    present: Table,
    absent: Table,
    changes: AtomicU64,
    /// Whether any entry's key was ever stored under another digest than it is presented with: a change
    /// of such a key cannot tell which set it is in.
    aliased: AtomicBool,
}

/// How far a look-up had seen when it began.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seen {
    changes: u64,
    plans: u64,
}

#[derive(Debug)]
struct Table {
    slots: Box<[ArcSwapOption<Entry>]>,
    /// How long an entry is believed.
    kept_for: Duration,
}

#[derive(Debug)]
struct Entry {
    digest: Digest,
    known: Known,
    plans: u64,
    until: Duration,
}

/// How large a table is and how long its entries are believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheBounds {
    /// How many entries it can have; rounded up to a multiple of four.
    pub entries: usize,
    /// After this time the directory is asked again. Changes are seen at once and do not wait for it: it
    /// bounds for how long keys are served while the store is away.
    pub kept_for: Duration,
}

impl Cache {
    pub(crate) fn new(present: CacheBounds, absent: CacheBounds) -> Self {
        Self {
            present: Table::new(present),
            absent: Table::new(absent),
            changes: AtomicU64::new(0),
            aliased: AtomicBool::new(false),
        }
    }

    /// To be called before the directory is asked.
    pub(crate) fn seen(&self, plans: u64) -> Seen {
        Seen { changes: self.changes.load(Ordering::SeqCst), plans }
    }

    /// What is known of the digest under these plans.
    pub(crate) fn find(&self, digest: &Digest, plans: u64, now: Now) -> Option<Known> {
        self.present.find(digest, plans, now).or_else(|| self.absent.find(digest, plans, now))
    }

    /// Keeps what the directory said, unless something has changed since it was asked.
    pub(crate) fn keep(&self, digest: Digest, known: Known, seen: Seen, now: Now) {
        let table = match known {
            Known::Principal(_) => &self.present,
            Known::Absent => &self.absent,
        };
        if matches!(&known, Known::Principal(principal) if principal.credential().digest != digest) {
            self.aliased.store(true, Ordering::SeqCst);
        }
        let until = now.monotonic.saturating_add(table.kept_for);
        let slot = table.put(Entry { digest, known, plans: seen.plans, until }, now);
        // Looked at after the entry is visible: a change that is counted later finds it and drops it.
        if self.changes.load(Ordering::SeqCst) != seen.changes {
            slot.store(None);
        }
    }
}

impl Watch for Cache {
    fn changed(&self, change: &Change) {
        self.changes.fetch_add(1, Ordering::SeqCst);
        match change {
            Change::Key(digest) => {
                self.present.drop_digest(digest);
                self.absent.drop_digest(digest);
                if self.aliased.load(Ordering::SeqCst) {
                    self.present.drop_if(|entry| match &entry.known {
                        Known::Principal(principal) => principal.credential().digest == *digest,
                        Known::Absent => false,
                    });
                }
            }
            // Nobody could be known by what is imported, but could be known not to be.
            Change::Everything => {
                self.present.drop_if(|_| true);
                self.absent.drop_if(|_| true);
            }
            Change::Account(account) => self.present.drop_if(|entry| match &entry.known {
                Known::Principal(principal) => principal.account().id == *account,
                Known::Absent => false,
            }),
        }
    }
}

impl Table {
    fn new(bounds: CacheBounds) -> Self {
        let slots = bounds.entries.max(1).next_multiple_of(WAYS);
        Self {
            slots: std::iter::repeat_with(ArcSwapOption::empty).take(slots).collect(),
            kept_for: bounds.kept_for,
        }
    }

    fn set(&self, digest: &Digest) -> &[ArcSwapOption<Entry>] {
        let mut head = [0_u8; 8];
        head.copy_from_slice(&digest.as_bytes()[..8]);
        let sets = (self.slots.len() / WAYS) as u64;
        let set = usize::try_from(u64::from_le_bytes(head) % sets).unwrap_or_default();
        &self.slots[set * WAYS..(set + 1) * WAYS]
    }

    fn find(&self, digest: &Digest, plans: u64, now: Now) -> Option<Known> {
        self.set(digest).iter().find_map(|slot| {
            let entry = slot.load();
            let entry = entry.as_ref().filter(|entry| entry.digest.matches(digest))?;
            let believed = entry.plans == plans && now.monotonic < entry.until;
            believed.then(|| entry.known.clone())
        })
    }

    fn put(&self, entry: Entry, now: Now) -> &ArcSwapOption<Entry> {
        let set = self.set(&entry.digest);
        // Its own slot, else the one whose entry would be believed for the shortest time.
        let rank = |slot: &&ArcSwapOption<Entry>| match slot.load().as_ref() {
            Some(held) if held.digest == entry.digest => (0, Duration::ZERO),
            None => (1, Duration::ZERO),
            Some(held) if held.until <= now.monotonic => (1, Duration::ZERO),
            Some(held) => (2, held.until),
        };
        let slot = set.iter().min_by_key(rank).unwrap_or(&set[0]);
        slot.store(Some(Arc::new(entry)));
        slot
    }

    fn drop_digest(&self, digest: &Digest) {
        drop_from(self.set(digest), |entry| entry.digest == *digest);
    }

    fn drop_if(&self, outdated: impl Fn(&Entry) -> bool) {
        drop_from(&self.slots, outdated);
    }
}

fn drop_from(slots: &[ArcSwapOption<Entry>], outdated: impl Fn(&Entry) -> bool) {
    for slot in slots {
        if slot.load().as_ref().is_some_and(|entry| outdated(entry)) {
            slot.store(None);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Account, Counters, Credential, Grants, KeyId, KeyRecord, LocalCounters, Plan};

    const PLANS: u64 = 0;

    fn at(seconds: u64) -> Now {
        Now { wall: jiff::Timestamp::UNIX_EPOCH, monotonic: Duration::from_secs(seconds) }
    }

    fn cache() -> Cache {
        let bounds = CacheBounds { entries: 64, kept_for: Duration::from_secs(10) };
        Cache::new(bounds, bounds)
    }

    fn digest(number: u64) -> Digest {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&number.to_le_bytes());
        Digest::from_bytes(bytes)
    }

    fn present(digest: Digest) -> Known {
        let account = Account { id: "acme".parse().unwrap(), name: "Acme".into(), plan: "plan".into() };
        let key = KeyRecord {
            id: KeyId::generate(),
            account: account.id.clone(),
            api: "shop".into(),
            hint: "shop".into(),
            created: at(0).wall,
            expires: None,
            revoked: None,
            disabled: None,
            grants: Grants::default(),
            metadata: std::collections::BTreeMap::new(),
        };
        let plan = Arc::new(Plan::named("plan"));
        let meter = LocalCounters::new().open(&account, &key.id, &plan);
        let credential = Arc::new(Credential { digest, replaced: None, key, account });
        Known::Principal(Arc::new(Principal::new(credential, plan, meter)))
    }

    #[test]
    fn a_change_drops_what_it_concerns_and_nothing_else() {
        let account = Change::Account("acme".parse().unwrap());
        let stranger = Change::Account("other".parse().unwrap());
        for (known, change, kept) in [
            (present(digest(1)), Change::Key(digest(1)), false),
            (present(digest(1)), Change::Key(digest(2)), true),
            (present(digest(1)), account.clone(), false),
            (present(digest(1)), stranger, true),
            (Known::Absent, Change::Key(digest(1)), false),
            (Known::Absent, account, true),
        ] {
            let cache = cache();
            cache.keep(digest(1), known.clone(), cache.seen(PLANS), at(0));
            cache.changed(&change);
            assert_eq!(cache.find(&digest(1), PLANS, at(0)).is_some(), kept, "{known:?} {change:?}");
        }
    }

    #[test]
    fn what_was_looked_up_before_a_change_is_not_kept_after_it() {
        let cache = cache();
        let seen = cache.seen(PLANS);
        cache.changed(&Change::Key(digest(1)));
        cache.keep(digest(1), present(digest(1)), seen, at(0));
        assert!(cache.find(&digest(1), PLANS, at(0)).is_none());
    }

    #[test]
    fn an_entry_is_believed_for_its_time_and_under_its_plans() {
        let cache = cache();
        cache.keep(digest(1), present(digest(1)), cache.seen(PLANS), at(0));
        assert!(cache.find(&digest(1), PLANS, at(9)).is_some());
        assert!(cache.find(&digest(1), PLANS, at(10)).is_none());
        assert!(cache.find(&digest(1), PLANS + 1, at(9)).is_none());
    }

    #[test]
    fn unknown_keys_displace_no_known_one_however_many_they_are() {
        let cache = cache();
        cache.keep(digest(1), present(digest(1)), cache.seen(PLANS), at(0));
        for number in 2..10_000 {
            cache.keep(digest(number), Known::Absent, cache.seen(PLANS), at(0));
        }
        assert!(cache.find(&digest(1), PLANS, at(0)).is_some());
        assert_eq!(cache.absent.slots.len(), 64);
    }
}
