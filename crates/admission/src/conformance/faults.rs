//! Rules about stores that fail. They do not apply to stores in this process's memory, which cannot become unavailable.

use std::thread;
use std::time::{Duration, Instant};

use super::{Fixture, StoreUnderTest, credits, start};
use crate::{Account, Balance, Demand, Denial, Grants, Hold, Principal, StoreKind, StoredResponse};

/// How long a store may take to recover.
const TIMEOUT: Duration = Duration::from_secs(10);

fn hold<F: Fixture>(subject: &StoreUnderTest<F>, principal: &Principal, id: &str) -> Result<Hold, Denial> {
    credits::hold(subject, principal, id, 10, start())
}

fn is_unavailable<T>(result: &Result<T, Denial>, kind: StoreKind) -> bool {
    matches!(result, Err(Denial::StoreUnavailable { part, .. }) if *part == kind)
}

/// Returns the balance once nothing is held.
fn settled<F: Fixture>(subject: &StoreUnderTest<F>, principal: &Principal) -> Balance {
    let deadline = Instant::now() + TIMEOUT;
    loop {
        if let Ok(balance) = subject.admission.balance(principal, start()).block()
            && balance.held == 0
        {
            return balance;
        }
        assert!(Instant::now() < deadline, "the store does not recover");
        thread::sleep(Duration::from_millis(5));
    }
}

/// Cached keys stay valid, and no key is unknown because the store is unavailable.
pub fn an_unavailable_store_is_an_error_and_not_an_unknown_key<F: Fixture>(fixture: F) {
    let subject = StoreUnderTest::new(fixture);
    let (secret, principal) = subject.caller("acme", "rated");
    let other =
        Account { id: "other".parse().unwrap(), name: "Other".into(), plan: "open".into(), grant_day: None };
    subject.fixture.add_account(&other);
    let unseen = subject.fixture.add_key(&other, None, Grants::default(), start());
    if !subject.fixture.set_unavailable(true) {
        return;
    }
    assert!(subject.authenticate(&secret, start()).is_ok(), "cached");
    assert!(subject.admission.take(&principal, &Demand::ONE, start()).block().is_ok(), "counted in memory");
    assert!(is_unavailable(&subject.authenticate(&unseen, start()), StoreKind::Keys));
    assert!(subject.fixture.set_unavailable(false));
    assert_eq!(subject.authenticate(&unseen, start()).unwrap().account().id, other.id);
}

/// And the operation may be repeated.
pub fn charges_nothing_that_cannot_be_written<F: Fixture>(fixture: F) {
    let subject = StoreUnderTest::new(fixture);
    let (_, principal) = subject.caller("acme", "paid");
    hold(&subject, &principal, "1").unwrap().post();
    settled(&subject, &principal);
    if !subject.fixture.set_unavailable(true) {
        return;
    }
    assert!(is_unavailable(&hold(&subject, &principal, "2"), StoreKind::Credits));
    assert!(subject.fixture.set_unavailable(false));
    let before = settled(&subject, &principal);
    assert_eq!((before.available, before.posted), (90, 10), "{before:?}");
    hold(&subject, &principal, "2").unwrap().post();
    let after = settled(&subject, &principal);
    assert_eq!((after.available, after.posted), (80, 20), "{after:?}");
}

/// Requests that succeeded during the outage are charged, and failed ones are not.
pub fn writes_settlements_after_an_outage<F: Fixture>(fixture: F) {
    let subject = StoreUnderTest::new(fixture);
    let (_, principal) = subject.caller("acme", "paid");
    let [served, failed] = ["1", "2"].map(|id| hold(&subject, &principal, id).unwrap());
    if !subject.fixture.set_unavailable(true) {
        return;
    }
    served.post();
    failed.release();
    // After this the store has tried to write both.
    assert!(is_unavailable(&hold(&subject, &principal, "3"), StoreKind::Credits));
    assert!(subject.fixture.set_unavailable(false));
    let after = settled(&subject, &principal);
    assert_eq!((after.available, after.posted), (90, 10), "{after:?}");
}

/// A response is not kept during an outage, since the number of responses would be unbounded. The operation is charged and
/// completed all the same.
pub fn posts_completed_operations_without_their_response_after_an_outage<F: Fixture>(fixture: F) {
    let subject = StoreUnderTest::new(fixture);
    let (_, principal) = subject.caller("acme", "paid");
    let served = hold(&subject, &principal, "1").unwrap();
    if !subject.fixture.set_unavailable(true) {
        return;
    }
    served.complete(None, StoredResponse::new(b"tea".to_vec()).unwrap());
    // After this the store has tried to write it.
    assert!(is_unavailable(&hold(&subject, &principal, "2"), StoreKind::Credits));
    assert!(subject.fixture.set_unavailable(false));
    let after = settled(&subject, &principal);
    assert_eq!((after.available, after.posted), (90, 10), "{after:?}");
    assert_eq!(hold(&subject, &principal, "1").unwrap_err(), Denial::IdempotencyCompleted);
}
