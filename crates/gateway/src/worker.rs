//! Workers: one thread with a runtime of its own each, so that no request crosses threads.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use demur_admission::Clock;
use demur_engine::{Api, Engine};
use tokio::sync::{mpsc, watch};
use tokio::task::LocalSet;

use crate::access_log::AccessLog;
use crate::bounds::ListenerBounds;
use crate::config::Upstream;
use crate::connection::Shared;
use crate::proxies::Proxies;

/// A connection that a worker is to serve.
pub(crate) struct Handed {
    pub(crate) socket: std::net::TcpStream,
    /// Where it came in.
    pub(crate) listener: Option<Arc<str>>,
    /// There are more connections than the bound: it is told so.
    pub(crate) overloaded: bool,
}

/// One worker, as the acceptor sees it.
pub(crate) struct Worker {
    hand: mpsc::UnboundedSender<Handed>,
    open: Arc<AtomicUsize>,
    thread: JoinHandle<()>,
}

/// What workers are made of.
#[derive(Clone)]
pub(crate) struct Equipment {
    pub(crate) engine: Arc<Engine>,
    pub(crate) clock: Clock,
    pub(crate) bounds: ListenerBounds,
    pub(crate) upstreams: Arc<[(Arc<Api>, Upstream)]>,
    pub(crate) proxies: Arc<Proxies>,
    pub(crate) log: AccessLog,
    pub(crate) ending: watch::Receiver<bool>,
}

impl Worker {
    pub(crate) fn start(number: usize, equipment: Equipment) -> io::Result<Self> {
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

    pub(crate) fn hand(&self, handed: Handed) {
        self.open.fetch_add(1, Ordering::Relaxed);
        // It ends only after the acceptor has; a socket that comes too late is dropped, and so closed.
        let _ = self.hand.send(handed);
    }

    /// Waits for its end.
    pub(crate) fn join(self) {
        drop(self.hand);
        // A panic of the worker itself has been told on standard error.
        let _ = self.thread.join();
    }
}

async fn work(equipment: Equipment, mut handed: mpsc::UnboundedReceiver<Handed>, open: Arc<AtomicUsize>) {
    let Equipment { engine, clock, bounds, upstreams, proxies, log, ending } = equipment;
    let shared = Shared::new(engine, clock, bounds, &upstreams, proxies, log);
    while let Some(Handed { socket, listener, overloaded }) = handed.recv().await {
        let Ok(socket) = tokio::net::TcpStream::from_std(socket) else {
            open.fetch_sub(1, Ordering::Relaxed);
            continue;
        };
        let (shared, ending) = (shared.clone(), ending.clone());
        let counted = Counted(open.clone());
        tokio::task::spawn_local(async move {
            shared.serve(socket, listener, overloaded, ending).await;
            drop(counted);
        });
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
struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
