//! Sockets: everything between the network and the engine.
//!
//! An acceptor hands each connection to the worker with the fewest. A worker is a thread with a current-thread runtime and
//! its own connections to the upstreams; there is no lock on the admitted path. One task serves a client connection, and owns
//! the upstream connection while a request is in progress. Heads and bodies are parsed by `demur-http1`. The engine decides
//! what a request may do, and renders error responses.

mod access_log;
mod bind;
mod config;
mod gateway;
mod limits;
mod listener;
mod metrics;
mod operations;
mod probes;
mod proxy;
mod reload;
mod scrape;
mod service;
mod simulator;
mod snapshot;
mod tls;
mod token_keys;
mod trusted_proxies;
mod upstream;
mod worker;
mod worker_context;

pub use access_log::{JournalFilter, LogFilter, LogFormat, LogSettings, LogTarget};
pub use bind::BindError;
pub use config::{
    AdminConfig, ApiConfig, Config, DEFAULT_LISTEN, DocsConfig, JournalConfig, Listener, PageBuilder, Pages,
    PostgresStore, ReloadSettings, StoreUrl,
};
pub use demur_engine::settings::Prefixes;
pub use demur_http1::Limits as HeadLimits;
pub use demur_http1::io::ServerLimits as ConnectionLimits;
pub use gateway::{Gateway, RunningGateway};
pub use limits::ListenerLimits;
pub use listener::request_body::MinBodyRate;
pub use probes::{StoreProbe, StoreStatus};
pub use reload::{GatewayHandle, ReloadError};
pub use service::{BoundService, HttpService, RunningService};
pub use simulator::{Simulation, SimulationSettings, Simulator, SimulatorBuilder};
pub use tls::certificate::{Certificate, CertificateError, CertificateFiles};
pub use tls::client::{UpstreamTls, UpstreamTlsError, UpstreamTlsSettings};
pub use tls::server::ListenerTls;
pub use token_keys::{KeySetEndpoint, KeySetUrlError};
pub use trusted_proxies::{ForwardedHeader, TrustedProxies};
pub use upstream::settings::{
    Ejection, Endpoint, EndpointAddress, HealthCheck, HostHeader, Upstream, UpstreamUrlError,
};

/// Compiles the example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
