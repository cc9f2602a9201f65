//! Sockets: what stands between the network and the engine.
//!
//! One listener whose acceptor hands each connection to the least loaded worker; a worker is a thread with
//! a current-thread runtime, its own connections to the upstreams, and no lock on the admitted path. The
//! guard reads every head before hyper does. What a request may do and how it is answered is the engine's.

mod access_log;
mod answer;
mod arriving;
mod bounds;
mod cache;
mod config;
mod connection;
mod connections;
mod descriptors;
mod gateway;
mod lag;
mod location;
mod patience;
mod proxies;
mod proxy_protocol;
mod upstream;
mod worker;

pub use access_log::{LogFormat, LogSettings, LogTarget, Logged};
pub use arriving::ContentBounds;
pub use bounds::ListenerBounds;
pub use config::{ApiConfig, Config, Listener, StoreUrl, Upstream};
pub use demur_engine::settings::{Prefixes, duration};
pub use gateway::{Gateway, NotBound, Serving};
pub use proxies::{ForwardingField, Proxies};
