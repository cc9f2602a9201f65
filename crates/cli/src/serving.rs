//! Loads a configuration, runs its gateway and shuts it down. Shared by `serve` and `demo`.

use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

use demur_admission::{Admission, Clock, Command, Pepper, Plans, Reply, StoreState, Stores};
use demur_config::{InputFiles, Inputs};
use demur_gateway::{
    BindError, Config, Gateway, GatewayHandle, JournalConfig, Listener, PostgresStore, RunningGateway,
    RunningService, StoreProbe, StoreStatus, StoreUrl,
};
use demur_journal::{Journal, JournalSettings, Sink};
use demur_source::{Diagnostics, Source};
use demur_sqlite::{OpenError, Store};
use jiff::Timestamp;

use crate::exit::{CommandFailure, cannot_read, missing_folder};
use crate::output::Output;
use crate::progress::Progress;
use crate::signals::{SignalEvent, Signals};
use crate::systemd;

/// Loads a configuration and every file it refers to.
///
/// Prints the warnings.
pub(crate) fn load(file: &Path, output: &Output) -> Result<Config, CommandFailure> {
    let (config, warnings) = load_quietly(file, output)?;
    if !warnings.is_empty() {
        output.diagnostics(&warnings);
    }
    Ok(config)
}

/// Loads what a command needs that uses the store and no document. Warnings are left to `check` and `serve`.
pub(crate) fn load_store(file: &Path) -> Result<Config, CommandFailure> {
    let source = read(file)?;
    let folder = file.parent().unwrap_or_else(|| Path::new(""));
    let (config, _) =
        demur_config::load_store_only(&source, folder).map_err(CommandFailure::Configuration)?;
    Ok(config)
}

fn read(file: &Path) -> Result<Arc<Source>, CommandFailure> {
    Source::read(file).map_err(|error| {
        let help = "use `--config FILE`, or try `demur demo` first".to_owned();
        CommandFailure::unavailable(cannot_read(file, &error), help)
    })
}

/// Loads a configuration, and returns the warnings for the caller to print.
pub(crate) fn load_quietly(file: &Path, output: &Output) -> Result<(Config, Diagnostics), CommandFailure> {
    let source = read(file)?;
    let folder = file.parent().unwrap_or_else(|| Path::new(""));
    let progress = Progress::spinner(output, "loading the configuration");
    let loaded = demur_config::load_gateway(&source, folder);
    drop(progress);
    loaded.map_err(CommandFailure::Configuration)
}

/// A configuration with its warnings, or every error.
pub(crate) type Loaded = Result<(Config, Diagnostics), CommandFailure>;

/// What a configuration was read from.
#[derive(Debug, Clone, Default)]
pub(crate) struct ReadFiles {
    /// The file itself, as it was when it was read.
    pub(crate) file: InputFiles,
    /// What is compared: the meaning of the file, and the files that it refers to.
    pub(crate) inputs: Inputs,
}

/// The same, with what was read, as far as it could be.
pub(crate) fn load_with_inputs(path: &Path, output: &Output) -> (Loaded, ReadFiles) {
    let mut read_files = ReadFiles::default();
    let source = match read(path) {
        Ok(source) => source,
        Err(failure) => {
            read_files.file.missing(path);
            return (Err(failure), read_files);
        }
    };
    read_files.file.read(path, source.text.as_bytes());
    let file = path;
    let folder = file.parent().unwrap_or_else(|| Path::new(""));
    let progress = Progress::spinner(output, "loading the configuration");
    let (loaded, inputs) = demur_config::load_gateway_with_inputs(&source, folder);
    drop(progress);
    read_files.inputs = inputs;
    (loaded.map_err(CommandFailure::Configuration), read_files)
}

/// A running gateway and the store it owns.
pub(crate) struct Running {
    gateway: RunningGateway,
    store: OpenStore,
    admin: Option<RunningService>,
    signals: Signals,
}

