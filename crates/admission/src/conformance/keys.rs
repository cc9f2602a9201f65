//! Rules about the key directory, seen through the door.

use std::time::Duration;

use super::{Bench, Fixture, at, start};
use crate::{Account, Coverage, Denial, Grants, Requirement, Secret, permit};

/// Missing, unknown, foreign, expired and revoked keys are told apart, in that order of what one must have.
pub fn each_state_of_a_key_is_named_to_its_owner_only<F: Fixture>(fixture: F) {
    let bench = Bench::new(fixture);
    let account = Account { id: "acme".parse().unwrap(), name: "Acme".into(), plan: "featured".into() };
    bench.fixture.add_account(&account);
    let expires = at(Duration::from_secs(60)).wall;
    let grants = Grants {
        operations: Coverage::Only(["list".to_owned()].into()),
        scopes: ["admin".to_owned()].into(),
        resources: Coverage::Only(["shelf:1".to_owned()].into()),
    };
    let secret = bench.fixture.add_key(&account, Some(expires), grants, start());

    let principal = bench.authenticate(&secret, start()).unwrap();
    assert_eq!(principal.account(), &account);
    assert_eq!(principal.key().hint, "shop", "nothing beyond the public prefix is kept");
    for (asked, expected) in [
        (Requirement { operation: Some("list"), scope: Some("admin"), ..Requirement::default() }, Ok(())),
        (
            Requirement { feature: Some("export"), resource: Some("shelf:1"), ..Requirement::default() },
            Ok(()),
        ),
        (Requirement { operation: Some("drop"), ..Requirement::default() }, Err(Denial::PermissionOperation)),
        (Requirement { scope: Some("root"), ..Requirement::default() }, Err(Denial::PermissionOperation)),
        (
            Requirement { resource: Some("shelf:2"), ..Requirement::default() },
            Err(Denial::PermissionResource { resource: "shelf:2".into() }),
        ),
        (
            // Several obstacles: the broadest is named.
            Requirement { feature: Some("import"), scope: Some("root"), ..Requirement::default() },
            Err(Denial::PlanRequired { feature: "import".into() }),
        ),
    ] {
        assert_eq!(permit(&principal, &asked), expected, "{asked:?}");
    }

    let door =
        |text: &str, api: &str, now| bench.admission.authenticate(text, api, "shop", now).block().map(|_| ());
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
    let bench = Bench::new(fixture);
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
    let bench = Bench::new(fixture);
    let (secret, principal) = bench.caller("acme", "open");
    let asked = Requirement::default();
    assert_eq!(permit(&principal, &asked), Ok(()));
    bench.fixture.set_plan(&principal.account().id, "lapsed", start());
    let principal = bench.authenticate(&secret, start()).unwrap();
    assert_eq!(permit(&principal, &asked), Err(Denial::PlanInactive));

    bench.fixture.set_plan(&principal.account().id, "open", start());
    bench.admission.plans().replace([]);
    let principal = bench.authenticate(&secret, start()).unwrap();
    assert_eq!(permit(&principal, &asked), Err(Denial::PlanInactive), "a plan that is gone admits nothing");
    bench.admission.plans().replace(super::plans());
    let principal = bench.authenticate(&secret, start()).unwrap();
    assert_eq!(permit(&principal, &asked), Ok(()));
}
