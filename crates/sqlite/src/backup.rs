//! A copy of the database at one moment: what an operator asks for, and what a migration makes before it changes
//! anything. The copy does not contain the pepper, which is kept apart on purpose.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rusqlite::Connection;

use crate::paths::beside;

/// Writes a copy that only the file's owner can read, syncs it to the disk and returns its size in bytes. An existing
/// file is never overwritten, and an incomplete copy is removed.
pub(crate) fn write(connection: &Connection, target: &Path) -> io::Result<u64> {
    // Created here for its mode; SQLite fills an empty file.
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(target)?;
    let result = fill(connection, target);
    if result.is_err() {
        let _ = fs::remove_file(target);
    }
    result
}

fn fill(connection: &Connection, target: &Path) -> io::Result<u64> {
    let name = target.to_str().ok_or(io::ErrorKind::InvalidInput)?;
    connection.execute("VACUUM INTO ?1", [name]).map_err(io::Error::other)?;
    let file = File::open(target)?;
    file.sync_all()?;
    sync_folder_of(target)?;
    Ok(file.metadata()?.len())
}

fn sync_folder_of(file: &Path) -> io::Result<()> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

/// Returns the path of the backup that is made before a database with this schema version is migrated, for example
/// `demur.db.v4.bak`.
pub(crate) fn migration_backup(database: &Path, version: i64) -> PathBuf {
    beside(database, &format!("v{version}.bak"))
}

/// Backs up a database before its migration. There is one backup for each schema version. It is kept; only a later
/// migration from the same version replaces it, and only by a complete copy.
pub(crate) fn before_migration(
    connection: &Connection,
    database: &Path,
    version: i64,
) -> io::Result<PathBuf> {
    let target = migration_backup(database, version);
    let unfinished = beside(database, &format!("v{version}.bak-new"));
    match fs::remove_file(&unfinished) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    write(connection, &unfinished)?;
    fs::rename(&unfinished, &target)?;
    sync_folder_of(&target)?;
    Ok(target)
}
