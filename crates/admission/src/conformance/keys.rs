//! Rules about the key directory, tested through admission.

use std::time::Duration;

use sha2::{Digest as _, Sha256};

use super::{Fixture, StoreUnderTest, at, start};
use crate::{
    AccessRequest, Account, Denial, Grants, ImportedForm, ImportedHash, KeyState, Scope, Secret, authorize,
};

/// Malformed, unknown, expired and revoked keys are distinguished; a key's state only for its whole secret.
pub fn names_the_state_of_a_key_only_for_its_whole_secret<F: Fixture>(fixture: F) {
    let subject = StoreUnderTest::new(fixture);
    let account = Account {
        id: "acme".parse().unwrap(),
        name: "Acme".into(),
        plan: "featured".into(),
        grant_day: None,
    };
    subject.fixture.add_account(&account);
    let expires = at(Duration::from_secs(60)).wall;
    let grants = Grants {
        operations: Scope::Only(["list".to_owned()].into()),
        scopes: ["admin".to_owned()].into(),
        resources: Scope::Only(["shelf:1".to_owned()].into()),
        ..Grants::default()
    };
    let secret = subject.fixture.add_key(&account, Some(expires), grants, start());

    let principal = subject.authenticate(&secret, start()).unwrap();
    assert_eq!(principal.account(), &account);
    assert_eq!(principal.key().prefix, "shop", "only the public prefix is kept");
    for (request, expected) in [
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
            // Several obstacles: the broadest one is reported.
            AccessRequest { feature: Some("import"), scope: Some("root"), ..AccessRequest::default() },
            Err(Denial::PlanRequired { feature: "import".into() }),
        ),
    ] {
        assert_eq!(authorize(&principal, &request), expected, "{request:?}");
    }

    let authenticate = |text: &str, api: &str, now| subject.authenticate_text(text, api, now).map(|_| ());
    assert_eq!(authenticate("shop_short", "shop", start()), Err(Denial::CredentialMalformed));
    let other = Secret::generate("shop").unwrap();
    assert_eq!(authenticate(other.expose(), "shop", start()), Err(Denial::CredentialUnknown));
    assert_eq!(authenticate(secret.expose(), "depot", start()), Err(Denial::CredentialUnknown));
    let expired = Denial::CredentialExpired { expired_at: expires };
    assert_eq!(authenticate(secret.expose(), "shop", at(Duration::from_secs(60))), Err(expired));
    subject.fixture.revoke(&principal, start());
    let revoked = Denial::CredentialRevoked { revoked_at: start().wall };
    assert_eq!(authenticate(secret.expose(), "shop", at(Duration::from_secs(60))), Err(revoked));
}

/// No request that starts after the revocation has returned is admitted, even if the key was cached.
pub fn a_revocation_is_effective_when_it_returns<F: Fixture>(fixture: F) {
    let subject = StoreUnderTest::new(fixture);
    for number in 0..50 {
        let (secret, principal) = subject.caller(&format!("account-{number}"), "open");
        assert!(subject.authenticate(&secret, start()).is_ok());
        subject.fixture.revoke(&principal, start());
        let denial = subject.authenticate(&secret, start()).map(|_| ()).unwrap_err();
        assert_eq!(denial, Denial::CredentialRevoked { revoked_at: start().wall });
    }
}

/// The next request is checked under the new plan, even if the key was cached.
pub fn a_change_of_plan_takes_effect_at_once<F: Fixture>(fixture: F) {
    let subject = StoreUnderTest::new(fixture);
    let (secret, principal) = subject.caller("acme", "open");
    let request = AccessRequest::default();
    assert_eq!(authorize(&principal, &request), Ok(()));
    subject.fixture.set_plan(&principal.account().id, "lapsed", start());
    let principal = subject.authenticate(&secret, start()).unwrap();
    assert_eq!(authorize(&principal, &request), Err(Denial::PlanInactive));

    subject.fixture.set_plan(&principal.account().id, "open", start());
    subject.admission.plans().replace([]);
    let principal = subject.authenticate(&secret, start()).unwrap();
    assert_eq!(authorize(&principal, &request), Err(Denial::PlanInactive), "a removed plan admits nothing");
    subject.admission.plans().replace(super::plans());
    let principal = subject.authenticate(&secret, start()).unwrap();
    assert_eq!(authorize(&principal, &request), Ok(()));
}

/// Both secrets are valid until the grace period ends; without one, the old secret is invalid at once.
pub fn accepts_both_secrets_during_the_grace_period<F: Fixture>(fixture: F) {
    let subject = StoreUnderTest::new(fixture);
    let (first, principal) = subject.caller("acme", "open");
    let second = subject.fixture.rotate(&principal, Duration::from_secs(60), start());
    let id =
        |secret: &Secret, now| subject.authenticate(secret, now).map(|principal| principal.key().id.clone());
    let just_before = at(Duration::from_millis(59_999));
    assert_eq!(id(&first, just_before), Ok(principal.key().id.clone()));
    assert_eq!(id(&second, just_before), id(&first, just_before), "one key, two secrets");
    let over = at(Duration::from_secs(60));
    assert_eq!(id(&first, over), Err(Denial::CredentialRevoked { revoked_at: over.wall }));
    assert!(id(&second, over).is_ok());

    let third = subject.fixture.rotate(&principal, Duration::ZERO, over);
    let revoked = |secret: &Secret, now| matches!(id(secret, now), Err(Denial::CredentialRevoked { .. }));
    assert!(revoked(&first, over) && revoked(&second, over));
    assert!(id(&third, over).is_ok());
    subject.fixture.revoke(&principal, over);
    assert!(revoked(&third, over), "revoking a key ends all of its secrets");
}

