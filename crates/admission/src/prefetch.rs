//! Has memory brought into the caches before it is needed. Loads that must wait for the memory are most of what a
//! request costs whose key is one of very many; those that are asked for together wait together.

use std::sync::Arc;

use prefetch_index::prefetch_index;

pub(crate) const LINE: usize = 64;

/// Has the cache lines brought that hold so many bytes from this address on. Nothing is read: an address at which there
/// is nothing, or no longer, does no harm.
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

/// The same for a whole value.
#[inline]
pub(crate) fn prefetch_value<T>(value: &T) {
    prefetch(std::ptr::from_ref(value).addr(), size_of::<T>());
}

/// The same for what is shared, with the count of those who hold it.
#[inline]
pub(crate) fn prefetch_shared<T>(shared: &Arc<T>) {
    let counts = 2 * size_of::<usize>();
    prefetch(Arc::as_ptr(shared).addr().wrapping_sub(counts), counts + size_of::<T>());
}
