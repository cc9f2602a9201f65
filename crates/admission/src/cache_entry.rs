//! The part of a cache entry that decides whether it may be used, shared by the cache and the records in it.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::{Digest, Now};

/// The digest of a cache entry, and for how long the entry is fresh.
#[derive(Debug)]
pub(crate) struct EntryMeta {
    /// As presented, which may differ from the stored digest.
    digest: Digest,
    plans_revision: u64,
    /// Nanoseconds of the monotonic clock; zero before the entry leaves the table.
    fresh_until: AtomicU64,
}

impl EntryMeta {
    pub(crate) fn new(digest: Digest, plans_revision: u64, fresh_until: Now) -> Self {
        Self { digest, plans_revision, fresh_until: fresh_until.nanos().into() }
    }

    pub(crate) fn digest(&self) -> Digest {
        self.digest
    }

    /// Whether the entry is valid for this digest under these plans.
    pub(crate) fn is_fresh(&self, digest: &Digest, plans_revision: u64, now: Now) -> bool {
        self.digest.matches(digest)
            && self.plans_revision == plans_revision
            && now.nanos() < self.fresh_until()
    }

    pub(crate) fn fresh_until(&self) -> u64 {
        self.fresh_until.load(Ordering::SeqCst)
    }

    pub(crate) fn is_evicted(&self) -> bool {
        self.fresh_until() == 0
    }

    /// Ends the entry for everyone who holds it. Must be called before it leaves the table: connections remember entries
    /// too, and a change that does not find the entry in the table could not end it.
    pub(crate) fn evict(&self) {
        self.fresh_until.store(0, Ordering::SeqCst);
    }
}

/// A record that the cache can hold.
pub(crate) trait CacheEntry {
    fn meta(&self) -> &EntryMeta;

    /// How many bytes beyond the record itself each request reads.
    const PREFETCH_BYTES: usize = 0;

    /// The address of those bytes.
    fn prefetch_addr(&self) -> usize {
        0
    }
}

impl CacheEntry for EntryMeta {
    fn meta(&self) -> &EntryMeta {
        self
    }
}
