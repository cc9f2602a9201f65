//! The other side of every front: the clients before it and the service behind it, in one loop on one thread.
//!
//! They share a core, so that a front has the other one to itself, and a loop, so that what they need of that core is
//! little: an event costs one read and one write. Work is handed to sockets that have room for it; a write that would
//! wait is a mistake in the bench, and ends it.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};

use crate::message;
use crate::row::Row;

/// What the service behind answers.
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 85\r\n\r\n\
{\"tracks\":[{\"id\":\"trk_000000001\",\"title\":\"A title of some length\",\"score\":0.875001}]}";

const SERVICE: Token = Token(0);

/// Clients and service.
pub struct Driver {
    poll: Poll,
    service: TcpListener,
    address: SocketAddr,
    /// By token, the listener's place left empty.
    links: Vec<Option<Link>>,
    free: Vec<usize>,
    buffer: Vec<u8>,
    /// Requests that the service has answered.
    served: u64,
    /// Statuses that were not the expected one, of the run under way.
    others: Vec<u16>,
}

struct Link {
    stream: TcpStream,
    role: Role,
    /// What came of a message that is not whole yet.
    partial: Vec<u8>,
}

#[derive(Clone, Copy)]
enum Role {
    Service,
    /// Since when its request counts as sent.
    Client { since: Option<Instant> },
}

/// How requests come.
#[derive(Debug, Clone, Copy)]
pub enum Arrivals {
    /// Each client sends its next request when it has its answer.
    Closed,
    /// So many a second, whatever the answers do. A request that finds no idle client waits, and its waiting counts.
    Open(f64),
}

/// What came of a run.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// Answers with the expected status.
    pub answers: u64,
    /// The same, from the very beginning on.
    pub total: u64,
    /// From the moment at which a request was due, in nanoseconds; only for open arrivals.
    pub latencies: Vec<u64>,
    /// Between the first answer that counts and the last.
    pub elapsed: Duration,
}

impl Driver {
    /// With the service listening on a port of its own.
    pub fn new() -> Self {
        let poll = Poll::new().expect("epoll");
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let mut service = TcpListener::bind(any).expect("a free port");
        poll.registry().register(&mut service, SERVICE, Interest::READABLE).expect("a listener");
        let address = service.local_addr().expect("it is bound");
        Self { poll, service, address, links: Vec::from([None]), free: Vec::new(), buffer: vec![0; 65_536], served: 0, others: Vec::new() }
    }

    /// Where the service is.
    pub fn service(&self) -> SocketAddr {
        self.address
    }

    /// Drives a front for `time` after a short while of warming up, and tells both of its ends to `mark`.
    pub fn run(
        &mut self,
        front: SocketAddr,
        row: &Row,
        clients: usize,
        arrivals: Arrivals,
        time: Duration,
        mut mark: impl FnMut(),
    ) -> Outcome {
        let mut events = Events::with_capacity(1024);
        let mut idle: Vec<usize> = (0..clients).map(|_| self.connect(front)).collect();
        let mut queue: VecDeque<Instant> = VecDeque::new();
        let mut next = 0;
        let mut outcome = Outcome::default();
        let start = Instant::now();
        let warm = start + (time / 5).min(Duration::from_millis(300));
        let mut counting = None;
        let mut due = start;
        loop {
            let now = Instant::now();
            if counting.is_none() && now >= warm {
                mark();
                counting = Some(now);
            }
            if let Some(since) = counting
                && now - since >= time
            {
                mark();
                outcome.elapsed = now - since;
                break;
            }
            match arrivals {
                Arrivals::Closed => {
                    for client in idle.drain(..) {
                        self.send(client, row, &mut next, now);
                    }
                }
                Arrivals::Open(rate) => {
                    let gap = Duration::from_secs_f64(1.0 / rate);
                    while due <= now {
                        queue.push_back(due);
                        due += gap;
                    }
                    while let (Some(client), Some(since)) = (idle.last().copied(), queue.front().copied()) {
                        idle.pop();
                        queue.pop_front();
                        self.send(client, row, &mut next, since);
                    }
                }
            }
            let wait = match arrivals {
                Arrivals::Closed => Duration::from_millis(100),
                Arrivals::Open(_) => Duration::ZERO,
            };
            if let Err(error) = self.poll.poll(&mut events, Some(wait)) {
                assert_eq!(error.kind(), ErrorKind::Interrupted, "{error}");
            }
            for event in &events {
                if event.token() == SERVICE {
                    self.accept();
                    continue;
                }
                let token = event.token().0;
                if let Some(since) = self.read(token, row.status) {
                    outcome.total += 1;
                    if counting.is_some() {
                        outcome.answers += 1;
                        if matches!(arrivals, Arrivals::Open(_)) {
                            outcome.latencies.push(since.elapsed().as_nanos() as u64);
                        }
                    }
                    idle.push(token);
                }
            }
        }
        self.hang_up();
        // A rate of one a minute lets one through now and then.
        let others = std::mem::take(&mut self.others);
        assert!(others.len() as u64 <= outcome.total / 1000, "{} of {}: {:?}", others.len(), outcome.total, &others[..5]);
        outcome
    }

