//! Replaces the configuration of a running gateway: all of it, or none.
//!
//! What a request is served with is one [`Snapshot`]; counts that must survive (limits, failed attempts, requests at an
//! upstream, memory of bodies) are taken over from the one before. What threads and sockets are made from at start is in
//! [`StaticSettings`], and a change of it is rejected.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use demur_admission::{Admission, CacheConfig, Clock, Plan, Plans};
use demur_contract::Contract;
use demur_engine::{Api, Engine, PageLookup};

use crate::access_log::{JournalFilter, LogFilters, LogReopener, LogSettings, LogTarget};
use crate::config::{AdminConfig, ApiConfig, Config, JournalConfig, Listener, Pages, StoreUrl};
use crate::limits::ListenerLimits;
use crate::scrape::ReloadCounts;
use crate::simulator::SimulationSettings;
use crate::snapshot::{Snapshot, SnapshotCell};
use crate::tls::watch::Certificates;
use crate::token_keys::KeySetFetcher;
use crate::trusted_proxies::TrustedProxies;
use crate::upstream::balancer::SharedUpstream;

/// Reloads the configuration of a running gateway. Clones are handles of the same gateway.
#[derive(Clone)]
pub struct GatewayHandle(Arc<Shared>);

struct Shared {
    started_with: StaticSettings,
    snapshots: Arc<SnapshotCell>,
    plans: Arc<Plans>,
    log: LogReopener,
    counts: Arc<ReloadCounts>,
    /// One reload at a time.
    reloading: Mutex<()>,
}

/// Why a configuration was not loaded. The gateway serves as before.
#[derive(Debug)]
pub enum ReloadError {
    /// These keys have another value than at start, and take effect at a restart only.
    NeedsRestart(Vec<&'static str>),
    /// The reference pages cannot be built.
    Pages(io::Error),
}

impl fmt::Display for ReloadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NeedsRestart(keys) => {
                let keys: Vec<String> = keys.iter().map(|key| format!("`{key}`")).collect();
                write!(f, "a change of {} needs a restart", keys.join(", "))
            }
            Self::Pages(error) => write!(f, "the reference pages cannot be built: {error}"),
        }
    }
}

impl std::error::Error for ReloadError {}

impl GatewayHandle {
    pub(crate) fn new(
        started_with: StaticSettings,
        snapshots: Arc<SnapshotCell>,
        plans: Arc<Plans>,
        log: LogReopener,
        counts: Arc<ReloadCounts>,
    ) -> Self {
        let reloading = Mutex::default();
        Self(Arc::new(Shared { started_with, snapshots, plans, log, counts, reloading }))
    }

    /// Serves all requests that begin from now on with another configuration. Returns its generation: 2 after the first
    /// reload.
    ///
    /// Requests in progress finish with what they began with. An open connection keeps the limits of its heads and its
    /// timeouts.
    pub fn reload(&self, config: Config) -> Result<u64, ReloadError> {
        let Shared { started_with, snapshots, plans, counts, reloading, .. } = &*self.0;
        let _one = reloading.lock().unwrap_or_else(PoisonError::into_inner);
        let (new, config) = StaticSettings::split(config);
        let changed = started_with.changed(&new);
        if !changed.is_empty() {
            return Err(ReloadError::NeedsRestart(changed));
        }
        let of_plans = config.plans.clone();
        let next = config.next(&snapshots.current()).map_err(ReloadError::Pages)?;
        let generation = next.generation;
        // Keys are looked up again with the first request under new plans, which needs them.
        plans.replace(of_plans);
        Certificates::of(&started_with.listeners).reload();
        snapshots.replace(next);
        counts.accepted.fetch_add(1, Ordering::Relaxed);
        counts.loaded_now();
        Ok(generation)
    }

    /// Counts a configuration that was not loaded, for the metrics: the caller knows of mistakes, and [`reload`](Self::reload)
    /// does not.
    pub fn count_rejected(&self) {
        self.0.counts.rejected.fetch_add(1, Ordering::Relaxed);
    }

    /// Opens the file of the access log again before its next line, after it was renamed.
    pub fn reopen_log(&self) {
        self.0.log.reopen();
    }

    /// The generation of the configuration: 1 at start, one more with each reload.
    pub fn generation(&self) -> u64 {
        self.0.snapshots.generation()
    }

    /// `limits.shutdown_delay` as it is now.
    pub(crate) fn shutdown_delay(&self) -> Duration {
        self.0.snapshots.current().limits.shutdown_delay
    }

    /// The keys of the configuration whose change needs a restart, and which differ from those at start.
    pub fn needs_restart(&self, config: &Config) -> Vec<&'static str> {
        self.0.started_with.changed(&StaticSettings::of(config))
    }
}

/// What threads and sockets are made from at start.
#[derive(Debug, Clone)]
pub(crate) struct StaticSettings {
    listeners: Vec<Listener>,
    operations_listener: Option<SocketAddr>,
    store: StoreUrl,
    workers: Option<NonZeroUsize>,
    cache: CacheConfig,
    pub(crate) access_log: LogSettings,
    /// Which requests it keeps is left out: a reload may change that.
    journal: Option<JournalConfig>,
    admin: Option<AdminConfig>,
}

