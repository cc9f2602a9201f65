//! What one worker counts.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use demur_engine::{Engine, RequestRecord, Stage};
use http::{Method, StatusCode};

use super::series::{Counter, Histogram};
use crate::upstream::counts::ConnectionCounts;

/// The most series of requests of one worker. It is far beyond what a configuration has; more are counted as one.
const MOST_SERIES: usize = 20_000;

/// Methods that are registered, and everything else.
const METHODS: [&str; 10] =
    ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "_OTHER"];

/// The labels of `http_server_request_duration_seconds`. An empty one is absent.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub(crate) struct RequestLabels {
    pub(super) api: String,
    pub(super) method: &'static str,
    pub(super) route: String,
    pub(super) status: u16,
    pub(super) error_type: String,
    pub(super) scheme: &'static str,
}

/// The labels of `demur_rejections_total`, and of rejections that were not enforced.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct RejectionLabels {
    pub(super) api: String,
    pub(super) condition: String,
    pub(super) error_type: String,
    pub(super) origin: &'static str,
}

/// The series of one worker, which the operations listener reads. Locked when a series is new, for rejections, and when
/// they are read.
#[derive(Debug, Default)]
pub(crate) struct WorkerSeries {
    pub(super) requests: Mutex<BTreeMap<RequestLabels, Arc<Histogram>>>,
    pub(super) rejections: Mutex<BTreeMap<RejectionLabels, u64>>,
    pub(super) would_reject: Mutex<BTreeMap<RejectionLabels, u64>>,
    pub(super) upstreams: Mutex<BTreeMap<String, Arc<Histogram>>>,
    pub(super) connections: Mutex<BTreeMap<String, Arc<ConnectionCounts>>>,
    pub(super) active: [Counter; METHODS.len()],
    pub(super) tunnels: Counter,
    pub(super) shed_connections: Counter,
    pub(super) shed_queued: Counter,
    pub(super) lag_nanos: Counter,
}

/// The series of a worker, for its own thread.
#[derive(Debug, Clone)]
pub(crate) struct WorkerMetrics(pub(crate) Arc<WorkerSeries>);

/// A request that is in progress until this is dropped.
pub(crate) struct ActiveRequest {
    series: Arc<WorkerSeries>,
    method: usize,
}

/// A connection that was upgraded, and is open until this is dropped.
pub(crate) struct OpenTunnel(Arc<WorkerSeries>);

/// The series of a worker with what it knows of the requests of one snapshot. Names are compared by their addresses, which
/// stay while the snapshot does.
pub(crate) struct SnapshotMetrics {
    series: Arc<WorkerSeries>,
    engine: Arc<Engine>,
    known: RefCell<HashMap<RequestKey, Arc<Histogram>, foldhash::fast::RandomState>>,
    upstreams: RefCell<HashMap<usize, Arc<Histogram>, foldhash::fast::RandomState>>,
}

/// What is known of a request beside its record.
#[derive(Clone, Copy)]
pub(crate) struct ObservedRequest<'r> {
    /// `None` if its head could not be parsed.
    pub(crate) method: Option<&'r Method>,
    /// It came over TLS.
    pub(crate) is_secure: bool,
    pub(crate) status: u16,
}

/// A request of a snapshot: the addresses of API, operation and error, its method, its status, and whether it came over TLS.
type RequestKey = (usize, usize, usize, u8, u16, bool);

impl WorkerMetrics {
    /// Counts a request as in progress.
    pub(crate) fn begin(&self, method: &Method) -> ActiveRequest {
        let method = index_of(method);
        if let Some(active) = self.0.active.get(method) {
            active.add(1);
        }
        ActiveRequest { series: Arc::clone(&self.0), method }
    }

    /// Counts a connection that was upgraded as open.
    pub(crate) fn open_tunnel(&self) -> OpenTunnel {
        self.0.tunnels.add(1);
        OpenTunnel(Arc::clone(&self.0))
    }

