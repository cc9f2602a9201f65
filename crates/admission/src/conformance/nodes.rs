//! Rules about several nodes on one store.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use jiff::SignedDuration;

use super::credits::{LEASE, claim_of, hold};
use super::{Fixture, StoreUnderTest, at, start};
use crate::{
    AccessRequest, Balance, Charge, Claim, Claimed, Denial, Fingerprint, Now, OperationId, Owner, Principal,
    StoredResponse, authorize,
};

/// How long a change may take to another node, and how long after its lease a node's holds may stay open.
const WITHIN: Duration = Duration::from_secs(5);

const REQUEST: Fingerprint = Fingerprint([1; 32]);

/// A fixture whose store several nodes share.
pub trait SharedFixture: Fixture + Sync {
    /// Returns another node on the same store, with a clock that is wrong by `clock_error`.
    fn another_node(&self, clock_error: SignedDuration) -> Self;

    /// Returns the ID of this node's process.
    fn owner(&self) -> Owner;

    /// How long the holds of a node that has gone are kept.
    fn lease(&self) -> Duration;

    /// Ends this node without any farewell, as SIGKILL does.
    fn kill(&self);

    /// Stops this node, as SIGSTOP does, until the duration has passed.
    fn pause(&self, duration: Duration);
}

/// Two nodes, and an account with 100 credits and a key.
struct Nodes<F> {
    one: StoreUnderTest<F>,
    other: StoreUnderTest<F>,
    secret: crate::Secret,
    /// The account as each node sees it.
    principals: [std::sync::Arc<Principal>; 2],
}

impl<F: SharedFixture> Nodes<F> {
    fn new(fixture: F, clock_error: SignedDuration) -> Self {
        let other = StoreUnderTest::new(fixture.another_node(clock_error));
        let one = StoreUnderTest::new(fixture);
        let (secret, first) = one.caller("acme", "paid");
        let second = other.authenticate(&secret, start()).unwrap();
        Self { one, other, secret, principals: [first, second] }
    }

    /// Returns the balance as a node sees it, which the others see too.
    fn balance(&self, node: usize) -> Balance {
        let admission = if node == 0 { &self.one.admission } else { &self.other.admission };
        admission.balance(&self.principals[node], start()).block().unwrap()
    }

    fn state(&self, node: usize) -> (u64, u64, u64) {
        let Balance { available, held, posted, .. } = self.balance(node);
        (available, held, posted)
    }

    /// Waits until the other node sees nothing held.
    fn await_nothing_held(&self) -> Duration {
        let begun = Instant::now();
        let most = self.one.fixture.lease() + WITHIN;
        while self.balance(1).held > 0 {
            assert!(begun.elapsed() < most + WITHIN, "holds of a node that has gone stay open");
            std::thread::sleep(Duration::from_millis(50));
        }
        begun.elapsed()
    }
}

fn claim<F: SharedFixture>(
    node: &StoreUnderTest<F>,
    principal: &Principal,
    id: &str,
    amount: u64,
    now: Now,
) -> Result<Claimed, Denial> {
    let operation: OperationId = id.parse().unwrap();
    let charge = Charge { operation: &operation, amount, lease: LEASE };
    let claim = Claim { owner: node.fixture.owner(), ..claim_of(REQUEST) };
    node.admission.claim(principal, &charge, &claim, now).block()
}

/// A hold at one node is a hold at the other.
pub fn nodes_share_balances_and_keys<F: SharedFixture>(fixture: F) {
    let nodes = Nodes::new(fixture, SignedDuration::ZERO);
    let first = hold(&nodes.one, &nodes.principals[0], "1", 30, start()).unwrap();
    assert_eq!(nodes.state(1), (70, 30, 0));
    let denied = hold(&nodes.other, &nodes.principals[1], "2", 71, start()).unwrap_err();
    assert!(matches!(denied, Denial::CreditsHeld { available: 70, .. }), "{denied:?}");
    hold(&nodes.other, &nodes.principals[1], "3", 70, start()).unwrap().post();
    first.release();
    nodes.balance(0);
    assert_eq!((nodes.state(0), nodes.state(1)), ((30, 0, 70), (30, 0, 70)));
}

