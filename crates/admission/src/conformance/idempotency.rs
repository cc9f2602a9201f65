//! Rules about operations that clients name (`Idempotency-Key`).

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::credits::{LEASE, TTL, claim_of};
use super::{Fixture, StoreUnderTest, at, start};
use crate::{
    Admission, Charge, Claim, Claimed, Denial, Fingerprint, Hold, HoldRequest, MAX_RESPONSE, Now,
    OperationId, Owner, Principal, REMEMBERED, RepeatPolicy, Settlement, StoredResponse,
};

const REQUEST: Fingerprint = Fingerprint([1; 32]);
const OTHER_REQUEST: Fingerprint = Fingerprint([2; 32]);

/// The costs of an operation: the rules also apply to a free one.
const COSTS: [u64; 2] = [0, 10];

/// The result of a claim, without the hold.
#[derive(Debug, PartialEq)]
enum RunResult {
    First,
    Replay(Vec<u8>),
    Repeat,
    Denied(Denial),
}

#[derive(Clone, Copy)]
struct TestCaller<'b> {
    admission: &'b Arc<Admission>,
    principal: &'b Principal,
    claim: Claim,
    cost: u64,
    now: Now,
}

impl TestCaller<'_> {
    fn claim(&self, id: &str) -> Result<Claimed, Denial> {
        let operation: OperationId = id.parse().unwrap();
        let charge = Charge { operation: &operation, amount: self.cost, lease: LEASE };
        self.admission.claim(self.principal, &charge, &self.claim, self.now).block()
    }

    fn first(&self, id: &str) -> Hold {
        match self.claim(id) {
            Ok(Claimed::First(hold)) => hold,
            other => panic!("{id}: {other:?}"),
        }
    }

    /// Claims the operation, and releases it if the claim was granted.
    fn claim_and_release(&self, id: &str) -> RunResult {
        match self.claim(id) {
            Ok(Claimed::First(hold)) => {
                hold.release();
                RunResult::First
            }
            Ok(Claimed::Replay(response)) => RunResult::Replay(response.as_bytes().to_vec()),
            Ok(Claimed::Repeat(_)) => RunResult::Repeat,
            Err(denial) => RunResult::Denied(denial),
        }
    }

    fn posted(&self) -> u64 {
        self.admission.balance(self.principal, self.now).block().unwrap().posted
    }
}

fn caller<'b, F>(subject: &'b StoreUnderTest<F>, principal: &'b Principal, cost: u64) -> TestCaller<'b> {
    TestCaller { admission: &subject.admission, principal, claim: claim_of(REQUEST), cost, now: start() }
}

fn response(text: &[u8]) -> StoredResponse {
    StoredResponse::new(text.to_vec()).unwrap()
}

/// How a claim ends decides what a repeat gets, whatever the operation costs.
pub fn a_repeat_gets_the_outcome_of_the_first_request<F: Fixture>(fixture: F) {
    type RunEnd = fn(Hold);
    let completed = || RunResult::Denied(Denial::IdempotencyCompleted);
    let ends: [(&str, RunEnd, RunResult); 9] = [
        ("stored", |hold| hold.complete(None, response(b"tea")), RunResult::Replay(b"tea".to_vec())),
        (
            "stored and used nothing",
            |hold| hold.complete(Some(0), response(b"x")),
            RunResult::Replay(b"x".to_vec()),
        ),
        ("posted", |hold| hold.post(), completed()),
        ("used nothing", |hold| hold.post_used(0), completed()),
        ("released", |hold| hold.release(), RunResult::First),
        ("dropped before it was forwarded", |hold| drop(hold), RunResult::First),
        (
            "dropped after it was forwarded",
            |mut hold| {
                hold.forwarded();
                drop(hold);
            },
            completed(),
        ),
        (
            "dropped at no cost",
            |mut hold| {
                hold.forwarded_at_no_cost();
                drop(hold);
            },
            completed(),
        ),
        ("in flight", |hold| std::mem::forget(hold), RunResult::Denied(Denial::IdempotencyInFlight)),
    ];
    let subject = StoreUnderTest::new(fixture);
    for cost in COSTS {
        let (_, principal) = subject.caller(&format!("acme-{cost}"), "paid");
        let caller = caller(&subject, &principal, cost);
        let other = TestCaller { claim: claim_of(OTHER_REQUEST), ..caller };
        for (name, end, expected) in &ends {
            let id = name.replace(' ', "-");
            end(caller.first(&id));
            for _ in 0..3 {
                assert_eq!(caller.claim_and_release(&id), *expected, "{name}, at a cost of {cost}");
            }
            // Another request cannot use its ID, even after a failure.
            assert_eq!(
                other.claim_and_release(&id),
                RunResult::Denied(Denial::IdempotencyMismatch),
                "{name}"
            );
        }
        // The stored, the posted, and the one dropped after forwarding.
        assert_eq!(caller.posted(), 3 * cost);
    }
}

