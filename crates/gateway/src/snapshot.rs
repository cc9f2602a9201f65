//! Everything that a reload of the configuration will replace, as one immutable value.

use std::sync::Arc;

use demur_engine::{Api, Engine};

use crate::access_log::LogFilter;
use crate::limits::ListenerLimits;
use crate::trusted_proxies::TrustedProxies;
use crate::upstream::settings::Upstream;

/// The state that requests are served with. Workers share it, and keep their connections and counters beside it.
pub(crate) struct Snapshot {
    pub(crate) engine: Arc<Engine>,
    pub(crate) limits: ListenerLimits,
    pub(crate) trusted_proxies: Arc<TrustedProxies>,
    /// The APIs with their upstreams.
    pub(crate) upstreams: Vec<(Arc<Api>, Upstream)>,
    pub(crate) log_filter: LogFilter,
}
