//! Reloads the configuration of a running gateway: on SIGHUP, for `demur reload` and the admin API, and when its files change.
//!
//! A configuration is loaded and checked as at start, against the store too. If anything is wrong with it, or if it changes
//! what takes effect at a restart only, it is rejected, and the gateway serves as before.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use demur_admin::{ApiInfo, Configuration, RejectedReload};
use demur_admission::Plan;
use demur_config::Inputs;
use demur_gateway::{ApiConfig, Config, GatewayHandle, LogFormat, ReloadError, ReloadSettings};
use demur_source::{Severity, Source};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::args::{Listen, ServeArgs};
use crate::exit::CommandFailure;
use crate::listeners::override_listeners;
use crate::output::Output;
use crate::serving::{Loaded, OpenStore, ReadFiles, load_with_inputs};
use crate::watch::{Watch, WatchedFiles};
use crate::{effective, log, pages, preflight};

/// The most changes and reasons in one log event.
const MOST_LOGGED: usize = 50;

/// What a reload was asked for by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trigger {
    /// SIGHUP.
    Signal,
    /// `demur reload`.
    Command,
    /// A file has changed.
    Watch,
    /// The admin API.
    Admin,
}

/// What is served, as far as the admin API shows it or depends on it.
#[derive(Debug, Clone)]
pub(crate) struct Served {
    pub(crate) plans: Vec<Plan>,
    /// By their names.
    pub(crate) apis: BTreeMap<String, ApiInfo>,
    loaded_at: Timestamp,
    inputs: Inputs,
    last_rejected: Option<RejectedReload>,
}

impl Served {
    /// What a configuration says. What it was read from is added when it is served.
    pub(crate) fn of(config: &Config) -> Self {
        let api = |api: &ApiConfig| {
            let (settings, prefixes) = (&api.settings, &api.settings.authentication.prefixes);
            let of_environments = prefixes.environments().filter_map(|environment| {
                let prefix = prefixes.of(Some(environment))?;
                Some((Some(environment.to_owned()), prefix.to_owned()))
            });
            let mut of_environments: Vec<_> = of_environments.collect();
            if of_environments.is_empty() {
                of_environments.push((None, prefixes.first().to_owned()));
            }
            let operations = settings.document.operations().iter().map(|known| known.id().to_owned());
            let info = ApiInfo { prefixes: of_environments, operations: operations.collect() };
            (settings.name.clone(), info)
        };
        Self {
            plans: config.plans.clone(),
            apis: config.apis.iter().map(api).collect(),
            loaded_at: Timestamp::now(),
            inputs: Inputs::default(),
            last_rejected: None,
        }
    }
}

/// A request on the control socket.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "process", rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum ProcessRequest {
    /// Reload the configuration.
    Reload {},
    /// Compare this file with what is served.
    Compare {
        /// An absolute path.
        file: PathBuf,
    },
}

/// The reply to either.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "result", rename_all = "snake_case")]
pub(crate) enum ProcessReply {
    /// Requests are served with the new configuration.
    Reloaded { file: PathBuf, generation: u64, changes: Vec<String>, warnings: usize },
    /// The configuration is the one that is served.
    Unchanged { file: PathBuf, generation: u64 },
    /// Nothing has changed, for these reasons.
    Rejected { file: PathBuf, reasons: Vec<String> },
    /// What a reload of that file would do.
    Compared { generation: u64, changes: Vec<String>, needs_restart: Vec<String> },
}

/// Reloads the configuration of one gateway.
pub(crate) struct Reloader {
    file: PathBuf,
    listen: Vec<Listen>,
    allow_lockout: bool,
    /// That of the log, which the terminal decided at start.
    format: Option<LogFormat>,
    handle: GatewayHandle,
    output: Output,
    watch: Watch,
    /// What is served was read from this. Locked for the whole of a reload.
    inputs: Mutex<Inputs>,
    /// The same with more. Locked for moments only.
    served: Mutex<Served>,
}

