//! Buffers that the connections of a thread share, so that a connection that waits holds none.

use std::cell::RefCell;

use crate::Headers;

/// How much is read with one system call. More than common socket buffers give at once gains nothing.
const READ_BYTES: usize = 64 * 1024;
/// A larger head is rendered into a buffer that is not kept.
const KEPT_BYTES: usize = 16 * 1024;

thread_local! {
    static READ: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ_BYTES].into_boxed_slice());
    static WRITE: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Runs `read` with the thread's read buffer.
pub(super) fn with_read_buffer<R>(read: impl FnOnce(&mut [u8]) -> R) -> R {
    READ.with(|buffer| match buffer.try_borrow_mut() {
        Ok(mut buffer) => read(&mut buffer),
        // Reading does not nest.
        Err(_) => read(&mut [0; 4096]),
    })
}

/// Runs `write` with an empty buffer of the thread.
pub(super) fn with_write_buffer<R>(write: impl FnOnce(&mut Vec<u8>) -> R) -> R {
    WRITE.with(|kept| {
        let mut buffer = kept.take();
        buffer.clear();
        let result = write(&mut buffer);
        if buffer.capacity() <= KEPT_BYTES {
            kept.replace(buffer);
        }
        result
    })
}

thread_local! {
    static HEADERS: RefCell<Headers> = RefCell::new(Headers::new());
}

/// Runs `parse` with the thread's storage for the headers of one head.
pub(super) fn with_headers<R>(parse: impl FnOnce(&mut Headers) -> R) -> R {
    HEADERS.with(|headers| match headers.try_borrow_mut() {
        Ok(mut headers) => parse(&mut headers),
        // Parsing does not nest.
        Err(_) => parse(&mut Headers::new()),
    })
}
