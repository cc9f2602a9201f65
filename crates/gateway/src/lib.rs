//! Sockets: everything between the network and the engine.
//!
//! An acceptor hands each connection to the worker with the fewest. A worker is a thread with a current-thread runtime and
//! its own connections to the upstreams; there is no lock on the admitted path. The guard parses every head before hyper
//! does. The engine decides what a request may do, and renders error responses.

mod access_log;
mod config;
mod gateway;
mod http1;
mod limits;
mod listener;
mod proxy;
mod snapshot;
mod trusted_proxies;
mod upstream;
mod worker;

pub use access_log::{LogFilter, LogFormat, LogSettings, LogTarget};
pub use config::{ApiConfig, Config, DEFAULT_LISTEN, Listener, StoreUrl, Upstream, UpstreamUrlError};
pub use demur_engine::settings::Prefixes;
pub use gateway::{BindError, Gateway, RunningGateway};
pub use limits::ListenerLimits;
pub use listener::request_body::BodyLimits;
pub use trusted_proxies::{ForwardingField, TrustedProxies};

/// Compiles the example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
