//! Who may read the files of a store. One judgement for all who ask: the store when it opens, and `demur check`.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::paths::beside;

/// A file that more can read or write than should.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exposed {
    /// Which file.
    pub path: PathBuf,
    /// Its mode.
    pub mode: u32,
    /// The most that its mode should allow.
    pub allowed: u32,
}

/// What only the owner may read or write.
pub const PRIVATE: u32 = 0o600;

/// What the owner's group may read too.
pub const GROUP_READABLE: u32 = 0o640;

/// The files of a database that others than its owner can read or write: the database and its write-ahead log, the
/// pepper, and what else is beside them. A file that is not there exposes nothing.
pub fn exposed_files(database: &Path) -> io::Result<Vec<Exposed>> {
    // As SQLite names its files, and as we name ours.
    let of_sqlite = ["", "-wal", "-shm", "-journal"].map(|suffix| {
        let mut name = database.as_os_str().to_owned();
        name.push(suffix);
        PathBuf::from(name)
    });
    let ours = ["pepper", "pepper-new", "lock", "sock"].map(|suffix| beside(database, suffix));
    let mut found = Vec::new();
    for path in of_sqlite.iter().chain(&ours) {
        found.extend(exposed(path, PRIVATE)?);
    }
    Ok(found)
}

/// Whether a file that is there has a mode that allows more than this.
pub fn exposed(path: &Path, allowed: u32) -> io::Result<Option<Exposed>> {
    match fs::metadata(path) {
        Ok(found) => {
            let mode = found.permissions().mode() & 0o777;
            Ok((mode & !allowed & 0o077 != 0).then(|| Exposed { path: path.to_owned(), mode, allowed }))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

impl std::fmt::Display for Exposed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { path, mode, allowed } = self;
        write!(
            f,
            "{} can be used by others than its owner (mode {mode:04o}); `chmod {allowed:o}` it",
            path.display()
        )
    }
}
