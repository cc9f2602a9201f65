//! The folder in which the fronts live: ten thousand keys, made once, and everybody's configuration, written anew for
//! each run.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use demur_admission::{Command, Grants, Plan, Plans, Reply, Secret};
use demur_sqlite::Store;
use jiff::Timestamp;

use crate::row::Keys;

const KEYS: usize = 10_000;
/// What several threads ask for at once the store writes at once.
const MAKERS: usize = 50;
const API: &str = "tracks";
const PREFIX: &str = "trk";

/// The folder.
pub struct Site {
    folder: PathBuf,
    /// Every key.
    pub keys: Keys,
    /// Whether Demur sheds load. Where each request takes long, as under valgrind, mostly that would be measured.
    pub sheds_load: bool,
}

impl Site {
    /// Opens it, and makes its keys where there are none yet.
    pub fn open(folder: &Path) -> Self {
        let listed = folder.join("keys.txt");
        if !listed.is_file() {
            // What is left of a run that was cut short has keys that nobody knows.
            let _ = fs::remove_dir_all(folder);
            fs::create_dir_all(folder).expect("a folder");
            let keys = make(&folder.join("demur.db"));
            fs::write(&listed, keys.join("\n")).expect("the keys are written");
        }
        let text = fs::read_to_string(&listed).expect("the keys are read");
        let mut known: Vec<String> = text.lines().map(str::to_owned).collect();
        let limited = known.pop().expect("the last of them is the limited one");
        let unknown = || Secret::generate(PREFIX).expect("randomness").expose().to_owned();
        let unknown = (0..1000).map(|_| unknown()).collect();
        let keys = Keys { known, unknown, limited };
        Self { folder: folder.to_owned(), keys, sheds_load: true }
    }

    /// Where it is.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Fills in a configuration and writes it.
    pub fn write(&self, name: &str, text: &str, listen: SocketAddr, service: SocketAddr) -> PathBuf {
        let text = text
            .replace("{folder}", &self.folder.display().to_string())
            .replace("{listen}", &listen.to_string())
            .replace("{max_queue_delay}", if self.sheds_load { "5ms" } else { "1h" })
            .replace("{sheds_load}", &self.sheds_load.to_string())
            .replace("{port}", &listen.port().to_string())
            .replace("{service}", &service.to_string())
            .replace("{service_port}", &service.port().to_string());
        let path = self.folder.join(name);
        fs::write(&path, text).expect("a configuration is written");
        path
    }

    /// Every account and its key, the limited one last.
    pub fn accounts(&self) -> impl Iterator<Item = (String, &str)> {
        let known = self.keys.known.iter().enumerate().map(|(number, key)| (account(number), key.as_str()));
        known.chain([("limited".to_owned(), self.keys.limited.as_str())])
    }

    /// The keys as a map file of this form.
    pub fn map(&self, line: impl Fn(&str, &str) -> String) -> String {
        self.accounts().fold(String::new(), |mut text, (account, key)| {
            let _ = writeln!(text, "{}", line(&account, key));
            text
        })
    }
}

fn account(number: usize) -> String {
    format!("account-{number}")
}

/// The secrets of the accounts, and at the end that of the limited one.
fn make(database: &Path) -> Vec<String> {
    let plans = Arc::new(Plans::new([Plan::named("pro"), Plan::named("limited")]));
    let store = Store::open(database, plans).expect("a database");
    let mut secrets = vec![String::new(); KEYS];
    thread::scope(|scope| {
        for (part, secrets) in secrets.chunks_mut(KEYS / MAKERS).enumerate() {
            let store = &store;
            scope.spawn(move || {
                for (index, secret) in secrets.iter_mut().enumerate() {
                    *secret = key(store, &account(part * (KEYS / MAKERS) + index), "pro");
                }
            });
        }
    });
    secrets.push(key(&store, "limited", "limited"));
    store.close();
    secrets
}

fn key(store: &Store, account: &str, plan: &str) -> String {
    let id: demur_admission::AccountId = account.parse().expect("an id");
    let made =
        Command::CreateAccount { account: Some(id.clone()), name: account.to_owned(), plan: plan.to_owned(), grant_day: None };
    let reply = store.execute(made, Timestamp::now());
    assert!(matches!(reply, Reply::Account(_)), "{reply:?}");
    let made = Command::CreateKey {
        api: API.to_owned(),
        prefix: PREFIX.to_owned(),
        account: id,
        expires: None,
        grants: Grants::default(),
        metadata: BTreeMap::new(), label: None };
    match store.execute(made, Timestamp::now()) {
        Reply::KeyCreated(issued) => issued.secret.expose().to_owned(),
        other => panic!("no key: {other:?}"),
    }
}
