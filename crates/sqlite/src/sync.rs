//! What the threads of the hand-off to the writer share: the standard library's, or, in this crate's own tests, that
//! of shuttle, which decides which thread goes on at each of these.

#[cfg(test)]
pub(crate) use shuttle::sync::atomic::{AtomicUsize, Ordering};
#[cfg(test)]
pub(crate) use shuttle::sync::mpsc::{RecvTimeoutError, Sender};
#[cfg(not(test))]
pub(crate) use std::sync::atomic::{AtomicUsize, Ordering};
#[cfg(not(test))]
pub(crate) use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};

/// Here another thread may come between two steps, in what shuttle cannot see into by itself.
#[cfg(not(test))]
pub(crate) fn between() {}

#[cfg(test)]
pub(crate) use model::{Receiver, between, channel, check};

#[cfg(test)]
mod model {
    use std::cell::Cell;
    use std::time::Duration;

    use shuttle::sync::mpsc::{self, RecvTimeoutError, Sender, TryIter};

    thread_local! {
        /// Shuttle runs all threads of a model on one of the system's.
        static IN_MODEL: Cell<bool> = const { Cell::new(false) };
    }

    /// Shuttle's, which does not drop what nobody will receive any more, as the standard library's does.
    pub(crate) struct Receiver<T>(mpsc::Receiver<T>);

    pub(crate) fn channel<T>() -> (Sender<T>, Receiver<T>) {
        let (sender, receiver) = mpsc::channel();
        (sender, Receiver(receiver))
    }

    impl<T> Receiver<T> {
        pub(crate) fn recv_timeout(&self, timeout: Duration) -> Result<T, RecvTimeoutError> {
            self.0.recv_timeout(timeout)
        }

        pub(crate) fn try_iter(&self) -> TryIter<'_, T> {
            self.0.try_iter()
        }
    }

    impl<T> Drop for Receiver<T> {
        fn drop(&mut self) {
            self.0.try_iter().for_each(drop);
        }
    }

    pub(crate) fn between() {
        if IN_MODEL.get() {
            shuttle::thread::yield_now();
        }
    }

    /// Tries a model in as many orders as `DEMUR_SHUTTLE` says, or as take a second or two: half of them at random,
    /// half with few changes of thread, which find other mistakes.
    pub(crate) fn check(model: fn()) {
        let orders =
            std::env::var("DEMUR_SHUTTLE").ok().and_then(|text| text.parse().ok()).unwrap_or(10_000_usize);
        IN_MODEL.set(true);
        shuttle::check_random(model, orders / 2);
        shuttle::check_pct(model, orders / 2, 3);
        IN_MODEL.set(false);
    }
}
