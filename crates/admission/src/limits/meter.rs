//! The meter of a key under one plan: check all limits, then take from all of them or from none.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use smallvec::SmallVec;

use super::counts::{ChangedQuotas, Counts, RateNames};
use super::window::QuotaState;
use super::{AcquireResult, Demand, Exceeded, LimitKind, LimitState, PeerCells, Receipt, Report};
use crate::atomic::Ordering;
use crate::prefetch::LINE;
use crate::{Gcra, LimitBy, MaybeFuture, Now, Plan, Quota, QuotaUnit, Rate, Spacing};

/// The retry delay for a slot: it is not known when one is free.
const SLOT_WAIT: Duration = Duration::from_secs(1);

/// Counts what one key of an account uses under one plan.
///
/// A meter is part of its principal, and small, since there is one per key: what all accounts of a plan share exists once,
/// and so stays in the processor's caches.
#[derive(Debug, Clone)]
pub struct Meter {
    limits: Arc<Limits>,
    counts: Arc<Counts>,
    per_key: Option<Arc<PerKey>>,
}

/// The limits of a plan, shared by all of its accounts.
#[derive(Debug)]
pub(super) struct Limits {
    plan: Arc<Plan>,
    /// Parallel to the plan's rates.
    rates: SmallVec<[(CounterScope, Spacing); 2]>,
    peers: Option<Arc<PeerCells>>,
    changed: Arc<ChangedQuotas>,
}

/// The record that counts a rate, with the number of the rate's name.
#[derive(Debug, Clone, Copy)]
enum CounterScope {
    Account(usize),
    Key(usize),
    Address,
}

/// Counts outside the account's record.
#[derive(Debug)]
struct PerKey {
    key: Option<Arc<Counts>>,
    /// Parallel to the plan's rates.
    overflow: Vec<Option<Arc<Gcra>>>,
}

impl Limits {
    pub(super) fn new(
        plan: &Arc<Plan>,
        names: &RateNames,
        peers: impl FnOnce() -> Arc<PeerCells>,
        changed: &Arc<ChangedQuotas>,
    ) -> Self {
        let scope = |rate: &Rate| match rate.limit_by {
            LimitBy::Account => CounterScope::Account(names.number(&rate.name)),
            LimitBy::Key => CounterScope::Key(names.number(&rate.name)),
            LimitBy::Address => CounterScope::Address,
        };
        let rates: SmallVec<_> = plan.rates.iter().map(|rate| (scope(rate), Spacing::from(rate))).collect();
        let has_address_rates = plan.rates.iter().any(|rate| rate.limit_by == LimitBy::Address);
        let peers = has_address_rates.then(peers);
        Self { plan: Arc::clone(plan), rates, peers, changed: Arc::clone(changed) }
    }

    /// Whether the plan has rates per key.
    pub(super) fn has_key_rates(&self) -> bool {
        self.rates.iter().any(|(scope, _)| matches!(scope, CounterScope::Key(_)))
    }
}

impl Meter {
    pub(super) fn new(limits: Arc<Limits>, counts: Arc<Counts>, key: Option<Arc<Counts>>) -> Self {
        let overflow = |(scope, _): &(CounterScope, Spacing)| match scope {
            CounterScope::Account(number) => counts.overflow(*number),
            CounterScope::Key(number) => key.as_ref().unwrap_or(&counts).overflow(*number),
            CounterScope::Address => None,
        };
        let overflow: Vec<_> = limits.rates.iter().map(overflow).collect();
        let has_extra = key.is_some() || overflow.iter().any(Option::is_some);
        let per_key = has_extra.then(|| Arc::new(PerKey { key, overflow }));
        Self { limits, counts, per_key }
    }

    /// Returns the plan of the meter.
    pub(crate) fn plan(&self) -> &Arc<Plan> {
        &self.limits.plan
    }

    /// How many bytes of the account's counts each request touches.
    pub(crate) const TOUCHED_BYTES: usize = 2 * LINE;

    /// Returns the address of the account's counts.
    pub(crate) fn counts_address(&self) -> usize {
        Arc::as_ptr(&self.counts).addr()
    }

    /// Changes the cells to the rates of this plan. Cells of addresses change with their next request.
    pub(super) fn change_rates(&self, now: Now) {
        for (index, (_, spacing)) in self.limits.rates.iter().enumerate() {
            if let Some(cell) = self.fixed(index) {
                cell.change(*spacing, now.nanos());
            }
        }
    }

