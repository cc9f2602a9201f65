//! The configuration of a gateway.
//!
//! Plain structs, which Rust code can make as well as the crate `demur-config`, which reads them from `demur.yaml`.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::str::FromStr;
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
use crate::trusted_proxies::TrustedProxies;

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
    /// When the configuration is reloaded without a signal or a command. The gateway itself watches no file: the program
    /// that embeds it does.
    pub reload: ReloadSettings,
    /// The address of the operations listener, which serves health and metrics. Without it nothing is counted.
    pub operations_listener: Option<SocketAddr>,
    /// The state of the store, for the operations listener.
    pub store_probe: StoreProbe,
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
}

/// An API and its upstream.
#[derive(Debug)]
pub struct ApiConfig {
    /// What the engine checks.
    pub settings: ApiSettings,
    /// Where its requests are forwarded to.
    pub upstream: Upstream,
}

/// The upstream of an API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upstream {
    /// Host and port to connect to.
    pub address: String,
    /// The value of `Host` in forwarded requests.
    pub authority: http::uri::Authority,
    /// The prefix of every path.
    pub path: String,
    /// The timeout of connecting.
    pub connect_timeout: Duration,
    /// The timeout from the request to the head of the response, and between two chunks of its body.
    pub timeout: Duration,
    /// Maximum number of headers of a response.
    pub max_headers: usize,
    /// Connections that are idle for longer are closed.
    pub idle_timeout: Duration,
}

/// A store, by its URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreUrl {
    /// `sqlite:PATH`.
    Sqlite(PathBuf),
}

impl Config {
    /// With one listener on `127.0.0.1:8080`, the store `demur.db`, no plans and no APIs, and defaults otherwise.
    pub fn new(default_contract: Arc<Contract>) -> Self {
        Self {
            listeners: vec![Listener { name: None, address: DEFAULT_LISTEN }],
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
            reload: ReloadSettings::default(),
            operations_listener: None,
            store_probe: StoreProbe::default(),
        }
    }
}

/// Headers that the response of an upstream may have by default.
const DEFAULT_MAX_HEADERS: usize = 100;
/// Shorter than the idle timeout of common servers.
const DEFAULT_IDLE_TIMEOUT: Duration = Duration::from_secs(30);

/// The default address to listen on.
pub const DEFAULT_LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);

/// Parses `http://HOST[:PORT][/PATH]`; the other settings have their defaults.
impl FromStr for Upstream {
    type Err = UpstreamUrlError;

    fn from_str(url: &str) -> Result<Self, UpstreamUrlError> {
        let uri: http::Uri = url.parse().map_err(|_| UpstreamUrlError::NotAUrl)?;
        let authority = uri.authority().cloned().ok_or(UpstreamUrlError::NotAUrl)?;
        if authority.as_str().contains('@') || uri.query().is_some() {
            return Err(UpstreamUrlError::CredentialsOrQuery);
        }
        if uri.scheme_str() != Some("http") {
            return Err(UpstreamUrlError::NotPlainHttp);
        }
        let port = match authority.as_str().strip_prefix(authority.host()) {
            None | Some("") => Some(80),
            Some(port) => {
                port.strip_prefix(':').and_then(|port| port.parse::<u16>().ok()).filter(|port| *port > 0)
            }
        };
        let port = port.ok_or(UpstreamUrlError::Port)?;
        let address = format!("{}:{port}", authority.host());
        check_host(authority.host())?;
        Ok(Self {
            address,
            path: uri.path().trim_end_matches('/').to_owned(),
            authority,
            connect_timeout: Duration::from_secs(2),
            timeout: Duration::from_secs(30),
            max_headers: DEFAULT_MAX_HEADERS,
            idle_timeout: DEFAULT_IDLE_TIMEOUT,
        })
    }
}

/// Why a text is not the URL of an upstream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UpstreamUrlError {
    /// It cannot be parsed, or has no host.
    NotAUrl,
    /// It has credentials or a query, neither of which is ever sent.
    CredentialsOrQuery,
    /// Its scheme is another than `http`.
    NotPlainHttp,
    /// Its port is not between 1 and 65535.
    Port,
    /// Its host is neither a name nor an address in its usual form.
    UnusualHost(String),
    /// Its host is a link-local address, where the metadata services of clouds are.
    LinkLocal(String),
}

impl fmt::Display for UpstreamUrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAUrl => f.write_str("not a URL"),
            Self::CredentialsOrQuery => {
                f.write_str("the URL of an upstream has a host, a port and a path only")
            }
            Self::NotPlainHttp => f.write_str("only `http://` upstreams are supported"),
            Self::Port => f.write_str("the port must be between 1 and 65535"),
            Self::UnusualHost(host) => {
                write!(f, "`{host}` is neither a host name nor an address in its usual form")
            }
            Self::LinkLocal(host) => {
                write!(f, "`{host}` is a link-local address, where cloud metadata services are")
            }
        }
    }
}

impl std::error::Error for UpstreamUrlError {}

/// Link-local addresses lead to the metadata services of clouds, where credentials are. A name is checked when it is
/// resolved.
fn check_host(host: &str) -> Result<(), UpstreamUrlError> {
    let Ok(address) = host.trim_matches(['[', ']']).parse::<IpAddr>() else {
        // What ends in a number is an address in one of the forms that resolvers still accept: decimal, octal,
        // hexadecimal, or with fewer than four parts.
        let last = host.trim_end_matches('.').rsplit('.').next().unwrap_or_default();
        let is_number = last.strip_prefix("0x").unwrap_or(last).bytes().all(|byte| byte.is_ascii_hexdigit())
            && last.starts_with(|first: char| first.is_ascii_digit());
        return if is_number { Err(UpstreamUrlError::UnusualHost(host.to_owned())) } else { Ok(()) };
    };
    if is_link_local(address) { Err(UpstreamUrlError::LinkLocal(host.to_owned())) } else { Ok(()) }
}

/// Whether an address is link-local, however it is written.
pub(crate) fn is_link_local(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => (address.segments()[0] & 0xffc0) == 0xfe80,
    }
}
