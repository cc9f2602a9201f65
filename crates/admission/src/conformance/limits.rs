//! Rules about rates, concurrency and quota.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use super::{Fixture, StoreUnderTest, at, start};
use crate::{Demand, Denial, Exceeded, LimitPermit, Now, Principal};

fn take<F: Fixture>(
    bench: &StoreUnderTest<F>,
    principal: &Arc<Principal>,
    now: Now,
) -> Result<LimitPermit, Denial> {
    bench.admission.take(principal, &Demand::ONE, now).block()
}

fn remaining(principal: &Principal, now: Now) -> Vec<u64> {
    principal.report(now).iter().map(|state| state.remaining).collect()
}

fn seconds(seconds: u64) -> Now {
    at(Duration::from_secs(seconds))
}

/// Three at once, then one a second, and the wait that is told is the wait that helps.
pub fn a_rate_lets_its_burst_pass_and_then_keeps_its_pace<F: Fixture>(fixture: F) {
    let bench = StoreUnderTest::new(fixture);
    let (_, principal) = bench.caller("acme", "rated");
    for _ in 0..3 {
        assert!(take(&bench, &principal, start()).is_ok());
    }
    let denial = take(&bench, &principal, start()).unwrap_err();
    let expected = Denial::RateExceeded {
        name: "burst".into(),
        requests: 3,
        per: Duration::from_secs(3),
        remaining: 0,
        retry_after: Some(Duration::from_secs(1)),
    };
    assert_eq!(denial, expected);
    assert!(take(&bench, &principal, at(Duration::from_millis(999))).is_err());
    assert!(take(&bench, &principal, seconds(1)).is_ok());
    assert!(take(&bench, &principal, seconds(1)).is_err());
}

