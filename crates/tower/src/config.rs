//! The parts of `demur.yaml` that a service reads: plans, APIs, and the default contract.
//!
//! Keys for the gateway (listeners, stores, upstreams) are allowed and ignored, so that one file works for both.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use demur_admission::Plan;
use demur_contract::Contract;
use demur_engine::settings::{ApiSettings, ConfigReader, Mount, read_api, read_plan};
use demur_source::{Diagnostics, Fields, Node, Source, Span};

/// The configuration of a service.
#[derive(Debug)]
pub struct ServiceConfig {
    /// The contract for rejections before the API is known.
    pub voice: Arc<Contract>,
    /// The plans.
    pub plans: Vec<Plan>,
    /// The APIs.
    pub apis: Vec<ApiSettings>,
}

/// Why a configuration could not be loaded.
#[derive(Debug)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file could not be read.
    File(std::io::Error),
    /// The configuration is invalid; all its errors, each with location and help.
    Invalid(Diagnostics),
    /// The configuration has no API with this name.
    UnknownApi(String),
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ConfigError::File(error) => write!(f, "cannot read the configuration: {error}"),
            ConfigError::Invalid(found) => found.fmt(f),
            ConfigError::UnknownApi(name) => write!(f, "unknown API `{name}`"),
        }
    }
}

impl std::error::Error for ConfigError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            ConfigError::File(error) => Some(error),
            ConfigError::Invalid(_) | ConfigError::UnknownApi(_) => None,
        }
    }
}

/// Keys that only the gateway reads.
const GATEWAY_KEYS: [&str; 7] = ["listen", "store", "workers", "bounds", "cache", "proxies", "access_log"];

impl ServiceConfig {
    /// Loads a file and every file it refers to. Returns the configuration and its warnings.
    pub fn read(file: &Path) -> Result<(Self, Diagnostics), ConfigError> {
        let source = Source::read(file).map_err(ConfigError::File)?;
        let folder = file.parent().unwrap_or_else(|| Path::new(""));
        Self::load(&source, folder).map_err(ConfigError::Invalid)
    }

    /// Loads a configuration from memory; its paths are relative to `folder`.
    pub fn load(source: &Arc<Source>, folder: &Path) -> Result<(Self, Diagnostics), Diagnostics> {
        let (root, mut found) = demur_source::parse_lossy(source)?;
        let mut reading = ConfigReader::new(source, folder, &mut found);
        // Handlers run in this process, so their latency says nothing about the capacity of an upstream.
        reading.overload.is_adaptive = false;
        let config = read(&root, &mut reading);
        match config {
            Some(config) if !found.has_errors() => Ok((config, found.sorted())),
            _ => Err(found.sorted()),
        }
    }

    /// Keeps a single API, mounted at the root for any host: for a service that is one of several APIs in the file.
    pub fn only(mut self, api: &str) -> Result<Self, ConfigError> {
        self.apis.retain(|known| known.name == api);
        let Some(only) = self.apis.first_mut() else { return Err(ConfigError::UnknownApi(api.to_owned())) };
        only.mount = Mount::default();
        self.voice = Arc::clone(&only.contract);
        Ok(self)
    }
}

fn read(root: &Node, reading: &mut ConfigReader<'_>) -> Option<ServiceConfig> {
    let mut fields = Fields::of(root, reading.source, "the configuration", reading.found)?;
    match fields.node("demur").map(|node| (node.scalar_text(), node.span)) {
        Some((Some(version), _)) if version == "1" => {}
        Some((_, span)) => {
            let help = "use `demur: 1`".to_owned();
            reading.error(span, "version", "unknown version of the file", help);
        }
        None => fields.missing("demur", reading.found),
    }
    for name in GATEWAY_KEYS {
        let _ = fields.node(name);
    }
    let voice = fields.node("voice").map(|node| (node.scalar_text().unwrap_or_default(), node.span));
    let (voice, span) = voice.unwrap_or_else(|| ("problem".to_owned(), Span::default()));
    let voice = reading.contract(&voice, span);
    let mut plans = Vec::new();
    for (key, node) in fields.map("plans", reading.found) {
        plans.extend(read_plan(key, node, reading));
    }
    let items = fields.list("apis", reading.found);
    if items.is_empty() {
        fields.missing("apis", reading.found);
    }
    let apis = items.iter().filter_map(|node| read_one_api(node, reading)).collect();
    fields.finish(reading.found);
    Some(ServiceConfig { voice: voice?, plans, apis })
}

fn read_one_api(node: &Node, reading: &mut ConfigReader<'_>) -> Option<ApiSettings> {
    let mut fields = Fields::of(node, reading.source, "an API", reading.found)?;
    // For the gateway.
    let _ = fields.node("upstream");
    let settings = read_api(&mut fields, reading);
    fields.finish(reading.found);
    settings
}
