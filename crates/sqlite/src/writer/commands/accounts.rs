//! Commands about accounts and their credits.

use demur_admission::{
    Account, AccountId, AccountStatement, CommandFault, DirectoryChange, Insufficient, OperationId, Reply,
    TooLarge,
};
use jiff::Timestamp;
use rusqlite::{OptionalExtension, params};

use super::CommandOutcome;
use crate::directory;
use crate::writer::WriterShared;
use crate::writer::ledger_tx::LedgerTx;

const WITHDRAWAL: i64 = 0;
const REFUND: i64 = 1;

pub(super) fn create(
    id: Option<&AccountId>,
    name: &str,
    plan: &str,
    at: Timestamp,
    books: &mut LedgerTx<'_>,
    shared: &WriterShared,
) -> CommandOutcome {
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
    books: &mut LedgerTx<'_>,
    shared: &WriterShared,
) -> CommandOutcome {
    if !shared.plans.contains(plan) {
        return Ok(Err(CommandFault::UnknownPlan { plan: plan.to_owned() }));
    }
    directory::set_plan(books.transaction, id, plan)?;
    let shown = show(id, at, books, shared)?;
    Ok(shown.map(|(reply, _)| (reply, vec![DirectoryChange::Account(id.clone())])))
}

/// Credits that an operator brings in or takes away. Repeated under the same name it changes nothing.
pub(super) struct CreditAdjustment<'a> {
    pub(super) account: &'a AccountId,
    pub(super) kind: AdjustmentKind,
    pub(super) operation: &'a str,
    pub(super) amount: u64,
    pub(super) reason: &'a str,
}

/// What a booking is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AdjustmentKind {
    TopUp,
    Withdrawal,
    Refund,
}

pub(super) fn book(
    booking: &CreditAdjustment<'_>,
    at: Timestamp,
    books: &mut LedgerTx<'_>,
    shared: &WriterShared,
) -> CommandOutcome {
    let account = booking.account;
    let Some(Account { plan, .. }) = directory::account(books.transaction, account)? else {
        return Ok(Err(CommandFault::UnknownAccount { account: account.clone() }));
    };
    if booking.reason.trim().is_empty() {
        return Ok(Err(CommandFault::MissingReason));
    }
    // First what has expired goes: it cannot be taken away any more.
    books.balance(account, shared.plans.plan(&plan).credits.as_ref(), at)?;
    match booking.earlier(books)? {
        Some(before) if before != booking.amount => return Ok(Err(CommandFault::OperationMismatch)),
        Some(_) => {}
        None if booking.amount == 0 => {}
        None => match booking.carry_out(books)? {
            Ok(booked) => booking.write_down(booked, at, books)?,
            Err(fault) => return Ok(Err(fault)),
        },
    }
    show(account, at, books, shared)
}

/// Which booking of its account it was, and what it took of the month's credits.
#[derive(Debug, Clone, Copy)]
struct BookingNumber {
    number: u64,
    from_monthly: u64,
}

