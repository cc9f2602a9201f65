//! Exclusive ownership of a database by one process: a lock on a file beside it. The kernel releases the lock when
//! the process ends, however it ends.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use crate::OpenError;
use crate::paths::beside;

/// The lock, held until this is dropped.
#[derive(Debug)]
pub(crate) struct Ownership {
    _lock_file: File,
}

impl Ownership {
    pub(crate) fn acquire(database: &Path) -> Result<Self, OpenError> {
        let path = beside(database, "lock");
        let io_error = |cause: io::Error| OpenError::Io { path: path.clone(), cause };
        let mut options = OpenOptions::new();
        let options = options.read(true).write(true).create(true).truncate(false).mode(0o600);
        // The process ID is written into this file, so it must be neither a symbolic conn nor a hard conn to another.
        let mut file = options.custom_flags(no_follow()).open(&path).map_err(io_error)?;
        let metadata = file.metadata().map_err(io_error)?;
        if !metadata.is_file() || metadata.nlink() > 1 {
            return Err(io_error(io::Error::other("not a regular file of its own; remove it")));
        }
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(OpenError::Locked { path: database.to_owned(), pid: read_pid(&mut file) });
            }
            Err(TryLockError::Error(cause)) => return Err(io_error(cause)),
        }
        // For people and error messages only: the lock decides, not the process ID.
        let write_pid = |file: &mut File| {
            file.set_len(0)?;
            file.rewind()?;
            writeln!(file, "{}", std::process::id())
        };
        write_pid(&mut file).map_err(io_error)?;
        Ok(Self { _lock_file: file })
    }
}

fn no_follow() -> i32 {
    rustix::fs::OFlags::NOFOLLOW.bits().cast_signed()
}

fn read_pid(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.take(16).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}