    /// A request was shed since there are too many connections.
    pub(crate) fn shed_connection(&self) {
        self.0.shed_connections.add(1);
    }

    /// A request was shed since it had been queued for too long.
    pub(crate) fn shed_queued(&self) {
        self.0.shed_queued.add(1);
    }

    /// The scheduling delay of the worker.
    pub(crate) fn set_lag(&self, lag: Duration) {
        self.0.lag_nanos.set(u64::try_from(lag.as_nanos()).unwrap_or(u64::MAX));
    }

    /// The connections of the worker to the upstream of an API, also of one that has another upstream after a reload.
    pub(crate) fn connections(&self, api: &str) -> Arc<ConnectionCounts> {
        let mut connections = self.0.connections.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(connections.entry(api.to_owned()).or_default())
    }

    /// The metrics for the requests of a snapshot with this engine.
    pub(crate) fn of_snapshot(&self, engine: &Arc<Engine>) -> Rc<SnapshotMetrics> {
        let (series, engine) = (Arc::clone(&self.0), Arc::clone(engine));
        Rc::new(SnapshotMetrics { series, engine, known: RefCell::default(), upstreams: RefCell::default() })
    }
}

impl Drop for ActiveRequest {
    fn drop(&mut self) {
        if let Some(active) = self.series.active.get(self.method) {
            active.set(active.get().saturating_sub(1));
        }
    }
}

impl Drop for OpenTunnel {
    fn drop(&mut self) {
        self.0.tunnels.set(self.0.tunnels.get().saturating_sub(1));
    }
}

impl SnapshotMetrics {
    /// Counts a request that has ended.
    pub(crate) fn observe(&self, record: &RequestRecord, request: ObservedRequest<'_>, duration: Duration) {
        let ObservedRequest { method, is_secure, status } = request;
        let address = |text: Option<&str>| text.map_or(0, |text| text.as_ptr().addr());
        let rejection = record.rejection();
        let method = method.map_or(METHODS.len() - 1, index_of);
        let error = address(rejection.map(|rejection| rejection.code()));
        let (api, operation) = (address(record.api()), address(record.operation()));
        let key = (api, operation, error, method as u8, status, is_secure);
        let new = || self.series.request(self.labels(record, method, status, is_secure));
        self.known.borrow_mut().entry(key).or_insert_with(new).observe(duration);
        if let (Some(took), Some(api)) = (record.timing(Stage::Upstream), record.api()) {
            let mut upstreams = self.upstreams.borrow_mut();
            upstreams.entry(address(Some(api))).or_insert_with(|| self.series.upstream(api)).observe(took);
        }
        if let Some(rejection) = rejection {
            let labels = RejectionLabels {
                api: record.api().unwrap_or_default().to_owned(),
                condition: without_status(rejection.condition_name()).to_owned(),
                error_type: rejection.code().to_owned(),
                origin: rejection.origin.as_str(),
            };
            count(&self.series.rejections, labels);
        }
        for would_reject in record.would_reject() {
            let condition = would_reject.condition.map_or(would_reject.error.as_str(), |it| it.name());
            let labels = RejectionLabels {
                api: record.api().unwrap_or_default().to_owned(),
                condition: condition.to_owned(),
                error_type: would_reject.error.clone(),
                origin: "",
            };
            count(&self.series.would_reject, labels);
        }
    }

    fn labels(&self, record: &RequestRecord, method: usize, status: u16, is_secure: bool) -> RequestLabels {
        let api = record.api().unwrap_or_default();
        let status = registered(status);
        let route = record.operation().and_then(|id| {
            let api = self.engine.apis().iter().find(|known| known.name() == api)?;
            let operations = api.settings().document.operations();
            let path = operations.iter().find(|operation| operation.id() == id)?.path();
            Some(format!("{}{path}", api.settings().mount.path))
        });
        let error_type = match record.rejection() {
            Some(rejection) => Cow::Borrowed(rejection.code()),
            // An error that was passed on as it was.
            None if status >= 500 => status.to_string().into(),
            None => "".into(),
        };
        RequestLabels {
            api: api.to_owned(),
            method: METHODS.get(method).copied().unwrap_or("_OTHER"),
            route: route.unwrap_or_default(),
            status,
            error_type: error_type.into_owned(),
            scheme: if is_secure { "https" } else { "http" },
        }
    }
}

