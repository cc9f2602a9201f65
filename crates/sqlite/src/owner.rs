//! One process owns a database: an exclusive lock on a file beside it. The kernel takes the lock back when
//! the process ends, however it ends.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::OpenError;

/// The lock, held for as long as this lives.
#[derive(Debug)]
pub(crate) struct Ownership {
    _locked: File,
}

impl Ownership {
    pub(crate) fn take(database: &Path) -> Result<Self, OpenError> {
        let path = beside(database, "lock");
        let trouble = |cause: io::Error| OpenError::Io { path: path.clone(), cause };
        let mut options = OpenOptions::new();
        let options = options.read(true).write(true).create(true).truncate(false).mode(0o600);
        // The process's id is written into it: neither into what a link leads to, nor into what has another name too.
        let mut file = options.custom_flags(no_follow()).open(&path).map_err(trouble)?;
        let found = file.metadata().map_err(trouble)?;
        if !found.is_file() || found.nlink() > 1 {
            return Err(trouble(io::Error::other("it is not a file of its own; remove it")));
        }
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(OpenError::Locked { path: database.to_owned(), pid: holder(&mut file) });
            }
            Err(TryLockError::Error(cause)) => return Err(trouble(cause)),
        }
        // Only for people and messages: the lock itself is what counts.
        let write_pid = |file: &mut File| {
            file.set_len(0)?;
            file.rewind()?;
            writeln!(file, "{}", std::process::id())
        };
        write_pid(&mut file).map_err(trouble)?;
        Ok(Self { _locked: file })
    }
}

fn no_follow() -> i32 {
    rustix::fs::OFlags::NOFOLLOW.bits().cast_signed()
}

/// The file that belongs to a database: its path with a suffix.
pub(crate) fn beside(database: &Path, suffix: &str) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(".");
    name.push(suffix);
    PathBuf::from(name)
}

/// The path by which all who mean one database call it, whether it exists yet or not.
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

fn holder(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.take(16).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}
