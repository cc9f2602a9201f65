//! The cache of recently authenticated keys: a table of fixed size in front of the key directory.
//!
//! The table consists of sets of seven slots, two cache lines each. A fast hash of the secret selects the set, and a tag
//! beside each slot selects the record. Seven slots, because with fewer some sets of a nearly empty table would have more
//! keys than slots, which would evict each other at every request. The hash has a key per process, so that nobody outside
//! can find secrets that share a set. Only keys that exist can fill a set: unknown digests are in a table of their own. The
//! hash only selects the slot, and is not stored; the digest decides whether it is the right key. A lookup is a few atomic
//! loads, without a lock or an allocation.
//!
//! With very many keys a request finds nothing of its key in the processor's caches. So its memory is prefetched as soon as
//! the addresses are known: the set before the digest is computed, and the record with the counts as soon as the set is
//! there.
//!
//! **Stale entries are never used.** A change evicts its entries before it is acknowledged. A lookup that runs at the same
//! time may return the old state; it carries the number of changes at its start, and its result is cached only if that
//! number is unchanged. Connections remember records too ([`connection_cache`](crate::ConnectionCache)), where no change
//! could find them: so a record is ended before it leaves the table, and is not used by anyone afterwards.

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicU16, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use foldhash::quality::RandomState;
use smallvec::SmallVec;

use crate::cache_entry::{CacheEntry, EntryMeta};
use crate::prefetch::{prefetch, prefetch_shared, prefetch_value};
use crate::{Digest, DirectoryChange, InvalidationListener, Now, Principal};

/// The slots of a set.
const WAYS: usize = 7;

/// The result of a lookup.
#[derive(Debug, Clone)]
pub(crate) enum KeyLookup {
    /// The key exists, in any state.
    Principal(Arc<Principal>),
    /// The key does not exist.
    Absent,
}

/// The cache of keys and of unknown digests.
#[derive(Debug)]
pub(crate) struct KeyCache {
    /// Keys that exist. Unknown digests have a table of their own, so that trying many of them evicts no key.
    present: Table<Principal>,
    absent: Table<EntryMeta>,
    changes: AtomicU64,
    hasher: RandomState,
    /// The sets of the cached keys, by the digests of their secrets, as presented and as stored: a change names a key by
    /// its digest. Locked to insert and to evict entries, and by changes; not for a fresh key's request.
    sets: Mutex<HashMap<Digest, usize>>,
}

/// The set and the tag of a secret.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CacheSlot {
    set: usize,
    tag: u16,
}

/// The state of the cache when a lookup began.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Epoch {
    changes: u64,
    plans: u64,
}

#[derive(Debug)]
struct Table<R> {
    sets: Box<[Set<R>]>,
    /// How long an entry is fresh.
    ttl: Duration,
}

/// A tag is written after its slot. While they disagree, the record is not found or does not match, and the key is looked
/// up in the directory.
#[derive(Debug)]
#[repr(C, align(64))]
struct Set<R> {
    tags: [AtomicU16; WAYS],
    slots: [ArcSwapOption<R>; WAYS],
    /// Addresses to prefetch. A stale one has no effect.
    prefetch_addrs: [AtomicUsize; WAYS],
}

/// The size of a cache, and how long its entries are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheBounds {
    /// The maximum number of entries, rounded up to a multiple of seven.
    pub entries: usize,
    /// How long an entry is used before the key is looked up again. Changes take effect at once; this bounds how long keys
    /// are accepted while the store is unavailable.
    pub ttl: Duration,
}

impl KeyCache {
    pub(crate) fn new(present: CacheBounds, absent: CacheBounds) -> Self {
        Self {
            present: Table::new(present),
            absent: Table::new(absent),
            changes: AtomicU64::new(0),
            hasher: RandomState::default(),
            // With capacity for all: growing would copy it while others wait.
            sets: Mutex::new(HashMap::with_capacity(present.entries)),
        }
    }

    /// Returns the slot of this secret, and prefetches its set while the caller computes the digest.
    pub(crate) fn slot_of_secret(&self, secret: &str) -> CacheSlot {
        let slot = self.present.slot_of_hash(self.hasher.hash_one(secret.as_bytes()));
        prefetch_value(&self.present.sets[slot.set]);
        slot
    }

