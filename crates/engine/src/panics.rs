//! One request's panic is one 500 in the contract; nothing else notices.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use demur_contract::Condition;
use pin_project_lite::pin_project;

use crate::refused::Refused;

/// A panic, as far as it said something.
pub(crate) struct Panicked(pub(crate) String);

/// One request's panic is one 500; nothing else notices.
impl From<Panicked> for Refused {
    fn from(Panicked(cause): Panicked) -> Self {
        Refused::from(Condition::Internal).because(cause)
    }
}

pin_project! {
    /// A future whose panic is caught. What it touched is dropped with it: the exchange it borrowed holds
    /// nothing that a panic could leave half done.
    ///
    /// A type of its own and no `async fn`, which would hold the future twice: it is what a request's memory
    /// mostly consists of.
    pub(crate) struct Caught<F> {
        #[pin]
        future: F,
    }
}

/// Runs a future and catches its panic.
pub(crate) fn caught<F: Future>(future: F) -> Caught<F> {
    Caught { future }
}

impl<F: Future> Future for Caught<F> {
    type Output = Result<F::Output, Panicked>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let future = self.project().future;
        match catch_unwind(AssertUnwindSafe(|| future.poll(cx))) {
            Ok(polled) => polled.map(Ok),
            Err(panic) => {
                let said = panic.downcast_ref::<&str>().map(|said| (*said).to_owned());
                let said = said.or_else(|| panic.downcast_ref::<String>().cloned());
                Poll::Ready(Err(Panicked(said.unwrap_or_else(|| "a panic".to_owned()))))
            }
        }
    }
}
