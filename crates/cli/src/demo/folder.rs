//! The demo's folder: the examples' files, with the addresses of this run in them.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use demur_sqlite::Client;
use tempfile::TempDir;

use crate::exit::Failure;

/// Where the demo keeps its files.
pub(crate) enum Folder {
    /// Removed at the end.
    Temporary(TempDir),
    /// The user's.
    Given(PathBuf),
}

impl Folder {
    pub(crate) fn path(&self) -> &Path {
        match self {
            Folder::Temporary(folder) => folder.path(),
            Folder::Given(path) => path,
        }
    }
}

/// Writes the files of the examples.
pub(crate) fn prepare(
    given: Option<&Path>,
    listen: SocketAddr,
    services: &[SocketAddr],
) -> Result<Folder, Failure> {
    let trouble = |error: std::io::Error| {
        Failure::unavailable(format!("the demo's folder cannot be written: {error}"), None)
    };
    let folder = match given {
        Some(path) => {
            fs::create_dir_all(path).map_err(trouble)?;
            refuse_foreign(path)?;
            Folder::Given(path.canonicalize().map_err(trouble)?)
        }
        None => Folder::Temporary(tempfile::Builder::new().prefix("demur-demo-").tempdir().map_err(trouble)?),
    };
    for (name, text) in demur_examples::files() {
        let path = folder.path().join(name);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(trouble)?;
        }
        let text = if *name == "demur.yaml" { addressed(text, listen, services) } else { (*text).to_owned() };
        fs::write(path, text).map_err(trouble)?;
    }
    Ok(folder)
}

/// The demo writes over its own files only, and not while another demo uses them.
fn refuse_foreign(folder: &Path) -> Result<(), Failure> {
    let configuration = folder.join("demur.yaml");
    let Ok(found) = fs::read_to_string(&configuration) else { return Ok(()) };
    if found.lines().next() != demur_examples::CONFIGURATION.lines().next() {
        let help = "choose another `--folder`".to_owned();
        let message = format!("{} is not the demo's, and would be overwritten", configuration.display());
        return Err(Failure::unavailable(message, help));
    }
    if Client::connect(&folder.join("demur.db")).is_ok() {
        let help = "stop it, or choose another `--folder`".to_owned();
        return Err(Failure::unavailable(format!("a demo runs in {} already", folder.display()), help));
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
