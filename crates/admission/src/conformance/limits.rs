//! Rules about rates, concurrency and quota.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use super::{Fixture, StoreUnderTest, at, start};
use crate::{Demand, Denial, Exceeded, LimitPermit, Now, Principal};

fn take<F: Fixture>(
    subject: &StoreUnderTest<F>,
    principal: &Arc<Principal>,
    now: Now,
) -> Result<LimitPermit, Denial> {
    subject.admission.take(principal, &Demand::ONE, now).block()
}

fn remaining(principal: &Principal, now: Now) -> Vec<u64> {
    principal.report(now).iter().map(|state| state.remaining).collect()
}

fn seconds(seconds: u64) -> Now {
    at(Duration::from_secs(seconds))
}

/// Three at once, then one per second, and waiting for the reported time suffices.
pub fn a_rate_admits_its_burst_and_then_one_request_per_interval<F: Fixture>(fixture: F) {
    let subject = StoreUnderTest::new(fixture);
    let (_, principal) = subject.caller("acme", "rated");
    for _ in 0..3 {
        assert!(take(&subject, &principal, start()).is_ok());
    }
    let denial = take(&subject, &principal, start()).unwrap_err();
    let expected = Denial::RateExceeded {
        name: "burst".into(),
        requests: 3,
        per: Duration::from_secs(3),
        remaining: 0,
        retry_after: Some(Duration::from_secs(1)),
    };
    assert_eq!(denial, expected);
    assert!(take(&subject, &principal, at(Duration::from_millis(999))).is_err());
    assert!(take(&subject, &principal, seconds(1)).is_ok());
    assert!(take(&subject, &principal, seconds(1)).is_err());
}

/// If two limits deny, the longer wait is reported, and a denied request takes nothing from either.
pub fn reports_the_longest_wait_and_takes_nothing_when_denied<F: Fixture>(fixture: F) {
    let subject = StoreUnderTest::new(fixture);
    let (_, principal) = subject.caller("acme", "both");
    assert!(take(&subject, &principal, start()).is_ok());
    assert!(take(&subject, &principal, start()).is_ok());
    let before = remaining(&principal, start());
    assert_eq!(before, [8, 0]);
    for _ in 0..20 {
        let denial = take(&subject, &principal, start()).unwrap_err();
        let twelve_hours = Duration::from_secs(12 * 3600);
        let resets_at = at(twelve_hours).wall;
        let expected = Denial::QuotaExceeded {
            requests: 2,
            per: 2 * twelve_hours,
            remaining: 0,
            resets_in: twelve_hours,
            resets_at,
        };
        assert_eq!(denial, expected);
    }
    assert_eq!(remaining(&principal, start()), before);

    // Two rates deny: `burst` for a second, `slow` for ten.
    let (_, principal) = subject.caller("rated", "rated");
    for now in [start(), start(), start(), seconds(2), seconds(2)] {
        assert!(take(&subject, &principal, now).is_ok());
    }
    let denial = take(&subject, &principal, seconds(2)).unwrap_err();
    let Denial::RateExceeded { name, retry_after, .. } = denial else { unreachable!("{denial:?}") };
    let all = principal.denials(&Demand::ONE, seconds(2));
    let names = all.iter().map(|denial| match denial {
        Denial::RateExceeded { name, .. } => name.as_ref(),
        other => unreachable!("{other:?}"),
    });
    assert_eq!(names.collect::<Vec<_>>(), ["burst", "slow"], "every denying limit is listed");
    assert_eq!((name.as_ref(), retry_after), ("slow", Some(Duration::from_secs(10))));
}

/// The use of a rate stays under another plan with a rate of the same name.
pub fn keeps_counts_across_a_change_of_plan<F: Fixture>(fixture: F) {
    let subject = StoreUnderTest::new(fixture);
    let (secret, principal) = subject.caller("acme", "rated");
    for _ in 0..3 {
        assert!(take(&subject, &principal, start()).is_ok());
    }
    assert_eq!(remaining(&principal, start()), [0, 2]);
    subject.fixture.set_plan(&principal.account().id, "faster", start());
    let principal = subject.authenticate(&secret, start()).unwrap();
    // Three of thirty requests are used, and recover ten times as fast.
    assert_eq!(remaining(&principal, start()), [27, 2]);
    assert_eq!(remaining(&principal, at(Duration::from_millis(100))), [28, 2]);
}

