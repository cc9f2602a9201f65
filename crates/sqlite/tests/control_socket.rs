//! The control socket among callers that mean no good, or have stopped half-way: an operator can always revoke a key.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test")]

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use demur_admission::conformance::{plans, start};
use demur_admission::{AccountId, Command, Grants, KeyId, KeyState, Plans, Reply};
use demur_sqlite::{ControlClient, Store, execute_or_open};

struct Scene {
    store: Arc<Store>,
    path: PathBuf,
    _folder: tempfile::TempDir,
}

impl Scene {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("demur.db");
        let store = Store::open(&path, book()).unwrap();
        let (name, plan) = ("Acme".into(), "paid".into());
        store.execute(Command::CreateAccount { account: Some(acme()), name, plan }, start().wall);
        Self { store, path, _folder: folder }
    }

    fn socket(&self) -> PathBuf {
        self.path.with_file_name("demur.db.sock")
    }

    fn connect(&self) -> UnixStream {
        UnixStream::connect(self.socket()).unwrap()
    }

    fn create_key(&self) -> KeyId {
        let (api, prefix, grants, metadata) =
            ("shop".into(), "shop".into(), Grants::default(), BTreeMap::new());
        let create = Command::CreateKey { api, prefix, account: acme(), expires: None, grants, metadata };
        match self.store.execute(create, start().wall) {
            Reply::KeyCreated(issued) => issued.key.key.id,
            other => panic!("{other:?}"),
        }
    }

    /// As `demur keys revoke` does it.
    fn revoke(&self) {
        let begun = Instant::now();
        let key = self.create_key();
        match execute_or_open(&self.path, &book(), &Command::RevokeKey { key }) {
            Ok(Reply::KeyRevoked(key)) => assert_eq!(key.state, KeyState::Revoked),
            other => panic!("{other:?}"),
        }
        assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    }
}

fn book() -> Arc<Plans> {
    Arc::new(Plans::new(plans()))
}

fn acme() -> AccountId {
    "acme".parse().unwrap()
}

/// What one connection does before it is left as it is. What it cannot write any more was refused.
type Misbehave = fn(&UnixStream);

const MISBEHAVIOURS: &[(&str, Misbehave)] = &[
    ("says nothing", |_| {}),
    ("stops in a command", |mut stream| drop(stream.write_all(br#"{"command": "list_k"#))),
    ("sends no text", |mut stream| drop(stream.write_all(&[0xff, 0, 0xfe, b'\n']))),
    ("sends no command", |mut stream| {
        drop(stream.write_all(b"{}\n[]\n\"\"\n\n{\"command\": \"no_such\"}\n"));
    }),
    ("nests deeply", |mut stream| drop(stream.write_all(&[&[b'['; 60_000][..], b"\n"].concat()))),
    ("sends a command that is too long, without an end", |mut stream| {
        stream.set_write_timeout(Some(Duration::from_millis(100))).unwrap();
        drop(stream.write_all(&vec![b'x'; 1 << 20]));
    }),
    ("takes no reply", |mut stream| {
        stream.set_write_timeout(Some(Duration::from_millis(100))).unwrap();
        let many = b"{\"command\": \"list_accounts\"}\n".repeat(50_000);
        drop(stream.write_all(&many));
    }),
    ("goes away in a command", |mut stream| {
        drop(stream.write_all(br#"{"command": "#));
        stream.shutdown(std::net::Shutdown::Write).unwrap();
    }),
];

#[test]
fn a_key_is_revoked_whatever_other_connections_do() {
    for (name, misbehave) in MISBEHAVIOURS {
        let scene = Scene::new();
        let held: Vec<UnixStream> = (0..100).map(|_| scene.connect()).inspect(misbehave).collect();
        for _ in 0..3 {
            scene.revoke();
        }
        drop(held);
        scene.revoke();
        println_name(name);
    }
}

fn println_name(name: &str) {
    #[expect(clippy::print_stdout, reason = "which row was the last")]
    {
        println!("{name}: fine");
    }
}

/// As fast as they can, by several threads, while keys are revoked.
#[test]
fn a_key_is_revoked_in_a_flood_of_connections() {
    let scene = Scene::new();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let mut held = Vec::new();
                while !done.load(Ordering::SeqCst) {
                    held.extend(UnixStream::connect(scene.socket()));
                    if held.len() > 100 {
                        held.clear();
                    }
                }
            });
        }
        let (scene, done) = (&scene, &done);
        let revoking = scope.spawn(move || (0..20).for_each(|_| scene.revoke()));
        let ended = revoking.join();
        done.store(true, Ordering::SeqCst);
        ended.unwrap();
    });
}

/// A byte now and then keeps nobody's place for longer than a command may take.
#[test]
fn a_slow_command_has_one_deadline() {
    let scene = Scene::new();
    let mut slow = scene.connect();
    slow.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    let begun = Instant::now();
    loop {
        // The read waits 0.2 s for a reply, and finds none or the end.
        let _ = slow.write_all(b" ");
        if slow.read(&mut [0]).is_ok_and(|read| read == 0) {
            break;
        }
        assert!(begun.elapsed() < Duration::from_secs(15), "a place is kept by dripping");
    }
    scene.revoke();
}

/// A caller that behaves keeps its connection among a few that do not.
#[test]
fn a_connection_in_use_goes_on() {
    let scene = Scene::new();
    let mut client = ControlClient::connect(&scene.path).unwrap();
    let held: Vec<UnixStream> = (0..10).map(|_| scene.connect()).collect();
    for _ in 0..10 {
        let key = scene.create_key();
        assert!(matches!(client.execute(&Command::RevokeKey { key }), Ok(Reply::KeyRevoked(_))));
    }
    drop(held);
}

#[test]
fn the_socket_is_private_and_no_other_file_of_the_folder_stands_for_it() {
    let scene = Scene::new();
    let mode = |path: &Path| path.symlink_metadata().unwrap().permissions().mode();
    assert_eq!(mode(&scene.socket()) & 0o777, 0o600);
    let names = std::fs::read_dir(scene.path.parent().unwrap()).unwrap();
    let sockets = names.filter(|name| name.as_ref().unwrap().file_name().to_string_lossy().contains("sock"));
    assert_eq!(sockets.count(), 1);
}
