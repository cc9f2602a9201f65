//! One request's panic is one 500 in the contract; nothing else notices.

use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::Poll;

use demur_contract::Condition;

use crate::refused::Refused;

/// A panic, as far as it said something.
pub(crate) struct Panicked(pub(crate) String);

/// One request's panic is one 500; nothing else notices.
impl From<Panicked> for Refused {
    fn from(Panicked(cause): Panicked) -> Self {
        Refused::from(Condition::Internal).because(cause)
    }
}

/// Runs a future and catches its panic. What it touched is dropped with it: the exchange it borrowed holds nothing
/// that a panic could leave half done.
///
/// It is pinned by whoever has it and not taken over: it is what a request's memory mostly consists of, and to be
/// moved it would be copied.
pub(crate) async fn caught<F: Future>(mut future: Pin<&mut F>) -> Result<F::Output, Panicked> {
    poll_fn(move |context| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context))) {
        Ok(polled) => polled.map(Ok),
        Err(panic) => {
            let said = panic.downcast_ref::<&str>().map(|said| (*said).to_owned());
            let said = said.or_else(|| panic.downcast_ref::<String>().cloned());
            Poll::Ready(Err(Panicked(said.unwrap_or_else(|| "a panic".to_owned()))))
        }
    })
    .await
}
