//! A panic in one request becomes a 500 in the contract, and affects nothing else.

use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::Poll;

use demur_contract::Condition;

use crate::reject::rejection::Rejection;

/// A panic, with its message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Panic(pub(crate) String);

impl From<Panic> for Rejection {
    fn from(Panic(cause): Panic) -> Self {
        Rejection::from(Condition::Internal).with_cause(cause)
    }
}

/// Runs the work of one request and catches its panic. The work must leave nothing inconsistent behind if it panics.
pub fn catch_panic<T>(work: impl FnOnce() -> T) -> Result<T, Panic> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| {
        let message = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
        let message = message.or_else(|| panic.downcast_ref::<String>().cloned());
        Panic(message.unwrap_or_else(|| "panic without a message".to_owned()))
    })
}

/// The same for asynchronous work. The future is pinned by the caller, so that it is not copied.
pub async fn catch_panic_async<F: Future>(mut future: Pin<&mut F>) -> Result<F::Output, Panic> {
    poll_fn(move |context| match catch_panic(|| future.as_mut().poll(context)) {
        Ok(polled) => polled.map(Ok),
        Err(panic) => Poll::Ready(Err(panic)),
    })
    .await
}