/// Exactly as many requests succeed as can be paid, whichever node they reach.
pub fn nodes_do_not_spend_the_same_credits<F: SharedFixture>(fixture: F) {
    let nodes = Nodes::new(fixture, SignedDuration::ZERO);
    let (paid, rejected) = (AtomicU32::new(0), AtomicU32::new(0));
    std::thread::scope(|scope| {
        for number in 0..200 {
            let (nodes, paid, rejected) = (&nodes, &paid, &rejected);
            scope.spawn(move || {
                let node = if number % 2 == 0 { &nodes.one } else { &nodes.other };
                let principal = &nodes.principals[number % 2];
                match hold(node, principal, &format!("request-{number}"), 1, start()) {
                    Ok(hold) => {
                        hold.post();
                        paid.fetch_add(1, Ordering::SeqCst)
                    }
                    Err(Denial::CreditsExhausted { .. } | Denial::CreditsHeld { .. }) => {
                        rejected.fetch_add(1, Ordering::SeqCst)
                    }
                    Err(other) => panic!("{other:?}"),
                };
            });
        }
    });
    assert_eq!((paid.into_inner(), rejected.into_inner()), (100, 100));
    nodes.balance(0);
    assert_eq!(nodes.state(1), (0, 0, 100));
}

/// Of many concurrent requests with one ID, over both nodes, one executes; its response is replayed by either.
pub fn nodes_execute_a_named_operation_once<F: SharedFixture>(fixture: F) {
    let nodes = Nodes::new(fixture, SignedDuration::ZERO);
    let executed = AtomicU32::new(0);
    std::thread::scope(|scope| {
        for number in 0..60 {
            let (nodes, executed) = (&nodes, &executed);
            scope.spawn(move || {
                let node = if number % 2 == 0 { &nodes.one } else { &nodes.other };
                match claim(node, &nodes.principals[number % 2], "order", 10, start()) {
                    Ok(Claimed::First(hold)) => {
                        executed.fetch_add(1, Ordering::SeqCst);
                        hold.complete(None, StoredResponse::new(b"tea".to_vec()).unwrap());
                    }
                    Ok(Claimed::Replay(stored)) => assert_eq!(stored.as_bytes(), b"tea"),
                    Err(Denial::IdempotencyInFlight) => {}
                    other => panic!("{other:?}"),
                }
            });
        }
    });
    assert_eq!(executed.into_inner(), 1);
    for (node, principal) in [(&nodes.one, &nodes.principals[0]), (&nodes.other, &nodes.principals[1])] {
        nodes.balance(0);
        match claim(node, principal, "order", 10, start()) {
            Ok(Claimed::Replay(stored)) => assert_eq!(stored.as_bytes(), b"tea"),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(nodes.state(1), (90, 0, 10));
}

/// A key that another node has in its cache is rejected soon after it was revoked, and a plan changes as soon.
pub fn changes_reach_the_other_node<F: SharedFixture>(fixture: F) {
    let nodes = Nodes::new(fixture, SignedDuration::ZERO);
    let authenticate = || nodes.other.authenticate(&nodes.secret, start());
    let await_until = |is_done: &dyn Fn() -> bool| {
        let begun = Instant::now();
        while !is_done() {
            assert!(begun.elapsed() < WITHIN, "the change does not reach the other node");
            std::thread::sleep(Duration::from_millis(10));
        }
    };
    assert!(authenticate().is_ok());
    nodes.one.fixture.set_plan(&nodes.principals[0].account().id, "lapsed", start());
    let is_inactive =
        |principal: &Principal| authorize(principal, &AccessRequest::default()) == Err(Denial::PlanInactive);
    await_until(&|| authenticate().is_ok_and(|principal| is_inactive(&principal)));
    nodes.one.fixture.revoke(&nodes.principals[0], start());
    await_until(&|| matches!(authenticate(), Err(Denial::CredentialRevoked { .. })));
}

/// The holds of a killed node are posted when its lease has ended, and its operations do not execute again.
pub fn holds_of_a_killed_node_are_posted_after_its_lease<F: SharedFixture>(fixture: F) {
    let nodes = Nodes::new(fixture, SignedDuration::ZERO);
    std::mem::forget(hold(&nodes.one, &nodes.principals[0], "plain", 10, start()).unwrap());
    std::mem::forget(claim(&nodes.one, &nodes.principals[0], "paid", 20, start()).unwrap());
    std::mem::forget(claim(&nodes.one, &nodes.principals[0], "free", 0, start()).unwrap());
    nodes.one.fixture.kill();
    let try_claim =
        |id: &str, amount| claim(&nodes.other, &nodes.principals[1], id, amount, start()).map(drop);
    assert_eq!(nodes.state(1), (70, 30, 0), "its lease has not ended");
    assert_eq!(try_claim("paid", 20), Err(Denial::IdempotencyInFlight));
    nodes.await_nothing_held();
    assert_eq!(nodes.state(1), (70, 0, 30));
    for (id, amount) in [("paid", 20), ("free", 0)] {
        assert_eq!(try_claim(id, amount), Err(Denial::IdempotencyCompleted), "{id}");
    }
}

/// A request may take longer than the lease of its node, which the node renews.
pub fn holds_of_a_live_node_stay_open<F: SharedFixture>(fixture: F) {
    let nodes = Nodes::new(fixture, SignedDuration::ZERO);
    let open = hold(&nodes.one, &nodes.principals[0], "1", 10, start()).unwrap();
    std::thread::sleep(nodes.one.fixture.lease() + WITHIN);
    assert_eq!(nodes.state(1), (90, 10, 0));
    open.release();
    nodes.balance(0);
    assert_eq!(nodes.state(1), (100, 0, 0));
}

/// A node that was paused for longer than its lease has lost its holds: they are settled once, and it can hold again.
pub fn a_paused_node_does_not_settle_what_others_have_resolved<F: SharedFixture>(fixture: F) {
    let nodes = Nodes::new(fixture, SignedDuration::ZERO);
    let open = hold(&nodes.one, &nodes.principals[0], "1", 10, start()).unwrap();
    let pause = nodes.one.fixture.lease() + WITHIN;
    nodes.one.fixture.pause(pause);
    let waited = nodes.await_nothing_held();
    assert!(waited < pause, "resolved only after the pause");
    assert_eq!(nodes.state(1), (90, 0, 10));
    // Queued while the node is paused, and executed afterwards.
    open.release();
    let again = hold(&nodes.one, &nodes.principals[0], "2", 5, start()).unwrap();
    assert_eq!(nodes.state(1), (85, 5, 10));
    again.release();
    nodes.balance(0);
    assert_eq!(nodes.state(1), (90, 0, 10));
}

/// A clock that is weeks ahead expires no credits, and takes no operation from a node that executes it.
pub fn a_wrong_clock_harms_no_other_node<F: SharedFixture>(fixture: F) {
    let month = Duration::from_secs(40 * 24 * 3600);
    let nodes = Nodes::new(fixture, SignedDuration::try_from(month).unwrap());
    let open = claim(&nodes.one, &nodes.principals[0], "order", 10, start()).unwrap();
    let ahead = at(month);
    let repeat = claim(&nodes.other, &nodes.principals[1], "order", 10, ahead);
    assert_eq!(repeat.map(drop), Err(Denial::IdempotencyInFlight));
    hold(&nodes.other, &nodes.principals[1], "2", 20, ahead).unwrap().post();
    let seen = nodes.other.admission.balance(&nodes.principals[1], ahead).block().unwrap();
    assert_eq!((seen.available, seen.granted, seen.expired), (70, 100, 0));
    let Claimed::First(open) = open else { panic!("{open:?}") };
    open.post();
    assert_eq!(nodes.balance(0).posted, 30);
}
