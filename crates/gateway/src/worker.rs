//! Workers: threads with a runtime each, so that no request crosses threads.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use futures_util::FutureExt;
use tokio::sync::mpsc;
use tokio::task::LocalSet;

use crate::config::Listener;
use crate::listener::connection::{Accepted, ConnectionContext};
use crate::listener::connections::{Activity, ConnectionTable};
use crate::listener::descriptors::Descriptor;
use crate::metrics::WorkerMetrics;
use crate::worker_context::WorkerContext;

/// A connection that is handed to a worker.
pub(crate) struct AcceptedConnection {
    pub(crate) socket: std::net::TcpStream,
    /// The client's address when the connection was accepted. After a reset the socket does not know it any more.
    pub(crate) peer: SocketAddr,
    pub(crate) listener: Arc<Listener>,
    /// There are more connections than the limit: its requests are rejected.
    pub(crate) overloaded: bool,
    pub(crate) descriptor: Descriptor,
}

/// A message of the acceptor to a worker.
enum Message {
    Serve(AcceptedConnection),
    /// File descriptors run short: close this many idle connections.
    CloseIdle(usize),
}

/// The acceptor's handle of a worker.
pub(crate) struct Worker {
    sender: mpsc::UnboundedSender<Message>,
    open: Arc<AtomicUsize>,
    thread: JoinHandle<()>,
}

impl Worker {
    pub(crate) fn start(
        number: usize,
        context: WorkerContext,
        metrics: Option<WorkerMetrics>,
    ) -> io::Result<Self> {
        let (sender, receiver) = mpsc::unbounded_channel();
        let open = Arc::new(AtomicUsize::new(0));
        let counted = open.clone();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let thread = thread::Builder::new().name(format!("demur-worker-{number}")).spawn(move || {
            let local = LocalSet::new();
            local.block_on(&runtime, run(context, metrics, receiver, counted));
        })?;
        Ok(Self { sender, open, thread })
    }

    /// The number of its connections.
    pub(crate) fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// Where that number is kept.
    pub(crate) fn open_count(&self) -> Arc<AtomicUsize> {
        Arc::clone(&self.open)
    }

    pub(crate) fn dispatch(&self, connection: AcceptedConnection) {
        self.open.fetch_add(1, Ordering::Relaxed);
        // The worker ends after the acceptor. A socket that comes too late is dropped, and so closed.
        let _ = self.sender.send(Message::Serve(connection));
    }

    /// Makes it close up to `count` idle connections.
    pub(crate) fn close_idle(&self, count: usize) {
        let _ = self.sender.send(Message::CloseIdle(count));
    }

    /// Sends it no more connections. It ends when its connections have ended, or after the shutdown timeout.
    pub(crate) fn finish(self) -> JoinHandle<()> {
        self.thread
    }
}

async fn run(
    context: WorkerContext,
    metrics: Option<WorkerMetrics>,
    mut receiver: mpsc::UnboundedReceiver<Message>,
    open: Arc<AtomicUsize>,
) {
    let WorkerContext { clock, descriptors, mut ending, .. } = context.clone();
    let mut changes = context.snapshots.changes();
    let connections = ConnectionTable::new(descriptors.clone());
    let shared = ConnectionContext::new(context, connections.clone(), metrics);
    let mut ended = pin!(ending.wait_for(|ending| *ending).map(|_| ()).fuse());
    loop {
        let message = tokio::select! {
            message = receiver.recv() => message,
            () = &mut ended => {
                connections.wake_all();
                continue;
            }
            Ok(()) = changes.changed() => {
                shared.current();
                continue;
            }
        };
        let Some(message) = message else { break };
        let AcceptedConnection { socket, peer, listener, overloaded, descriptor } = match message {
            Message::Serve(connection) => connection,
            Message::CloseIdle(count) => {
                let closed = connections.close_idle(count, clock.now().monotonic);
                let closed = closed + shared.close_idle_upstreams(count - closed);
                descriptors.done(count);
                descriptors.report_closed(closed);
                continue;
            }
        };
        let guard = ConnectionGuard(open.clone());
        let Ok(socket) = tokio::net::TcpStream::from_std(socket) else { continue };
        let shared = shared.clone();
        let activity = Activity::default();
        activity.last_used.set(clock.now().monotonic);
        let listed = connections.reserve(descriptor);
        let (number, seen) = (listed.number(), activity.clone());
        let accepted = Accepted { socket, peer, listener, overloaded, activity };
        let task = tokio::task::spawn_local(async move {
            shared.serve(accepted).await;
            drop((listed, guard));
        });
        connections.list(number, seen, task.abort_handle());
    }
    finish(&open, shared.current().snapshot.limits.shutdown_timeout).await;
    shared.give_up();
}

/// Waits until all connections have ended, up to a timeout.
async fn finish(open: &AtomicUsize, timeout: Duration) {
    let deadline = tokio::time::Instant::now() + timeout;
    while open.load(Ordering::Relaxed) > 0 && tokio::time::Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Counts a connection until it ends.
struct ConnectionGuard(Arc<AtomicUsize>);

impl Drop for ConnectionGuard {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
