//! `demur serve`: the gateway, until it is interrupted.

use std::collections::BTreeMap;

use demur_gateway::Listener;
use demur_source::did_you_mean;
use serde_json::json;

use crate::args::{Listen, ServeArgs};
use crate::exit::{Exit, Failure};
use crate::log;
use crate::output::{Output, counted};
use crate::serving::{Running, load};

pub(crate) fn run(args: &ServeArgs, output: &Output) -> Result<Exit, Failure> {
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
    let running = Running::start(config)?;
    let (places, listeners) = places(running.listeners());
    let human =
        format!("serving {} on {}\n{}", counted(apis.len(), "API"), places.join(", "), apis.join("\n"));
    output.result(&human, &json!({ "gateway": running.url(), "listeners": listeners }));
    running.until_interrupted(output);
    Ok(Exit::Fine)
}

/// Has a listener listen elsewhere than the file says.
fn listen_at(listeners: &mut [Listener], wanted: &Listen) -> Result<(), Failure> {
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
    Err(Failure::usage(message, help))
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
