//! Who was authenticated lately: a table of fixed size in front of the key directory.
//!
//! A table is sets of seven slots, two cache lines each; where a key stands in it is known from a quick hash of the
//! secret itself, and a tag beside each slot says which of the records to look at. Seven, for with fewer some sets of a
//! table that is nearly empty have more keys than slots all the same, which then drive each other out at every request.
//! The hash is under a key of the process, so that nobody outside knows which secrets share a set; and only keys that
//! exist can crowd one, since what is not there is placed by its digest, in a table of its own. The hash decides nothing
//! but where to look, and nothing of it is kept but the place: whether it is the right key, the digest says. Reading is
//! a few atomic loads: no lock, no allocation.
//!
//! With very many keys a request finds nothing of its key in the processor's caches. So what it will touch is asked for
//! as early as its address is known, all of it at once: the set before the digest is made, and the record together with
//! what is beyond it as soon as the set is there.
//!
//! **Nothing outdated stays.** A change drops its entries before it is acknowledged. A look-up that was
//! under way meanwhile may bring back what was true before; it carries the number of changes that it had
//! seen at its start, and what it found is kept only while that number stands. Connections remember records too
//! (`acquaintance.rs`), which no change could find there: so a record is ended before it leaves the table, and is believed
//! by nobody from then on.

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicU16, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use foldhash::quality::RandomState;
use smallvec::SmallVec;

use crate::prefetch::{prefetch, prefetch_shared, prefetch_value};
use crate::{Digest, DirectoryChange, InvalidationListener, Now, Principal};

const WAYS: usize = 7;

/// What is known of a digest.
#[derive(Debug, Clone)]
pub(crate) enum KeyLookup {
    /// There is such a key, in whatever state.
    Principal(Arc<Principal>),
    /// There is none.
    Absent,
}

/// The cache.
#[derive(Debug)]
pub(crate) struct KeyCache {
    /// Keys that exist, and apart from them digests that do not: whoever tries many keys that do not exist
    /// displaces nobody who has one.
    present: Table<Principal>,
    absent: Table<EntryMeta>,
    changes: AtomicU64,
    hasher: RandomState,
    /// In which sets the keys are that exist, by the digests of their secrets, as presented and as stored: a change
    /// names a key by its digest. Locked when anything is kept or dropped, and by changes; not by a request of a key that
    /// is believed.
    sets: Mutex<HashMap<Digest, usize>>,
}

/// Where a secret's key is, if it is known.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CacheSlot {
    set: usize,
    tag: u16,
}

/// How far a look-up had seen when it began.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Epoch {
    changes: u64,
    plans: u64,
}

/// Under which digest something is remembered, and for how long it is believed.
#[derive(Debug)]
pub(crate) struct EntryMeta {
    /// As it was presented, which may be another than is stored.
    digest: Digest,
    plans: u64,
    /// Nanoseconds of the monotonic clock; zero from before it leaves the table.
    until: AtomicU64,
}

impl EntryMeta {
    /// Whether it is what there is to know of this digest under these plans.
    pub(crate) fn is_fresh(&self, digest: &Digest, plans: u64, now: Now) -> bool {
        self.digest.matches(digest) && self.plans == plans && now.nanos() < self.until()
    }

    fn until(&self) -> u64 {
        self.until.load(Ordering::SeqCst)
    }

    pub(crate) fn is_evicted(&self) -> bool {
        self.until() == 0
    }

    /// It is believed no more, by whomever. To be called before it leaves the table, for connections remember it too: a
    /// change that does not find it there has nothing left to end.
    fn end(&self) {
        self.until.store(0, Ordering::SeqCst);
    }
}

/// What a table remembers.
pub(crate) trait Remembered {
    fn term(&self) -> &EntryMeta;

    /// How many bytes a request asks beyond the record itself.
    const BEYOND: usize = 0;

    /// The address of those.
    fn prefetch_addr(&self) -> usize {
        0
    }
}

