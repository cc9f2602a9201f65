//! The commands, one file each.

pub(crate) mod accounts;
pub(crate) mod check;
mod detect;
pub(crate) mod generate;
mod import;
pub(crate) mod init;
pub(crate) mod keys;
pub(crate) mod schema;
pub(crate) mod serve;
mod upstream_errors;
mod versions;

use std::sync::Arc;

use demur_admission::{Command, Plans, Reply};
use demur_gateway::{Config, StoreUrl};
use demur_sqlite::execute_or_open;

use crate::exit::CommandFailure;

/// Executes a command through the gateway that owns the store, or directly if none is running.
fn execute(config: &Config, command: &Command) -> Result<Reply, CommandFailure> {
    let StoreUrl::Sqlite(path) = &config.store;
    let plans = Arc::new(Plans::new(config.plans.clone()));
    match execute_or_open(path, &plans, command) {
        Ok(Reply::Rejected { fault }) => Err(CommandFailure::Rejected { message: fault.to_string() }),
        Ok(reply) => Ok(reply),
        Err(error) => Err(CommandFailure::unavailable(error.to_string(), None)),
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
    let joins = |char: char| char.is_ascii_alphanumeric() || matches!(char, '_' | '-');
    if text.split(|char| !joins(char)).any(demur_admission::Secret::has_form) {
        let help = "use the ID of the key: see `demur keys list`".to_owned();
        return Err(CommandFailure::usage("an argument contains an API key", help));
    }
    Ok(text.to_owned())
}

/// Parses an ID.
fn id<T: std::str::FromStr<Err = demur_admission::InvalidId>>(text: &str) -> Result<T, CommandFailure> {
    plain(text)?;
    let help = "an ID has 1 to 128 visible ASCII characters".to_owned();
    text.parse().map_err(|_| CommandFailure::usage(format!("invalid ID `{text}`"), help))
}
