//! The commands, one file each.

pub(crate) mod accounts;
pub(crate) mod admin;
pub(crate) mod apply;
pub(crate) mod check;
pub(crate) mod console;
mod detect;
pub(crate) mod docs;
pub(crate) mod explain;
pub(crate) mod generate;
mod import;
pub(crate) mod init;
mod key_addresses;
mod key_prefix;
pub(crate) mod keys;
pub(crate) mod matrix;
pub(crate) mod mock;
pub(crate) mod openapi;
pub(crate) mod reload;
pub(crate) mod schema;
pub(crate) mod serve;
pub(crate) mod tail;
mod upstream_errors;
mod versions;

use std::sync::Arc;

use demur_admission::{Command, CommandFault, Plans, Reply};
use demur_gateway::{Config, StoreUrl};
use demur_source::did_you_mean;
use demur_sqlite::execute_or_open;

use crate::exit::CommandFailure;
use crate::serving::shared_settings;

/// How to fix what the store rejected.
fn help(fault: &CommandFault, config: &Config) -> Option<String> {
    let text = match fault {
        CommandFault::UnknownAccount { .. } => "list accounts with `demur accounts list`",
        CommandFault::UnknownKey { .. } => "list keys with `demur keys list`",
        CommandFault::UnknownPlan { plan } if plan.is_empty() => {
            let known: Vec<&str> = config.plans.iter().map(|plan| plan.name.as_str()).collect();
            return Some(format!("use `--plan PLAN` with one of: {}", known.join(", ")));
        }
        CommandFault::UnknownPlan { plan } => {
            let known = || config.plans.iter().map(|plan| plan.name.as_str());
            return Some(match did_you_mean(plan, known()) {
                Some(known) => format!("did you mean `{known}`?"),
                None if config.plans.is_empty() => {
                    "the configuration has no plans: add it to `plans`, or omit `--plan`".to_owned()
                }
                None => format!("use one of: {}", known().collect::<Vec<_>>().join(", ")),
            });
        }
        CommandFault::AccountExists { .. } => {
            "use another ID; the ID of a deleted account cannot be used again"
        }
        CommandFault::AccountDeleted { .. } => "create another account with `demur accounts create`",
        CommandFault::AccountHasKeys { account, .. } => {
            return Some(format!(
                "to revoke them too, use `--revoke-keys`; to see them, run `demur keys list --account {account}`"
            ));
        }
        CommandFault::AccountInUse { .. } => "try again when they have ended",
        CommandFault::UnknownSecret => {
            "check that it was copied completely, and that the configuration names the database in which the key was created"
        }
        CommandFault::AmountTooLarge | CommandFault::InsufficientCredits { .. } => "use a smaller amount",
        CommandFault::NotCharged { .. } => {
            "only an operation that was charged can be refunded, and only once: see `demur accounts statement`"
        }
        CommandFault::MissingReason => "write `--reason TEXT`; the statement shows it",
        CommandFault::OperationMismatch => "use another key, or the amount of the first call",
        CommandFault::NoRandomness => "try again",
        CommandFault::InvalidPrefix { .. } => "use 1 to 32 letters or digits, with `_` or `-` between them",
        CommandFault::KeyExists { .. }
        | CommandFault::KeyNotActive { .. }
        | CommandFault::InvalidImport { .. }
        | CommandFault::Unreadable { .. }
        | CommandFault::Store { .. } => return None,
    };
    Some(text.to_owned())
}

/// Executes a command through the gateway that owns the store, or directly if none is running or several share it.
fn execute(config: &Config, command: &Command) -> Result<Reply, CommandFailure> {
    match send(config, command) {
        Ok(Reply::Rejected { fault }) => {
            Err(CommandFailure::rejected(fault.to_string(), help(&fault, config)))
        }
        reply => reply,
    }
}

/// The same, but a rejection is returned as the reply that it is.
fn send(config: &Config, command: &Command) -> Result<Reply, CommandFailure> {
    let plans = Arc::new(Plans::new(config.plans.clone()));
    match &config.store {
        StoreUrl::Sqlite(path) => execute_or_open(path, &plans, command)
            .map_err(|error| CommandFailure::unavailable(error.to_string(), None)),
        StoreUrl::Postgres(store) => demur_postgres::execute(shared_settings(store)?, plans, command)
            .map_err(|error| CommandFailure::unavailable(error.to_string(), None)),
    }
}

/// A reply of the wrong type: the running gateway is another version of this program.
fn unexpected(reply: &Reply) -> CommandFailure {
    let kind = match reply {
        Reply::KeyCreated(_) => "a new key",
        Reply::Keys { .. } => "a list of keys",
        Reply::KeyRevoked(_) => "a revoked key",
        Reply::KeyRotated(_) => "a rotated key",
        Reply::KeyChanged(_) => "a changed key",
        Reply::KeysImported { .. } => "imported keys",
        Reply::PepperMade { .. } => "a new pepper",
        Reply::Statement { .. } => "a statement",
        Reply::Verified { .. } => "a verification",
        Reply::BackedUp { .. } => "a backup",
        Reply::Pruned { .. } => "a number of operations",
        Reply::Account(_) => "an account",
        Reply::Accounts { .. } => "a list of accounts",
        Reply::Rejected { .. } => "a rejection",
    };
    CommandFailure::unavailable(
        format!("unexpected reply from the running gateway: {kind}"),
        "check that the gateway and this program have the same version".to_owned(),
    )
}

/// Rejects text that contains an API key: IDs, names and reasons are stored and shown unmasked.
fn plain(text: &str) -> Result<String, CommandFailure> {
    if demur_admission::Secret::is_within(text) {
        let help = "use the ID of the key: see `demur keys list`".to_owned();
        return Err(CommandFailure::usage("an argument contains an API key", help));
    }
    Ok(text.to_owned())
}

/// A label: text on one line, without a secret.
fn label(text: &str) -> Result<String, CommandFailure> {
    let text = plain(text.trim())?;
    if text.is_empty() || text.chars().any(char::is_control) {
        let help = "write some words on one line, such as `--label \"billing service\"`".to_owned();
        return Err(CommandFailure::usage("invalid label", help));
    }
    Ok(text)
}

/// Parses an ID.
fn id<T: std::str::FromStr<Err = demur_admission::InvalidId>>(text: &str) -> Result<T, CommandFailure> {
    plain(text)?;
    let help = "an ID has 1 to 128 visible ASCII characters".to_owned();
    text.parse().map_err(|_| CommandFailure::usage(format!("invalid ID `{text}`"), help))
}