    /// Takes the demand from every rate and the quota, and one slot; or nothing from any. An exceeded shadow limit takes
    /// nothing and does not reject the request.
    pub fn take(&self, demand: &Demand<'_>, now: Now) -> MaybeFuture<AcquireResult> {
        // Checked before anything is taken: otherwise a denied request could, until its take is undone, cause the denial of
        // another request.
        let mut shadowed = Vec::new();
        let result = match self.longest_denial(demand, now, &mut shadowed) {
            Some(exceeded) => Err(exceeded),
            None => self.take_all(demand, now, shadowed),
        };
        MaybeFuture::Ready(Ok(result))
    }

    /// Undoes a take, except what has recovered since then. Must be called at most once per receipt, and not together with
    /// [`finish`](Self::finish).
    pub fn refund(&self, receipt: &Receipt, now: Now) {
        for (index, stamp) in receipt.stamps.iter().enumerate() {
            // A rate that nothing was taken from has the stamp zero, which refunds nothing.
            if let Some((cell, spacing)) = self.existing(index, receipt.peer) {
                cell.refund(spacing, receipt.cost.get(), *stamp, now.nanos());
            }
        }
        self.free_slot(receipt);
        self.refund_quota(receipt);
    }

    /// Ends a request: frees its slot, and refunds a quota of successes if the request failed.
    pub fn finish(&self, receipt: &Receipt, succeeded: bool) {
        self.free_slot(receipt);
        if self.counts_successes() && !succeeded {
            self.refund_quota(receipt);
        }
    }

    /// Whether the end of the request changes nothing.
    pub fn is_settled(&self, receipt: &Receipt) -> bool {
        !receipt.slot && !self.counts_successes()
    }

    fn counts_successes(&self) -> bool {
        self.limits.plan.quota.as_ref().is_some_and(|quota| quota.counts == QuotaUnit::Successes)
    }