impl Remembered for EntryMeta {
    fn term(&self) -> &EntryMeta {
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
#[repr(C, align(64))]
struct Set<R> {
    tags: [AtomicU16; WAYS],
    slots: [ArcSwapOption<R>; WAYS],
    /// Addresses, for nothing but to have brought what is there. Where one is outdated, nothing is won.
    beyond: [AtomicUsize; WAYS],
}

/// How large a table is and how long its entries are believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheBounds {
    /// How many entries it can have; rounded up to a multiple of seven.
    pub entries: usize,
    /// After this time the directory is asked again. Changes are seen at once and do not wait for it: it
    /// bounds for how long keys are served while the store is away.
    pub kept_for: Duration,
}

impl KeyCache {
    pub(crate) fn new(present: CacheBounds, absent: CacheBounds) -> Self {
        Self {
            present: Table::new(present),
            absent: Table::new(absent),
            changes: AtomicU64::new(0),
            hasher: RandomState::default(),
            // With room for all: to grow it is to copy it while others wait.
            sets: Mutex::new(HashMap::with_capacity(present.entries)),
        }
    }

    /// Where this secret's key is, if it is known. It is brought from the memory while the caller makes the digest.
    pub(crate) fn place(&self, secret: &str) -> CacheSlot {
        let place = self.present.place(self.hasher.hash_one(secret.as_bytes()));
        prefetch_value(&self.present.sets[place.set]);
        place
    }

    /// To be called before the directory is asked.
    pub(crate) fn seen(&self, plans: u64) -> Epoch {
        Epoch { changes: self.changes.load(Ordering::SeqCst), plans }
    }

    /// What is known of the digest of the secret with this place, under these plans.
    pub(crate) fn find(&self, place: CacheSlot, digest: &Digest, plans: u64, now: Now) -> Option<KeyLookup> {
        let principal = self.present.find(place, digest, plans, now).map(KeyLookup::Principal);
        let absent = || self.absent.find(self.absent.place_of(digest), digest, plans, now);
        principal.or_else(|| absent().map(|_| KeyLookup::Absent))
    }

    /// For how long a key will be believed that was presented under this digest.
    pub(crate) fn present_term(&self, digest: Digest, seen: Epoch, now: Now) -> EntryMeta {
        self.present.term(digest, seen, now)
    }

    /// Keeps who the directory said it is, unless something has changed since it was asked.
    pub(crate) fn keep_present(&self, place: CacheSlot, principal: &Arc<Principal>, seen: Epoch, now: Now) {
        // Freed when the lock is.
        let displaced;
        let Some(mut sets) = self.unless_changed(seen) else { return };
        for digest in digests(principal) {
            sets.insert(digest, place.set);
        }
        displaced = self.present.put(place, Arc::clone(principal), now);
        if let Some(displaced) = &displaced {
            forget(&mut sets, &self.present.sets[place.set], displaced);
        }
    }

    /// Keeps that the directory knows no such key, unless something has changed since it was asked.
    pub(crate) fn keep_absent(&self, digest: Digest, seen: Epoch, now: Now) {
        let Some(_sets) = self.unless_changed(seen) else { return };
        let term = self.absent.term(digest, seen, now);
        self.absent.put(self.absent.place_of(&digest), Arc::new(term), now);
    }

    /// A change counts first and then waits for this lock. So who has it either sees that there was a change, or has done
    /// before the change looks for what it concerns.
    fn unless_changed(&self, seen: Epoch) -> Option<MutexGuard<'_, HashMap<Digest, usize>>> {
        let sets = self.sets();
        (self.changes.load(Ordering::SeqCst) == seen.changes).then_some(sets)
    }

    fn drop_present<'s>(
        &self,
        sets: impl IntoIterator<Item = &'s Set<Principal>>,
        outdated: impl Fn(&Principal) -> bool,
    ) {
        for set in sets {
            let dropped = set.drop_if(&outdated);
            if !dropped.is_empty() {
                let mut sets = self.sets();
                dropped.iter().for_each(|gone| forget(&mut sets, set, gone));
            }
        }
    }

    fn sets(&self) -> MutexGuard<'_, HashMap<Digest, usize>> {
        self.sets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The digests by which a change can name the key: as presented and as stored.
fn digests(principal: &Principal) -> [Digest; 2] {
    [principal.term().digest, principal.credential().digest]
}

/// Forgets in which set the key was, unless it has come back to it meanwhile.
fn forget(sets: &mut HashMap<Digest, usize>, set: &Set<Principal>, gone: &Principal) {
    for digest in digests(gone) {
        let is_there = |slot: &ArcSwapOption<Principal>| {
            slot.load().as_ref().is_some_and(|principal| digests(principal).contains(&digest))
        };
        if !set.slots.iter().any(is_there) {
            sets.remove(&digest);
        }
    }
}

