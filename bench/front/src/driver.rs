//! The other side of every front: the clients before it and the service behind it, in one loop on one thread.
//!
//! They share a core, so that a front has the other one to itself, and a loop, so that what they need of that core is
//! little: an event costs one read and one write.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};

use crate::load::{Arrivals, Load, Outcome};
use crate::message;

/// What the service behind answers.
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 85\r\n\r\n\
{\"tracks\":[{\"id\":\"trk_000000001\",\"title\":\"A title of some length\",\"score\":0.875001}]}";

const SERVICE: Token = Token(0);
/// Before anything is counted.
const WARM_UP: Duration = Duration::from_millis(300);

/// Clients and service.
pub struct Driver {
    poll: Poll,
    service: TcpListener,
    /// By token; the listener's place is empty.
    links: Vec<Option<Link>>,
    free: Vec<usize>,
    buffer: Vec<u8>,
    idle: Vec<usize>,
    pace: Option<Pace>,
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
    Client { asked: Option<Asked> },
}

#[derive(Clone, Copy)]
struct Asked {
    due: Instant,
    sent: Instant,
}

/// What an event of a client's means.
enum Said {
    Nothing,
    Answer { status: u16, asked: Asked },
    Lost,
}

/// A service that can do so much and no more: one request after the other, each of which takes its time.
struct Pace {
    each: Duration,
    waiting: VecDeque<(usize, Instant)>,
}

impl Driver {
    /// With the service listening on a port of its own.
    pub fn new() -> Self {
        let poll = Poll::new().expect("epoll");
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let mut service = TcpListener::bind(any).expect("a free port");
        poll.registry().register(&mut service, SERVICE, Interest::READABLE).expect("a listener");
        let links = Vec::from([None]);
        Self { poll, service, links, free: Vec::new(), buffer: vec![0; 65_536], idle: Vec::new(), pace: None }
    }

    /// Where the service is.
    pub fn service(&self) -> SocketAddr {
        self.service.local_addr().expect("it is bound")
    }

    /// From now on the service does so many requests a second; with `None` as many as come.
    pub fn pace(&mut self, rate: Option<f64>) {
        let pace = |rate: f64| Pace { each: Duration::from_secs_f64(1.0 / rate), waiting: VecDeque::new() };
        self.pace = rate.map(pace);
    }

    /// Puts this load on a front; `mark` is called when counting begins and when it ends.
    pub fn run(&mut self, load: Load<'_>, mut mark: impl FnMut()) -> Outcome {
        let mut events = Events::with_capacity(1024);
        self.idle = (0..load.clients).map(|_| self.connect(load.front)).collect();
        let mut queue: VecDeque<Instant> = VecDeque::new();
        let mut next = 0;
        let mut outcome = Outcome::default();
        let start = Instant::now();
        let mut counting = None;
        let mut due = start;
        loop {
            let now = Instant::now();
            match counting {
                None if now - start >= WARM_UP => {
                    outcome = Outcome { total: outcome.total, ..Outcome::default() };
                    mark();
                    counting = Some(Instant::now());
                }
                Some(since) if now - since >= load.time => {
                    mark();
                    outcome.elapsed = now - since;
                    break;
                }
                _ => {}
            }
            match load.arrivals {
                Arrivals::Closed => {
                    while let Some(client) = self.idle.pop() {
                        self.send(client, &load, &mut next, now);
                    }
                }
                Arrivals::Open { rate, waits, .. } => {
                    let gap = Duration::from_secs_f64(1.0 / rate);
                    while due <= now {
                        queue.push_back(due);
                        due += gap;
                    }
                    while !self.idle.is_empty()
                        && let Some(due) = queue.pop_front()
                        && let Some(client) = self.idle.pop()
                    {
                        self.send(client, &load, &mut next, due);
                    }
                    while queue.front().is_some_and(|due| now - *due >= waits) {
                        queue.pop_front();
                        outcome.unsent += 1;
                    }
                }
            }
            self.turn(&mut events, &load, &mut outcome);
        }
        self.hang_up();
        outcome
    }

    fn turn(&mut self, events: &mut Events, load: &Load<'_>, outcome: &mut Outcome) {
        self.release();
        let spins = matches!(load.arrivals, Arrivals::Open { .. }) || self.pace.is_some();
        let wait = if spins { Duration::ZERO } else { Duration::from_millis(100) };
        self.wait(events, wait);
        for event in &*events {
            if event.token() == SERVICE {
                self.accept();
                continue;
            }
            match self.read(event.token().0) {
                Said::Nothing => {}
                Said::Lost => {
                    outcome.lost += 1;
                    let client = self.connect(load.front);
                    self.idle.push(client);
                }
                Said::Answer { status, asked } => {
                    let now = Instant::now();
                    if status != load.row.status {
                        outcome.others.push((status, (now - asked.sent).as_nanos() as u64));
                        continue;
                    }
                    outcome.total += 1;
                    match load.arrivals {
                        Arrivals::Closed => outcome.good += 1,
                        Arrivals::Open { patience, .. } if now - asked.due <= patience => {
                            outcome.good += 1;
                            outcome.latencies.push((now - asked.due).as_nanos() as u64);
                        }
                        Arrivals::Open { .. } => outcome.late += 1,
                    }
                }
            }
        }
    }

    /// Serves what comes through the fronts from other clients until `until` says so.
    pub fn serve(&mut self, mut until: impl FnMut() -> bool) {
        let mut events = Events::with_capacity(1024);
        while !until() {
            self.release();
            self.wait(&mut events, Duration::from_millis(1));
            for event in &events {
                match event.token() {
                    SERVICE => self.accept(),
                    token => drop(self.read(token.0)),
                }
            }
        }
    }

    fn wait(&mut self, events: &mut Events, time: Duration) {
        if let Err(error) = self.poll.poll(events, Some(time)) {
            assert_eq!(error.kind(), ErrorKind::Interrupted, "{error}");
        }
    }

    fn connect(&mut self, front: SocketAddr) -> usize {
        // Blocking: to connect is no part of what is measured.
        let stream = std::net::TcpStream::connect(front).unwrap_or_else(|error| panic!("{front}: {error}"));
        stream.set_nodelay(true).expect("a socket");
        stream.set_nonblocking(true).expect("a socket");
        self.add(TcpStream::from_std(stream), Role::Client { asked: None })
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
        self.idle.clear();
        for token in 1..self.links.len() {
            if matches!(&self.links[token], Some(Link { role: Role::Client { .. }, .. })) {
                self.remove(token);
            }
        }
    }

    fn send(&mut self, token: usize, load: &Load<'_>, next: &mut usize, due: Instant) {
        let Some(link) = self.links[token].as_mut() else { return };
        link.role = Role::Client { asked: Some(Asked { due, sent: Instant::now() }) };
        let requests = &load.row.requests;
        let request = &requests[*next % requests.len()];
        // Prime to every number of requests that there is, so that neighbours are not asked for one by one.
        *next += 7_919;
        // A front that has just closed is noticed when it is read from.
        if let Ok(written) = link.stream.write(request) {
            assert_eq!(written, request.len(), "a socket without room for one request");
        }
    }

    /// Reads once: a short read has emptied the socket, so that no second one is needed to be told so.
    fn read(&mut self, token: usize) -> Said {
        let Some(link) = self.links[token].as_mut() else { return Said::Nothing };
        let length = match link.stream.read(&mut self.buffer) {
            Ok(length) => length,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Said::Nothing,
            Err(_) => 0,
        };
        if length == 0 {
            let role = link.role;
            self.remove(token);
            self.idle.retain(|idle| *idle != token);
            return if matches!(role, Role::Client { .. }) { Said::Lost } else { Said::Nothing };
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
            return Said::Nothing;
        };
        assert_eq!(message.len, bytes.len(), "more came than one message");
        link.partial.clear();
        match link.role {
            Role::Service => {
                self.answer(token);
                Said::Nothing
            }
            Role::Client { asked } => {
                link.role = Role::Client { asked: None };
                // One that closes is replaced when it has closed.
                if !message.closes {
                    self.idle.push(token);
                }
                asked.map_or(Said::Nothing, |asked| Said::Answer { status: message.status, asked })
            }
        }
    }

    /// The service has a request: it answers, or puts it in line.
    fn answer(&mut self, token: usize) {
        match &mut self.pace {
            Some(pace) => {
                let now = Instant::now();
                let begins = pace.waiting.back().map_or(now, |(_, due)| (*due).max(now));
                pace.waiting.push_back((token, begins + pace.each));
            }
            None => self.write(token),
        }
    }

    fn release(&mut self) {
        let now = Instant::now();
        while let Some(pace) = &mut self.pace
            && let Some((token, _)) = pace.waiting.front().copied().filter(|(_, due)| *due <= now)
        {
            pace.waiting.pop_front();
            self.write(token);
        }
    }

    fn write(&mut self, token: usize) {
        // The front may have gone away with the end of a round, and another link have its place.
        let Some(link) = self.links[token].as_mut() else { return };
        if matches!(link.role, Role::Service) && link.stream.write(ANSWER).unwrap_or_default() != ANSWER.len()
        {
            self.remove(token);
        }
    }
}
