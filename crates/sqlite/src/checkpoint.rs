//! The checkpoint thread: it copies the log into the database, so that no commit waits for it.
//!
//! By default SQLite checkpoints in the commit that makes the log long, and that batch waits for two more syncs and some
//! megabytes. Here a connection of its own checkpoints beside the commits. It cannot reset the log while another connection
//! writes: when the log is long and nearly all of it is copied, it asks the writer to copy the rest between two batches.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle, Thread};
use std::time::{Duration, Instant};

use demur_admission::StoreError;

use crate::database::{Conn, DatabaseFile, OpenMode};
use crate::error::store_error;

/// How long commits accumulate before a checkpoint.
const INTERVAL: Duration = Duration::from_millis(100);

/// The number of pages after which the log is reset: 4 MiB, SQLite's default. Overwriting the log is faster than extending
/// it, since the file system must record the new length with every sync.
const MAX_LOG_PAGES: i64 = 1000;

/// Runs the checkpoint thread until it is dropped.
#[derive(Debug)]
pub(crate) struct Checkpointer {
    state: Arc<CheckpointState>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct CheckpointState {
    /// Whether there was a commit since the last checkpoint.
    committed: AtomicBool,
    /// Whether the writer should reset the log.
    is_long: AtomicBool,
    closing: AtomicBool,
}

impl Checkpointer {
    pub(crate) fn start(file: Arc<DatabaseFile>) -> std::io::Result<Self> {
        let state = Arc::new(CheckpointState::default());
        let thread_state = Arc::clone(&state);
        let thread =
            thread::Builder::new().name("demur-checkpoint".into()).spawn(move || thread_state.run(&file))?;
        Ok(Self { state, thread: Some(thread) })
    }

    /// Records a commit. Returns whether the writer should reset the log, now that it is between two batches.
    pub(crate) fn on_commit(&self) -> bool {
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
    fn run(&self, file: &Arc<DatabaseFile>) {
        let mut conn = None;
        while !self.closing.load(Ordering::SeqCst) {
            if !self.committed.load(Ordering::SeqCst) {
                thread::park();
                continue;
            }
            self.wait_for_more();
            self.committed.store(false, Ordering::SeqCst);
            // The next commit reports any problem, and the next checkpoint retries.
            if let Ok(Pages { logged: MAX_LOG_PAGES.., .. }) = copy(file, &mut conn) {
                // Copies what was written during the first copy: the less is left, the shorter the writer pauses.
                let _ = copy(file, &mut conn);
                self.is_long.store(true, Ordering::Relaxed);
            }
        }
    }

    fn wait_for_more(&self) {
        let until = Instant::now() + INTERVAL;
        while !self.closing.load(Ordering::SeqCst) {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            // Commits that are already recorded wake the thread early.
            thread::park_timeout(left);
        }
    }
}

/// The size of a log.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pages {
    /// The number of pages.
    pub(crate) logged: i64,
}

fn copy(file: &Arc<DatabaseFile>, conn: &mut Option<Conn>) -> Result<Pages, StoreError> {
    // A file that was replaced must not be written to.
    let open = Conn::current(conn, file, OpenMode::Write)?;
    let logged = open.copy_log().map_err(|error| store_error(&error))?;
    *conn = Some(open);
    Ok(Pages { logged })
}