impl Reloader {
    pub(crate) fn new(
        args: &ServeArgs,
        format: Option<LogFormat>,
        handle: GatewayHandle,
        read: ReadFiles,
        (served, settings): (Served, ReloadSettings),
        output: &Output,
    ) -> Arc<Self> {
        let file = std::path::absolute(&args.config).unwrap_or_else(|_| args.config.clone());
        let watch = Watch::default();
        watch.set(WatchedFiles::new(&read, settings));
        Arc::new(Self {
            file,
            listen: args.listen.clone(),
            allow_lockout: args.allow_lockout,
            format,
            handle,
            output: output.quieted(),
            watch,
            served: Mutex::new(Served { inputs: read.inputs.clone(), ..served }),
            inputs: Mutex::new(read.inputs),
        })
    }

    /// What is served.
    pub(crate) fn served(&self) -> Served {
        self.lock_served().clone()
    }

    fn lock_served(&self) -> MutexGuard<'_, Served> {
        self.served.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is served, for operators.
    pub(crate) fn configuration(&self) -> Result<Configuration, String> {
        let Served { loaded_at, inputs, last_rejected, .. } = self.served();
        let effective = effective::of(&inputs.tree).map_err(|failure| failure.to_string())?;
        Ok(Configuration {
            file: self.file.clone(),
            generation: self.handle.generation(),
            loaded_at,
            digest: inputs.files.digest_with(&effective.to_string()),
            effective,
            last_rejected,
        })
    }

    /// Reloads the configuration, and logs what has changed, or why it was rejected.
    pub(crate) fn reload(&self, trigger: Trigger) -> ProcessReply {
        let mut served = self.inputs.lock().unwrap_or_else(PoisonError::into_inner);
        let (loaded, read) = self.load(&self.file);
        let settings = loaded.as_ref().ok().map(|(config, _)| config.reload);
        // Also after a mistake: the file in which it was corrected is a new reason to reload.
        self.watch.files_read(&read, settings);
        let inputs = read.inputs;
        let file = self.file.clone();
        let (trigger, shown) = (trigger.name(), self.file.display());
        let result = loaded.and_then(|(config, warnings)| {
            let changes = demur_config::changes(&served, &inputs);
            if changes.is_empty() {
                return Ok((None, changes, warnings));
            }
            let now_served = Served { inputs: inputs.clone(), ..Served::of(&config) };
            let generation = self.apply(config)?;
            let mut state = self.lock_served();
            *state = Served { last_rejected: state.last_rejected.take(), ..now_served };
            Ok((Some(generation), changes, warnings))
        });
        match result {
            Ok((None, ..)) => {
                let generation = self.handle.generation();
                tracing::info!(trigger, file = %shown, generation, "config unchanged");
                ProcessReply::Unchanged { file, generation }
            }
            Ok((Some(generation), changes, warnings)) => {
                *served = inputs;
                let list = joined(&changes);
                tracing::info!(trigger, file = %shown, generation, changes = %list, "config reloaded");
                log::warnings(&warnings);
                ProcessReply::Reloaded { file, generation, changes, warnings: warnings.len() }
            }
            Err(failure) => {
                self.handle.count_rejected();
                let reasons = reasons(&failure);
                let rejected = RejectedReload { at: Timestamp::now(), reasons: reasons.clone() };
                self.lock_served().last_rejected = Some(rejected);
                let reason = joined(&reasons);
                tracing::error!(trigger, file = %shown, %reason, "config reload rejected");
                ProcessReply::Rejected { file, reasons }
            }
        }
    }

    /// SIGHUP has come.
    pub(crate) fn on_signal(&self) {
        self.reload(Trigger::Signal);
    }

    fn apply(&self, config: Config) -> Result<u64, CommandFailure> {
        self.handle.reload(config).map_err(|error| {
            let help = match &error {
                ReloadError::NeedsRestart(_) => Some("undo the change, or restart the gateway".to_owned()),
                ReloadError::Pages(_) => None,
            };
            CommandFailure::unavailable(error.to_string(), help)
        })
    }