impl InvalidationListener for KeyCache {
    fn invalidate(&self, change: &DirectoryChange) {
        self.changes.fetch_add(1, Ordering::SeqCst);
        let sets = self.sets();
        let set = if let DirectoryChange::Key(digest) = change { sets.get(digest).copied() } else { None };
        drop(sets);
        match change {
            DirectoryChange::Key(digest) => {
                let set = set.and_then(|set| self.present.sets.get(set));
                self.drop_present(set, |principal| digests(principal).contains(digest));
                self.absent.drop_digest(digest);
            }
            // Nobody could be known by what is imported, but could be known not to be.
            DirectoryChange::Everything => {
                self.drop_present(&self.present.sets, |_| true);
                self.absent.sets.iter().for_each(|set| drop(set.drop_if(|_| true)));
            }
            DirectoryChange::Account(account) => {
                self.drop_present(&self.present.sets, |principal| principal.account().id == *account);
            }
        }
    }
}

impl<R: Remembered> Table<R> {
    fn new(bounds: CacheBounds) -> Self {
        let sets = bounds.entries.max(1).div_ceil(WAYS);
        Self { sets: std::iter::repeat_with(Set::empty).take(sets).collect(), kept_for: bounds.kept_for }
    }

    fn term(&self, digest: Digest, seen: Epoch, now: Now) -> EntryMeta {
        let until = Now { monotonic: now.monotonic.saturating_add(self.kept_for), ..now };
        EntryMeta { digest, plans: seen.plans, until: until.nanos().into() }
    }

    /// The set by the high bits, the tag by the low ones. Two that share both cost one look too many.
    fn place(&self, hash: u64) -> CacheSlot {
        let set = (u128::from(hash) * self.sets.len() as u128) >> 64;
        let [low, high, ..] = hash.to_le_bytes();
        CacheSlot { set: usize::try_from(set).unwrap_or_default(), tag: u16::from_le_bytes([low, high]) }
    }

    fn place_of(&self, digest: &Digest) -> CacheSlot {
        let [head, ..] = digest.words();
        self.place(head)
    }

    fn find(&self, place: CacheSlot, digest: &Digest, plans: u64, now: Now) -> Option<Arc<R>> {
        let set = &self.sets[place.set];
        let ways = set.tags.iter().zip(&set.slots).zip(&set.beyond);
        ways.into_iter().find_map(|((tag, slot), beyond)| {
            if tag.load(Ordering::Relaxed) != place.tag {
                return None;
            }
            let found = slot.load();
            let found = found.as_ref()?;
            // Both together, and not before the slot is loaded: that is done with a locked instruction, which would
            // wait until the first of them is found.
            prefetch(beyond.load(Ordering::Relaxed), R::BEYOND);
            prefetch_shared(found);
            // Cloned last: counting a reference holds up every load behind it, and those of the record
            // should be under way together.
            found.term().is_fresh(digest, plans, now).then(|| Arc::clone(found))
        })
    }

    /// Puts a record in its place, and tells whose it was. By one at a time.
    fn put(&self, place: CacheSlot, record: Arc<R>, now: Now) -> Option<Arc<R>> {
        let digest = record.term().digest;
        let set = &self.sets[place.set];
        // Its own slot, else the one whose entry would be believed for the shortest time.
        let rank = |way: &usize| match set.slots[*way].load().as_ref() {
            Some(held) if held.term().digest == digest => (0, 0),
            None => (1, 0),
            Some(held) if held.term().until() <= now.nanos() => (1, 0),
            Some(held) => (2, held.term().until()),
        };
        let way = (0..WAYS).min_by_key(rank).unwrap_or_default();
        let beyond = record.prefetch_addr();
        if let Some(held) = set.slots[way].load().as_ref() {
            held.term().end();
        }
        let displaced = set.slots[way].swap(Some(record));
        set.beyond[way].store(beyond, Ordering::Relaxed);
        set.tags[way].store(place.tag, Ordering::Relaxed);
        displaced
    }

    fn drop_digest(&self, digest: &Digest) {
        self.sets[self.place_of(digest).set].drop_if(|record| record.term().digest == *digest);
    }
}

