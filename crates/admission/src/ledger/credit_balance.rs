//! The balance of an account, and the effect of each ledger entry on it. Pure functions that every store uses.
//!
//! There are two kinds of credits: *monthly* credits, which expire with their month and are spent first, and *non-expiring*
//! ones. Always: `granted = monthly + non_expiring + held + posted + expired`.

use jiff::Timestamp;
use jiff::civil::Date;

use super::{Balance, Settlement};
use crate::MonthlyCredits;

/// The maximum of granted credits: stores have signed 64-bit integers.
const MAX_GRANTED: u64 = i64::MAX as u64;

/// The balance of an account.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CreditBalance {
    /// What is left of the monthly credits.
    pub monthly: u64,
    /// Credits that do not expire.
    pub non_expiring: u64,
    /// Credits that requests in flight hold.
    pub held: u64,
    /// Credits that were spent.
    pub posted: u64,
    /// All credits that were added.
    pub granted: u64,
    /// Credits that expired with their month.
    pub expired: u64,
    /// The month of the last grant.
    pub month: Option<MonthlyGrant>,
}

/// A month whose credits have been granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MonthlyGrant {
    /// The grant day.
    pub begins: Date,
    /// When its remaining credits expire.
    pub ends: Timestamp,
    /// The total granted for it: the maximum of the account's plans in that month.
    pub amount: u64,
}

/// The entries of a new month or a change of plan.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rollover {
    /// The expired rest of the previous month, if any.
    pub expired: Option<Expiry>,
    /// The granted credits, if any.
    pub granted: Option<GrantEntry>,
}

/// Credits that expired with their month.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expiry {
    /// The month, if it is known.
    pub month: Option<MonthlyGrant>,
    /// The number of credits.
    pub amount: u64,
}

/// Granted monthly credits: all of them or, after a change of plan, the difference. The account, the first day of the month
/// and the new total identify the grant, so that it is made once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GrantEntry {
    /// The month, this grant included.
    pub month: MonthlyGrant,
    /// The number of credits.
    pub amount: u64,
}

/// The kinds of credits that a hold took, so that a release returns them to the same kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HoldSource {
    /// The monthly credits.
    pub monthly: u64,
    /// The non-expiring credits.
    pub lasting: u64,
    /// The month of the monthly credits.
    pub month: Option<Date>,
}

/// The effect of a settlement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SettlementEntry {
    /// Spent credits.
    pub posted: u64,
    /// Returned credits.
    pub released: u64,
    /// Credits that would have been returned, but whose month has ended.
    pub expired: u64,
}

/// The balance is too low.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Insufficient;

/// The balance would exceed the maximum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooLarge;

impl HoldSource {
    /// Returns the amount of the hold.
    pub fn amount(&self) -> u64 {
        self.monthly + self.lasting
    }

    /// Returns how many monthly credits are spent if `posted` credits of the hold are: monthly credits are spent first.
    pub fn monthly_spent(&self, posted: u64) -> u64 {
        posted.min(self.monthly)
    }
}

impl CreditBalance {
    /// Returns the credits that can be spent.
    pub fn available(&self) -> u64 {
        self.monthly + self.non_expiring
    }

    /// Expires the rest of a past month and grants the current month's credits, once. Must be called before any other
    /// method.
    ///
    /// A grant is valid until its month ends, even if the plan changes: a smaller plan takes nothing back, and a larger one
    /// grants the difference to the largest plan of that month.
    pub fn roll_period(&mut self, monthly: Option<&MonthlyCredits>, at: Timestamp) -> Rollover {
        match self.month.filter(|month| at < month.ends) {
            // The usual case, which needs no calendar.
            Some(month) => {
                let wanted = monthly.map_or(0, |credits| credits.amount);
                let missing = wanted.saturating_sub(month.amount).min(MAX_GRANTED - self.granted);
                let granted = (missing > 0).then(|| self.grant(month, missing));
                Rollover { expired: None, granted }
            }
            None => {
                let expired = self.expire();
                let month = monthly.map(|credits| (credits.month(at), credits.amount));
                let is_later = |begins| self.month.is_none_or(|last| last.begins < begins);
                let granted = month.filter(|(month, _)| is_later(month.begins)).map(|(month, amount)| {
                    let amount = amount.min(MAX_GRANTED - self.granted);
                    self.grant(MonthlyGrant { begins: month.begins, ends: month.end, amount: 0 }, amount)
                });
                Rollover { expired, granted }
            }
        }
    }

