//! The gateway as a whole: listeners, an acceptor that hands each connection to the worker with the fewest, and
//! an end in which no request is lost.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use demur_admission::{Admission, Clock};
use demur_engine::{Api, Engine};
use futures_util::future::join_all;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::sync::watch;

use crate::access_log::AccessLog;
use crate::config::{Config, Listener};
use crate::worker::{Equipment, Handed, Worker};

/// Connections that wait to be accepted. The kernel holds it to its own bound.
const BACKLOG: i32 = 4096;

/// A gateway that is bound and not yet serving.
#[derive(Debug)]
pub struct Gateway {
    bound: Vec<Bound>,
}

/// One address that was taken.
#[derive(Debug)]
struct Bound {
    name: Option<Arc<str>>,
    socket: TcpListener,
}

/// A gateway that serves.
pub struct Serving {
    listeners: Vec<Listener>,
    ending: watch::Sender<bool>,
    acceptor: JoinHandle<()>,
}

/// An address that cannot be had: in use, or not this machine's.
#[derive(Debug)]
pub struct NotBound {
    /// The address.
    pub address: SocketAddr,
    /// What the system says.
    pub error: io::Error,
}

impl Gateway {
    /// Takes the addresses, all or none.
    pub fn bind(listeners: &[Listener]) -> Result<Self, NotBound> {
        let bound = listeners.iter().map(|Listener { name, address }| match bind(*address) {
            Ok(socket) => Ok(Bound { name: name.clone(), socket }),
            Err(error) => Err(NotBound { address: *address, error }),
        });
        Ok(Self { bound: bound.collect::<Result<_, _>>()? })
    }

    /// Begins to serve.
    pub fn serve(self, config: Config, admission: Arc<Admission>, clock: Clock) -> io::Result<Serving> {
        let cores = thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        let count = config.workers.unwrap_or(cores).get();
        let upstreams: Vec<_> =
            config.apis.into_iter().map(|api| (Api::new(api.settings), api.upstream)).collect();
        let apis = upstreams.iter().map(|(api, _)| Arc::clone(api)).collect();
        let (log, writing) = AccessLog::start(&config.access_log)?;
        let (ending, ended) = watch::channel(false);
        let equipment = Equipment {
            engine: Engine::new(apis, admission, config.voice),
            clock,
            bounds: config.bounds,
            upstreams: upstreams.into(),
            proxies: config.proxies,
            log,
            ending: ended.clone(),
        };
        let workers = (0..count)
            .map(|number| Worker::start(number, equipment.clone()))
            .collect::<io::Result<Vec<Worker>>>()?;
        drop(equipment);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let listeners = self.bound.iter().map(Bound::listener).collect::<io::Result<_>>()?;
        let (bound, most) = (self.bound, config.bounds.connections);
        let acceptor = thread::Builder::new().name("demur-acceptor".to_owned()).spawn(move || {
            runtime.block_on(async {
                let accepting = bound.into_iter().map(|bound| accept(bound, &workers, most, ended.clone()));
                join_all(accepting).await;
            });
            for worker in workers {
                worker.join();
            }
            writing.join();
        })?;
        Ok(Serving { listeners, ending, acceptor })
    }
}

impl Serving {
    /// Where it listens: with the ports that the system chose, where port 0 was asked for.
    pub fn listeners(&self) -> &[Listener] {
        &self.listeners
    }

    /// Takes no new connections, lets the requests under way be answered, and returns when all is done.
    pub fn shut_down(self) {
        let _ = self.ending.send(true);
        let _ = self.acceptor.join();
    }
}

impl Bound {
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

async fn accept(bound: Bound, workers: &[Worker], most: usize, mut ending: watch::Receiver<bool>) {
    let Bound { name, socket } = bound;
    let Ok(listener) = tokio::net::TcpListener::from_std(socket) else { return };
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = ending.wait_for(|ending| *ending) => return,
        };
        let socket = match accepted.and_then(|(socket, _)| socket.into_std()) {
            Ok(socket) => socket,
            Err(error) => {
                // Out of descriptors, mostly: connections that end free some.
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(20)).await;
                continue;
            }
        };
        let open: usize = workers.iter().map(Worker::open).sum();
        // Far beyond the bound nobody is told anything any more: telling costs a connection.
        if open >= most.saturating_mul(2) {
            continue;
        }
        if let Some(worker) = workers.iter().min_by_key(|worker| worker.open()) {
            worker.hand(Handed { socket, listener: name.clone(), overloaded: open >= most });
        }
    }
}
