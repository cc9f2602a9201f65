//! `demur serve`: the gateway, until it is interrupted.

use std::collections::BTreeMap;

use demur_gateway::{Config, Listener};
use demur_source::{Source, did_you_mean};
use serde_json::json;

use crate::args::{Listen, ServeArgs};
use crate::exit::{CommandFailure, Exit};
use crate::log;
use crate::output::{Output, counted};
use crate::serving::{Running, load};
use crate::standing;

pub(crate) fn run(args: &ServeArgs, output: &Output) -> Result<Exit, CommandFailure> {
    let mut config = load(&args.config, output)?;
    for wanted in &args.listen {
        listen_at(&mut config.listeners, wanted)?;
    }
    let apis: Vec<String> = config
        .apis
        .iter()
        .map(|api| {
            let mount = &api.settings.mount;
            let host = mount.host.as_ref().map(|host| format!(", for the host {host}")).unwrap_or_default();
            let (name, contract) = (&api.settings.name, api.settings.contract.name());
            format!("  {name}  at {}/{host}, in the contract {contract}", mount.path)
        })
        .collect();
    log::start(output, &mut config.access_log);
    refuse_lockouts(&config, args)?;
    let running = Running::start(config)?;
    let (places, listeners) = places(running.listeners());
    let human =
        format!("serving {} on {}\n{}", counted(apis.len(), "API"), places.join(", "), apis.join("\n"));
    output.result(&human, &json!({ "gateway": running.url(), "listeners": listeners }));
    running.until_interrupted(output);
    Ok(Exit::Ok)
}

/// Nothing is served that locks out accounts or keys of the store unless that is meant. What is served all the same is
/// logged.
fn refuse_lockouts(config: &Config, args: &ServeArgs) -> Result<(), CommandFailure> {
    // First of all: SQLite mends the modes of some files as soon as the database is opened by anybody.
    let exposures = standing::exposures(config);
    if let Ok((of_store, _)) = &exposures
        && let Some(exposed) = of_store.first()
    {
        return Err(CommandFailure::unavailable(exposed.to_string(), None));
    }
    // Trouble with the store itself is told when it is opened.
    let lockouts = standing::lockouts(config).unwrap_or_default();
    if lockouts.iter().any(|lockout| lockout.reason.is_severe()) && !args.allow_lockout {
        let source = Source::read(&args.config).map_err(|error| {
            CommandFailure::unavailable(format!("{}: {error}", args.config.display()), None)
        })?;
        return Err(CommandFailure::Configuration(standing::diagnostics(&source, config, false)));
    }
    for lockout in &lockouts {
        let (keys, accounts) = (lockout.keys.count, lockout.accounts.count);
        tracing::warn!(keys, accounts, who = %standing::described(lockout), "keys locked out by the configuration");
    }
    if let Ok((_, Some(exposed))) = exposures {
        tracing::warn!(file = %exposed, "access log can be used by others");
    }
    Ok(())
}

/// Has a listener listen elsewhere than the file says.
fn listen_at(listeners: &mut [Listener], wanted: &Listen) -> Result<(), CommandFailure> {
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
        Some(name) => format!("no listener is called `{name}`"),
        None => "the file has several listeners, and `--listen` does not say which".to_owned(),
    };
    let known: Vec<&str> = listeners.iter().filter_map(|listener| listener.name.as_deref()).collect();
    let help = match wanted.name.as_deref().and_then(|name| did_you_mean(name, known.iter().copied())) {
        Some(known) => format!("did you mean `{known}`?"),
        None if known.is_empty() => "the file's one listener has no name: write the address alone".to_owned(),
        None => format!("write `--listen NAME=ADDRESS`, of: {}", known.join(", ")),
    };
    Err(CommandFailure::usage(message, help))
}

/// Where it listens, for people and for programs.
fn places(listeners: &[Listener]) -> (Vec<String>, BTreeMap<&str, String>) {
    let url = |listener: &Listener| format!("http://{}", listener.address);
    let place = |listener: &Listener| match &listener.name {
        Some(name) => format!("{} ({name})", url(listener)),
        None => url(listener),
    };
    let named = listeners.iter().filter_map(|listener| Some((listener.name.as_deref()?, url(listener))));
    (listeners.iter().map(place).collect(), named.collect())
}
