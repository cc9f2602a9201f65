//! A copy of the database as it is at one moment. It has no pepper: that is kept apart on purpose.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rusqlite::Connection;

/// Writes the copy and makes sure that it is on the disk. Returns its size. A copy that could not be
/// finished is removed.
pub(super) fn write(connection: &Connection, to: &Path) -> io::Result<u64> {
    // Made by us, and so nobody else's to read; SQLite fills a file that is empty.
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(to)?;
    let written = fill(connection, to);
    if written.is_err() {
        let _ = fs::remove_file(to);
    }
    written
}

fn fill(connection: &Connection, to: &Path) -> io::Result<u64> {
    let name = to.to_str().ok_or(io::ErrorKind::InvalidInput)?;
    connection.execute("VACUUM INTO ?1", [name]).map_err(io::Error::other)?;
    let file = File::open(to)?;
    file.sync_all()?;
    match to.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        Some(folder) => File::open(folder)?.sync_all()?,
        None => File::open(".")?.sync_all()?,
    }
    Ok(file.metadata()?.len())
}
