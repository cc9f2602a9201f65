//! Commands about accounts and their credits.

use demur_admission::{
    Account, AccountId, AccountStatement, CommandFault, DirectoryChange, GrantDay, Insufficient, OperationId,
    Reply, TooLarge,
};
use jiff::Timestamp;
use rusqlite::{OptionalExtension, params};

use super::outcome::CommandOutcome;
use crate::directory;
use crate::quota;
use crate::writer::ledger_tx::LedgerTx;
use crate::writer::shared::WriterShared;

const WITHDRAWAL: i64 = 0;
const REFUND: i64 = 1;

pub(super) fn create(
    id: Option<&AccountId>,
    name: &str,
    plan: &str,
    grant_day: Option<GrantDay>,
    at: Timestamp,
    ledger: &mut LedgerTx<'_>,
    shared: &WriterShared,
) -> CommandOutcome {
    if !shared.plans.contains(plan) {
        return Ok(Err(CommandFault::UnknownPlan { plan: plan.to_owned() }));
    }
    let id = id.cloned().unwrap_or_else(AccountId::generate);
    if directory::account(ledger.transaction, &id)?.is_some() {
        return Ok(Err(CommandFault::AccountExists { account: id }));
    }
    let account = Account { id, name: name.to_owned(), plan: plan.to_owned(), grant_day };
    directory::insert_account(ledger.transaction, &account, at)?;
    // Nothing to invalidate: the account has no keys yet.
    show(&account.id, at, ledger, shared)
}

pub(super) fn set_plan(
    id: &AccountId,
    plan: &str,
    at: Timestamp,
    ledger: &mut LedgerTx<'_>,
    shared: &WriterShared,
) -> CommandOutcome {
    if let Some(fault) = fault(id, ledger)? {
        return Ok(Err(fault));
    }
    if !shared.plans.contains(plan) {
        return Ok(Err(CommandFault::UnknownPlan { plan: plan.to_owned() }));
    }
    directory::set_plan(ledger.transaction, id, plan)?;
    let shown = show(id, at, ledger, shared)?;
    Ok(shown.map(|(reply, _)| (reply, vec![DirectoryChange::Account(id.clone())])))
}

pub(super) fn set_grant_day(
    id: &AccountId,
    day: Option<GrantDay>,
    at: Timestamp,
    ledger: &mut LedgerTx<'_>,
    shared: &WriterShared,
) -> CommandOutcome {
    // A month that is due begins on the day that has applied until now.
    if let Err(fault) = show(id, at, ledger, shared)? {
        return Ok(Err(fault));
    }
    directory::set_grant_day(ledger.transaction, id, day)?;
    let shown = show(id, at, ledger, shared)?;
    Ok(shown.map(|(reply, _)| (reply, vec![DirectoryChange::Account(id.clone())])))
}

/// Credits that an operator adds or takes away. A repetition with the same operation ID changes nothing.
pub(super) struct CreditAdjustment<'a> {
    pub(super) account: &'a AccountId,
    pub(super) kind: AdjustmentKind,
    pub(super) operation: &'a str,
    pub(super) amount: u64,
    pub(super) reason: &'a str,
}

/// The kind of an adjustment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AdjustmentKind {
    TopUp,
    Withdrawal,
    Refund,
}

pub(super) fn adjust(
    adjustment: &CreditAdjustment<'_>,
    at: Timestamp,
    ledger: &mut LedgerTx<'_>,
    shared: &WriterShared,
) -> CommandOutcome {
    let account = adjustment.account;
    if let Some(fault) = fault(account, ledger)? {
        return Ok(Err(fault));
    }
    let Some(known) = directory::account(ledger.transaction, account)? else {
        return Ok(Err(CommandFault::UnknownAccount { account: account.clone() }));
    };
    if adjustment.reason.trim().is_empty() {
        return Ok(Err(CommandFault::MissingReason));
    }
    // Expire old credits first: they can no longer be withdrawn.
    let plan = shared.plans.plan(&known.plan);
    let balance = ledger.balance(account, known.monthly(&plan).as_deref(), at)?;
    match adjustment.earlier_amount(ledger)? {
        Some(before) if before != adjustment.amount => return Ok(Err(CommandFault::OperationMismatch)),
        Some(_) => {}
        None if adjustment.amount == 0 => {}
        None => match adjustment.apply(balance.available, ledger)? {
            Ok(entry) => adjustment.record(entry, at, ledger)?,
            Err(fault) => return Ok(Err(fault)),
        },
    }
    show(account, at, ledger, shared)
}

