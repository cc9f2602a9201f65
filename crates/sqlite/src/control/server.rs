//! The owner's end of the control socket: one command per line, one reply per line, both JSON.
//!
//! Only the owner's user and root may connect: the socket's mode ensures it, and where the system reports the peer's
//! user, that is checked too. An operator must always be able to revoke a key, so every wait for a caller is bounded;
//! [`sessions`](super::sessions) bounds idle connections.

use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use demur_admission::{Command, CommandFault};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::request::{ControlReply, ControlRequest};
use super::sessions::{SessionSlot, SessionTable};
use super::socket::{SocketFile, SocketFileId, peer_uid};
use crate::OpenError;

/// The maximum length of a command on the control socket, in bytes of JSON.
pub const MAX_COMMAND: usize = 64 * 1024;

/// How much of an oversized command is read and discarded, in bytes: a caller that is still writing cannot read why its
/// command is rejected.
const MAX_SKIPPED: u64 = 64 << 20;

/// The maximum number of commands at once that read a large part of the database. Fewer than there are connections, so
/// that a command that takes milliseconds always finds a slot.
const MAX_LONG_COMMANDS: usize = 8;

/// The deadline for a whole command to arrive, and for a whole reply to be written.
const TIMEOUT: Duration = Duration::from_secs(10);

/// How often the listener checks whether the socket is still at its path.
const CHECK_INTERVAL: Timespec = Timespec { tv_sec: 1, tv_nsec: 0 };

/// Executes a request; returns `None` when the store has been closed.
#[derive(Clone)]
pub(crate) struct Executor(Arc<dyn Fn(ControlRequest) -> Option<ControlReply> + Send + Sync>);

impl Executor {
    pub(crate) fn new(
        execute: impl Fn(ControlRequest) -> Option<ControlReply> + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(execute))
    }
}

impl fmt::Debug for Executor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Executor(..)")
    }
}

/// Decides whether the peer of a connection may send commands.
type IsAllowed = fn(&UnixStream) -> bool;

/// Listens on the control socket until it is dropped.
#[derive(Debug)]
pub(crate) struct ControlServer {
    file: Arc<SocketFile>,
    /// Closed to end the thread.
    closing: Option<UnixStream>,
    thread: Option<JoinHandle<()>>,
}

impl ControlServer {
    pub(crate) fn start(database: &Path, executor: Executor) -> Result<Self, OpenError> {
        Self::start_for(database, executor, is_own_user)
    }

    fn start_for(database: &Path, executor: Executor, is_allowed: IsAllowed) -> Result<Self, OpenError> {
        let file = Arc::new(SocketFile::of(database));
        let io_error = |cause| OpenError::Io { path: file.path().to_owned(), cause };
        // This process holds the lock, so a file at this path was left by a process that was killed.
        let listener = file.listen().map_err(io_error)?;
        let (closing, closed) = UnixStream::pair().map_err(io_error)?;
        let acceptor =
            Acceptor::new(listener, closed, Arc::clone(&file), executor, is_allowed).map_err(io_error)?;
        let thread = thread::Builder::new().name("demur-socket".into()).spawn(move || acceptor.run());
        let thread = Some(thread.map_err(io_error)?);
        Ok(Self { file, closing: Some(closing), thread })
    }
}

impl Drop for ControlServer {
    fn drop(&mut self) {
        self.closing = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        let _ = self.file.remove();
    }
}

/// The thread that accepts connections.
struct Acceptor {
    listener: UnixListener,
    /// Becomes readable when the server is dropped.
    closed: UnixStream,
    file: Arc<SocketFile>,
    bound: Option<SocketFileId>,
    executor: Executor,
    is_allowed: IsAllowed,
    sessions: Arc<SessionTable>,
    long_commands: Arc<AtomicUsize>,
    /// Closed to accept a connection when the process has no file descriptor left: an operator must be able to act
    /// just then.
    spare: Option<File>,
}

enum Event {
    Connection,
    Idle,
    Closing,
}

