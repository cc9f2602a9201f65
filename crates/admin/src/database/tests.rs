use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::Role;

fn database(folder: &tempfile::TempDir) -> AdminDatabase {
    AdminDatabase::open(&folder.path().join("admin.db")).unwrap()
}

fn token(database: &AdminDatabase, role: Role, valid_for: u64) -> Issued {
    let valid_for = Duration::from_secs(valid_for);
    database.create_token(&NewToken { name: "test", role, valid_for }, "test").unwrap()
}

#[test]
fn identifies_tokens_in_every_state() {
    let folder = tempfile::tempdir().unwrap();
    let database = database(&folder);
    let (active, expired, revoked) = (
        token(&database, Role::Viewer, 60),
        token(&database, Role::Support, 0),
        token(&database, Role::Operator, 60),
    );
    assert!(database.revoke_token(&revoked.token.id, "test").unwrap().is_some());
    assert_eq!(database.revoke_token("tok_none", "test").unwrap(), None);
    let state = |secret: &str| {
        let found = database.authenticate(secret, Timestamp::now()).unwrap();
        found.map(|(actor, state)| (actor.role, state))
    };
    let secret = |issued: &Issued| issued.secret.expose().to_owned();
    assert_eq!(state(&secret(&active)), Some((Role::Viewer, TokenState::Active)));
    assert_eq!(state(&secret(&expired)), Some((Role::Support, TokenState::Expired)));
    assert_eq!(state(&secret(&revoked)), Some((Role::Operator, TokenState::Revoked)));
    let another = token(&database_in(&tempfile::tempdir().unwrap()), Role::Operator, 60);
    for unknown in ["", "x", &secret(&another), &secret(&active)[1..]] {
        assert_eq!(state(unknown), None, "{unknown}");
    }
    let operations: Vec<String> =
        database.audit(None, 10).unwrap().into_iter().map(|entry| entry.operation).collect();
    assert_eq!(operations, ["revokeToken", "createToken", "createToken", "createToken"]);
}

fn database_in(folder: &tempfile::TempDir) -> AdminDatabase {
    database(folder)
}

#[test]
fn makes_the_first_token_once() {
    let folder = tempfile::tempdir().unwrap();
    let first = database(&folder).create_first_token().unwrap().unwrap();
    assert_eq!(first.token.role, Role::Operator);
    assert!(database(&folder).create_first_token().unwrap().is_none());
    database(&folder).revoke_token(&first.token.id, "test").unwrap();
    assert!(
        database(&folder).create_first_token().unwrap().is_none(),
        "a revoked token is no reason for another"
    );
}

#[test]
fn executes_each_key_once() {
    let folder = tempfile::tempdir().unwrap();
    let database = database(&folder);
    let (one, other) = ([1; 32], [2; 32]);
    let claim = |key, fingerprint, is_repeatable| Claim { token: "tok_1", key, fingerprint, is_repeatable };
    let ask = |claim: Claim<'_>| database.claim(&claim, Timestamp::now()).unwrap();
    assert_eq!(ask(claim("a", &one, false)), Claimed::New);
    assert_eq!(ask(claim("a", &one, false)), Claimed::InProgress);
    assert_eq!(ask(claim("a", &other, false)), Claimed::Mismatch);
    let reply = StoredReply { status: 201, body: "{}".to_owned() };
    database.complete(&claim("a", &one, false), &reply).unwrap();
    assert_eq!(ask(claim("a", &one, false)), Claimed::Stored(reply));
    assert_eq!(ask(claim("a", &other, false)), Claimed::Mismatch);
    let of_another = Claim { token: "tok_2", ..claim("a", &other, false) };
    assert_eq!(ask(of_another), Claimed::New, "keys are those of a token");
    // What failed runs again.
    assert_eq!(ask(claim("b", &one, false)), Claimed::New);
    database.release(&claim("b", &one, false)).unwrap();
    assert_eq!(ask(claim("b", &one, false)), Claimed::New);
    // What ran when the gateway ended.
    assert_eq!(ask(claim("c", &one, true)), Claimed::New);
    database.interrupt_requests().unwrap();
    assert_eq!(ask(claim("b", &one, false)), Claimed::OutcomeUnknown);
    assert_eq!(ask(claim("c", &one, true)), Claimed::New);
    // A day later they are forgotten.
    let later = Timestamp::now() + jiff::SignedDuration::from_hours(25);
    assert_eq!(database.claim(&claim("a", &other, false), later).unwrap(), Claimed::New);
}

#[test]
fn keeps_a_bounded_number_of_keys() {
    let folder = tempfile::tempdir().unwrap();
    let database = database(&folder);
    database
        .run(|connection| {
            connection.execute_batch(
                "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000)
                 INSERT INTO idempotency SELECT 'tok_1', 'k' || i, zeroblob(32), 9000000000000, 1, 200, '{}' FROM n",
            )
        })
        .unwrap();
    let claim = Claim { token: "tok_1", key: "one more", fingerprint: &[0; 32], is_repeatable: true };
    assert_eq!(database.claim(&claim, Timestamp::now()).unwrap(), Claimed::Exhausted);
    let known = Claim { key: "k1", ..claim };
    assert!(matches!(database.claim(&known, Timestamp::now()).unwrap(), Claimed::Stored(_)));
}

#[test]
fn deletes_old_entries_of_the_audit_log() {
    let folder = tempfile::tempdir().unwrap();
    let database = database(&folder).with_audit_max_age(Duration::from_secs(3600));
    let entry = NewAudit {
        actor: "test".to_owned(),
        role: None,
        operation: "topUp",
        target: None,
        details: None,
        request_id: None,
        outcome: None,
    };
    let now = Timestamp::now();
    let hours = jiff::SignedDuration::from_hours;
    for at in [now - hours(3), now - hours(2), now] {
        database.record(&entry, at).unwrap();
    }
    let left = database.audit(None, 10).unwrap();
    assert_eq!(left.len(), 1);
    assert_eq!(left[0].status, None, "its outcome is not known yet");
    database.finish(left[0].number, 200, None).unwrap();
    assert_eq!(database.audit(None, 10).unwrap()[0].status, Some(200));
}

#[test]
fn rejects_a_file_that_other_users_can_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("admin.db");
    drop(AdminDatabase::open(&path).unwrap());
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
    let error = AdminDatabase::open(&path).unwrap_err().to_string();
    assert!(error.contains("mode 0640") && error.contains("chmod 600"), "{error}");
    let text = folder.path().join("text");
    std::fs::write(&text, "no database, whatever it is").unwrap();
    std::fs::set_permissions(&text, std::fs::Permissions::from_mode(0o600)).unwrap();
    assert!(AdminDatabase::open(&text).is_err());
}