    /// Returns the states of the limits.
    pub fn report(&self, now: Now) -> Report<'_> {
        let rates = self.limits.plan.rates.iter().enumerate().filter(|(_, rate)| !rate.shadow);
        let rates = rates.filter_map(|(index, rate)| {
            let (cell, spacing) = self.existing(index, None)?;
            let allowance = cell.allowance(spacing, now.nanos());
            let (limit, window) = rate.advertised();
            Some(LimitState {
                kind: LimitKind::Rate(&rate.name),
                limit,
                remaining: allowance.remaining.min(limit),
                window,
                reset: allowance.full_in,
            })
        });
        let quota = self.limits.plan.quota.as_ref().filter(|quota| !quota.shadow).map(|quota| {
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

    /// Returns the cell of a rate if it exists: a new address has none.
    fn existing(&self, index: usize, peer: Option<IpAddr>) -> Option<(&Gcra, Spacing)> {
        let (scope, spacing) = self.limits.rates.get(index)?;
        let cell = match scope {
            CounterScope::Account(_) | CounterScope::Key(_) => self.fixed(index)?,
            CounterScope::Address => {
                let rate = self.limits.plan.rates.get(index)?;
                self.limits.peers.as_ref()?.find(peer?, (&self.counts.account, &rate.name))?
            }
        };
        Some((cell, *spacing))
    }

    /// Returns the cell of a rate per account or per key.
    fn fixed(&self, index: usize) -> Option<&Gcra> {
        let (counts, number) = match self.limits.rates.get(index)?.0 {
            CounterScope::Account(number) => (&self.counts, number),
            CounterScope::Key(number) => {
                let key = self.per_key.as_ref().and_then(|per_key| per_key.key.as_ref());
                (key.unwrap_or(&self.counts), number)
            }
            CounterScope::Address => return None,
        };
        counts.inline(number).or_else(|| self.per_key.as_ref()?.overflow.get(index)?.as_deref())
    }

    /// Returns the cell of a rate, created if necessary; `None` for an unknown address.
    fn cell(&self, index: usize, peer: Option<IpAddr>, now: Now) -> Option<(&Gcra, Spacing)> {
        match (self.limits.rates.get(index)?, &self.limits.peers) {
            ((CounterScope::Address, spacing), Some(peers)) => {
                let per_key = (&self.counts.account, &self.limits.plan.rates.get(index)?.name);
                Some((peers.claim(peer?, per_key, *spacing, now.nanos()), *spacing))
            }
            _ => self.existing(index, peer),
        }
    }

    fn longest_denial(
        &self,
        demand: &Demand<'_>,
        now: Now,
        shadowed: &mut Vec<Exceeded>,
    ) -> Option<Exceeded> {
        let mut longest: Option<Exceeded> = None;
        self.each_denial(demand, now, |exceeded, shadow| {
            if shadow {
                shadowed.push(exceeded);
            } else if longest.as_ref().is_none_or(|other| other.wait() <= exceeded.wait()) {
                longest = Some(exceeded);
            }
        });
        longest
    }

    /// Returns every limit that would deny this now, in the plan's order, without shadow limits.
    pub(crate) fn exceeded(&self, demand: &Demand<'_>, now: Now) -> Vec<Exceeded> {
        let mut all = Vec::new();
        self.each_denial(demand, now, |exceeded, shadow| {
            if !shadow {
                all.push(exceeded);
            }
        });
        all
    }

    fn each_denial(&self, demand: &Demand<'_>, now: Now, mut denied: impl FnMut(Exceeded, bool)) {
        for (index, rate) in self.limits.plan.rates.iter().enumerate() {
            if !rate.concerns(demand.operation) {
                continue;
            }
            let Some((cell, spacing)) = self.existing(index, demand.peer) else { continue };
            if let Err(wait) = cell.probe(spacing, demand.cost.get(), now.nanos()) {
                denied(rate_exceeded(rate, cell, spacing, wait, now), rate.shadow);
            }
        }
        if let Some(limit) = self.limits.plan.concurrency
            && self.counts.in_flight.load(Ordering::Relaxed) >= limit.slots.get()
        {
            denied(concurrency_exceeded(limit.slots), limit.shadow);
        }
        if let Some(quota) = &self.limits.plan.quota
            && self.counts.quota.remaining(quota, now.wall) < u64::from(demand.cost.get())
        {
            denied(quota_exceeded(quota, self.counts.quota.state(quota, now.wall), now), quota.shadow);
        }
    }

    fn take_all(
        &self,
        demand: &Demand<'_>,
        now: Now,
        shadowed: Vec<Exceeded>,
    ) -> Result<Box<Receipt>, Exceeded> {
        let (cost, peer) = (demand.cost, demand.peer);
        let receipt = Receipt { cost, peer, stamps: SmallVec::new(), slot: false, day: None, shadowed };
        // Boxed, since it is moved often.
        let mut receipt = Box::new(receipt);
        match self.take_each(&mut receipt, demand, now) {
            Ok(()) => Ok(receipt),
            Err(exceeded) => {
                // Another request came between the check and the take.
                self.refund(&receipt, now);
                Err(exceeded)
            }
        }
    }

    fn take_each(&self, receipt: &mut Receipt, demand: &Demand<'_>, now: Now) -> Result<(), Exceeded> {
        for (index, rate) in self.limits.plan.rates.iter().enumerate() {
            let cell =
                if rate.concerns(demand.operation) { self.cell(index, demand.peer, now) } else { None };
            let stamp = match cell.map(|(cell, spacing)| {
                let stamp = cell.take(spacing, receipt.cost.get(), now.nanos());
                stamp.map_err(|wait| rate_exceeded(rate, cell, spacing, wait, now))
            }) {
                None => 0,
                Some(Ok(stamp)) => stamp,
                Some(Err(_)) if rate.shadow => 0,
                Some(Err(exceeded)) => return Err(exceeded),
            };
            receipt.stamps.push(stamp);
        }
        if let Some(limit) = self.limits.plan.concurrency {
            let free = |used: u32| (limit.shadow || used < limit.slots.get()).then(|| used + 1);
            let slot = self.counts.in_flight.fetch_update(Ordering::Relaxed, Ordering::Relaxed, free);
            slot.map_err(|_| concurrency_exceeded(limit.slots))?;
            receipt.slot = true;
        }
        if let Some(quota) = &self.limits.plan.quota {
            match self.counts.quota.take(quota, u64::from(receipt.cost.get()), now.wall) {
                Ok(day) => {
                    receipt.day = Some(day);
                    self.limits.changed.list(&self.counts);
                }
                Err(_) if quota.shadow => {}
                Err(state) => return Err(quota_exceeded(quota, state, now)),
            }
        }
        Ok(())
    }

    fn free_slot(&self, receipt: &Receipt) {
        if receipt.slot {
            self.counts.in_flight.fetch_sub(1, Ordering::Relaxed);
        }
    }

    fn refund_quota(&self, receipt: &Receipt) {
        if let Some(day) = receipt.day {
            self.counts.quota.refund(u64::from(receipt.cost.get()), day);
            self.limits.changed.list(&self.counts);
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
    let (requests, per) = rate.advertised();
    Exceeded::Rate {
        name: Arc::clone(&rate.name),
        requests,
        per,
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
        per: between(state.period.start, state.period.end),
        remaining: quota.requests.saturating_sub(state.used),
        resets_in: between(now.wall, state.period.end),
        resets_at: state.period.end,
    }
}

/// Returns the time from one moment to a later one; zero if it is not later.
fn between(from: Timestamp, to: Timestamp) -> Duration {
    Duration::try_from(to.duration_since(from)).unwrap_or_default()
}
