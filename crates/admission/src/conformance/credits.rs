//! Rules about the ledger.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::{Fixture, StoreUnderTest, at, start};
use crate::{
    Balance, Charge, Claim, Claimed, Demand, Denial, Fingerprint, Hold, Now, OperationId, Owner, Principal,
    RepeatPolicy,
};

const REQUEST: Fingerprint = Fingerprint([1; 32]);
const OTHER_REQUEST: Fingerprint = Fingerprint([2; 32]);

pub(super) fn hold<F: Fixture>(
    bench: &StoreUnderTest<F>,
    who: &Principal,
    id: &str,
    amount: u64,
    now: Now,
) -> Result<Hold, Denial> {
    charge(bench, who, id, Some(REQUEST), amount, now)
}

/// Held, and claimed where a fingerprint is given.
fn charge<F: Fixture>(
    bench: &StoreUnderTest<F>,
    who: &Principal,
    id: &str,
    fingerprint: Option<Fingerprint>,
    amount: u64,
    now: Now,
) -> Result<Hold, Denial> {
    let operation: OperationId = id.parse().unwrap();
    let charge = Charge { operation: &operation, amount, lease: LEASE };
    let Some(fingerprint) = fingerprint else { return bench.admission.hold(who, &charge, now).block() };
    match bench.admission.claim(who, &charge, &claim_of(fingerprint), now).block()? {
        Claimed::First(hold) | Claimed::Repeat(hold) => Ok(hold),
        Claimed::Replay(response) => panic!("nothing was stored: {response:?}"),
    }
}

pub(super) const LEASE: Duration = Duration::from_secs(30);

/// So long that no clock comes near it while a test runs.
pub(super) const TTL: Duration = Duration::from_secs(20 * 365 * 24 * 3600);

pub(super) fn claim_of(fingerprint: Fingerprint) -> Claim {
    Claim { fingerprint, owner: Owner::this_process(), ttl: TTL, repeats: RepeatPolicy::Replay }
}

/// The balance, which must add up.
fn balance<F: Fixture>(bench: &StoreUnderTest<F>, who: &Principal, now: Now) -> Balance {
    let balance = bench.admission.balance(who, now).block().unwrap();
    let Balance { available, held, posted, granted, expired, .. } = balance;
    assert_eq!(granted, available + held + posted + expired, "{balance:?}");
    balance
}

fn days(days: u64) -> Now {
    at(Duration::from_secs(days * 24 * 3600))
}

/// A hold takes from what is available; its end says what becomes of it.
pub fn a_hold_is_posted_released_or_split<F: Fixture>(fixture: F) {
    let bench = StoreUnderTest::new(fixture);
    let (_, who) = bench.caller("acme", "open");
    assert!(charge(&bench, &who, "free", None, 0, start()).unwrap().balance().is_none());
    bench.fixture.top_up(&who.account().id, 100, start());
    let state = |bench| {
        let Balance { available, held, posted, .. } = balance(bench, &who, start());
        (available, held, posted)
    };
    let first = hold(&bench, &who, "1", 30, start()).unwrap();
    assert_eq!(first.balance().map(|balance| balance.available), Some(70));
    assert_eq!(state(&bench), (70, 30, 0));
    first.post();
    assert_eq!(state(&bench), (70, 0, 30));
    hold(&bench, &who, "2", 30, start()).unwrap().release();
    assert_eq!(state(&bench), (70, 0, 30));
    hold(&bench, &who, "3", 30, start()).unwrap().post_used(10);
    assert_eq!(state(&bench), (60, 0, 40));
    hold(&bench, &who, "4", 30, start()).unwrap().post_used(1000);
    assert_eq!(state(&bench), (30, 0, 70), "no more than what was held");
}

/// Too little is not taken, and the caller learns what there is and when there will be more.
pub fn who_cannot_pay_is_told_what_there_is<F: Fixture>(fixture: F) {
    let bench = StoreUnderTest::new(fixture);
    let (_, poor) = bench.caller("poor", "open");
    let denial = hold(&bench, &poor, "1", 1, start()).unwrap_err();
    assert_eq!(denial, Denial::CreditsExhausted { needed: 1, available: 0, resets_at: None });

    let (_, paid) = bench.caller("paid", "paid");
    hold(&bench, &paid, "1", 99, start()).unwrap().post();
    let resets_at = Some("2026-12-01T00:00:00Z".parse().unwrap());
    let denial = hold(&bench, &paid, "2", 2, start()).unwrap_err();
    assert_eq!(denial, Denial::CreditsExhausted { needed: 2, available: 1, resets_at });
    assert_eq!(balance(&bench, &paid, start()).resets_at, resets_at);
    assert!(hold(&bench, &paid, "3", 1, start()).is_ok(), "who could not pay the one can pay the other");
}

