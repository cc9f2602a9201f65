//! The files of a store: lost, exposed and planted ones; and the control socket with other users.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test that cannot go on should stop and say where, or why it does not begin"
)]

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use demur_e2e::{Example, Gateway, NewKey, Program, Request, TestDir, run};
use serde_json::json;

const API: &str = "trackyard";

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn folder_with_key() -> (TestDir, String) {
    let folder = TestDir::of_examples();
    folder.create_account("acme", "pro");
    let secret = folder.create_key(&NewKey { api: API, account: "acme", ..NewKey::default() }).secret;
    (folder, secret)
}

#[test]
fn does_not_start_with_an_empty_store_in_place_of_a_lost_one() {
    type Change = fn(&Path);
    let rows: &[(&str, Change, &str)] = &[
        ("no database", |folder| fs::remove_file(folder.join("demur.db")).unwrap(), "missing or empty"),
        (
            "nothing in it",
            |folder| drop(fs::File::create(folder.join("demur.db")).unwrap()),
            "missing or empty",
        ),
        ("no pepper", |folder| fs::remove_file(folder.join("demur.db.pepper")).unwrap(), "pepper"),
        (
            "another pepper",
            |folder| fs::write(folder.join("demur.db.pepper"), "ab".repeat(32)).unwrap(),
            "pepper",
        ),
    ];
    for (name, change, text) in rows {
        let (folder, _) = folder_with_key();
        change(folder.path());
        for command in [&["serve", "--listen", "127.0.0.1:0"][..], &["keys", "list"], &["accounts", "verify"]]
        {
            let outcome = run(command, folder.path());
            assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(4), ""), "{name}: {outcome:?}");
            assert!(outcome.stderr.contains(text), "{name}: {outcome:?}");
        }
    }
}

/// While it runs: what is asked of the store is trouble and never 401, and the log says so by itself.
#[test]
fn reports_a_store_that_is_overwritten() {
    let another = || {
        let (folder, _) = folder_with_key();
        fs::read(folder.path().join("demur.db")).unwrap()
    };
    type Damage = fn(&Path, &[u8]);
    let rows: &[(&str, Damage)] = &[
        ("another database renamed over it", |folder, another| {
            fs::write(folder.join("new"), another).unwrap();
            mode(&folder.join("new"), 0o600);
            fs::rename(folder.join("new"), folder.join("demur.db")).unwrap();
        }),
        ("another database written into it", |folder, another| {
            fs::write(folder.join("demur.db"), another).unwrap();
        }),
        ("cut to nothing", |folder, _| drop(fs::File::create(folder.join("demur.db")).unwrap())),
        ("the log removed", |folder, _| fs::remove_file(folder.join("demur.db-wal")).unwrap()),
    ];
    for (name, damage) in rows {
        let service = Example::start(API);
        let (folder, secret) = folder_with_key();
        folder.point(API, service.address());
        let gateway = Gateway::serve(folder);
        damage(gateway.folder().path(), &another());
        // Before any request.
        gateway.reveals("store unavailable");
        let request = Request::post("/api/external/v1/search").key(&secret).json(&json!({ "query": "epic" }));
        let response = gateway.client(API).send(&request);
        assert_eq!(response.status, 500, "{name}: {response:?}");
        let logged = gateway.logged(response.header("x-request-id")).to_string();
        assert!(logged.contains("store.unavailable.keys"), "{name}: {logged}");
    }
    let (folder, secret) = folder_with_key();
    let gateway = Gateway::serve(folder);
    fs::remove_file(gateway.folder().path().join("demur.db.pepper")).unwrap();
    gateway.reveals("pepper file lost");
    let rejected = gateway.folder().run(&["keys", "create", "--api", API, "--account", "acme"]);
    assert_eq!(rejected.code, Some(1), "{rejected:?}");
    assert!(!gateway.log().contains(&secret));
}

/// Both report the same about a file's mode.
#[test]
fn check_and_serve_report_the_same_file_modes() {
    for name in ["demur.db", "demur.db-wal", "demur.db-shm", "demur.db.pepper"] {
        for bits in [0o600, 0o640, 0o604, 0o660, 0o644] {
            let (folder, _) = folder_with_key();
            let file = folder.path().join(name);
            mode(&file, bits);
            let checked = run(&["check", "--format", "json"], folder.path());
            let is_fine = bits == 0o600;
            assert_eq!(checked.code, Some(if is_fine { 0 } else { 3 }), "{name} {bits:o}: {checked:?}");
            assert_eq!(checked.stdout.contains("chmod 600"), !is_fine, "{name} {bits:o}: {checked:?}");
            if !is_fine {
                let served = run(&["serve", "--listen", "192.0.2.1:1"], folder.path());
                assert_eq!(served.code, Some(4), "{name} {bits:o}: {served:?}");
                assert!(served.stderr.contains("chmod 600"), "{name} {bits:o}: {served:?}");
            }
        }
    }
}

