//! A configuration on disk with all that it names, and the command line at work on it.
//!
//! The commands reach the store through the running gateway where there is one, and open it themselves where
//! there is none; a test need not know which.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde_json::Value as Json;
use tempfile::TempDir;

use crate::process;

/// A temporary folder with a configuration, removed at the end.
#[derive(Debug)]
pub struct TestDir {
    folder: TempDir,
}

/// How a command ended, and what it said.
#[derive(Debug)]
pub struct Outcome {
    /// The exit code.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

/// A key to be made. An empty list covers everything.
#[derive(Debug, Clone, Copy, Default)]
pub struct NewKey<'k> {
    /// The API that it opens.
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

/// A key that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issued {
    /// Its id.
    pub id: String,
    /// What a caller sends.
    pub secret: String,
}

impl TestDir {
    /// Without anything in it.
    pub fn empty() -> Self {
        let folder = tempfile::Builder::new().prefix("demur-e2e-").tempdir().expect("a temporary folder");
        Self { folder }
    }

    /// With the examples' configuration and documents. Its upstreams are at no address where anything
    /// listens until [`point`](Self::point) says where they are.
    pub fn of_examples() -> Self {
        let folder = Self::empty();
        for (name, text) in demur_examples::files() {
            folder.write(name, text);
        }
        folder
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The configuration file.
    pub fn config(&self) -> PathBuf {
        self.path().join("demur.yaml")
    }

    /// Writes a file, and the folders that it is in.
    pub fn write(&self, name: &str, text: &str) {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().expect("it is in the folder")).expect("the folder is ours");
        fs::write(path, text).expect("the folder is ours");
    }

    /// Replaces text in the configuration, which must be there.
    pub fn edit(&self, old: &str, new: &str) {
        let text = fs::read_to_string(self.config()).expect("the configuration is there");
        assert!(text.contains(old), "the configuration does not have `{old}`");
        fs::write(self.config(), text.replace(old, new)).expect("the folder is ours");
    }

    /// Puts an example's upstream at this address.
    pub fn point(&self, example: &str, upstream: SocketAddr) {
        // In the examples' file the services have the ports from 9001 on, in their order.
        let place = demur_examples::all().iter().position(|known| known.name == example);
        let place = place.unwrap_or_else(|| panic!("no example `{example}`"));
        self.edit(&format!("http://127.0.0.1:{}\"", 9001 + place), &format!("http://{upstream}\""));
    }

    /// Runs `demur ARGUMENTS` with this configuration and answers as JSON.
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

    /// The same for a command that must succeed: its result.
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
