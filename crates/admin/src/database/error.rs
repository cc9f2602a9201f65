//! Why the file cannot be used.

use std::fmt;
use std::path::PathBuf;

/// Why the file cannot be used.
#[derive(Debug)]
#[non_exhaustive]
pub enum DatabaseError {
    /// The file cannot be read or written, or is something else.
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
    /// The operating system returned no randomness for a token.
    NoRandomness,
}

impl fmt::Display for DatabaseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unusable { path, cause } => write!(f, "{}: {cause}", path.display()),
            Self::Newer { path, version } => {
                write!(f, "{}: the file has version {version}, of a newer demur", path.display())
            }
            Self::NoRandomness => f.write_str("the operating system returned no randomness"),
        }
    }
}

impl std::error::Error for DatabaseError {}
