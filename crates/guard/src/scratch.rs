//! One read buffer per thread, so that a connection that waits holds none.

use std::cell::Cell;
use std::ops::{Deref, DerefMut};

/// hyper's own buffer starts at 8 KiB and grows with the content; more than this at once gains nothing.
const BYTES: usize = 32 * 1024;

thread_local! {
    static SPARE: Cell<Option<Box<[u8]>>> = const { Cell::new(None) };
}

/// The thread's buffer, given back on drop. Where it is lent already, another one is made.
pub(crate) struct Scratch(Option<Box<[u8]>>);

impl Scratch {
    pub(crate) fn lend() -> Self {
        // A thread that is ending has no thread-locals any more.
        let spare = SPARE.try_with(Cell::take).ok().flatten();
        Self(Some(spare.unwrap_or_else(|| vec![0; BYTES].into_boxed_slice())))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let spare = self.0.take();
        let _ = SPARE.try_with(|place| place.set(spare));
    }
}

impl Deref for Scratch {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.0.as_deref().unwrap_or_default()
    }
}

impl DerefMut for Scratch {
    fn deref_mut(&mut self) -> &mut [u8] {
        self.0.as_deref_mut().unwrap_or_default()
    }
}
