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

/// Credits that an operator brings in or takes away. Repeated under the same name it changes nothing.
pub(super) struct Booking<'a> {
    pub(super) account: &'a AccountId,
    pub(super) kind: Kind,
    pub(super) operation: &'a str,
    pub(super) amount: u64,
    pub(super) reason: &'a str,
}

/// What a booking is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    TopUp,
    Withdrawal,
    Refund,
}

pub(super) fn book(booking: &Booking<'_>, at: Timestamp, books: &mut Books<'_>, shared: &Shared) -> Outcome {
    let account = booking.account;
    let Some(Account { plan, .. }) = directory::account(books.transaction, account)? else {
        return Ok(Err(CommandFault::UnknownAccount { account: account.clone() }));
    };
    if booking.reason.trim().is_empty() {
        return Ok(Err(CommandFault::NoReason));
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
struct Booked {
    number: u64,
    from_monthly: u64,
}

impl Booking<'_> {
    /// How much was booked under this name before.
    fn earlier(&self, books: &Books<'_>) -> rusqlite::Result<Option<u64>> {
        let sql = match self.kind {
            Kind::TopUp => "SELECT amount FROM top_up WHERE account = ?1 AND operation = ?2 AND ?3 IS NULL",
            Kind::Withdrawal | Kind::Refund => {
                "SELECT amount FROM correction WHERE account = ?1 AND operation = ?2 AND kind = ?3"
            }
        };
        let values = params![self.account.as_str(), self.operation, self.correction()];
        books.transaction.prepare_cached(sql)?.query_row(values, |row| row.get(0)).optional()
    }

    fn carry_out(&self, books: &mut Books<'_>) -> rusqlite::Result<Result<Booked, CommandFault>> {
        let lasting = |number| Booked { number, from_monthly: 0 };
        Ok(match self.kind {
            Kind::TopUp => books
                .top_up(self.account, self.amount)?
                .map(lasting)
                .map_err(|TooLarge| CommandFault::AmountTooLarge),
            Kind::Withdrawal => books
                .withdraw(self.account, self.amount)?
                .map(|(number, from_monthly)| Booked { number, from_monthly })
                .map_err(|Insufficient| CommandFault::NotSoMany),
            Kind::Refund => books
                .refund(self.account, self.amount)?
                .map(lasting)
                .map_err(|Insufficient| CommandFault::NotSoMany),
        })
    }

    fn write_down(&self, booked: Booked, at: Timestamp, books: &Books<'_>) -> rusqlite::Result<()> {
        let (account, created) = (self.account.as_str(), at.as_microsecond());
        let (operation, amount, reason) = (self.operation, self.amount, self.reason);
        let Booked { number, from_monthly } = booked;
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
            Kind::TopUp => None,
            Kind::Withdrawal => Some(WITHDRAWAL),
            Kind::Refund => Some(REFUND),
        }
    }
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
    account: &AccountId,
    refund: &Refund<'_>,
    at: Timestamp,
    books: &mut Books<'_>,
    shared: &Shared,
) -> Outcome {
    let not_charged = || CommandFault::NotCharged { operation: refund.operation.clone() };
    let Some(charged) = refund.charged.filter(|charged| *charged > 0) else { return Ok(Err(not_charged())) };
    let amount = refund.amount.unwrap_or(charged);
    if amount == 0 || amount > charged {
        return Ok(Err(CommandFault::NotSoMany));
    }
    let (operation, reason) = (refund.operation.as_str(), refund.reason);
    let booking = Booking { account, kind: Kind::Refund, operation, amount, reason };
    Ok(book(&booking, at, books, shared)?.map_err(|fault| match fault {
        // It was given back before, to another amount; or what was charged has been forgotten since.
        CommandFault::OperationMismatch | CommandFault::NotSoMany => not_charged(),
        other => other,
    }))
}

pub(super) fn show(id: &AccountId, at: Timestamp, books: &mut Books<'_>, shared: &Shared) -> Outcome {
    let Some(account) = directory::account(books.transaction, id)? else {
        return Ok(Err(CommandFault::UnknownAccount { account: id.clone() }));
    };
    let plan = shared.plans.plan(&account.plan);
    let credits = books.balance(id, plan.credits.as_ref(), at)?;
    Ok(Ok((Reply::Account(AccountStatement { account, credits }), Vec::new())))
}