/// Credits that others hold may come back, so it makes sense to wait; credits that are spent do not.
pub fn held_credits_are_told_from_spent_ones<F: Fixture>(fixture: F) {
    let bench = StoreUnderTest::new(fixture);
    let (_, who) = bench.caller("acme", "paid");
    let (_, other) = bench.caller("other", "paid");
    let later = |seconds| at(Duration::from_secs(seconds));
    let try_hold =
        |id: &str, amount, seconds| charge(&bench, &who, id, None, amount, later(seconds)).map(drop);
    let held = |available, needed, seconds| {
        Err(Denial::CreditsHeld { needed, available, retry_after: Duration::from_secs(seconds) })
    };
    let resets_at = Some("2026-12-01T00:00:00Z".parse().unwrap());
    let exhausted = |available, needed| Err(Denial::CreditsExhausted { needed, available, resets_at });
    // Holds of another account are nothing to wait for.
    let elsewhere = charge(&bench, &other, "1", None, 100, start()).unwrap();
    let first = charge(&bench, &who, "1", None, 60, later(0)).unwrap();
    let second = hold(&bench, &who, "2", 30, later(10)).unwrap();
    for (id, amount, seconds, expected) in [
        // The lease is half a minute, and the oldest of the two holds counts.
        ("3", 11, 10, held(10, 11, 20)),
        ("3", 100, 29, held(10, 100, 1)),
        // A hold that lasts for longer than expected ends at some time all the same.
        ("3", 11, 45, held(10, 11, 1)),
        ("3", 101, 10, exhausted(10, 101)),
        ("3", 10, 10, Ok(())),
    ] {
        assert_eq!(try_hold(id, amount, seconds), expected, "{amount} at {seconds}");
    }
    first.post();
    assert_eq!(try_hold("4", 41, 12), exhausted(10, 41));
    assert_eq!(try_hold("4", 40, 12), held(10, 40, 28), "now the second one is the oldest");
    second.release();
    assert_eq!(try_hold("4", 41, 12), exhausted(40, 41));
    assert_eq!(try_hold("4", 40, 12), Ok(()));
    drop(elsewhere);
}

/// The operation's id is what is charged for; another request cannot use it, and a repeat is neither charged nor run.
pub fn one_operation_is_charged_once<F: Fixture>(fixture: F) {
    let bench = StoreUnderTest::new(fixture);
    let (_, who) = bench.caller("acme", "paid");
    let (_, other) = bench.caller("other", "paid");
    let first = hold(&bench, &who, "order-1", 10, start()).unwrap();
    assert_eq!(hold(&bench, &who, "order-1", 10, start()).unwrap_err(), Denial::IdempotencyInFlight);
    let mismatch = |bench: &StoreUnderTest<F>| {
        charge(bench, &who, "order-1", Some(OTHER_REQUEST), 10, start()).unwrap_err()
    };
    assert_eq!(mismatch(&bench), Denial::IdempotencyMismatch);
    // Ids belong to accounts.
    hold(&bench, &other, "order-1", 10, start()).unwrap().post();
    first.post();
    assert_eq!(hold(&bench, &who, "order-1", 10, start()).unwrap_err(), Denial::IdempotencyCompleted);
    assert_eq!(mismatch(&bench), Denial::IdempotencyMismatch);
    assert_eq!(balance(&bench, &who, start()).posted, 10);
    // One that was released has had no effect, and may be tried again.
    hold(&bench, &who, "order-2", 10, start()).unwrap().release();
    hold(&bench, &who, "order-2", 10, start()).unwrap().post();
    assert_eq!(balance(&bench, &who, start()).posted, 20);
}

/// One grant a month; what is left of it expires, what was topped up does not, and is spent last.
pub fn the_monthly_grant_is_made_once_and_expires<F: Fixture>(fixture: F) {
    let bench = StoreUnderTest::new(fixture);
    let (_, who) = bench.caller("acme", "paid");
    bench.fixture.top_up(&who.account().id, 50, start());
    for _ in 0..3 {
        assert_eq!(balance(&bench, &who, start()).granted, 150);
    }
    hold(&bench, &who, "1", 30, start()).unwrap().post();
    let over_the_end = hold(&bench, &who, "2", 20, start()).unwrap();
    // Ten days later it is December.
    let december = balance(&bench, &who, days(11));
    assert_eq!((december.available, december.granted, december.expired), (150, 250, 50));
    over_the_end.release();
    let december = balance(&bench, &who, days(11));
    assert_eq!(
        (december.available, december.expired),
        (150, 70),
        "what flows back after its month is expired too"
    );
    let back = balance(&bench, &who, start());
    assert_eq!((back.available, back.granted), (150, 250), "a clock put back grants nothing");
    hold(&bench, &who, "3", 120, days(11)).unwrap().post();
    assert_eq!(balance(&bench, &who, days(11)).available, 30);
    // Two months without a request: one grant, that of the month under way.
    let february = balance(&bench, &who, days(80));
    assert_eq!((february.available, february.granted), (130, 350));
}

