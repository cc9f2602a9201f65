//! `demur reload`: make the running gateway reload its configuration.

use std::path::{Path, PathBuf};

use demur_gateway::{Config, StoreUrl};
use demur_sqlite::{ControlClient, ControlError};
use serde_json::json;

use crate::args::StoreArgs;
use crate::exit::{CommandFailure, Exit};
use crate::output::{Output, counted};
use crate::reload::{ProcessReply, ProcessRequest};
use crate::serving::load_store;

pub(crate) fn run(args: &StoreArgs, output: &Output) -> Result<Exit, CommandFailure> {
    // The file may have a mistake, which the gateway reports: only the store is needed here.
    let store = store_of(&args.config)?;
    let reply = ask(&store, &ProcessRequest::Reload {}).map_err(|error| {
        let help = match &error {
            ControlError::NotRunning => "start it with `demur serve`",
            _ => "see the log of the gateway",
        };
        CommandFailure::unavailable(error.to_string(), help.to_owned())
    })?;
    match reply {
        ProcessReply::Reloaded { file, generation, changes, warnings } => {
            let mut human = format!("reloaded `{}`: generation {generation}", file.display());
            changes.iter().for_each(|change| human.push_str(&format!("\n  {change}")));
            if warnings > 0 {
                human.push_str(&format!("\n{}: see `demur check`", counted(warnings, "warning")));
            }
            let value =
                json!({ "file": file, "generation": generation, "changes": changes, "warnings": warnings });
            output.result(&human, &value);
            Ok(Exit::Ok)
        }
        ProcessReply::Unchanged { file, generation } => {
            let human = format!("`{}` has not changed: generation {generation}", file.display());
            output.result(&human, &json!({ "file": file, "generation": generation, "changes": [] }));
            Ok(Exit::Ok)
        }
        ProcessReply::Rejected { file, reasons } => {
            let message = format!("`{}` was rejected:\n  {}", file.display(), reasons.join("\n  "));
            let help = "the gateway serves with its previous configuration; try `demur check`".to_owned();
            Err(CommandFailure::rejected(message, help))
        }
        ProcessReply::Compared { .. } => {
            Err(CommandFailure::unavailable("unexpected reply from the running gateway", None))
        }
    }
}

/// The store that a configuration names. Where it cannot be loaded, its line is read alone.
fn store_of(file: &Path) -> Result<PathBuf, CommandFailure> {
    let failure = match load_store(file) {
        Ok(Config { store: StoreUrl::Sqlite(path), .. }) => return Ok(path),
        Ok(Config { store: StoreUrl::Postgres(_), .. }) => {
            let help = "send SIGHUP to each gateway, or set `reload.watch`".to_owned();
            return Err(CommandFailure::unavailable(
                "the gateways of a PostgreSQL store have no control socket",
                help,
            ));
        }
        Err(failure) => failure,
    };
    let folder = file.parent().unwrap_or_else(|| Path::new(""));
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("store:"));
    let path = match line {
        None => "demur.db",
        Some(line) => line.trim().trim_matches(['"', '\'']).trim_start_matches("sqlite:"),
    };
    let path = folder.join(path);
    // Only a gateway that runs is of any use.
    if ControlClient::connect(&path).is_ok() { Ok(path) } else { Err(failure) }
}

/// Sends a request to the process that owns a store.
pub(crate) fn ask(store: &Path, request: &ProcessRequest) -> Result<ProcessReply, ControlError> {
    let request = serde_json::to_value(request).map_err(ControlError::Unreadable)?;
    let reply = ControlClient::connect(store)?.request(&request)?;
    serde_json::from_value(reply).map_err(ControlError::Unreadable)
}
