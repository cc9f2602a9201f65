//! The connections of one worker to one upstream: no lock, and no other thread.
//!
//! Idle connections are kept in an [`IdlePool`]; when none is ready, a new one is made.

use bytes::Bytes;
use demur_admission::Clock;
use demur_engine::{BodyError, UpstreamFault};
use http_body::Body;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use super::exchange::{Exchange, IdlePool};
use super::location::UpstreamOrigin;
use crate::config::{Upstream, is_link_local};
use crate::listener::connections::ConnectionTable;
use crate::listener::descriptors::Descriptors;

/// Checks out exchanges with one upstream.
pub(crate) struct Pool<B> {
    idle: IdlePool<B>,
    descriptors: Descriptors,
    /// The worker's client connections, of which idle ones are closed when file descriptors run short.
    connections: ConnectionTable,
    clock: Clock,
}

impl<B> Pool<B>
where
    B: Body<Data = Bytes, Error = BodyError> + Unpin + 'static,
{
    pub(crate) fn new(descriptors: &Descriptors, connections: &ConnectionTable, clock: Clock) -> Self {
        Self {
            idle: IdlePool::default(),
            descriptors: descriptors.clone(),
            connections: connections.clone(),
            clock,
        }
    }

    /// Closes up to `count` of the connections that have been idle for longest. Returns how many were closed.
    pub(crate) fn close_idle(&self, count: usize) -> usize {
        self.idle.close(count)
    }

    /// An exchange on the connection that was used last and is ready, if there is one.
    pub(crate) fn checkout_idle(&self, now: Instant) -> Option<Exchange<B>> {
        self.idle.checkout(now)
    }

    /// An exchange on a new connection. `origin` learns its address.
    pub(crate) async fn checkout_new(
        &self,
        upstream: &Upstream,
        origin: &UpstreamOrigin,
    ) -> Result<Exchange<B>, UpstreamFault> {
        let wanted = self.descriptors.wanted();
        if wanted > 0 {
            let closed = self.connections.close_idle(wanted, self.clock.now().monotonic);
            self.descriptors.report_closed(closed);
        }
        let connecting = timeout(upstream.connect_timeout, connect(&upstream.address));
        let socket = match connecting.await {
            Err(_) => return Err(UpstreamFault::Unreachable("connect timeout".to_owned())),
            Ok(Err(error)) => return Err(UpstreamFault::Unreachable(error.to_string())),
            Ok(Ok(socket)) => socket,
        };
        // Only an optimization, so errors are ignored.
        let _ = socket.set_nodelay(true);
        if let Ok(address) = socket.peer_addr() {
            origin.set_resolved(address.ip());
        }
        Exchange::connect(socket, upstream.fields, self.descriptors.take(), self.idle.clone()).await
    }
}

/// Connects to the first address of a name that accepts the connection. Link-local addresses are skipped, as in the
/// configuration: they are those of metadata services.
async fn connect(address: &str) -> std::io::Result<TcpStream> {
    let mut last = std::io::Error::from(std::io::ErrorKind::NotFound);
    for address in tokio::net::lookup_host(address).await? {
        if is_link_local(address.ip()) {
            last = std::io::Error::other("the name resolves to a link-local address");
            continue;
        }
        match TcpStream::connect(address).await {
            Ok(socket) => return Ok(socket),
            Err(error) => last = error,
        }
    }
    Err(last)
}
