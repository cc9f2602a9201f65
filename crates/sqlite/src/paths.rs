//! Paths of a database and of the files beside it.

use std::io;
use std::path::{Path, PathBuf};

/// Returns the path of a file that belongs to a database: the database's path, a dot and the suffix.
pub(crate) fn beside(database: &Path, suffix: &str) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(".");
    name.push(suffix);
    PathBuf::from(name)
}

/// Returns the path of a file that SQLite keeps for a database: the database's path and the suffix, without a dot.
pub(crate) fn with_suffix(database: &Path, suffix: &str) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Returns the canonical path of a database, whether or not it exists yet. All processes get the same path for the
/// same database.
pub(crate) fn canonical(database: &Path) -> io::Result<PathBuf> {
    match database.canonicalize() {
        Ok(path) => Ok(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let folder = match database.parent() {
                Some(parent) if !parent.as_os_str().is_empty() => parent,
                _ => Path::new("."),
            };
            let name = database.file_name().ok_or(io::ErrorKind::InvalidInput)?;
            Ok(folder.canonicalize()?.join(name))
        }
        Err(error) => Err(error),
    }
}
