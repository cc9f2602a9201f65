//! The connections of one worker to the endpoints of one upstream: no lock, and no other thread.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::Duration;

use demur_admission::Clock;
use demur_engine::UpstreamFault;
use demur_http1::io::{ClientStream, Timer};
use tokio::time::{Instant, sleep, timeout};

use super::balancer::SharedUpstream;
use super::connect::connect;
use super::counts::{ConnectionCounts, OpenConnection};
use super::location::UpstreamOrigin;
use crate::listener::connections::ConnectionTable;
use crate::listener::descriptors::{Descriptor, Descriptors};

/// Idle connections that are kept for each API and worker.
const MAX_IDLE: usize = 128;
/// How often idle connections are looked at.
const SWEEP_INTERVAL: Duration = Duration::from_secs(1);

/// A connection to an upstream on which a request may be sent.
pub(crate) struct Connection {
    pub(crate) stream: ClientStream,
    pub(crate) lease: Lease,
}

/// What belongs to a connection while a request is sent on it.
pub(crate) struct Lease {
    pub(crate) pool: IdlePool,
    /// The timer of responses, kept because it is seldom touched.
    pub(crate) timer: Timer,
    /// Counts the connection until it is closed.
    pub(crate) _descriptor: Descriptor,
    /// The same for the metrics.
    pub(crate) _open: OpenConnection,
}

/// Checks out connections to one upstream.
pub(crate) struct Pool {
    /// By endpoint.
    idle: Vec<IdlePool>,
    counts: Arc<ConnectionCounts>,
    descriptors: Descriptors,
    /// The worker's client connections, of which idle ones are closed when file descriptors run short.
    connections: ConnectionTable,
    clock: Clock,
}

/// Idle connections, the one that was used last at the end.
#[derive(Clone)]
pub(crate) struct IdlePool(Rc<IdleConnections>);

struct IdleConnections {
    idle: RefCell<VecDeque<(Instant, Connection)>>,
    /// Connections that are idle for longer are closed.
    timeout: Duration,
}

impl Pool {
    pub(crate) fn new(
        upstream: &SharedUpstream,
        descriptors: &Descriptors,
        connections: &ConnectionTable,
        clock: Clock,
        counts: Arc<ConnectionCounts>,
    ) -> Self {
        let idle = |_| {
            let timeout = upstream.settings.idle_timeout;
            IdlePool(Rc::new(IdleConnections { idle: RefCell::default(), timeout }))
        };
        Self {
            idle: upstream.endpoints.iter().map(idle).collect(),
            counts,
            descriptors: descriptors.clone(),
            connections: connections.clone(),
            clock,
        }
    }

    /// Closes up to `count` of the connections that have been idle for longest. Returns how many were closed.
    pub(crate) fn close_idle(&self, count: usize) -> usize {
        self.idle.iter().fold(0, |closed, pool| {
            let mut idle = pool.0.idle.borrow_mut();
            let more = (count - closed).min(idle.len());
            idle.drain(..more);
            closed + more
        })
    }

    /// The connection to an endpoint that was used last and is still open, if there is one.
    pub(crate) fn checkout_idle(&self, endpoint: usize, now: Instant) -> Option<Connection> {
        let IdleConnections { idle, timeout } = &*self.idle.get(endpoint)?.0;
        let mut idle = idle.borrow_mut();
        while let Some((since, mut connection)) = idle.pop_back() {
            if !connection.stream.is_stale() && now.saturating_duration_since(since) <= *timeout {
                return Some(connection);
            }
        }
        None
    }

    /// A new connection. `origin` learns its address.
    pub(crate) async fn checkout_new(
        &self,
        upstream: &SharedUpstream,
        index: usize,
        origin: &UpstreamOrigin,
    ) -> Result<Connection, UpstreamFault> {
        let wanted = self.descriptors.wanted();
        if wanted > 0 {
            let closed = self.connections.close_idle(wanted, self.clock.now().monotonic);
            self.descriptors.report_closed(closed);
        }
        let SharedUpstream { settings, endpoints, .. } = upstream;
        let (Some(state), Some(pool)) = (endpoints.get(index), self.idle.get(index)) else {
            return Err(UpstreamFault::Unavailable("there is no such endpoint".to_owned()));
        };
        let connecting = connect(&state.endpoint, settings.tls.as_deref());
        let connected = match timeout(settings.connect_timeout, connecting).await {
            Err(_) => Err("connect timeout".to_owned()),
            Ok(connected) => connected.map_err(|error| error.to_string()),
        };
        let (transport, address) = connected.map_err(|cause| {
            self.counts.failed();
            UpstreamFault::Unreachable(cause)
        })?;
        if let Some(address) = address {
            origin.set_resolved(index, address);
        }
        let (pool, descriptor) = (pool.clone(), self.descriptors.take());
        let lease = Lease { pool, timer: Timer::new(), _descriptor: descriptor, _open: self.counts.opened() };
        Ok(Connection { stream: ClientStream::new(transport), lease })
    }
}

impl IdlePool {
    /// Takes a connection back.
    pub(crate) fn release(connection: Connection) {
        let pool = Rc::clone(&connection.lease.pool.0);
        let mut idle = pool.idle.borrow_mut();
        if idle.len() >= MAX_IDLE {
            return;
        }
        if idle.is_empty() {
            tokio::task::spawn_local(sweep(Rc::downgrade(&pool)));
        }
        idle.push_back((Instant::now(), connection));
    }
}

/// Closes connections that the upstream has closed or that have been idle for too long, until none is left.
async fn sweep(pool: Weak<IdleConnections>) {
    loop {
        sleep(SWEEP_INTERVAL).await;
        let Some(pool) = pool.upgrade() else { return };
        let mut idle = pool.idle.borrow_mut();
        let now = Instant::now();
        idle.retain_mut(|(since, connection)| {
            !connection.stream.is_stale() && now.saturating_duration_since(*since) <= pool.timeout
        });
        if idle.is_empty() {
            return;
        }
    }
}