impl Acceptor {
    fn new(
        listener: UnixListener,
        closed: UnixStream,
        file: Arc<SocketFile>,
        executor: Executor,
        is_allowed: IsAllowed,
    ) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        let bound = file.id();
        let (sessions, long_commands) = <(Arc<SessionTable>, Arc<AtomicUsize>)>::default();
        let spare = open_spare();
        Ok(Self { listener, closed, file, bound, executor, is_allowed, sessions, long_commands, spare })
    }

    fn run(mut self) {
        loop {
            match self.next_event() {
                Event::Closing => return,
                Event::Idle => self.restore_socket(),
                Event::Connection => self.accept(),
            }
        }
    }

    fn next_event(&self) -> Event {
        let mut polled =
            [PollFd::new(&self.listener, PollFlags::IN), PollFd::new(&self.closed, PollFlags::IN)];
        if poll(&mut polled, Some(&CHECK_INTERVAL)).is_err() {
            // Most likely interrupted; in any case, not a busy loop.
            thread::sleep(Duration::from_millis(10));
            return Event::Idle;
        }
        let [listener, closed] = polled.map(|polled| !polled.revents().is_empty());
        match (closed, listener) {
            (true, _) => Event::Closing,
            (false, true) => Event::Connection,
            (false, false) => Event::Idle,
        }
    }

    /// Listens on a new socket where the file was removed or replaced: commands would no longer reach this process.
    fn restore_socket(&mut self) {
        if self.bound.is_some() && self.file.id() == self.bound {
            return;
        }
        let listening = self.file.listen().and_then(|listener| {
            listener.set_nonblocking(true)?;
            Ok(listener)
        });
        match listening {
            Ok(listener) => {
                tracing::warn!(path = %self.file.path().display(), "control socket recreated");
                self.listener = listener;
                self.bound = self.file.id();
            }
            Err(error) => {
                tracing::error!(path = %self.file.path().display(), %error, "control socket not recreated");
            }
        }
    }

    fn accept(&mut self) {
        let stream = match self.listener.accept() {
            Ok((stream, _)) => stream,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
            Err(_) => match self.spare.take().map(drop).map(|()| self.listener.accept()) {
                Some(Ok((stream, _))) => stream,
                _ => {
                    // Most likely out of file descriptors: not worth a busy loop.
                    thread::sleep(Duration::from_millis(10));
                    self.spare = self.spare.take().or_else(open_spare);
                    return;
                }
            },
        };
        self.serve(stream);
        self.spare = self.spare.take().or_else(open_spare);
    }

    /// Serves a connection on a thread of its own. A connection of another user is closed at once, before it counts.
    fn serve(&self, stream: UnixStream) {
        if !(self.is_allowed)(&stream) || stream.set_nonblocking(false).is_err() {
            return;
        }
        let Some(slot) = self.sessions.admit(stream) else { return };
        let session = ControlSession {
            slot,
            executor: self.executor.clone(),
            long_commands: Arc::clone(&self.long_commands),
        };
        // Where no thread can be started or the connection breaks, the caller notices. Drop releases the slot.
        let serve = move || drop(session.run());
        drop(thread::Builder::new().name("demur-command".into()).spawn(serve));
    }
}

fn open_spare() -> Option<File> {
    File::open("/dev/null").ok()
}

/// One connection.
struct ControlSession {
    slot: SessionSlot,
    executor: Executor,
    long_commands: Arc<AtomicUsize>,
}

impl ControlSession {
    fn run(&self) -> io::Result<()> {
        let mut lines =
            BufReader::new(DeadlineStream { stream: self.slot.stream(), deadline: Instant::now() });
        loop {
            lines.get_mut().deadline = Instant::now() + TIMEOUT;
            let Some(command) = read_command(&mut lines)? else { return Ok(()) };
            let reply = self.slot.while_busy(|| match command {
                Ok(command) => self.execute(command),
                Err(cause) => Some(ControlReply::rejected(CommandFault::Unreadable { cause })),
            });
            let Some(reply) = reply else { return Ok(()) };
            let mut text = serde_json::to_vec(&reply)?;
            text.push(b'\n');
            let mut output =
                DeadlineStream { stream: self.slot.stream(), deadline: Instant::now() + TIMEOUT };
            output.write_all(&text)?;
        }
    }

