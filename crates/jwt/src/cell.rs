//! The current key set, which is replaced while tokens are verified.
//!
//! One side verifies tokens and never blocks; the other side fetches sets. A verifier that misses a key asks for a new set,
//! which is throttled, and waits for that attempt: an issuer may sign with a new key as soon as it has published it.

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use arc_swap::ArcSwapOption;

use crate::KeySet;

/// The minimum time between two attempts that verifiers ask for.
const COOLDOWN: Duration = Duration::from_secs(30);

/// The maximum number of verifiers that wait for an attempt.
const MAX_WAITING: usize = 1024;

/// The current key set of an issuer. Times are those of a monotonic clock.
#[derive(Default)]
pub struct KeySetCell {
    loaded: ArcSwapOption<LoadedKeys>,
    exchange: Mutex<Exchange>,
}

/// A key set, and when it was fetched.
#[derive(Debug)]
pub struct LoadedKeys {
    /// The keys.
    pub keys: KeySet,
    /// When they were fetched; `None` if they do not become stale.
    pub fetched: Option<Duration>,
    /// A number that no other key set of this process has.
    pub revision: u64,
}

impl LoadedKeys {
    fn is_fresh(&self, max_age: Duration, now: Duration) -> bool {
        self.fetched.is_none_or(|fetched| now.saturating_sub(fetched) <= max_age)
    }
}

/// What verifiers and fetcher tell each other.
#[derive(Default)]
struct Exchange {
    has_fetcher: bool,
    is_fetching: bool,
    /// The number of attempts that have ended.
    ended: u64,
    is_requested: bool,
    last_request: Option<Duration>,
    fetcher: Option<Waker>,
    waiting: Vec<Waker>,
}

impl KeySetCell {
    /// Creates a cell without keys, which a fetcher fills.
    pub fn empty() -> Arc<Self> {
        Arc::default()
    }

    /// Creates a cell whose keys do not become stale.
    pub fn fixed(keys: KeySet) -> Arc<Self> {
        let cell = Self::empty();
        cell.set(keys);
        cell
    }

    /// Returns the current keys, unless they were fetched longer than `max_age` ago.
    pub fn current(&self, max_age: Duration, now: Duration) -> Option<Arc<LoadedKeys>> {
        self.loaded.load().as_ref().filter(|loaded| loaded.is_fresh(max_age, now)).map(Arc::clone)
    }

    /// Returns the revision of the current keys. Unlike [`current`](Self::current) it writes to no memory that threads share.
    pub fn revision(&self, max_age: Duration, now: Duration) -> Option<u64> {
        let loaded = self.loaded.load();
        loaded.as_ref().filter(|loaded| loaded.is_fresh(max_age, now)).map(|loaded| loaded.revision)
    }

    /// Replaces the keys by some that do not become stale, as a service does that fetches them itself.
    pub fn set(&self, keys: KeySet) {
        self.store(keys, None);
    }

    /// Replaces the keys. Returns whether they are different.
    pub fn replace(&self, keys: KeySet, now: Duration) -> bool {
        self.store(keys, Some(now))
    }

    fn store(&self, keys: KeySet, fetched: Option<Duration>) -> bool {
        // Verified tokens are cached under this number, so that all of them are verified again after a change.
        static REVISIONS: AtomicU64 = AtomicU64::new(1);
        let previous = self.loaded.load();
        let same =
            previous.as_ref().filter(|previous| previous.keys == keys).map(|previous| previous.revision);
        let revision = same.unwrap_or_else(|| REVISIONS.fetch_add(1, Ordering::Relaxed));
        self.loaded.store(Some(Arc::new(LoadedKeys { keys, fetched, revision })));
        same.is_none()
    }

