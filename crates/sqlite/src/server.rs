//! The owner's end of the control socket: one command per line, one reply per line, both JSON.
//!
//! Only the owner's user and root reach it: the socket's mode says so, and where the system tells who is at the other end
//! that is checked too. Revoking a key must work whatever other callers do, so nothing here waits for a caller without
//! a bound: see [`connections`](crate::connections) for callers that say nothing.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use demur_admission::{Command, CommandFault, Reply};
use jiff::Timestamp;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::connections::{SessionSlot, SessionTable};
use crate::socket::{SocketFile, SocketFileId, peer};
use crate::{OpenError, Store};

/// The longest command that the owner of a database reads from its socket: so many bytes as JSON.
pub const MAX_COMMAND: usize = 64 * 1024;

/// So much of a longer one is read all the same, and forgotten: whoever is still writing cannot read why it is
/// refused.
const MAX_SKIPPED: u64 = 64 << 20;

/// Commands at once that read a large part of the database. Fewer than there are connections, so that a command that
/// takes milliseconds always finds a place.
const MAX_LONG_COMMANDS: usize = 8;

/// For a whole command to arrive, and for a whole reply to be taken.
const TIMEOUT: Duration = Duration::from_secs(10);

/// How often it is looked whether the socket is still at its path.
const LOOK_EVERY: Timespec = Timespec { tv_sec: 1, tv_nsec: 0 };

/// Who may send commands.
type IsOurs = fn(&UnixStream) -> bool;

/// Listens until it is dropped.
#[derive(Debug)]
pub(crate) struct ControlServer {
    file: Arc<SocketFile>,
    /// Closed to end the thread.
    closing: Option<UnixStream>,
    thread: Option<JoinHandle<()>>,
}

impl ControlServer {
    pub(crate) fn start(database: &Path, store: Weak<Store>) -> Result<Self, OpenError> {
        Self::serving(database, store, is_ours)
    }

    fn serving(database: &Path, store: Weak<Store>, is_ours: IsOurs) -> Result<Self, OpenError> {
        let file = Arc::new(SocketFile::of(database));
        let trouble = |cause| OpenError::Io { path: file.path().to_owned(), cause };
        // The lock is ours, so nobody listens there: what is at the path was left by a process that was killed.
        let listener = file.listen().map_err(trouble)?;
        let (closing, closed) = UnixStream::pair().map_err(trouble)?;
        let accepting =
            Accepting::new(listener, closed, Arc::clone(&file), store, is_ours).map_err(trouble)?;
        let thread = thread::Builder::new().name("demur-socket".into()).spawn(move || accepting.run());
        let thread = Some(thread.map_err(trouble)?);
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

/// The thread that accepts.
struct Accepting {
    listener: UnixListener,
    /// Readable when the server is dropped.
    closed: UnixStream,
    file: Arc<SocketFile>,
    bound: Option<SocketFileId>,
    store: Weak<Store>,
    is_ours: IsOurs,
    connections: Arc<SessionTable>,
    long_commands: Arc<AtomicUsize>,
    /// Given up for a connection when the process has no descriptor left: an operator must be able to act just then.
    spare: Option<File>,
}

/// What there is to do.
enum Event {
    Connection,
    Nothing,
    Closing,
}

impl Accepting {
    fn new(
        listener: UnixListener,
        closed: UnixStream,
        file: Arc<SocketFile>,
        store: Weak<Store>,
        is_ours: IsOurs,
    ) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        let bound = file.id();
        let (connections, long_commands) = <(Arc<SessionTable>, Arc<AtomicUsize>)>::default();
        let spare = spare();
        Ok(Self { listener, closed, file, bound, store, is_ours, connections, long_commands, spare })
    }

    fn run(mut self) {
        loop {
            match self.next() {
                Event::Closing => return,
                Event::Nothing => self.listen_again(),
                Event::Connection => self.accept(),
            }
        }
    }

    fn next(&self) -> Event {
        let mut watched =
            [PollFd::new(&self.listener, PollFlags::IN), PollFd::new(&self.closed, PollFlags::IN)];
        if poll(&mut watched, Some(&LOOK_EVERY)).is_err() {
            // Interrupted, most likely; whatever it is, not a busy loop.
            thread::sleep(Duration::from_millis(10));
            return Event::Nothing;
        }
        let [listener, closed] = watched.map(|watched| !watched.revents().is_empty());
        match (closed, listener) {
            (true, _) => Event::Closing,
            (false, true) => Event::Connection,
            (false, false) => Event::Nothing,
        }
    }

    /// Where somebody has removed the socket, or put another file in its place, no command reaches us any more.
    fn listen_again(&mut self) {
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
                    // Out of descriptors, most likely: not worth a busy loop.
                    thread::sleep(Duration::from_millis(10));
                    self.spare = self.spare.take().or_else(spare);
                    return;
                }
            },
        };
        self.serve(stream);
        self.spare = self.spare.take().or_else(spare);
    }

    /// Has a connection served by a thread of its own. Another user's is closed at once, before it counts as one.
    fn serve(&self, stream: UnixStream) {
        if !(self.is_ours)(&stream) || stream.set_nonblocking(false).is_err() {
            return;
        }
        let Some(place) = self.connections.admit(stream) else { return };
        let serving = ControlSession {
            place,
            store: Weak::clone(&self.store),
            long_commands: Arc::clone(&self.long_commands),
        };
        // Where there can be no thread, or its connection breaks, the caller notices. The place is given back by drop.
        let serve = move || drop(serving.run());
        drop(thread::Builder::new().name("demur-command".into()).spawn(serve));
    }
}

