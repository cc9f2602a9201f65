//! Everything that a reload of the configuration will replace, as one immutable value.

use std::sync::Arc;

use demur_engine::{Api, Engine};

use crate::access_log::LogFilter;
use crate::config::Upstream;
use crate::limits::ListenerLimits;
use crate::simulator::Simulator;
use crate::trusted_proxies::TrustedProxies;

/// The state that requests are served with. Workers share it, and keep their connections and counters beside it.
pub(crate) struct Snapshot {
    pub(crate) engine: Arc<Engine>,
    pub(crate) limits: ListenerLimits,
    pub(crate) trusted_proxies: Arc<TrustedProxies>,
    /// The APIs with their upstreams.
    pub(crate) upstreams: Vec<(Arc<Api>, Upstream)>,
    pub(crate) log_filter: LogFilter,
    /// Decides on requests before they are checked, in a mock.
    pub(crate) simulator: Option<Arc<dyn Simulator>>,
}
