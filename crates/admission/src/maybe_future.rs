//! The result of a store: a value if it is available at once, or a future.
//!
//! With the embedded store an admitted request never awaits, and needs no allocation for the sake of networked stores.

use std::fmt;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

/// A value that is available at once, or a future.
pub enum MaybeFuture<T> {
    /// The value.
    Ready(T),
    /// A future, which must be awaited.
    Pending(Pin<Box<dyn Future<Output = T> + Send>>),
}

impl<T: 'static> MaybeFuture<T> {
    /// Returns the value, and awaits only a future.
    pub async fn wait(self) -> T {
        match self {
            MaybeFuture::Ready(value) => value,
            MaybeFuture::Pending(future) => future.await,
        }
    }

    /// Returns the value, and blocks the thread until it is available. For tests and the command line, never on a worker.
    pub fn block(self) -> T {
        match self {
            MaybeFuture::Ready(value) => value,
            MaybeFuture::Pending(future) => block_on(future),
        }
    }

    /// Converts the value, without awaiting it.
    pub fn map<U>(self, change: impl FnOnce(T) -> U + Send + 'static) -> MaybeFuture<U> {
        match self {
            MaybeFuture::Ready(value) => MaybeFuture::Ready(change(value)),
            MaybeFuture::Pending(future) => {
                MaybeFuture::Pending(Box::pin(async move { change(future.await) }))
            }
        }
    }
}

impl<T: fmt::Debug> fmt::Debug for MaybeFuture<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MaybeFuture::Ready(value) => f.debug_tuple("Ready").field(value).finish(),
            MaybeFuture::Pending(_) => f.write_str("Pending(..)"),
        }
    }
}

/// Why a store failed. It says nothing about the requested key or credits.
///
/// The text is for the operator's log, never for a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreError {
    /// The data cannot be read or written, for example because of an I/O error, a full disk or permissions.
    Io(Arc<str>),
    /// The data is damaged, or is not a store of Demur.
    Damaged(Arc<str>),
    /// The key set that verifies tokens is missing or stale.
    NoKeySet,
    /// Too many requests are waiting.
    Overloaded,
    /// The store has been closed.
    Closed,
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StoreError::Io(cause) => write!(f, "cannot read or write the store: {cause}"),
            StoreError::Damaged(cause) => write!(f, "the store is damaged: {cause}"),
            StoreError::NoKeySet => f.write_str("the key set was never fetched, or too long ago"),
            StoreError::Overloaded => f.write_str("too many requests are waiting for the store"),
            StoreError::Closed => f.write_str("the store is closed"),
        }
    }
}

impl std::error::Error for StoreError {}

/// Runs a future on this thread, and blocks until it is ready.
pub fn block_on<F: Future>(future: F) -> F::Output {
    struct Unpark(std::thread::Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(value) => return value,
            // An earlier unpark is kept as a token, so no wake-up between poll and park is lost.
            Poll::Pending => std::thread::park(),
        }
    }
}