impl CreditAdjustment<'_> {
    /// How much was booked under this name before.
    fn earlier(&self, books: &LedgerTx<'_>) -> rusqlite::Result<Option<u64>> {
        let sql = match self.kind {
            AdjustmentKind::TopUp => {
                "SELECT amount FROM top_up WHERE account = ?1 AND operation = ?2 AND ?3 IS NULL"
            }
            AdjustmentKind::Withdrawal | AdjustmentKind::Refund => {
                "SELECT amount FROM correction WHERE account = ?1 AND operation = ?2 AND kind = ?3"
            }
        };
        let values = params![self.account.as_str(), self.operation, self.correction()];
        books.transaction.prepare_cached(sql)?.query_row(values, |row| row.get(0)).optional()
    }

    fn carry_out(&self, books: &mut LedgerTx<'_>) -> rusqlite::Result<Result<BookingNumber, CommandFault>> {
        let lasting = |number| BookingNumber { number, from_monthly: 0 };
        Ok(match self.kind {
            AdjustmentKind::TopUp => books
                .top_up(self.account, self.amount)?
                .map(lasting)
                .map_err(|TooLarge| CommandFault::AmountTooLarge),
            AdjustmentKind::Withdrawal => books
                .withdraw(self.account, self.amount)?
                .map(|(number, from_monthly)| BookingNumber { number, from_monthly })
                .map_err(|Insufficient| CommandFault::InsufficientCredits),
            AdjustmentKind::Refund => books
                .refund(self.account, self.amount)?
                .map(lasting)
                .map_err(|Insufficient| CommandFault::InsufficientCredits),
        })
    }

    fn write_down(&self, booked: BookingNumber, at: Timestamp, books: &LedgerTx<'_>) -> rusqlite::Result<()> {
        let (account, created) = (self.account.as_str(), at.as_microsecond());
        let (operation, amount, reason) = (self.operation, self.amount, self.reason);
        let BookingNumber { number, from_monthly } = booked;
        match self.correction() {
            None => {
                let sql = "INSERT INTO top_up (account, operation, amount, reason, created, booking)
                           VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
                let values = params![account, operation, amount, reason, created, number];
                books.transaction.prepare_cached(sql)?.execute(values)?;
            }
            Some(kind) => {
                let sql = "INSERT INTO correction
                               (account, operation, amount, reason, created, booking, kind, from_monthly)
                           VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
                let values = params![account, operation, amount, reason, created, number, kind, from_monthly];
                books.transaction.prepare_cached(sql)?.execute(values)?;
            }
        }
        Ok(())
    }

    /// The kind's number in the table of corrections, where it is one.
    fn correction(&self) -> Option<i64> {
        match self.kind {
            AdjustmentKind::TopUp => None,
            AdjustmentKind::Withdrawal => Some(WITHDRAWAL),
            AdjustmentKind::Refund => Some(REFUND),
        }
    }
}

/// What is to be given back.
pub(super) struct RefundRequest<'a> {
    pub(super) operation: &'a OperationId,
    /// What the operation was charged.
    pub(super) charged: Option<u64>,
    pub(super) amount: Option<u64>,
    pub(super) reason: &'a str,
}

/// Once for each operation, whose name is the refund's too, and no more than it was charged.
pub(super) fn refund(
    account: &AccountId,
    refund: &RefundRequest<'_>,
    at: Timestamp,
    books: &mut LedgerTx<'_>,
    shared: &WriterShared,
) -> CommandOutcome {
    let not_charged = || CommandFault::NotCharged { operation: refund.operation.clone() };
    let Some(charged) = refund.charged.filter(|charged| *charged > 0) else { return Ok(Err(not_charged())) };
    let amount = refund.amount.unwrap_or(charged);
    if amount == 0 || amount > charged {
        return Ok(Err(CommandFault::InsufficientCredits));
    }
    let (operation, reason) = (refund.operation.as_str(), refund.reason);
    let booking = CreditAdjustment { account, kind: AdjustmentKind::Refund, operation, amount, reason };
    Ok(book(&booking, at, books, shared)?.map_err(|fault| match fault {
        // It was given back before, to another amount; or what was charged has been forgotten since.
        CommandFault::OperationMismatch | CommandFault::InsufficientCredits => not_charged(),
        other => other,
    }))
}

pub(super) fn show(
    id: &AccountId,
    at: Timestamp,
    books: &mut LedgerTx<'_>,
    shared: &WriterShared,
) -> CommandOutcome {
    let Some(account) = directory::account(books.transaction, id)? else {
        return Ok(Err(CommandFault::UnknownAccount { account: id.clone() }));
    };
    let plan = shared.plans.plan(&account.plan);
    let credits = books.balance(id, plan.credits.as_ref(), at)?;
    Ok(Ok((Reply::Account(AccountStatement { account, credits }), Vec::new())))
}