/// Both deny: the longer wait is told; and a denied request costs neither of them anything.
pub fn the_longest_denial_decides_and_siblings_take_nothing<F: Fixture>(fixture: F) {
    let bench = StoreUnderTest::new(fixture);
    let (_, principal) = bench.caller("acme", "both");
    assert!(take(&bench, &principal, start()).is_ok());
    assert!(take(&bench, &principal, start()).is_ok());
    let before = remaining(&principal, start());
    assert_eq!(before, [8, 0]);
    for _ in 0..20 {
        let denial = take(&bench, &principal, start()).unwrap_err();
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
    let (_, principal) = bench.caller("rated", "rated");
    for now in [start(), start(), start(), seconds(2), seconds(2)] {
        assert!(take(&bench, &principal, now).is_ok());
    }
    let denial = take(&bench, &principal, seconds(2)).unwrap_err();
    let Denial::RateExceeded { name, retry_after, .. } = denial else { unreachable!("{denial:?}") };
    let all = principal.denials(&Demand::ONE, seconds(2));
    let names = all.iter().map(|denial| match denial {
        Denial::RateExceeded { name, .. } => name.as_ref(),
        other => unreachable!("{other:?}"),
    });
    assert_eq!(names.collect::<Vec<_>>(), ["burst", "slow"], "all that deny are told of");
    assert_eq!((name.as_ref(), retry_after), ("slow", Some(Duration::from_secs(10))));
}

/// What has been used of a rate stays used under another plan that has a rate of that name.
pub fn a_change_of_plan_resets_no_counter<F: Fixture>(fixture: F) {
    let bench = StoreUnderTest::new(fixture);
    let (secret, principal) = bench.caller("acme", "rated");
    for _ in 0..3 {
        assert!(take(&bench, &principal, start()).is_ok());
    }
    assert_eq!(remaining(&principal, start()), [0, 2]);
    bench.fixture.set_plan(&principal.account().id, "faster", start());
    let principal = bench.authenticate(&secret, start()).unwrap();
    // Three of thirty requests, ten times as fast: they are used, and come back at the new pace.
    assert_eq!(remaining(&principal, start()), [27, 2]);
    assert_eq!(remaining(&principal, at(Duration::from_millis(100))), [28, 2]);
}

/// Neither has a faster plan to wait for what the slower one would have cost, nor a slower one for what the faster
/// one let pass beyond its own burst.
pub fn a_change_of_plan_is_felt_at_once<F: Fixture>(fixture: F) {
    let bench = StoreUnderTest::new(fixture);
    let (secret, slow) = bench.caller("acme", "trickle");
    let move_to = |plan: &str, now| {
        bench.fixture.set_plan(&slow.account().id, plan, now);
        bench.authenticate(&secret, now).unwrap()
    };
    let wait = |who: &Arc<Principal>, now| match take(&bench, who, now).unwrap_err() {
        Denial::RateExceeded { retry_after, .. } => retry_after,
        other => unreachable!("{other:?}"),
    };
    for _ in 0..3 {
        assert!(take(&bench, &slow, start()).is_ok());
    }
    let eight_hours = Duration::from_secs(8 * 3600);
    assert_eq!(wait(&slow, start()), Some(eight_hours));
    let fast = move_to("flood", start());
    for _ in 3..30 {
        assert!(take(&bench, &fast, start()).is_ok());
    }
    assert_eq!(wait(&fast, start()), Some(Duration::from_millis(100)));
    // Who was let in under the plan before, and takes only now, takes no more than a place of the new one's.
    assert!(take(&bench, &slow, seconds(3)).is_ok());
    assert_eq!(remaining(&fast, seconds(3)), [29]);
    for _ in 1..30 {
        assert!(take(&bench, &fast, seconds(3)).is_ok());
    }
    let slow = move_to("trickle", seconds(3));
    assert_eq!(wait(&slow, seconds(3)), Some(eight_hours));
}

/// Two at once; a third waits for one of them to end, however it ends.
pub fn a_slot_is_free_again_when_its_request_ends<F: Fixture>(fixture: F) {
    let bench = StoreUnderTest::new(fixture);
    let (_, principal) = bench.caller("acme", "narrow");
    for _ in 0..100 {
        let first = take(&bench, &principal, start()).unwrap();
        let second = take(&bench, &principal, start()).unwrap();
        let denial = take(&bench, &principal, start()).unwrap_err();
        assert_eq!(denial, Denial::RateConcurrency { slots: 2, retry_after: Duration::from_secs(1) });
        drop(first);
        let third = take(&bench, &principal, start()).unwrap();
        second.refund(start());
        drop(third);
    }
}

/// The last moment of a day belongs to it, the first of the next to the next.
pub fn a_quota_begins_anew_at_midnight<F: Fixture>(fixture: F) {
    let bench = StoreUnderTest::new(fixture);
    let (_, principal) = bench.caller("acme", "daily");
    for _ in 0..3 {
        assert!(take(&bench, &principal, start()).is_ok());
    }
    let last = Duration::from_secs(12 * 3600) - Duration::from_nanos(1);
    assert!(take(&bench, &principal, at(last)).is_err());
    for _ in 0..3 {
        assert!(take(&bench, &principal, seconds(12 * 3600)).is_ok());
    }
    assert!(take(&bench, &principal, seconds(12 * 3600)).is_err());
}

/// A failed request gives its place back; one without a word keeps it.
pub fn a_quota_of_successes_counts_no_failures<F: Fixture>(fixture: F) {
    let bench = StoreUnderTest::new(fixture);
    let (_, principal) = bench.caller("acme", "successes");
    for _ in 0..10 {
        let mut taken = take(&bench, &principal, start()).unwrap();
        taken.mark_failed();
    }
    for _ in 0..3 {
        drop(take(&bench, &principal, start()).unwrap());
    }
    assert!(take(&bench, &principal, start()).is_err());
}

/// What failed after midnight had been counted the day before: the new day gets nothing for it.
pub fn a_failure_is_given_back_to_the_day_that_counted_it<F: Fixture>(fixture: F) {
    let bench = StoreUnderTest::new(fixture);
    let (_, principal) = bench.caller("acme", "successes");
    let mut over_midnight = take(&bench, &principal, start()).unwrap();
    let midnight = seconds(12 * 3600);
    for _ in 0..3 {
        drop(take(&bench, &principal, midnight).unwrap());
    }
    over_midnight.mark_failed();
    drop(over_midnight);
    assert!(take(&bench, &principal, midnight).is_err());
}

/// Past midnight, then back before it: the day that was reached counts on.
pub fn a_wall_clock_put_back_gives_no_second_quota<F: Fixture>(fixture: F) {
    let bench = StoreUnderTest::new(fixture);
    let (_, principal) = bench.caller("acme", "daily");
    let past_midnight = seconds(13 * 3600);
    for _ in 0..3 {
        assert!(take(&bench, &principal, past_midnight).is_ok());
    }
    let put_back = Now { wall: start().wall, monotonic: past_midnight.monotonic + Duration::from_secs(1) };
    assert!(take(&bench, &principal, put_back).is_err());
    assert!(take(&bench, &principal, past_midnight).is_err());
}

/// Giving back restores what there was, and never more.
pub fn what_was_given_back_can_be_taken_again<F: Fixture>(fixture: F) {
    let bench = StoreUnderTest::new(fixture);
    let (_, principal) = bench.caller("acme", "both");
    for _ in 0..50 {
        take(&bench, &principal, start()).unwrap().refund(start());
    }
    assert_eq!(remaining(&principal, start()), [10, 2]);
    let taken = take(&bench, &principal, start()).unwrap();
    // Ten seconds later the rate is whole by itself.
    taken.refund(seconds(10));
    assert_eq!(remaining(&principal, seconds(10)), [10, 2]);
}

/// For the account, for each key, for each address, for one operation, with more than one at a time.
pub fn rates_count_for_whom_and_what_they_say<F: Fixture>(fixture: F) {
    let bench = StoreUnderTest::new(fixture);
    let (_, first) = bench.caller("acme", "apart");
    let secret = bench.fixture.add_key(first.account(), None, crate::Grants::default(), start());
    let second = bench.authenticate(&secret, start()).unwrap();
    let (_, stranger) = bench.caller("other", "apart");
    let address = |number: u8| Some(IpAddr::from([192, 0, 2, number]));
    let cost = |cost| NonZeroU32::new(cost).unwrap();
    let take = |who: &Arc<Principal>, peer, operation: Option<&'static str>, count| {
        let demand = Demand { cost: cost(count), operation, peer };
        match bench.admission.take(who, &demand, start()).block() {
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
    // Of several that deny, the one that denies for the longest time is named.
    assert_eq!(take(&first, address(2), Some("export"), 1), "exports");
    assert_eq!(take(&first, address(1), Some("list"), 1), "");
    assert_eq!(take(&first, address(2), Some("list"), 1), "key");
    assert_eq!(take(&second, address(1), None, 1), "");
    assert_eq!(take(&second, address(1), None, 1), "address");
    assert_eq!(take(&second, address(2), None, 2), "key", "one of two is there");
    assert_eq!(take(&second, address(2), None, 1), "");
    // Two keys, two addresses: four requests so far of the account's six.
    let report = |who: &Principal| {
        let found = first_report(who);
        found.into_iter().filter(|(name, _)| name == "account").map(|(_, left)| left).collect::<Vec<_>>()
    };
    assert_eq!(report(&second), [2]);
    assert_eq!(take(&stranger, address(1), None, 2), "", "addresses count within an account");
    assert_eq!(report(&stranger), [4]);
}

fn first_report(who: &Principal) -> Vec<(String, u64)> {
    who.report(start()).iter().map(|state| (state.kind.name().to_owned(), state.remaining)).collect()
}

/// What would be refused is told, and neither refused nor shown in any field.
pub fn a_limit_in_the_shadow_refuses_nobody_and_says_so<F: Fixture>(fixture: F) {
    let bench = StoreUnderTest::new(fixture);
    let (_, who) = bench.caller("acme", "shadowed");
    let first = take(&bench, &who, start()).unwrap();
    assert!(first.shadowed().is_empty());
    let second = take(&bench, &who, start()).unwrap();
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
    assert_eq!(first_report(&who), [("slow".to_owned(), 1)]);
    drop((first, second));
    assert!(take(&bench, &who, start()).is_ok());
    let denial = take(&bench, &who, start()).unwrap_err();
    assert!(matches!(denial, Denial::RateExceeded { name, .. } if name.as_ref() == "slow"));
}

/// Where anything outlives a process, a day's count does.
pub fn a_quota_outlives_a_restart<F: Fixture>(fixture: F) {
    let bench = StoreUnderTest::new(fixture);
    let (secret, principal) = bench.caller("acme", "daily");
    assert!(take(&bench, &principal, start()).is_ok());
    assert!(take(&bench, &principal, start()).is_ok());
    let StoreUnderTest { fixture, admission, .. } = bench;
    drop((principal, admission));
    let Some(fixture) = fixture.restart() else { return };
    let bench = StoreUnderTest::new(fixture);
    let principal = bench.authenticate(&secret, start()).unwrap();
    assert_eq!(remaining(&principal, start()), [1]);
    assert!(take(&bench, &principal, start()).is_ok());
    assert!(take(&bench, &principal, start()).is_err());
}
