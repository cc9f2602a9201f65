//! `demur serve`: run the gateway until it is interrupted.

use std::collections::BTreeMap;

use demur_admission::Lockout;
use demur_gateway::{Config, Listener};
use demur_source::{Source, did_you_mean};
use demur_sqlite::InsecureFile;
use serde_json::json;

use crate::args::{Listen, ServeArgs};
use crate::exit::{CommandFailure, Exit, cannot_read};
use crate::log;
use crate::output::{Output, counted};
use crate::pages;
use crate::preflight;
use crate::serving::{Running, load_quietly};
use crate::signals::Ignored;

pub(crate) fn run(args: &ServeArgs, output: &Output) -> Result<Exit, CommandFailure> {
    let signals = Ignored::listen()?;
    let (mut config, mut warnings) = load_quietly(&args.config, output)?;
    for wanted in &args.listen {
        override_listener(&mut config.listeners, wanted)?;
    }
    let apis: Vec<String> = config
        .apis
        .iter()
        .map(|api| {
            let mount = &api.settings.mount;
            let host = mount.host.clone().unwrap_or_default();
            let (name, contract) = (&api.settings.name, api.settings.contract.name());
            format!("  {name}  path `{host}{}/`, contract `{contract}`", mount.path)
        })
        .collect();
    let checked = reject_lockouts(&config, args);
    // One list and one total.
    if let Err(CommandFailure::Configuration(found)) = checked {
        warnings.extend(found);
        return Err(CommandFailure::Configuration(warnings));
    }
    // Standard error has one form: text, or JSON once the log is JSON.
    let is_json = log::is_json(output, &config.access_log);
    if !is_json && !warnings.is_empty() {
        output.diagnostics(&warnings);
    }
    log::start(output, &mut config.access_log);
    log_lockouts(&checked?);
    pages::attach(&mut config, output)?;
    let running = match Running::start(config, signals.and_end()?) {
        Ok(running) => running,
        Err(failure) => {
            if is_json && !warnings.is_empty() {
                output.diagnostics(&warnings);
            }
            return Err(failure);
        }
    };
    if is_json {
        log::warnings(&warnings);
    }
    let (addresses, listeners) = addresses(running.listeners());
    let human =
        format!("serving {} on {}\n{}", counted(apis.len(), "API"), addresses.join(", "), apis.join("\n"));
    output.result(&human, &json!({ "gateway": running.url(), "listeners": listeners }));
    running.until_interrupted(output, is_json);
    Ok(Exit::Ok)
}

/// What is served anyway: lockouts, and an access log that other users can read.
struct Tolerated {
    lockouts: Vec<Lockout>,
    exposed_log: Option<InsecureFile>,
}

/// Rejects a configuration that locks out accounts or keys of the store, unless `--allow-lockout` is set.
fn reject_lockouts(config: &Config, args: &ServeArgs) -> Result<Tolerated, CommandFailure> {
    // Must come first: SQLite changes the mode of some files as soon as the database is opened.
    let exposures = preflight::exposures(config);
    if let Ok((of_store, _)) = &exposures
        && let Some(exposed) = of_store.first()
    {
        return Err(CommandFailure::unavailable(exposed.to_string(), None));
    }
    // Errors of the store itself are reported when it is opened.
    let lockouts = preflight::lockouts(config).unwrap_or_default();
    if lockouts.iter().any(|lockout| lockout.reason.is_severe()) && !args.allow_lockout {
        let source = Source::read(&args.config)
            .map_err(|error| CommandFailure::unavailable(cannot_read(&args.config, &error), None))?;
        return Err(CommandFailure::Configuration(preflight::diagnostics(&source, config, false)));
    }
    Ok(Tolerated { lockouts, exposed_log: exposures.ok().and_then(|(_, log)| log) })
}

fn log_lockouts(tolerated: &Tolerated) {
    for lockout in &tolerated.lockouts {
        let (keys, accounts) = (lockout.keys.count, lockout.accounts.count);
        tracing::warn!(keys, accounts, reason = %preflight::describe(lockout), "keys locked out");
    }
    if let Some(exposed) = &tolerated.exposed_log {
        tracing::warn!(path = %exposed, "access log permissions too open");
    }
}

/// Replaces the address of a listener with that of `--listen`.
fn override_listener(listeners: &mut [Listener], wanted: &Listen) -> Result<(), CommandFailure> {
    let index = match (&wanted.name, listeners.len()) {
        (None, 1) => Some(0),
        (None, _) => None,
        (Some(name), _) => listeners.iter().position(|listener| listener.name.as_deref() == Some(name)),
    };
    if let Some(listener) = index.and_then(|index| listeners.get_mut(index)) {
        listener.address = wanted.address;
        return Ok(());
    }
    let message = match &wanted.name {
        Some(name) => format!("unknown listener `{name}`"),
        None => "`--listen` must name one of several listeners".to_owned(),
    };
    let known: Vec<&str> = listeners.iter().filter_map(|listener| listener.name.as_deref()).collect();
    let help = match wanted.name.as_deref().and_then(|name| did_you_mean(name, known.iter().copied())) {
        Some(known) => format!("did you mean `{known}`?"),
        None if known.is_empty() => "the only listener has no name: use `--listen ADDRESS`".to_owned(),
        None => format!("use `--listen NAME=ADDRESS` with one of: {}", known.join(", ")),
    };
    Err(CommandFailure::usage(message, help))
}

/// The addresses of the listeners, for people and for programs.
fn addresses(listeners: &[Listener]) -> (Vec<String>, BTreeMap<&str, String>) {
    let url = |listener: &Listener| format!("{}://{}", listener.scheme(), listener.address);
    let labeled = |listener: &Listener| match &listener.name {
        Some(name) => format!("{} ({name})", url(listener)),
        None => url(listener),
    };
    let named = listeners.iter().filter_map(|listener| Some((listener.name.as_deref()?, url(listener))));
    (listeners.iter().map(labeled).collect(), named.collect())
}