    /// Loads a file as at start, and checks it as at start.
    fn load(&self, file: &Path) -> (Loaded, ReadFiles) {
        let (loaded, mut read) = load_with_inputs(file, &self.output);
        let checked = loaded.and_then(|(mut config, mut warnings)| {
            override_listeners(&mut config, &self.listen)?;
            config.access_log.format = config.access_log.format.or(self.format);
            let needs_restart = self.handle.needs_restart(&config);
            if !needs_restart.is_empty() {
                // Before the store, which may be another one.
                return Err(CommandFailure::unavailable(
                    ReloadError::NeedsRestart(needs_restart).to_string(),
                    "undo the change, or restart the gateway".to_owned(),
                ));
            }
            let source = Source::read(file)
                .map_err(|error| CommandFailure::unavailable(crate::exit::cannot_read(file, &error), None))?;
            let found = preflight::diagnostics(&source, &config, self.allow_lockout);
            if found.has_errors() {
                return Err(CommandFailure::Configuration(found));
            }
            warnings.extend(found);
            pages::attach(&mut config, &mut read.inputs, &self.output)?;
            Ok((config, warnings))
        });
        (checked, read)
    }

    /// What a reload of this file would do.
    fn compare(&self, file: &Path) -> ProcessReply {
        let served = self.inputs.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let (loaded, ReadFiles { mut inputs, .. }) = load_with_inputs(file, &self.output);
        let compared = loaded.and_then(|(mut config, _)| {
            override_listeners(&mut config, &self.listen)?;
            config.access_log.format = config.access_log.format.or(self.format);
            pages::attach(&mut config, &mut inputs, &self.output)?;
            Ok(self.handle.needs_restart(&config))
        });
        match compared {
            Ok(needs_restart) => ProcessReply::Compared {
                generation: self.handle.generation(),
                changes: demur_config::changes(&served, &inputs),
                needs_restart: needs_restart.into_iter().map(str::to_owned).collect(),
            },
            Err(failure) => ProcessReply::Rejected { file: file.to_owned(), reasons: reasons(&failure) },
        }
    }
}

/// Reloads on requests of the control socket, and when files change.
pub(crate) fn listen(reloader: &Arc<Reloader>, store: &OpenStore) {
    let weak = Arc::downgrade(reloader);
    reloader.watch.start(move || {
        let Some(reloader) = weak.upgrade() else { return false };
        reloader.reload(Trigger::Watch);
        true
    });
    // A shared store has no socket of one gateway: each reloads on SIGHUP, and when its files change.
    let OpenStore::Embedded(store) = store else { return };
    let weak = Arc::downgrade(reloader);
    store.handle_process_requests(move |request| {
        let rejected =
            |reason: String| ProcessReply::Rejected { file: PathBuf::new(), reasons: vec![reason] };
        let reply = match (serde_json::from_value(request), weak.upgrade()) {
            (_, None) => rejected("the gateway shuts down".to_owned()),
            (Err(error), _) => rejected(format!("unknown request: {error}")),
            (Ok(ProcessRequest::Reload {}), Some(reloader)) => reloader.reload(Trigger::Command),
            (Ok(ProcessRequest::Compare { file }), Some(reloader)) => reloader.compare(&file),
        };
        serde_json::to_value(reply).unwrap_or_default()
    });
}

impl Trigger {
    fn name(self) -> &'static str {
        match self {
            Trigger::Signal => "signal",
            Trigger::Command => "command",
            Trigger::Watch => "watch",
            Trigger::Admin => "admin",
        }
    }
}

/// Every error, one line each.
fn reasons(failure: &CommandFailure) -> Vec<String> {
    match failure {
        CommandFailure::Configuration(found) => {
            let errors = found.iter().filter(|found| found.severity == Severity::Error);
            errors.map(ToString::to_string).collect()
        }
        CommandFailure::Usage { message, help }
        | CommandFailure::Unavailable { message, help }
        | CommandFailure::Rejected { message, help } => {
            vec![help.as_ref().map_or_else(|| message.clone(), |help| format!("{message} (help: {help})"))]
        }
    }
}

fn joined(lines: &[String]) -> String {
    let mut text = lines.iter().take(MOST_LOGGED).cloned().collect::<Vec<_>>().join("; ");
    if let Some(more) = lines.len().checked_sub(MOST_LOGGED).filter(|more| *more > 0) {
        text.push_str(&format!("; and {more} more"));
    }
    text
}
