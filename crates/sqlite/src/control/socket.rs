//! The control socket as a file: its path, and how it is created without ever being accessible to other users.

use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketType};
use sha2::{Digest as _, Sha256};

use crate::paths::beside;

/// The longest path of a Unix socket that every system supports, without the terminating zero.
const MAX_SOCKET_PATH: usize = 100;

/// The longest file name that still fits behind `/proc/self/fd/4294967295/`.
const MAX_SOCKET_NAME: usize = 72;

/// Connections that the kernel queues until they are accepted.
const BACKLOG: i32 = 1024;

/// The file of a control socket: always beside the database, where only the database's owner can write.
#[derive(Debug)]
pub(crate) struct SocketFile {
    path: PathBuf,
}

/// Identifies the file that a listener was bound to, so that another file at the same path is noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SocketFileId {
    device: u64,
    inode: u64,
}

impl SocketFile {
    pub(crate) fn of(database: &Path) -> Self {
        let path = beside(database, "sock");
        if path.file_name().is_none_or(|name| name.len() <= MAX_SOCKET_NAME) {
            return Self { path };
        }
        let digest = Sha256::digest(database.as_os_str().as_encoded_bytes());
        let name: String = digest.iter().take(12).map(|byte| format!("{byte:02x}")).collect();
        Self { path: database.with_file_name(format!("demur-{name}.sock")) }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the user ID of the socket's owner.
    pub(crate) fn owner(&self) -> io::Result<u32> {
        Ok(fs::symlink_metadata(&self.path)?.uid())
    }

    /// Identifies the file at the path, if it is a socket.
    pub(crate) fn id(&self) -> Option<SocketFileId> {
        let found = fs::symlink_metadata(&self.path).ok().filter(|found| found.file_type().is_socket())?;
        Some(SocketFileId { device: found.dev(), inode: found.ino() })
    }

    pub(crate) fn remove(&self) -> io::Result<()> {
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            done => done,
        }
    }

    /// Creates the socket and listens on it. A file that an earlier process left at the path is removed.
    ///
    /// The socket never accepts connections with a mode other than 0600: on Linux the mode is set before the file
    /// exists, and everywhere it is set before the socket listens.
    pub(crate) fn listen(&self) -> io::Result<UnixListener> {
        self.remove()?;
        let socket = rustix::net::socket(AddressFamily::UNIX, SocketType::STREAM, None)?;
        rustix::io::fcntl_setfd(&socket, rustix::io::FdFlags::CLOEXEC)?;
        let private = Mode::RUSR | Mode::WUSR;
        // Linux applies the socket's mode to the file; other systems have no mode to set here.
        let is_set = rustix::fs::fchmod(&socket, private).is_ok() && cfg!(target_os = "linux");
        self.with_short_path(|path| {
            rustix::net::bind(&socket, &SocketAddrUnix::new(path)?)?;
            Ok(())
        })?;
        if !is_set || fs::symlink_metadata(&self.path)?.permissions().mode() & 0o777 != 0o600 {
            fs::set_permissions(&self.path, fs::Permissions::from_mode(0o600))?;
        }
        rustix::net::listen(&socket, BACKLOG)?;
        Ok(socket.into())
    }

    pub(crate) fn connect(&self) -> io::Result<UnixStream> {
        self.with_short_path(|path| UnixStream::connect(path))
    }

    /// Calls `action` with a path that is short enough for a socket. A longer path is shortened through the descriptor
    /// of its folder, so that the socket stays beside the database: a folder for temporary files is writable by others.
    fn with_short_path<T>(&self, action: impl FnOnce(&Path) -> io::Result<T>) -> io::Result<T> {
        if self.path.as_os_str().as_bytes().len() <= MAX_SOCKET_PATH {
            return action(&self.path);
        }
        let (Some(folder), Some(name)) = (self.path.parent(), self.path.file_name()) else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        let flags = OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::RDONLY;
        let folder = rustix::fs::open(folder, flags, Mode::empty())?;
        let number = std::os::fd::AsRawFd::as_raw_fd(&folder);
        let folders = if cfg!(target_os = "linux") { "/proc/self/fd" } else { "/dev/fd" };
        action(&Path::new(folders).join(number.to_string()).join(name))
    }
}

/// Returns the peer's user ID, where the system reports it.
#[cfg(target_os = "linux")]
pub(crate) fn peer_uid(stream: &UnixStream) -> io::Result<Option<u32>> {
    Ok(Some(rustix::net::sockopt::socket_peercred(stream)?.uid.as_raw()))
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn peer_uid(_stream: &UnixStream) -> io::Result<Option<u32>> {
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn creates_every_socket_with_mode_0600() {
        let folder = tempfile::tempdir().unwrap();
        let deep = folder.path().join("d".repeat(120)).join("e".repeat(120));
        fs::create_dir_all(&deep).unwrap();
        let long_name = format!("{}.db", "n".repeat(100));
        for database in [
            folder.path().join("demur.db"),
            deep.join("demur.db"),
            folder.path().join(&long_name),
            deep.join(&long_name),
        ] {
            let socket = SocketFile::of(&database);
            assert_eq!(socket.path().parent(), database.parent(), "beside the database");
            // Left by a killed process, or placed there by an attacker.
            fs::write(socket.path(), "").unwrap();
            let listener = socket.listen().unwrap();
            let mode = fs::symlink_metadata(socket.path()).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{}", socket.path().display());
            assert!(socket.connect().is_ok());
            drop(listener);
            assert!(socket.connect().is_err());
        }
    }

    #[test]
    fn replaces_a_symbolic_link_without_following_it() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("target");
        fs::write(&target, "mine").unwrap();
        let socket = SocketFile::of(&folder.path().join("demur.db"));
        std::os::unix::fs::symlink(&target, socket.path()).unwrap();
        let listener = socket.listen().unwrap();
        assert!(socket.id().is_some(), "a socket, not a conn");
        assert_eq!(fs::read(&target).unwrap(), b"mine");
        drop(listener);
    }
}
