//! One key's use of its account's limits under one plan: look at all, then take from all or from none.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use smallvec::SmallVec;

use super::counts::{Counts, RateNames};
use super::local::ChangedQuotas;
use super::window::QuotaState;
use super::{AcquireResult, Demand, Exceeded, LimitKind, LimitState, PeerCells, Receipt, Report};
use crate::atomic::Ordering;
use crate::prefetch::LINE;
use crate::{CountsFor, Gcra, MaybeFuture, Now, Plan, Quota, QuotaUnit, Rate, Spacing};

/// What a caller is told to wait for a slot: when one is free is not known.
const SLOT_WAIT: Duration = Duration::from_secs(1);

/// Counts what one key of an account uses under one plan.
///
/// It is a part of its principal and no object of its own, and small, since there are as many as keys: what is the
/// same for all accounts of the plan is there once, and so in the caches.
#[derive(Debug, Clone)]
pub struct Meter {
    limits: Arc<Limits>,
    counts: Arc<Counts>,
    apart: Option<Arc<PerKey>>,
}

/// What a plan limits, and where: the same for all of its accounts.
#[derive(Debug)]
pub(super) struct Limits {
    plan: Arc<Plan>,
    /// Side by side with the plan's rates.
    rates: SmallVec<[(CounterScope, Spacing); 2]>,
    peers: Option<Arc<PeerCells>>,
    changed: Arc<ChangedQuotas>,
}

/// Where a rate is counted, by the number of its name.
#[derive(Debug, Clone, Copy)]
enum CounterScope {
    Account(usize),
    Key(usize),
    Address,
}

/// What is counted apart from the account's own record.
#[derive(Debug)]
struct PerKey {
    key: Option<Arc<Counts>>,
    /// Side by side with the plan's rates.
    further: Vec<Option<Arc<Gcra>>>,
}

impl Limits {
    pub(super) fn new(
        plan: &Arc<Plan>,
        names: &RateNames,
        peers: impl FnOnce() -> Arc<PeerCells>,
        changed: &Arc<ChangedQuotas>,
    ) -> Self {
        let place = |rate: &Rate| match rate.counts_for {
            CountsFor::Account => CounterScope::Account(names.number(&rate.name)),
            CountsFor::Key => CounterScope::Key(names.number(&rate.name)),
            CountsFor::Address => CounterScope::Address,
        };
        let rates: SmallVec<_> = plan.rates.iter().map(|rate| (place(rate), Spacing::from(rate))).collect();
        let for_addresses = plan.rates.iter().any(|rate| rate.counts_for == CountsFor::Address);
        let peers = for_addresses.then(peers);
        Self { plan: Arc::clone(plan), rates, peers, changed: Arc::clone(changed) }
    }

    /// Whether any rate counts for each key by itself.
    pub(super) fn count_for_keys(&self) -> bool {
        self.rates.iter().any(|(place, _)| matches!(place, CounterScope::Key(_)))
    }
}

impl Meter {
    pub(super) fn new(limits: Arc<Limits>, counts: Arc<Counts>, key: Option<Arc<Counts>>) -> Self {
        let further = |(place, _): &(CounterScope, Spacing)| match place {
            CounterScope::Account(number) => counts.overflow(*number),
            CounterScope::Key(number) => key.as_ref().unwrap_or(&counts).overflow(*number),
            CounterScope::Address => None,
        };
        let further: Vec<_> = limits.rates.iter().map(further).collect();
        let is_apart = key.is_some() || further.iter().any(Option::is_some);
        let apart = is_apart.then(|| Arc::new(PerKey { key, further }));
        Self { limits, counts, apart }
    }

    /// The plan by which it counts.
    pub(crate) fn plan(&self) -> &Arc<Plan> {
        &self.limits.plan
    }

    /// How much of the account's counts each request touches.
    pub(crate) const TOUCHED: usize = 2 * LINE;

    /// Where the account's counts are.
    pub(crate) fn counts_address(&self) -> usize {
        Arc::as_ptr(&self.counts).addr()
    }

    /// Lets the cells count by this plan from now on. Those of addresses are changed when an address comes.
    pub(super) fn change_rates(&self, now: Now) {
        for (index, (_, spacing)) in self.limits.rates.iter().enumerate() {
            if let Some(cell) = self.fixed(index) {
                cell.change(*spacing, now.nanos());
            }
        }
    }

    /// Takes what is asked for from every rate and from the quota, and one slot; or nothing from any. A
    /// limit in the shadow that has not enough gives nothing, and keeps the others from nothing.
    pub fn take(&self, demand: &Demand<'_>, now: Now) -> MaybeFuture<AcquireResult> {
        // Looked at before anything is taken: so a denied request does not, for the moment between a take
        // and its undo, make another one be denied that would have passed.
        let mut shadowed = Vec::new();
        let taking = match self.longest_denial(demand, now, &mut shadowed) {
            Some(exceeded) => Err(exceeded),
            None => self.take_all(demand, now, shadowed),
        };
        MaybeFuture::Ready(Ok(taking))
    }

    /// Undoes a take as if it had never been, as far as time has not undone it already. Called at most
    /// once for a receipt, and never together with [`finish`](Self::finish).
    pub fn give_back(&self, receipt: &Receipt, now: Now) {
        for (index, stamp) in receipt.stamps.iter().enumerate() {
            // What was not taken from has the stamp zero, to which nothing is given back.
            if let Some((cell, spacing)) = self.existing(index, receipt.peer) {
                cell.give_back(spacing, receipt.cost.get(), *stamp, now.nanos());
            }
        }
        self.free_slot(receipt);
        self.give_back_quota(receipt);
    }

