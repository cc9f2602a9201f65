//! Who was authenticated lately: a table of fixed size in front of the key directory.
//!
//! A table is sets of six slots, one cache line each; the digest says which set, and a tag beside each slot
//! which of its records to look at. Six, for with fewer some sets of a table that is nearly empty have more
//! keys than slots all the same, which then drive each other out at every request. Digests are made under a
//! secret pepper, so nobody can choose keys that crowd one set. Reading is a few atomic loads: no lock, no
//! allocation.
//!
//! **Nothing outdated stays.** A change drops its entries before it is acknowledged. A look-up that was
//! under way meanwhile may bring back what was true before; it carries the number of changes that it had
//! seen at its start, and what it found is kept only while that number stands.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;

use crate::{Change, Digest, Now, Principal, Watch};

const WAYS: usize = 6;

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
    present: Table<Principal>,
    absent: Table<Term>,
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

/// Under which digest something is remembered, and for how long it is believed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Term {
    /// As it was presented, which may be another than is stored.
    digest: Digest,
    plans: u64,
    /// Nanoseconds of the monotonic clock.
    until: u64,
}

/// What a table remembers.
pub(crate) trait Remembered {
    fn term(&self) -> &Term;
}

impl Remembered for Term {
    fn term(&self) -> &Term {
        self
    }
}

#[derive(Debug)]
struct Table<R> {
    sets: Box<[Set<R>]>,
    /// How long an entry is believed.
    kept_for: Duration,
}

/// A tag is written after its slot: where they disagree for a moment, the record is not found, or is found
/// to be another's, and the directory is asked.
#[derive(Debug)]
#[repr(align(64))]
struct Set<R> {
    tags: [AtomicU16; WAYS],
    slots: [ArcSwapOption<R>; WAYS],
}

/// How large a table is and how long its entries are believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheBounds {
    /// How many entries it can have; rounded up to a multiple of six.
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
        let principal = self.present.find(digest, plans, now).map(Known::Principal);
        principal.or_else(|| self.absent.find(digest, plans, now).map(|_| Known::Absent))
    }

    /// For how long a key will be believed that was presented under this digest.
    pub(crate) fn present_term(&self, digest: Digest, seen: Seen, now: Now) -> Term {
        self.present.term(digest, seen, now)
    }

    /// Keeps who the directory said it is, unless something has changed since it was asked.
    pub(crate) fn keep_present(&self, principal: &Arc<Principal>, seen: Seen, now: Now) {
        if principal.credential().digest != principal.term().digest {
            self.aliased.store(true, Ordering::SeqCst);
        }
        let slot = self.present.put(Arc::clone(principal), now);
        self.unless_changed(seen, slot);
    }

    /// Keeps that the directory knows no such key, unless something has changed since it was asked.
    pub(crate) fn keep_absent(&self, digest: Digest, seen: Seen, now: Now) {
        let slot = self.absent.put(Arc::new(self.absent.term(digest, seen, now)), now);
        self.unless_changed(seen, slot);
    }

    /// Called after the entry is visible: a change that is counted later finds it and drops it.
    fn unless_changed<R>(&self, seen: Seen, slot: &ArcSwapOption<R>) {
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
                    self.present.drop_if(|principal| principal.credential().digest == *digest);
                }
            }
            // Nobody could be known by what is imported, but could be known not to be.
            Change::Everything => {
                self.present.drop_if(|_| true);
                self.absent.drop_if(|_| true);
            }
            Change::Account(account) => self.present.drop_if(|principal| principal.account().id == *account),
        }
    }
}

impl<R: Remembered> Table<R> {
    fn new(bounds: CacheBounds) -> Self {
        let sets = bounds.entries.max(1).div_ceil(WAYS);
        Self { sets: std::iter::repeat_with(Set::empty).take(sets).collect(), kept_for: bounds.kept_for }
    }

    fn term(&self, digest: Digest, seen: Seen, now: Now) -> Term {
        let until = Now { monotonic: now.monotonic.saturating_add(self.kept_for), ..now };
        Term { digest, plans: seen.plans, until: until.nanos() }
    }

    fn set(&self, digest: &Digest) -> &Set<R> {
        let [head, ..] = digest.words();
        let set = usize::try_from(head % self.sets.len() as u64).unwrap_or_default();
        &self.sets[set]
    }

    fn find(&self, digest: &Digest, plans: u64, now: Now) -> Option<Arc<R>> {
        let (set, tag) = (self.set(digest), tag(digest));
        set.tags.iter().zip(&set.slots).find_map(|(known, slot)| {
            if known.load(Ordering::Relaxed) != tag {
                return None;
            }
            let found = slot.load();
            let found = found.as_ref()?;
            let term = found.term();
            let believed = term.digest.matches(digest) && term.plans == plans && now.nanos() < term.until;
            // Cloned last: counting a reference holds up every load behind it, and those of the record
            // should be under way together.
            believed.then(|| Arc::clone(found))
        })
    }

