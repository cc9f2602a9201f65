//! The thread that looks after the files of a store, and logs what happens to them: also while nobody asks the store.

use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use demur_admission::StoreError;

use crate::database::DatabaseFile;
use crate::writer::WriterShared;

/// How often it looks.
const EVERY: Duration = Duration::from_secs(1);
/// How often it logs trouble that goes on.
const REMIND: Duration = Duration::from_secs(30);

/// Watches until it is dropped.
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
            while closed.recv_timeout(EVERY) == Err(RecvTimeoutError::Timeout) {
                let path = file.path().display();
                match database
                    .news(file.check().map_err(StoreError::from).err().map(|error| error.to_string()))
                {
                    News::Trouble(cause) => tracing::error!(%path, %cause, "store unavailable"),
                    News::Over => tracing::info!(%path, "store available"),
                    News::None => {}
                }
                match pepper.news(shared.secrets.pepper_trouble()) {
                    News::Trouble(cause) => tracing::error!(%path, %cause, "pepper file lost"),
                    News::Over => tracing::info!(%path, "pepper file restored"),
                    News::None => {}
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

/// What has been logged of one thing.
#[derive(Debug, Default)]
struct LoggedProblems(Option<(String, Instant)>);

enum News {
    Trouble(String),
    Over,
    None,
}

impl LoggedProblems {
    fn news(&mut self, trouble: Option<String>) -> News {
        match (trouble, &self.0) {
            (None, None) => News::None,
            (None, Some(_)) => {
                self.0 = None;
                News::Over
            }
            (Some(now), Some((told, at))) if now == *told && at.elapsed() < REMIND => News::None,
            (Some(now), _) => {
                self.0 = Some((now.clone(), Instant::now()));
                News::Trouble(now)
            }
        }
    }
}