/// The ledger entry of an adjustment: its number, and how much it took from monthly credits.
#[derive(Debug, Clone, Copy)]
struct AdjustmentEntry {
    number: u64,
    from_monthly: u64,
}

impl CreditAdjustment<'_> {
    /// Returns the amount of an earlier adjustment with the same operation ID.
    fn earlier_amount(&self, ledger: &LedgerTx<'_>) -> rusqlite::Result<Option<u64>> {
        let sql = match self.kind {
            AdjustmentKind::TopUp => {
                "SELECT amount FROM top_up WHERE account = ?1 AND operation = ?2 AND ?3 IS NULL"
            }
            AdjustmentKind::Withdrawal | AdjustmentKind::Refund => {
                "SELECT amount FROM correction WHERE account = ?1 AND operation = ?2 AND kind = ?3"
            }
        };
        let values = params![self.account.as_str(), self.operation, self.correction_kind()];
        ledger.transaction.prepare_cached(sql)?.query_row(values, |row| row.get(0)).optional()
    }

    fn apply(
        &self,
        available: u64,
        ledger: &mut LedgerTx<'_>,
    ) -> rusqlite::Result<Result<AdjustmentEntry, CommandFault>> {
        let entry = |number| AdjustmentEntry { number, from_monthly: 0 };
        let insufficient = CommandFault::InsufficientCredits { available, requested: self.amount };
        Ok(match self.kind {
            AdjustmentKind::TopUp => ledger
                .top_up(self.account, self.amount)?
                .map(entry)
                .map_err(|TooLarge| CommandFault::AmountTooLarge),
            AdjustmentKind::Withdrawal => ledger
                .withdraw(self.account, self.amount)?
                .map(|(number, from_monthly)| AdjustmentEntry { number, from_monthly })
                .map_err(|Insufficient| insufficient),
            AdjustmentKind::Refund => {
                ledger.refund(self.account, self.amount)?.map(entry).map_err(|Insufficient| insufficient)
            }
        })
    }

    fn record(&self, entry: AdjustmentEntry, at: Timestamp, ledger: &LedgerTx<'_>) -> rusqlite::Result<()> {
        let (account, created) = (self.account.as_str(), at.as_microsecond());
        let (operation, amount, reason) = (self.operation, self.amount, self.reason);
        let AdjustmentEntry { number, from_monthly } = entry;
        match self.correction_kind() {
            None => {
                let sql = "INSERT INTO top_up (account, operation, amount, reason, created, booking)
                           VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
                let values = params![account, operation, amount, reason, created, number];
                ledger.transaction.prepare_cached(sql)?.execute(values)?;
            }
            Some(kind) => {
                let sql = "INSERT INTO correction
                               (account, operation, amount, reason, created, booking, kind, from_monthly)
                           VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
                let values = params![account, operation, amount, reason, created, number, kind, from_monthly];
                ledger.transaction.prepare_cached(sql)?.execute(values)?;
            }
        }
        Ok(())
    }

    /// Returns the kind's number in the `correction` table; `None` for a top-up.
    fn correction_kind(&self) -> Option<i64> {
        match self.kind {
            AdjustmentKind::TopUp => None,
            AdjustmentKind::Withdrawal => Some(WITHDRAWAL),
            AdjustmentKind::Refund => Some(REFUND),
        }
    }
}

/// A refund that an operator requests.
pub(super) struct RefundRequest<'a> {
    pub(super) operation: &'a OperationId,
    /// The amount that the operation was charged.
    pub(super) charged: Option<u64>,
    pub(super) amount: Option<u64>,
    pub(super) reason: &'a str,
}

