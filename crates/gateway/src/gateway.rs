//! The gateway as a whole: it binds the listeners, accepts connections and hands each to the worker with the fewest, and
//! shuts down without losing a request.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, SystemTime};

use demur_admission::{Admission, Clock};
use futures_util::future::{FutureExt, join_all};
use tokio::sync::watch;

use crate::access_log::AccessLog;
use crate::bind::{BindError, bind_or_inherit};
use crate::config::{Config, Listener};
use crate::listener::descriptors::Descriptors;
use crate::metrics::{WorkerMetrics, WorkerSeries};
use crate::operations::Operations;
use crate::probes::Lifecycle;
use crate::reload::{GatewayHandle, StaticSettings};
use crate::scrape::{ReloadCounts, ScrapeContext};
use crate::service::{BoundService, RunningService};
use crate::snapshot::SnapshotCell;
use crate::tls::watch::Certificates;
use crate::worker::{AcceptedConnection, Worker};
use crate::worker_context::WorkerContext;

/// The delay before the next attempt when file descriptors run short or accepting fails.
const RETRY: Duration = Duration::from_millis(5);

/// A gateway that is bound and does not serve yet.
#[derive(Debug)]
pub struct Gateway {
    bound: Vec<BoundListener>,
    operations: Option<BoundService>,
}

/// One address that is bound.
#[derive(Debug)]
struct BoundListener {
    listener: Arc<Listener>,
    socket: TcpListener,
}

/// A gateway that serves.
pub struct RunningGateway {
    listeners: Vec<Listener>,
    handle: GatewayHandle,
    ending: watch::Sender<bool>,
    is_ending: Arc<AtomicBool>,
    acceptor: JoinHandle<()>,
    lifecycle: Arc<Lifecycle>,
    operations: Option<RunningService>,
}

impl Gateway {
    /// Binds the addresses of clients, and that of the operations listener: all or none.
    pub fn bind(listeners: &[Listener], operations: Option<SocketAddr>) -> Result<Self, BindError> {
        Self::bind_or_inherit(listeners, operations, &mut Vec::new())
    }

    /// The same, but uses the socket of `inherited` that listens on an address, if there is one, and takes it from there. A
    /// supervisor that keeps such sockets open lets connections wait while the gateway restarts.
    pub fn bind_or_inherit(
        listeners: &[Listener],
        operations: Option<SocketAddr>,
        inherited: &mut Vec<TcpListener>,
    ) -> Result<Self, BindError> {
        let bound = listeners.iter().map(|listener| match bind_or_inherit(listener.address, inherited) {
            Ok(socket) => Ok(BoundListener { listener: Arc::new(listener.clone()), socket }),
            Err(error) => Err(BindError { address: listener.address, error }),
        });
        let bound = bound.collect::<Result<_, _>>()?;
        let operations =
            operations.map(|address| BoundService::bind_or_inherit(&Listener::new(address), inherited));
        Ok(Self { bound, operations: operations.transpose()? })
    }

    /// Starts to serve.
    pub fn serve(
        self,
        config: Config,
        admission: Arc<Admission>,
        clock: Clock,
    ) -> io::Result<RunningGateway> {
        let cores = thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        let count = config.workers.unwrap_or(cores).get();
        let (store, journal) = (config.store_probe.clone(), config.journal_sink.clone());
        let (started_with, config) = StaticSettings::split(config);
        let (log, log_writer) = AccessLog::start(&started_with.access_log, journal)?;
        let (reopener, lost_log_lines) = (log.reopener(), log.lost());
        let (ending, ended) = watch::channel(false);
        let is_ending = Arc::new(AtomicBool::new(false));
        let descriptors = Descriptors::raise(config.limits.max_connections, count);
        let plans = Arc::clone(admission.plans());
        let snapshots = Arc::new(SnapshotCell::new(config.first(admission, clock)?));
        let context = WorkerContext {
            snapshots: Arc::clone(&snapshots),
            clock,
            log,
            descriptors: descriptors.clone(),
            ending: ended.clone(),
            is_ending: Arc::clone(&is_ending),
        };
        // Nothing is counted that nobody can read.
        let metrics: Option<Vec<Arc<WorkerSeries>>> =
            self.operations.is_some().then(|| (0..count).map(|_| Arc::default()).collect());
        let workers = (0..count)
            .map(|number| {
                let series = metrics.as_ref().and_then(|metrics| metrics.get(number));
                Worker::start(number, context.clone(), series.cloned().map(WorkerMetrics))
            })
            .collect::<io::Result<Vec<Worker>>>()?;
        drop(context);
        let (reloads, lifecycle) = (Arc::new(ReloadCounts::new()), Arc::new(Lifecycle::default()));
        let operations = self.operations.map(|bound| {
            let context = ScrapeContext {
                snapshots: Arc::clone(&snapshots),
                workers: metrics.unwrap_or_default(),
                open: workers.iter().map(Worker::open_count).collect(),
                descriptors: descriptors.clone(),
                lost_log_lines,
                reloads: Arc::clone(&reloads),
                store,
                lifecycle: Arc::clone(&lifecycle),
                started: SystemTime::now(),
            };
            bound.serve("demur-operations", Arc::new(Operations(context)))
        });
        let operations = operations.transpose()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let listeners: Vec<Listener> =
            self.bound.iter().map(BoundListener::listener).collect::<io::Result<_>>()?;
        let certificates = Certificates::of(&listeners);
        let (bound, accepting) = (self.bound, Arc::clone(&snapshots));
        let acceptor = thread::Builder::new().name("demur-acceptor".to_owned()).spawn(move || {
            runtime.block_on(async {
                let acceptor =
                    Acceptor { workers: &workers, snapshots: &accepting, descriptors: &descriptors };
                let accepting = join_all(bound.into_iter().map(|bound| acceptor.run(bound, ended.clone())));
                certificates.watch_while(accepting).await;
            });
            // All of them at once, so that none waits for another one before it ends.
            let threads: Vec<_> = workers.into_iter().map(Worker::finish).collect();
            for thread in threads {
                // A panic of the worker was reported on standard error.
                let _ = thread.join();
            }
            log_writer.join();
        })?;
        let handle = GatewayHandle::new(started_with, snapshots, plans, reopener, reloads);
        Ok(RunningGateway { listeners, handle, ending, is_ending, acceptor, lifecycle, operations })
    }
}

