//! Watches the files of a configuration.
//!
//! Files are looked at by name, twice a second: their names stay, while an editor replaces a file, or a Kubernetes ConfigMap
//! swaps the folder that a link leads to. Where something has changed, it is waited for until nothing changes any more.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use demur_config::InputFiles;
use demur_gateway::ReloadSettings;

use crate::serving::ReadFiles;

/// How often files are looked at.
const INTERVAL: Duration = Duration::from_millis(500);

/// The files of a configuration, and whether they are watched.
#[derive(Debug, Clone)]
pub(crate) struct WatchedFiles {
    files: InputFiles,
    settings: ReloadSettings,
}

/// The thread that watches. It ends when this is dropped.
#[derive(Default)]
pub(crate) struct Watch {
    state: Mutex<WatchState>,
}

#[derive(Default)]
struct WatchState {
    files: Option<WatchedFiles>,
    /// Tells the thread about other files, once it runs.
    changed: Option<Sender<WatchedFiles>>,
}

impl WatchedFiles {
    /// The file, and those that were read with it.
    pub(crate) fn new(read: &ReadFiles, settings: ReloadSettings) -> Self {
        let mut files = read.inputs.files.clone();
        files.extend(read.file.clone());
        Self { files, settings }
    }

    fn look(&self) -> Look {
        Look(self.files.paths().map(|path| (path.to_owned(), FileState::of(path))).collect())
    }
}

impl Watch {
    /// Watches these files from now on.
    pub(crate) fn set(&self, files: WatchedFiles) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(changed) = &state.changed {
            // The thread ends with this value, and not before.
            let _ = changed.send(files.clone());
        }
        state.files = Some(files);
    }

    /// Watches what was read now. Without settings, because of a mistake, those from before stay.
    pub(crate) fn files_read(&self, read: &ReadFiles, settings: Option<ReloadSettings>) {
        let before = self.state.lock().unwrap_or_else(PoisonError::into_inner).files.clone();
        let Some(mut before) = before else { return };
        match settings {
            Some(settings) => before = WatchedFiles::new(read, settings),
            None => {
                let now = WatchedFiles::new(read, before.settings);
                // What could not be reached because of the mistake may have to change for its correction.
                before.files.extend(now.files);
            }
        }
        self.set(before);
    }

    /// Starts the thread. It calls `reload` after a change, until that returns false.
    pub(crate) fn start(&self, reload: impl Fn() -> bool + Send + 'static) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(files) = state.files.clone() else { return };
        let (sender, receiver) = channel();
        state.changed = Some(sender);
        let thread = thread::Builder::new().name("demur-watch".to_owned());
        if let Err(error) = thread.spawn(move || watch(files, &receiver, reload)) {
            tracing::error!(%error, "files not watched");
        }
    }
}

fn watch(mut files: WatchedFiles, changed: &Receiver<WatchedFiles>, reload: impl Fn() -> bool) {
    let mut seen = None;
    loop {
        let next = match files.settings.watch {
            true => changed.recv_timeout(INTERVAL),
            false => changed.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        match next {
            Ok(next) => {
                (files, seen) = (next, None);
                continue;
            }
            Err(RecvTimeoutError::Disconnected) => return,
            Err(RecvTimeoutError::Timeout) => {}
        }
        let look = files.look();
        let is_same = match &seen {
            Some(seen) => *seen == look,
            // The first time, by content: a file may have changed since it was read.
            None => files.files.is_current(),
        };
        if is_same {
            seen = Some(look);
            continue;
        }
        seen = Some(settled(&files, look));
        if !reload() {
            return;
        }
    }
}

/// Waits until files stay the same for a while.
fn settled(files: &WatchedFiles, mut look: Look) -> Look {
    let pause = (files.settings.settle / 4).clamp(Duration::from_millis(10), INTERVAL);
    let mut since = Instant::now();
    while since.elapsed() < files.settings.settle {
        thread::sleep(pause);
        let next = files.look();
        if next != look {
            (look, since) = (next, Instant::now());
        }
    }
    look
}

/// What files look like from outside.
#[derive(Debug, PartialEq, Eq)]
struct Look(BTreeMap<PathBuf, Option<FileState>>);

#[derive(Debug, PartialEq, Eq)]
struct FileState {
    /// Where links lead: a swapped folder may have the same times.
    real: PathBuf,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl FileState {
    fn of(path: &Path) -> Option<Self> {
        let found = fs::metadata(path).ok()?;
        Some(Self {
            real: path.canonicalize().ok()?,
            inode: found.ino(),
            size: found.size(),
            modified: (found.mtime(), found.mtime_nsec()),
            changed: (found.ctime(), found.ctime_nsec()),
        })
    }
}