    /// The request has ended: its slot is free again, and where the quota counts successes only and this
    /// was none, it is given back.
    pub fn finish(&self, receipt: &Receipt, succeeded: bool) {
        self.free_slot(receipt);
        if self.counts_successes() && !succeeded {
            self.give_back_quota(receipt);
        }
    }

    /// Whether the end of its request changes nothing any more of what was taken.
    pub fn is_final(&self, receipt: &Receipt) -> bool {
        !receipt.slot && !self.counts_successes()
    }

    fn counts_successes(&self) -> bool {
        self.limits.plan.quota.as_ref().is_some_and(|quota| quota.counts == QuotaUnit::Successes)
    }

    /// How the limits stand.
    pub fn report(&self, now: Now) -> Report<'_> {
        let rates = self.limits.plan.rates.iter().enumerate().filter(|(_, rate)| !rate.shadow);
        let rates = rates.filter_map(|(index, rate)| {
            let (cell, spacing) = self.existing(index, None)?;
            let allowance = cell.allowance(spacing, now.nanos());
            let limit = u64::from(rate.requests.get());
            Some(LimitState {
                kind: LimitKind::Rate(&rate.name),
                limit,
                remaining: allowance.remaining.min(limit),
                window: rate.per,
                reset: allowance.whole_in,
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

    /// The cell of a rate as far as there is one already: an address that has not come yet has none.
    fn existing(&self, index: usize, peer: Option<IpAddr>) -> Option<(&Gcra, Spacing)> {
        let (place, spacing) = self.limits.rates.get(index)?;
        let cell = match place {
            CounterScope::Account(_) | CounterScope::Key(_) => self.fixed(index)?,
            CounterScope::Address => {
                let rate = self.limits.plan.rates.get(index)?;
                self.limits.peers.as_ref()?.find(peer?, (&self.counts.account, &rate.name))?
            }
        };
        Some((cell, *spacing))
    }

    /// The cell of a rate that counts for the account or the key.
    fn fixed(&self, index: usize) -> Option<&Gcra> {
        let (counts, number) = match self.limits.rates.get(index)?.0 {
            CounterScope::Account(number) => (&self.counts, number),
            CounterScope::Key(number) => {
                let key = self.apart.as_ref().and_then(|apart| apart.key.as_ref());
                (key.unwrap_or(&self.counts), number)
            }
            CounterScope::Address => return None,
        };
        counts.inline(number).or_else(|| self.apart.as_ref()?.further.get(index)?.as_deref())
    }

    /// The cell of a rate, made where there is none yet; none for an address that is not known.
    fn cell(&self, index: usize, peer: Option<IpAddr>, now: Now) -> Option<(&Gcra, Spacing)> {
        match (self.limits.rates.get(index)?, &self.limits.peers) {
            ((CounterScope::Address, spacing), Some(peers)) => {
                let apart = (&self.counts.account, &self.limits.plan.rates.get(index)?.name);
                Some((peers.claim(peer?, apart, *spacing, now.nanos()), *spacing))
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

    /// Every limit that would deny this now, in the plan's order, but for those in the shadow.
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
            && self.counts.quota.room(quota, now.wall) < u64::from(demand.cost.get())
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
        let taken = Receipt { cost, peer, stamps: SmallVec::new(), slot: false, day: None, shadowed };
        // Boxed, for it is handed from hand to hand.
        let mut taken = Box::new(taken);
        match self.take_each(&mut taken, demand, now) {
            Ok(()) => Ok(taken),
            Err(exceeded) => {
                // Another request came in between the look and the take.
                self.give_back(&taken, now);
                Err(exceeded)
            }
        }
    }

    fn take_each(&self, taken: &mut Receipt, demand: &Demand<'_>, now: Now) -> Result<(), Exceeded> {
        for (index, rate) in self.limits.plan.rates.iter().enumerate() {
            let cell =
                if rate.concerns(demand.operation) { self.cell(index, demand.peer, now) } else { None };
            let stamp = match cell.map(|(cell, spacing)| {
                let stamp = cell.take(spacing, taken.cost.get(), now.nanos());
                stamp.map_err(|wait| rate_exceeded(rate, cell, spacing, wait, now))
            }) {
                None => 0,
                Some(Ok(stamp)) => stamp,
                Some(Err(_)) if rate.shadow => 0,
                Some(Err(exceeded)) => return Err(exceeded),
            };
            taken.stamps.push(stamp);
        }
        if let Some(limit) = self.limits.plan.concurrency {
            let free = |used: u32| (limit.shadow || used < limit.slots.get()).then(|| used + 1);
            let slot = self.counts.in_flight.fetch_update(Ordering::Relaxed, Ordering::Relaxed, free);
            slot.map_err(|_| concurrency_exceeded(limit.slots))?;
            taken.slot = true;
        }
        if let Some(quota) = &self.limits.plan.quota {
            match self.counts.quota.take(quota, u64::from(taken.cost.get()), now.wall) {
                Ok(day) => {
                    taken.day = Some(day);
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

    fn give_back_quota(&self, receipt: &Receipt) {
        if let Some(day) = receipt.day {
            self.counts.quota.give_back(u64::from(receipt.cost.get()), day);
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
        per: between(state.period.start, state.period.end),
        remaining: quota.requests.saturating_sub(state.used),
        resets_in: between(now.wall, state.period.end),
        resets_at: state.period.end,
    }
}

/// The time from one moment to a later one; none where it is not later.
fn between(from: Timestamp, to: Timestamp) -> Duration {
    Duration::try_from(to.duration_since(from)).unwrap_or_default()
}
