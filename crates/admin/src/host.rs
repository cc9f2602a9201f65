//! What the API administers: the gateway around it.

use std::path::PathBuf;

use demur_admission::{Command, Plan, Reply};
use jiff::Timestamp;
use serde_json::Value as Json;

/// The gateway that is administered. Calls may block.
pub trait Host: Send + Sync {
    /// Executes a command of the store.
    fn execute(&self, command: Command) -> Reply;

    /// The plans of the configuration.
    fn plans(&self) -> Vec<Plan>;

    /// An API of the configuration, by its name.
    fn api(&self, name: &str) -> Option<ApiInfo>;

    /// The configuration that is served.
    fn configuration(&self) -> Result<Configuration, String>;

    /// Reloads the configuration. The error has the reasons why it was rejected.
    fn reload(&self) -> Result<Reloaded, Vec<String>>;
}

/// An API, as far as its keys depend on it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ApiInfo {
    /// The prefixes of its keys, each with its environment if the API has environments. The first is the default.
    pub prefixes: Vec<(Option<String>, String)>,
    /// The IDs of its operations.
    pub operations: Vec<String>,
}

/// The configuration that is served.
#[derive(Debug, Clone, PartialEq)]
pub struct Configuration {
    /// Its file.
    pub file: PathBuf,
    /// 1 at start, one more with each reload.
    pub generation: u64,
    /// When it was loaded.
    pub loaded_at: Timestamp,
    /// A digest of what is shown and of the files that it refers to, in hexadecimal digits.
    pub digest: String,
    /// The configuration with all defaults, without secrets.
    pub effective: Json,
    /// The last reload that was rejected since the start.
    pub last_rejected: Option<RejectedReload>,
}

/// A reload that was rejected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RejectedReload {
    /// When.
    pub at: Timestamp,
    /// Why.
    pub reasons: Vec<String>,
}

/// The result of a reload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reloaded {
    /// The generation that is served.
    pub generation: u64,
    /// What has changed; empty if nothing has.
    pub changes: Vec<String>,
    /// How many warnings there are about the configuration.
    pub warnings: usize,
}