    fn execute(&self, request: ControlRequest) -> Option<ControlReply> {
        let _permit = match &request {
            ControlRequest::Process(_)
            | ControlRequest::Command(
                Command::Verify | Command::Backup { .. } | Command::Statement { .. } | Command::Refund { .. },
            ) => {
                let Some(permit) = CountGuard::acquire(&self.long_commands, MAX_LONG_COMMANDS) else {
                    let cause =
                        format!("{MAX_LONG_COMMANDS} long commands are already running; try again later");
                    return Some(ControlReply::rejected(CommandFault::Store { cause }));
                };
                Some(permit)
            }
            _ => None,
        };
        (self.executor.0)(request)
    }
}

/// One of a bounded number, counted until it is dropped.
struct CountGuard<'c>(&'c AtomicUsize);

impl<'c> CountGuard<'c> {
    fn acquire(count: &'c AtomicUsize, max: usize) -> Option<Self> {
        let increment = |count: usize| (count < max).then_some(count + 1);
        count.fetch_update(Ordering::SeqCst, Ordering::SeqCst, increment).is_ok().then(|| Self(count))
    }
}

impl Drop for CountGuard<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// A stream with one deadline for everything that is read or written, however many pieces it comes in.
struct DeadlineStream<'s> {
    stream: &'s UnixStream,
    deadline: Instant,
}

impl DeadlineStream<'_> {
    fn remaining(&self) -> io::Result<Option<Duration>> {
        let remaining = self.deadline.saturating_duration_since(Instant::now());
        if remaining.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(Some(remaining)) }
    }
}

impl Read for DeadlineStream<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.set_read_timeout(self.remaining()?)?;
        self.stream.read(buffer)
    }
}

impl Write for DeadlineStream<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.set_write_timeout(self.remaining()?)?;
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Reads the next request, or why it is invalid; `None` at the end of the connection.
fn read_command(lines: &mut impl BufRead) -> io::Result<Option<Result<ControlRequest, String>>> {
    let mut line = Vec::new();
    let limit = MAX_COMMAND as u64 + 1;
    lines.by_ref().take(limit).read_until(b'\n', &mut line)?;
    if line.last() == Some(&b'\n') {
        return Ok(Some(ControlRequest::parse(&line).map_err(|error| error.to_string())));
    }
    if line.len() <= MAX_COMMAND {
        return Ok(None);
    }
    let mut rest = lines.by_ref().take(MAX_SKIPPED);
    rest.skip_until(b'\n')?;
    let cause = format!("longer than {MAX_COMMAND} bytes");
    Ok((rest.limit() > 0).then_some(Err(cause)))
}

/// Whether the peer is this process's user or root. The socket's mode keeps other users out; this check applies if the
/// mode was changed.
fn is_own_user(stream: &UnixStream) -> bool {
    const ROOT: u32 = 0;
    match peer_uid(stream) {
        Ok(Some(uid)) => uid == ROOT || uid == rustix::process::geteuid().as_raw(),
        Ok(None) => true,
        Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn closed_store() -> Executor {
        Executor::new(|_| None)
    }

    /// Tests cannot rely on a second user, so the check rejects every other connection instead.
    #[test]
    fn closes_connections_of_other_users_at_once() {
        static CHECKS: AtomicUsize = AtomicUsize::new(0);
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("demur.db");
        let every_second = |_: &UnixStream| CHECKS.fetch_add(1, Ordering::SeqCst) % 2 == 1;
        let server = ControlServer::start_for(&database, closed_store(), every_second).unwrap();
        for _ in 0..100 {
            let mut rejected = server.file.connect().unwrap();
            assert_eq!(rejected.read(&mut [0]).unwrap(), 0, "closed at once");
            let mut allowed = server.file.connect().unwrap();
            allowed.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
            assert!(allowed.read(&mut [0]).is_err(), "waits for its command");
        }
    }

    #[test]
    fn restores_a_removed_socket() {
        let folder = tempfile::tempdir().unwrap();
        let server =
            ControlServer::start_for(&folder.path().join("demur.db"), closed_store(), |_| true).unwrap();
        let aside = folder.path().join("aside");
        for replacement in [None, Some("no socket")] {
            std::fs::rename(server.file.path(), &aside).unwrap();
            if let Some(text) = replacement {
                std::fs::write(server.file.path(), text).unwrap();
            }
            let deadline = Instant::now() + Duration::from_secs(20);
            while server.file.connect().is_err() {
                assert!(Instant::now() < deadline, "not restored");
                thread::sleep(Duration::from_millis(20));
            }
        }
    }
}
