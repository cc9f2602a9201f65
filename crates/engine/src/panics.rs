//! One request's panic is one 500 in the contract; nothing else notices.

use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::Poll;

use demur_contract::Condition;

use crate::reject::rejection::Rejection;

/// A panic, as far as it said something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Panic(pub(crate) String);

/// One request's panic is one 500; nothing else notices.
impl From<Panic> for Rejection {
    fn from(Panic(cause): Panic) -> Self {
        Rejection::from(Condition::Internal).with_cause(cause)
    }
}

/// Does one request's work and catches its panic. What the work touches holds nothing that a panic could leave half
/// done, or goes with it.
pub fn catch_panic<T>(work: impl FnOnce() -> T) -> Result<T, Panic> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| {
        let said = panic.downcast_ref::<&str>().map(|said| (*said).to_owned());
        let said = said.or_else(|| panic.downcast_ref::<String>().cloned());
        Panic(said.unwrap_or_else(|| "a panic".to_owned()))
    })
}

/// The same of work that waits.
///
/// It is pinned by whoever has it and not taken over: to be moved it would be copied.
pub async fn catch_panic_async<F: Future>(mut future: Pin<&mut F>) -> Result<F::Output, Panic> {
    poll_fn(move |context| match catch_panic(|| future.as_mut().poll(context)) {
        Ok(polled) => polled.map(Ok),
        Err(panicked) => Poll::Ready(Err(panicked)),
    })
    .await
}
