//! A server that can be killed, hung, slowed and revived on the same address.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// What it does with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// It responds.
    Normal,
    /// It responds after a while.
    Slow,
    /// It reads, and never responds.
    Hung,
    /// It responds to requests, and fails health checks.
    Unhealthy,
    /// It closes the connection instead of responding.
    Broken,
}

/// How long it takes when it is slow.
const SLOWNESS: Duration = Duration::from_secs(1);

struct State {
    mode: Mutex<Mode>,
    received: AtomicUsize,
    served: AtomicUsize,
    connections: Mutex<Vec<TcpStream>>,
    is_killed: AtomicBool,
}

pub(crate) struct Server {
    address: SocketAddr,
    state: Arc<State>,
    accepting: Option<JoinHandle<()>>,
}

impl Server {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let state = State {
            mode: Mutex::new(Mode::Normal),
            received: AtomicUsize::new(0),
            served: AtomicUsize::new(0),
            connections: Mutex::default(),
            is_killed: AtomicBool::new(false),
        };
        let mut server =
            Self { address: listener.local_addr().unwrap(), state: Arc::new(state), accepting: None };
        server.accept(listener);
        server
    }

    fn accept(&mut self, listener: TcpListener) {
        let state = Arc::clone(&self.state);
        self.accepting = Some(thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if state.is_killed.load(Ordering::SeqCst) {
                    return;
                }
                state.connections.lock().unwrap().push(stream.try_clone().unwrap());
                let state = Arc::clone(&state);
                thread::spawn(move || serve(stream, &state));
            }
        }));
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Requests that it has responded to, without health checks.
    pub(crate) fn served(&self) -> usize {
        self.state.served.load(Ordering::SeqCst)
    }

    /// Requests that it has received, without health checks.
    pub(crate) fn received(&self) -> usize {
        self.state.received.load(Ordering::SeqCst)
    }

    pub(crate) fn set(&self, mode: Mode) {
        *self.state.mode.lock().unwrap() = mode;
    }

    /// Closes everything.
    pub(crate) fn kill(&mut self) {
        self.state.is_killed.store(true, Ordering::SeqCst);
        // Wakes the listening thread.
        let _ = TcpStream::connect(self.address);
        if let Some(accepting) = self.accepting.take() {
            accepting.join().unwrap();
        }
        for connection in self.state.connections.lock().unwrap().drain(..) {
            let _ = connection.shutdown(Shutdown::Both);
        }
    }

    /// Serves on the same address again.
    pub(crate) fn revive(&mut self) {
        self.state.is_killed.store(false, Ordering::SeqCst);
        let listener = TcpListener::bind(self.address).unwrap();
        self.accept(listener);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

fn serve(mut stream: TcpStream, state: &State) {
    let mut buffer = Vec::new();
    let mut piece = [0; 4096];
    loop {
        let Some(end) = buffer.windows(4).position(|four| four == b"\r\n\r\n") else {
            match stream.read(&mut piece) {
                Ok(length @ 1..) => buffer.extend_from_slice(&piece[..length]),
                _ => return,
            }
            continue;
        };
        let is_check = buffer.starts_with(b"GET /health ");
        buffer.drain(..end + 4);
        let mode = *state.mode.lock().unwrap();
        if !is_check {
            state.received.fetch_add(1, Ordering::SeqCst);
        }
        let status = match mode {
            Mode::Hung => {
                // Until the peer gives up.
                while stream.read(&mut piece).is_ok_and(|length| length > 0) {}
                return;
            }
            Mode::Broken if !is_check => {
                let _ = stream.shutdown(Shutdown::Both);
                return;
            }
            Mode::Unhealthy if is_check => 500,
            Mode::Slow if !is_check => {
                thread::sleep(SLOWNESS);
                200
            }
            _ => 200,
        };
        if write!(stream, "HTTP/1.1 {status} Status\r\nContent-Length: 2\r\n\r\nok").is_err() {
            return;
        }
        if !is_check {
            state.served.fetch_add(1, Ordering::SeqCst);
        }
    }
}

/// Runs something at the end of a scope, after a panic too.
pub(crate) struct OnDrop<F: Fn()>(pub(crate) F);

impl<F: Fn()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}
