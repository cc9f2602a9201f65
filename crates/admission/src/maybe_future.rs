//! How a store answers: at once when it can, with a future when it must ask.
//!
//! The embedded store's admitted path never awaits, and pays no allocation for the many-node stores'
//! need to.

use std::fmt;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

/// A store's answer.
pub enum MaybeFuture<T> {
    /// Known at once.
    Ready(T),
    /// Must be awaited.
    Pending(Pin<Box<dyn Future<Output = T> + Send>>),
}

impl<T: 'static> MaybeFuture<T> {
    /// The value, awaited only where it must be.
    pub async fn wait(self) -> T {
        match self {
            MaybeFuture::Ready(value) => value,
            MaybeFuture::Pending(future) => future.await,
        }
    }

    /// The value; the thread sleeps until it is there. For tests and the command line, never for a worker.
    pub fn block(self) -> T {
        match self {
            MaybeFuture::Ready(value) => value,
            MaybeFuture::Pending(future) => block_on(future),
        }
    }

    /// The same with the value changed, awaiting nothing by itself.
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
            MaybeFuture::Pending(_) => f.write_str("Ask(..)"),
        }
    }
}

/// Why a store could not answer. It says nothing about the key or the credits that were asked for.
///
/// The text is for the operator's log, never for a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreError {
    /// The data cannot be read or written: an I/O error, a full disk, permissions.
    Io(Arc<str>),
    /// What is there is not a store of ours, or is damaged.
    Damaged(Arc<str>),
    /// Too many questions are waiting already.
    Overloaded,
    /// The store has been closed.
    Closed,
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StoreError::Io(cause) => write!(f, "the store cannot be read or written: {cause}"),
            StoreError::Damaged(cause) => write!(f, "the store is damaged: {cause}"),
            StoreError::Overloaded => f.write_str("the store has too many requests waiting"),
            StoreError::Closed => f.write_str("the store is closed"),
        }
    }
}

impl std::error::Error for StoreError {}

/// Drives a future on this thread, which sleeps in between.
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
            // An unpark that came before is kept as a token, so no wake-up is lost between poll and park.
            Poll::Pending => std::thread::park(),
        }
    }
}
