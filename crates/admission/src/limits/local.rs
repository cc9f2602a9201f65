//! Counts in this process's memory: the counters of one node, with or without a database behind.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use smallvec::SmallVec;

use super::window::{QuotaState, QuotaWindow};
use super::{Counters, Exceeded, LimitKind, LimitState, Meter, QuotaUse, Receipt, Report, Taking};
use crate::{Account, AccountId, Answer, Counted, Gcra, Now, Plan, Quota, Rate, Spacing};

/// What a caller is told to wait for a slot: when one is free is not known.
const SLOT_WAIT: Duration = Duration::from_secs(1);

/// Counters in memory.
///
/// A store that makes quotas outlive the process hands in what it had with [`restore`](Self::restore), and
/// writes from time to time what [`changed`](Self::changed) tells it.
#[derive(Debug, Default)]
pub struct LocalCounters {
    /// Locked when a principal is built, never by a request.
    accounts: Mutex<HashMap<AccountId, Arc<AccountCounts>>>,
    changed: Arc<ChangedQuotas>,
}

#[derive(Debug, Default)]
struct ChangedQuotas(Mutex<Vec<Arc<AccountCounts>>>);

#[derive(Debug)]
struct AccountCounts {
    account: AccountId,
    rates: Mutex<HashMap<Arc<str>, Arc<Gcra>>>,
    in_flight: AtomicU32,
    quota: QuotaWindow,
    /// Whether it is listed as changed.
    listed: AtomicBool,
}

impl LocalCounters {
    /// Nothing counted yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Puts back what an earlier process had counted. To be done before the first meter is opened.
    pub fn restore(&self, uses: impl IntoIterator<Item = QuotaUse>) {
        for QuotaUse { account, day, used } in uses {
            self.counts(&account).quota.restore(day, used);
        }
    }

    /// The quotas that have changed since the last call.
    pub fn changed(&self) -> Vec<QuotaUse> {
        let listed = std::mem::take(&mut *self.changed.0.lock().unwrap_or_else(PoisonError::into_inner));
        let mut uses = Vec::with_capacity(listed.len());
        for counts in listed {
            // Unlisted first: a change from here on lists it again, so none is missed.
            counts.listed.store(false, Ordering::SeqCst);
            let QuotaState { period, used } = counts.quota.stored();
            uses.push(QuotaUse { account: counts.account.clone(), day: period, used });
        }
        uses
    }

    /// Lists these accounts again, after what [`changed`](Self::changed) told could not be written.
    pub fn still_changed<'a>(&self, accounts: impl IntoIterator<Item = &'a AccountId>) {
        for account in accounts {
            self.changed.list(&self.counts(account));
        }
    }

    fn counts(&self, account: &AccountId) -> Arc<AccountCounts> {
        let mut accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || Arc::new(AccountCounts::new(account.clone()));
        Arc::clone(accounts.entry(account.clone()).or_insert_with(new))
    }
}

impl ChangedQuotas {
    fn list(&self, counts: &Arc<AccountCounts>) {
        if !counts.listed.swap(true, Ordering::SeqCst) {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(counts));
        }
    }
}

impl AccountCounts {
    fn new(account: AccountId) -> Self {
        Self {
            account,
            rates: Mutex::default(),
            in_flight: AtomicU32::new(0),
            quota: QuotaWindow::default(),
            listed: AtomicBool::new(false),
        }
    }

    fn rate(&self, name: &Arc<str>) -> Arc<Gcra> {
        let mut rates = self.rates.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(rates.entry(Arc::clone(name)).or_default())
    }
}

impl Counters for LocalCounters {
    fn open(&self, account: &Account, plan: &Arc<Plan>) -> Arc<dyn Meter> {
        let counts = self.counts(&account.id);
        let rates = plan.rates.iter().map(|rate| (counts.rate(&rate.name), Spacing::from(rate))).collect();
        Arc::new(LocalMeter { plan: Arc::clone(plan), rates, counts, changed: Arc::clone(&self.changed) })
    }
}

