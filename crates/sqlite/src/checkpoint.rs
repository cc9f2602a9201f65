//! The thread that copies the log into the database, so that no commit has to wait for it.
//!
//! SQLite by itself copies in the commit that makes the log long, and everyone in that batch waits for two
//! more syncs and some megabytes. Here a connection of its own does it beside the commits. What it cannot do
//! while others write is to begin the log anew: when the log has grown long and nearly all of it is copied,
//! it asks the writer to copy the little rest between two batches.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle, Thread};
use std::time::{Duration, Instant};

use demur_admission::StoreError;

use crate::database::{Conn, DatabaseFile, OpenMode};
use crate::error::store_error;

/// How long commits gather before they are copied.
const EVERY: Duration = Duration::from_millis(100);

/// A log of more pages than this is begun anew: 4 MiB, as SQLite by itself would. Writing over the old log is
/// faster than making it longer, which the file system has to write down with every sync.
const LONG: i64 = 1000;

/// Copies the log while it exists.
#[derive(Debug)]
pub(crate) struct Checkpointer {
    state: Arc<CheckpointState>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct CheckpointState {
    /// Whether anything was committed since it was looked at.
    committed: AtomicBool,
    /// Whether the writer should begin the log anew.
    is_long: AtomicBool,
    closing: AtomicBool,
}

impl Checkpointer {
    pub(crate) fn start(file: Arc<DatabaseFile>) -> std::io::Result<Self> {
        let state = Arc::new(CheckpointState::default());
        let run = Arc::clone(&state);
        let thread =
            thread::Builder::new().name("demur-checkpoint".into()).spawn(move || run.until_closed(&file))?;
        Ok(Self { state, thread: Some(thread) })
    }

    /// Something was committed. Whether the writer should begin the log anew, now that it is between two
    /// batches.
    pub(crate) fn committed(&self) -> bool {
        if !self.state.committed.swap(true, Ordering::SeqCst) {
            self.thread.iter().map(JoinHandle::thread).for_each(Thread::unpark);
        }
        self.state.is_long.load(Ordering::Relaxed) && self.state.is_long.swap(false, Ordering::Relaxed)
    }
}

impl Drop for Checkpointer {
    fn drop(&mut self) {
        self.state.closing.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            let _ = thread.join();
        }
    }
}

impl CheckpointState {
    fn until_closed(&self, file: &Arc<DatabaseFile>) {
        let mut link = None;
        while !self.closing.load(Ordering::SeqCst) {
            if !self.committed.load(Ordering::SeqCst) {
                thread::park();
                continue;
            }
            self.wait_for_more();
            self.committed.store(false, Ordering::SeqCst);
            // Trouble is the next commit's to tell; the copy is tried again with the next one.
            if let Ok(Pages { logged: LONG.., .. }) = copy(file, &mut link) {
                // What was written during the first copy: the less is left, the shorter the writer stops.
                let _ = copy(file, &mut link);
                self.is_long.store(true, Ordering::Relaxed);
            }
        }
    }

    fn wait_for_more(&self) {
        let until = Instant::now() + EVERY;
        while !self.closing.load(Ordering::SeqCst) {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            // Woken early by commits that it has been told of already.
            thread::park_timeout(left);
        }
    }
}

/// The pages of a log.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pages {
    /// How many there are.
    pub(crate) logged: i64,
}

fn copy(file: &Arc<DatabaseFile>, link: &mut Option<Conn>) -> Result<Pages, StoreError> {
    // A file that is another's by now must not be written over.
    let open = Conn::current(link, file, OpenMode::Write)?;
    let logged = open.copy_log().map_err(|error| store_error(&error))?;
    *link = Some(open);
    Ok(Pages { logged })
}
