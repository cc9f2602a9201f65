//! A configuration that locks out accounts or keys of the store is rejected with their names, unless that is confirmed.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on should stop and say where")]

use demur_e2e::{Gateway, NewKey, Outcome, Program, TestDir, run};
use serde_json::Value as Json;

const API: &str = "trackyard";

/// Accounts with a key each; that of `acme` is locked out.
struct Scene {
    folder: TestDir,
    key: String,
    secret: String,
}

impl Scene {
    fn new() -> Self {
        let folder = TestDir::of_examples();
        folder.edit("prefix: tyd", "prefix: { live: tyd, test: tyd_test }");
        folder.edit("  lapsed:\n", "  tried: { credits: { monthly: 10 } }\n  lapsed:\n");
        folder.create_account("acme", "tried");
        folder.create_account("other", "pro");
        let create = ["keys", "create", "--api", API, "--account", "acme", "--environment", "test"];
        let issued = folder.result(&[&create[..], &["--operation", "searchTracks"]].concat());
        let text = |value: &Json| value.as_str().unwrap().to_owned();
        let (key, secret) = (text(&issued["key"]["id"]), text(&issued["secret"]));
        folder.create_key(&NewKey { api: "trackunit", account: "other", ..NewKey::default() });
        // Keys that were invalid before are not locked out.
        for state in ["revoke", "disable"] {
            let issued = folder.result(&create);
            folder.result(&["keys", state, issued["key"]["id"].as_str().unwrap()]);
        }
        Self { folder, key, secret }
    }

    fn check(&self, more: &[&str]) -> Outcome {
        run(&[&["check", "demur.yaml", "--format", "json"], more].concat(), self.folder.path())
    }

    fn listed(&self) -> Vec<(String, bool)> {
        let listed = self.folder.result(&["keys", "list"]);
        let keys = listed.as_array().unwrap().iter();
        keys.map(|key| (key["id"].as_str().unwrap().to_owned(), key["locked_out"].is_object())).collect()
    }

    fn names(&self, text: &str) -> bool {
        text.contains(&self.key) && text.contains("acme") && text.contains("1 active key of 1 account")
    }
}

/// The change of the configuration, its diagnostic, and the response to the key afterwards.
type Row = (&'static str, fn(&TestDir), &'static str, Option<u16>);

const ROWS: &[Row] = &[
    (
        "another prefix",
        |folder| folder.edit("tyd_test }", "tyd_sandbox }"),
        "begin with `tyd_test`",
        Some(401),
    ),
    (
        "one prefix for all",
        |folder| folder.edit("{ live: tyd, test: tyd_test }", "tyd"),
        "begin with `tyd_test`",
        Some(401),
    ),
    ("an environment less", |folder| folder.edit(", test: tyd_test", ""), "begin with `tyd_test`", Some(401)),
    (
        "another name of the API",
        |folder| folder.edit("- name: trackyard", "- name: tracks"),
        "unknown API `trackyard`",
        Some(401),
    ),
    ("another name of the plan", |folder| folder.edit("  tried:", "  trial:"), "unknown plan `tried`", None),
    (
        "a plan less",
        |folder| folder.edit("  tried: { credits: { monthly: 10 } }\n", ""),
        "unknown plan `tried`",
        None,
    ),
    (
        "another name of the operation",
        |folder| {
            folder.edit("searchTracks", "findTracks");
            let document = std::fs::read_to_string(folder.path().join("trackyard/openapi.yaml")).unwrap();
            folder.write("trackyard/openapi.yaml", &document.replace("searchTracks", "findTracks"));
        },
        "no operation `searchTracks`",
        None,
    ),
];

