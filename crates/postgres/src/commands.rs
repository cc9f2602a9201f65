//! Operators' commands, each in a transaction of its own.

mod accounts;
mod keys;
mod prune;
mod transaction;

use std::time::Duration;

use demur_admission::{Command, CommandFault, DirectoryChange, KeyId, NewKey, OperationId, Reply};
use jiff::Timestamp;
use tokio_postgres::Client;

use crate::books::Books;
use crate::changes;
use crate::directory;
use crate::error::DbError;
use crate::shared::Shared;
use accounts::AdjustmentKind;
use transaction::{CommandResult, CommandTx};

/// How long a command may take.
pub(crate) fn timeout(command: &Command) -> Duration {
    match command {
        Command::Prune { .. } => Duration::from_secs(600),
        _ => Duration::from_secs(10),
    }
}

/// Executes a command, and commits what it did with the changes for all nodes.
pub(crate) async fn transact(
    client: &Client,
    command: &Command,
    at: Timestamp,
    shared: &Shared,
) -> Result<(Reply, Vec<DirectoryChange>), DbError> {
    if let Command::Prune { before } = command {
        return prune::prune(client, *before).await.map(|reply| (reply, Vec::new()));
    }
    client.batch_execute("BEGIN").await?;
    let mut tx = CommandTx { client, shared, books: Books::default(), at };
    let (reply, changes) = match tx.execute(command).await? {
        Ok(done) => done,
        Err(fault) => (Reply::Rejected { fault }, Vec::new()),
    };
    if is_rejected(&reply) || !is_change(command) {
        client.batch_execute("ROLLBACK").await?;
        return Ok((reply, changes));
    }
    tx.books.write(client).await?;
    changes::record(client, &changes).await?;
    client.batch_execute("COMMIT").await?;
    Ok((reply, changes))
}

impl CommandTx<'_> {
    async fn execute(&mut self, command: &Command) -> CommandResult {
        match command {
            Command::CreateKey { api, prefix, account, expires, grants, metadata, label } => {
                let (expires, metadata) = (*expires, metadata.clone());
                let new = NewKey { api, prefix, account, expires, grants, metadata };
                self.create_key(new, label.as_deref()).await
            }
            Command::ImportKeys { form, hash_key, keys } => {
                self.import_keys(form, hash_key.as_deref(), keys).await
            }
            Command::ListKeys { account, page } => {
                let (mut keys, more) = directory::keys(self.client, account.as_ref(), page, self.at).await?;
                for key in &mut keys {
                    key.last_used = key.last_used.max(self.shared.write_behind.last_used(&key.key.id));
                }
                Ok(Ok((Reply::Keys { keys, more }, Vec::new())))
            }
            Command::ShowKey { key } => self.show_key(key).await,
            Command::FindKey { secret } => self.find_key(secret).await,
            Command::RotateKey { key, prefix, grace_seconds } => {
                self.rotate_key(key, prefix, *grace_seconds).await
            }
            Command::SetKeyDisabled { key, disabled } => {
                let sql = "UPDATE demur.key SET disabled = CASE WHEN $2 THEN coalesce(disabled, $3) END WHERE id = $1";
                let values: [&(dyn tokio_postgres::types::ToSql + Sync); 3] =
                    [&key.as_str(), disabled, &self.at.as_microsecond()];
                self.client.execute(sql, &values).await?;
                self.changed_key(key, Reply::KeyChanged).await
            }
            Command::ExpireKey { key, at } => {
                let sql = "UPDATE demur.key SET expires = $2 WHERE id = $1";
                self.client.execute(sql, &[&key.as_str(), &at.map(Timestamp::as_microsecond)]).await?;
                self.changed_key(key, Reply::KeyChanged).await
            }
            Command::RevokeKey { key } => {
                let sql = "UPDATE demur.key SET revoked = $2 WHERE id = $1 AND revoked IS NULL";
                self.client.execute(sql, &[&key.as_str(), &self.at.as_microsecond()]).await?;
                self.changed_key(key, Reply::KeyRevoked).await
            }
            Command::CreateAccount { account, name, plan, grant_day } => {
                self.create_account(account.as_ref(), name, plan, *grant_day).await
            }
            Command::ListAccounts { page } => {
                let (accounts, more) = directory::accounts(self.client, page).await?;
                Ok(Ok((Reply::Accounts { accounts, more }, Vec::new())))
            }
            Command::ShowAccount { account } => self.show_account(account).await,
            Command::DeleteAccount { account, revoke_keys } => {
                self.delete_account(account, *revoke_keys).await
            }
            Command::SetPlan { account, plan } => self.set_plan(account, plan).await,
            Command::SetGrantDay { account, grant_day } => self.set_grant_day(account, *grant_day).await,
            Command::TopUp { account, amount, reason, operation } => {
                let operation = operation_name(operation.as_ref());
                self.adjust(AdjustmentKind::TopUp, account, *amount, &operation, reason).await
            }
            Command::Withdraw { account, amount, reason, operation } => {
                let operation = operation_name(operation.as_ref());
                self.adjust(AdjustmentKind::Withdrawal, account, *amount, &operation, reason).await
            }
            Command::Refund { account, operation, amount, reason } => {
                self.refund(account, operation, *amount, reason).await
            }
            Command::NewPepper => Ok(Err(unsupported(
                "the pepper of a PostgreSQL store is a secret that its nodes share: add a new first line on every node, and \
                 write `older ` before the previous one",
            ))),
            Command::Backup { .. } => Ok(Err(unsupported(
                "back up a PostgreSQL store with `pg_dump --schema demur`, and its pepper apart from it",
            ))),
            Command::Statement { .. } | Command::Verify | Command::Prune { .. } => {
                Ok(Err(unsupported("internal error: a command was sent to the writer")))
            }
        }
    }
}

fn unsupported(cause: &str) -> CommandFault {
    CommandFault::Store { cause: cause.to_owned() }
}

/// Returns the operation's ID, or a new one.
fn operation_name(operation: Option<&OperationId>) -> String {
    operation.map_or_else(|| KeyId::generate().to_string().replacen("key_", "op_", 1), ToString::to_string)
}

/// Whether a command may change something.
fn is_change(command: &Command) -> bool {
    !matches!(
        command,
        Command::ListKeys { .. }
            | Command::ShowKey { .. }
            | Command::FindKey { .. }
            | Command::ListAccounts { .. }
            | Command::Statement { .. }
            | Command::Verify
    )
}

/// Whether a reply changed nothing, so that its transaction need not be committed.
fn is_rejected(reply: &Reply) -> bool {
    matches!(reply, Reply::Rejected { .. })
}
