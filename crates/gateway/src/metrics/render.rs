//! The metrics as Prometheus reads them.
//!
//! The text is written by the crate `prometheus`, which knows its escapes. Its counters are not used: they are shared
//! between threads, and ours are not.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, PoisonError};

use prometheus::proto::{Bucket, Counter, Gauge, Histogram, LabelPair, Metric, MetricFamily, MetricType};
use prometheus::{Encoder, TextEncoder};

use super::series::{BOUNDS, HistogramSum};
use super::worker::{RejectionLabels, RequestLabels, WorkerSeries};

/// Everything that is not counted by workers.
#[derive(Debug, Default)]
pub(crate) struct Scrape {
    /// Values by name, help and kind, each with its labels.
    families: Vec<MetricFamily>,
}

impl Scrape {
    /// A value that goes up and down.
    pub(crate) fn gauge(&mut self, name: &str, help: &str, values: &[(&[(&str, &str)], f64)]) {
        self.family(name, help, MetricType::GAUGE, values);
    }

    /// A value that only rises.
    pub(crate) fn counter(&mut self, name: &str, help: &str, values: &[(&[(&str, &str)], f64)]) {
        self.family(name, help, MetricType::COUNTER, values);
    }

    fn family(&mut self, name: &str, help: &str, kind: MetricType, values: &[(&[(&str, &str)], f64)]) {
        let metrics = values.iter().map(|(labels, value)| {
            let mut metric = labeled(labels);
            if kind == MetricType::COUNTER {
                let mut counter = Counter::default();
                counter.set_value(*value);
                metric.set_counter(counter);
            } else {
                let mut gauge = Gauge::default();
                gauge.set_value(*value);
                metric.set_gauge(gauge);
            }
            metric
        });
        self.push(name, help, kind, metrics.collect());
    }

    fn push(&mut self, name: &str, help: &str, kind: MetricType, metrics: Vec<Metric>) {
        // A family without a value has no text.
        if metrics.is_empty() {
            return;
        }
        let mut family = MetricFamily::default();
        family.set_name(name.to_owned());
        family.set_help(help.to_owned());
        family.set_field_type(kind);
        family.set_metric(metrics);
        self.families.push(family);
    }

    fn histograms<'l>(
        &mut self,
        name: &str,
        help: &str,
        sums: impl Iterator<Item = (Vec<(&'l str, &'l str)>, &'l HistogramSum)>,
    ) {
        let metrics = sums.map(|(labels, sum)| {
            let mut metric = labeled(&labels);
            metric.set_histogram(histogram(sum));
            metric
        });
        self.push(name, help, MetricType::HISTOGRAM, metrics.collect());
    }
}

fn labeled(labels: &[(&str, &str)]) -> Metric {
    let pairs = labels.iter().filter(|(_, value)| !value.is_empty()).map(|(name, value)| {
        let mut pair = LabelPair::default();
        pair.set_name((*name).to_owned());
        pair.set_value((*value).to_owned());
        pair
    });
    Metric::from_label(pairs.collect())
}

fn histogram(sum: &HistogramSum) -> Histogram {
    let mut cumulative = 0;
    let buckets = sum.buckets.iter().zip(BOUNDS).map(|(count, bound)| {
        cumulative += count;
        let mut bucket = Bucket::default();
        bucket.set_cumulative_count(cumulative);
        bucket.set_upper_bound(bound);
        bucket
    });
    let mut histogram = Histogram::default();
    histogram.set_bucket(buckets.collect());
    histogram.set_sample_count(sum.buckets.iter().sum());
    histogram.set_sample_sum(sum.nanos as f64 / 1e9);
    histogram
}