/// IDs are per account.
pub fn two_accounts_may_use_the_same_idempotency_key<F: Fixture>(fixture: F) {
    let subject = StoreUnderTest::new(fixture);
    let [(_, acme), (_, other)] = ["acme", "other"].map(|name| subject.caller(name, "paid"));
    let (acme, other) = (caller(&subject, &acme, 1), caller(&subject, &other, 1));
    acme.first("order").complete(None, response(b"acme"));
    other.first("order").complete(None, response(b"other"));
    assert_eq!(acme.claim_and_release("order"), RunResult::Replay(b"acme".to_vec()));
    assert_eq!(other.claim_and_release("order"), RunResult::Replay(b"other".to_vec()));
}

/// Of many concurrent requests with one ID, one executes.
pub fn one_of_many_concurrent_requests_executes<F: Fixture>(fixture: F) {
    let subject = StoreUnderTest::new(fixture);
    for cost in COSTS {
        let (_, principal) = subject.caller(&format!("acme-{cost}"), "paid");
        let caller = caller(&subject, &principal, cost);
        let executed = AtomicU32::new(0);
        std::thread::scope(|scope| {
            for _ in 0..60 {
                scope.spawn(|| match caller.claim("order") {
                    Ok(Claimed::First(hold)) => {
                        executed.fetch_add(1, Ordering::SeqCst);
                        hold.complete(None, response(b"tea"));
                    }
                    Ok(Claimed::Replay(stored)) => assert_eq!(stored.as_bytes(), b"tea"),
                    Err(Denial::IdempotencyInFlight) => {}
                    other => panic!("{other:?}"),
                });
            }
        });
        assert_eq!((executed.into_inner(), caller.posted()), (1, cost));
    }
}

/// An upstream that deduplicates gets a limited number of repeats.
pub fn forwards_a_bounded_number_of_repeats<F: Fixture>(fixture: F) {
    let subject = StoreUnderTest::new(fixture);
    for cost in COSTS {
        let (_, principal) = subject.caller(&format!("acme-{cost}"), "paid");
        let repeats = RepeatPolicy::Forward(NonZeroU32::new(3).unwrap());
        let caller = TestCaller {
            claim: Claim { repeats, ..claim_of(REQUEST) },
            ..caller(&subject, &principal, cost)
        };
        let first = caller.first("order");
        assert_eq!(caller.claim_and_release("order"), RunResult::Denied(Denial::IdempotencyInFlight));
        first.post();
        let results: Vec<RunResult> = (0..5).map(|_| caller.claim_and_release("order")).collect();
        let completed = || RunResult::Denied(Denial::IdempotencyCompleted);
        assert_eq!(
            results,
            [RunResult::Repeat, RunResult::Repeat, RunResult::Repeat, completed(), completed()]
        );
        assert_eq!(caller.posted(), cost);
    }
}

/// A response is replayed until it expires; the operation is remembered for longer, and then its ID can be used again.
pub fn a_response_expires_before_its_operation_is_forgotten<F: Fixture>(fixture: F) {
    let subject = StoreUnderTest::new(fixture);
    let (_, principal) = subject.caller("acme", "paid");
    let first = caller(&subject, &principal, 0);
    first.first("order").complete(None, response(b"tea"));
    let second = Duration::from_secs(1);
    for (after, expected) in [
        (TTL - second, RunResult::Replay(b"tea".to_vec())),
        (TTL, RunResult::Denied(Denial::IdempotencyCompleted)),
        (TTL + REMEMBERED - second, RunResult::Denied(Denial::IdempotencyCompleted)),
        (TTL + REMEMBERED, RunResult::First),
    ] {
        let caller = TestCaller { now: at(after), ..first };
        assert_eq!(caller.claim_and_release("order"), expected, "{after:?}");
    }
}

/// An operation with an evicted response does not execute again, and an account cannot evict another account's responses.
pub fn evicts_the_oldest_responses_of_an_account<F: Fixture>(fixture: F) {
    let subject = StoreUnderTest::new(fixture);
    let (_, principal) = subject.caller("acme", "paid");
    let (_, other) = subject.caller("other", "paid");
    let (acme, other) = (caller(&subject, &principal, 0), caller(&subject, &other, 0));
    other.first("order").complete(None, response(b"tea"));
    let large = response(&vec![7; MAX_RESPONSE]);
    // More than any store keeps for one account.
    let count = (17 << 20) / MAX_RESPONSE;
    for number in 0..count {
        acme.first(&number.to_string()).complete(None, large.clone());
    }
    assert_eq!(acme.claim_and_release("0"), RunResult::Denied(Denial::IdempotencyCompleted));
    assert_eq!(acme.claim_and_release(&(count - 1).to_string()), RunResult::Replay(vec![7; MAX_RESPONSE]));
    assert_eq!(other.claim_and_release("order"), RunResult::Replay(b"tea".to_vec()));
}

