//! What a service protects: plans, APIs, and the contract before the API is known.
//!
//! A plain struct, which Rust code can make, or with the feature `config` read from a `demur.yaml`.

use std::fmt;
#[cfg(feature = "config")]
use std::path::Path;
use std::sync::Arc;

use demur_admission::Plan;
#[cfg(feature = "config")]
use demur_contract::Source;
use demur_contract::{Contract, Diagnostics};
use demur_engine::settings::{ApiSettings, Mount};

/// What a service protects.
#[derive(Debug)]
pub struct ServiceConfig {
    /// The contract in which requests are rejected before their API is known.
    pub default_contract: Arc<Contract>,
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

impl ServiceConfig {
    /// One API and no plans; requests are rejected in the contract of the API throughout.
    pub fn new(api: ApiSettings) -> Self {
        Self { default_contract: Arc::clone(&api.contract), plans: Vec::new(), apis: vec![api] }
    }

    /// Reads a `demur.yaml` and what it names, and returns the warnings beside it.
    ///
    /// What only a gateway needs (listeners, store, upstreams) is ignored, so that one file can serve both.
    #[cfg(feature = "config")]
    pub fn read(file: &Path) -> Result<(Self, Diagnostics), ConfigError> {
        let source = Source::read(file).map_err(ConfigError::File)?;
        let folder = file.parent().unwrap_or_else(|| Path::new(""));
        Self::load(&source, folder).map_err(ConfigError::Invalid)
    }

    /// Reads a file that is in memory; relative paths in it are relative to `folder`.
    #[cfg(feature = "config")]
    pub fn load(source: &Arc<Source>, folder: &Path) -> Result<(Self, Diagnostics), Diagnostics> {
        let (settings, warnings) = demur_config::load_service(source, folder)?;
        let demur_config::ServiceSettings { default_contract, plans, apis } = settings;
        Ok((Self { default_contract, plans, apis }, warnings))
    }

    /// Keeps a single API, mounted at the root for any host: for a service that is one of several APIs in the file.
    pub fn only(mut self, api: &str) -> Result<Self, ConfigError> {
        self.apis.retain(|known| known.name == api);
        let Some(only) = self.apis.first_mut() else { return Err(ConfigError::UnknownApi(api.to_owned())) };
        only.mount = Mount::default();
        self.default_contract = Arc::clone(&only.contract);
        Ok(self)
    }
}
