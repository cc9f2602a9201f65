//! The access log: one line for each request, written by a thread of its own.
//!
//! A worker hands over what it holds already, and formats nothing. When the thread cannot keep up, or the disk
//! is full, lines are lost and counted; no request ever waits for its line.

mod body;
mod line;
mod path;
mod settings;

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::net::IpAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use demur_engine::RequestRecord;
use jiff::Timestamp;

pub(crate) use body::{LoggedBody, LoggedTarget, RequestSummary};
pub use settings::{LogFilter, LogFormat, LogSettings, LogTarget};

/// Lines that may wait to be written.
const QUEUE: usize = 8192;
/// Between two writes, so that many lines share one and workers need not wake the thread for each.
const PAUSE: Duration = Duration::from_millis(10);
/// Losses are told no more often.
const BETWEEN_COMPLAINTS: Duration = Duration::from_secs(10);

/// Lines name accounts and addresses: a new file is for its owner, and for a group that collects logs.
const MODE: u32 = 0o640;

fn append_to(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).mode(MODE).open(path)
}

/// One request that has been answered.
#[derive(Debug)]
pub(crate) struct LogEntry {
    pub(crate) at: Timestamp,
    pub(crate) record: RequestRecord,
    pub(crate) client: Option<IpAddr>,
    /// What was asked, where it could be read. Never the query: keys may stand there.
    pub(crate) method: Option<String>,
    pub(crate) path: Option<String>,
    pub(crate) status: u16,
    pub(crate) content_bytes: u64,
    pub(crate) duration: Duration,
    /// Whether all of the answer was taken.
    pub(crate) is_whole: bool,
}

/// Where workers put what they have answered.
#[derive(Debug, Clone)]
pub(crate) struct AccessLog {
    logged: LogFilter,
    queue: SyncSender<Box<LogEntry>>,
    lost: Arc<AtomicU64>,
}

/// The thread that writes. It ends when the last worker has.
pub(crate) struct LogWriterHandle(JoinHandle<()>);

impl AccessLog {
    /// Opens the log. An error means that its file cannot be written.
    pub(crate) fn start(settings: &LogSettings) -> io::Result<(Self, LogWriterHandle)> {
        let target: Box<dyn Write + Send> = match &settings.target {
            LogTarget::Stderr => Box::new(io::stderr()),
            LogTarget::Stdout => Box::new(io::stdout()),
            LogTarget::File(path) => Box::new(append_to(path)?),
        };
        let (queue, queued) = sync_channel(QUEUE);
        let lost = Arc::new(AtomicU64::new(0));
        let format = settings.format.unwrap_or_default();
        let writer = LogWriter { target, format, lost: Arc::clone(&lost), complained: None };
        let thread = thread::Builder::new().name("demur-access-log".to_owned());
        let thread = thread.spawn(move || writer.run(&queued))?;
        Ok((Self { logged: settings.requests, queue, lost }, LogWriterHandle(thread)))
    }

    /// Whether anything is logged at all.
    pub(crate) fn is_on(&self) -> bool {
        self.logged != LogFilter::None
    }

    /// Whether this request has a line.
    pub(crate) fn takes(&self, record: &RequestRecord) -> bool {
        match self.logged {
            LogFilter::All => true,
            LogFilter::Refused => record.is_notable() || record.may_become_notable(),
            LogFilter::None => false,
        }
    }

    fn put(&self, entry: Box<LogEntry>) {
        // What might have become of it has not.
        if self.logged == LogFilter::Refused && !entry.record.is_notable() {
            return;
        }
        match self.queue.try_send(entry) {
            Ok(()) => {}
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                self.lost.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

impl LogWriterHandle {
    /// Waits until every line is written.
    pub(crate) fn join(self) {
        // A panic of the thread has been told on standard error.
        let _ = self.0.join();
    }
}

struct LogWriter {
    target: Box<dyn Write + Send>,
    format: LogFormat,
    lost: Arc<AtomicU64>,
    complained: Option<Instant>,
}

impl LogWriter {
    fn run(mut self, queued: &Receiver<Box<LogEntry>>) {
        let mut lines = Vec::new();
        while let Ok(entry) = queued.recv() {
            line::write(&entry, self.format, &mut lines);
            let mut count = 1;
            for entry in queued.try_iter().take(QUEUE) {
                line::write(&entry, self.format, &mut lines);
                count += 1;
            }
            if self.target.write_all(&lines).and_then(|()| self.target.flush()).is_err() {
                self.lost.fetch_add(count, Ordering::Relaxed);
            }
            lines.clear();
            self.warn_lost();
            thread::sleep(PAUSE);
        }
    }

    fn warn_lost(&mut self) {
        let is_due = self.complained.is_none_or(|last| last.elapsed() >= BETWEEN_COMPLAINTS);
        if is_due && self.lost.load(Ordering::Relaxed) > 0 {
            let lost = self.lost.swap(0, Ordering::Relaxed);
            self.complained = Some(Instant::now());
            tracing::warn!(lost, "lines of the access log were lost");
        }
    }
}
