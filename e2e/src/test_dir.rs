//! A configuration on disk with all files that it names, and the command line for it.
//!
//! The commands reach the store through the running gateway if there is one, and open it themselves otherwise.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde_json::Value as Json;
use tempfile::TempDir;

use crate::process;

/// A temporary folder with a configuration, removed on drop.
#[derive(Debug)]
pub struct TestDir {
    folder: TempDir,
}

/// The exit code and the output of a command.
#[derive(Debug)]
pub struct Outcome {
    /// The exit code.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

/// A key to create. An empty list covers everything.
#[derive(Debug, Clone, Copy, Default)]
pub struct NewKey<'k> {
    /// The API that it is valid for.
    pub api: &'k str,
    /// The account that it belongs to.
    pub account: &'k str,
    /// When it expires, as in RFC 3339.
    pub expires: Option<&'k str>,
    /// The operations that it covers.
    pub operations: &'k [&'k str],
    /// The resources that it covers.
    pub resources: &'k [&'k str],
    /// The scopes that it has.
    pub scopes: &'k [&'k str],
}

/// A key that was created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issued {
    /// Its id.
    pub id: String,
    /// The secret.
    pub secret: String,
}

impl TestDir {
    /// An empty folder.
    pub fn empty() -> Self {
        let folder = tempfile::Builder::new().prefix("demur-e2e-").tempdir().expect("a temporary folder");
        Self { folder }
    }

    /// A folder with the configuration and documents of the examples. Nothing listens at the addresses of its upstreams
    /// until [`point`](Self::point) sets them.
    pub fn of_examples() -> Self {
        let folder = Self::empty();
        for (name, text) in demur_examples::files() {
            folder.write(name, text);
        }
        folder
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The configuration file.
    pub fn config(&self) -> PathBuf {
        self.path().join("demur.yaml")
    }

    /// Writes a file, and creates its parent folders.
    pub fn write(&self, name: &str, text: &str) {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().expect("it is in the folder")).expect("the folder is ours");
        fs::write(path, text).expect("the folder is ours");
    }

    /// Writes a file that only its owner can read.
    pub fn write_secret(&self, name: &str, text: &str) {
        self.write(name, text);
        let owner_only = fs::Permissions::from_mode(0o600);
        fs::set_permissions(self.path().join(name), owner_only).expect("the folder is ours");
    }

    /// Replaces text in the configuration, which must contain it.
    pub fn edit(&self, old: &str, new: &str) {
        let text = fs::read_to_string(self.config()).expect("the configuration is there");
        assert!(text.contains(old), "the configuration does not have `{old}`");
        fs::write(self.config(), text.replace(old, new)).expect("the folder is ours");
    }

    /// Sets the address of an example's upstream.
    pub fn point(&self, example: &str, upstream: SocketAddr) {
        // The configuration of the examples has the ports 9001 and up, in their order.
        let place = demur_examples::all().iter().position(|known| known.name == example);
        let place = place.unwrap_or_else(|| panic!("no example `{example}`"));
        self.edit(&format!("http://127.0.0.1:{}\"", 9001 + place), &format!("http://{upstream}\""));
    }

    /// Runs `demur ARGUMENTS` with this configuration and JSON output.
    pub fn run(&self, arguments: &[&str]) -> Outcome {
        let mut command = process::command("demur");
        command.args(arguments).arg("--config").arg(self.config()).args(["--format", "json"]);
        let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        Outcome {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Runs a command that must succeed, and returns its result.
    pub fn result(&self, arguments: &[&str]) -> Json {
        let outcome = self.run(arguments);
        assert_eq!(outcome.code, Some(0), "demur {arguments:?}: {outcome:?}");
        serde_json::from_str(&outcome.stdout).unwrap_or_else(|error| panic!("{error}: {outcome:?}"))
    }

    /// `demur accounts create`, with one name for all.
    pub fn create_account(&self, id: &str, plan: &str) {
        self.result(&["accounts", "create", "--id", id, "--name", id, "--plan", plan]);
    }

    /// `demur accounts show`: an object with `credits` in it.
    pub fn account(&self, id: &str) -> Json {
        self.result(&["accounts", "show", id])
    }

    /// `demur keys create`.
    pub fn create_key(&self, key: &NewKey<'_>) -> Issued {
        let mut arguments = vec!["keys", "create", "--api", key.api, "--account", key.account];
        let lists = [("--operation", key.operations), ("--resource", key.resources), ("--scope", key.scopes)];
        for (option, values) in lists {
            arguments.extend(values.iter().flat_map(|value| [option, value]));
        }
        if let Some(expires) = key.expires {
            arguments.extend(["--expires", expires]);
        }
        let issued = self.result(&arguments);
        let text = |value: &Json| value.as_str().unwrap_or_else(|| panic!("{issued}")).to_owned();
        Issued { id: text(&issued["key"]["id"]), secret: text(&issued["secret"]) }
    }

    /// `demur keys revoke`.
    pub fn revoke_key(&self, id: &str) {
        self.result(&["keys", "revoke", id]);
    }
}
