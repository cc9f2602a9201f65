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
    subject: &StoreUnderTest<F>,
    principal: &Principal,
    id: &str,
    amount: u64,
    now: Now,
) -> Result<Hold, Denial> {
    charge(subject, principal, id, Some(REQUEST), amount, now)
}

/// Holds credits, and claims the operation if a fingerprint is given.
fn charge<F: Fixture>(
    subject: &StoreUnderTest<F>,
    principal: &Principal,
    id: &str,
    fingerprint: Option<Fingerprint>,
    amount: u64,
    now: Now,
) -> Result<Hold, Denial> {
    let operation: OperationId = id.parse().unwrap();
    let charge = Charge { operation: &operation, amount, lease: LEASE };
    let Some(fingerprint) = fingerprint else {
        return subject.admission.hold(principal, &charge, now).block();
    };
    match subject.admission.claim(principal, &charge, &claim_of(fingerprint), now).block()? {
        Claimed::First(hold) | Claimed::Repeat(hold) => Ok(hold),
        Claimed::Replay(response) => panic!("nothing was stored: {response:?}"),
    }
}

pub(super) const LEASE: Duration = Duration::from_secs(30);

/// Long enough not to expire during a test.
pub(super) const TTL: Duration = Duration::from_secs(20 * 365 * 24 * 3600);

pub(super) fn claim_of(fingerprint: Fingerprint) -> Claim {
    Claim { fingerprint, owner: Owner::this_process(), ttl: TTL, repeats: RepeatPolicy::Replay }
}

/// Returns the balance, and asserts that it adds up.
fn balance<F: Fixture>(subject: &StoreUnderTest<F>, principal: &Principal, now: Now) -> Balance {
    let balance = subject.admission.balance(principal, now).block().unwrap();
    let Balance { available, held, posted, granted, expired, .. } = balance;
    assert_eq!(granted, available + held + posted + expired, "{balance:?}");
    balance
}

fn days(days: u64) -> Now {
    at(Duration::from_secs(days * 24 * 3600))
}

/// A hold takes available credits; its settlement decides what happens to them.
pub fn posts_releases_or_splits_a_hold<F: Fixture>(fixture: F) {
    let subject = StoreUnderTest::new(fixture);
    let (_, principal) = subject.caller("acme", "open");
    assert!(charge(&subject, &principal, "free", None, 0, start()).unwrap().balance().is_none());
    subject.fixture.top_up(&principal.account().id, 100, start());
    let state = |subject| {
        let Balance { available, held, posted, .. } = balance(subject, &principal, start());
        (available, held, posted)
    };
    let first = hold(&subject, &principal, "1", 30, start()).unwrap();
    assert_eq!(first.balance().map(|balance| balance.available), Some(70));
    assert_eq!(state(&subject), (70, 30, 0));
    first.post();
    assert_eq!(state(&subject), (70, 0, 30));
    hold(&subject, &principal, "2", 30, start()).unwrap().release();
    assert_eq!(state(&subject), (70, 0, 30));
    hold(&subject, &principal, "3", 30, start()).unwrap().post_used(10);
    assert_eq!(state(&subject), (60, 0, 40));
    hold(&subject, &principal, "4", 30, start()).unwrap().post_used(1000);
    assert_eq!(state(&subject), (30, 0, 70), "no more than the hold");
}

/// Insufficient credits are not taken, and the denial contains the available credits and when more are granted.
pub fn reports_the_available_credits_when_they_are_insufficient<F: Fixture>(fixture: F) {
    let subject = StoreUnderTest::new(fixture);
    let (_, poor) = subject.caller("poor", "open");
    let denial = hold(&subject, &poor, "1", 1, start()).unwrap_err();
    assert_eq!(denial, Denial::CreditsExhausted { needed: 1, available: 0, resets_at: None });

    let (_, paid) = subject.caller("paid", "paid");
    hold(&subject, &paid, "1", 99, start()).unwrap().post();
    let resets_at = Some("2026-12-01T00:00:00Z".parse().unwrap());
    let denial = hold(&subject, &paid, "2", 2, start()).unwrap_err();
    assert_eq!(denial, Denial::CreditsExhausted { needed: 2, available: 1, resets_at });
    assert_eq!(balance(&subject, &paid, start()).resets_at, resets_at);
    assert!(hold(&subject, &paid, "3", 1, start()).is_ok(), "a cheaper operation can still be paid");
}