impl Running {
    /// Binds the listeners, opens the store and starts the workers. Leaves nothing behind on failure.
    ///
    /// `signals` are handled before any output: a supervisor may send one as soon as it reads that the gateway is ready.
    pub(crate) fn start(mut config: Config, signals: Signals) -> Result<Self, CommandFailure> {
        let mut inherited = systemd::inherited_sockets()?;
        let bound = Gateway::bind_or_inherit(&config.listeners, config.operations_listener, &mut inherited);
        systemd::reject_unused(&inherited)?;
        let gateway = bound.map_err(not_bound)?;
        let plans = Arc::new(Plans::new(config.plans.clone()));
        let store = open(&config.store, &plans)?;
        config.store_probe = store.probe();
        config.journal_sink = config.journal.as_ref().map(start_journal).transpose()?;
        let admission = Admission::new(store.stores(), store.pepper(), plans, config.cache);
        let gateway = gateway.serve(config, admission, Clock::start()).map_err(|error| {
            CommandFailure::unavailable(format!("cannot start the workers: {error}"), None)
        })?;
        Ok(Self { gateway, store, admin: None, signals })
    }

    /// The listeners with their actual addresses.
    pub(crate) fn listeners(&self) -> &[Listener] {
        self.gateway.listeners()
    }

    /// The URL of the operations listener.
    pub(crate) fn operations(&self) -> Option<String> {
        self.gateway.operations_listener().map(|address| format!("http://{address}"))
    }

    /// Serves the admin API to the end of the shutdown: the store is closed after it.
    pub(crate) fn keep_admin(&mut self, admin: RunningService) {
        self.admin = Some(admin);
    }

    /// The URL of the first listener.
    pub(crate) fn url(&self) -> String {
        let first = self.listeners().first();
        first.map(|first| format!("{}://{}", first.scheme(), first.address)).unwrap_or_default()
    }

    /// The store.
    pub(crate) fn store(&self) -> &OpenStore {
        &self.store
    }

    /// The running gateway, for reloads.
    pub(crate) fn handle(&self) -> &GatewayHandle {
        self.gateway.handle()
    }

    /// Waits for a signal that ends the process, then completes open requests and closes the store. Until then, `reload`
    /// is called on SIGHUP; without it, SIGHUP ends the process too.
    ///
    /// Says so in the log if that is JSON, so that standard error has one form.
    pub(crate) fn until_interrupted(mut self, reload: Option<&dyn Fn()>, output: &Output, is_json: bool) {
        loop {
            match (self.signals.wait(), reload) {
                (SignalEvent::End, _) | (SignalEvent::Reload, None) => break,
                (SignalEvent::ReopenLogs, _) => self.handle().reopen_log(),
                (SignalEvent::Reload, Some(reload)) => {
                    self.handle().reopen_log();
                    reload();
                }
            }
        }
        systemd::notify_stopping();
        let delay = self.gateway.leave();
        if !delay.is_zero() {
            tracing::info!(delay = ?delay, "not ready");
            // Another signal ends the delay.
            self.signals.wait_for_end(delay);
        }
        match is_json {
            true => tracing::info!("shutting down"),
            false => output.note("shutting down: completing open requests"),
        }
        self.gateway.shut_down();
        drop(self.admin.take());
        self.store.close();
        match is_json {
            true => tracing::info!("stopped"),
            false => output.note("stopped"),
        }
    }
}

/// An address that cannot be listened on.
pub(crate) fn not_bound(BindError { address, error }: BindError) -> CommandFailure {
    let help = match error.kind() {
        ErrorKind::AddrNotAvailable => "use an address of this machine, such as `127.0.0.1:8080`",
        ErrorKind::PermissionDenied => "use a port above 1023: `--listen ADDRESS`",
        _ => "use a free address: `--listen ADDRESS`",
    };
    CommandFailure::unavailable(format!("cannot listen on {address}: {error}"), help.to_owned())
}

