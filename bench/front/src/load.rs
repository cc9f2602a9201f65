//! What the clients do, and what comes of it.

use std::net::SocketAddr;
use std::time::Duration;

use crate::row::Row;

/// What the clients do.
#[derive(Debug, Clone, Copy)]
pub struct Load<'r> {
    /// Which front they ask.
    pub front: SocketAddr,
    /// What they ask.
    pub row: &'r Row,
    /// How many of them there are: connections that stay.
    pub clients: usize,
    /// When they ask.
    pub arrivals: Arrivals,
    /// For how long, once everything is warm.
    pub time: Duration,
}

/// How requests come.
#[derive(Debug, Clone, Copy)]
pub enum Arrivals {
    /// Each client sends its next request when it has its answer.
    Closed,
    /// So many a second, whatever the answers do.
    Open {
        /// A second.
        rate: f64,
        /// How long a request that finds no idle client waits for one, before it is given up. Its waiting counts.
        waits: Duration,
        /// How long its client wants the answer, from the moment at which it was due.
        patience: Duration,
    },
}

/// What came of it.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// Answers with the expected status; where requests are given up, those in time.
    pub good: u64,
    /// Answers with the expected status, from the very beginning on: while it was still getting warm, too.
    pub total: u64,
    /// From the moment at which a request was due to its good answer, in nanoseconds. Only for open arrivals.
    pub latencies: Vec<u64>,
    /// Other answers, by their status, with the time from sending to answer in nanoseconds.
    pub others: Vec<(u16, u64)>,
    /// Requests that got no answer before the connection was closed.
    pub lost: u64,
    /// Requests that were given up before they could be sent.
    pub unsent: u64,
    /// Answers that were no longer wanted.
    pub late: u64,
    /// What was counted took so long.
    pub elapsed: Duration,
}

impl Outcome {
    /// Good answers a second.
    pub fn rate(&self) -> f64 {
        self.good as f64 / self.elapsed.as_secs_f64()
    }

    /// Panics where something else was done than what is measured. A rate of one a minute lets one request through now
    /// and then.
    pub fn check(&self) {
        let others: Vec<u16> = self.others.iter().map(|(status, _)| *status).take(5).collect();
        let few = self.others.len() as u64 <= self.total / 1000;
        assert!(
            few && self.lost == 0 && self.total > 0,
            "{} lost, {} others: {others:?}",
            self.lost,
            self.others.len()
        );
    }
}

/// The value below which so many of a thousand are, in milliseconds; 0 where there are none.
pub fn millis_at(nanos: &[u64], thousandths: usize) -> f64 {
    let mut nanos = nanos.to_vec();
    nanos.sort_unstable();
    let at = (nanos.len() * thousandths / 1000).min(nanos.len().saturating_sub(1));
    nanos.get(at).map_or(0.0, |nanos| *nanos as f64 / 1e6)
}
