//! One file a command.

pub(crate) mod accounts;
pub(crate) mod check;
pub(crate) mod generate;
mod generations;
mod import;
pub(crate) mod init;
pub(crate) mod keys;
mod kind;
pub(crate) mod schema;
pub(crate) mod serve;

use std::sync::Arc;

use demur_admission::{Command, Plans, Reply};
use demur_gateway::{Config, StoreUrl};
use demur_sqlite::execute_or_open;

use crate::exit::CommandFailure;

/// Has a command carried out, by the gateway that runs on the store or directly.
fn execute(config: &Config, command: &Command) -> Result<Reply, CommandFailure> {
    let StoreUrl::Sqlite(path) = &config.store;
    let plans = Arc::new(Plans::new(config.plans.clone()));
    match execute_or_open(path, &plans, command) {
        Ok(Reply::Rejected { fault }) => Err(CommandFailure::Refused { message: fault.to_string() }),
        Ok(reply) => Ok(reply),
        Err(error) => Err(CommandFailure::unavailable(error.to_string(), None)),
    }
}

/// A reply of another kind than the command's own. The owner must be another version of this program.
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
        Reply::Verified { .. } => "a proof",
        Reply::BackedUp { .. } => "a copy",
        Reply::Pruned { .. } => "a number of operations",
        Reply::Account(_) => "an account",
        Reply::Accounts { .. } => "a list of accounts",
        Reply::Rejected { .. } => "a refusal",
    };
    CommandFailure::unavailable(
        format!("the running gateway answered with {kind}, which was not asked for"),
        None,
    )
}

/// Takes text that is stored and shown as it is, unless an API key is in it.
fn plain(text: &str) -> Result<String, CommandFailure> {
    let joins = |char: char| char.is_ascii_alphanumeric() || matches!(char, '_' | '-');
    if text.split(|char| !joins(char)).any(demur_admission::Secret::has_form) {
        let help = "name a key by its id: see `demur keys list`".to_owned();
        return Err(CommandFailure::usage(
            "an API key is not stored: ids, names and reasons are shown".to_owned(),
            help,
        ));
    }
    Ok(text.to_owned())
}

/// Reads an id, or says what is wrong with it.
fn id<T: std::str::FromStr<Err = demur_admission::InvalidId>>(text: &str) -> Result<T, CommandFailure> {
    plain(text)?;
    let help = "an id has 1 to 128 visible ASCII characters".to_owned();
    text.parse().map_err(|_| CommandFailure::usage(format!("`{text}` is no id"), help))
}
