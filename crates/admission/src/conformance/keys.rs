//! Rules about the key directory, seen through the door.

use std::time::Duration;

use sha2::{Digest as _, Sha256};

use super::{Fixture, StoreUnderTest, at, start};
use crate::{
    AccessRequest, Account, Denial, Grants, ImportedForm, ImportedHash, KeyState, Scope, Secret, authorize,
};

/// Missing, unknown, foreign, expired and revoked keys are told apart, in that order of what one must have.
pub fn each_state_of_a_key_is_named_to_its_owner_only<F: Fixture>(fixture: F) {
    let bench = StoreUnderTest::new(fixture);
    let account = Account { id: "acme".parse().unwrap(), name: "Acme".into(), plan: "featured".into() };
    bench.fixture.add_account(&account);
    let expires = at(Duration::from_secs(60)).wall;
    let grants = Grants {
        operations: Scope::Only(["list".to_owned()].into()),
        scopes: ["admin".to_owned()].into(),
        resources: Scope::Only(["shelf:1".to_owned()].into()),
    };
    let secret = bench.fixture.add_key(&account, Some(expires), grants, start());

    let principal = bench.authenticate(&secret, start()).unwrap();
    assert_eq!(principal.account(), &account);
    assert_eq!(principal.key().prefix, "shop", "nothing beyond the public prefix is kept");
    for (asked, expected) in [
        (AccessRequest { operation: Some("list"), scope: Some("admin"), ..AccessRequest::default() }, Ok(())),
        (
            AccessRequest { feature: Some("export"), resource: Some("shelf:1"), ..AccessRequest::default() },
            Ok(()),
        ),
        (
            AccessRequest { operation: Some("drop"), ..AccessRequest::default() },
            Err(Denial::PermissionOperation),
        ),
        (AccessRequest { scope: Some("root"), ..AccessRequest::default() }, Err(Denial::PermissionOperation)),
        (
            AccessRequest { resource: Some("shelf:2"), ..AccessRequest::default() },
            Err(Denial::PermissionResource { resource: "shelf:2".into() }),
        ),
        (
            // Several obstacles: the broadest is named.
            AccessRequest { feature: Some("import"), scope: Some("root"), ..AccessRequest::default() },
            Err(Denial::PlanRequired { feature: "import".into() }),
        ),
    ] {
        assert_eq!(authorize(&principal, &asked), expected, "{asked:?}");
    }

    let door = |text: &str, api: &str, now| bench.ask(text, api, now).map(|_| ());
    assert_eq!(door("shop_short", "shop", start()), Err(Denial::CredentialMalformed));
    let other = Secret::generate("shop").unwrap();
    assert_eq!(door(other.expose(), "shop", start()), Err(Denial::CredentialUnknown));
    assert_eq!(door(secret.expose(), "depot", start()), Err(Denial::CredentialUnknown));
    let expired = Denial::CredentialExpired { expired_at: expires };
    assert_eq!(door(secret.expose(), "shop", at(Duration::from_secs(60))), Err(expired));
    bench.fixture.revoke(&principal, start());
    let revoked = Denial::CredentialRevoked { revoked_at: start().wall };
    assert_eq!(door(secret.expose(), "shop", at(Duration::from_secs(60))), Err(revoked));
}

/// No request that begins after the revocation has returned passes, although the key was cached.
pub fn a_revocation_is_effective_when_it_returns<F: Fixture>(fixture: F) {
    let bench = StoreUnderTest::new(fixture);
    for number in 0..50 {
        let (secret, principal) = bench.caller(&format!("account-{number}"), "open");
        assert!(bench.authenticate(&secret, start()).is_ok());
        bench.fixture.revoke(&principal, start());
        let denial = bench.authenticate(&secret, start()).map(|_| ()).unwrap_err();
        assert_eq!(denial, Denial::CredentialRevoked { revoked_at: start().wall });
    }
}

/// The next request is judged under the new plan, although the key was cached.
pub fn a_change_of_plan_takes_effect_at_once<F: Fixture>(fixture: F) {
    let bench = StoreUnderTest::new(fixture);
    let (secret, principal) = bench.caller("acme", "open");
    let asked = AccessRequest::default();
    assert_eq!(authorize(&principal, &asked), Ok(()));
    bench.fixture.set_plan(&principal.account().id, "lapsed", start());
    let principal = bench.authenticate(&secret, start()).unwrap();
    assert_eq!(authorize(&principal, &asked), Err(Denial::PlanInactive));

    bench.fixture.set_plan(&principal.account().id, "open", start());
    bench.admission.plans().replace([]);
    let principal = bench.authenticate(&secret, start()).unwrap();
    assert_eq!(
        authorize(&principal, &asked),
        Err(Denial::PlanInactive),
        "a plan that is gone admits nothing"
    );
    bench.admission.plans().replace(super::plans());
    let principal = bench.authenticate(&secret, start()).unwrap();
    assert_eq!(authorize(&principal, &asked), Ok(()));
}

