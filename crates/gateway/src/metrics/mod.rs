//! Metrics of the gateway: what each worker counts, and how Prometheus reads it.
//!
//! Each worker counts for itself, without a lock and without another thread. The operations listener adds the counts up
//! when it is asked. Without an operations listener nothing is counted. Labels are bounded: names of APIs, routes, errors
//! and conditions are those of the configuration, statuses and methods those that are registered; keys, accounts and IDs
//! are none.

mod render;
mod series;
mod worker;

pub(crate) use render::{Scrape, render};
pub(crate) use worker::{ActiveRequest, ObservedRequest, SnapshotMetrics, WorkerMetrics, WorkerSeries};
