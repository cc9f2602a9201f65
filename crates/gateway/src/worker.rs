//! Workers: one thread with a runtime of its own each, so that no request crosses threads.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use demur_admission::Clock;
use demur_engine::{Api, Engine};
use tokio::sync::{mpsc, watch};
use tokio::task::LocalSet;

use crate::access_log::AccessLog;
use crate::config::Upstream;
use crate::connection::{Accepted, ConnectionContext};
use crate::connections::{Activity, ConnectionTable};
use crate::descriptors::{Descriptor, Descriptors};
use crate::limits::ListenerLimits;
use crate::trusted_proxies::TrustedProxies;

/// A connection that a worker is to serve.
pub(crate) struct AcceptedConnection {
    pub(crate) socket: std::net::TcpStream,
    /// The other end, as it was when the connection was accepted. A socket whose client has reset it does not tell
    /// any more.
    pub(crate) peer: SocketAddr,
    /// Where it came in.
    pub(crate) listener: Option<Arc<str>>,
    /// There are more connections than the bound: it is told so.
    pub(crate) overloaded: bool,
    pub(crate) descriptor: Descriptor,
}

/// What the acceptor tells a worker.
enum Message {
    Serve(AcceptedConnection),
    /// File descriptors run short: close so many idle connections.
    CloseIdle(usize),
}

/// One worker, as the acceptor sees it.
pub(crate) struct Worker {
    hand: mpsc::UnboundedSender<Message>,
    open: Arc<AtomicUsize>,
    thread: JoinHandle<()>,
}

/// What workers are made of.
#[derive(Clone)]
pub(crate) struct WorkerContext {
    pub(crate) engine: Arc<Engine>,
    pub(crate) clock: Clock,
    pub(crate) bounds: ListenerLimits,
    pub(crate) upstreams: Arc<[(Arc<Api>, Upstream)]>,
    pub(crate) proxies: Arc<TrustedProxies>,
    pub(crate) log: AccessLog,
    pub(crate) descriptors: Descriptors,
    pub(crate) ending: watch::Receiver<bool>,
    /// The same for responses, which look at it each time.
    pub(crate) is_ending: Arc<AtomicBool>,
}

impl Worker {
    pub(crate) fn start(number: usize, equipment: WorkerContext) -> io::Result<Self> {
        let (hand, handed) = mpsc::unbounded_channel();
        let open = Arc::new(AtomicUsize::new(0));
        let counted = open.clone();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let thread = thread::Builder::new().name(format!("demur-worker-{number}")).spawn(move || {
            let local = LocalSet::new();
            local.block_on(&runtime, work(equipment, handed, counted));
        })?;
        Ok(Self { hand, open, thread })
    }

    /// How many connections it has.
    pub(crate) fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    pub(crate) fn dispatch(&self, handed: AcceptedConnection) {
        self.open.fetch_add(1, Ordering::Relaxed);
        // It ends only after the acceptor has; a socket that comes too late is dropped, and so closed.
        let _ = self.hand.send(Message::Serve(handed));
    }

    /// Has it close so many connections that are idle.
    pub(crate) fn close_idle(&self, count: usize) {
        let _ = self.hand.send(Message::CloseIdle(count));
    }

    /// Hands it nothing more. It ends when its connections have, or when they have had their time.
    pub(crate) fn finish(self) -> JoinHandle<()> {
        self.thread
    }
}

async fn work(
    equipment: WorkerContext,
    mut handed: mpsc::UnboundedReceiver<Message>,
    open: Arc<AtomicUsize>,
) {
    let WorkerContext { engine, clock, bounds, upstreams, proxies, log, descriptors, ending, is_ending } =
        equipment;
    let connections = ConnectionTable::new(descriptors.clone());
    let upstreams = (&upstreams[..], &descriptors, &connections);
    let shared = ConnectionContext::new(engine, clock, bounds, upstreams, proxies, log, is_ending);
    while let Some(message) = handed.recv().await {
        let AcceptedConnection { socket, peer, listener, overloaded, descriptor } = match message {
            Message::Serve(handed) => handed,
            Message::CloseIdle(count) => {
                let closed = connections.close_idle(count, clock.now().monotonic);
                let closed = closed + shared.close_idle_upstreams(count - closed);
                descriptors.done(count);
                descriptors.report_closed(closed);
                continue;
            }
        };
        let counted = ConnectionGuard(open.clone());
        let Ok(socket) = tokio::net::TcpStream::from_std(socket) else { continue };
        let (shared, ending) = (shared.clone(), ending.clone());
        let activity = Activity::default();
        activity.last_used.set(clock.now().monotonic);
        let listed = connections.reserve(descriptor);
        let (number, seen) = (listed.number(), activity.clone());
        let accepted = Accepted { socket, peer, listener, overloaded, activity };
        let task = tokio::task::spawn_local(async move {
            shared.serve(accepted, ending).await;
            drop((listed, counted));
        });
        connections.list(number, seen, task.abort_handle());
    }
    finish(&open, bounds.shutdown).await;
}

/// Lets what is under way come to its end, within its time.
async fn finish(open: &AtomicUsize, within: Duration) {
    let deadline = tokio::time::Instant::now() + within;
    while open.load(Ordering::Relaxed) > 0 && tokio::time::Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// A connection, counted until it ends, however it ends.
struct ConnectionGuard(Arc<AtomicUsize>);

impl Drop for ConnectionGuard {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
