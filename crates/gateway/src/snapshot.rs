//! Everything that a reload of the configuration replaces, as one immutable value.
//!
//! A request takes the current snapshot when it begins, and keeps it to its end. Workers keep their connections and
//! counters beside it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;
use demur_engine::{Api, Engine};
use tokio::sync::watch;

use crate::access_log::LogFilters;
use crate::limits::ListenerLimits;
use crate::simulator::Simulator;
use crate::token_keys::KeySetFetcher;
use crate::trusted_proxies::TrustedProxies;
use crate::upstream::balancer::SharedUpstream;

/// The state that requests are served with.
pub(crate) struct Snapshot {
    /// The number of this snapshot: 1 at start, one more with each reload.
    pub(crate) generation: u64,
    pub(crate) engine: Arc<Engine>,
    pub(crate) limits: ListenerLimits,
    pub(crate) trusted_proxies: Arc<TrustedProxies>,
    /// The APIs with their upstreams.
    pub(crate) upstreams: Vec<(Arc<Api>, Arc<SharedUpstream>)>,
    pub(crate) filters: LogFilters,
    /// Fetches the key sets of the APIs.
    pub(crate) key_sets: Arc<KeySetFetcher>,
    /// Decides on requests before they are checked, in a mock.
    pub(crate) simulator: Option<Arc<dyn Simulator>>,
}

/// The current snapshot.
pub(crate) struct SnapshotCell {
    current: ArcSwap<Snapshot>,
    /// That of the current snapshot. Requests read it instead of the snapshot, which takes several atomic operations.
    generation: AtomicU64,
    changed: watch::Sender<()>,
}

impl SnapshotCell {
    pub(crate) fn new(first: Snapshot) -> Self {
        let generation = AtomicU64::new(first.generation);
        Self { current: ArcSwap::from_pointee(first), generation, changed: watch::Sender::new(()) }
    }

    /// The current snapshot.
    pub(crate) fn current(&self) -> Arc<Snapshot> {
        self.current.load_full()
    }

    /// The number of the current snapshot.
    pub(crate) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Replaces the snapshot for all requests that begin from now on.
    pub(crate) fn replace(&self, next: Snapshot) {
        let generation = next.generation;
        self.current.store(Arc::new(next));
        // After the store: who sees the new number also sees the new snapshot.
        self.generation.store(generation, Ordering::Release);
        self.changed.send_replace(());
    }

    /// Changes with each new snapshot. It wakes workers without requests, so that they drop what is replaced.
    pub(crate) fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }
}
