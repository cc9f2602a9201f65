//! Operators' commands, executed within the batch's transaction.

mod accounts;
mod keys;
mod outcome;
mod prune;

use demur_admission::{Command, CommandFault, DirectoryChange, KeyId, NewKey, OperationId, Reply};
use jiff::Timestamp;

use super::ledger_tx::LedgerTx;
use super::shared::WriterShared;
use crate::directory;
use accounts::{AdjustmentKind, CreditAdjustment};

/// A command with its context.
pub(super) struct CommandContext<'a> {
    pub(super) command: &'a Command,
    /// For a refund: the amount that its operation was charged.
    pub(super) charged: Option<u64>,
    pub(super) at: Timestamp,
}

pub(super) fn execute(
    context: &CommandContext<'_>,
    ledger: &mut LedgerTx<'_>,
    shared: &WriterShared,
) -> rusqlite::Result<(Reply, Vec<DirectoryChange>)> {
    let (transaction, at) = (ledger.transaction, context.at);
    let outcome = match context.command {
        Command::CreateKey { api, prefix, account, expires, grants, metadata, label } => {
            let (expires, metadata) = (*expires, metadata.clone());
            let new = NewKey { api, prefix, account, expires, grants, metadata };
            keys::create(new, label.as_deref(), at, ledger, shared)?
        }
        Command::ImportKeys { form, hash_key, keys } => {
            keys::import(form, hash_key.as_deref(), keys, at, ledger, shared)?
        }
        Command::ListKeys { account, page } => {
            let (mut keys, more) = directory::keys(transaction, account.as_ref(), page, at)?;
            for key in &mut keys {
                key.last_used = key.last_used.max(shared.write_behind.last_used(&key.key.id));
            }
            Ok((Reply::Keys { keys, more }, Vec::new()))
        }
        Command::ShowKey { key } => keys::show(key, at, ledger, shared)?,
        Command::FindKey { secret } => keys::find(secret, at, ledger, shared)?,
        Command::RotateKey { key, prefix, grace_seconds } => {
            keys::rotate(key, prefix, *grace_seconds, at, ledger, shared)?
        }
        Command::SetKeyDisabled { key, disabled } => {
            directory::set_disabled(transaction, key, disabled.then_some(at))?;
            keys::changed(key, at, ledger, Reply::KeyChanged)?
        }
        Command::ExpireKey { key, at: expires } => {
            directory::set_expiry(transaction, key, *expires)?;
            keys::changed(key, at, ledger, Reply::KeyChanged)?
        }
        Command::RevokeKey { key } => {
            directory::revoke_key(transaction, key, at)?;
            keys::changed(key, at, ledger, Reply::KeyRevoked)?
        }
        Command::NewPepper => match shared.secrets.renew_pepper() {
            Ok(()) => {
                let older =
                    directory::count_under_older_peppers(transaction, shared.secrets.pepper_number() + 1)?;
                Ok((Reply::PepperMade { older }, Vec::new()))
            }
            Err(error) => {
                Err(CommandFault::Store { cause: format!("cannot write the pepper file: {error}") })
            }
        },
        Command::CreateAccount { account, name, plan, grant_day } => {
            accounts::create(account.as_ref(), name, plan, *grant_day, at, ledger, shared)?
        }
        Command::ListAccounts { page } => {
            let (accounts, more) = directory::accounts(transaction, page)?;
            Ok((Reply::Accounts { accounts, more }, Vec::new()))
        }
        Command::ShowAccount { account } => accounts::show(account, at, ledger, shared)?,
        Command::DeleteAccount { account, revoke_keys } => {
            accounts::delete(account, *revoke_keys, at, ledger, shared)?
        }
        Command::SetPlan { account, plan } => accounts::set_plan(account, plan, at, ledger, shared)?,
        Command::SetGrantDay { account, grant_day } => {
            accounts::set_grant_day(account, *grant_day, at, ledger, shared)?
        }
        Command::TopUp { account, amount, reason, operation } => {
            let (kind, operation, amount) =
                (AdjustmentKind::TopUp, &operation_name(operation.as_ref()), *amount);
            accounts::adjust(
                &CreditAdjustment { account, kind, operation, amount, reason },
                at,
                ledger,
                shared,
            )?
        }
        Command::Withdraw { account, amount, reason, operation } => {
            let (kind, operation, amount) =
                (AdjustmentKind::Withdrawal, &operation_name(operation.as_ref()), *amount);
            accounts::adjust(
                &CreditAdjustment { account, kind, operation, amount, reason },
                at,
                ledger,
                shared,
            )?
        }
        Command::Refund { account, operation, amount, reason } => {
            let refund =
                accounts::RefundRequest { operation, charged: context.charged, amount: *amount, reason };
            accounts::refund(account, &refund, at, ledger, shared)?
        }
        Command::Prune { before } => Ok((prune::prune(transaction, *before, at)?, Vec::new())),
        // The store executes these on a connection of their own.
        Command::Statement { .. } | Command::Verify | Command::Backup { .. } => {
            Err(CommandFault::Store { cause: "internal error: command sent to the writer thread".to_owned() })
        }
    };
    Ok(outcome.unwrap_or_else(|fault| (Reply::Rejected { fault }, Vec::new())))
}

/// Returns the operation's ID, or a new one.
fn operation_name(operation: Option<&OperationId>) -> String {
    operation.map_or_else(|| KeyId::generate().to_string().replacen("key_", "op_", 1), ToString::to_string)
}
