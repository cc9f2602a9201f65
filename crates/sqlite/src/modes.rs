//! Which users can access the files of a store. One check for the store when it opens and for `demur check`.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::paths::{beside, with_suffix};

/// A file whose mode allows more than it should.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InsecureFile {
    /// The path of the file.
    pub path: PathBuf,
    /// Its mode.
    pub mode: u32,
    /// The maximum mode.
    pub allowed: u32,
}

/// The mode of a file that only its owner can read and write.
pub const PRIVATE: u32 = 0o600;

/// The mode of a file that its group can read too.
pub const GROUP_READABLE: u32 = 0o640;

/// Returns the files of a database that users other than its owner can read or write: the database and its write-ahead
/// log, the pepper, and the other files beside it. A missing file is not exposed.
pub fn exposed_files(database: &Path) -> io::Result<Vec<InsecureFile>> {
    let of_sqlite = ["", "-wal", "-shm", "-journal"].map(|suffix| with_suffix(database, suffix));
    let of_store = ["pepper", "pepper-new", "lock", "sock"].map(|suffix| beside(database, suffix));
    let mut found = Vec::new();
    for path in of_sqlite.iter().chain(&of_store) {
        found.extend(exposed(path, PRIVATE)?);
    }
    Ok(found)
}

/// Returns the file if its mode allows more than `allowed`. A missing file is not exposed.
pub fn exposed(path: &Path, allowed: u32) -> io::Result<Option<InsecureFile>> {
    match fs::metadata(path) {
        Ok(found) => {
            let mode = found.permissions().mode() & 0o777;
            Ok((mode & !allowed & 0o077 != 0).then(|| InsecureFile { path: path.to_owned(), mode, allowed }))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

impl std::fmt::Display for InsecureFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { path, mode, allowed } = self;
        let path = path.display();
        write!(f, "`{path}` is accessible to other users (mode {mode:04o}); run `chmod {allowed:o} {path}`")
    }
}
