//! Rewrites a file in place, in one step: readers see the old file or the new one.

use std::fmt;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use demur_source::Source;

use super::names::{CONFIGURATION, CONTRACT, OldNames};
use super::rewrite::{Fix, FixError, fix_names};

/// Why a file cannot be rewritten. It is as it was.
#[derive(Debug)]
pub enum FileError {
    /// Its text cannot be rewritten.
    Fix(FixError),
    /// It may not be written.
    ReadOnly(PathBuf),
    /// It is a directory, a device or a pipe.
    NotAFile(PathBuf),
    /// Somebody else has changed it at the same time.
    Changed(PathBuf),
    /// It, or its directory, cannot be read or written.
    Io(PathBuf, io::Error),
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FileError::Fix(error) => error.fmt(f),
            FileError::ReadOnly(file) => write!(f, "`{}` is read-only", file.display()),
            FileError::NotAFile(file) => write!(f, "`{}` is not a regular file", file.display()),
            FileError::Changed(file) => {
                write!(f, "`{}` was changed by another program in the meantime", file.display())
            }
            FileError::Io(file, error) => write!(f, "{}: {error}", file.display()),
        }
    }
}

impl std::error::Error for FileError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            FileError::Fix(error) => Some(error),
            FileError::Io(_, error) => Some(error),
            FileError::ReadOnly(_) | FileError::NotAFile(_) | FileError::Changed(_) => None,
        }
    }
}

/// Rewrites a configuration to version 2. A symlink stays one: the file that it leads to is rewritten. Mode and owner are
/// kept. A file that needs no change is not touched.
pub fn fix_file(path: &Path) -> Result<Fix, FileError> {
    fix_names_in(path, CONFIGURATION)
}

/// Gives the keys of a contract their names of today, as [`fix_file`] does for a configuration.
pub fn fix_contract_file(path: &Path) -> Result<Fix, FileError> {
    fix_names_in(path, CONTRACT)
}

fn fix_names_in(path: &Path, names: &'static OldNames) -> Result<Fix, FileError> {
    let at = |error| FileError::Io(path.to_owned(), error);
    let real = path.canonicalize().map_err(at)?;
    let metadata = real.metadata().map_err(at)?;
    if !metadata.is_file() {
        return Err(FileError::NotAFile(path.to_owned()));
    }
    let text = std::fs::read_to_string(&real).map_err(at)?;
    let source = Source::new(path.display().to_string(), text);
    let fixed = fix_names(&source, names).map_err(FileError::Fix)?;
    if fixed.diff.is_empty() {
        return Ok(fixed);
    }
    if metadata.permissions().readonly() || std::fs::OpenOptions::new().append(true).open(&real).is_err() {
        return Err(FileError::ReadOnly(path.to_owned()));
    }
    let folder = real.parent().unwrap_or_else(|| Path::new("."));
    let mut new = tempfile::Builder::new().prefix(".demur-fix-").tempfile_in(folder).map_err(at)?;
    new.write_all(fixed.text.as_bytes()).map_err(at)?;
    keep_owner(new.path(), &metadata).map_err(at)?;
    // After the owner: changing that takes some bits of the mode away.
    new.as_file().set_permissions(metadata.permissions()).map_err(at)?;
    new.as_file().sync_all().map_err(at)?;
    if std::fs::read_to_string(&real).map_err(at)? != source.text {
        return Err(FileError::Changed(path.to_owned()));
    }
    new.persist(&real).map_err(|error| at(error.error))?;
    Ok(fixed)
}

#[cfg(unix)]
fn keep_owner(new: &Path, old: &std::fs::Metadata) -> io::Result<()> {
    use std::os::unix::fs::{MetadataExt, chown};
    let made = new.metadata()?;
    match (made.uid(), made.gid()) == (old.uid(), old.gid()) {
        true => Ok(()),
        false => chown(new, Some(old.uid()), Some(old.gid())),
    }
}

#[cfg(not(unix))]
fn keep_owner(_: &Path, _: &std::fs::Metadata) -> io::Result<()> {
    Ok(())
}