    /// Returns the current state. Must be called before the directory is queried.
    pub(crate) fn epoch(&self, plans: u64) -> Epoch {
        Epoch { changes: self.changes(), plans }
    }

    /// How many changes there have been.
    pub(crate) fn changes(&self) -> u64 {
        self.changes.load(Ordering::SeqCst)
    }

    /// The key with this digest, if it is in the table: then no change has concerned it since it was looked up.
    pub(crate) fn current(&self, digest: &Digest) -> Option<Arc<Principal>> {
        let set = *self.sets().get(digest)?;
        let slots = &self.present.sets.get(set)?.slots;
        let is_current = |held: &Arc<Principal>| digests(held).contains(digest) && !held.meta().is_evicted();
        slots.iter().filter_map(ArcSwapOption::load_full).find(is_current)
    }

    /// Looks up the digest of the secret with this slot, under these plans.
    pub(crate) fn find(&self, slot: CacheSlot, digest: &Digest, plans: u64, now: Now) -> Option<KeyLookup> {
        let principal = self.present.find(slot, digest, plans, now).map(KeyLookup::Principal);
        let absent = || self.absent.find(self.absent.slot_of_digest(digest), digest, plans, now);
        principal.or_else(|| absent().map(|_| KeyLookup::Absent))
    }

    /// Creates the metadata of a key that was presented under this digest.
    pub(crate) fn present_meta(&self, digest: Digest, epoch: Epoch, now: Now) -> EntryMeta {
        self.present.meta(digest, epoch, now)
    }

    /// Inserts a key from the directory, unless something has changed since it was queried.
    pub(crate) fn keep_present(&self, slot: CacheSlot, principal: &Arc<Principal>, epoch: Epoch, now: Now) {
        // Dropped after the lock.
        let displaced;
        let Some(mut sets) = self.unless_changed(epoch) else { return };
        for digest in digests(principal) {
            sets.insert(digest, slot.set);
        }
        displaced = self.present.put(slot, Arc::clone(principal), now);
        if let Some(displaced) = &displaced {
            forget(&mut sets, &self.present.sets[slot.set], displaced);
        }
    }

    /// Inserts an unknown digest, unless something has changed since the directory was queried.
    pub(crate) fn keep_absent(&self, digest: Digest, epoch: Epoch, now: Now) {
        let Some(_sets) = self.unless_changed(epoch) else { return };
        let meta = self.absent.meta(digest, epoch, now);
        self.absent.put(self.absent.slot_of_digest(&digest), Arc::new(meta), now);
    }

    /// Locks the sets, unless something has changed. A change first increments the counter and then waits for this lock. So
    /// its holder either sees the change, or has finished before the change searches for its entries.
    fn unless_changed(&self, epoch: Epoch) -> Option<MutexGuard<'_, HashMap<Digest, usize>>> {
        let sets = self.sets();
        (self.changes.load(Ordering::SeqCst) == epoch.changes).then_some(sets)
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
                dropped.iter().for_each(|dropped| forget(&mut sets, set, dropped));
            }
        }
    }

    fn sets(&self) -> MutexGuard<'_, HashMap<Digest, usize>> {
        self.sets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the digests by which a change can name the key: as presented and as stored.
fn digests(principal: &Principal) -> [Digest; 2] {
    [principal.meta().digest(), principal.credential().digest]
}

