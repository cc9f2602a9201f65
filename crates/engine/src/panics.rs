//! One request's panic is one 500 in the contract; nothing else notices.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;

/// A panic, as far as it said something.
pub(crate) struct Panicked(pub(crate) String);

/// Runs a future and catches its panic. What it touched is dropped with it: the exchange it borrowed holds
/// nothing that a panic could leave half done.
pub(crate) async fn caught<F: Future>(future: F) -> Result<F::Output, Panicked> {
    let mut future = pin!(future);
    std::future::poll_fn(move |cx| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
        Ok(Poll::Pending) => Poll::Pending,
        Ok(Poll::Ready(output)) => Poll::Ready(Ok(output)),
        Err(panic) => {
            let said = panic.downcast_ref::<&str>().map(|said| (*said).to_owned());
            let said = said.or_else(|| panic.downcast_ref::<String>().cloned());
            Poll::Ready(Err(Panicked(said.unwrap_or_else(|| "a panic".to_owned()))))
        }
    })
    .await
}
