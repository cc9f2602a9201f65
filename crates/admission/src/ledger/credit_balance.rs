//! An account's credits, and what each booking does to them. Pure: every store books with this.
//!
//! Two kinds of credits lie in a purse: *monthly* ones, which expire with their month and are spent first,
//! and *lasting* ones. At every moment
//! `granted = monthly + lasting + held + posted + expired`.

use jiff::Timestamp;
use jiff::civil::Date;

use super::{Balance, Settlement};
use crate::MonthlyCredits;

/// The largest sum that a purse ever takes in: every store has signed 64-bit integers.
const MAX_GRANTED: u64 = i64::MAX as u64;

/// An account's credits.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CreditBalance {
    /// What is left of the month's grant.
    pub monthly: u64,
    /// What does not expire.
    pub non_expiring: u64,
    /// What requests under way hold.
    pub held: u64,
    /// What has been spent.
    pub posted: u64,
    /// All that ever came in.
    pub granted: u64,
    /// What expired with its month.
    pub expired: u64,
    /// The month of the last grant.
    pub month: Option<MonthlyGrant>,
}

/// A month whose credits have been granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MonthlyGrant {
    /// The grant day.
    pub begins: Date,
    /// When what is left of it expires.
    pub ends: Timestamp,
    /// How much was granted for it, all in all: the most that a plan of the account had in that month.
    pub amount: u64,
}

/// What the turn of a month or of a plan booked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rollover {
    /// What was left of the month before, if anything.
    pub expired: Option<Expiry>,
    /// What came in, if anything.
    pub granted: Option<GrantEntry>,
}

/// Credits that expired with their month.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expiry {
    /// The month, where it is known.
    pub month: Option<MonthlyGrant>,
    /// How many.
    pub amount: u64,
}

/// A month's credits that came in: all of them or, after a change of plan, what was missing. With the account,
/// the day on which the month begins and what has been granted for it now name the grant: it is made once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GrantEntry {
    /// The month, this grant included.
    pub month: MonthlyGrant,
    /// How many came in.
    pub amount: u64,
}

/// From where a hold was taken, so that a release puts it back there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HoldSource {
    /// So much of the monthly credits.
    pub monthly: u64,
    /// So much of the lasting ones.
    pub lasting: u64,
    /// The month of the monthly ones.
    pub month: Option<Date>,
}

/// What a settlement did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SettlementEntry {
    /// So much was spent.
    pub posted: u64,
    /// So much flowed back.
    pub released: u64,
    /// So much would have flowed back, had its month not ended.
    pub expired: u64,
}

/// There is less than was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Insufficient;

/// More than a purse can hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooLarge;

impl HoldSource {
    /// The whole hold.
    pub fn amount(&self) -> u64 {
        self.monthly + self.lasting
    }

    /// How much of the month's credits is spent when so much of the hold is: those go first.
    pub fn monthly_spent(&self, posted: u64) -> u64 {
        posted.min(self.monthly)
    }
}

impl CreditBalance {
    /// What can be spent.
    pub fn available(&self) -> u64 {
        self.monthly + self.non_expiring
    }

    /// Lets what is left of a past month expire and grants the month under way, once. To be called before
    /// anything else is asked of a purse.
    ///
    /// A grant that was made counts until its month ends, whatever the plan has become since: a smaller plan takes
    /// nothing back, and a larger one brings what it grants more than any other has in that month.
    pub fn roll_period(&mut self, monthly: Option<&MonthlyCredits>, at: Timestamp) -> Rollover {
        match self.month.filter(|month| at < month.ends) {
            // Nearly always: no calendar is asked for it.
            Some(month) => {
                let wanted = monthly.map_or(0, |credits| credits.amount);
                let missing = wanted.saturating_sub(month.amount).min(MAX_GRANTED - self.granted);
                let granted = (missing > 0).then(|| self.grant(month, missing));
                Rollover { expired: None, granted }
            }
            None => {
                let expired = self.expire();
                let month = monthly.map(|credits| (credits.month(at), credits.amount));
                let is_new = |begins| self.month.is_none_or(|last| last.begins < begins);
                let granted = month.filter(|(month, _)| is_new(month.begins)).map(|(month, amount)| {
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

    /// Moves credits from available to held, those first that expire first.
    pub fn hold(&mut self, amount: u64) -> Result<HoldSource, Insufficient> {
        let monthly = amount.min(self.monthly);
        let lasting = amount - monthly;
        self.non_expiring = self.non_expiring.checked_sub(lasting).ok_or(Insufficient)?;
        self.monthly -= monthly;
        self.held += amount;
        Ok(HoldSource { monthly, lasting, month: self.month.map(|month| month.begins) })
    }

    /// Whether there would be so much but for what requests under way hold.
    pub fn suffices_without_holds(&self, amount: u64) -> bool {
        self.available().saturating_add(self.held) >= amount
    }

    /// Ends a hold that this purse made and that nothing has ended yet.
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

    /// Takes away what should not have come in: lasting credits first, since the others expire anyway. Says how
    /// many of them were the month's.
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

    /// Gives spent credits back, as credits that do not expire.
    pub fn refund(&mut self, amount: u64) -> Result<(), Insufficient> {
        self.posted = self.posted.checked_sub(amount).ok_or(Insufficient)?;
        self.non_expiring += amount;
        Ok(())
    }

    /// Whether nothing has been made from nothing and nothing has vanished.
    pub fn is_sound(&self) -> bool {
        let parts = [self.monthly, self.non_expiring, self.held, self.posted, self.expired];
        let sum = parts.into_iter().try_fold(0_u64, u64::checked_add);
        sum == Some(self.granted) && self.granted <= MAX_GRANTED
    }

    /// As told to others. The purse must have been rolled.
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

    /// When the next monthly credits come. After a change of plan within a month that is when the granted
    /// month ends.
    pub fn resets_at(&self, monthly: Option<&MonthlyCredits>, at: Timestamp) -> Option<Timestamp> {
        let credits = monthly?;
        let granted_until = self.month.map(|month| month.ends).filter(|ends| at < *ends);
        Some(granted_until.unwrap_or_else(|| credits.next_reset(at)))
    }
}