/// A faster plan does not wait for the intervals of the slower one, and a slower one does not wait for requests beyond its own
/// burst.
pub fn applies_the_rates_of_a_new_plan_at_once<F: Fixture>(fixture: F) {
    let subject = StoreUnderTest::new(fixture);
    let (secret, slow) = subject.caller("acme", "trickle");
    let move_to = |plan: &str, now| {
        subject.fixture.set_plan(&slow.account().id, plan, now);
        subject.authenticate(&secret, now).unwrap()
    };
    let wait = |principal: &Arc<Principal>, now| match take(&subject, principal, now).unwrap_err() {
        Denial::RateExceeded { retry_after, .. } => retry_after,
        other => unreachable!("{other:?}"),
    };
    for _ in 0..3 {
        assert!(take(&subject, &slow, start()).is_ok());
    }
    let eight_hours = Duration::from_secs(8 * 3600);
    assert_eq!(wait(&slow, start()), Some(eight_hours));
    let fast = move_to("flood", start());
    for _ in 3..30 {
        assert!(take(&subject, &fast, start()).is_ok());
    }
    assert_eq!(wait(&fast, start()), Some(Duration::from_millis(100)));
    // A principal of the previous plan that takes now takes one request of the new plan.
    assert!(take(&subject, &slow, seconds(3)).is_ok());
    assert_eq!(remaining(&fast, seconds(3)), [29]);
    for _ in 1..30 {
        assert!(take(&subject, &fast, seconds(3)).is_ok());
    }
    let slow = move_to("trickle", seconds(3));
    assert_eq!(wait(&slow, seconds(3)), Some(eight_hours));
}

/// A third concurrent request is denied until one of two ends, however it ends.
pub fn frees_a_slot_when_its_request_ends<F: Fixture>(fixture: F) {
    let subject = StoreUnderTest::new(fixture);
    let (_, principal) = subject.caller("acme", "narrow");
    for _ in 0..100 {
        let first = take(&subject, &principal, start()).unwrap();
        let second = take(&subject, &principal, start()).unwrap();
        let denial = take(&subject, &principal, start()).unwrap_err();
        assert_eq!(denial, Denial::RateConcurrency { slots: 2, retry_after: Duration::from_secs(1) });
        drop(first);
        let third = take(&subject, &principal, start()).unwrap();
        second.refund(start());
        drop(third);
    }
}

/// Until the last nanosecond of the day the quota is exhausted; at midnight it is reset.
pub fn resets_the_daily_quota_at_midnight<F: Fixture>(fixture: F) {
    let subject = StoreUnderTest::new(fixture);
    let (_, principal) = subject.caller("acme", "daily");
    for _ in 0..3 {
        assert!(take(&subject, &principal, start()).is_ok());
    }
    let last = Duration::from_secs(12 * 3600) - Duration::from_nanos(1);
    assert!(take(&subject, &principal, at(last)).is_err());
    for _ in 0..3 {
        assert!(take(&subject, &principal, seconds(12 * 3600)).is_ok());
    }
    assert!(take(&subject, &principal, seconds(12 * 3600)).is_err());
}

/// A failed request is refunded; one that is dropped without a result counts.
pub fn a_quota_of_successes_does_not_count_failures<F: Fixture>(fixture: F) {
    let subject = StoreUnderTest::new(fixture);
    let (_, principal) = subject.caller("acme", "successes");
    for _ in 0..10 {
        let mut taken = take(&subject, &principal, start()).unwrap();
        taken.mark_failed();
    }
    for _ in 0..3 {
        drop(take(&subject, &principal, start()).unwrap());
    }
    assert!(take(&subject, &principal, start()).is_err());
}

/// A request that was counted yesterday and failed after midnight refunds nothing to today.
pub fn refunds_a_failure_to_the_day_that_counted_it<F: Fixture>(fixture: F) {
    let subject = StoreUnderTest::new(fixture);
    let (_, principal) = subject.caller("acme", "successes");
    let mut over_midnight = take(&subject, &principal, start()).unwrap();
    let midnight = seconds(12 * 3600);
    for _ in 0..3 {
        drop(take(&subject, &principal, midnight).unwrap());
    }
    over_midnight.mark_failed();
    drop(over_midnight);
    assert!(take(&subject, &principal, midnight).is_err());
}

/// After midnight the clock is set back before it: the new day continues.
pub fn a_clock_that_is_set_back_grants_no_second_quota<F: Fixture>(fixture: F) {
    let subject = StoreUnderTest::new(fixture);
    let (_, principal) = subject.caller("acme", "daily");
    let past_midnight = seconds(13 * 3600);
    for _ in 0..3 {
        assert!(take(&subject, &principal, past_midnight).is_ok());
    }
    let put_back = Now { wall: start().wall, monotonic: past_midnight.monotonic + Duration::from_secs(1) };
    assert!(take(&subject, &principal, put_back).is_err());
    assert!(take(&subject, &principal, past_midnight).is_err());
}

