//! The working folder of the demo: the files of the examples, with the addresses of this run.

use std::fs::{self, DirBuilder};
use std::io::{self, Write};
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use demur_sqlite::ControlClient;
use tempfile::TempDir;

use crate::exit::CommandFailure;

/// The folder with the files of the demo.
pub(crate) enum WorkDir {
    /// Removed on drop.
    Temporary(TempDir),
    /// Chosen by the user, and kept.
    Given(PathBuf),
}

impl WorkDir {
    pub(crate) fn path(&self) -> &Path {
        match self {
            WorkDir::Temporary(folder) => folder.path(),
            WorkDir::Given(path) => path,
        }
    }

    /// Writes a file that only this run makes.
    pub(crate) fn add(&self, name: &str, text: &str) -> Result<(), CommandFailure> {
        write(&self.path().join(name), text)
            .map_err(|error| CommandFailure::unavailable(format!("cannot write `{name}`: {error}"), None))
    }
}

/// Writes the files of the examples into the folder.
pub(crate) fn prepare(
    given: Option<&Path>,
    listen: SocketAddr,
    services: &[SocketAddr],
) -> Result<WorkDir, CommandFailure> {
    let failed = |error: std::io::Error| {
        CommandFailure::unavailable(format!("cannot write the demo folder: {error}"), None)
    };
    let folder = match given {
        Some(path) => {
            create_folder(path).map_err(failed)?;
            reject_unsafe_files(path).map_err(failed)??;
            reject_foreign(path)?;
            WorkDir::Given(path.canonicalize().map_err(failed)?)
        }
        None => WorkDir::Temporary(tempfile::Builder::new().prefix("demur-demo-").tempdir().map_err(failed)?),
    };
    for (name, text) in demur_examples::files() {
        let path = folder.path().join(name);
        if let Some(parent) = path.parent() {
            private().recursive(true).create(parent).map_err(failed)?;
        }
        let text =
            if *name == "demur.yaml" { with_addresses(text, listen, services) } else { (*text).to_owned() };
        write(&path, &text).map_err(failed)?;
    }
    Ok(folder)
}

fn private() -> DirBuilder {
    let mut builder = DirBuilder::new();
    builder.mode(0o700);
    builder
}

/// Creates the folder with mode 0700, if it does not exist. Its parents get the usual mode.
fn create_folder(folder: &Path) -> io::Result<()> {
    if let Some(parent) = folder.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        fs::create_dir_all(parent)?;
    }
    match private().create(folder) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        done => done,
    }
}

/// Writes a new file and renames it: a link or file with the same name is replaced, never followed or written to.
fn write(path: &Path, text: &str) -> io::Result<()> {
    let folder = path.parent().ok_or(io::ErrorKind::InvalidInput)?;
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(text.as_bytes())?;
    file.persist(path)?;
    Ok(())
}

/// Maximum files and folders in an existing demo folder; a demo has far fewer.
const MAX_FILES: usize = 10_000;

/// Rejects links, files of other users and folders that others can write to: through a planted link, the demo would write
/// its files or its database somewhere else.
fn reject_unsafe_files(folder: &Path) -> io::Result<Result<(), CommandFailure>> {
    let reject = |path: &Path, what: &str| {
        let help = "use a new folder: `--folder FOLDER`".to_owned();
        Ok(Err(CommandFailure::unavailable(format!("cannot use `{}`: it {what}", path.display()), help)))
    };
    let us = rustix::process::geteuid().as_raw();
    let mut folders = vec![folder.to_owned()];
    let mut seen = 0;
    while let Some(folder) = folders.pop() {
        let found = fs::symlink_metadata(&folder)?;
        if !found.is_dir() {
            return reject(&folder, "is not a folder, or is a link");
        }
        if found.uid() != us {
            return reject(&folder, "belongs to another user");
        }
        if found.mode() & 0o022 != 0 {
            return reject(&folder, "is writable by other users");
        }
        for entry in fs::read_dir(&folder)? {
            let path = entry?.path();
            let found = fs::symlink_metadata(&path)?;
            seen += 1;
            if seen > MAX_FILES {
                return reject(&folder, "has too many files for a demo folder");
            }
            if found.is_dir() {
                folders.push(path);
            } else if !found.is_file() && !found.file_type().is_socket() {
                return reject(&path, "is a symbolic link or a special file");
            } else if found.uid() != us {
                return reject(&path, "belongs to another user");
            } else if found.nlink() > 1 {
                return reject(&path, "has several hard links");
            }
        }
    }
    Ok(Ok(()))
}

/// Rejects a folder with files of something else, or one that a running demo uses.
fn reject_foreign(folder: &Path) -> Result<(), CommandFailure> {
    let configuration = folder.join("demur.yaml");
    let Ok(found) = fs::read_to_string(&configuration) else { return Ok(()) };
    if found.lines().next() != demur_examples::CONFIGURATION.lines().next() {
        let help = "use another folder: `--folder FOLDER`".to_owned();
        let message =
            format!("folder `{}` contains a `demur.yaml` that the demo did not create", folder.display());
        return Err(CommandFailure::unavailable(message, help));
    }
    if ControlClient::connect(&folder.join("demur.db")).is_ok() {
        let help = "stop the other demo, or use another folder: `--folder FOLDER`".to_owned();
        return Err(CommandFailure::unavailable(
            format!("another demo is running in {}", folder.display()),
            help,
        ));
    }
    Ok(())
}

/// The configuration with the addresses of this run. In the file of the examples, the services have the ports from 9001
/// on, in order.
fn with_addresses(text: &str, listen: SocketAddr, services: &[SocketAddr]) -> String {
    let mut text = text.replace("listen: 127.0.0.1:8080", &format!("listen: {listen}"));
    for (service, port) in services.iter().zip(9001..) {
        text = text.replace(&format!("http://127.0.0.1:{port}"), &format!("http://{service}"));
    }
    text
}