    /// Asks for a new set because a key is missing, and returns the attempt to wait for. `None` if there is nobody to ask, if
    /// the last such attempt was a short time ago, or if too many verifiers wait already.
    pub fn request(self: &Arc<Self>, now: Duration) -> Option<FetchAttempt> {
        let mut exchange = self.exchange();
        if !exchange.has_fetcher || exchange.waiting.len() >= MAX_WAITING {
            return None;
        }
        if !exchange.is_fetching {
            let is_early = |last: Duration| now.saturating_sub(last) < COOLDOWN;
            if exchange.last_request.is_some_and(is_early) {
                return None;
            }
            (exchange.last_request, exchange.is_fetching, exchange.is_requested) = (Some(now), true, true);
            exchange.fetcher.take().into_iter().for_each(Waker::wake);
        }
        Some(FetchAttempt { cell: Arc::clone(self), number: exchange.ended })
    }

    /// Returns the attempt that is in progress, without asking for one.
    pub fn in_progress(self: &Arc<Self>) -> Option<FetchAttempt> {
        let exchange = self.exchange();
        let can_wait = exchange.has_fetcher && exchange.is_fetching && exchange.waiting.len() < MAX_WAITING;
        can_wait.then(|| FetchAttempt { cell: Arc::clone(self), number: exchange.ended })
    }

    /// Registers a fetcher, whose first attempt begins now; `None` if there is one already. Verifiers no longer wait when the
    /// guard is dropped.
    pub fn attach(self: &Arc<Self>) -> Option<FetcherGuard> {
        let mut exchange = self.exchange();
        if exchange.has_fetcher {
            return None;
        }
        (exchange.has_fetcher, exchange.is_fetching) = (true, true);
        drop(exchange);
        Some(FetcherGuard(Arc::clone(self)))
    }

    /// Takes the keys of another cell over, under a revision of its own: tokens that were verified by another policy are
    /// verified again.
    pub fn adopt(&self, other: &Self) {
        if let Some(loaded) = other.loaded.load_full() {
            self.store(loaded.keys.clone(), loaded.fetched);
        }
    }

    fn exchange(&self) -> MutexGuard<'_, Exchange> {
        self.exchange.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn end_attempt(&self, has_fetcher: bool) {
        let mut exchange = self.exchange();
        exchange.ended += 1;
        (exchange.has_fetcher, exchange.is_fetching) = (has_fetcher, false);
        let waiting = std::mem::take(&mut exchange.waiting);
        drop(exchange);
        waiting.into_iter().for_each(Waker::wake);
    }
}

/// The fetcher's end of a cell.
#[derive(Debug)]
pub struct FetcherGuard(Arc<KeySetCell>);

impl FetcherGuard {
    /// Returns the cell.
    pub fn cell(&self) -> &Arc<KeySetCell> {
        &self.0
    }

    /// Whether nobody else holds the cell any more.
    pub fn is_abandoned(&self) -> bool {
        Arc::strong_count(&self.0) == 1
    }

    /// Begins an attempt.
    pub fn begin(&self) {
        let mut exchange = self.0.exchange();
        (exchange.is_fetching, exchange.is_requested) = (true, false);
    }

    /// Ends an attempt, after the keys were replaced if it was successful.
    pub fn end(&self) {
        self.0.end_attempt(true);
    }

    /// Waits until a verifier asks for a new set.
    pub fn requested(&self) -> impl Future<Output = ()> + '_ {
        poll_fn(|context| {
            let mut exchange = self.0.exchange();
            if exchange.is_requested {
                return Poll::Ready(());
            }
            exchange.fetcher = Some(context.waker().clone());
            Poll::Pending
        })
    }
}

impl Drop for FetcherGuard {
    fn drop(&mut self) {
        self.0.end_attempt(false);
    }
}

/// An attempt to fetch a set. It is ready when the attempt has ended, successful or not.
#[derive(Debug)]
pub struct FetchAttempt {
    cell: Arc<KeySetCell>,
    number: u64,
}

impl Future for FetchAttempt {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let mut exchange = self.cell.exchange();
        if exchange.ended > self.number {
            return Poll::Ready(());
        }
        if !exchange.waiting.iter().any(|waiting| waiting.will_wake(context.waker())) {
            exchange.waiting.push(context.waker().clone());
        }
        Poll::Pending
    }
}

