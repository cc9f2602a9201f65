//! The demo's folder: the examples' files, with the addresses of this run in them.

use std::fs::{self, DirBuilder};
use std::io::{self, Write};
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use demur_sqlite::ControlClient;
use tempfile::TempDir;

use crate::exit::CommandFailure;

/// Where the demo keeps its files.
pub(crate) enum WorkDir {
    /// Removed at the end.
    Temporary(TempDir),
    /// The user's.
    Given(PathBuf),
}

impl WorkDir {
    pub(crate) fn path(&self) -> &Path {
        match self {
            WorkDir::Temporary(folder) => folder.path(),
            WorkDir::Given(path) => path,
        }
    }
}

/// Writes the files of the examples.
pub(crate) fn prepare(
    given: Option<&Path>,
    listen: SocketAddr,
    services: &[SocketAddr],
) -> Result<WorkDir, CommandFailure> {
    let trouble = |error: std::io::Error| {
        CommandFailure::unavailable(format!("the demo's folder cannot be written: {error}"), None)
    };
    let folder = match given {
        Some(path) => {
            make(path).map_err(trouble)?;
            refuse_planted(path).map_err(trouble)??;
            refuse_foreign(path)?;
            WorkDir::Given(path.canonicalize().map_err(trouble)?)
        }
        None => {
            WorkDir::Temporary(tempfile::Builder::new().prefix("demur-demo-").tempdir().map_err(trouble)?)
        }
    };
    for (name, text) in demur_examples::files() {
        let path = folder.path().join(name);
        if let Some(parent) = path.parent() {
            private().recursive(true).create(parent).map_err(trouble)?;
        }
        let text = if *name == "demur.yaml" { addressed(text, listen, services) } else { (*text).to_owned() };
        write(&path, &text).map_err(trouble)?;
    }
    Ok(folder)
}

fn private() -> DirBuilder {
    let mut builder = DirBuilder::new();
    builder.mode(0o700);
    builder
}

/// Makes the folder, for its owner alone, where there is none. Its parents are made as usual.
fn make(folder: &Path) -> io::Result<()> {
    if let Some(parent) = folder.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        fs::create_dir_all(parent)?;
    }
    match private().create(folder) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        done => done,
    }
}

/// Writes a file that is made for it and then takes the name: nothing that goes by the name is followed or written into.
fn write(path: &Path, text: &str) -> io::Result<()> {
    let folder = path.parent().ok_or(io::ErrorKind::InvalidInput)?;
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(text.as_bytes())?;
    file.persist(path)?;
    Ok(())
}

/// Files and folders of a demo that was there before are far fewer.
const MOST: usize = 10_000;

/// The demo writes its files, its database and what belongs to that. A link among them would have it write elsewhere, and a
/// folder that others can write into may get one at any time.
fn refuse_planted(folder: &Path) -> io::Result<Result<(), CommandFailure>> {
    let refuse = |path: &Path, what: &str| {
        let help = "choose another `--folder`, a new one".to_owned();
        Ok(Err(CommandFailure::unavailable(format!("{} {what}", path.display()), help)))
    };
    let us = rustix::process::geteuid().as_raw();
    let mut folders = vec![folder.to_owned()];
    let mut seen = 0;
    while let Some(folder) = folders.pop() {
        let found = fs::symlink_metadata(&folder)?;
        if !found.is_dir() {
            return refuse(&folder, "is a link, or no folder");
        }
        if found.uid() != us {
            return refuse(&folder, "belongs to another user");
        }
        if found.mode() & 0o022 != 0 {
            return refuse(&folder, "can be written into by others than its owner");
        }
        for entry in fs::read_dir(&folder)? {
            let path = entry?.path();
            let found = fs::symlink_metadata(&path)?;
            seen += 1;
            if seen > MOST {
                return refuse(&folder, "has more files than a demo has");
            }
            if found.is_dir() {
                folders.push(path);
            } else if !found.is_file() && !found.file_type().is_socket() {
                return refuse(&path, "is a link or a special file, and would be written into");
            } else if found.uid() != us {
                return refuse(&path, "belongs to another user");
            } else if found.nlink() > 1 {
                return refuse(&path, "has several names, under each of which it would be overwritten");
            }
        }
    }
    Ok(Ok(()))
}

/// The demo writes over its own files only, and not while another demo uses them.
fn refuse_foreign(folder: &Path) -> Result<(), CommandFailure> {
    let configuration = folder.join("demur.yaml");
    let Ok(found) = fs::read_to_string(&configuration) else { return Ok(()) };
    if found.lines().next() != demur_examples::CONFIGURATION.lines().next() {
        let help = "choose another `--folder`".to_owned();
        let message = format!("{} is not the demo's, and would be overwritten", configuration.display());
        return Err(CommandFailure::unavailable(message, help));
    }
    if ControlClient::connect(&folder.join("demur.db")).is_ok() {
        let help = "stop it, or choose another `--folder`".to_owned();
        return Err(CommandFailure::unavailable(
            format!("a demo runs in {} already", folder.display()),
            help,
        ));
    }
    Ok(())
}

/// The configuration with the addresses of this run. In the examples' file the services have the ports from
/// 9001 on, in their order.
fn addressed(text: &str, listen: SocketAddr, services: &[SocketAddr]) -> String {
    let mut text = text.replace("listen: 127.0.0.1:8080", &format!("listen: {listen}"));
    for (service, port) in services.iter().zip(9001..) {
        text = text.replace(&format!("http://127.0.0.1:{port}"), &format!("http://{service}"));
    }
    text
}
