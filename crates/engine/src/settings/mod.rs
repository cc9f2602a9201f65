//! What the configuration file says of plans and APIs: raw YAML → resolved types, all mistakes at once.
//!
//! Listeners, stores and workers are the gateway's to read; a Tower service has none of them.

mod api;
mod authentication;
mod contract_version;
mod cors;
mod idempotency;
mod metering;
mod overload;
mod plan;
mod prefixes;
mod references;
mod scalar;
mod validation;

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use demur_source::{Diagnostics, Source, Span};

pub(crate) use api::DEFAULT_MAX_RETRY_WAIT;
pub use api::{ApiSettings, Mount, OperationSettings, ResourceTemplate, RuleSettings, read_api};
pub use authentication::{Authentication, Scheme};
pub(crate) use contract_version::RequestView;
pub use contract_version::{ContractVersion, VersionMatch};
pub use cors::{Cors, Origins};
pub use idempotency::{Idempotency, IdempotencyMode};
pub use metering::{Metering, OnAbort, SettleAt, UsageSource};
pub use overload::Overload;
pub use plan::{read_duration, read_plan};
pub use prefixes::Prefixes;
pub use scalar::{bytes, duration};
pub use validation::{AmbiguousPath, ResponseMode, ValidationSettings};

pub use crate::request::reserved_headers::ReservedNames;

use demur_contract::{Contract, builtin};

/// What is needed to read a file: its text, the folder it stands in, and where mistakes go.
#[derive(Debug)]
pub struct ConfigReader<'r> {
    /// The text.
    pub source: &'r Arc<Source>,
    /// Relative paths in the file are relative to this folder.
    pub folder: &'r Path,
    /// Every mistake so far.
    pub found: &'r mut Diagnostics,
    /// The most content that an API takes where it does not say, in bytes.
    pub max_content: u64,
    /// The names of the listeners; `None` where there are others than the file says.
    pub listeners: Option<Vec<String>>,
    /// What an API is asked for at once where it does not say.
    pub overload: Overload,
    /// The contracts that were loaded, by name: what is wrong with one is told once.
    contracts: HashMap<String, Option<Arc<Contract>>>,
}

/// One mebibyte, as servers on the open internet commonly take.
const MAX_CONTENT: u64 = 1 << 20;

impl<'r> ConfigReader<'r> {
    /// Begins to read a file.
    pub fn new(source: &'r Arc<Source>, folder: &'r Path, found: &'r mut Diagnostics) -> Self {
        let (listeners, overload) = (None, Overload::default());
        Self {
            source,
            folder,
            found,
            max_content: MAX_CONTENT,
            listeners,
            overload,
            contracts: HashMap::new(),
        }
    }

    /// Reports a mistake.
    pub fn error(
        &mut self,
        span: Span,
        check: &'static str,
        message: impl Into<String>,
        help: impl Into<Option<String>>,
    ) {
        self.found.error(self.source, span, check, message, help);
    }

    /// Reads a file that the configuration names; one that cannot be read is reported at `span`.
    pub fn file(&mut self, name: &str, span: Span) -> Option<Arc<Source>> {
        let path = self.folder.join(name);
        match Source::read(&path) {
            Ok(source) => Some(source),
            Err(error) => {
                let message = format!("`{}` cannot be read: {error}", path.display());
                self.error(span, "file", message, "paths are relative to this file".to_owned());
                None
            }
        }
    }

    /// A contract by the name of a built-in, or by a path (with a `/` or `.yaml` in it).
    pub fn contract(&mut self, name: &str, span: Span) -> Option<Arc<Contract>> {
        if let Some(known) = self.contracts.get(name) {
            return known.clone();
        }
        let contract = self.load_contract(name, span);
        self.contracts.insert(name.to_owned(), contract.clone());
        contract
    }

    fn load_contract(&mut self, name: &str, span: Span) -> Option<Arc<Contract>> {
        let is_path = name.contains('/') || name.ends_with(".yaml") || name.ends_with(".yml");
        let source = if is_path {
            self.file(name, span)?
        } else if let Some(source) = builtin::source(name) {
            source
        } else {
            let known: Vec<&str> = builtin::names().collect();
            let help = match demur_source::did_you_mean(name, known.iter().copied()) {
                Some(known) => format!("did you mean `{known}`?"),
                None => {
                    format!("there are {}; a file is named by its path: `./{name}.yaml`", known.join(", "))
                }
            };
            self.error(span, "unknown-contract", format!("there is no built-in contract `{name}`"), help);
            return None;
        };
        match Contract::load(&source) {
            Ok(loaded) => {
                self.found.extend(loaded.warnings);
                Some(Arc::new(loaded.contract))
            }
            Err(mistakes) => {
                self.found.extend(mistakes);
                None
            }
        }
    }
}
