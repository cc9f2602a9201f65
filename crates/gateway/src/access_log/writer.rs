//! The queue of the access log, and the thread that writes it.
//!
//! Workers queue what they hold already, and format nothing. If the thread cannot keep up, or the disk is full, lines are
//! lost and counted; no request waits for the log.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use demur_engine::RequestRecord;
use demur_journal::Sink;
use rustix::fs::OFlags;

use super::entry::{LogEntry, ResponseEnd};
use super::settings::{LogFilter, LogFormat, LogSettings, LogTarget};
use super::{journal, line};

/// Entries that may be queued.
const QUEUE: usize = 8192;
/// Between two writes, so that lines share a write and workers need not wake the thread for each.
const PAUSE: Duration = Duration::from_millis(10);
/// Lost lines are reported no more often.
const REPORT_INTERVAL: Duration = Duration::from_secs(10);

/// Log lines contain accounts and addresses: new files are readable by their owner and group only.
const MODE: u32 = 0o640;

/// Opens a log at its end, or creates it. Its last component must not be a symbolic link, which another user may have put
/// there; those of `/dev` are the system's.
fn append_to(path: &Path) -> io::Result<File> {
    let flags = if path.starts_with("/dev") { OFlags::empty() } else { OFlags::NOFOLLOW };
    let flags = i32::try_from(flags.bits()).unwrap_or_default();
    OpenOptions::new().append(true).create(true).mode(MODE).custom_flags(flags).open(path)
}

/// The workers' end of the log.
#[derive(Debug, Clone)]
pub(crate) struct AccessLog {
    queue: SyncSender<Box<LogEntry>>,
    lost: Arc<AtomicU64>,
    /// The same since the start.
    lost_in_all: Arc<AtomicU64>,
    /// The file is opened again before the next line.
    reopen: Arc<AtomicBool>,
}

/// Opens the file of a log again.
#[derive(Debug, Clone)]
pub(crate) struct LogReopener(Arc<AtomicBool>);

impl LogReopener {
    /// Before the next line: the old file was renamed.
    pub(crate) fn reopen(&self) {
        self.0.store(true, Ordering::Release);
    }
}

/// The thread that writes. It ends when the last worker has.
pub(crate) struct LogWriterHandle(JoinHandle<()>);

impl AccessLog {
    /// Opens the log. An error means that its file cannot be written. The thread gives entries to the journal too.
    pub(crate) fn start(
        settings: &LogSettings,
        journal: Option<Arc<dyn Sink>>,
    ) -> io::Result<(Self, LogWriterHandle)> {
        let target: Box<dyn Write + Send> = match &settings.target {
            LogTarget::Stderr => Box::new(io::stderr()),
            LogTarget::Stdout => Box::new(io::stdout()),
            LogTarget::File(path) => Box::new(append_to(path)?),
        };
        let (queue, queued) = sync_channel(QUEUE);
        let (lost, lost_in_all) = <(Arc<AtomicU64>, Arc<AtomicU64>)>::default();
        let format = settings.format.unwrap_or_default();
        let reopen = Arc::new(AtomicBool::new(false));
        let path = match &settings.target {
            LogTarget::File(path) => Some(path.clone()),
            LogTarget::Stderr | LogTarget::Stdout => None,
        };
        let writer = LogWriter {
            target,
            path,
            format,
            journal,
            lost: Arc::clone(&lost),
            lost_in_all: Arc::clone(&lost_in_all),
            reopen: Arc::clone(&reopen),
            reported: None,
        };
        let thread = thread::Builder::new().name("demur-access-log".to_owned());
        let thread = thread.spawn(move || writer.run(&queued))?;
        Ok((Self { queue, lost, lost_in_all, reopen }, LogWriterHandle(thread)))
    }

    /// The number of lines that were lost.
    pub(crate) fn lost(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.lost_in_all)
    }

    /// Reopens its file. It does not keep the log open.
    pub(crate) fn reopener(&self) -> LogReopener {
        LogReopener(Arc::clone(&self.reopen))
    }

    /// Queues an entry.
    pub(super) fn put(&self, entry: Box<LogEntry>) {
        match self.queue.try_send(entry) {
            Ok(()) => {}
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                self.lost.fetch_add(1, Ordering::Relaxed);
                self.lost_in_all.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

impl LogFilter {
    /// Whether a request that ended like this gets an entry.
    pub(super) fn takes(self, record: &RequestRecord, end: &ResponseEnd) -> bool {
        match self {
            LogFilter::All => true,
            LogFilter::Refused => {
                let is_closed = matches!(
                    end,
                    ResponseEnd::Failed(..) | ResponseEnd::Shutdown | ResponseEnd::Closed(Some(_), _)
                );
                record.is_notable() || is_closed
            }
            LogFilter::None => false,
        }
    }
}

impl LogWriterHandle {
    /// Waits until every line is written.
    pub(crate) fn join(self) {
        // A panic of the thread was reported on standard error.
        let _ = self.0.join();
    }
}

struct LogWriter {
    target: Box<dyn Write + Send>,
    path: Option<PathBuf>,
    format: LogFormat,
    journal: Option<Arc<dyn Sink>>,
    lost: Arc<AtomicU64>,
    lost_in_all: Arc<AtomicU64>,
    reopen: Arc<AtomicBool>,
    reported: Option<Instant>,
}

impl LogWriter {
    fn run(mut self, queued: &Receiver<Box<LogEntry>>) {
        let mut lines = Vec::new();
        while let Ok(entry) = queued.recv() {
            let mut count = 0;
            for entry in std::iter::once(entry).chain(queued.try_iter().take(QUEUE)) {
                if entry.is_logged {
                    line::write(&entry, self.format, &mut lines);
                    count += 1;
                }
                if let (true, Some(journal)) = (entry.is_journaled, &self.journal) {
                    journal.put(journal::entry(&entry));
                }
            }
            self.reopen_if_asked();
            let is_empty = lines.is_empty();
            if !is_empty && self.target.write_all(&lines).and_then(|()| self.target.flush()).is_err() {
                self.lost.fetch_add(count, Ordering::Relaxed);
                self.lost_in_all.fetch_add(count, Ordering::Relaxed);
            }
            lines.clear();
            self.warn_lost();
            thread::sleep(PAUSE);
        }
    }

    /// The file from before stays if there is no other one: lines are better there than nowhere.
    fn reopen_if_asked(&mut self) {
        let Some(path) = &self.path else { return };
        if self.reopen.swap(false, Ordering::Acquire) {
            match append_to(path) {
                Ok(file) => {
                    self.target = Box::new(file);
                    tracing::info!(path = %path.display(), "access log reopened");
                }
                Err(error) => tracing::error!(path = %path.display(), %error, "access log not reopened"),
            }
        }
    }

    fn warn_lost(&mut self) {
        let is_due = self.reported.is_none_or(|last| last.elapsed() >= REPORT_INTERVAL);
        if is_due && self.lost.load(Ordering::Relaxed) > 0 {
            let lost = self.lost.swap(0, Ordering::Relaxed);
            self.reported = Some(Instant::now());
            tracing::warn!(lost, "access log lines lost");
        }
    }
}
