//! From a configuration file to a gateway that serves, and to its end. `serve` and `demo` share it.

use std::path::Path;
use std::sync::Arc;

use demur_admission::{Admission, Clock, Plans};
use demur_gateway::{BindError, Config, Gateway, Listener, RunningGateway, StoreUrl};
use demur_source::Source;
use demur_sqlite::{OpenError, Store};

use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::exit::CommandFailure;
use crate::output::Output;

/// Reads a configuration file and everything that it names.
pub(crate) fn load(file: &Path, output: &Output) -> Result<Config, CommandFailure> {
    let source = Source::read(file).map_err(|error| {
        let help = "name another with `--config FILE`, or look at `demur demo` first".to_owned();
        CommandFailure::unavailable(format!("{}: {error}", file.display()), help)
    })?;
    let folder = file.parent().unwrap_or_else(|| Path::new(""));
    match demur_config::load_gateway(&source, folder) {
        Ok((config, warnings)) => {
            if !warnings.is_empty() {
                output.diagnostics(&warnings);
            }
            Ok(config)
        }
        Err(found) => Err(CommandFailure::Configuration(found)),
    }
}

/// A gateway with the store that it owns.
pub(crate) struct Running {
    serving: RunningGateway,
    store: Arc<Store>,
    signals: Signals,
}

impl Running {
    /// Binds, opens the store, serves. Nothing is left behind where one of them fails.
    pub(crate) fn start(config: Config) -> Result<Self, CommandFailure> {
        // Before anything is told to anyone: whoever reads that it serves may end it at once.
        let signals = Signals::listen().map_err(|error| {
            CommandFailure::unavailable(format!("cannot listen for signals: {error}"), None)
        })?;
        let gateway = Gateway::bind(&config.listeners).map_err(|BindError { address, error }| {
            let help = "stop what listens there, or choose another address with `--listen`".to_owned();
            CommandFailure::unavailable(format!("cannot listen on {address}: {error}"), help)
        })?;
        let plans = Arc::new(Plans::new(config.plans.clone()));
        let store = open(&config.store, &plans)?;
        let admission = Admission::new(store.stores(), store.pepper(), plans, config.cache);
        let serving = gateway.serve(config, admission, Clock::start()).map_err(|error| {
            CommandFailure::unavailable(format!("the workers cannot be started: {error}"), None)
        })?;
        Ok(Self { serving, store, signals })
    }

    /// Where it listens.
    pub(crate) fn listeners(&self) -> &[Listener] {
        self.serving.listeners()
    }

    /// Where it listens first.
    pub(crate) fn url(&self) -> String {
        self.listeners().first().map(|first| format!("http://{}", first.address)).unwrap_or_default()
    }

    /// The store.
    pub(crate) fn store(&self) -> &Arc<Store> {
        &self.store
    }

    /// Waits for Ctrl-C or SIGTERM, then lets requests under way be answered and closes the store.
    pub(crate) fn until_interrupted(self, output: &Output) {
        self.signals.wait();
        output.say("ending: no new connections, requests under way are answered");
        self.serving.shut_down();
        self.store.close();
        output.say("ended");
    }
}

/// Opens the store of a configuration.
pub(crate) fn open(store: &StoreUrl, plans: &Arc<Plans>) -> Result<Arc<Store>, CommandFailure> {
    let StoreUrl::Sqlite(path) = store;
    Store::open(path, Arc::clone(plans)).map_err(|error| {
        let help = match &error {
            OpenError::Locked { .. } => {
                Some("stop the other one, or give this one another `store:`".to_owned())
            }
            _ => None,
        };
        CommandFailure::unavailable(error.to_string(), help)
    })
}

/// A file has reached the size that `ulimit -f` allows: as POSIX systems number it.
const SIGXFSZ: i32 = 25;

/// SIGINT and SIGTERM, noticed from the moment that this exists. And SIGXFSZ, so that it ends nobody: a store that
/// cannot grow is trouble to be told, as a full disk is.
struct Signals {
    runtime: Runtime,
    interrupt: Signal,
    terminate: Signal,
    _too_large: Signal,
}

impl Signals {
    fn listen() -> std::io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (interrupt, terminate, _too_large) = {
            let _inside = runtime.enter();
            let too_large = SignalKind::from_raw(SIGXFSZ);
            (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?, signal(too_large)?)
        };
        Ok(Self { runtime, interrupt, terminate, _too_large })
    }

    fn wait(mut self) {
        self.runtime.block_on(async {
            tokio::select! {
                _ = self.interrupt.recv() => {}
                _ = self.terminate.recv() => {}
            }
        });
    }
}
