//! `demur serve`: the gateway, until it is interrupted.

use serde_json::json;

use crate::args::ServeArgs;
use crate::exit::{Exit, Failure};
use crate::log;
use crate::output::{Output, counted};
use crate::serving::{Running, load};

pub(crate) fn run(args: &ServeArgs, output: &Output) -> Result<Exit, Failure> {
    let mut config = load(&args.config, output)?;
    if let Some(listen) = args.listen {
        config.listen = listen;
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
    let human = format!("serving {} on {}\n{}", counted(apis.len(), "API"), running.url(), apis.join("\n"));
    output.result(&human, &json!({ "gateway": running.url() }));
    running.until_interrupted(output);
    Ok(Exit::Fine)
}