impl fmt::Debug for KeySetCell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeySetCell").field("loaded", &self.loaded.load()).finish_non_exhaustive()
    }
}

/// The same cell.
impl PartialEq for KeySetCell {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self, other)
    }
}

impl Eq for KeySetCell {}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test ends where its rule does not hold")]

    use std::pin::pin;

    use super::*;
    use crate::KeyOrigin;

    const HOUR: Duration = Duration::from_secs(3600);

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn keys(id: &str) -> KeySet {
        let x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
        let set = format!(r#"{{"keys":[{{"kty":"OKP","crv":"Ed25519","kid":"{id}","x":"{x}"}}]}}"#);
        KeySet::parse(set.as_bytes(), KeyOrigin::Network).unwrap()
    }

    fn is_ready(future: &mut (impl Future<Output = ()> + Unpin)) -> bool {
        Pin::new(future).poll(&mut Context::from_waker(Waker::noop())).is_ready()
    }

    #[test]
    fn keys_become_stale_and_change_their_revision_only_when_they_differ() {
        let cell = KeySetCell::empty();
        assert!(cell.current(HOUR, at(0)).is_none());
        assert!(cell.replace(keys("a"), at(10)));
        let first = cell.current(HOUR, at(3610)).unwrap();
        assert_eq!(cell.revision(HOUR, at(3610)), Some(first.revision));
        assert_eq!(cell.revision(HOUR, at(3611)), None);
        assert!(cell.current(HOUR, at(3611)).is_none());
        assert!(!cell.replace(keys("a"), at(3700)));
        let second = cell.current(HOUR, at(3700)).unwrap();
        assert_eq!((second.revision, second.fetched), (first.revision, Some(at(3700))));
        assert!(cell.replace(keys("b"), at(3701)));
        assert_ne!(cell.current(HOUR, at(3701)).unwrap().revision, first.revision);
        let other = KeySetCell::fixed(keys("a"));
        let adopted = KeySetCell::empty();
        adopted.adopt(&cell);
        let adopted = adopted.current(HOUR, at(3701)).unwrap();
        assert_eq!((&adopted.keys, adopted.fetched), (&keys("b"), Some(at(3701))));
        assert_ne!(adopted.revision, cell.current(HOUR, at(3701)).unwrap().revision);
        let other = other.current(HOUR, at(u32::MAX.into())).unwrap();
        assert_ne!(other.revision, first.revision);
    }

    #[test]
    fn requests_are_throttled_and_share_an_attempt() {
        let cell = KeySetCell::empty();
        assert!(cell.request(at(0)).is_none(), "there is no fetcher");
        let fetcher = cell.attach().unwrap();
        assert!(cell.attach().is_none(), "there is one already");
        // The first attempt is in progress: everyone waits for it.
        let mut first = cell.request(at(0)).unwrap();
        let mut other = cell.in_progress().unwrap();
        assert!(!is_ready(&mut first) && !is_ready(&mut other));
        assert!(!is_ready(&mut pin!(fetcher.requested())), "none was asked for");
        fetcher.end();
        assert!(is_ready(&mut first) && is_ready(&mut other));
        assert!(cell.in_progress().is_none());
        // An attempt is asked for once; later ones within the cooldown are not.
        let mut asked = cell.request(at(1)).unwrap();
        let mut joined = cell.request(at(2)).unwrap();
        assert!(is_ready(&mut pin!(fetcher.requested())));
        fetcher.begin();
        assert!(!is_ready(&mut pin!(fetcher.requested())));
        fetcher.end();
        assert!(is_ready(&mut asked) && is_ready(&mut joined));
        assert!(cell.request(at(30)).is_none());
        let mut last = cell.request(at(31)).unwrap();
        assert!(!is_ready(&mut last));
        drop(fetcher);
        assert!(is_ready(&mut last) && cell.request(at(100)).is_none());
    }
}