impl<R: Remembered> Set<R> {
    fn empty() -> Self {
        Self {
            tags: std::array::from_fn(|_| AtomicU16::new(0)),
            slots: std::array::from_fn(|_| ArcSwapOption::empty()),
            beyond: std::array::from_fn(|_| AtomicUsize::new(0)),
        }
    }

    fn drop_if(&self, outdated: impl Fn(&R) -> bool) -> SmallVec<[Arc<R>; 1]> {
        self.slots.iter().filter_map(|slot| drop_from(slot, &outdated)).collect()
    }
}

/// Takes a record out of its slot.
fn drop_from<R: Remembered>(slot: &ArcSwapOption<R>, outdated: impl Fn(&R) -> bool) -> Option<Arc<R>> {
    let held = slot.load();
    let record = held.as_ref().filter(|record| outdated(record))?;
    record.term().end();
    // It alone: what has come in its place meanwhile was looked up after the change.
    slot.compare_and_swap(&*held, None);
    Some(Arc::clone(record))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Account, Counters, Credential, Grants, KeyId, KeyRecord, LocalCounters, Plan};

    const PLANS: u64 = 0;
    const PLACE: CacheSlot = CacheSlot { set: 3, tag: 7 };

    fn at(seconds: u64) -> Now {
        Now { wall: jiff::Timestamp::UNIX_EPOCH, monotonic: Duration::from_secs(seconds) }
    }

    fn cache() -> KeyCache {
        let bounds = CacheBounds { entries: 64, kept_for: Duration::from_secs(10) };
        KeyCache::new(bounds, bounds)
    }

    fn digest(number: u64) -> Digest {
        let mut bytes = [0; 32];
        // Over all sets, as digests are.
        bytes[..8].copy_from_slice(&number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes());
        bytes[8..16].copy_from_slice(&number.to_le_bytes());
        Digest::from_bytes(bytes)
    }

    fn principal(cache: &KeyCache, digest: Digest, seen: Epoch) -> Arc<Principal> {
        stored_under(cache, digest, digest, seen)
    }

    fn stored_under(cache: &KeyCache, digest: Digest, presented: Digest, seen: Epoch) -> Arc<Principal> {
        let account = Account { id: "acme".parse().unwrap(), name: "Acme".into(), plan: "plan".into() };
        let key = KeyRecord {
            id: KeyId::generate(),
            account: account.id.clone(),
            api: "shop".into(),
            prefix: "shop".into(),
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
        let term = cache.present_term(presented, seen, at(0));
        Arc::new(Principal::new(term, "shop".into(), credential, meter))
    }

    fn keep(cache: &KeyCache, digest: Digest, present: bool, seen: Epoch) {
        if present {
            cache.keep_present(PLACE, &principal(cache, digest, seen), seen, at(0));
        } else {
            cache.keep_absent(digest, seen, at(0));
        }
    }

    #[test]
    fn a_change_drops_what_it_concerns_and_nothing_else() {
        let account = DirectoryChange::Account("acme".parse().unwrap());
        let stranger = DirectoryChange::Account("other".parse().unwrap());
        for (present, change, kept) in [
            (true, DirectoryChange::Key(digest(1)), false),
            (true, DirectoryChange::Key(digest(2)), true),
            (true, account.clone(), false),
            (true, stranger, true),
            (false, DirectoryChange::Key(digest(1)), false),
            (false, account, true),
        ] {
            let cache = cache();
            keep(&cache, digest(1), present, cache.seen(PLANS));
            cache.invalidate(&change);
            assert_eq!(cache.find(PLACE, &digest(1), PLANS, at(0)).is_some(), kept, "{present} {change:?}");
        }
    }

    #[test]
    fn what_was_looked_up_before_a_change_is_not_kept_after_it() {
        let cache = cache();
        let seen = cache.seen(PLANS);
        cache.invalidate(&DirectoryChange::Key(digest(1)));
        keep(&cache, digest(1), true, seen);
        assert!(cache.find(PLACE, &digest(1), PLANS, at(0)).is_none());
    }

    #[test]
    fn an_entry_is_believed_for_its_time_and_under_its_plans() {
        let cache = cache();
        keep(&cache, digest(1), true, cache.seen(PLANS));
        assert!(cache.find(PLACE, &digest(1), PLANS, at(9)).is_some());
        assert!(cache.find(PLACE, &digest(1), PLANS, at(10)).is_none());
        assert!(cache.find(PLACE, &digest(1), PLANS + 1, at(9)).is_none());
    }

    #[test]
    fn unknown_keys_displace_no_known_one_however_many_they_are() {
        let cache = cache();
        keep(&cache, digest(1), true, cache.seen(PLANS));
        for number in 2..10_000 {
            keep(&cache, digest(number), false, cache.seen(PLANS));
        }
        assert!(cache.find(PLACE, &digest(1), PLANS, at(0)).is_some());
        assert_eq!(cache.absent.sets.len() * WAYS, 70);
    }

    #[test]
    fn a_change_finds_a_key_by_what_is_stored_and_by_what_was_presented() {
        for named in [digest(1), digest(2)] {
            let cache = cache();
            let seen = cache.seen(PLANS);
            cache.keep_present(PLACE, &stored_under(&cache, digest(1), digest(2), seen), seen, at(0));
            assert!(cache.find(PLACE, &digest(2), PLANS, at(0)).is_some());
            cache.invalidate(&DirectoryChange::Key(named));
            assert!(cache.find(PLACE, &digest(2), PLANS, at(0)).is_none());
        }
    }

    #[test]
    fn a_key_that_is_kept_again_is_found_by_the_next_change() {
        let cache = cache();
        for times in 1..4 {
            for _ in 0..times {
                keep(&cache, digest(1), true, cache.seen(PLANS));
            }
            assert!(cache.find(PLACE, &digest(1), PLANS, at(0)).is_some());
            cache.invalidate(&DirectoryChange::Key(digest(1)));
            assert!(cache.find(PLACE, &digest(1), PLANS, at(0)).is_none());
        }
    }

    #[test]
    fn what_is_replaced_is_believed_by_nobody_who_has_it_still() {
        let cache = cache();
        let seen = cache.seen(PLANS);
        let [first, second] = [(); 2].map(|()| principal(&cache, digest(1), seen));
        let is_believed = |who: &Principal| who.term().is_fresh(&digest(1), PLANS, at(0));
        cache.keep_present(PLACE, &first, seen, at(0));
        assert!(is_believed(&first));
        cache.keep_present(PLACE, &second, seen, at(0));
        assert!(is_believed(&second) && !is_believed(&first));
    }

    #[test]
    fn a_full_set_forgets_whom_it_displaces_and_can_drop_everyone_it_has() {
        let cache = cache();
        for number in 0..50 {
            keep(&cache, digest(number), true, cache.seen(PLANS));
        }
        let known = |number: &u64| cache.find(PLACE, &digest(*number), PLANS, at(0)).is_some();
        let kept: Vec<u64> = (0..50).filter(known).collect();
        assert_eq!(kept.len(), WAYS);
        assert_eq!(cache.sets().len(), WAYS);
        for number in kept {
            cache.invalidate(&DirectoryChange::Key(digest(number)));
            assert!(!known(&number));
        }
        assert!(cache.sets().is_empty());
    }

    #[test]
    fn nothing_is_left_of_what_came_too_late_or_went_with_its_account_or_with_everything() {
        let account = DirectoryChange::Account("acme".parse().unwrap());
        for (change, before) in
            [(DirectoryChange::Key(digest(1)), true), (account, false), (DirectoryChange::Everything, false)]
        {
            let cache = cache();
            let seen = cache.seen(PLANS);
            if before {
                cache.invalidate(&change);
            }
            keep(&cache, digest(1), true, seen);
            assert_eq!(cache.sets().is_empty(), before);
            cache.invalidate(&change);
            assert!(cache.sets().is_empty(), "{change:?}");
        }
    }

    #[test]
    fn secrets_are_spread_over_all_sets_and_have_their_place_for_as_long_as_the_process() {
        let (cache, other) = (cache(), self::cache());
        let places = |cache: &KeyCache| -> Vec<usize> {
            (0..1000).map(|number| cache.place(&format!("shop_{number}")).set).collect()
        };
        let sets = places(&cache);
        assert_eq!(sets, places(&cache));
        assert!((0..cache.present.sets.len()).all(|set| sets.contains(&set)));
        // Under another key they are elsewhere.
        assert_ne!(sets, places(&other));
    }

    #[test]
    fn a_set_is_two_cache_lines() {
        assert_eq!(size_of::<Set<Principal>>(), 128);
    }
}
