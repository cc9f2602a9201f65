//! Rules about callers with a verified token, who have no key in the directory.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::{Fixture, StoreUnderTest, at, start};
use crate::{
    ConnectionCache, Demand, Denial, Now, Principal, StoreKind, TokenFault, TokenIdentity, TokenLookup,
};

/// A token that expires after ten minutes.
fn identity(account: &str) -> TokenIdentity {
    TokenIdentity {
        api: "shop".to_owned(),
        subject: "jwt_1".parse().unwrap(),
        account: account.parse().unwrap(),
        plan: "rated".to_owned(),
        scopes: BTreeSet::from(["read".to_owned()]),
        expires: at(Duration::from_secs(600)).wall,
    }
}

/// The result of the cache, with and without a connection; `None` if the token must be verified.
fn cached<F: Fixture>(
    subject: &StoreUnderTest<F>,
    token: &str,
    revision: u64,
    now: Now,
) -> Option<Result<Arc<Principal>, Denial>> {
    let connection = ConnectionCache::default();
    let mut results = [None, Some(&connection), Some(&connection)].map(|connection| {
        match subject.admission.find_token(connection, token, revision, "shop", now) {
            TokenLookup::Found(result) => Some(result),
            TokenLookup::Missing(_) => None,
        }
    });
    let found = results.iter().filter(|result| result.is_some()).count();
    assert!(found == 0 || found == results.len(), "a connection's cache must not decide");
    results[0].take()
}

fn admit<F: Fixture>(
    subject: &StoreUnderTest<F>,
    token: &str,
    account: &str,
    now: Now,
) -> Result<Arc<Principal>, Denial> {
    let TokenLookup::Missing(slot) = subject.admission.find_token(None, token, 1, "shop", now) else {
        panic!("{token} is cached");
    };
    subject.admission.admit_token(slot, identity(account), now).block()
}

/// An account of the store keeps its plan and its counts, and another one has the plan of the token, in memory.
pub fn a_token_acts_for_the_account_that_the_store_has<F: Fixture>(fixture: F) {
    let subject = StoreUnderTest::new(fixture);
    let (_, by_key) = subject.caller("acme", "daily");
    let known = admit(&subject, "token of acme", "acme", start()).unwrap();
    assert_eq!(known.account(), by_key.account());
    assert!(known.has_stored_account() && known.key().grants.scopes.contains("read"));
    for principal in [&by_key, &known, &by_key] {
        drop(subject.admission.take(principal, &Demand::ONE, start()).block().unwrap());
    }
    let fourth = subject.admission.take(&known, &Demand::ONE, start()).block();
    assert!(matches!(fourth, Err(Denial::QuotaExceeded { .. })), "key and token count together");

    let unknown = admit(&subject, "token of a stranger", "stranger", start()).unwrap();
    assert_eq!((&*unknown.plan().name, unknown.has_stored_account()), ("rated", false));
    let other = admit(&subject, "another token of the stranger", "stranger", start()).unwrap();
    for principal in [&unknown, &other, &unknown] {
        drop(subject.admission.take(principal, &Demand::ONE, start()).block().unwrap());
    }
    let fourth = subject.admission.take(&other, &Demand::ONE, start()).block();
    assert!(matches!(fourth, Err(Denial::RateExceeded { .. })), "tokens of an account count together");
}

/// A token is cached for one key set, until it expires, and until its account changes.
pub fn a_verified_token_is_cached_until_something_changes<F: Fixture>(fixture: F) {
    let subject = StoreUnderTest::new(fixture);
    subject.caller("acme", "open");
    subject.fixture.await_announcements();
    assert!(cached(&subject, "token", 1, start()).is_none());
    let admitted = admit(&subject, "token", "acme", start()).unwrap();
    let found = cached(&subject, "token", 1, start()).unwrap().unwrap();
    assert!(Arc::ptr_eq(&found, &admitted));
    assert!(cached(&subject, "token", 2, start()).is_none(), "verified with other keys");
    assert!(cached(&subject, "toke", 1, start()).is_none());
    assert!(cached(&subject, "token", 1, at(Duration::from_secs(61))).is_none(), "cached for a minute");
    // Known by this text only: the digest of a token is never that of a key.
    let as_key = subject.authenticate_text("token", "shop", start());
    assert_eq!(as_key.unwrap_err(), Denial::CredentialMalformed);

    subject.fixture.set_plan(&admitted.account().id, "lapsed", start());
    assert!(cached(&subject, "token", 1, start()).is_none(), "the account has changed");
    assert!(!admit(&subject, "token", "acme", start()).unwrap().plan().active);

    subject.fixture.await_announcements();
    // It expires within the minute for which it is cached.
    let late = at(Duration::from_secs(590));
    admit(&subject, "late", "acme", late).unwrap();
    let expired = cached(&subject, "late", 1, at(Duration::from_secs(601))).unwrap();
    assert!(matches!(expired, Err(Denial::Token { fault: TokenFault::Expired, .. })));
}

/// A token whose account cannot be looked up is not rejected for a fault of its own.
pub fn an_unavailable_store_is_no_fault_of_a_token<F: Fixture>(fixture: F) {
    let subject = StoreUnderTest::new(fixture);
    subject.caller("acme", "open");
    subject.fixture.await_announcements();
    admit(&subject, "token", "acme", start()).unwrap();
    if !subject.fixture.set_unavailable(true) {
        return;
    }
    assert!(cached(&subject, "token", 1, start()).unwrap().is_ok(), "cached");
    for account in ["acme", "stranger"] {
        let denial = admit(&subject, "other", account, start()).unwrap_err();
        assert!(matches!(denial, Denial::StoreUnavailable { part: StoreKind::Keys, .. }), "{denial:?}");
    }
    assert!(subject.fixture.set_unavailable(false));
    assert!(admit(&subject, "other", "acme", start()).is_ok());
}