/// The meter of one account under one plan.
#[derive(Debug)]
struct LocalMeter {
    plan: Arc<Plan>,
    /// Side by side with the plan's rates.
    rates: Box<[(Arc<Gcra>, Spacing)]>,
    counts: Arc<AccountCounts>,
    changed: Arc<ChangedQuotas>,
}

impl Meter for LocalMeter {
    fn take(&self, cost: NonZeroU32, now: Now) -> Answer<'_, Taking> {
        // Looked at before anything is taken: so a denied request does not, for the moment between a take
        // and its undo, make another one be denied that would have passed.
        let taking = match self.longest_denial(cost, now) {
            Some(exceeded) => Err(exceeded),
            None => self.take_all(cost, now),
        };
        Answer::Ready(Ok(taking))
    }

    fn give_back(&self, receipt: &Receipt, now: Now) {
        for ((cell, spacing), stamp) in self.rates.iter().zip(&receipt.stamps) {
            cell.give_back(*spacing, receipt.cost.get(), *stamp, now.nanos());
        }
        self.free_slot(receipt);
        self.give_back_quota(receipt);
    }

    fn finish(&self, receipt: &Receipt, succeeded: bool) {
        self.free_slot(receipt);
        let counts_successes =
            self.plan.quota.as_ref().is_some_and(|quota| quota.counts == Counted::Successes);
        if counts_successes && !succeeded {
            self.give_back_quota(receipt);
        }
    }

    fn report(&self, now: Now) -> Report<'_> {
        let rates = self.plan.rates.iter().zip(&self.rates).map(|(rate, (cell, spacing))| {
            let allowance = cell.allowance(*spacing, now.nanos());
            let limit = u64::from(rate.requests.get());
            LimitState {
                kind: LimitKind::Rate(&rate.name),
                limit,
                remaining: allowance.remaining.min(limit),
                window: rate.per,
                reset: allowance.whole_in,
            }
        });
        let quota = self.plan.quota.as_ref().map(|quota| {
            let state = self.counts.quota.state(quota, now.wall);
            LimitState {
                kind: LimitKind::Quota,
                limit: quota.requests,
                remaining: quota.requests.saturating_sub(state.used),
                window: between(state.period.start, state.period.end),
                reset: between(now.wall, state.period.end),
            }
        });
        rates.chain(quota).collect()
    }
}

impl LocalMeter {
    fn longest_denial(&self, cost: NonZeroU32, now: Now) -> Option<Exceeded> {
        let rates = self.plan.rates.iter().zip(&self.rates).filter_map(|(rate, (cell, spacing))| {
            let wait = cell.probe(*spacing, cost.get(), now.nanos()).err()?;
            Some(rate_exceeded(rate, cell, *spacing, wait, now))
        });
        let slots = self
            .plan
            .concurrency
            .filter(|slots| self.counts.in_flight.load(Ordering::Relaxed) >= slots.get());
        let quota = self.plan.quota.as_ref().and_then(|quota| {
            let state = self.counts.quota.state(quota, now.wall);
            let room = quota.requests.saturating_sub(state.used);
            (room < u64::from(cost.get())).then(|| quota_exceeded(quota, state, now))
        });
        rates.chain(slots.map(concurrency_exceeded)).chain(quota).max_by_key(Exceeded::wait)
    }

    fn take_all(&self, cost: NonZeroU32, now: Now) -> Result<Receipt, Exceeded> {
        let mut taken = Receipt { cost, stamps: SmallVec::new(), slot: false, day: None };
        let result = self.take_each(&mut taken, now);
        match result {
            Ok(()) => Ok(taken),
            Err(exceeded) => {
                // Another request came in between the look and the take.
                self.give_back(&taken, now);
                Err(exceeded)
            }
        }
    }