    fn put(&self, record: Arc<R>, now: Now) -> &ArcSwapOption<R> {
        let digest = record.term().digest;
        let set = self.set(&digest);
        // Its own slot, else the one whose entry would be believed for the shortest time.
        let rank = |(_, slot): &(&AtomicU16, &ArcSwapOption<R>)| match slot.load().as_ref() {
            Some(held) if held.term().digest == digest => (0, 0),
            None => (1, 0),
            Some(held) if held.term().until <= now.nanos() => (1, 0),
            Some(held) => (2, held.term().until),
        };
        let places = set.tags.iter().zip(&set.slots);
        let (known, slot) = places.min_by_key(rank).unwrap_or((&set.tags[0], &set.slots[0]));
        slot.store(Some(record));
        known.store(tag(&digest), Ordering::Relaxed);
        slot
    }

    fn drop_digest(&self, digest: &Digest) {
        self.set(digest).drop_if(|record| record.term().digest == *digest);
    }

    fn drop_if(&self, outdated: impl Fn(&R) -> bool) {
        self.sets.iter().for_each(|set| set.drop_if(&outdated));
    }
}

impl<R> Set<R> {
    fn empty() -> Self {
        Self {
            tags: std::array::from_fn(|_| AtomicU16::new(0)),
            slots: std::array::from_fn(|_| ArcSwapOption::empty()),
        }
    }

    fn drop_if(&self, outdated: impl Fn(&R) -> bool) {
        for slot in &self.slots {
            if slot.load().as_ref().is_some_and(|record| outdated(record)) {
                slot.store(None);
            }
        }
    }
}

/// Another part of the digest than that which chooses the set. Two that share it cost one look too many.
fn tag(digest: &Digest) -> u16 {
    let [_, word, ..] = digest.words();
    let [low, high, ..] = word.to_le_bytes();
    u16::from_le_bytes([low, high])
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
        bytes[8..16].copy_from_slice(&number.to_le_bytes());
        Digest::from_bytes(bytes)
    }

    fn principal(cache: &Cache, digest: Digest, seen: Seen) -> Arc<Principal> {
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
        let meter = LocalCounters::new().open(&account, &key.id, &plan, at(0));
        let credential = Arc::new(Credential { digest, replaced: None, key, account });
        let term = cache.present_term(digest, seen, at(0));
        Arc::new(Principal::new(term, "shop".into(), credential, meter))
    }

    fn keep(cache: &Cache, digest: Digest, present: bool, seen: Seen) {
        if present {
            cache.keep_present(&principal(cache, digest, seen), seen, at(0));
        } else {
            cache.keep_absent(digest, seen, at(0));
        }
    }

    #[test]
    fn a_change_drops_what_it_concerns_and_nothing_else() {
        let account = Change::Account("acme".parse().unwrap());
        let stranger = Change::Account("other".parse().unwrap());
        for (present, change, kept) in [
            (true, Change::Key(digest(1)), false),
            (true, Change::Key(digest(2)), true),
            (true, account.clone(), false),
            (true, stranger, true),
            (false, Change::Key(digest(1)), false),
            (false, account, true),
        ] {
            let cache = cache();
            keep(&cache, digest(1), present, cache.seen(PLANS));
            cache.changed(&change);
            assert_eq!(cache.find(&digest(1), PLANS, at(0)).is_some(), kept, "{present} {change:?}");
        }
    }

    #[test]
    fn what_was_looked_up_before_a_change_is_not_kept_after_it() {
        let cache = cache();
        let seen = cache.seen(PLANS);
        cache.changed(&Change::Key(digest(1)));
        keep(&cache, digest(1), true, seen);
        assert!(cache.find(&digest(1), PLANS, at(0)).is_none());
    }

    #[test]
    fn an_entry_is_believed_for_its_time_and_under_its_plans() {
        let cache = cache();
        keep(&cache, digest(1), true, cache.seen(PLANS));
        assert!(cache.find(&digest(1), PLANS, at(9)).is_some());
        assert!(cache.find(&digest(1), PLANS, at(10)).is_none());
        assert!(cache.find(&digest(1), PLANS + 1, at(9)).is_none());
    }

    #[test]
    fn unknown_keys_displace_no_known_one_however_many_they_are() {
        let cache = cache();
        keep(&cache, digest(1), true, cache.seen(PLANS));
        for number in 2..10_000 {
            keep(&cache, digest(number), false, cache.seen(PLANS));
        }
        assert!(cache.find(&digest(1), PLANS, at(0)).is_some());
        assert_eq!(cache.absent.sets.len() * WAYS, 66);
    }
}
