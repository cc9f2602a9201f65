//! The control socket with misbehaving callers: an operator can always revoke a key.

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

struct StoreUnderTest {
    store: Arc<Store>,
    path: PathBuf,
    _folder: tempfile::TempDir,
}

impl StoreUnderTest {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("demur.db");
        let store = Store::open(&path, test_plans()).unwrap();
        let (name, plan) = ("Acme".into(), "paid".into());
        store.execute(
            Command::CreateAccount { account: Some(acme()), name, plan, grant_day: None },
            start().wall,
        );
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
        let create =
            Command::CreateKey { api, prefix, account: acme(), expires: None, grants, metadata, label: None };
        match self.store.execute(create, start().wall) {
            Reply::KeyCreated(issued) => issued.key.key.id,
            other => panic!("{other:?}"),
        }
    }

    /// Revokes a key as `demur keys revoke` does.
    fn revoke(&self) {
        let begun = Instant::now();
        let key = self.create_key();
        match execute_or_open(&self.path, &test_plans(), &Command::RevokeKey { key }) {
            Ok(Reply::KeyRevoked(key)) => assert_eq!(key.state, KeyState::Revoked),
            other => panic!("{other:?}"),
        }
        assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    }
}

fn test_plans() -> Arc<Plans> {
    Arc::new(Plans::new(plans()))
}

fn acme() -> AccountId {
    "acme".parse().unwrap()
}

/// What a connection does before it is left open. It ignores write errors, since the server may reject the input.
type Misbehave = fn(&UnixStream);

const MISBEHAVIOURS: &[(&str, Misbehave)] = &[
    ("sends nothing", |_| {}),
    ("stops within a command", |mut stream| drop(stream.write_all(br#"{"command": "list_k"#))),
    ("sends no text", |mut stream| drop(stream.write_all(&[0xff, 0, 0xfe, b'\n']))),
    ("sends no command", |mut stream| {
        drop(stream.write_all(b"{}\n[]\n\"\"\n\n{\"command\": \"no_such\"}\n"));
    }),
    ("nests deeply", |mut stream| drop(stream.write_all(&[&[b'['; 60_000][..], b"\n"].concat()))),
    ("sends an oversized command without an end", |mut stream| {
        stream.set_write_timeout(Some(Duration::from_millis(100))).unwrap();
        drop(stream.write_all(&vec![b'x'; 1 << 20]));
    }),
    ("reads no reply", |mut stream| {
        stream.set_write_timeout(Some(Duration::from_millis(100))).unwrap();
        let many = b"{\"command\": \"list_accounts\"}\n".repeat(50_000);
        drop(stream.write_all(&many));
    }),
    ("closes within a command", |mut stream| {
        drop(stream.write_all(br#"{"command": "#));
        stream.shutdown(std::net::Shutdown::Write).unwrap();
    }),
];

#[test]
fn revokes_a_key_while_other_connections_misbehave() {
    for (name, misbehave) in MISBEHAVIOURS {
        let subject = StoreUnderTest::new();
        let held: Vec<UnixStream> = (0..100).map(|_| subject.connect()).inspect(misbehave).collect();
        for _ in 0..3 {
            subject.revoke();
        }
        drop(held);
        subject.revoke();
        println_name(name);
    }
}

fn println_name(name: &str) {
    #[expect(clippy::print_stdout, reason = "which row was the last")]
    {
        println!("{name}: ok");
    }
}

/// Several threads connect as fast as they can while keys are revoked.
#[test]
fn revokes_a_key_during_a_flood_of_connections() {
    let subject = StoreUnderTest::new();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let mut held = Vec::new();
                while !done.load(Ordering::SeqCst) {
                    held.extend(UnixStream::connect(subject.socket()));
                    if held.len() > 100 {
                        held.clear();
                    }
                }
            });
        }
        let (subject, done) = (&subject, &done);
        let revoking = scope.spawn(move || (0..20).for_each(|_| subject.revoke()));
        let ended = revoking.join();
        done.store(true, Ordering::SeqCst);
        ended.unwrap();
    });
}

/// Single bytes at intervals do not extend the deadline of a command.
#[test]
fn closes_a_connection_whose_command_is_too_slow() {
    let subject = StoreUnderTest::new();
    let mut slow = subject.connect();
    slow.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    let begun = Instant::now();
    loop {
        // The read waits 0.2 s for a reply, and times out or finds the end.
        let _ = slow.write_all(b" ");
        if slow.read(&mut [0]).is_ok_and(|read| read == 0) {
            break;
        }
        assert!(begun.elapsed() < Duration::from_secs(15), "a slow command keeps its slot");
    }
    subject.revoke();
}

/// An active connection is not closed because of a few idle ones.
#[test]
fn keeps_a_connection_in_use_open() {
    let subject = StoreUnderTest::new();
    let mut client = ControlClient::connect(&subject.path).unwrap();
    let held: Vec<UnixStream> = (0..10).map(|_| subject.connect()).collect();
    for _ in 0..10 {
        let key = subject.create_key();
        assert!(matches!(client.execute(&Command::RevokeKey { key }), Ok(Reply::KeyRevoked(_))));
    }
    drop(held);
}

#[test]
fn creates_one_private_socket_in_the_folder() {
    let subject = StoreUnderTest::new();
    let mode = |path: &Path| path.symlink_metadata().unwrap().permissions().mode();
    assert_eq!(mode(&subject.socket()) & 0o777, 0o600);
    let names = std::fs::read_dir(subject.path.parent().unwrap()).unwrap();
    let sockets = names.filter(|name| name.as_ref().unwrap().file_name().to_string_lossy().contains("sock"));
    assert_eq!(sockets.count(), 1);
}