    /// Serves what the fronts send until `until` says so: for requests that another program makes.
    pub fn serve(&mut self, mut until: impl FnMut() -> bool) {
        let mut events = Events::with_capacity(1024);
        while !until() {
            if let Err(error) = self.poll.poll(&mut events, Some(Duration::from_millis(20))) {
                assert_eq!(error.kind(), ErrorKind::Interrupted, "{error}");
            }
            for event in &events {
                match event.token() {
                    SERVICE => self.accept(),
                    token => drop(self.read(token.0, 0)),
                }
            }
        }
    }

    /// Requests that the service has answered so far.
    pub fn served(&self) -> u64 {
        self.served
    }

    fn connect(&mut self, front: SocketAddr) -> usize {
        // Blocking: to connect is no part of what is measured.
        let stream = std::net::TcpStream::connect(front).unwrap_or_else(|error| panic!("{front}: {error}"));
        stream.set_nodelay(true).expect("a socket");
        stream.set_nonblocking(true).expect("a socket");
        self.add(TcpStream::from_std(stream), Role::Client { since: None })
    }

    fn add(&mut self, mut stream: TcpStream, role: Role) -> usize {
        let token = self.free.pop().unwrap_or_else(|| {
            self.links.push(None);
            self.links.len() - 1
        });
        self.poll.registry().register(&mut stream, Token(token), Interest::READABLE).expect("a socket");
        self.links[token] = Some(Link { stream, role, partial: Vec::new() });
        token
    }

    fn accept(&mut self) {
        while let Ok((stream, _)) = self.service.accept() {
            stream.set_nodelay(true).expect("a socket");
            self.add(stream, Role::Service);
        }
    }

    fn remove(&mut self, token: usize) {
        if let Some(mut link) = self.links[token].take() {
            // Closing takes it out of the poll too; a failure here changes nothing.
            let _ = self.poll.registry().deregister(&mut link.stream);
            self.free.push(token);
        }
    }

    fn hang_up(&mut self) {
        for token in 1..self.links.len() {
            if matches!(&self.links[token], Some(Link { role: Role::Client { .. }, .. })) {
                self.remove(token);
            }
        }
    }

    fn send(&mut self, token: usize, row: &Row, next: &mut usize, since: Instant) {
        let link = self.links[token].as_mut().expect("an idle client is connected");
        link.role = Role::Client { since: Some(since) };
        let request = &row.requests[*next % row.requests.len()];
        // Prime to every number of requests that there is, so that neighbours are not asked for one by one.
        *next += 7_919;
        let written = link.stream.write(request).expect("a request is written");
        assert_eq!(written, request.len(), "a socket without room for one request");
    }

    /// Reads once: a short read has emptied the socket, so that no second one is needed to be told so. Returns since
    /// when the request counts whose answer is whole.
    fn read(&mut self, token: usize, status: u16) -> Option<Instant> {
        let link = self.links[token].as_mut()?;
        let length = match link.stream.read(&mut self.buffer) {
            Ok(length) => length,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return None,
            Err(_) => 0,
        };
        if length == 0 {
            let waits = matches!(link.role, Role::Client { since: Some(_) });
            assert!(!waits, "the front closed a connection instead of answering");
            self.remove(token);
            return None;
        }
        let came = &self.buffer[..length];
        let bytes: &[u8] = if link.partial.is_empty() {
            came
        } else {
            link.partial.extend_from_slice(came);
            &link.partial
        };
        let message = match link.role {
            Role::Service => message::request(bytes),
            Role::Client { .. } => message::answer(bytes),
        };
        let Some(message) = message else {
            if link.partial.is_empty() {
                link.partial = came.to_vec();
            }
            return None;
        };
        assert_eq!(message.len, bytes.len(), "more came than one message");
        match link.role {
            Role::Service => {
                link.partial.clear();
                self.served += 1;
                let written = link.stream.write(ANSWER).unwrap_or_default();
                // The front may have gone away with the end of a round.
                if written != ANSWER.len() {
                    self.remove(token);
                }
                None
            }
            Role::Client { since } => {
                if message.status != status {
                    self.others.push(message.status);
                }
                assert!(!message.closes, "the front closes: {}", String::from_utf8_lossy(bytes));
                link.partial.clear();
                link.role = Role::Client { since: None };
                since
            }
        }
    }
}
