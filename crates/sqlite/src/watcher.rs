//! The thread that checks the files of a store and logs problems, also while the store is idle.

use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use demur_admission::StoreError;

use crate::database::DatabaseFile;
use crate::writer::WriterShared;

/// How often the files are checked.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);
/// How often a lasting problem is logged again.
const REPEAT_INTERVAL: Duration = Duration::from_secs(30);

/// Runs the thread until it is dropped.
#[derive(Debug)]
pub(crate) struct Watcher {
    closing: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Watcher {
    pub(crate) fn start(file: Arc<DatabaseFile>, shared: Arc<WriterShared>) -> std::io::Result<Self> {
        let (closing, closed) = sync_channel(0);
        let watch = move || {
            let (mut database, mut pepper) = (LoggedProblems::default(), LoggedProblems::default());
            while closed.recv_timeout(CHECK_INTERVAL) == Err(RecvTimeoutError::Timeout) {
                let path = file.path().display();
                match database
                    .update(file.check().map_err(StoreError::from).err().map(|error| error.to_string()))
                {
                    Change::Problem(cause) => tracing::error!(%path, %cause, "store unavailable"),
                    Change::Resolved => tracing::info!(%path, "store available"),
                    Change::Unchanged => {}
                }
                match pepper.update(shared.secrets.pepper_problem()) {
                    Change::Problem(cause) => tracing::error!(%path, %cause, "pepper file lost"),
                    Change::Resolved => tracing::info!(%path, "pepper file restored"),
                    Change::Unchanged => {}
                }
            }
        };
        let thread = thread::Builder::new().name("demur-files".into()).spawn(watch)?;
        Ok(Self { closing: Some(closing), thread: Some(thread) })
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.closing = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The problem of one file that was logged last, and when.
#[derive(Debug, Default)]
struct LoggedProblems(Option<(String, Instant)>);

enum Change {
    Problem(String),
    Resolved,
    Unchanged,
}

impl LoggedProblems {
    fn update(&mut self, problem: Option<String>) -> Change {
        match (problem, &self.0) {
            (None, None) => Change::Unchanged,
            (None, Some(_)) => {
                self.0 = None;
                Change::Resolved
            }
            (Some(now), Some((logged, at))) if now == *logged && at.elapsed() < REPEAT_INTERVAL => {
                Change::Unchanged
            }
            (Some(now), _) => {
                self.0 = Some((now.clone(), Instant::now()));
                Change::Problem(now)
            }
        }
    }
}