impl StaticSettings {
    fn of(config: &Config) -> Self {
        // One name for a file, whatever the configuration was called with.
        let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let store = match &config.store {
            StoreUrl::Sqlite(path) => StoreUrl::Sqlite(absolute(path)),
            other @ StoreUrl::Postgres(_) => other.clone(),
        };
        let mut access_log = config.access_log.clone();
        if let LogTarget::File(path) = &mut access_log.target {
            *path = absolute(path);
        }
        Self {
            listeners: config.listeners.clone(),
            operations_listener: config.operations_listener,
            store,
            workers: config.workers,
            cache: config.cache,
            access_log,
            journal: config.journal.as_ref().map(|journal| JournalConfig {
                path: absolute(&journal.path),
                requests: JournalFilter::None,
                ..*journal
            }),
            admin: config
                .admin
                .as_ref()
                .map(|admin| AdminConfig { path: absolute(&admin.path), ..admin.clone() }),
        }
    }

    /// The two parts of a configuration.
    pub(crate) fn split(config: Config) -> (Self, DynamicSettings) {
        let fixed = Self::of(&config);
        let Config {
            default_contract,
            limits,
            trusted_proxies,
            access_log,
            journal,
            plans,
            apis,
            pages,
            simulation,
            ..
        } = config;
        let filters =
            LogFilters { log: access_log.requests, journal: JournalConfig::filter(journal.as_ref()) };
        let dynamic = DynamicSettings {
            default_contract,
            limits,
            trusted_proxies,
            filters,
            plans,
            apis,
            pages,
            simulation,
        };
        (fixed, dynamic)
    }

    /// The keys that have other values.
    fn changed(&self, other: &Self) -> Vec<&'static str> {
        let (log, other_log) = (&self.access_log, &other.access_log);
        let keys = [
            ("listen", self.listeners != other.listeners),
            ("operations_listener", self.operations_listener != other.operations_listener),
            ("store", self.store != other.store),
            ("workers", self.workers != other.workers),
            ("cache", self.cache != other.cache),
            ("access_log.output", log.target != other_log.target),
            ("access_log.format", log.format != other_log.format),
            ("journal", self.journal != other.journal),
            ("admin", self.admin != other.admin),
        ];
        keys.into_iter().filter(|(_, is_changed)| *is_changed).map(|(key, _)| key).collect()
    }
}

/// What a reload replaces.
pub(crate) struct DynamicSettings {
    default_contract: Arc<Contract>,
    pub(crate) limits: ListenerLimits,
    trusted_proxies: Arc<TrustedProxies>,
    filters: LogFilters,
    plans: Vec<Plan>,
    apis: Vec<ApiConfig>,
    pages: Pages,
    simulation: SimulationSettings,
}

impl DynamicSettings {
    /// The snapshot of a gateway that starts.
    pub(crate) fn first(self, admission: Arc<Admission>, clock: Clock) -> io::Result<Snapshot> {
        self.snapshot(1, KeySetFetcher::new(clock), Api::new, |parts| {
            let Parts { apis, default_contract, body_memory, pages } = parts;
            Engine::with_pages(apis, admission, default_contract, body_memory, pages)
        })
    }

    /// The snapshot that replaces another one.
    fn next(self, previous: &Snapshot) -> io::Result<Snapshot> {
        let same = |name: &str| previous.upstreams.iter().find(|(api, _)| api.name() == name);
        self.snapshot(
            previous.generation + 1,
            Arc::clone(&previous.key_sets),
            |settings| match same(&settings.name) {
                Some((previous, _)) => Api::succeed(settings, previous),
                None => Api::new(settings),
            },
            |parts| {
                let Parts { apis, default_contract, body_memory, pages } = parts;
                previous.engine.succeed(apis, default_contract, body_memory, pages)
            },
        )
    }

    fn snapshot(
        self,
        generation: u64,
        key_sets: Arc<KeySetFetcher>,
        api: impl Fn(demur_engine::settings::ApiSettings) -> Arc<Api>,
        engine: impl FnOnce(Parts) -> Arc<Engine>,
    ) -> io::Result<Snapshot> {
        let shared = |config: ApiConfig| (api(config.settings), SharedUpstream::new(config.upstream));
        let upstreams: Vec<(Arc<Api>, Arc<SharedUpstream>)> = self.apis.into_iter().map(shared).collect();
        let apis: Vec<Arc<Api>> = upstreams.iter().map(|(api, _)| Arc::clone(api)).collect();
        let pages = self.pages.0.map(|build| build(&apis, &self.plans)).transpose()?;
        let simulator = self.simulation.0.map(|build| build(&apis));
        key_sets.watch(apis.iter());
        let (default_contract, body_memory) = (self.default_contract, self.limits.body_memory);
        Ok(Snapshot {
            generation,
            engine: engine(Parts { apis, default_contract, body_memory, pages }),
            limits: self.limits,
            trusted_proxies: self.trusted_proxies,
            upstreams,
            filters: self.filters,
            key_sets,
            simulator,
        })
    }
}

/// What an engine is made of.
struct Parts {
    apis: Vec<Arc<Api>>,
    default_contract: Arc<Contract>,
    body_memory: usize,
    pages: Option<PageLookup>,
}
