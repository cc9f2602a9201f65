//! What the operations listener shows: readiness, and all metrics of the process.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::listener::descriptors::Descriptors;
use crate::metrics::{Scrape, WorkerSeries, render};
use crate::probes::{Lifecycle, StoreProbe, StoreStatus};
use crate::snapshot::SnapshotCell;

/// Reloads of the configuration.
#[derive(Debug)]
pub(crate) struct ReloadCounts {
    pub(crate) accepted: AtomicU64,
    pub(crate) rejected: AtomicU64,
    /// When the configuration that is served was loaded, in milliseconds since 1970.
    pub(crate) loaded_at: AtomicU64,
}

impl ReloadCounts {
    pub(crate) fn new() -> Self {
        let counts =
            Self { accepted: AtomicU64::new(0), rejected: AtomicU64::new(0), loaded_at: AtomicU64::new(0) };
        counts.loaded_now();
        counts
    }

    pub(crate) fn loaded_now(&self) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        self.loaded_at.store(u64::try_from(now.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}

/// Everything that is shown.
pub(crate) struct ScrapeContext {
    pub(crate) snapshots: Arc<SnapshotCell>,
    pub(crate) workers: Vec<Arc<WorkerSeries>>,
    /// The open connections of each worker.
    pub(crate) open: Vec<Arc<AtomicUsize>>,
    pub(crate) descriptors: Descriptors,
    pub(crate) lost_log_lines: Arc<AtomicU64>,
    pub(crate) reloads: Arc<ReloadCounts>,
    pub(crate) store: StoreProbe,
    pub(crate) lifecycle: Arc<Lifecycle>,
    pub(crate) started: SystemTime,
}

impl ScrapeContext {
    pub(crate) fn generation(&self) -> u64 {
        self.snapshots.generation()
    }

    /// Why no requests should be sent here. Upstreams are no reason: they are the same for all instances.
    pub(crate) fn not_ready(&self) -> Vec<String> {
        let mut reasons = Vec::new();
        if self.lifecycle.is_leaving.load(Ordering::Relaxed) {
            reasons.push("the gateway shuts down".to_owned());
        }
        if let Some(problem) = self.store_status().problem {
            reasons.push(format!("the store is unavailable: {problem}"));
        }
        reasons
    }

    fn store_status(&self) -> StoreStatus {
        self.store.0.as_ref().map_or_else(StoreStatus::default, |probe| probe())
    }

    /// The metrics in the text format of Prometheus.
    pub(crate) fn render(&self) -> io::Result<Vec<u8>> {
        let mut scrape = Scrape::default();
        self.add_process(&mut scrape);
        self.add_connections(&mut scrape);
        self.add_upstreams(&mut scrape);
        self.add_configuration(&mut scrape);
        self.add_store(&mut scrape);
        render(&self.workers, scrape)
    }

    fn add_process(&self, scrape: &mut Scrape) {
        let version = env!("CARGO_PKG_VERSION");
        let help = "1, with the version as a label.";
        scrape.gauge("demur_build_info", help, &[(&[("version", version)], 1.0)]);
        let started = self.started.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        let help = "When the process started, in seconds since 1970.";
        scrape.gauge("process_start_time_seconds", help, &[(&[], started.as_secs_f64())]);
        if let Some(bytes) = resident_bytes() {
            let help = "Memory of the process.";
            scrape.gauge("process_resident_memory_bytes", help, &[(&[], bytes as f64)]);
        }
        let (used, limit) = self.snapshots.current().engine.body_memory();
        let help = "Memory of buffered bodies.";
        scrape.gauge("demur_body_memory_bytes", help, &[(&[], used as f64)]);
        let help = "limits.max_body_memory.";
        scrape.gauge("demur_body_memory_limit_bytes", help, &[(&[], limit as f64)]);
        let lost = self.lost_log_lines.load(Ordering::Relaxed);
        let help = "Lines of the access log that could not be written.";
        scrape.counter("demur_access_log_lines_lost_total", help, &[(&[], lost as f64)]);
    }

    fn add_connections(&self, scrape: &mut Scrape) {
        let open: usize = self.open.iter().map(|open| open.load(Ordering::Relaxed)).sum();
        let limit = self.snapshots.current().limits.max_connections;
        scrape.gauge("demur_connections", "Open connections of clients.", &[(&[], open as f64)]);
        scrape.gauge("demur_connections_limit", "limits.max_connections.", &[(&[], limit as f64)]);
        let (sockets, limit) = self.descriptors.usage();
        let help = "Sockets of clients and upstreams.";
        scrape.gauge("demur_sockets", help, &[(&[], sockets as f64)]);
        let help = "Sockets that may be open before idle connections are closed.";
        scrape.gauge("demur_sockets_limit", help, &[(&[], limit as f64)]);
    }

    fn add_upstreams(&self, scrape: &mut Scrape) {
        let snapshot = self.snapshots.current();
        let usage: Vec<_> =
            snapshot.upstreams.iter().map(|(api, _)| ([("api", api.name())], api.upstream_usage())).collect();
        let active: Vec<_> =
            usage.iter().map(|(labels, (active, _))| (labels.as_slice(), f64::from(*active))).collect();
        let help = "Requests that are at the upstream.";
        scrape.gauge("demur_upstream_active_requests", help, &active);
        let limits: Vec<_> =
            usage.iter().map(|(labels, (_, limit))| (labels.as_slice(), f64::from(*limit))).collect();
        let help =
            "Requests that may be at the upstream at once; lower than overload.in_flight while it is slow.";
        scrape.gauge("demur_upstream_concurrency_limit", help, &limits);
    }

    fn add_configuration(&self, scrape: &mut Scrape) {
        let ReloadCounts { accepted, rejected, loaded_at } = &*self.reloads;
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed) as f64;
        let help = "The generation of the configuration: 1 at start, one more with each reload.";
        scrape.gauge("demur_config_generation", help, &[(&[], self.generation() as f64)]);
        let help = "When the configuration was loaded, in seconds since 1970.";
        scrape.gauge("demur_config_loaded_timestamp_seconds", help, &[(&[], read(loaded_at) / 1000.0)]);
        let help = "Reloads of the configuration, by their result.";
        let values: [(&[(&str, &str)], f64); 2] =
            [(&[("result", "accepted")], read(accepted)), (&[("result", "rejected")], read(rejected))];
        scrape.counter("demur_config_reloads_total", help, &values);
    }

    fn add_store(&self, scrape: &mut Scrape) {
        if self.store.0.is_none() {
            return;
        }
        let status = self.store_status();
        let available = if status.problem.is_none() { 1.0 } else { 0.0 };
        scrape.gauge("demur_store_available", "1 if the store can be used, else 0.", &[(&[], available)]);
        let help = "Transactions of the store, by their result.";
        let values: [(&[(&str, &str)], f64); 2] = [
            (&[("result", "committed")], status.commits as f64),
            (&[("result", "failed")], status.failed_commits as f64),
        ];
        scrape.counter("demur_ledger_transactions_total", help, &values);
        let help = "Operations in transactions that were committed: holds, settlements and commands.";
        scrape.counter("demur_ledger_operations_total", help, &[(&[], status.operations as f64)]);
        let help = "Operations that wait for their transaction.";
        scrape.gauge("demur_ledger_waiting_operations", help, &[(&[], status.waiting as f64)]);
        let help = "Holds of credits that are not settled.";
        scrape.gauge("demur_ledger_open_holds", help, &[(&[], status.open_holds as f64)]);
    }
}

/// Known on Linux only.
fn resident_bytes() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = text.split_whitespace().nth(1)?.parse().ok()?;
    Some(pages * rustix::param::page_size() as u64)
}