/// Held credits may be released, so a retry makes sense; spent credits are not returned.
pub fn distinguishes_held_from_spent_credits<F: Fixture>(fixture: F) {
    let subject = StoreUnderTest::new(fixture);
    let (_, principal) = subject.caller("acme", "paid");
    let (_, other) = subject.caller("other", "paid");
    let later = |seconds| at(Duration::from_secs(seconds));
    let try_hold =
        |id: &str, amount, seconds| charge(&subject, &principal, id, None, amount, later(seconds)).map(drop);
    let held = |available, needed, seconds| {
        Err(Denial::CreditsHeld { needed, available, retry_after: Duration::from_secs(seconds) })
    };
    let resets_at = Some("2026-12-01T00:00:00Z".parse().unwrap());
    let exhausted = |available, needed| Err(Denial::CreditsExhausted { needed, available, resets_at });
    // Holds of another account do not matter.
    let elsewhere = charge(&subject, &other, "1", None, 100, start()).unwrap();
    let first = charge(&subject, &principal, "1", None, 60, later(0)).unwrap();
    let second = hold(&subject, &principal, "2", 30, later(10)).unwrap();
    for (id, amount, seconds, expected) in [
        // The lease is half a minute, and the older of the two holds counts.
        ("3", 11, 10, held(10, 11, 20)),
        ("3", 100, 29, held(10, 100, 1)),
        // A hold that lasts longer than expected still ends eventually.
        ("3", 11, 45, held(10, 11, 1)),
        ("3", 101, 10, exhausted(10, 101)),
        ("3", 10, 10, Ok(())),
    ] {
        assert_eq!(try_hold(id, amount, seconds), expected, "{amount} at {seconds}");
    }
    first.post();
    assert_eq!(try_hold("4", 41, 12), exhausted(10, 41));
    assert_eq!(try_hold("4", 40, 12), held(10, 40, 28), "the second hold is now the oldest");
    second.release();
    assert_eq!(try_hold("4", 41, 12), exhausted(40, 41));
    assert_eq!(try_hold("4", 40, 12), Ok(()));
    drop(elsewhere);
}

/// Another request cannot use the operation's ID, and a repeat is neither charged nor executed.
pub fn charges_an_operation_once<F: Fixture>(fixture: F) {
    let subject = StoreUnderTest::new(fixture);
    let (_, principal) = subject.caller("acme", "paid");
    let (_, other) = subject.caller("other", "paid");
    let first = hold(&subject, &principal, "order-1", 10, start()).unwrap();
    assert_eq!(hold(&subject, &principal, "order-1", 10, start()).unwrap_err(), Denial::IdempotencyInFlight);
    let mismatch = |subject: &StoreUnderTest<F>| {
        charge(subject, &principal, "order-1", Some(OTHER_REQUEST), 10, start()).unwrap_err()
    };
    assert_eq!(mismatch(&subject), Denial::IdempotencyMismatch);
    // IDs are per account.
    hold(&subject, &other, "order-1", 10, start()).unwrap().post();
    first.post();
    assert_eq!(hold(&subject, &principal, "order-1", 10, start()).unwrap_err(), Denial::IdempotencyCompleted);
    assert_eq!(mismatch(&subject), Denial::IdempotencyMismatch);
    assert_eq!(balance(&subject, &principal, start()).posted, 10);
    // A released operation has had no effect, and may be repeated.
    hold(&subject, &principal, "order-2", 10, start()).unwrap().release();
    hold(&subject, &principal, "order-2", 10, start()).unwrap().post();
    assert_eq!(balance(&subject, &principal, start()).posted, 20);
}