fn spare() -> Option<File> {
    File::open("/dev/null").ok()
}

/// One connection.
struct ControlSession {
    place: SessionSlot,
    store: Weak<Store>,
    long_commands: Arc<AtomicUsize>,
}

impl ControlSession {
    fn run(&self) -> io::Result<()> {
        let mut lines = BufReader::new(Patient { stream: self.place.stream(), until: Instant::now() });
        loop {
            lines.get_mut().until = Instant::now() + TIMEOUT;
            let Some(command) = read(&mut lines)? else { return Ok(()) };
            // Held for one command only: a caller that stays does not keep the store open.
            let Some(store) = self.store.upgrade() else { return Ok(()) };
            let reply = self.place.busy(move || match command {
                Ok(command) => self.execute(&store, command),
                Err(cause) => Reply::Refused { fault: CommandFault::Unreadable { cause } },
            });
            let mut text = serde_json::to_vec(&reply)?;
            text.push(b'\n');
            let mut output = Patient { stream: self.place.stream(), until: Instant::now() + TIMEOUT };
            output.write_all(&text)?;
        }
    }

    fn execute(&self, store: &Store, command: Command) -> Reply {
        let _counted = match &command {
            Command::Verify | Command::Backup { .. } | Command::Statement { .. } | Command::Refund { .. } => {
                let Some(counted) = SessionGuard::among(&self.long_commands, MAX_LONG_COMMANDS) else {
                    let cause =
                        format!("{MAX_LONG_COMMANDS} commands that take long are under way; try again");
                    return Reply::Refused { fault: CommandFault::Store { cause } };
                };
                Some(counted)
            }
            _ => None,
        };
        store.execute(command, Timestamp::now())
    }
}

/// One of a bounded number, counted until it is dropped.
struct SessionGuard<'c>(&'c AtomicUsize);

impl<'c> SessionGuard<'c> {
    fn among(count: &'c AtomicUsize, most: usize) -> Option<Self> {
        let more = |count: usize| (count < most).then_some(count + 1);
        count.fetch_update(Ordering::SeqCst, Ordering::SeqCst, more).is_ok().then(|| Self(count))
    }
}

impl Drop for SessionGuard<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// A stream with one deadline for all of what is read or written, however many pieces it comes in.
struct Patient<'s> {
    stream: &'s UnixStream,
    until: Instant,
}

impl Patient<'_> {
    fn left(&self) -> io::Result<Option<Duration>> {
        let left = self.until.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(Some(left)) }
    }
}

impl Read for Patient<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.stream.set_read_timeout(self.left()?)?;
        self.stream.read(into)
    }
}

impl Write for Patient<'_> {
    fn write(&mut self, from: &[u8]) -> io::Result<usize> {
        self.stream.set_write_timeout(self.left()?)?;
        self.stream.write(from)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The next command, or why it cannot be read; `None` where there is none any more.
fn read(lines: &mut impl BufRead) -> io::Result<Option<Result<Command, String>>> {
    let mut line = Vec::new();
    let most = MAX_COMMAND as u64 + 1;
    lines.by_ref().take(most).read_until(b'\n', &mut line)?;
    if line.last() == Some(&b'\n') {
        return Ok(Some(serde_json::from_slice(&line).map_err(|error| error.to_string())));
    }
    if line.len() <= MAX_COMMAND {
        return Ok(None);
    }
    let mut rest = lines.by_ref().take(MAX_SKIPPED);
    rest.skip_until(b'\n')?;
    let cause = format!("it has more than {MAX_COMMAND} bytes");
    Ok((rest.limit() > 0).then_some(Err(cause)))
}

/// The mode of the socket keeps other users out; this holds where somebody has changed it.
fn is_ours(stream: &UnixStream) -> bool {
    const ROOT: u32 = 0;
    match peer(stream) {
        Ok(Some(user)) => user == ROOT || user == rustix::process::geteuid().as_raw(),
        Ok(None) => true,
        Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// No user but ours can be had in every place where tests run, so all are strangers here, or every second one.
    #[test]
    fn connections_of_strangers_leave_no_trace() {
        static ASKED: AtomicUsize = AtomicUsize::new(0);
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("demur.db");
        let every_second = |_: &UnixStream| ASKED.fetch_add(1, Ordering::SeqCst) % 2 == 1;
        let server = ControlServer::serving(&database, Weak::new(), every_second).unwrap();
        for _ in 0..100 {
            let mut stranger = server.file.connect().unwrap();
            assert_eq!(stranger.read(&mut [0]).unwrap(), 0, "closed at once");
            let mut known = server.file.connect().unwrap();
            known.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
            assert!(known.read(&mut [0]).is_err(), "waits for its command");
        }
    }

    #[test]
    fn a_socket_that_was_removed_is_made_again() {
        let folder = tempfile::tempdir().unwrap();
        let server = ControlServer::serving(&folder.path().join("demur.db"), Weak::new(), |_| true).unwrap();
        let aside = folder.path().join("aside");
        for stand_in in [None, Some("no socket")] {
            std::fs::rename(server.file.path(), &aside).unwrap();
            if let Some(text) = stand_in {
                std::fs::write(server.file.path(), text).unwrap();
            }
            let deadline = Instant::now() + Duration::from_secs(20);
            while server.file.connect().is_err() {
                assert!(Instant::now() < deadline, "not made again");
                thread::sleep(Duration::from_millis(20));
            }
        }
    }
}
