//! The configuration of a gateway.
//!
//! Plain structs, which Rust code can make as well as the crate `demur-config`, which reads them from `demur.yaml`.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use demur_admission::{CacheConfig, Plan};
use demur_contract::Contract;
use demur_engine::settings::ApiSettings;
use demur_engine::{Api, PageLookup};
use demur_journal::Sink;

use crate::access_log::{JournalFilter, LogSettings};
use crate::limits::ListenerLimits;
use crate::probes::StoreProbe;
use crate::simulator::SimulationSettings;
use crate::tls::server::ListenerTls;
use crate::trusted_proxies::TrustedProxies;
use crate::upstream::settings::Upstream;

/// The configuration of a gateway.
#[derive(Debug)]
pub struct Config {
    /// The addresses to listen on; at least one.
    pub listeners: Vec<Listener>,
    /// The store of accounts, keys and credits.
    pub store: StoreUrl,
    /// The contract of rejections before the API is known.
    pub default_contract: Arc<Contract>,
    /// The number of worker threads; `None` for one per core.
    pub workers: Option<NonZeroUsize>,
    /// Limits on connections and requests.
    pub limits: ListenerLimits,
    /// The key cache: its size and its TTL.
    pub cache: CacheConfig,
    /// Proxies that may name the client.
    pub trusted_proxies: Arc<TrustedProxies>,
    /// The access log.
    pub access_log: LogSettings,
    /// The journal.
    pub journal: Option<JournalConfig>,
    /// Takes the entries of the journal.
    pub journal_sink: Option<Arc<dyn Sink>>,
    /// The plans.
    pub plans: Vec<Plan>,
    /// The APIs.
    pub apis: Vec<ApiConfig>,
    /// Where reference pages are served.
    pub docs: Option<DocsConfig>,
    /// The pages that are served beside the APIs.
    pub pages: Pages,
    /// What a mock does with requests.
    pub simulation: SimulationSettings,
    /// When the configuration is reloaded without a signal or a command. The gateway itself watches no file: the program
    /// that embeds it does.
    pub reload: ReloadSettings,
    /// The address of the operations listener, which serves health and metrics. Without it nothing is counted.
    pub operations_listener: Option<SocketAddr>,
    /// The state of the store, for the operations listener.
    pub store_probe: StoreProbe,
    /// The admin API. The program that embeds the gateway serves it.
    pub admin: Option<AdminConfig>,
}

/// The admin API: where it is served, and where its tokens and its audit log are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdminConfig {
    /// Its address, with TLS unless only this machine can reach it.
    pub listener: Listener,
    /// The names under which it is served, beside those of this machine.
    pub hosts: Vec<String>,
    /// The file with its tokens and its audit log.
    pub path: PathBuf,
    /// Older entries of the audit log are deleted.
    pub audit_max_age: Duration,
}

/// When the configuration is reloaded without a signal or a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReloadSettings {
    /// Whether the files are watched.
    pub watch: bool,
    /// How long the files must stay the same after a change.
    pub settle: Duration,
}

impl Default for ReloadSettings {
    /// Files are not watched.
    fn default() -> Self {
        Self { watch: false, settle: Duration::from_secs(1) }
    }
}

/// The journal of requests that were rejected or failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalConfig {
    /// Its file.
    pub path: PathBuf,
    /// Which requests it keeps.
    pub requests: JournalFilter,
    /// Older entries are deleted.
    pub max_age: Duration,
    /// The oldest entries are deleted before the file grows beyond this, in bytes.
    pub max_bytes: u64,
}

impl JournalConfig {
    pub(crate) fn filter(journal: Option<&Self>) -> JournalFilter {
        journal.map_or(JournalFilter::None, |journal| journal.requests)
    }
}

/// Where reference pages are served, and what they show beside what is generated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocsConfig {
    /// The path below which they are, without a slash at its end.
    pub path: String,
    /// The name above all pages, instead of that of the API.
    pub name: Option<String>,
    /// A folder with a logo, a stylesheet, templates and further pages.
    pub branding: Option<PathBuf>,
}

/// Makes the pages that are served beside the APIs, from these APIs and the plans.
pub type PageBuilder = Box<dyn FnOnce(&[Arc<Api>], &[Plan]) -> io::Result<PageLookup> + Send>;

/// Makes the pages that are served beside the APIs, if there are any.
#[derive(Default)]
pub struct Pages(pub Option<PageBuilder>);

impl fmt::Debug for Pages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Pages").field(&self.0.is_some()).finish()
    }
}

/// An address to listen on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    /// Its name, if there are several.
    pub name: Option<Arc<str>>,
    /// The address.
    pub address: SocketAddr,
    /// TLS; `None` for plain HTTP.
    pub tls: Option<Arc<ListenerTls>>,
}

impl Listener {
    /// Plain HTTP on this address.
    pub fn new(address: SocketAddr) -> Self {
        Self { name: None, address, tls: None }
    }

    /// `https` or `http`.
    pub fn scheme(&self) -> &'static str {
        if self.tls.is_some() { "https" } else { "http" }
    }
}

/// An API and its upstream.
#[derive(Debug)]
pub struct ApiConfig {
    /// What the engine checks.
    pub settings: ApiSettings,
    /// Where its requests are forwarded to.
    pub upstream: Upstream,
}

/// A store, by its URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreUrl {
    /// `sqlite:PATH`.
    Sqlite(PathBuf),
    /// A PostgreSQL database, which several gateways share.
    Postgres(Box<PostgresStore>),
}

/// A PostgreSQL database. Its `Debug` output shows no secret.
#[derive(Clone, PartialEq, Eq)]
pub struct PostgresStore {
    /// The connection string, with the password.
    pub url: String,
    /// The pepper of the keys, with the older ones.
    pub pepper: String,
    /// The certificates, as PEM, of the authorities that sign the server's; `None` for those of the system.
    pub authorities: Option<String>,
}

impl fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresStore").finish_non_exhaustive()
    }
}

impl Config {
    /// With one listener on `127.0.0.1:8080`, the store `demur.db`, no plans and no APIs, and defaults otherwise.
    pub fn new(default_contract: Arc<Contract>) -> Self {
        Self {
            listeners: vec![Listener::new(DEFAULT_LISTEN)],
            store: StoreUrl::Sqlite(PathBuf::from("demur.db")),
            default_contract,
            workers: None,
            limits: ListenerLimits::default(),
            cache: CacheConfig::default(),
            trusted_proxies: Arc::default(),
            access_log: LogSettings::default(),
            journal: None,
            journal_sink: None,
            plans: Vec::new(),
            apis: Vec::new(),
            docs: None,
            pages: Pages::default(),
            simulation: SimulationSettings::default(),
            reload: ReloadSettings::default(),
            operations_listener: None,
            store_probe: StoreProbe::default(),
            admin: None,
        }
    }
}

/// The default address to listen on.
pub const DEFAULT_LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);
