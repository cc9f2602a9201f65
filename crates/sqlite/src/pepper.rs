//! The pepper's file: beside the database and not in it, readable by its owner only.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use demur_admission::Pepper;

use crate::OpenError;
use crate::owner::beside;

const LENGTH: usize = 32;

/// Reads the pepper of a database. It is made where there is none, unless there are keys already: they
/// could never be matched under another one.
pub(crate) fn load(database: &Path, has_keys: bool) -> Result<Pepper, OpenError> {
    let path = beside(database, "pepper");
    match File::open(&path) {
        Ok(file) => read(file, &path),
        Err(cause) if cause.kind() == io::ErrorKind::NotFound && has_keys => {
            Err(OpenError::PepperMissing { path })
        }
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => make(&path),
        Err(cause) => Err(OpenError::Io { path, cause }),
    }
}

fn read(file: File, path: &Path) -> Result<Pepper, OpenError> {
    let trouble = |cause| OpenError::Io { path: path.to_owned(), cause };
    let mode = file.metadata().map_err(trouble)?.permissions().mode();
    if mode & 0o077 != 0 {
        return Err(OpenError::Exposed { path: path.to_owned() });
    }
    let mut text = String::new();
    let longer_than_a_pepper = 4 * LENGTH as u64;
    file.take(longer_than_a_pepper).read_to_string(&mut text).map_err(trouble)?;
    let bytes = from_hex(text.trim()).ok_or_else(|| OpenError::PepperDamaged { path: path.to_owned() })?;
    Ok(Pepper::from_bytes(&bytes))
}

fn make(path: &Path) -> Result<Pepper, OpenError> {
    let trouble = |cause| OpenError::Io { path: path.to_owned(), cause };
    let mut bytes = [0_u8; LENGTH];
    getrandom::fill(&mut bytes).map_err(|error| trouble(io::Error::other(error)))?;
    let text: String = bytes.iter().map(|byte| format!("{byte:02x}")).chain(["\n".to_owned()]).collect();
    // Written under another name and renamed, so that a crash leaves a whole pepper or none.
    let unfinished = path.with_extension("pepper-new");
    let write = || {
        let mut options = OpenOptions::new();
        let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&unfinished)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&unfinished, path)?;
        path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
    };
    write().map_err(trouble)?;
    Ok(Pepper::from_bytes(&bytes))
}

fn from_hex(text: &str) -> Option<[u8; LENGTH]> {
    let mut bytes = [0_u8; LENGTH];
    if text.len() != 2 * LENGTH || !text.is_ascii() {
        return None;
    }
    for (position, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * position..2 * position + 2)?, 16).ok()?;
    }
    Some(bytes)
}
