//! The journal in a SQLite file of its own, so that it can never fill the database of the ledger, nor wait for it.

mod lookup;
mod reader;
mod retention;
mod schema;
mod settings;
mod writer;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::thread::{self, JoinHandle};

pub use lookup::Lookup;
pub use reader::{Filter, Reader, Recorded, Span, StatusFilter};
pub use settings::{JournalSettings, OpenError};
use writer::Writer;

use crate::{Entry, Sink};

/// Entries that may be queued.
const QUEUE: usize = 32_768;

/// The writing end of the journal. Its thread ends when this is dropped, after it has written what is queued.
#[derive(Debug)]
pub struct Journal {
    queue: Option<SyncSender<Entry>>,
    lost: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

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