    fn take_each(&self, taken: &mut Receipt, now: Now) -> Result<(), Exceeded> {
        for (rate, (cell, spacing)) in self.plan.rates.iter().zip(&self.rates) {
            let stamp = cell.take(*spacing, taken.cost.get(), now.nanos());
            taken.stamps.push(stamp.map_err(|wait| rate_exceeded(rate, cell, *spacing, wait, now))?);
        }
        if let Some(slots) = self.plan.concurrency {
            let free = |used: u32| (used < slots.get()).then(|| used + 1);
            let slot = self.counts.in_flight.fetch_update(Ordering::Relaxed, Ordering::Relaxed, free);
            slot.map_err(|_| concurrency_exceeded(slots))?;
            taken.slot = true;
        }
        if let Some(quota) = &self.plan.quota {
            let day = self.counts.quota.take(quota, u64::from(taken.cost.get()), now.wall);
            taken.day = Some(day.map_err(|state| quota_exceeded(quota, state, now))?);
            self.changed.list(&self.counts);
        }
        Ok(())
    }

    fn free_slot(&self, receipt: &Receipt) {
        if receipt.slot {
            self.counts.in_flight.fetch_sub(1, Ordering::Relaxed);
        }
    }

    fn give_back_quota(&self, receipt: &Receipt) {
        if let Some(day) = receipt.day {
            self.counts.quota.give_back(u64::from(receipt.cost.get()), day);
            self.changed.list(&self.counts);
        }
    }
}

fn rate_exceeded(
    rate: &Rate,
    cell: &Gcra,
    spacing: Spacing,
    retry_after: Option<Duration>,
    now: Now,
) -> Exceeded {
    Exceeded::Rate {
        name: Arc::clone(&rate.name),
        requests: u64::from(rate.requests.get()),
        per: rate.per,
        remaining: cell.allowance(spacing, now.nanos()).remaining,
        retry_after,
    }
}

fn concurrency_exceeded(slots: NonZeroU32) -> Exceeded {
    Exceeded::Concurrency { slots: slots.get(), retry_after: SLOT_WAIT }
}

fn quota_exceeded(quota: &Quota, state: QuotaState, now: Now) -> Exceeded {
    Exceeded::Quota {
        requests: quota.requests,
        remaining: quota.requests.saturating_sub(state.used),
        resets_in: between(now.wall, state.period.end),
        resets_at: state.period.end,
    }
}

/// The time from one moment to a later one; none where it is not later.
fn between(from: Timestamp, to: Timestamp) -> Duration {
    Duration::try_from(to.duration_since(from)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_loses_a_race_for_the_last_one_gives_the_others_back() {
        let many = NonZeroU32::new(10).unwrap();
        let rate = Rate { name: "rate".into(), requests: many, per: Duration::from_secs(10), burst: many };
        let zone = jiff::tz::TimeZone::UTC;
        let quota = Some(Quota { requests: 1, zone, counts: Counted::Attempts });
        let plan =
            Arc::new(Plan { rates: vec![rate], concurrency: Some(many), quota, ..Plan::named("plan") });
        let account: AccountId = "acme".parse().unwrap();
        let counts = Arc::new(AccountCounts::new(account));
        let rates = [(counts.rate(&plan.rates[0].name), Spacing::from(&plan.rates[0]))].into();
        let meter = LocalMeter { plan, rates, counts, changed: Arc::default() };
        let now = Now { wall: Timestamp::UNIX_EPOCH, monotonic: Duration::from_secs(1) };
        // Without the look before, as if the other had come right after it.
        assert!(meter.take_all(NonZeroU32::MIN, now).is_ok());
        assert!(meter.take_all(NonZeroU32::MIN, now).is_err());
        assert_eq!(meter.report(now)[0].remaining, 9);
        assert_eq!(meter.counts.in_flight.load(Ordering::Relaxed), 1);
    }
}
