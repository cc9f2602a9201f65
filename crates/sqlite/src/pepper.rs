//! The pepper file: beside the database, not in it, and readable only by its owner.
//!
//! The first line is the current pepper. Further lines are `older HEX`, a pepper under which some secrets are still stored,
//! and `hmac NAME HEX`, the key with which another system hashed imported keys.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use demur_admission::{ImportedHashKey, Pepper};

use crate::OpenError;
use crate::paths::beside;

const LENGTH: usize = 32;

/// The maximum size of the file, in bytes.
const MAX_FILE: u64 = 64 * 1024;

/// The content of the file.
#[derive(Clone)]
pub(crate) struct PepperFile {
    path: PathBuf,
    current: [u8; LENGTH],
    older: Vec<[u8; LENGTH]>,
    keys: Vec<(String, Vec<u8>)>,
}

impl PepperFile {
    /// Reads the pepper file of a database. A missing file is created, unless the database has keys: they could never be
    /// verified under another pepper.
    pub(crate) fn load(database: &Path, has_keys: bool) -> Result<Self, OpenError> {
        let path = beside(database, "pepper");
        match File::open(&path) {
            Ok(file) => Self::read(file, path),
            Err(cause) if cause.kind() == io::ErrorKind::NotFound && has_keys => {
                Err(OpenError::PepperMissing { path })
            }
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => {
                let io_error = |cause| OpenError::Io { path: path.clone(), cause };
                let current = random().map_err(io_error)?;
                let created = Self { path: path.clone(), current, older: Vec::new(), keys: Vec::new() };
                created.write().map_err(io_error)?;
                Ok(created)
            }
            Err(cause) => Err(OpenError::Io { path, cause }),
        }
    }

    /// Returns the current pepper with the older ones.
    pub(crate) fn pepper(&self) -> Pepper {
        self.older.iter().fold(Pepper::from_bytes(&self.current), Pepper::with_older)
    }

    /// Returns the names of the hash keys; `None` if the file cannot be read.
    pub(crate) fn hash_key_names(database: &Path) -> Option<Vec<String>> {
        let path = beside(database, "pepper");
        let file = Self::read(File::open(&path).ok()?, path).ok()?;
        Some(file.keys.into_iter().map(|(name, _)| name).collect())
    }

    /// Whether a database has a pepper file.
    pub(crate) fn exists(database: &Path) -> io::Result<bool> {
        beside(database, "pepper").try_exists()
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the number of peppers.
    pub(crate) fn count(&self) -> usize {
        self.older.len() + 1
    }

    /// Returns what is wrong with the file, if it differs from what was last read or written.
    pub(crate) fn problem(&self) -> Option<String> {
        let path = self.path.display();
        match File::open(&self.path)
            .map_err(|error| error.to_string())
            .and_then(|file| Self::read(file, self.path.clone()).map_err(|error| error.to_string()))
        {
            Ok(Self { current, older, keys, .. })
                if (current, &older, &keys) == (self.current, &self.older, &self.keys) =>
            {
                None
            }
            Ok(_) => Some(format!("`{path}` has changed since the start; restore it before the next start")),
            Err(error) => Some(format!("cannot read `{path}`: {error}; restore it before the next start")),
        }
    }

    /// Returns the hash keys of imported keys.
    pub(crate) fn hash_keys(&self) -> Vec<ImportedHashKey> {
        self.keys.iter().filter_map(|(name, key)| ImportedHashKey::new(name.as_str(), key)).collect()
    }

    /// Returns a hash key by its name.
    pub(crate) fn hash_key(&self, name: &str) -> Option<&[u8]> {
        self.keys.iter().find(|(known, _)| known == name).map(|(_, key)| key.as_slice())
    }

    /// Writes the file with another hash key.
    pub(crate) fn with_hash_key(&self, name: &str, key: &[u8]) -> io::Result<Self> {
        let mut file = self.clone();
        file.keys.push((name.to_owned(), key.to_vec()));
        file.write()?;
        Ok(file)
    }

    /// Writes the file with a new current pepper.
    pub(crate) fn with_new_pepper(&self) -> io::Result<Self> {
        let mut file = self.clone();
        file.older.insert(0, file.current);
        file.current = random()?;
        file.write()?;
        Ok(file)
    }

    fn read(file: File, path: PathBuf) -> Result<Self, OpenError> {
        let io_error = |cause| OpenError::Io { path: path.clone(), cause };
        let mut text = String::new();
        file.take(MAX_FILE).read_to_string(&mut text).map_err(io_error)?;
        match parse(&text) {
            Some((current, older, keys)) => Ok(Self { path, current, older, keys }),
            None => Err(OpenError::PepperDamaged { path }),
        }
    }

    /// Writes the file under another name and renames it, so that a crash leaves a complete file or none.
    fn write(&self) -> io::Result<()> {
        let older = self.older.iter().map(|pepper| format!("older {}\n", hex(pepper)));
        let keys = self.keys.iter().map(|(name, key)| format!("hmac {name} {}\n", hex(key)));
        let text: String =
            [format!("{}\n", hex(&self.current))].into_iter().chain(older).chain(keys).collect();
        let unfinished = self.path.with_extension("pepper-new");
        // A file left by a crash or placed by an attacker: write only to a newly created file.
        match fs::remove_file(&unfinished) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&unfinished)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&unfinished, &self.path)?;
        self.path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
    }
}

type ParsedPepper = ([u8; LENGTH], Vec<[u8; LENGTH]>, Vec<(String, Vec<u8>)>);

fn parse(text: &str) -> Option<ParsedPepper> {
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let current = pepper_from(lines.next()?)?;
    let (mut older, mut keys) = (Vec::new(), Vec::new());
    for line in lines {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        match words[..] {
            ["older", digits] => older.push(pepper_from(digits)?),
            ["hmac", name, digits] => keys.push((name.to_owned(), from_hex(digits)?)),
            _ => return None,
        }
    }
    Some((current, older, keys))
}

fn pepper_from(digits: &str) -> Option<[u8; LENGTH]> {
    from_hex(digits)?.try_into().ok()
}

fn random() -> io::Result<[u8; LENGTH]> {
    let mut bytes = [0_u8; LENGTH];
    getrandom::fill(&mut bytes).map_err(io::Error::other)?;
    Ok(bytes)
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Decodes hexadecimal digits.
pub(crate) fn from_hex(text: &str) -> Option<Vec<u8>> {
    if text.is_empty()
        || !text.len().is_multiple_of(2)
        || !text.bytes().all(|digit| digit.is_ascii_hexdigit())
    {
        return None;
    }
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    text.as_bytes().chunks(2).map(byte).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_written_files_and_rejects_malformed_ones() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("demur.db");
        let file = PepperFile::load(&database, false).unwrap();
        let file = file.with_hash_key("legacy", b"secret").unwrap().with_new_pepper().unwrap();
        let again = PepperFile::load(&database, true).unwrap();
        assert_eq!(again.pepper().digests("x"), file.pepper().digests("x"));
        assert_eq!((again.count(), again.hash_key("legacy")), (2, Some(&b"secret"[..])));
        let digits = "0".repeat(64);
        for (text, is_valid) in [
            (digits.clone(), true),
            (format!("{digits}\nolder {digits}\nhmac a 00\n"), true),
            (String::new(), false),
            ("0".repeat(62), false),
            (format!("{digits}\nolder 00"), false),
            (format!("{digits}\n{digits}"), false),
            (format!("{digits}\nhmac a xyz"), false),
        ] {
            assert_eq!(parse(&text).is_some(), is_valid, "{text}");
        }
    }
}
