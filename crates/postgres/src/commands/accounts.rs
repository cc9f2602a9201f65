//! Commands about accounts and their credits.

use demur_admission::{
    Account, AccountId, AccountStatement, CommandFault, DirectoryChange, GrantDay, Insufficient, OperationId,
    Reply, TooLarge,
};
use jiff::Timestamp;

use super::transaction::{CommandResult, CommandTx};
use crate::books::{Adjustment, POSTED, REFUND, TOP_UP, UNKNOWN, WITHDRAWAL};
use crate::error::DbError;
use crate::rows::unsigned;

/// The kind of an adjustment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AdjustmentKind {
    TopUp,
    Withdrawal,
    Refund,
}

impl AdjustmentKind {
    fn number(self) -> i16 {
        match self {
            AdjustmentKind::TopUp => TOP_UP,
            AdjustmentKind::Withdrawal => WITHDRAWAL,
            AdjustmentKind::Refund => REFUND,
        }
    }
}

impl CommandTx<'_> {
    pub(super) async fn create_account(
        &mut self,
        id: Option<&AccountId>,
        name: &str,
        plan: &str,
        grant_day: Option<GrantDay>,
    ) -> CommandResult {
        if !self.shared.plans.contains(plan) {
            return Ok(Err(CommandFault::UnknownPlan { plan: plan.to_owned() }));
        }
        let id = id.cloned().unwrap_or_else(AccountId::generate);
        let sql = "INSERT INTO demur.account (id, name, plan, grant_day, created) VALUES ($1, $2, $3, $4, $5)
                   ON CONFLICT (id) DO NOTHING";
        let day = grant_day.map(|day| i16::from(day.number()));
        let created = self.at.as_microsecond();
        let inserted = self.client.execute(sql, &[&id.as_str(), &name, &plan, &day, &created]).await?;
        if inserted == 0 {
            return Ok(Err(CommandFault::AccountExists { account: id }));
        }
        // Nothing to invalidate: the account has no keys yet.
        self.show_account(&id).await
    }

    /// Locks an account. Returns why it cannot be changed: it does not exist, or was deleted.
    pub(super) async fn lock_account(&mut self, id: &AccountId) -> Result<Option<CommandFault>, DbError> {
        if self.books.account(id).is_none() {
            self.books.lock(self.client, &[id]).await?;
        }
        Ok(match self.books.account(id) {
            None => Some(CommandFault::UnknownAccount { account: id.clone() }),
            Some(booked) => booked.deleted.map(|_| CommandFault::AccountDeleted { account: id.clone() }),
        })
    }

    pub(super) async fn set_plan(&mut self, id: &AccountId, plan: &str) -> CommandResult {
        if let Some(fault) = self.lock_account(id).await? {
            return Ok(Err(fault));
        }
        if !self.shared.plans.contains(plan) {
            return Ok(Err(CommandFault::UnknownPlan { plan: plan.to_owned() }));
        }
        self.client
            .execute("UPDATE demur.account SET plan = $2 WHERE id = $1", &[&id.as_str(), &plan])
            .await?;
        if let Some(booked) = self.books.account(id) {
            plan.clone_into(&mut booked.account.plan);
        }
        self.shown_after_change(id).await
    }

    pub(super) async fn set_grant_day(&mut self, id: &AccountId, day: Option<GrantDay>) -> CommandResult {
        // A month that is due begins on the day that has applied until now.
        if let Err(fault) = self.show_account(id).await? {
            return Ok(Err(fault));
        }
        let number = day.map(|day| i16::from(day.number()));
        self.client
            .execute("UPDATE demur.account SET grant_day = $2 WHERE id = $1", &[&id.as_str(), &number])
            .await?;
        if let Some(booked) = self.books.account(id) {
            booked.account.grant_day = day;
        }
        self.shown_after_change(id).await
    }

    async fn shown_after_change(&mut self, id: &AccountId) -> CommandResult {
        let shown = self.show_account(id).await?;
        Ok(shown.map(|(reply, _)| (reply, vec![DirectoryChange::Account(id.clone())])))
    }

    pub(super) async fn show_account(&mut self, id: &AccountId) -> CommandResult {
        if let Some(fault @ CommandFault::UnknownAccount { .. }) = self.lock_account(id).await? {
            return Ok(Err(fault));
        }
        let Some((account, deleted)) =
            self.books.account(id).map(|booked| (booked.account.clone(), booked.deleted))
        else {
            return Ok(Err(CommandFault::UnknownAccount { account: id.clone() }));
        };
        let plan = self.shared.plans.plan(&account.plan);
        // A deleted account is granted nothing any more.
        let monthly = account.monthly(&plan).filter(|_| deleted.is_none());
        let credits = self.books.balance(id, monthly.as_deref(), self.at);
        drop(monthly);
        // What is left of the limits is a matter of each node.
        Ok(Ok((
            Reply::Account(AccountStatement { account, credits, limits: Vec::new(), deleted }),
            Vec::new(),
        )))
    }

    /// Adds or takes credits. A repetition with the same operation ID changes nothing.
    pub(super) async fn adjust(
        &mut self,
        kind: AdjustmentKind,
        account: &AccountId,
        amount: u64,
        operation: &str,
        reason: &str,
    ) -> CommandResult {
        if let Some(fault) = self.lock_account(account).await? {
            return Ok(Err(fault));
        }
        if reason.trim().is_empty() {
            return Ok(Err(CommandFault::MissingReason));
        }
        // Expire old credits first: they can no longer be withdrawn.
        let Some(known) = self.books.account(account).map(|booked| booked.account.clone()) else {
            return Ok(Err(CommandFault::UnknownAccount { account: account.clone() }));
        };
        let available = self.roll_period(&known);
        let sql = "SELECT amount FROM demur.entry WHERE account = $1 AND kind = $2 AND name = $3 AND kind IN (1, 2, 3, 4)";
        let earlier = self.client.query_opt(sql, &[&account.as_str(), &kind.number(), &operation]).await?;
        let before = earlier.map(|row| unsigned(&row, 0)).transpose()?;
        let adjustment = Adjustment { account, amount, operation, reason, at: self.at };
        let insufficient = CommandFault::InsufficientCredits { available, requested: amount };
        let adjusted = match before {
            Some(before) if before != amount => Err(CommandFault::OperationMismatch),
            Some(_) => Ok(()),
            None if amount == 0 => Ok(()),
            None => match kind {
                AdjustmentKind::TopUp => {
                    self.books.top_up(&adjustment).map_err(|TooLarge| CommandFault::AmountTooLarge)
                }
                AdjustmentKind::Withdrawal => {
                    self.books.withdraw(&adjustment).map_err(|Insufficient| insufficient)
                }
                AdjustmentKind::Refund => self.books.refund(&adjustment).map_err(|Insufficient| insufficient),
            },
        };
        match adjusted {
            Ok(()) => self.show_account(account).await,
            Err(fault) => Ok(Err(fault)),
        }
    }

    /// Rolls the period of an account over, and returns its available credits.
    fn roll_period(&mut self, account: &Account) -> u64 {
        let plan = self.shared.plans.plan(&account.plan);
        let monthly = account.monthly(&plan);
        self.books.balance(&account.id, monthly.as_deref(), self.at).available
    }

    /// Refunds an operation: once, and no more than it was charged. The refund has the operation's ID.
    pub(super) async fn refund(
        &mut self,
        account: &AccountId,
        operation: &OperationId,
        amount: Option<u64>,
        reason: &str,
    ) -> CommandResult {
        let not_charged = || CommandFault::NotCharged { operation: operation.clone() };
        let sql = "SELECT amount FROM demur.entry WHERE account = $1 AND name = $2 AND kind IN ($3, $4)
                   ORDER BY number DESC LIMIT 1";
        let row =
            self.client.query_opt(sql, &[&account.as_str(), &operation.as_str(), &POSTED, &UNKNOWN]).await?;
        let charged = row.map(|row| unsigned(&row, 0)).transpose()?;
        let Some(charged) = charged.filter(|charged| *charged > 0) else { return Ok(Err(not_charged())) };
        let amount = amount.unwrap_or(charged);
        if amount == 0 || amount > charged {
            return Ok(Err(CommandFault::InsufficientCredits { available: charged, requested: amount }));
        }
        let adjusted =
            self.adjust(AdjustmentKind::Refund, account, amount, operation.as_str(), reason).await?;
        Ok(adjusted.map_err(|fault| match fault {
            // It was refunded before with another amount, or its charge has been pruned since.
            CommandFault::OperationMismatch | CommandFault::InsufficientCredits { .. } => not_charged(),
            other => other,
        }))
    }

    /// Deletes an account: the row stays, with its ledger, and can no longer be changed.
    pub(super) async fn delete_account(&mut self, id: &AccountId, revoke_keys: bool) -> CommandResult {
        match self.lock_account(id).await? {
            None => {}
            // A repetition changes nothing.
            Some(CommandFault::AccountDeleted { .. }) => return self.show_account(id).await,
            Some(fault) => return Ok(Err(fault)),
        }
        let sql = "SELECT (SELECT count(*) FROM demur.key WHERE account = $1 AND revoked IS NULL),
                       (SELECT count(*) FROM demur.claim WHERE account = $1 AND state = 0)";
        let row = self.client.query_one(sql, &[&id.as_str()]).await?;
        let (keys, claims) = (unsigned(&row, 0)?, unsigned(&row, 1)?);
        if keys > 0 && !revoke_keys {
            return Ok(Err(CommandFault::AccountHasKeys { account: id.clone(), keys }));
        }
        let held = self.books.balance(id, None, self.at).held;
        if held > 0 || claims > 0 {
            return Ok(Err(CommandFault::AccountInUse { account: id.clone(), held }));
        }
        let at = self.at.as_microsecond();
        for sql in [
            "UPDATE demur.account SET deleted = $2 WHERE id = $1",
            "UPDATE demur.key SET revoked = $2 WHERE account = $1 AND revoked IS NULL",
        ] {
            self.client.execute(sql, &[&id.as_str(), &at]).await?;
        }
        for sql in
            ["DELETE FROM demur.claim WHERE account = $1", "DELETE FROM demur.quota_use WHERE account = $1"]
        {
            self.client.execute(sql, &[&id.as_str()]).await?;
        }
        if let Some(booked) = self.books.account(id) {
            booked.deleted = Timestamp::from_microsecond(at).ok();
            (booked.claims, booked.claim_bytes) = (0, 0);
        }
        self.shown_after_change(id).await
    }
}
