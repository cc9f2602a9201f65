//! Rates and quota against simple models.

#![expect(clippy::unwrap_used, reason = "a test")]

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use demur_admission::{
    Account, Counters, Demand, Exceeded, Gcra, LocalCounters, Meter, Now, Plan, Quota, Rate, Receipt, Spacing,
};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

const EPOCH: Now = Now { wall: Timestamp::UNIX_EPOCH, monotonic: Duration::ZERO };

fn rate(requests: u32, per: Duration, burst: u32) -> Rate {
    let count = |number| NonZeroU32::new(number).unwrap();
    Rate { burst: count(burst), ..Rate::new("rate", count(requests), per) }
}

/// The same limit as a token bucket: at most `burst` tokens, one more each interval, in nanoseconds.
struct Bucket {
    interval: u64,
    full: u64,
    level: u64,
    at: u64,
}

impl Bucket {
    fn new(rate: &Rate) -> Self {
        let interval = u64::try_from(rate.per.as_nanos().div_ceil(u128::from(rate.requests.get()))).unwrap();
        let full = interval * u64::from(rate.burst.get());
        Self { interval, full, level: full, at: 0 }
    }

    fn take(&mut self, cost: u32, now: u64) -> Result<(), Option<Duration>> {
        self.level = (self.level + (now - self.at)).min(self.full);
        self.at = now;
        let cost = self.interval * u64::from(cost);
        if cost > self.full {
            return Err(None);
        }
        match self.level.checked_sub(cost) {
            Some(level) => {
                self.level = level;
                Ok(())
            }
            None => Err(Some(Duration::from_nanos(cost - self.level))),
        }
    }
}

proptest! {
    /// Across any sequence of rates, the number of used requests stays, up to the burst.
    #[test]
    fn a_change_of_the_rate_keeps_the_used_requests(
        rates in prop::collection::vec((1_u32..2000, 1_u64..100_000, 1_u32..50, 0_u32..50), 1..20),
    ) {
        let cell = Gcra::default();
        let mut used = 0;
        for (requests, per, burst, takes) in rates {
            let spacing = Spacing::from(&rate(requests, Duration::from_millis(per), burst));
            cell.change(spacing, 0);
            used = burst.min(used);
            for _ in 0..takes {
                let is_ok = cell.take(spacing, 1, 0).is_ok();
                prop_assert_eq!(is_ok, used < burst);
                used += u32::from(is_ok);
            }
        }
    }

    #[test]
    fn admits_and_delays_the_same_requests_as_a_token_bucket(
        requests in 1_u32..50,
        per in 1_u64..100_000,
        burst in 1_u32..20,
        steps in prop::collection::vec((0_u64..20_000, 1_u32..4), 1..200),
    ) {
        let rate = rate(requests, Duration::from_micros(per), burst);
        let (cell, spacing, mut bucket) = (Gcra::default(), Spacing::from(&rate), Bucket::new(&rate));
        let mut now = 0;
        for (wait, cost) in steps {
            now += wait * 1000;
            prop_assert_eq!(cell.take(spacing, cost, now).map(|_| ()), bucket.take(cost, now));
        }
    }

    /// Waiting for the reported time always suffices, and a nanosecond less never does.
    #[test]
    fn the_reported_wait_is_exact(requests in 1_u32..50, per in 1_u64..100_000, takes in 1_u32..30) {
        let rate = rate(requests, Duration::from_micros(per), 5);
        let (cell, spacing) = (Gcra::default(), Spacing::from(&rate));
        for _ in 0..takes {
            let _ = cell.take(spacing, 1, 0);
        }
        if let Err(Some(wait)) = cell.probe(spacing, 1, 0) {
            let wait = u64::try_from(wait.as_nanos()).unwrap();
            prop_assert!(cell.probe(spacing, 1, wait - 1).is_err());
            prop_assert!(cell.probe(spacing, 1, wait).is_ok());
        }
    }

    /// After a refund the allowance is never larger than without the refunded request; after an immediate refund it is equal.
    #[test]
    fn a_refund_never_returns_more_than_was_taken(
        waits in prop::collection::vec(0_u64..3_000_000, 1..60),
        refunded in any::<prop::sample::Index>(),
        later in 0_u64..6_000_000,
    ) {
        let rate = rate(10, Duration::from_millis(10), 5);
        let spacing = Spacing::from(&rate);
        let (with, without) = (Gcra::default(), Gcra::default());
        let refunded = refunded.index(waits.len());
        let (mut now, mut stamp) = (1, None);
        for (position, wait) in waits.iter().enumerate() {
            now += wait;
            let taken = with.take(spacing, 1, now);
            if position == refunded {
                stamp = taken.ok();
            } else if taken.is_ok() {
                prop_assert!(without.take(spacing, 1, now).is_ok());
            }
        }
        let last = refunded + 1 == waits.len();
        now += if last { 0 } else { later };
        if let Some(stamp) = stamp {
            with.refund(spacing, 1, stamp, now);
        }
        for cost in 1..=5 {
            let (left, allowed) = (with.probe(spacing, cost, now), without.probe(spacing, cost, now));
            prop_assert!(left.is_err() || allowed.is_ok(), "{cost} are admitted, and would not have been");
            prop_assert!(!last || left == allowed);
        }
    }

    /// In zones whose days have 23, 24 and 25 hours.
    #[test]
    fn a_quota_counts_each_calendar_day_of_its_zone(
        zone in prop::sample::select(vec!["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Pacific/Apia"]),
        start in 1_700_000_000_i64..1_800_000_000,
        steps in prop::collection::vec(0_i64..30_000, 1..200),
    ) {
        let zone = TimeZone::get(zone).unwrap();
        let quota = Quota::daily(4, zone.clone());
        let meter = meter(Plan { quota: Some(quota), ..Plan::named("plan") });
        let mut wall = Timestamp::from_second(start).unwrap();
        let (mut date, mut used) = (zone.to_datetime(wall).date(), 0);
        for step in steps {
            wall += SignedDuration::from_secs(step);
            let today = zone.to_datetime(wall).date();
            if today != date {
                (date, used) = (today, 0);
            }
            match take(&meter, Now { wall, monotonic: Duration::ZERO }) {
                Ok(_) => used += 1,
                Err(Exceeded::Quota { resets_at, resets_in, .. }) => {
                    prop_assert_eq!(used, 4);
                    prop_assert!(zone.to_datetime(resets_at).date() > date);
                    let just_before = resets_at - SignedDuration::from_nanos(1);
                    prop_assert_eq!(zone.to_datetime(just_before).date(), date);
                    prop_assert_eq!(wall + SignedDuration::try_from(resets_in).unwrap(), resets_at);
                }
                Err(other) => prop_assert!(false, "{other:?}"),
            }
            prop_assert!(used <= 4);
        }
    }
}

