//! `demur keys`: make, list, revoke.

use std::collections::BTreeSet;

use comfy_table::{Table, presets};
use demur_admission::{Command, Coverage, Grants, KeyState, KeySummary, Reply};
use demur_gateway::Config;
use jiff::Timestamp;

use super::{execute, id, unexpected};
use crate::args::{CreateKeyArgs, KeysVerb};
use crate::exit::{Exit, Failure};
use crate::output::Output;
use crate::serving::load;

pub(crate) fn run(verb: &KeysVerb, output: &Output) -> Result<Exit, Failure> {
    match verb {
        KeysVerb::Create(args) => create(args, output),
        KeysVerb::List { store, account } => {
            let config = load(&store.config, output)?;
            let account = account.as_deref().map(id).transpose()?;
            match execute(&config, &Command::ListKeys { account })? {
                Reply::Keys { keys } => {
                    output.result(&table(&keys), &keys);
                    Ok(Exit::Fine)
                }
                other => Err(unexpected(&other)),
            }
        }
        KeysVerb::Revoke { store, key } => {
            let config = load(&store.config, output)?;
            match execute(&config, &Command::RevokeKey { key: id(key)? })? {
                Reply::KeyRevoked(key) => {
                    output.result(&format!("revoked {}: no request can use it any more", key.key.id), &key);
                    Ok(Exit::Fine)
                }
                other => Err(unexpected(&other)),
            }
        }
    }
}

fn create(args: &CreateKeyArgs, output: &Output) -> Result<Exit, Failure> {
    let config = load(&args.store.config, output)?;
    let prefix = prefix(&config, &args.api)?;
    if args.expires.is_some_and(|expires| expires <= Timestamp::now()) {
        output.say("note: this key has expired already");
    }
    check_operations(&config, args)?;
    let command = Command::CreateKey {
        api: args.api.clone(),
        prefix,
        account: id(&args.account)?,
        expires: args.expires,
        grants: Grants {
            operations: covered(&args.operations),
            resources: covered(&args.resources),
            scopes: args.scopes.iter().cloned().collect(),
        },
    };
    match execute(&config, &command)? {
        Reply::KeyCreated(issued) => {
            let human = format!(
                "{}\n\nThe key is shown this once. `demur keys revoke -c {} {}` takes it back.",
                issued.secret.expose(),
                args.store.config.display(),
                issued.key.key.id
            );
            output.result(&human, &issued);
            Ok(Exit::Fine)
        }
        other => Err(unexpected(&other)),
    }
}

/// An operation that the API does not have could never be called.
fn check_operations(config: &Config, args: &CreateKeyArgs) -> Result<(), Failure> {
    let Some(api) = config.apis.iter().find(|api| api.settings.name == args.api) else { return Ok(()) };
    let document = &api.settings.document;
    let unknown = args.operations.iter().find(|operation| document.operation(operation).is_none());
    let Some(unknown) = unknown else { return Ok(()) };
    let help = document.similar_operation(unknown).map(|known| format!("did you mean `{known}`?"));
    Err(Failure::usage(format!("`{}` has no operation `{unknown}`", args.api), help))
}

/// The prefix of an API's keys.
pub(crate) fn prefix(config: &Config, api: &str) -> Result<String, Failure> {
    let names = || config.apis.iter().map(|api| api.settings.name.as_str());
    match config.apis.iter().find(|known| known.settings.name == api) {
        Some(known) => Ok(known.settings.authentication.prefix.clone()),
        None => {
            let help = match demur_source::did_you_mean(api, names()) {
                Some(known) => format!("did you mean `{known}`?"),
                None => format!("it has: {}", names().collect::<Vec<_>>().join(", ")),
            };
            Err(Failure::usage(format!("the configuration has no API `{api}`"), help))
        }
    }
}

/// Nothing listed covers everything.
pub(crate) fn covered(names: &[String]) -> Coverage {
    if names.is_empty() {
        Coverage::All
    } else {
        Coverage::Only(names.iter().cloned().collect::<BTreeSet<_>>())
    }
}

fn table(keys: &[KeySummary]) -> String {
    if keys.is_empty() {
        return "no keys; `demur keys create` makes one".to_owned();
    }
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_header(["ID", "API", "ACCOUNT", "STATE", "CREATED", "EXPIRES"]);
    for KeySummary { key, state } in keys {
        let state = match state {
            KeyState::Active => "active",
            KeyState::Revoked => "revoked",
            KeyState::Expired => "expired",
        };
        let expires = key.expires.map_or_else(|| "-".to_owned(), |expires| expires.to_string());
        table.add_row([
            key.id.as_str(),
            &key.api,
            key.account.as_str(),
            state,
            &format!("{:.0}", key.created),
            &expires,
        ]);
    }
    table.trim_fmt()
}
