//! `demur demo`: five services, a gateway in front of them, sample accounts and keys, in one process.
//!
//! The demo takes no shortcut: it writes the files of the examples into a folder, with the ports of its services, and then
//! does the same as `demur serve` with that configuration.

mod errors;
mod page;
mod samples;
mod services;
mod workdir;

use demur_config::Inputs;
use serde_json::{Map, json};

use crate::args::DemoArgs;
use crate::exit::{CommandFailure, Exit};
use crate::log;
use crate::output::Output;
use crate::pages;
use crate::serving::{Running, load};
use crate::signals::Ignored;

pub(crate) fn run(args: &DemoArgs, output: &Output) -> Result<Exit, CommandFailure> {
    // First: a signal that ends the process must not leave the folder behind.
    let signals = Ignored::listen()?.and_end()?;
    let services = services::start()?;
    let folder = workdir::prepare(args.folder.as_deref(), args.listen, &services)?;
    let file = folder.path().join("demur.yaml");
    let mut config = load(&file, output)?;
    let prefixes = config.apis.iter().map(|api| {
        let settings = &api.settings;
        (
            settings.name.clone(),
            settings.authentication.prefixes.first().to_owned(),
            settings.mount.path.clone(),
        )
    });
    let apis: Vec<(String, String, String)> = prefixes.collect();

    let is_json = log::is_json(output, &config.access_log);
    log::start(output, &mut config.access_log);
    pages::attach(&mut config, &mut Inputs::default(), output)?;
    let running = Running::start(config, signals)?;
    let keys = samples::create(running.store(), &apis)?;
    let gateway = running.url();
    folder.add(errors::NAME, &errors::script(&gateway, &keys))?;

    let mut listed = Map::new();
    for (name, _, mount) in &apis {
        let of_api = keys.iter().filter(|key| key.api == *name);
        let keys: Map<String, serde_json::Value> =
            of_api.map(|key| (key.label.clone(), json!(key.secret))).collect();
        listed.insert(name.clone(), json!({ "base": format!("{gateway}{mount}"), "keys": keys }));
    }
    let human = page::render(&gateway, &apis, &keys, folder.path());
    let value = json!({ "gateway": gateway, "folder": folder.path(), "errors": folder.path().join(errors::NAME), "apis": listed });
    output.result(&human, &value);
    running.until_interrupted(None, output, is_json);
    Ok(Exit::Ok)
}
