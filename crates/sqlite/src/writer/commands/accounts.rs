//! Commands about accounts and their credits.

use demur_admission::{
    Account, AccountId, AccountStatement, Change, CommandFault, Insufficient, OperationId, Reply, TooLarge,
};
use jiff::Timestamp;
use rusqlite::{OptionalExtension, params};

use super::Outcome;
use crate::directory;
use crate::writer::Shared;
use crate::writer::books::Books;

const WITHDRAWAL: i64 = 0;
const REFUND: i64 = 1;

pub(super) fn create(
    id: Option<&AccountId>,
    name: &str,
    plan: &str,
    at: Timestamp,
    books: &mut Books<'_>,
    shared: &Shared,
) -> Outcome {
    if !shared.plans.contains(plan) {
        return Ok(Err(CommandFault::UnknownPlan { plan: plan.to_owned() }));
    }
    let id = id.cloned().unwrap_or_else(AccountId::generate);
    if directory::account(books.transaction, &id)?.is_some() {
        return Ok(Err(CommandFault::AccountExists { account: id }));
    }
    let account = Account { id, name: name.to_owned(), plan: plan.to_owned() };
    directory::insert_account(books.transaction, &account, at)?;
    // No change to tell of: there is no key of this account yet that anyone could know.
    show(&account.id, at, books, shared)
}

pub(super) fn set_plan(
    id: &AccountId,
    plan: &str,
    at: Timestamp,
    books: &mut Books<'_>,
    shared: &Shared,
) -> Outcome {
    if !shared.plans.contains(plan) {
        return Ok(Err(CommandFault::UnknownPlan { plan: plan.to_owned() }));
    }
    directory::set_plan(books.transaction, id, plan)?;
    let shown = show(id, at, books, shared)?;
    Ok(shown.map(|(reply, _)| (reply, vec![Change::Account(id.clone())])))
}

pub(super) fn top_up(
    id: &AccountId,
    amount: u64,
    reason: &str,
    operation: &str,
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
        .query_row([id.as_str(), operation], |row| row.get(0))
        .optional()?;
    match known {
        Some(before) if before != amount => return Ok(Err(CommandFault::OperationMismatch)),
        Some(_) => {}
        None => {
            if books.top_up(id, amount)? == Err(TooLarge) {
                return Ok(Err(CommandFault::AmountTooLarge));
            }
            let sql = "INSERT INTO top_up (account, operation, amount, reason, created) VALUES (?1, ?2, ?3, ?4, ?5)";
            let values = params![id.as_str(), operation, amount, reason, at.as_microsecond()];
            books.transaction.prepare_cached(sql)?.execute(values)?;
        }
    }
    show(id, at, books, shared)
}

pub(super) fn withdraw(
    id: &AccountId,
    amount: u64,
    reason: &str,
    operation: &str,
    at: Timestamp,
    books: &mut Books<'_>,
    shared: &Shared,
) -> Outcome {
    match corrected(id, WITHDRAWAL, operation, books)? {
        Some(before) if before != amount => return Ok(Err(CommandFault::OperationMismatch)),
        Some(_) => {}
        None if amount == 0 => {}
        None => {
            if directory::account(books.transaction, id)?.is_none() {
                return Ok(Err(CommandFault::UnknownAccount { account: id.clone() }));
            }
            if books.withdraw(id, amount)? == Err(Insufficient) {
                return Ok(Err(CommandFault::NotSoMany));
            }
            correct(id, WITHDRAWAL, operation, amount, reason, at, books)?;
        }
    }
    show(id, at, books, shared)
}

/// What is to be given back.
pub(super) struct Refund<'a> {
    pub(super) operation: &'a OperationId,
    /// What the operation was charged.
    pub(super) charged: Option<u64>,
    pub(super) amount: Option<u64>,
    pub(super) reason: &'a str,
}

/// Once for each operation, whose name is the refund's too, and no more than it was charged.
pub(super) fn refund(
    id: &AccountId,
    refund: &Refund<'_>,
    at: Timestamp,
    books: &mut Books<'_>,
    shared: &Shared,
) -> Outcome {
    let operation = refund.operation.as_str();
    let not_charged = || Ok(Err(CommandFault::NotCharged { operation: refund.operation.clone() }));
    let Some(charged) = refund.charged.filter(|charged| *charged > 0) else { return not_charged() };
    let amount = refund.amount.unwrap_or(charged);
    match corrected(id, REFUND, operation, books)? {
        Some(before) if before == amount => {}
        Some(_) => return not_charged(),
        None if amount == 0 || amount > charged => return Ok(Err(CommandFault::NotSoMany)),
        None => {
            if books.refund(id, amount)? == Err(Insufficient) {
                return not_charged();
            }
            correct(id, REFUND, operation, amount, refund.reason, at, books)?;
        }
    }
    show(id, at, books, shared)
}

pub(super) fn show(id: &AccountId, at: Timestamp, books: &mut Books<'_>, shared: &Shared) -> Outcome {
    let Some(account) = directory::account(books.transaction, id)? else {
        return Ok(Err(CommandFault::UnknownAccount { account: id.clone() }));
    };
    let plan = shared.plans.plan(&account.plan);
    let credits = books.balance(id, plan.credits.as_ref(), at)?;
    Ok(Ok((Reply::Account(AccountStatement { account, credits }), Vec::new())))
}

fn corrected(id: &AccountId, kind: i64, operation: &str, books: &Books<'_>) -> rusqlite::Result<Option<u64>> {
    let sql = "SELECT amount FROM correction WHERE account = ?1 AND kind = ?2 AND operation = ?3";
    let values = params![id.as_str(), kind, operation];
    books.transaction.prepare_cached(sql)?.query_row(values, |row| row.get(0)).optional()
}

fn correct(
    id: &AccountId,
    kind: i64,
    operation: &str,
    amount: u64,
    reason: &str,
    at: Timestamp,
    books: &Books<'_>,
) -> rusqlite::Result<()> {
    let sql = "INSERT INTO correction (account, kind, operation, amount, reason, created)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    let values = params![id.as_str(), kind, operation, amount, reason, at.as_microsecond()];
    books.transaction.prepare_cached(sql)?.execute(values)?;
    Ok(())
}