impl WorkerSeries {
    fn request(&self, labels: RequestLabels) -> Arc<Histogram> {
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        let labels = match requests.len() < MOST_SERIES || requests.contains_key(&labels) {
            true => labels,
            false => RequestLabels { method: "_OTHER", route: "_OTHER".to_owned(), ..Default::default() },
        };
        Arc::clone(requests.entry(labels).or_default())
    }

    fn upstream(&self, api: &str) -> Arc<Histogram> {
        let mut upstreams = self.upstreams.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(upstreams.entry(api.to_owned()).or_default())
    }

    /// Requests in progress, by method.
    pub(super) fn active(&self) -> impl Iterator<Item = (&'static str, u64)> {
        METHODS.iter().zip(&self.active).map(|(method, active)| (*method, active.get()))
    }
}

fn count(counts: &Mutex<BTreeMap<RejectionLabels, u64>>, labels: RejectionLabels) {
    let mut counts = counts.lock().unwrap_or_else(PoisonError::into_inner);
    if counts.len() < MOST_SERIES || counts.contains_key(&labels) {
        *counts.entry(labels).or_default() += 1;
    }
}

/// Conditions of upstream errors end in the status, which is a label of its own.
fn without_status(condition: &str) -> &str {
    match condition.rsplit_once('.') {
        Some((base, status)) if status.bytes().all(|byte| byte.is_ascii_digit()) => base,
        _ => condition,
    }
}

fn index_of(method: &Method) -> usize {
    METHODS.iter().position(|known| *known == method.as_str()).unwrap_or(METHODS.len() - 1)
}

/// The status, or for one that is not registered, which only an upstream can send, that of its class (RFC 9110, section 15).
fn registered(status: u16) -> u16 {
    let known = StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason());
    if known.is_some() { status } else { status / 100 * 100 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_and_statuses_are_bounded() {
        for (method, label) in [("GET", "GET"), ("PATCH", "PATCH"), ("BREW", "_OTHER"), ("get", "_OTHER")] {
            assert_eq!(METHODS[index_of(&method.parse().unwrap())], label);
        }
        for (status, label) in [(200, 200), (299, 200), (404, 404), (499, 400), (599, 500), (418, 418)] {
            assert_eq!(registered(status), label);
        }
    }

    #[test]
    fn conditions_have_no_status() {
        for (condition, label) in [
            ("upstream.refused.489", "upstream.refused"),
            ("upstream.refused", "upstream.refused"),
            ("rate.exceeded", "rate.exceeded"),
            ("sold_out", "sold_out"),
        ] {
            assert_eq!(without_status(condition), label);
        }
    }

    #[test]
    fn more_series_than_the_bound_are_counted_as_one() {
        let series = WorkerSeries::default();
        let labels = |number: usize| RequestLabels { route: number.to_string(), ..Default::default() };
        for number in 0..MOST_SERIES + 50 {
            series.request(labels(number)).observe(Duration::ZERO);
        }
        assert_eq!(series.requests.lock().unwrap().len(), MOST_SERIES + 1);
        // Those that are there go on.
        assert!(!Arc::ptr_eq(&series.request(labels(3)), &series.request(labels(MOST_SERIES + 7))));
    }

    #[test]
    fn a_request_is_active_until_it_is_dropped() {
        let metrics = WorkerMetrics(Arc::default());
        let requests = [metrics.begin(&Method::GET), metrics.begin(&Method::GET)];
        let active = || metrics.0.active().next().unwrap();
        assert_eq!(active(), ("GET", 2));
        drop(requests);
        assert_eq!(active(), ("GET", 0));
    }
}