/// A key that is rotated again within a grace period has its two latest secrets: older ones are invalid at once.
pub fn rotating_a_key_again_ends_its_oldest_secret<F: Fixture>(fixture: F) {
    let subject = StoreUnderTest::new(fixture);
    let (first, principal) = subject.caller("acme", "open");
    let is_valid = |secret: &Secret, now| subject.authenticate(secret, now).is_ok();
    let second = subject.fixture.rotate(&principal, Duration::from_secs(60), start());
    assert!(is_valid(&first, start()) && is_valid(&second, start()));
    let third = subject.fixture.rotate(&principal, Duration::from_secs(600), start());
    assert!(!is_valid(&first, start()), "it was in its grace period already");
    assert!(is_valid(&second, at(Duration::from_secs(599))), "its own grace period, not that of the first");
    assert!(!is_valid(&second, at(Duration::from_secs(600))));
    assert!(is_valid(&third, at(Duration::from_secs(600))));
}

/// Disabling and enabling are in effect when they return.
pub fn a_disabled_key_can_be_enabled_again<F: Fixture>(fixture: F) {
    let subject = StoreUnderTest::new(fixture);
    let (secret, principal) = subject.caller("acme", "open");
    for _ in 0..3 {
        subject.fixture.set_disabled(&principal, true, start());
        let denial = subject.authenticate(&secret, start()).map(|_| ()).unwrap_err();
        assert_eq!(denial, Denial::CredentialDisabled { disabled_at: start().wall });
        subject.fixture.set_disabled(&principal, false, start());
        let state = subject.authenticate(&secret, start()).map(|found| found.key().state(start().wall));
        assert_eq!(state, Ok(KeyState::Active));
    }
}

/// An imported key is valid without Demur's form, and a similar text is not.
pub fn authenticates_an_imported_key_only_by_its_whole_text<F: Fixture>(fixture: F) {
    let subject = StoreUnderTest::new(fixture);
    let account =
        Account { id: "acme".parse().unwrap(), name: "Acme".into(), plan: "open".into(), grant_day: None };
    subject.fixture.add_account(&account);
    let key = "sk_live_0123456789abcdef";
    let authenticate = |text: &str, api| {
        subject.authenticate_text(text, api, start()).map(|found| found.account().id.clone())
    };
    assert_eq!(authenticate(key, "shop"), Err(Denial::CredentialMalformed));
    let (shortest, longest, hash) = (24, 24, ImportedHash::Sha256);
    let form = ImportedForm { api: "shop".into(), prefix: "sk_live_".into(), shortest, longest, hash };
    subject.fixture.import(&account, form, Sha256::digest(key).into(), start());
    assert_eq!(authenticate(key, "shop"), Ok(account.id.clone()));
    assert_eq!(authenticate(key, "shop"), Ok(account.id), "from the cache too");
    assert_eq!(authenticate("sk_live_0123456789abcdeF", "shop"), Err(Denial::CredentialUnknown));
    for other in ["sk_live_0123456789abcde", "sk_test_0123456789abcdef", "sk_live_0123456789abcdef "] {
        assert_eq!(authenticate(other, "shop"), Err(Denial::CredentialMalformed), "{other}");
    }
    assert_eq!(
        authenticate(key, "depot"),
        Err(Denial::CredentialMalformed),
        "the form belongs to another API"
    );
    let hash: String = Sha256::digest(key).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(authenticate(&hash, "shop"), Err(Denial::CredentialMalformed), "a hash is no key");
    let principal = subject.authenticate_text(key, "shop", start()).unwrap();
    subject.fixture.revoke(&principal, start());
    assert_eq!(authenticate(key, "shop"), Err(Denial::CredentialRevoked { revoked_at: start().wall }));
}

/// The use is recorded to the minute, and not for a key that was rejected.
pub fn records_the_last_use_to_the_minute<F: Fixture>(fixture: F) {
    let subject = StoreUnderTest::new(fixture);
    let (secret, principal) = subject.caller("acme", "open");
    let (_, idle) = subject.caller("idle", "lapsed");
    assert_eq!(subject.fixture.last_used(&principal), Some(start().wall));
    for seconds in [10, 59, 61] {
        assert!(subject.authenticate(&secret, at(Duration::from_secs(seconds))).is_ok());
    }
    let used = subject.fixture.last_used(&principal);
    assert!(used >= Some(at(Duration::from_secs(60)).wall), "{used:?}");
    subject.fixture.revoke(&idle, start());
    assert_eq!(subject.fixture.last_used(&idle), Some(start().wall));
}