    fn expire(&mut self) -> Option<Expiry> {
        let amount = std::mem::take(&mut self.monthly);
        self.expired += amount;
        (amount > 0).then_some(Expiry { month: self.month, amount })
    }

    fn grant(&mut self, month: MonthlyGrant, amount: u64) -> GrantEntry {
        let month = MonthlyGrant { amount: month.amount + amount, ..month };
        self.monthly += amount;
        self.granted += amount;
        self.month = Some(month);
        GrantEntry { month, amount }
    }

    /// Moves credits from available to held, monthly credits first.
    pub fn hold(&mut self, amount: u64) -> Result<HoldSource, Insufficient> {
        let monthly = amount.min(self.monthly);
        let lasting = amount - monthly;
        self.non_expiring = self.non_expiring.checked_sub(lasting).ok_or(Insufficient)?;
        self.monthly -= monthly;
        self.held += amount;
        Ok(HoldSource { monthly, lasting, month: self.month.map(|month| month.begins) })
    }

    /// Whether the credits would suffice without the holds of requests in flight.
    pub fn suffices_without_holds(&self, amount: u64) -> bool {
        self.available().saturating_add(self.held) >= amount
    }

    /// Settles an open hold of this balance.
    pub fn settle(&mut self, source: HoldSource, settlement: Settlement) -> SettlementEntry {
        let posted = match settlement {
            Settlement::Post(used) => used.min(source.amount()),
            Settlement::Release => 0,
        };
        let monthly_back = source.monthly - source.monthly_spent(posted);
        let lasting_back = source.amount() - posted - monthly_back;
        self.held -= source.amount();
        self.posted += posted;
        self.non_expiring += lasting_back;
        let month_lasts = self.month.map(|month| month.begins) == source.month;
        if month_lasts {
            self.monthly += monthly_back;
            SettlementEntry { posted, released: monthly_back + lasting_back, expired: 0 }
        } else {
            self.expired += monthly_back;
            SettlementEntry { posted, released: lasting_back, expired: monthly_back }
        }
    }

    /// Adds credits that do not expire.
    pub fn top_up(&mut self, amount: u64) -> Result<(), TooLarge> {
        let granted = self.granted.checked_add(amount).filter(|sum| *sum <= MAX_GRANTED).ok_or(TooLarge)?;
        self.granted = granted;
        self.non_expiring += amount;
        Ok(())
    }

    /// Removes credits: non-expiring ones first, since the others expire anyway. Returns how many were monthly.
    pub fn withdraw(&mut self, amount: u64) -> Result<u64, Insufficient> {
        if amount > self.available() {
            return Err(Insufficient);
        }
        let lasting = amount.min(self.non_expiring);
        let monthly = amount - lasting;
        self.non_expiring -= lasting;
        self.monthly -= monthly;
        self.granted -= amount;
        Ok(monthly)
    }

    /// Refunds spent credits, as credits that do not expire.
    pub fn refund(&mut self, amount: u64) -> Result<(), Insufficient> {
        self.posted = self.posted.checked_sub(amount).ok_or(Insufficient)?;
        self.non_expiring += amount;
        Ok(())
    }

    /// Whether the values add up.
    pub fn is_consistent(&self) -> bool {
        let parts = [self.monthly, self.non_expiring, self.held, self.posted, self.expired];
        let sum = parts.into_iter().try_fold(0_u64, u64::checked_add);
        sum == Some(self.granted) && self.granted <= MAX_GRANTED
    }

    /// Returns the public view. The period must have been rolled over before.
    pub fn balance(&self, monthly: Option<&MonthlyCredits>, at: Timestamp) -> Balance {
        Balance {
            available: self.available(),
            held: self.held,
            posted: self.posted,
            granted: self.granted,
            expired: self.expired,
            resets_at: self.resets_at(monthly, at),
        }
    }

    /// Returns when the next monthly credits are granted: after a change of plan within a month, when the granted month ends.
    pub fn resets_at(&self, monthly: Option<&MonthlyCredits>, at: Timestamp) -> Option<Timestamp> {
        let credits = monthly?;
        let granted_until = self.month.map(|month| month.ends).filter(|ends| at < *ends);
        Some(granted_until.unwrap_or_else(|| credits.next_reset(at)))
    }
}
