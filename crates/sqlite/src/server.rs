//! The owner's end of the local socket: one command per line, one reply per line, both JSON.
//!
//! Only the owner's user reaches it: the socket's mode says so, and where the system tells who is at the
//! other end that is looked at too.

use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use demur_admission::{Command, CommandFault, Reply};
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

use crate::owner::beside;
use crate::{OpenError, Store};

/// The longest command that the owner of a database reads from its socket: so many bytes as JSON.
pub const MAX_COMMAND: usize = 64 * 1024;

/// So much of a longer one is read all the same, and forgotten: whoever is still writing cannot read why it is
/// refused.
const MAX_SKIPPED: u64 = 64 << 20;

/// So many may talk at once; others are turned away.
const MAX_CONNECTIONS: usize = 16;
/// How long a silent caller is listened to.
const PATIENCE: Duration = Duration::from_secs(10);
/// The longest path that a Unix socket can have on every system, with room for the end mark.
const MAX_SOCKET_PATH: usize = 100;

/// Listens until it is dropped.
#[derive(Debug)]
pub(crate) struct Server {
    path: PathBuf,
    closing: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// Where the owner of a database listens: beside it, or, where that path is too long for a socket, under a
/// name made from it in the folder for temporary files.
pub(crate) fn socket_path(database: &Path) -> PathBuf {
    let path = beside(database, "sock");
    if path.as_os_str().len() <= MAX_SOCKET_PATH {
        return path;
    }
    let digest = Sha256::digest(database.as_os_str().as_encoded_bytes());
    let name: String = digest.iter().take(12).map(|byte| format!("{byte:02x}")).collect();
    std::env::temp_dir().join(format!("demur-{name}.sock"))
}

impl Server {
    pub(crate) fn start(database: &Path, store: Weak<Store>) -> Result<Self, OpenError> {
        let path = socket_path(database);
        let trouble = |cause| OpenError::Io { path: path.clone(), cause };
        // Left by a process that was killed: the lock is ours, so nobody listens there.
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(trouble(error)),
            Ok(()) | Err(_) => {}
        }
        let listener = UnixListener::bind(&path).map_err(trouble)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).map_err(trouble)?;
        let closing = Arc::new(AtomicBool::new(false));
        let stop = Arc::clone(&closing);
        let accept = move || accept_all(&listener, &stop, &store);
        let thread = thread::Builder::new().name("demur-socket".into()).spawn(accept).map_err(trouble)?;
        Ok(Self { path, closing, thread: Some(thread) })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.closing.store(true, Ordering::SeqCst);
        // Wakes the thread from its accept. Where that fails it has ended already, or will end with us.
        let woken = UnixStream::connect(&self.path).is_ok();
        let _ = fs::remove_file(&self.path);
        if let Some(thread) = self.thread.take().filter(|_| woken) {
            let _ = thread.join();
        }
    }
}

fn accept_all(listener: &UnixListener, closing: &AtomicBool, store: &Weak<Store>) {
    let connections = Arc::new(AtomicUsize::new(0));
    for stream in listener.incoming() {
        if closing.load(Ordering::SeqCst) {
            return;
        }
        let Ok(stream) = stream else {
            // Out of descriptors, most likely: not worth a busy loop.
            thread::sleep(Duration::from_millis(50));
            continue;
        };
        if !is_ours(&stream) || connections.fetch_add(1, Ordering::SeqCst) >= MAX_CONNECTIONS {
            connections.fetch_sub(1, Ordering::SeqCst);
            continue;
        }
        let (store, counted) = (Weak::clone(store), Arc::clone(&connections));
        let serve = move || {
            // A broken connection is the caller's to notice.
            let _ = serve(&stream, &store);
            counted.fetch_sub(1, Ordering::SeqCst);
        };
        if thread::Builder::new().name("demur-command".into()).spawn(serve).is_err() {
            connections.fetch_sub(1, Ordering::SeqCst);
        }
    }
}

fn serve(stream: &UnixStream, store: &Weak<Store>) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut lines = BufReader::new(stream);
    let mut output = stream;
    while let Some(command) = read(&mut lines)? {
        // Held for one command only: a caller that stays does not keep the store open.
        let Some(store) = store.upgrade() else { return Ok(()) };
        let reply = match command {
            Ok(command) => store.execute(command, Timestamp::now()),
            Err(cause) => Reply::Refused { fault: CommandFault::Unreadable { cause } },
        };
        drop(store);
        let mut text = serde_json::to_vec(&reply)?;
        text.push(b'\n');
        output.write_all(&text)?;
    }
    Ok(())
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

/// Between the socket's making and its mode there is a moment; this closes it.
#[cfg(target_os = "linux")]
fn is_ours(stream: &UnixStream) -> bool {
    let us = rustix::process::geteuid();
    rustix::net::sockopt::socket_peercred(stream).is_ok_and(|peer| peer.uid == us || peer.uid.is_root())
}

#[cfg(not(target_os = "linux"))]
fn is_ours(_stream: &UnixStream) -> bool {
    true
}
