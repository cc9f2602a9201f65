//! An operator's commands that change something, carried out within the batch's transaction.

mod accounts;
mod keys;
mod prune;

use demur_admission::{Command, CommandFault, DirectoryChange, KeyId, OperationId, Reply};
use jiff::Timestamp;

use super::WriterShared;
use super::ledger_tx::LedgerTx;
use crate::directory;
use accounts::{AdjustmentKind, CreditAdjustment};

/// The outcome of a command: what to reply and what has changed, or why nothing was done.
type CommandOutcome = rusqlite::Result<Result<(Reply, Vec<DirectoryChange>), CommandFault>>;

/// A command with what belongs to it.
pub(super) struct CommandContext<'a> {
    pub(super) command: &'a Command,
    /// What the operation of a refund was charged.
    pub(super) charged: Option<u64>,
    pub(super) at: Timestamp,
}

pub(super) fn execute(
    asked: &CommandContext<'_>,
    books: &mut LedgerTx<'_>,
    shared: &WriterShared,
) -> rusqlite::Result<(Reply, Vec<DirectoryChange>)> {
    let (transaction, at) = (books.transaction, asked.at);
    let outcome = match asked.command {
        Command::CreateKey { api, prefix, account, expires, grants, metadata } => {
            let (expires, metadata) = (*expires, metadata.clone());
            let wanted = keys::NewKey { api, prefix, account, expires, grants, metadata };
            keys::create(wanted, at, books, shared)?
        }
        Command::ImportKeys { form, hash_key, keys } => {
            keys::import(form, hash_key.as_deref(), keys, at, books, shared)?
        }
        Command::ListKeys { account, page } => {
            let (mut keys, more) = directory::keys(transaction, account.as_ref(), page, at)?;
            for key in &mut keys {
                key.last_used = key.last_used.max(shared.notes.last_used(&key.key.id));
            }
            Ok((Reply::Keys { keys, more }, Vec::new()))
        }
        Command::ShowKey { key } => keys::show(key, at, books)?,
        Command::RotateKey { key, prefix, grace_seconds } => {
            keys::rotate(key, prefix, *grace_seconds, at, books, shared)?
        }
        Command::SetKeyDisabled { key, disabled } => {
            directory::set_disabled(transaction, key, disabled.then_some(at))?;
            keys::changed(key, at, books, Reply::KeyChanged)?
        }
        Command::ExpireKey { key, at: expires } => {
            directory::set_expiry(transaction, key, *expires)?;
            keys::changed(key, at, books, Reply::KeyChanged)?
        }
        Command::RevokeKey { key } => {
            directory::revoke_key(transaction, key, at)?;
            keys::changed(key, at, books, Reply::KeyRevoked)?
        }
        Command::NewPepper => match shared.secrets.renew_pepper() {
            Ok(()) => {
                let older = directory::under_older_peppers(transaction, shared.secrets.pepper_number() + 1)?;
                Ok((Reply::PepperMade { older }, Vec::new()))
            }
            Err(error) => Err(CommandFault::Store { cause: format!("the pepper's file: {error}") }),
        },
        Command::CreateAccount { account, name, plan } => {
            accounts::create(account.as_ref(), name, plan, at, books, shared)?
        }
        Command::ListAccounts { page } => {
            let (accounts, more) = directory::accounts(transaction, page)?;
            Ok((Reply::Accounts { accounts, more }, Vec::new()))
        }
        Command::ShowAccount { account } => accounts::show(account, at, books, shared)?,
        Command::SetPlan { account, plan } => accounts::set_plan(account, plan, at, books, shared)?,
        Command::TopUp { account, amount, reason, operation } => {
            let (kind, operation, amount) = (AdjustmentKind::TopUp, &named(operation.as_ref()), *amount);
            accounts::book(&CreditAdjustment { account, kind, operation, amount, reason }, at, books, shared)?
        }
        Command::Withdraw { account, amount, reason, operation } => {
            let (kind, operation, amount) = (AdjustmentKind::Withdrawal, &named(operation.as_ref()), *amount);
            accounts::book(&CreditAdjustment { account, kind, operation, amount, reason }, at, books, shared)?
        }
        Command::Refund { account, operation, amount, reason } => {
            let refund =
                accounts::RefundRequest { operation, charged: asked.charged, amount: *amount, reason };
            accounts::refund(account, &refund, at, books, shared)?
        }
        Command::Prune { before } => Ok((prune::prune(transaction, *before, at)?, Vec::new())),
        // Answered without the writer, from a connection of their own.
        Command::Statement { .. } | Command::Verify | Command::Backup { .. } => {
            Err(CommandFault::Store { cause: "the command came to the wrong thread".to_owned() })
        }
    };
    Ok(outcome.unwrap_or_else(|fault| (Reply::Refused { fault }, Vec::new())))
}

/// The operation's name, or a new one.
fn named(operation: Option<&OperationId>) -> String {
    operation.map_or_else(|| KeyId::generate().to_string().replacen("key_", "op_", 1), ToString::to_string)
}