/// The text of all metrics.
pub(crate) fn render(workers: &[Arc<WorkerSeries>], mut scrape: Scrape) -> io::Result<Vec<u8>> {
    let mut requests: BTreeMap<RequestLabels, HistogramSum> = BTreeMap::new();
    let mut upstreams: BTreeMap<String, HistogramSum> = BTreeMap::new();
    let mut rejections: BTreeMap<RejectionLabels, u64> = BTreeMap::new();
    let mut would_reject: BTreeMap<RejectionLabels, u64> = BTreeMap::new();
    let mut active: BTreeMap<&str, u64> = BTreeMap::new();
    let mut connections: BTreeMap<String, [u64; 3]> = BTreeMap::new();
    let (mut tunnels, mut shed_connections, mut shed_queued, mut lag) = (0, 0, 0, 0);
    for worker in workers {
        for (labels, histogram) in worker.requests.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            requests.entry(labels.clone()).or_default().add(histogram);
        }
        for (api, histogram) in worker.upstreams.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            upstreams.entry(api.clone()).or_default().add(histogram);
        }
        for (all, counts) in
            [(&mut rejections, &worker.rejections), (&mut would_reject, &worker.would_reject)]
        {
            for (labels, count) in counts.lock().unwrap_or_else(PoisonError::into_inner).iter() {
                *all.entry(labels.clone()).or_default() += count;
            }
        }
        for (api, counts) in worker.connections.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            let sums = connections.entry(api.clone()).or_default();
            sums.iter_mut().zip(counts.read()).for_each(|(sum, count)| *sum += count);
        }
        worker.active().for_each(|(method, count)| *active.entry(method).or_default() += count);
        tunnels += worker.tunnels.get();
        shed_connections += worker.shed_connections.get();
        shed_queued += worker.shed_queued.get();
        lag = lag.max(worker.lag_nanos.get());
    }
    let statuses: BTreeMap<u16, String> =
        requests.keys().map(|labels| (labels.status, labels.status.to_string())).collect();
    let status = |labels: &RequestLabels| statuses.get(&labels.status).map_or("", String::as_str);
    scrape.histograms(
        "http_server_request_duration_seconds",
        "Duration of requests, from their head to the end of the response.",
        requests.iter().map(|(labels, sum)| {
            let labels = vec![
                ("api", labels.api.as_str()),
                ("error_type", &labels.error_type),
                ("http_request_method", labels.method),
                ("http_response_status_code", status(labels)),
                ("http_route", &labels.route),
                ("url_scheme", labels.scheme),
            ];
            (labels, sum)
        }),
    );
    let help = "Open connections that were upgraded to WebSocket.";
    scrape.gauge("demur_websocket_connections", help, &[(&[], tunnels as f64)]);
    scrape.histograms(
        "demur_upstream_duration_seconds",
        "Time from sending a request to the upstream to the head of its response.",
        upstreams.iter().map(|(api, sum)| (vec![("api", api.as_str())], sum)),
    );
    let open: Vec<_> =
        connections.iter().map(|(api, sums)| ([("api", api.as_str())], sums[0] as f64)).collect();
    let open: Vec<_> = open.iter().map(|(labels, count)| (labels.as_slice(), *count)).collect();
    scrape.gauge(
        "demur_upstream_connections",
        "Open connections to the upstream, idle ones among them.",
        &open,
    );
    let results = connections.iter().flat_map(|(api, sums)| {
        [("opened", sums[1]), ("failed", sums[2])]
            .map(|(result, count)| ([("api", api.as_str()), ("result", result)], count as f64))
    });
    let results: Vec<_> = results.collect();
    let results: Vec<_> = results.iter().map(|(labels, count)| (labels.as_slice(), *count)).collect();
    scrape.counter(
        "demur_upstream_connects_total",
        "Attempts to connect to the upstream, by their result.",
        &results,
    );
    let all: Vec<_> = rejections.iter().map(|(labels, count)| (pairs(labels), *count as f64)).collect();
    let all: Vec<_> = all.iter().map(|(labels, count)| (labels.as_slice(), *count)).collect();
    scrape.counter("demur_rejections_total", "Error responses, by condition and error.", &all);
    let all: Vec<_> = would_reject.iter().map(|(labels, count)| (pairs(labels), *count as f64)).collect();
    let all: Vec<_> = all.iter().map(|(labels, count)| (labels.as_slice(), *count)).collect();
    scrape.counter(
        "demur_would_reject_total",
        "Rejections that were not enforced: of limits in shadow mode, and of APIs in monitor mode.",
        &all,
    );
    let all: Vec<_> =
        active.iter().map(|(method, count)| ([("http_request_method", *method)], *count as f64)).collect();
    let all: Vec<_> = all.iter().map(|(labels, count)| (labels.as_slice(), *count)).collect();
    scrape.gauge("http_server_active_requests", "Requests in progress.", &all);
    scrape.counter(
        "demur_shed_requests_total",
        "Requests that were rejected because the gateway itself was overloaded.",
        &[
            (&[("reason", "connections")], shed_connections as f64),
            (&[("reason", "queue_delay")], shed_queued as f64),
        ],
    );
    scrape.gauge(
        "demur_worker_delay_seconds",
        "The scheduling delay of the worker with the longest one, when it was last measured.",
        &[(&[], lag as f64 / 1e9)],
    );
    scrape.families.sort_by(|a, b| a.name().cmp(b.name()));
    let mut text = Vec::new();
    TextEncoder::new().encode(&scrape.families, &mut text).map_err(io::Error::other)?;
    Ok(text)
}

fn pairs(labels: &RejectionLabels) -> Vec<(&str, &str)> {
    vec![
        ("api", labels.api.as_str()),
        ("condition", &labels.condition),
        ("error_type", &labels.error_type),
        ("origin", labels.origin),
    ]
}