/// One grant per month: its rest expires, topped-up credits do not, and are spent last.
pub fn grants_monthly_credits_once_and_expires_them<F: Fixture>(fixture: F) {
    let subject = StoreUnderTest::new(fixture);
    let (_, principal) = subject.caller("acme", "paid");
    subject.fixture.top_up(&principal.account().id, 50, start());
    for _ in 0..3 {
        assert_eq!(balance(&subject, &principal, start()).granted, 150);
    }
    hold(&subject, &principal, "1", 30, start()).unwrap().post();
    let over_the_end = hold(&subject, &principal, "2", 20, start()).unwrap();
    // Ten days later it is December.
    let december = balance(&subject, &principal, days(11));
    assert_eq!((december.available, december.granted, december.expired), (150, 250, 50));
    over_the_end.release();
    let december = balance(&subject, &principal, days(11));
    assert_eq!(
        (december.available, december.expired),
        (150, 70),
        "credits returned after their month expire too"
    );
    let back = balance(&subject, &principal, start());
    assert_eq!((back.available, back.granted), (150, 250), "a clock that is set back grants nothing");
    hold(&subject, &principal, "3", 120, days(11)).unwrap().post();
    assert_eq!(balance(&subject, &principal, days(11)).available, 30);
    // Two months without a request: one grant, for the current month.
    let february = balance(&subject, &principal, days(80));
    assert_eq!((february.available, february.granted), (130, 350));
}

/// A larger plan grants the difference to the largest plan of that month, at once and once; a smaller one takes nothing back.
pub fn a_larger_plan_grants_the_difference_at_once_and_once<F: Fixture>(fixture: F) {
    let subject = StoreUnderTest::new(fixture);
    let (secret, principal) = subject.caller("acme", "poor");
    hold(&subject, &principal, "1", 2, start()).unwrap().post();
    assert!(matches!(hold(&subject, &principal, "2", 1, start()), Err(Denial::CreditsExhausted { .. })));
    for (plan, day, available, granted) in [
        ("paid", 0, 98, 100),
        // Back and forth: granted credits stay, and are not granted again.
        ("poor", 0, 98, 100),
        ("paid", 0, 98, 100),
        ("open", 0, 98, 100),
        ("paid", 1, 98, 100),
        ("dear", 1, 998, 1000),
        ("poor", 1, 998, 1000),
        // The next month grants the credits of the plan at that time.
        ("poor", 11, 2, 1002),
        ("paid", 11, 100, 1100),
        // Even with the clock set back, the difference belongs to the month that has begun.
        ("dear", 0, 1000, 2000),
        ("dear", 11, 1000, 2000),
    ] {
        subject.fixture.set_plan(&principal.account().id, plan, days(day));
        let principal = subject.authenticate(&secret, days(day)).unwrap();
        let balance = balance(&subject, &principal, days(day));
        assert_eq!((balance.available, balance.granted), (available, granted), "{plan} on day {day}");
    }
    let principal = subject.authenticate(&secret, days(11)).unwrap();
    hold(&subject, &principal, "3", 1000, days(11)).unwrap().post();
    let balance = balance(&subject, &principal, days(11));
    assert_eq!((balance.available, balance.posted, balance.expired), (0, 1002, 998));
}

/// A new grant day counts from the end of the month that was granted: a month is neither cut nor granted twice.
pub fn an_account_may_have_its_own_grant_day<F: Fixture>(fixture: F) {
    let subject = StoreUnderTest::new(fixture);
    let (secret, principal) = subject.caller("acme", "paid");
    let account = principal.account().id.clone();
    // The suite starts on November 20; credits are granted on the first.
    for (set, day, resets, granted) in [
        (None, 0, "2026-12-01", 100),
        (Some(31), 0, "2026-12-01", 100),
        (Some(31), 10, "2026-12-01", 100),
        (Some(31), 11, "2026-12-31", 200),
        (Some(31), 40, "2026-12-31", 200),
        (Some(31), 41, "2027-01-31", 300),
        (Some(31), 72, "2027-02-28", 400),
        (Some(31), 100, "2027-03-31", 500),
        (Some(5), 101, "2027-03-31", 500),
        (Some(5), 131, "2027-04-05", 600),
        (Some(5), 136, "2027-05-05", 700),
        (None, 136, "2027-05-05", 700),
        (None, 166, "2027-06-01", 800),
    ] {
        let set = set.map(|day: u8| day.try_into().unwrap());
        subject.fixture.set_grant_day(&account, set, days(day));
        let principal = subject.authenticate(&secret, days(day)).unwrap();
        assert_eq!(principal.account().grant_day, set);
        let balance = balance(&subject, &principal, days(day));
        let resets_at = balance.resets_at.unwrap().to_string();
        assert_eq!((&resets_at[..10], balance.granted), (resets, granted), "{set:?} on day {day}");
        assert_eq!(balance.available, 100, "{set:?} on day {day}");
    }
}