#[test]
fn rejects_a_configuration_that_locks_accounts_out_and_names_them() {
    for (name, change, text, status) in ROWS {
        let scene = Scene::new();
        assert_eq!(scene.check(&[]).code, Some(0), "{name}: {:?}", scene.check(&[]));
        assert!(scene.listed().iter().all(|(_, locked_out)| !locked_out), "{name}");
        change(&scene.folder);

        let found = scene.check(&[]);
        assert_eq!(found.code, Some(3), "{name}: {found:?}");
        assert!(scene.names(&found.stdout) && found.stdout.contains(text), "{name}: {found:?}");
        let found = scene.check(&["--allow-lockout", "--strict"]);
        assert_eq!(found.code, Some(1), "{name}: {found:?}");
        assert!(scene.names(&found.stdout), "{name}: {found:?}");

        let served = run(&["serve", "--listen", "127.0.0.1:0"], scene.folder.path());
        assert_eq!((served.code, served.stdout.as_str()), (Some(3), ""), "{name}: {served:?}");
        // For people, in lines of a hundred characters.
        let reported = served.stderr.replace(['\n', '│', ' '], "");
        assert!(reported.contains(&scene.key) && reported.contains("--allow-lockout"), "{name}: {served:?}");

        // Commands on keys read no document, and so cannot know what is locked out by one.
        if *name == "another name of the operation" {
            continue;
        }
        let listed = scene.listed();
        let locked_out: Vec<&str> =
            listed.iter().filter(|(_, out)| *out).map(|(id, _)| id.as_str()).collect();
        assert_eq!(locked_out, [scene.key.as_str()], "{name}");
        let listed = scene.folder.run(&["keys", "list"]);
        assert!(scene.names(&listed.stderr), "{name}: {listed:?}");

        let allowed = ["serve", "--listen", "127.0.0.1:0", "--allow-lockout", "--format", "json"];
        let mut served = Program::start(&allowed, scene.folder.path());
        let ready: Json = serde_json::from_str(&served.line()).unwrap();
        assert!(scene.names(&served.log()), "{name}: {}", served.log());
        let address = ready["gateway"].as_str().unwrap().strip_prefix("http://").unwrap().parse().unwrap();
        if let Some(status) = status {
            let client = demur_e2e::Client::new(address, "/trackyard", demur_e2e::contract(API));
            let request = demur_e2e::Request::post("/api/external/v1/search").key(&scene.secret);
            let response = client.send(&request.json(&serde_json::json!({ "query": "epic" })));
            assert_eq!(response.status, *status, "{name}: {response:?}");
        }
    }
}

/// While a gateway serves, its next configuration can be checked against its store.
#[test]
fn checks_a_change_against_the_running_gateway() {
    let scene = Scene::new();
    let Scene { folder, key, .. } = scene;
    let gateway = Gateway::serve(folder);
    let next =
        std::fs::read_to_string(gateway.folder().config()).unwrap().replace("tyd_test }", "tyd_sandbox }");
    gateway.folder().write("next.yaml", &next);
    let found = run(&["check", "next.yaml", "--format", "json"], gateway.folder().path());
    assert_eq!(found.code, Some(3), "{found:?}");
    assert!(found.stdout.contains(&key), "{found:?}");
    // A key that gets another secret begins as the configuration says.
    gateway.folder().write("demur.yaml", &next);
    gateway.folder().result(&["keys", "rotate", &key, "--grace", "0"]);
    let found = run(&["check", "next.yaml", "--format", "json"], gateway.folder().path());
    assert_eq!(found.code, Some(0), "{found:?}");
}

/// Of many lockouts only some are named, and all are counted.
#[test]
fn truncates_and_counts_a_long_list() {
    let folder = TestDir::of_examples();
    folder.create_account("acme", "pro");
    let hash = |number: u32| format!("{{\"account\": \"acme\", \"hash\": \"{number:064x}\"}}\n");
    folder.write("keys.jsonl", &(0..500).map(hash).collect::<String>());
    let file = folder.path().join("keys.jsonl");
    let import = ["keys", "import", "--api", API, "--hash", "sha256", "--prefix", "old_", "--length", "40"];
    folder.result(&[&import[..], &[file.to_str().unwrap()]].concat());
    folder.edit("- name: trackyard", "- name: tracks");
    let found = run(&["check", "demur.yaml", "--format", "json"], folder.path());
    assert_eq!(found.code, Some(3), "{found:?}");
    assert!(
        found.stdout.contains("500 active keys of 1 account") && found.stdout.contains("and 490 more"),
        "{found:?}"
    );
    assert!(found.stdout.len() < 4096, "{found:?}");
}

/// Imported keys need the hash key of their system, which is in the pepper file.
#[test]
fn lost_hash_key_locks_imported_keys_out() {
    let folder = TestDir::of_examples();
    folder.create_account("acme", "pro");
    folder.write("keys.jsonl", &format!("{{\"account\": \"acme\", \"hash\": \"{:064x}\"}}\n", 7));
    folder.write("hash-key", "00ff");
    let [file, hash_key] = ["keys.jsonl", "hash-key"].map(|name| folder.path().join(name));
    let import =
        ["keys", "import", "--api", API, "--hash", "hmac-sha256", "--hash-key", "old", "--length", "40"];
    let files = ["--hash-key-file", hash_key.to_str().unwrap(), file.to_str().unwrap()];
    folder.result(&[&import[..], &files].concat());
    assert_eq!(run(&["check"], folder.path()).code, Some(0));
    let pepper = folder.path().join("demur.db.pepper");
    let text = std::fs::read_to_string(&pepper).unwrap();
    let kept: String =
        text.lines().filter(|line| !line.starts_with("hmac")).map(|line| format!("{line}\n")).collect();
    std::fs::write(&pepper, kept).unwrap();
    let found = run(&["check", "--format", "json"], folder.path());
    assert_eq!(found.code, Some(3), "{found:?}");
    assert!(found.stdout.contains("hash key `old`"), "{found:?}");
}