/// Removes a key from the index of sets, unless it was inserted again meanwhile.
fn forget(sets: &mut HashMap<Digest, usize>, set: &Set<Principal>, dropped: &Principal) {
    for digest in digests(dropped) {
        let is_in_slot = |slot: &ArcSwapOption<Principal>| {
            slot.load().as_ref().is_some_and(|principal| digests(principal).contains(&digest))
        };
        if !set.slots.iter().any(is_in_slot) {
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
            // An import changes which digests are unknown.
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

impl<R: CacheEntry> Table<R> {
    fn new(bounds: CacheBounds) -> Self {
        let sets = bounds.entries.max(1).div_ceil(WAYS);
        Self { sets: std::iter::repeat_with(Set::empty).take(sets).collect(), ttl: bounds.ttl }
    }

    fn meta(&self, digest: Digest, epoch: Epoch, now: Now) -> EntryMeta {
        let until = Now { monotonic: now.monotonic.saturating_add(self.ttl), ..now };
        EntryMeta::new(digest, epoch.plans, until)
    }

    /// Selects the set by the high bits and the tag by the low ones. Two keys that share both cost an extra comparison.
    fn slot_of_hash(&self, hash: u64) -> CacheSlot {
        let set = (u128::from(hash) * self.sets.len() as u128) >> 64;
        let [low, high, ..] = hash.to_le_bytes();
        CacheSlot { set: usize::try_from(set).unwrap_or_default(), tag: u16::from_le_bytes([low, high]) }
    }

    fn slot_of_digest(&self, digest: &Digest) -> CacheSlot {
        let [head, ..] = digest.words();
        self.slot_of_hash(head)
    }

    fn find(&self, at: CacheSlot, digest: &Digest, plans: u64, now: Now) -> Option<Arc<R>> {
        let set = &self.sets[at.set];
        let ways = set.tags.iter().zip(&set.slots).zip(&set.prefetch_addrs);
        ways.into_iter().find_map(|((tag, slot), prefetch_addrs)| {
            if tag.load(Ordering::Relaxed) != at.tag {
                return None;
            }
            let found = slot.load();
            let found = found.as_ref()?;
            // Both prefetches together, and only after the slot is loaded: that load is a locked instruction, which would
            // wait for them.
            prefetch(prefetch_addrs.load(Ordering::Relaxed), R::PREFETCH_BYTES);
            prefetch_shared(found);
            // Cloned last: counting a reference delays every later load, and the record's loads should run in parallel.
            found.meta().is_fresh(digest, plans, now).then(|| Arc::clone(found))
        })
    }

    /// Puts a record in its slot, and returns the record that it replaces. Called under the lock.
    fn put(&self, slot: CacheSlot, record: Arc<R>, now: Now) -> Option<Arc<R>> {
        let digest = record.meta().digest();
        let set = &self.sets[slot.set];
        // The entry's own slot, else the one with the shortest remaining lifetime.
        let rank = |way: &usize| match set.slots[*way].load().as_ref() {
            Some(held) if held.meta().digest() == digest => (0, 0),
            None => (1, 0),
            Some(held) if held.meta().fresh_until() <= now.nanos() => (1, 0),
            Some(held) => (2, held.meta().fresh_until()),
        };
        let way = (0..WAYS).min_by_key(rank).unwrap_or_default();
        let prefetch_addrs = record.prefetch_addr();
        if let Some(held) = set.slots[way].load().as_ref() {
            held.meta().evict();
        }
        let displaced = set.slots[way].swap(Some(record));
        set.prefetch_addrs[way].store(prefetch_addrs, Ordering::Relaxed);
        set.tags[way].store(slot.tag, Ordering::Relaxed);
        displaced
    }

    fn drop_digest(&self, digest: &Digest) {
        self.sets[self.slot_of_digest(digest).set].drop_if(|record| record.meta().digest() == *digest);
    }
}

impl<R: CacheEntry> Set<R> {
    fn empty() -> Self {
        Self {
            tags: std::array::from_fn(|_| AtomicU16::new(0)),
            slots: std::array::from_fn(|_| ArcSwapOption::empty()),
            prefetch_addrs: std::array::from_fn(|_| AtomicUsize::new(0)),
        }
    }

    fn drop_if(&self, outdated: impl Fn(&R) -> bool) -> SmallVec<[Arc<R>; 1]> {
        self.slots.iter().filter_map(|slot| drop_from(slot, &outdated)).collect()
    }
}

/// Removes a record from its slot, if it is outdated.
fn drop_from<R: CacheEntry>(slot: &ArcSwapOption<R>, outdated: impl Fn(&R) -> bool) -> Option<Arc<R>> {
    let held = slot.load();
    let record = held.as_ref().filter(|record| outdated(record))?;
    record.meta().evict();
    // Only this record: another one in its slot was looked up after the change.
    slot.compare_and_swap(&*held, None);
    Some(Arc::clone(record))
}

#[cfg(test)]
#[path = "cache_tests.rs"]
mod tests;
