//! Synchronization of the group-commit loop: the standard library's types or, in this crate's tests, those of shuttle, which
//! chooses the next thread at each operation.

#[cfg(test)]
pub(crate) use shuttle::sync::atomic::{AtomicUsize, Ordering};
#[cfg(test)]
pub(crate) use shuttle::sync::mpsc::{RecvTimeoutError, Sender};
#[cfg(not(test))]
pub(crate) use std::sync::atomic::{AtomicUsize, Ordering};
#[cfg(not(test))]
pub(crate) use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};

/// A point at which shuttle may switch threads, in code that it cannot instrument.
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
        /// Shuttle runs all threads of a model on one system thread.
        static IN_MODEL: Cell<bool> = const { Cell::new(false) };
    }

    /// Shuttle's receiver, which on drop also drops unreceived values, as the standard library's does.
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

    /// Runs a model in `DEMUR_SHUTTLE` interleavings, by default as many as take a second or two: half of them random, half
    /// with few thread switches, which find other bugs.
    pub(crate) fn check(model: fn()) {
        let interleavings =
            std::env::var("DEMUR_SHUTTLE").ok().and_then(|text| text.parse().ok()).unwrap_or(10_000_usize);
        IN_MODEL.set(true);
        shuttle::check_random(model, interleavings / 2);
        shuttle::check_pct(model, interleavings / 2, 3);
        IN_MODEL.set(false);
    }
}
