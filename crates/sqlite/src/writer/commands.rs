//! An operator's commands, carried out within the batch's transaction.

use demur_admission::{
    Account, AccountId, AccountStatement, Change, Command, CommandFault, Grants, IssuedKey, KeyId, KeyRecord,
    KeySummary, OperationId, Reply, Secret, TooLarge, is_prefix,
};
use jiff::Timestamp;
use rusqlite::{OptionalExtension, params};

use super::Shared;
use super::books::Books;
use crate::directory;

/// The outcome of a command: what to reply and what has changed, or why nothing was done.
type Outcome = rusqlite::Result<Result<(Reply, Option<Change>), CommandFault>>;

pub(super) fn execute(
    command: &Command,
    at: Timestamp,
    books: &mut Books<'_>,
    shared: &Shared,
) -> rusqlite::Result<(Reply, Option<Change>)> {
    let transaction = books.transaction;
    let outcome = match command {
        Command::CreateKey { api, prefix, account, expires, grants } => {
            let wanted = WantedKey { api, prefix, account, expires: *expires, grants };
            create_key(&wanted, at, books, shared)?
        }
        Command::ListKeys { account } => {
            let keys = directory::keys(transaction, account.as_ref())?;
            let keys = keys.into_iter().map(|key| KeySummary::at(key, at)).collect();
            Ok((Reply::Keys { keys }, None))
        }
        Command::RevokeKey { key } => revoke_key(key, at, books)?,
        Command::CreateAccount { account, name, plan } => {
            let id = account.clone().unwrap_or_else(AccountId::generate);
            create_account(Account { id, name: name.clone(), plan: plan.clone() }, at, books, shared)?
        }
        Command::ListAccounts => Ok((Reply::Accounts { accounts: directory::accounts(transaction)? }, None)),
        Command::ShowAccount { account } => show(account, at, books, shared)?.map(|reply| (reply, None)),
        Command::SetPlan { account, plan } => set_plan(account, plan, at, books, shared)?,
        Command::TopUp { account, amount, reason, operation } => {
            let operation = operation.clone().or_else(|| KeyId::generate().as_str().parse().ok());
            match operation {
                Some(operation) => top_up(account, *amount, reason, &operation, at, books, shared)?,
                None => Err(CommandFault::OperationMismatch),
            }
        }
    };
    Ok(outcome.unwrap_or_else(|fault| (Reply::Refused { fault }, None)))
}

struct WantedKey<'a> {
    api: &'a str,
    prefix: &'a str,
    account: &'a AccountId,
    expires: Option<Timestamp>,
    grants: &'a Grants,
}

fn create_key(wanted: &WantedKey<'_>, at: Timestamp, books: &Books<'_>, shared: &Shared) -> Outcome {
    if !is_prefix(wanted.prefix) {
        return Ok(Err(CommandFault::InvalidPrefix { prefix: wanted.prefix.to_owned() }));
    }
    if directory::account(books.transaction, wanted.account)?.is_none() {
        return Ok(Err(CommandFault::UnknownAccount { account: wanted.account.clone() }));
    }
    let Ok(secret) = Secret::generate(wanted.prefix) else {
        return Ok(Err(CommandFault::NoRandomness));
    };
    let digest = shared.pepper.digest(secret.expose());
    let key = KeyRecord {
        id: KeyId::generate(),
        account: wanted.account.clone(),
        api: wanted.api.to_owned(),
        hint: wanted.prefix.to_owned(),
        created: at,
        expires: wanted.expires,
        revoked: None,
        grants: wanted.grants.clone(),
    };
    directory::insert_key(books.transaction, &key, &digest)?;
    let reply = Reply::KeyCreated(IssuedKey { key: KeySummary::at(key, at), secret });
    Ok(Ok((reply, Some(Change::Key(digest)))))
}

fn revoke_key(id: &KeyId, at: Timestamp, books: &Books<'_>) -> Outcome {
    directory::revoke_key(books.transaction, id, at)?;
    Ok(match directory::key(books.transaction, id)? {
        Some((key, digest)) => Ok((Reply::KeyRevoked(KeySummary::at(key, at)), Some(Change::Key(digest)))),
        None => Err(CommandFault::UnknownKey { key: id.clone() }),
    })
}

fn create_account(account: Account, at: Timestamp, books: &mut Books<'_>, shared: &Shared) -> Outcome {
    if !shared.plans.contains(&account.plan) {
        return Ok(Err(CommandFault::UnknownPlan { plan: account.plan }));
    }
    if directory::account(books.transaction, &account.id)?.is_some() {
        return Ok(Err(CommandFault::AccountExists { account: account.id }));
    }
    directory::insert_account(books.transaction, &account, at)?;
    // No change to tell of: there is no key of this account yet that anyone could know.
    Ok(show(&account.id, at, books, shared)?.map(|reply| (reply, None)))
}

fn set_plan(id: &AccountId, plan: &str, at: Timestamp, books: &mut Books<'_>, shared: &Shared) -> Outcome {
    if !shared.plans.contains(plan) {
        return Ok(Err(CommandFault::UnknownPlan { plan: plan.to_owned() }));
    }
    directory::set_plan(books.transaction, id, plan)?;
    Ok(show(id, at, books, shared)?.map(|reply| (reply, Some(Change::Account(id.clone())))))
}

fn top_up(
    id: &AccountId,
    amount: u64,
    reason: &str,
    operation: &OperationId,
    at: Timestamp,
    books: &mut Books<'_>,
    shared: &Shared,
) -> Outcome {
    if directory::account(books.transaction, id)?.is_none() {
        return Ok(Err(CommandFault::UnknownAccount { account: id.clone() }));
    }
    let sql = "SELECT amount FROM top_up WHERE account = ?1 AND operation = ?2";
    let known: Option<u64> = books
        .transaction
        .prepare_cached(sql)?
        .query_row([id.as_str(), operation.as_str()], |row| row.get(0))
        .optional()?;
    match known {
        Some(before) if before != amount => return Ok(Err(CommandFault::OperationMismatch)),
        Some(_) => {}
        None => {
            if books.top_up(id, amount)? == Err(TooLarge) {
                return Ok(Err(CommandFault::AmountTooLarge));
            }
            let sql = "INSERT INTO top_up (account, operation, amount, reason, created) VALUES (?1, ?2, ?3, ?4, ?5)";
            let values = params![id.as_str(), operation.as_str(), amount, reason, at.as_microsecond()];
            books.transaction.prepare_cached(sql)?.execute(values)?;
        }
    }
    Ok(show(id, at, books, shared)?.map(|reply| (reply, None)))
}

fn show(
    id: &AccountId,
    at: Timestamp,
    books: &mut Books<'_>,
    shared: &Shared,
) -> rusqlite::Result<Result<Reply, CommandFault>> {
    let Some(account) = directory::account(books.transaction, id)? else {
        return Ok(Err(CommandFault::UnknownAccount { account: id.clone() }));
    };
    let plan = shared.plans.plan(&account.plan);
    let credits = books.balance(id, plan.credits.as_ref(), at)?;
    Ok(Ok(Reply::Account(AccountStatement { account, credits })))
}
