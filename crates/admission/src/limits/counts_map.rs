//! The map of counts by account or by key, which removes unused ones.
//!
//! The counts of an inactive account stay in the map. When no meter holds them, its rates have recovered and its day is
//! over, new counts would be equal, and they are removed. The map is divided into parts, and one part is swept at a time, so
//! that opening a meter waits for one part at most.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hash};
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::counts::Counts;
use crate::Now;
use crate::atomic::Ordering;

const PARTS: usize = 64;

/// The minimum time between two sweeps of a part.
const SWEEP_INTERVAL: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub(super) struct CountsMap<K> {
    parts: Box<[Mutex<Part<K>>]>,
    hasher: RandomState,
    /// The part that is swept next, independent of the key: parts without activity must be swept too.
    next: AtomicUsize,
}

#[derive(Debug)]
struct Part<K> {
    counts: HashMap<K, Arc<Counts>>,
    /// The last sweep, on the monotonic clock.
    swept: Duration,
}

impl<K> Default for CountsMap<K> {
    fn default() -> Self {
        let part = || Mutex::new(Part { counts: HashMap::new(), swept: Duration::ZERO });
        let parts = std::iter::repeat_with(part).take(PARTS).collect();
        Self { parts, hasher: RandomState::new(), next: AtomicUsize::new(0) }
    }
}

impl<K: Hash + Eq + Clone> CountsMap<K> {
    pub(super) fn get(&self, key: &K) -> Option<Arc<Counts>> {
        self.part(key)?.counts.get(key).cloned()
    }

    pub(super) fn get_or_insert(&self, key: &K, new: impl FnOnce() -> Counts) -> Arc<Counts> {
        let Some(mut part) = self.part(key) else { return Arc::new(new()) };
        if let Some(counts) = part.counts.get(key) {
            return Arc::clone(counts);
        }
        let counts = Arc::new(new());
        part.counts.insert(key.clone(), Arc::clone(&counts));
        counts
    }

    /// Removes unused counts from the next part, if it is due.
    pub(super) fn sweep(&self, now: Now) {
        let next = self.next.fetch_add(1, Ordering::Relaxed);
        let Some(part) = self.parts.get(next % PARTS) else { return };
        let mut part = part.lock().unwrap_or_else(PoisonError::into_inner);
        if now.monotonic.saturating_sub(part.swept) < SWEEP_INTERVAL {
            return;
        }
        part.swept = now.monotonic;
        // Counts are handed out under this lock only: those that only the map holds are not in use.
        part.counts.retain(|_, counts| Arc::strong_count(counts) > 1 || !counts.is_unused(now));
        if part.counts.len() < part.counts.capacity() / 4 {
            let capacity = part.counts.len() * 2;
            part.counts.shrink_to(capacity);
        }
    }

    /// Returns the part of a key. There is always one.
    fn part(&self, key: &K) -> Option<MutexGuard<'_, Part<K>>> {
        let number = usize::try_from(self.hasher.hash_one(key) % PARTS as u64).unwrap_or_default();
        Some(self.parts.get(number)?.lock().unwrap_or_else(PoisonError::into_inner))
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> (usize, usize) {
        let sizes = self.parts.iter().map(|part| part.lock().unwrap_or_else(PoisonError::into_inner));
        let sizes = sizes.map(|part| (part.counts.len(), part.counts.capacity()));
        sizes.fold((0, 0), |(len, capacity), (part_len, part_capacity)| {
            (len + part_len, capacity + part_capacity)
        })
    }
}
