//! Counts by account or by key, which go again when they count nothing any more.
//!
//! An account that sends nothing leaves its counts behind. When nobody holds them, its rates have recovered and its day is
//! over, new counts would say the same: they are removed. The map is in parts, of which one is swept at a time, so that
//! nobody who opens a meter waits for more than a part.

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

/// How often a part is swept at most.
const EVERY: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub(super) struct KeptCounts<K> {
    parts: Box<[Mutex<Part<K>>]>,
    hasher: RandomState,
    /// Which part is swept next, whoever comes: nobody may open a meter in some of them any more.
    next: AtomicUsize,
}

#[derive(Debug)]
struct Part<K> {
    counts: HashMap<K, Arc<Counts>>,
    /// On the monotonic clock.
    swept: Duration,
}

impl<K> Default for KeptCounts<K> {
    fn default() -> Self {
        let part = || Mutex::new(Part { counts: HashMap::new(), swept: Duration::ZERO });
        let parts = std::iter::repeat_with(part).take(PARTS).collect();
        Self { parts, hasher: RandomState::new(), next: AtomicUsize::new(0) }
    }
}

impl<K: Hash + Eq + Clone> KeptCounts<K> {
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

    /// Removes what counts nothing from one part, where that is due.
    pub(super) fn sweep(&self, now: Now) {
        let next = self.next.fetch_add(1, Ordering::Relaxed);
        let Some(part) = self.parts.get(next % PARTS) else { return };
        let mut part = part.lock().unwrap_or_else(PoisonError::into_inner);
        if now.monotonic.saturating_sub(part.swept) < EVERY {
            return;
        }
        part.swept = now.monotonic;
        // Whoever wants counts takes them from here, under this lock: those that only the map holds are nobody's.
        part.counts.retain(|_, counts| Arc::strong_count(counts) > 1 || !counts.is_spent(now));
        if part.counts.len() < part.counts.capacity() / 4 {
            let room = part.counts.len() * 2;
            part.counts.shrink_to(room);
        }
    }

    /// There are always parts; without one nothing is kept.
    fn part(&self, key: &K) -> Option<MutexGuard<'_, Part<K>>> {
        let number = usize::try_from(self.hasher.hash_one(key) % PARTS as u64).unwrap_or_default();
        Some(self.parts.get(number)?.lock().unwrap_or_else(PoisonError::into_inner))
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> (usize, usize) {
        let sizes = self.parts.iter().map(|part| part.lock().unwrap_or_else(PoisonError::into_inner));
        let sizes = sizes.map(|part| (part.counts.len(), part.counts.capacity()));
        sizes.fold((0, 0), |(len, room), (more_len, more_room)| (len + more_len, room + more_room))
    }
}