/// A claim belongs to its owner until the owner's lease ends: then its outcome is unknown.
pub fn completes_the_claim_of_an_owner_that_has_gone<F: Fixture>(fixture: F) {
    let subject = StoreUnderTest::new(fixture);
    for cost in COSTS {
        let (_, principal) = subject.caller(&format!("acme-{cost}"), "paid");
        let ours = caller(&subject, &principal, cost);
        let theirs = Claim { owner: Owner(Owner::this_process().0.wrapping_add(1)), ..ours.claim };
        let abandoned = TestCaller { claim: theirs, ..ours }.first("order");
        let mine = ours.first("mine");
        let in_flight = || RunResult::Denied(Denial::IdempotencyInFlight);
        let completed = || RunResult::Denied(Denial::IdempotencyCompleted);
        for (seconds, order, mine) in
            [(0, in_flight(), in_flight()), (29, in_flight(), in_flight()), (30, completed(), in_flight())]
        {
            let caller = TestCaller { now: at(Duration::from_secs(seconds)), ..ours };
            assert_eq!(
                (caller.claim_and_release("order"), caller.claim_and_release("mine")),
                (order, mine),
                "after {seconds} s"
            );
        }
        assert_eq!(ours.posted(), cost, "its outcome is unknown");
        // Too late: a hold is settled once.
        abandoned.complete(None, response(b"late"));
        assert_eq!(ours.claim_and_release("order"), completed());
        mine.release();
        assert_eq!(ours.posted(), cost);
    }
}

/// The ledger never returns the response of another account or request.
pub fn reads_a_response_only_for_its_account_and_request<F: Fixture>(fixture: F) {
    let subject = StoreUnderTest::new(fixture);
    let (_, principal) = subject.caller("acme", "paid");
    let (_, other) = subject.caller("other", "paid");
    let ledger = subject.fixture.stores().credits;
    let (operation, unknown): (OperationId, OperationId) = ("order".parse().unwrap(), "x".parse().unwrap());
    let (acme, other) = (&principal.account().id, &other.account().id);
    let request = HoldRequest {
        account: acme,
        operation: &operation,
        amount: 0,
        lease: LEASE,
        monthly: None,
        now: start(),
    };
    let hold = ledger.claim(&request, &claim_of(REQUEST)).block().unwrap().hold().unwrap();
    ledger.complete(hold, 0, response(b"tea"));
    // Settling again changes nothing.
    ledger.settle(hold, Settlement::Release).block().unwrap();
    ledger.complete(hold, 0, response(b"coffee"));
    let read = |account, operation, fingerprint, now| {
        let stored = ledger.read(account, operation, &fingerprint, now).block().unwrap();
        stored.map(|stored| stored.as_bytes().to_vec())
    };
    for (account, operation, fingerprint, now, expected) in [
        (acme, &operation, REQUEST, start(), Some(b"tea".to_vec())),
        (other, &operation, REQUEST, start(), None),
        (acme, &unknown, REQUEST, start(), None),
        (acme, &operation, OTHER_REQUEST, start(), None),
        (acme, &operation, REQUEST, at(TTL), None),
    ] {
        assert_eq!(read(account, operation, fingerprint, now), expected);
    }
}

/// If anything survives a process: stored responses are replayed, and operations in flight do not execute again.
pub fn a_restart_keeps_responses_and_executes_nothing_again<F: Fixture>(fixture: F) {
    let subject = StoreUnderTest::new(fixture);
    let (secret, principal) = subject.caller("acme", "paid");
    for cost in COSTS {
        let caller = caller(&subject, &principal, cost);
        caller.first(&format!("stored-{cost}")).complete(None, response(b"tea"));
        caller.first(&format!("failed-{cost}")).release();
        // Forgotten, not dropped: the process ends before it can be settled.
        std::mem::forget(caller.first(&format!("open-{cost}")));
    }
    let StoreUnderTest { fixture, admission, .. } = subject;
    drop((principal, admission));
    let Some(fixture) = fixture.restart() else { return };
    let subject = StoreUnderTest::new(fixture);
    let principal = subject.authenticate(&secret, start()).unwrap();
    for cost in COSTS {
        let caller = caller(&subject, &principal, cost);
        let results =
            ["stored", "failed", "open"].map(|name| caller.claim_and_release(&format!("{name}-{cost}")));
        let expected = [
            RunResult::Replay(b"tea".to_vec()),
            RunResult::First,
            RunResult::Denied(Denial::IdempotencyCompleted),
        ];
        assert_eq!(results, expected, "at a cost of {cost}");
    }
}
