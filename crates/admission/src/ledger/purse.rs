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
pub struct Purse {
    /// What is left of the month's grant.
    pub monthly: u64,
    /// What does not expire.
    pub lasting: u64,
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

/// A month whose credits have been granted. With the account, `begins` names the grant: it is made once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MonthlyGrant {
    /// The grant day.
    pub begins: Date,
    /// When what is left of it expires.
    pub ends: Timestamp,
    /// How much was granted.
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
pub struct Booking {
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
}

impl Purse {
    /// What can be spent.
    pub fn available(&self) -> u64 {
        self.monthly + self.lasting
    }

    /// Lets what is left of a past month expire and grants the month under way, once. To be called before
    /// anything else is asked of a purse. A grant that was made counts until its month ends, whatever the
    /// plan has become since.
    pub fn roll(&mut self, monthly: Option<&MonthlyCredits>, at: Timestamp) -> Option<MonthlyGrant> {
        // Nearly always: no calendar is asked for it.
        if self.month.is_some_and(|month| at < month.ends) {
            return None;
        }
        self.expired += std::mem::take(&mut self.monthly);
        let credits = monthly?;
        let month = credits.month(at);
        if self.month.is_some_and(|last| last.begins >= month.begins) {
            return None;
        }
        let amount = credits.amount.min(MAX_GRANTED - self.granted);
        let grant = MonthlyGrant { begins: month.begins, ends: month.end, amount };
        self.monthly = amount;
        self.granted += amount;
        self.month = Some(grant);
        Some(grant)
    }

    /// Moves credits from available to held, those first that expire first.
    pub fn hold(&mut self, amount: u64) -> Result<HoldSource, Insufficient> {
        let monthly = amount.min(self.monthly);
        let lasting = amount - monthly;
        self.lasting = self.lasting.checked_sub(lasting).ok_or(Insufficient)?;
        self.monthly -= monthly;
        self.held += amount;
        Ok(HoldSource { monthly, lasting, month: self.month.map(|month| month.begins) })
    }

    /// Ends a hold that this purse made and that nothing has ended yet.
    pub fn settle(&mut self, source: HoldSource, settlement: Settlement) -> Booking {
        let posted = match settlement {
            Settlement::Post(used) => used.min(source.amount()),
            Settlement::Release => 0,
        };
        let monthly_back = source.monthly - posted.min(source.monthly);
        let lasting_back = source.amount() - posted - monthly_back;
        self.held -= source.amount();
        self.posted += posted;
        self.lasting += lasting_back;
        let month_lasts = self.month.map(|month| month.begins) == source.month;
        if month_lasts {
            self.monthly += monthly_back;
            Booking { posted, released: monthly_back + lasting_back, expired: 0 }
        } else {
            self.expired += monthly_back;
            Booking { posted, released: lasting_back, expired: monthly_back }
        }
    }

    /// Adds credits that do not expire.
    pub fn top_up(&mut self, amount: u64) -> Result<(), TooLarge> {
        let granted = self.granted.checked_add(amount).filter(|sum| *sum <= MAX_GRANTED).ok_or(TooLarge)?;
        self.granted = granted;
        self.lasting += amount;
        Ok(())
    }

    /// Takes away what should not have come in: lasting credits first, since the others expire anyway.
    pub fn withdraw(&mut self, amount: u64) -> Result<(), Insufficient> {
        if amount > self.available() {
            return Err(Insufficient);
        }
        let lasting = amount.min(self.lasting);
        self.lasting -= lasting;
        self.monthly -= amount - lasting;
        self.granted -= amount;
        Ok(())
    }

    /// Gives spent credits back, as credits that do not expire.
    pub fn refund(&mut self, amount: u64) -> Result<(), Insufficient> {
        self.posted = self.posted.checked_sub(amount).ok_or(Insufficient)?;
        self.lasting += amount;
        Ok(())
    }

    /// Whether nothing has been made from nothing and nothing has vanished.
    pub fn is_sound(&self) -> bool {
        let parts = [self.monthly, self.lasting, self.held, self.posted, self.expired];
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
