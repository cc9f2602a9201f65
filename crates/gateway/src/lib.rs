//! Sockets: what stands between the network and the engine.
//!
//! One listener whose acceptor hands each connection to the least loaded worker; a worker is a thread with
//! a current-thread runtime, its own connections to the upstreams, and no lock on the admitted path. The
//! guard reads every head before hyper does. What a request may do and how it is answered is the engine's.

mod access_log;
mod config;
mod connection;
mod connections;
mod descriptors;
mod gateway;
mod limits;
mod load_shed;
mod location;
mod proxy_protocol;
mod request_body;
mod trusted_proxies;
mod upstream;
mod upstream_body;
mod upstream_timeout;
mod worker;

pub use access_log::{LogFilter, LogFormat, LogSettings, LogTarget};
pub use config::{ApiConfig, Config, DEFAULT_LISTEN, Listener, StoreUrl, Upstream, UpstreamUrlError};
pub use demur_engine::settings::Prefixes;
pub use gateway::{BindError, Gateway, RunningGateway};
pub use limits::ListenerLimits;
pub use request_body::BodyLimits;
pub use trusted_proxies::{ForwardingField, TrustedProxies};
