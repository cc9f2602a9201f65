//! `demur serve`: run the gateway until it is interrupted.

use std::collections::BTreeMap;

use demur_admission::Lockout;
use demur_gateway::{Config, Listener};
use demur_source::Source;
use demur_sqlite::InsecureFile;
use serde_json::json;

use crate::admin::PreparedAdmin;
use crate::args::ServeArgs;
use crate::exit::{CommandFailure, Exit, cannot_read};
use crate::listeners::override_listeners;
use crate::log;
use crate::output::{Output, counted};
use crate::pages;
use crate::preflight;
use crate::reload::{self, Reloader, Served};
use crate::serving::{Running, load_with_inputs};
use crate::signals::Ignored;
use crate::systemd;

pub(crate) fn run(args: &ServeArgs, output: &Output) -> Result<Exit, CommandFailure> {
    let signals = Ignored::listen()?;
    let (loaded, mut read) = load_with_inputs(&args.config, output);
    let (mut config, mut warnings) = loaded?;
    override_listeners(&mut config, &args.listen)?;
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
    pages::attach(&mut config, &mut read.inputs, output)?;
    let (reload, format) = (config.reload, config.access_log.format);
    let served = Served::of(&config);
    let admin = config.admin.as_ref().map(PreparedAdmin::new).transpose()?;
    let journal = config.journal.as_ref().map(|journal| journal.path.clone());
    let mut running = match Running::start(config, signals.and_end()?) {
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
    // Before the gateway reports that it is ready: from then on, files may change.
    let reloader = Reloader::new(args, format, running.handle().clone(), read, (served, reload), output);
    reload::listen(&reloader, running.store());
    let (addresses, listeners) = addresses(running.listeners());
    let mut human =
        format!("serving {} on {}\n{}", counted(apis.len(), "API"), addresses.join(", "), apis.join("\n"));
    let mut value = json!({ "gateway": running.url(), "listeners": listeners });
    if let Some(operations) = running.operations() {
        human.push_str(&format!("\nhealth and metrics: {operations}"));
        value["operations"] = operations.into();
    }
    if let Some(admin) = admin {
        let admin = admin.serve(journal, running.store(), &reloader)?;
        human.push_str(&format!("\nadmin API: {}", admin.url));
        value["admin"] = admin.url.into();
        if let Some(file) = admin.token_file {
            human.push_str(&format!("\nfirst token of the admin API: `{}`", file.display()));
            value["admin_token_file"] = json!(file);
        }
        running.keep_admin(admin.service);
    }
    output.result(&human, &value);
    systemd::notify_ready();
    running.until_interrupted(Some(&|| reloader.on_signal()), output, is_json);
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