/// The state of a store, without keeping it open.
fn probe<S: Send + Sync + 'static>(store: &Arc<S>, state: fn(&S) -> StoreState) -> StoreProbe {
    let store = Arc::downgrade(store);
    StoreProbe(Some(Arc::new(move || {
        let count = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        match store.upgrade().map(|store| state(&store)) {
            Some(state) => StoreStatus {
                problem: state.problem,
                commits: count(state.commits),
                failed_commits: count(state.failed_commits),
                operations: count(state.operations),
                waiting: count(state.waiting),
                open_holds: count(state.open_holds),
            },
            None => StoreStatus { problem: Some("it is closed".to_owned()), ..StoreStatus::default() },
        }
    })))
}

/// Opens the journal, and starts to write it.
fn start_journal(config: &JournalConfig) -> Result<Arc<dyn Sink>, CommandFailure> {
    let JournalConfig { path, max_age, max_bytes, .. } = config;
    let settings = JournalSettings { max_age: *max_age, max_bytes: *max_bytes, ..JournalSettings::new(path) };
    let journal = Journal::start(settings).map_err(|error| {
        let help = "name a file of its own under `journal`, or delete this one".to_owned();
        CommandFailure::unavailable(format!("the journal cannot be used: {error}"), help)
    })?;
    Ok(Arc::new(journal))
}

/// An open store.
#[derive(Clone)]
pub(crate) enum OpenStore {
    /// The embedded store, which this process owns.
    Embedded(Arc<Store>),
    /// A store that several gateways share, of which this process is a node.
    Shared(Arc<demur_postgres::Store>),
}

impl OpenStore {
    /// Executes an operator's command.
    pub(crate) fn execute(&self, command: Command, at: Timestamp) -> Reply {
        match self {
            OpenStore::Embedded(store) => store.execute(command, at),
            OpenStore::Shared(store) => store.execute(command, at),
        }
    }

    fn stores(&self) -> Stores {
        match self {
            OpenStore::Embedded(store) => store.stores(),
            OpenStore::Shared(store) => store.stores(),
        }
    }

    fn pepper(&self) -> Pepper {
        match self {
            OpenStore::Embedded(store) => store.pepper(),
            OpenStore::Shared(store) => store.pepper(),
        }
    }

    fn probe(&self) -> StoreProbe {
        match self {
            OpenStore::Embedded(store) => probe(store, Store::status),
            OpenStore::Shared(store) => probe(store, demur_postgres::Store::status),
        }
    }

    fn close(&self) {
        match self {
            OpenStore::Embedded(store) => store.close(),
            OpenStore::Shared(store) => store.close(),
        }
    }
}

/// The settings of a shared store.
pub(crate) fn shared_settings(store: &PostgresStore) -> Result<demur_postgres::Settings, CommandFailure> {
    let settings = demur_postgres::Settings::new(&store.url, &store.pepper, store.authorities.as_deref());
    settings.map_err(|error| CommandFailure::unavailable(error.to_string(), None))
}

/// Opens the store of a configuration.
pub(crate) fn open(store: &StoreUrl, plans: &Arc<Plans>) -> Result<OpenStore, CommandFailure> {
    match store {
        StoreUrl::Sqlite(path) => open_embedded(path, plans).map(OpenStore::Embedded),
        StoreUrl::Postgres(store) => demur_postgres::Store::open(shared_settings(store)?, Arc::clone(plans))
            .map(OpenStore::Shared)
            .map_err(|error| CommandFailure::unavailable(error.to_string(), None)),
    }
}

fn open_embedded(path: &Path, plans: &Arc<Plans>) -> Result<Arc<Store>, CommandFailure> {
    Store::open(path, Arc::clone(plans)).map_err(|error| {
        let (message, help) = match &error {
            OpenError::Locked { .. } => {
                (error.to_string(), Some("stop the other process, or use another `store`".to_owned()))
            }
            OpenError::Io { path, cause } if cause.kind() == ErrorKind::NotFound => {
                match missing_folder(path) {
                    Some(folder) => (
                        format!(
                            "cannot create the database `{}`: folder `{}` does not exist",
                            path.display(),
                            folder.display()
                        ),
                        Some("create the folder, or change `store` in the configuration".to_owned()),
                    ),
                    None => (error.to_string(), None),
                }
            }
            _ => (error.to_string(), None),
        };
        CommandFailure::unavailable(message, help)
    })
}