fn meter(plan: Plan) -> Meter {
    let account = Account {
        id: "acme".parse().unwrap(),
        name: "Acme".into(),
        plan: plan.name.clone(),
        grant_day: None,
    };
    LocalCounters::new().open(&account, &"key".parse().unwrap(), &Arc::new(plan), EPOCH)
}

fn take(meter: &Meter, now: Now) -> Result<Box<Receipt>, Exceeded> {
    meter.take(&Demand::ONE, now).block().unwrap()
}

#[test]
fn a_new_time_zone_takes_effect_when_the_current_day_ends() {
    let counters = LocalCounters::new();
    let account =
        Account { id: "acme".parse().unwrap(), name: "Acme".into(), plan: "plan".into(), grant_day: None };
    let open = |zone: &str| {
        let quota = Quota::daily(1, TimeZone::get(zone).unwrap());
        let plan = Arc::new(Plan { quota: Some(quota), ..Plan::named("plan") });
        counters.open(&account, &"key".parse().unwrap(), &plan, EPOCH)
    };
    let at = |text: &str| Now { wall: text.parse().unwrap(), monotonic: Duration::ZERO };
    let (utc, tokyo) = (open("UTC"), open("Asia/Tokyo"));
    assert!(take(&utc, at("2026-11-20T10:00:00Z")).is_ok());
    // It is already tomorrow in Tokyo, but the current day continues.
    assert!(take(&tokyo, at("2026-11-20T16:00:00Z")).is_err());
    assert!(take(&tokyo, at("2026-11-21T00:00:00Z")).is_ok());
    // The next day ends with Tokyo's.
    assert!(take(&tokyo, at("2026-11-21T14:59:59Z")).is_err());
    assert!(take(&tokyo, at("2026-11-21T15:00:00Z")).is_ok());
}

#[test]
fn many_threads_take_exactly_the_available_requests() {
    let quota = Quota::daily(1000, TimeZone::UTC);
    let plan = Plan {
        rates: vec![rate(1, Duration::from_secs(3600), 700)],
        quota: Some(quota),
        ..Plan::named("plan")
    };
    let meter = meter(plan);
    let now = Now { wall: "2026-11-20T10:00:00Z".parse().unwrap(), monotonic: Duration::from_secs(1) };
    let taken: usize = std::thread::scope(|scope| {
        let work = || (0..500).filter(|_| take(&meter, now).is_ok()).count();
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(work)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(taken, 700);
    let left: Vec<u64> = meter.report(now).iter().map(|state| state.remaining).collect();
    assert_eq!(left, [0, 300], "requests that the rate denied took nothing from the quota");
}