/// Refunds an operation: once, and no more than it was charged. The refund has the operation's ID.
pub(super) fn refund(
    account: &AccountId,
    refund: &RefundRequest<'_>,
    at: Timestamp,
    ledger: &mut LedgerTx<'_>,
    shared: &WriterShared,
) -> CommandOutcome {
    let not_charged = || CommandFault::NotCharged { operation: refund.operation.clone() };
    let Some(charged) = refund.charged.filter(|charged| *charged > 0) else { return Ok(Err(not_charged())) };
    let amount = refund.amount.unwrap_or(charged);
    if amount == 0 || amount > charged {
        return Ok(Err(CommandFault::InsufficientCredits { available: charged, requested: amount }));
    }
    let (operation, reason) = (refund.operation.as_str(), refund.reason);
    let adjustment = CreditAdjustment { account, kind: AdjustmentKind::Refund, operation, amount, reason };
    Ok(adjust(&adjustment, at, ledger, shared)?.map_err(|fault| match fault {
        // It was refunded before with another amount, or its charge has been pruned since.
        CommandFault::OperationMismatch | CommandFault::InsufficientCredits { .. } => not_charged(),
        other => other,
    }))
}

pub(super) fn show(
    id: &AccountId,
    at: Timestamp,
    ledger: &mut LedgerTx<'_>,
    shared: &WriterShared,
) -> CommandOutcome {
    let Some(account) = directory::account(ledger.transaction, id)? else {
        return Ok(Err(CommandFault::UnknownAccount { account: id.clone() }));
    };
    let deleted = directory::deleted(ledger.transaction, id)?;
    let plan = shared.plans.plan(&account.plan);
    // A deleted account is granted nothing any more.
    let monthly = account.monthly(&plan).filter(|_| deleted.is_none());
    let credits = ledger.balance(id, monthly.as_deref(), at)?;
    drop(monthly);
    let limits = match deleted {
        Some(_) => Vec::new(),
        None => {
            // Of an earlier process, if none of its keys has been used in this one.
            quota::restore(ledger.transaction, &shared.counters, id)?;
            shared.counters.usage(id, &plan, at)
        }
    };
    Ok(Ok((Reply::Account(AccountStatement { account, credits, limits, deleted }), Vec::new())))
}

/// Returns why an account cannot be changed: it does not exist, or was deleted.
pub(super) fn fault(id: &AccountId, ledger: &LedgerTx<'_>) -> rusqlite::Result<Option<CommandFault>> {
    if directory::account(ledger.transaction, id)?.is_none() {
        return Ok(Some(CommandFault::UnknownAccount { account: id.clone() }));
    }
    let deleted = directory::deleted(ledger.transaction, id)?;
    Ok(deleted.map(|_| CommandFault::AccountDeleted { account: id.clone() }))
}

/// Deletes an account: the row stays, with its ledger, and can no longer be changed.
pub(super) fn delete(
    id: &AccountId,
    revoke_keys: bool,
    at: Timestamp,
    ledger: &mut LedgerTx<'_>,
    shared: &WriterShared,
) -> CommandOutcome {
    let account = || id.clone();
    match fault(id, ledger)? {
        None => {}
        // A repetition changes nothing.
        Some(CommandFault::AccountDeleted { .. }) => return show(id, at, ledger, shared),
        Some(fault) => return Ok(Err(fault)),
    }
    let keys = directory::count_unrevoked(ledger.transaction, id)?;
    if keys > 0 && !revoke_keys {
        return Ok(Err(CommandFault::AccountHasKeys { account: account(), keys }));
    }
    let held = ledger.balance(id, None, at)?.held;
    if held > 0 || directory::count_claims_in_flight(ledger.transaction, id)? > 0 {
        return Ok(Err(CommandFault::AccountInUse { account: account(), held }));
    }
    directory::delete_account(ledger.transaction, id, at)?;
    let shown = show(id, at, ledger, shared)?;
    Ok(shown.map(|(reply, _)| (reply, vec![DirectoryChange::Account(account())])))
}