/// A refund restores what was taken, and never more.
pub fn refunded_requests_can_be_taken_again<F: Fixture>(fixture: F) {
    let subject = StoreUnderTest::new(fixture);
    let (_, principal) = subject.caller("acme", "both");
    for _ in 0..50 {
        take(&subject, &principal, start()).unwrap().refund(start());
    }
    assert_eq!(remaining(&principal, start()), [10, 2]);
    let taken = take(&subject, &principal, start()).unwrap();
    // Ten seconds later the rate has recovered by itself.
    taken.refund(seconds(10));
    assert_eq!(remaining(&principal, seconds(10)), [10, 2]);
}

/// Rates per account, per key, per address and per operation, with different costs.
pub fn rates_count_per_account_key_address_and_operation<F: Fixture>(fixture: F) {
    let subject = StoreUnderTest::new(fixture);
    let (_, first) = subject.caller("acme", "apart");
    let secret = subject.fixture.add_key(first.account(), None, crate::Grants::default(), start());
    let second = subject.authenticate(&secret, start()).unwrap();
    let (_, stranger) = subject.caller("other", "apart");
    let address = |number: u8| Some(IpAddr::from([192, 0, 2, number]));
    let cost = |cost| NonZeroU32::new(cost).unwrap();
    let take = |principal: &Arc<Principal>, peer, operation: Option<&'static str>, count| {
        let demand = Demand { cost: cost(count), operation, peer };
        match subject.admission.take(principal, &demand, start()).block() {
            Ok(_) => "",
            Err(Denial::RateExceeded { name, .. }) => match name.as_ref() {
                "key" => "key",
                "address" => "address",
                "exports" => "exports",
                _ => "account",
            },
            Err(other) => unreachable!("{other:?}"),
        }
    };
    assert_eq!(take(&first, address(1), Some("export"), 1), "");
    // Of several denying rates, the one with the longest wait is reported.
    assert_eq!(take(&first, address(2), Some("export"), 1), "exports");
    assert_eq!(take(&first, address(1), Some("list"), 1), "");
    assert_eq!(take(&first, address(2), Some("list"), 1), "key");
    assert_eq!(take(&second, address(1), None, 1), "");
    assert_eq!(take(&second, address(1), None, 1), "address");
    assert_eq!(take(&second, address(2), None, 2), "key", "one of two is left");
    assert_eq!(take(&second, address(2), None, 1), "");
    // Two keys, two addresses: four requests so far of the account's six.
    let report = |principal: &Principal| {
        let found = first_report(principal);
        found.into_iter().filter(|(name, _)| name == "account").map(|(_, left)| left).collect::<Vec<_>>()
    };
    assert_eq!(report(&second), [2]);
    assert_eq!(take(&stranger, address(1), None, 2), "", "addresses count within an account");
    assert_eq!(report(&stranger), [4]);
}

fn first_report(principal: &Principal) -> Vec<(String, u64)> {
    principal.report(start()).iter().map(|state| (state.kind.name().to_owned(), state.remaining)).collect()
}

/// A shadow denial is recorded, and neither rejects nor appears in a header.
pub fn a_shadow_limit_records_but_never_rejects<F: Fixture>(fixture: F) {
    let subject = StoreUnderTest::new(fixture);
    let (_, principal) = subject.caller("acme", "shadowed");
    let first = take(&subject, &principal, start()).unwrap();
    assert!(first.shadowed().is_empty());
    let second = take(&subject, &principal, start()).unwrap();
    let kinds: Vec<&str> = second
        .shadowed()
        .iter()
        .map(|exceeded| match exceeded {
            Exceeded::Rate { .. } => "rate",
            Exceeded::Concurrency { .. } => "concurrency",
            Exceeded::Quota { .. } => "quota",
        })
        .collect();
    assert_eq!(kinds, ["rate", "concurrency", "quota"]);
    assert_eq!(first_report(&principal), [("slow".to_owned(), 1)]);
    drop((first, second));
    assert!(take(&subject, &principal, start()).is_ok());
    let denial = take(&subject, &principal, start()).unwrap_err();
    assert!(matches!(denial, Denial::RateExceeded { name, .. } if name.as_ref() == "slow"));
}

/// If anything survives a process, the count of the day does.
pub fn keeps_quota_counts_across_a_restart<F: Fixture>(fixture: F) {
    let subject = StoreUnderTest::new(fixture);
    let (secret, principal) = subject.caller("acme", "daily");
    assert!(take(&subject, &principal, start()).is_ok());
    assert!(take(&subject, &principal, start()).is_ok());
    let StoreUnderTest { fixture, admission, .. } = subject;
    drop((principal, admission));
    let Some(fixture) = fixture.restart() else { return };
    let subject = StoreUnderTest::new(fixture);
    let principal = subject.authenticate(&secret, start()).unwrap();
    assert_eq!(remaining(&principal, start()), [1]);
    assert!(take(&subject, &principal, start()).is_ok());
    assert!(take(&subject, &principal, start()).is_err());
}