impl RunningGateway {
    /// The listeners, with the ports that the system chose for port 0.
    pub fn listeners(&self) -> &[Listener] {
        &self.listeners
    }

    /// Reads the certificates of the listeners again, and uses them for new connections. One that cannot be used is logged,
    /// and the previous one kept. This happens by itself within seconds after a file has changed.
    pub fn reload_certificates(&self) {
        Certificates::of(&self.listeners).reload();
    }

    /// Reloads the configuration, from any thread.
    pub fn handle(&self) -> &GatewayHandle {
        &self.handle
    }

    /// The address of the operations listener, with the port that the system chose for port 0.
    pub fn operations_listener(&self) -> Option<SocketAddr> {
        self.operations.as_ref().map(RunningService::address)
    }

    /// Reports that the gateway is not ready, and serves as before. Returns how long the caller should wait, so that
    /// load balancers notice, before it calls [`shut_down`](Self::shut_down).
    pub fn leave(&self) -> Duration {
        self.lifecycle.is_leaving.store(true, Ordering::Relaxed);
        self.handle.shutdown_delay()
    }

    /// Accepts no more connections, answers the requests in progress, and returns when they have ended.
    pub fn shut_down(self) {
        self.lifecycle.is_leaving.store(true, Ordering::Relaxed);
        self.is_ending.store(true, Ordering::Relaxed);
        let _ = self.ending.send(true);
        let _ = self.acceptor.join();
        // Last: probes see how the shutdown goes on.
        drop(self.operations);
    }
}

impl BoundListener {
    fn listener(&self) -> io::Result<Listener> {
        Ok(Listener { address: self.socket.local_addr()?, ..(*self.listener).clone() })
    }
}

/// What the listeners share.
#[derive(Clone, Copy)]
struct Acceptor<'a> {
    workers: &'a [Worker],
    snapshots: &'a SnapshotCell,
    descriptors: &'a Descriptors,
}

impl Acceptor<'_> {
    /// Accepts connections until the gateway shuts down, and then those in the queue: their clients are connected already.
    async fn run(self, bound: BoundListener, mut ending: watch::Receiver<bool>) {
        let BoundListener { listener: settings, socket } = bound;
        let Ok(listener) = tokio::net::TcpListener::from_std(socket) else { return };
        let accepting = async {
            loop {
                if self.descriptors.is_exhausted() {
                    self.close_idle();
                    tokio::time::sleep(RETRY).await;
                    continue;
                }
                if let Err(error) = self.dispatch(listener.accept().await, &settings) {
                    // Mostly because of missing file descriptors: wait until connections have ended.
                    if self.descriptors.is_report_due() {
                        tracing::warn!(%error, "accept failed");
                    }
                    self.close_idle();
                    tokio::time::sleep(RETRY).await;
                }
            }
        };
        tokio::select! {
            () = accepting => {}
            _ = ending.wait_for(|ending| *ending) => self.drain(&listener, &settings).await,
        }
    }

    /// Accepts the connections in the queue.
    async fn drain(self, listener: &tokio::net::TcpListener, settings: &Arc<Listener>) {
        while let Some(accepted) = listener.accept().now_or_never() {
            if self.dispatch(accepted, settings).is_err() {
                return;
            }
        }
    }

    fn dispatch(
        self,
        accepted: io::Result<(tokio::net::TcpStream, SocketAddr)>,
        settings: &Arc<Listener>,
    ) -> io::Result<()> {
        let (socket, peer) = accepted?;
        let descriptor = self.descriptors.take();
        let socket = socket.into_std()?;
        self.close_idle();
        let open: usize = self.workers.iter().map(Worker::open).sum();
        let max_connections = self.snapshots.current().limits.max_connections;
        // Far beyond the limit connections are closed without a response, which would need a connection.
        if open >= max_connections.saturating_mul(2) {
            return Ok(());
        }
        if let Some(worker) = self.workers.iter().min_by_key(|worker| worker.open()) {
            let (listener, overloaded) = (Arc::clone(settings), open >= max_connections);
            worker.dispatch(AcceptedConnection { socket, peer, listener, overloaded, descriptor });
        }
        Ok(())
    }

    /// Makes workers close idle connections if file descriptors run short.
    fn close_idle(self) {
        let each = self.descriptors.ask(self.workers.len());
        if each > 0 {
            self.workers.iter().for_each(|worker| worker.close_idle(each));
        }
    }
}
