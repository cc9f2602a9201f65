//! `demur.yaml`, as far as a service reads it: plans, APIs, and the voice before the API is known.
//!
//! What is for a gateway alone (listeners, stores, upstreams) may stand in the file and is not looked at, so
//! that an API can be served both ways from one file.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use demur_admission::Plan;
use demur_contract::Contract;
use demur_engine::settings::{ApiSettings, ConfigReader, Mount, read_api, read_plan};
use demur_source::{Diagnostics, Fields, Node, Source, Span};

/// What a service is told of itself.
#[derive(Debug)]
pub struct ServiceConfig {
    /// The contract in which a request is refused before its API is known.
    pub voice: Arc<Contract>,
    /// The plans.
    pub plans: Vec<Plan>,
    /// The APIs.
    pub apis: Vec<ApiSettings>,
}

/// Why a configuration cannot be had.
#[derive(Debug)]
pub enum ConfigError {
    /// The file cannot be read.
    File(std::io::Error),
    /// Every mistake in it, each with its place and a mend.
    Mistakes(Diagnostics),
    /// It has no API of this name.
    UnknownApi(String),
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ConfigError::File(error) => write!(f, "the configuration cannot be read: {error}"),
            ConfigError::Mistakes(found) => found.fmt(f),
            ConfigError::UnknownApi(name) => write!(f, "the configuration has no API `{name}`"),
        }
    }
}

impl std::error::Error for ConfigError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            ConfigError::File(error) => Some(error),
            ConfigError::Mistakes(_) | ConfigError::UnknownApi(_) => None,
        }
    }
}

/// Keys of the file that a gateway reads.
const GATEWAYS: [&str; 7] = ["listen", "store", "workers", "bounds", "cache", "proxies", "access_log"];

impl ServiceConfig {
    /// Reads a file and what it names, and answers the warnings beside it.
    pub fn read(file: &Path) -> Result<(Self, Diagnostics), ConfigError> {
        let source = Source::read(file).map_err(ConfigError::File)?;
        let folder = file.parent().unwrap_or_else(|| Path::new(""));
        Self::load(&source, folder).map_err(ConfigError::Mistakes)
    }

    /// Reads a file that is in memory; relative paths in it are relative to `folder`.
    pub fn load(source: &Arc<Source>, folder: &Path) -> Result<(Self, Diagnostics), Diagnostics> {
        let (root, mut found) = demur_source::parse_lossy(source)?;
        let mut reading = ConfigReader::new(source, folder, &mut found);
        // How long a handler takes is the service's own affair: it stands beside the layer, not behind a network.
        reading.overload.is_adaptive = false;
        let config = read(&root, &mut reading);
        match config {
            Some(config) if !found.has_errors() => Ok((config, found.sorted())),
            _ => Err(found.sorted()),
        }
    }

    /// This API alone, at the root and on any host: a service that is one API of a file for several.
    pub fn alone(mut self, api: &str) -> Result<Self, ConfigError> {
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
            let help = "write `demur: 1`".to_owned();
            reading.error(span, "version", "this version of the file is not known", help);
        }
        None => fields.missing("demur", reading.found),
    }
    for name in GATEWAYS {
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
    // Where a gateway finds the service.
    let _ = fields.node("upstream");
    let settings = read_api(&mut fields, reading);
    fields.finish(reading.found);
    settings
}