/// Before forwarding nothing can have happened; afterwards it may have.
pub fn a_dropped_hold_settles_by_the_progress_of_the_request<F: Fixture>(fixture: F) {
    let subject = StoreUnderTest::new(fixture);
    let (_, principal) = subject.caller("acme", "paid");
    drop(hold(&subject, &principal, "1", 10, start()).unwrap());
    assert_eq!(balance(&subject, &principal, start()).available, 100);
    let mut held = hold(&subject, &principal, "2", 10, start()).unwrap();
    held.forwarded();
    drop(held);
    let after = balance(&subject, &principal, start());
    assert_eq!((after.available, after.held, after.posted), (90, 0, 10));
}

/// Exactly as many requests succeed as can be paid.
pub fn one_hundred_credits_pay_for_one_hundred_of_two_hundred_concurrent_requests<F: Fixture>(fixture: F) {
    let subject = StoreUnderTest::new(fixture);
    let (_, principal) = subject.caller("acme", "paid");
    let (paid, rejected) = (AtomicU32::new(0), AtomicU32::new(0));
    let admission = &subject.admission;
    std::thread::scope(|scope| {
        for number in 0..200 {
            let (principal, paid, rejected) = (&principal, &paid, &rejected);
            scope.spawn(move || {
                let operation: OperationId = format!("request-{number}").parse().unwrap();
                let taken = admission.take(principal, &Demand::ONE, start()).block();
                let charge = Charge { operation: &operation, amount: 1, lease: LEASE };
                // Half of them with a client's ID, half with the gateway's.
                let result = if number % 2 == 0 {
                    admission.hold(principal, &charge, start()).block()
                } else {
                    let claimed = admission.claim(principal, &charge, &claim_of(REQUEST), start()).block();
                    claimed.map(|claimed| match claimed {
                        Claimed::First(hold) => hold,
                        other => panic!("each has an ID of its own: {other:?}"),
                    })
                };
                drop(taken);
                match result {
                    Ok(hold) => {
                        hold.post();
                        paid.fetch_add(1, Ordering::SeqCst)
                    }
                    // `CreditsHeld` while the last credits are held, `CreditsExhausted` once they are spent.
                    Err(Denial::CreditsExhausted { .. } | Denial::CreditsHeld { .. }) => {
                        rejected.fetch_add(1, Ordering::SeqCst)
                    }
                    Err(_) => 0,
                };
            });
        }
    });
    assert_eq!((paid.into_inner(), rejected.into_inner()), (100, 100));
    let after = balance(&subject, &principal, start());
    assert_eq!((after.available, after.held, after.posted), (0, 0, 100));
}

/// If anything survives a process: acknowledged charges are kept, and open holds are posted.
pub fn a_restart_keeps_charges_and_posts_open_holds<F: Fixture>(fixture: F) {
    let subject = StoreUnderTest::new(fixture);
    let (secret, principal) = subject.caller("acme", "paid");
    hold(&subject, &principal, "1", 10, start()).unwrap().post();
    hold(&subject, &principal, "2", 10, start()).unwrap().release();
    let under_way = hold(&subject, &principal, "3", 10, start()).unwrap();
    assert_eq!(balance(&subject, &principal, start()).held, 10);
    let StoreUnderTest { fixture, admission, .. } = subject;
    // Forgotten, not dropped: the process ends before it can be settled.
    std::mem::forget(under_way);
    drop((principal, admission));
    let Some(fixture) = fixture.restart() else { return };
    let subject = StoreUnderTest::new(fixture);
    let principal = subject.authenticate(&secret, start()).unwrap();
    let after = balance(&subject, &principal, start());
    assert_eq!((after.available, after.held, after.posted), (80, 0, 20));
    assert_eq!(hold(&subject, &principal, "3", 10, start()).unwrap_err(), Denial::IdempotencyCompleted);
}