/// A larger plan brings what it grants more than any other of that month, at once and once; a smaller one takes
/// nothing back.
pub fn a_larger_plan_brings_the_difference_at_once_and_once<F: Fixture>(fixture: F) {
    let bench = StoreUnderTest::new(fixture);
    let (secret, who) = bench.caller("acme", "poor");
    hold(&bench, &who, "1", 2, start()).unwrap().post();
    assert!(matches!(hold(&bench, &who, "2", 1, start()), Err(Denial::CreditsExhausted { .. })));
    for (plan, day, available, granted) in [
        ("paid", 0, 98, 100),
        // To and fro: what was granted stays, and is not granted again.
        ("poor", 0, 98, 100),
        ("paid", 0, 98, 100),
        ("open", 0, 98, 100),
        ("paid", 1, 98, 100),
        ("dear", 1, 998, 1000),
        ("poor", 1, 998, 1000),
        // The next month is that of the plan by then.
        ("poor", 11, 2, 1002),
        ("paid", 11, 100, 1100),
        // With the clock put back too the difference belongs to the month that was begun.
        ("dear", 0, 1000, 2000),
        ("dear", 11, 1000, 2000),
    ] {
        bench.fixture.set_plan(&who.account().id, plan, days(day));
        let who = bench.authenticate(&secret, days(day)).unwrap();
        let balance = balance(&bench, &who, days(day));
        assert_eq!((balance.available, balance.granted), (available, granted), "{plan} on day {day}");
    }
    let who = bench.authenticate(&secret, days(11)).unwrap();
    hold(&bench, &who, "3", 1000, days(11)).unwrap().post();
    let balance = balance(&bench, &who, days(11));
    assert_eq!((balance.available, balance.posted, balance.expired), (0, 1002, 998));
}

/// Before it was forwarded nothing can have happened; after that it may have.
pub fn a_dropped_hold_settles_by_how_far_the_request_came<F: Fixture>(fixture: F) {
    let bench = StoreUnderTest::new(fixture);
    let (_, who) = bench.caller("acme", "paid");
    drop(hold(&bench, &who, "1", 10, start()).unwrap());
    assert_eq!(balance(&bench, &who, start()).available, 100);
    let mut held = hold(&bench, &who, "2", 10, start()).unwrap();
    held.forwarded();
    drop(held);
    let after = balance(&bench, &who, start());
    assert_eq!((after.available, after.held, after.posted), (90, 0, 10));
}

/// Exactly as many succeed as can be paid.
pub fn two_hundred_race_for_one_hundred<F: Fixture>(fixture: F) {
    let bench = StoreUnderTest::new(fixture);
    let (_, who) = bench.caller("acme", "paid");
    let (paid, refused) = (AtomicU32::new(0), AtomicU32::new(0));
    let admission = &bench.admission;
    std::thread::scope(|scope| {
        for number in 0..200 {
            let (who, paid, refused) = (&who, &paid, &refused);
            scope.spawn(move || {
                let operation: OperationId = format!("request-{number}").parse().unwrap();
                let taken = admission.take(who, &Demand::ONE, start()).block();
                let charge = Charge { operation: &operation, amount: 1, lease: LEASE };
                // Half of them as clients name them, half as the gateway does.
                let answer = if number % 2 == 0 {
                    admission.hold(who, &charge, start()).block()
                } else {
                    let claimed = admission.claim(who, &charge, &claim_of(REQUEST), start()).block();
                    claimed.map(|claimed| match claimed {
                        Claimed::First(hold) => hold,
                        other => panic!("each has a name of its own: {other:?}"),
                    })
                };
                drop(taken);
                match answer {
                    Ok(hold) => {
                        hold.post();
                        paid.fetch_add(1, Ordering::SeqCst)
                    }
                    // Some while the last credits are held, and all once they are spent.
                    Err(Denial::CreditsExhausted { .. } | Denial::CreditsHeld { .. }) => {
                        refused.fetch_add(1, Ordering::SeqCst)
                    }
                    Err(_) => 0,
                };
            });
        }
    });
    assert_eq!((paid.into_inner(), refused.into_inner()), (100, 100));
    let after = balance(&bench, &who, start());
    assert_eq!((after.available, after.held, after.posted), (0, 0, 100));
}

/// Where anything outlives a process: what was acknowledged, and holds without an end as posted.
pub fn a_restart_keeps_what_was_acknowledged_and_posts_what_was_held<F: Fixture>(fixture: F) {
    let bench = StoreUnderTest::new(fixture);
    let (secret, who) = bench.caller("acme", "paid");
    hold(&bench, &who, "1", 10, start()).unwrap().post();
    hold(&bench, &who, "2", 10, start()).unwrap().release();
    let under_way = hold(&bench, &who, "3", 10, start()).unwrap();
    assert_eq!(balance(&bench, &who, start()).held, 10);
    let StoreUnderTest { fixture, admission, .. } = bench;
    // Forgotten, not dropped: the process ended before it could be settled.
    std::mem::forget(under_way);
    drop((who, admission));
    let Some(fixture) = fixture.restart() else { return };
    let bench = StoreUnderTest::new(fixture);
    let who = bench.authenticate(&secret, start()).unwrap();
    let after = balance(&bench, &who, start());
    assert_eq!((after.available, after.held, after.posted), (80, 0, 20));
    assert_eq!(hold(&bench, &who, "3", 10, start()).unwrap_err(), Denial::IdempotencyCompleted);
}