#[test]
fn only_owner_and_group_can_read_the_access_log() {
    let (folder, _) = folder_with_key();
    folder.edit(
        "default_contract: problem",
        "access_log: { requests: all, output: access.log }\ndefault_contract: problem",
    );
    let log = folder.path().join("access.log");
    let gateway = Gateway::serve(folder);
    assert_eq!(fs::metadata(&log).unwrap().mode() & 0o777 & !0o640, 0);
    let folder = gateway.kill();
    mode(&log, 0o644);
    let checked = run(&["check", "--strict", "--format", "json"], folder.path());
    assert_eq!(checked.code, Some(1), "{checked:?}");
    assert!(checked.stdout.contains("chmod 640"), "{checked:?}");
    Gateway::serve(folder).reveals("access log permissions too open");
}

/// Links in the folder of the demo that lead elsewhere.
#[test]
fn demo_writes_only_into_its_own_folder() {
    type Plant = fn(&Path, &Path);
    let rows: &[(&str, Plant)] = &[
        ("the configuration", |demo, target| symlink(target, demo.join("demur.yaml")).unwrap()),
        ("a document", |demo, target| {
            fs::create_dir(demo.join("trackyard")).unwrap();
            symlink(target, demo.join("trackyard/openapi.yaml")).unwrap();
        }),
        ("a folder in it", |demo, target| symlink(target.parent().unwrap(), demo.join("trackyard")).unwrap()),
        ("a name that a document has", |demo, target| {
            fs::create_dir(demo.join("trackyard")).unwrap();
            fs::hard_link(target, demo.join("trackyard/openapi.yaml")).unwrap();
        }),
        ("the database", |demo, target| symlink(target, demo.join("demur.db")).unwrap()),
        ("its log", |demo, target| symlink(target, demo.join("demur.db-wal")).unwrap()),
        ("its lock", |demo, target| symlink(target, demo.join("demur.db.lock")).unwrap()),
        ("the lock's other name", |demo, target| fs::hard_link(target, demo.join("demur.db.lock")).unwrap()),
        ("the pepper", |demo, target| symlink(target, demo.join("demur.db.pepper")).unwrap()),
        ("a pepper under way", |demo, target| symlink(target, demo.join("demur.db.pepper-new")).unwrap()),
        ("nothing yet", |demo, target| {
            symlink(target.with_file_name("new"), demo.join("demur.yaml")).unwrap();
        }),
        ("the folder", |demo, target| {
            fs::remove_dir(demo).unwrap();
            symlink(target.parent().unwrap(), demo).unwrap();
        }),
        ("a folder that others write into", |demo, _| mode(demo, 0o777)),
    ];
    for (name, plant) in rows {
        let folder = TestDir::empty();
        folder.write("elsewhere/openapi.yaml", "mine");
        let (demo, elsewhere) = (folder.path().join("demo"), folder.path().join("elsewhere"));
        fs::create_dir(&demo).unwrap();
        mode(&demo, 0o700);
        let target = elsewhere.join("openapi.yaml");
        plant(&demo, &target);
        let outcome =
            run(&["demo", "--listen", "127.0.0.1:0", "--folder", demo.to_str().unwrap()], folder.path());
        assert_eq!(outcome.code, Some(4), "{name}: {outcome:?}");
        assert_eq!(fs::read_to_string(&target).unwrap(), "mine", "{name}");
        assert_eq!(fs::read_dir(&elsewhere).unwrap().count(), 1, "{name}");
    }
    // Its own folder can be reused.
    let folder = TestDir::empty();
    let demo = folder.path().join("new/demo");
    for _ in 0..2 {
        let arguments =
            ["demo", "--listen", "127.0.0.1:0", "--format", "json", "--folder", demo.to_str().unwrap()];
        let mut program = Program::start(&arguments, folder.path());
        program.line();
        program.interrupt();
        assert!(program.wait_for_exit().success(), "{}", program.log());
    }
}

/// Another user who reaches the socket cannot change anything.
#[test]
fn revokes_a_key_after_connections_of_another_user() {
    let script = "import os, socket, sys\n\
                  os.setgid(65534); os.setuid(65534)\n\
                  for _ in range(100):\n    \
                  s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); s.recv(1)\n";
    if fs::metadata("/proc/self").unwrap().uid() != 0 {
        return println!("not root here: no connection of another user can be made");
    }
    let (folder, _) = folder_with_key();
    let issued = folder.create_key(&NewKey { api: API, account: "acme", ..NewKey::default() });
    let gateway = Gateway::serve(folder);
    let folder = gateway.folder();
    let socket = folder.path().join("demur.db.sock");
    assert_eq!(fs::metadata(&socket).unwrap().mode() & 0o777, 0o600);
    mode(folder.path(), 0o711);
    mode(&socket, 0o666);
    let done = Command::new("python3").args(["-c", script]).arg(&socket).status().unwrap();
    assert!(done.success());
    folder.revoke_key(&issued.id);
    folder.result(&["keys", "list"]);
}