/// Both secrets open until the grace is over; without a grace the old one is closed at once.
pub fn a_rotated_key_has_two_secrets_for_a_grace<F: Fixture>(fixture: F) {
    let bench = StoreUnderTest::new(fixture);
    let (first, principal) = bench.caller("acme", "open");
    let second = bench.fixture.rotate(&principal, Duration::from_secs(60), start());
    let id =
        |secret: &Secret, now| bench.authenticate(secret, now).map(|principal| principal.key().id.clone());
    let just_before = at(Duration::from_millis(59_999));
    assert_eq!(id(&first, just_before), Ok(principal.key().id.clone()));
    assert_eq!(id(&second, just_before), id(&first, just_before), "one key, two secrets");
    let over = at(Duration::from_secs(60));
    assert_eq!(id(&first, over), Err(Denial::CredentialRevoked { revoked_at: over.wall }));
    assert!(id(&second, over).is_ok());

    let third = bench.fixture.rotate(&principal, Duration::ZERO, over);
    let revoked = |secret: &Secret, now| matches!(id(secret, now), Err(Denial::CredentialRevoked { .. }));
    assert!(revoked(&first, over) && revoked(&second, over));
    assert!(id(&third, over).is_ok());
    bench.fixture.revoke(&principal, over);
    assert!(revoked(&third, over), "the key, whatever its secrets");
}

/// Rotated again within a grace, a key has the two latest secrets: the one before them is closed at once.
pub fn a_key_rotated_twice_has_two_secrets_and_not_three<F: Fixture>(fixture: F) {
    let bench = StoreUnderTest::new(fixture);
    let (first, principal) = bench.caller("acme", "open");
    let opens = |secret: &Secret, now| bench.authenticate(secret, now).is_ok();
    let second = bench.fixture.rotate(&principal, Duration::from_secs(60), start());
    assert!(opens(&first, start()) && opens(&second, start()));
    let third = bench.fixture.rotate(&principal, Duration::from_secs(600), start());
    assert!(!opens(&first, start()), "it has had its grace");
    assert!(opens(&second, at(Duration::from_secs(599))), "its own grace, and not that of the one before");
    assert!(!opens(&second, at(Duration::from_secs(600))));
    assert!(opens(&third, at(Duration::from_secs(600))));
}

/// In force when it returns, in both directions.
pub fn a_disabled_key_comes_back<F: Fixture>(fixture: F) {
    let bench = StoreUnderTest::new(fixture);
    let (secret, principal) = bench.caller("acme", "open");
    for _ in 0..3 {
        bench.fixture.set_disabled(&principal, true, start());
        let denial = bench.authenticate(&secret, start()).map(|_| ()).unwrap_err();
        assert_eq!(denial, Denial::CredentialDisabled { disabled_at: start().wall });
        bench.fixture.set_disabled(&principal, false, start());
        let state = bench.authenticate(&secret, start()).map(|found| found.key().state(start().wall));
        assert_eq!(state, Ok(KeyState::Active));
    }
}

/// A key that another system made opens, and what only resembles it does not; all without our form.
pub fn an_imported_hash_opens_for_the_whole_key<F: Fixture>(fixture: F) {
    let bench = StoreUnderTest::new(fixture);
    let account = Account { id: "acme".parse().unwrap(), name: "Acme".into(), plan: "open".into() };
    bench.fixture.add_account(&account);
    let key = "sk_live_0123456789abcdef";
    let door = |text: &str, api| bench.ask(text, api, start()).map(|found| found.account().id.clone());
    assert_eq!(door(key, "shop"), Err(Denial::CredentialMalformed));
    let (shortest, longest, hash) = (24, 24, ImportedHash::Sha256);
    let form = ImportedForm { api: "shop".into(), prefix: "sk_live_".into(), shortest, longest, hash };
    bench.fixture.import(&account, form, Sha256::digest(key).into(), start());
    assert_eq!(door(key, "shop"), Ok(account.id.clone()));
    assert_eq!(door(key, "shop"), Ok(account.id), "from the cache too");
    assert_eq!(door("sk_live_0123456789abcdeF", "shop"), Err(Denial::CredentialUnknown));
    for no_key in ["sk_live_0123456789abcde", "sk_test_0123456789abcdef", "sk_live_0123456789abcdef "] {
        assert_eq!(door(no_key, "shop"), Err(Denial::CredentialMalformed), "{no_key}");
    }
    assert_eq!(door(key, "depot"), Err(Denial::CredentialMalformed), "another API has no such form");
    let hash: String = Sha256::digest(key).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(door(&hash, "shop"), Err(Denial::CredentialMalformed), "a hash is no key");
    let principal = bench.ask(key, "shop", start()).unwrap();
    bench.fixture.revoke(&principal, start());
    assert_eq!(door(key, "shop"), Err(Denial::CredentialRevoked { revoked_at: start().wall }));
}

/// Written now and then: to the minute, and not at all for a key that did not open.
pub fn the_last_use_is_known_to_the_minute<F: Fixture>(fixture: F) {
    let bench = StoreUnderTest::new(fixture);
    let (secret, principal) = bench.caller("acme", "open");
    let (_, idle) = bench.caller("idle", "lapsed");
    assert_eq!(bench.fixture.last_used(&principal), Some(start().wall));
    for seconds in [10, 59, 61] {
        assert!(bench.authenticate(&secret, at(Duration::from_secs(seconds))).is_ok());
    }
    let used = bench.fixture.last_used(&principal);
    assert!(used >= Some(at(Duration::from_secs(60)).wall), "{used:?}");
    bench.fixture.revoke(&idle, start());
    assert_eq!(bench.fixture.last_used(&idle), Some(start().wall));
}
