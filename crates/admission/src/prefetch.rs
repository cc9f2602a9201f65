//! Prefetching of memory into the processor's caches. With very many keys, loads from memory are most of a request's cost;
//! loads that are issued together wait together.

use std::sync::Arc;

use prefetch_index::prefetch_index;

/// The size of a cache line.
pub(crate) const LINE: usize = 64;

/// Prefetches the cache lines of a memory range. Nothing is read: an invalid or stale address is harmless.
#[inline]
pub(crate) fn prefetch(address: usize, bytes: usize) {
    const NOWHERE: &[u8] = &[];
    let from_nowhere = |address: usize| address.wrapping_sub(NOWHERE.as_ptr().addr());
    let last = address.wrapping_add(bytes.saturating_sub(1));
    for offset in (0..bytes.saturating_sub(1)).step_by(LINE) {
        prefetch_index(NOWHERE, from_nowhere(address.wrapping_add(offset)));
    }
    prefetch_index(NOWHERE, from_nowhere(last));
}

/// Prefetches a value.
#[inline]
pub(crate) fn prefetch_value<T>(value: &T) {
    prefetch(std::ptr::from_ref(value).addr(), size_of::<T>());
}

/// Prefetches a shared value, with its reference counts.
#[inline]
pub(crate) fn prefetch_shared<T>(shared: &Arc<T>) {
    let counts = 2 * size_of::<usize>();
    prefetch(Arc::as_ptr(shared).addr().wrapping_sub(counts), counts + size_of::<T>());
}
