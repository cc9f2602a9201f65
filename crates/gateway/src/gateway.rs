//! The gateway as a whole: listeners, an acceptor that hands each connection to the worker with the fewest, and
//! an end in which no request is lost.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use demur_admission::{Admission, Clock};
use demur_engine::{Api, Engine};
use futures_util::future::{FutureExt, join_all};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::sync::watch;

use crate::access_log::AccessLog;
use crate::config::{Config, Listener};
use crate::descriptors::Descriptors;
use crate::worker::{AcceptedConnection, Worker, WorkerContext};

/// Connections that wait to be accepted. The kernel holds it to its own bound.
const BACKLOG: i32 = 4096;

/// When file descriptors or connections cannot be had, the next try comes after this time.
const RETRY: Duration = Duration::from_millis(5);

/// A gateway that is bound and not yet serving.
#[derive(Debug)]
pub struct Gateway {
    bound: Vec<BoundListener>,
}

/// One address that was taken.
#[derive(Debug)]
struct BoundListener {
    name: Option<Arc<str>>,
    socket: TcpListener,
}

/// A gateway that serves.
pub struct RunningGateway {
    listeners: Vec<Listener>,
    ending: watch::Sender<bool>,
    is_ending: Arc<AtomicBool>,
    acceptor: JoinHandle<()>,
}

/// An address that cannot be had: in use, or not this machine's.
#[derive(Debug)]
pub struct BindError {
    /// The address.
    pub address: SocketAddr,
    /// What the system says.
    pub error: io::Error,
}

impl Gateway {
    /// Takes the addresses, all or none.
    pub fn bind(listeners: &[Listener]) -> Result<Self, BindError> {
        let bound = listeners.iter().map(|Listener { name, address }| match bind(*address) {
            Ok(socket) => Ok(BoundListener { name: name.clone(), socket }),
            Err(error) => Err(BindError { address: *address, error }),
        });
        Ok(Self { bound: bound.collect::<Result<_, _>>()? })
    }

    /// Begins to serve.
    pub fn serve(
        self,
        config: Config,
        admission: Arc<Admission>,
        clock: Clock,
    ) -> io::Result<RunningGateway> {
        let cores = thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        let count = config.workers.unwrap_or(cores).get();
        let upstreams: Vec<_> =
            config.apis.into_iter().map(|api| (Api::new(api.settings), api.upstream)).collect();
        let apis = upstreams.iter().map(|(api, _)| Arc::clone(api)).collect();
        let (log, writing) = AccessLog::start(&config.access_log)?;
        let (ending, ended) = watch::channel(false);
        let is_ending = Arc::new(AtomicBool::new(false));
        let descriptors = Descriptors::raise(config.bounds.connections, count);
        let equipment = WorkerContext {
            engine: Engine::with_body_memory(apis, admission, config.voice, config.bounds.body_memory),
            clock,
            bounds: config.bounds,
            upstreams: upstreams.into(),
            proxies: config.proxies,
            log,
            descriptors: descriptors.clone(),
            ending: ended.clone(),
            is_ending: Arc::clone(&is_ending),
        };
        let workers = (0..count)
            .map(|number| Worker::start(number, equipment.clone()))
            .collect::<io::Result<Vec<Worker>>>()?;
        drop(equipment);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let listeners = self.bound.iter().map(BoundListener::listener).collect::<io::Result<_>>()?;
        let (bound, most) = (self.bound, config.bounds.connections);
        let acceptor = thread::Builder::new().name("demur-acceptor".to_owned()).spawn(move || {
            runtime.block_on(async {
                let acceptor = Acceptor { workers: &workers, most, descriptors: &descriptors };
                join_all(bound.into_iter().map(|bound| acceptor.run(bound, ended.clone()))).await;
            });
            // All at once, so that one does not wait for another before it ends.
            let threads: Vec<_> = workers.into_iter().map(Worker::finish).collect();
            for thread in threads {
                // A panic of the worker itself has been told on standard error.
                let _ = thread.join();
            }
            writing.join();
        })?;
        Ok(RunningGateway { listeners, ending, is_ending, acceptor })
    }
}

impl RunningGateway {
    /// Where it listens: with the ports that the system chose, where port 0 was asked for.
    pub fn listeners(&self) -> &[Listener] {
        &self.listeners
    }

    /// Takes no new connections, lets the requests under way be answered, and returns when all is done.
    pub fn shut_down(self) {
        self.is_ending.store(true, Ordering::Relaxed);
        let _ = self.ending.send(true);
        let _ = self.acceptor.join();
    }
}

impl BoundListener {
    fn listener(&self) -> io::Result<Listener> {
        Ok(Listener { name: self.name.clone(), address: self.socket.local_addr()? })
    }
}

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // A restarted gateway need not wait for the connections of the last one to be forgotten.
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

/// What the listeners share.
#[derive(Clone, Copy)]
struct Acceptor<'a> {
    workers: &'a [Worker],
    /// The bound on connections.
    most: usize,
    descriptors: &'a Descriptors,
}

impl Acceptor<'_> {
    /// Accepts connections until the gateway ends, and then those that wait already: to their clients they are
    /// connected.
    async fn run(self, bound: BoundListener, mut ending: watch::Receiver<bool>) {
        let BoundListener { name, socket } = bound;
        let Ok(listener) = tokio::net::TcpListener::from_std(socket) else { return };
        let accepting = async {
            loop {
                if self.descriptors.is_exhausted() {
                    self.close_idle();
                    tokio::time::sleep(RETRY).await;
                    continue;
                }
                if let Err(error) = self.hand(listener.accept().await, name.as_ref()) {
                    // Out of descriptors, mostly: connections that end free some.
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
            _ = ending.wait_for(|ending| *ending) => self.drain(&listener, name.as_ref()).await,
        }
    }

    /// Accepts what is in the queue.
    async fn drain(self, listener: &tokio::net::TcpListener, name: Option<&Arc<str>>) {
        while let Some(accepted) = listener.accept().now_or_never() {
            if self.hand(accepted, name).is_err() {
                return;
            }
        }
    }

    fn hand(
        self,
        accepted: io::Result<(tokio::net::TcpStream, SocketAddr)>,
        name: Option<&Arc<str>>,
    ) -> io::Result<()> {
        let (socket, peer) = accepted?;
        let descriptor = self.descriptors.take();
        let socket = socket.into_std()?;
        self.close_idle();
        let open: usize = self.workers.iter().map(Worker::open).sum();
        // Far beyond the bound nobody is told anything any more: telling costs a connection.
        if open >= self.most.saturating_mul(2) {
            return Ok(());
        }
        if let Some(worker) = self.workers.iter().min_by_key(|worker| worker.open()) {
            let (listener, overloaded) = (name.cloned(), open >= self.most);
            worker.dispatch(AcceptedConnection { socket, peer, listener, overloaded, descriptor });
        }
        Ok(())
    }

    /// Where descriptors run short, has idle connections closed to make room.
    fn close_idle(self) {
        let each = self.descriptors.ask(self.workers.len());
        if each > 0 {
            self.workers.iter().for_each(|worker| worker.close_idle(each));
        }
    }
}
