//! The journal in a SQLite file of its own, so that it can never fill the database of the ledger, nor wait for it.

mod reader;
mod retention;
mod schema;
mod writer;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

pub use reader::{Filter, Reader, Recorded, Span, StatusFilter};
use writer::Writer;

use crate::{Entry, Sink};

/// Entries that may be queued.
const QUEUE: usize = 32_768;

/// Where the journal is, and how long it keeps entries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalSettings {
    /// The file.
    pub path: PathBuf,
    /// Older entries are deleted.
    pub max_age: Duration,
    /// The oldest entries are deleted before the file grows beyond this, in bytes.
    pub max_bytes: u64,
}

impl JournalSettings {
    /// A file with entries of seven days, and of at most 256 MiB.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), max_age: Duration::from_secs(7 * 86_400), max_bytes: 256 << 20 }
    }
}

/// The writing end of the journal. Its thread ends when this is dropped, after it has written what is queued.
#[derive(Debug)]
pub struct Journal {
    queue: Option<SyncSender<Entry>>,
    lost: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

/// Why a journal cannot be used.
#[derive(Debug)]
#[non_exhaustive]
pub enum OpenError {
    /// There is no file.
    Missing(PathBuf),
    /// The file is no journal, or cannot be read or written.
    Unusable {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        cause: String,
    },
    /// A newer version of the program has written it.
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        version: i64,
    },
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(path) => write!(f, "{}: there is no journal", path.display()),
            Self::Unusable { path, cause } => write!(f, "{}: {cause}", path.display()),
            Self::Newer { path, version } => {
                write!(f, "{}: the journal has version {version}, of a newer demur", path.display())
            }
        }
    }
}

impl std::error::Error for OpenError {}

impl Journal {
    /// Opens or creates the file, and starts the thread that writes it.
    pub fn start(settings: JournalSettings) -> Result<Self, OpenError> {
        let lost = Arc::new(AtomicU64::new(0));
        let path = settings.path.clone();
        let writer = Writer::open(settings, Arc::clone(&lost))?;
        let (queue, queued) = sync_channel(QUEUE);
        let thread = thread::Builder::new().name("demur-journal".to_owned());
        let thread = thread.spawn(move || writer.run(&queued));
        let thread = thread.map_err(|error| OpenError::Unusable { path, cause: error.to_string() })?;
        Ok(Self { queue: Some(queue), lost, thread: Some(thread) })
    }
}

impl Sink for Journal {
    fn put(&self, entry: Entry) {
        let Some(queue) = &self.queue else { return };
        match queue.try_send(entry) {
            Ok(()) => {}
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                self.lost.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take() {
            // A panic of the thread was reported on standard error.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests;
