//! Rules about a store that fails. One that cannot, since it keeps its data in this process's memory, has none to obey.

use std::thread;
use std::time::{Duration, Instant};

use super::{Fixture, StoreUnderTest, credits, start};
use crate::{Account, Balance, Demand, Denial, Grants, Hold, Principal, StoreKind, StoredResponse};

/// How long a store may take to notice that it is whole again.
const TIMEOUT: Duration = Duration::from_secs(10);

fn hold<F: Fixture>(bench: &StoreUnderTest<F>, who: &Principal, id: &str) -> Result<Hold, Denial> {
    credits::hold(bench, who, id, 10, start())
}

fn is_out<T>(result: &Result<T, Denial>, part: StoreKind) -> bool {
    matches!(result, Err(Denial::StoreUnavailable { part: out, .. }) if *out == part)
}

/// The balance, once nothing is held any more.
fn settled<F: Fixture>(bench: &StoreUnderTest<F>, who: &Principal) -> Balance {
    let deadline = Instant::now() + TIMEOUT;
    loop {
        if let Ok(balance) = bench.admission.balance(who, start()).block()
            && balance.held == 0
        {
            return balance;
        }
        assert!(Instant::now() < deadline, "the store does not come back");
        thread::sleep(Duration::from_millis(5));
    }
}

/// Whose key is remembered goes on, and nobody is told that a key does not exist when nobody can know.
pub fn a_store_out_of_reach_is_trouble_and_no_unknown_key<F: Fixture>(fixture: F) {
    let bench = StoreUnderTest::new(fixture);
    let (secret, who) = bench.caller("acme", "rated");
    let other = Account { id: "other".parse().unwrap(), name: "Other".into(), plan: "open".into() };
    bench.fixture.add_account(&other);
    let unseen = bench.fixture.add_key(&other, None, Grants::default(), start());
    if !bench.fixture.set_out_of_reach(true) {
        return;
    }
    assert!(bench.authenticate(&secret, start()).is_ok(), "remembered");
    assert!(bench.admission.take(&who, &Demand::ONE, start()).block().is_ok(), "counted in memory");
    assert!(is_out(&bench.authenticate(&unseen, start()), StoreKind::Keys));
    assert!(bench.fixture.set_out_of_reach(false));
    assert_eq!(bench.authenticate(&unseen, start()).unwrap().account().id, other.id);
}

/// And the same operation may be tried again.
pub fn what_cannot_be_written_is_not_charged<F: Fixture>(fixture: F) {
    let bench = StoreUnderTest::new(fixture);
    let (_, who) = bench.caller("acme", "paid");
    hold(&bench, &who, "1").unwrap().post();
    settled(&bench, &who);
    if !bench.fixture.set_out_of_reach(true) {
        return;
    }
    assert!(is_out(&hold(&bench, &who, "2"), StoreKind::Credits));
    assert!(bench.fixture.set_out_of_reach(false));
    let before = settled(&bench, &who);
    assert_eq!((before.available, before.posted), (90, 10), "{before:?}");
    hold(&bench, &who, "2").unwrap().post();
    let after = settled(&bench, &who);
    assert_eq!((after.available, after.posted), (80, 20), "{after:?}");
}

/// Whoever was served while nothing could be written is charged, and whoever was not is not.
pub fn what_was_settled_meanwhile_is_written_afterwards<F: Fixture>(fixture: F) {
    let bench = StoreUnderTest::new(fixture);
    let (_, who) = bench.caller("acme", "paid");
    let [served, failed] = ["1", "2"].map(|id| hold(&bench, &who, id).unwrap());
    if !bench.fixture.set_out_of_reach(true) {
        return;
    }
    served.post();
    failed.release();
    // By then the store has tried to write both.
    assert!(is_out(&hold(&bench, &who, "3"), StoreKind::Credits));
    assert!(bench.fixture.set_out_of_reach(false));
    let after = settled(&bench, &who);
    assert_eq!((after.available, after.posted), (90, 10), "{after:?}");
}

/// A response is not kept for a store that is out of reach: there is no bound on how many would be. The operation is
/// charged and completed all the same.
pub fn what_was_completed_meanwhile_is_posted_without_its_response<F: Fixture>(fixture: F) {
    let bench = StoreUnderTest::new(fixture);
    let (_, who) = bench.caller("acme", "paid");
    let served = hold(&bench, &who, "1").unwrap();
    if !bench.fixture.set_out_of_reach(true) {
        return;
    }
    served.complete(None, StoredResponse::new(b"tea".to_vec()).unwrap());
    // By then the store has tried to write it.
    assert!(is_out(&hold(&bench, &who, "2"), StoreKind::Credits));
    assert!(bench.fixture.set_out_of_reach(false));
    let after = settled(&bench, &who);
    assert_eq!((after.available, after.posted), (90, 10), "{after:?}");
    assert_eq!(hold(&bench, &who, "1").unwrap_err(), Denial::IdempotencyCompleted);
}
