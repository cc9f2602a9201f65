//! Where the journal is, how long it keeps entries, and why it cannot be used.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

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
