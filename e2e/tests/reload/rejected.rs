//! What is wrong with a configuration, or needs a restart: the reload is rejected as a whole, says why, and changes nothing.

use demur_e2e::{TestDir, run};

use super::{Scene, folder, upstream};

struct Row {
    name: &'static str,
    change: fn(&TestDir),
    /// What the log and the command say.
    reason: &'static str,
}

const ROWS: &[Row] = &[
    Row { name: "syntax", change: |folder| folder.edit("plans:", "plans: ]"), reason: "error[syntax]" },
    Row {
        name: "a mistake beside a valid change",
        change: |folder| folder.edit("requests: 3, per: 1h", "requests: 99, per: 1h, brust: 4"),
        reason: "did you mean `burst`?",
    },
    Row {
        name: "a plan that accounts have",
        change: |folder| folder.edit("  free:", "  gratis:"),
        reason: "unknown plan `free`",
    },
    Row {
        name: "a prefix that keys have",
        change: |folder| folder.edit("prefix: shp", "prefix: shop"),
        reason: "begin with `shp`",
    },
    Row {
        name: "a document that is not there",
        change: |folder| folder.edit("openapi.yaml", "gone.yaml"),
        reason: "gone.yaml",
    },
    Row {
        name: "a document that is not valid",
        change: |folder| folder.write("openapi.yaml", "openapi: 3.1.0\npaths: [1]\n"),
        reason: "openapi.yaml",
    },
    Row {
        name: "the file itself",
        change: |folder| std::fs::remove_file(folder.config()).unwrap(),
        reason: "no such file",
    },
    Row {
        name: "branding that is not there",
        change: |folder| folder.edit("plans:", "docs: { path: /docs, branding: nowhere }\nplans:"),
        reason: "nowhere",
    },
    Row {
        name: "listen",
        change: |folder| add(folder, "listen: { a: \"127.0.0.1:1\" }"),
        reason: "change of `listen` needs",
    },
    Row { name: "workers", change: |folder| add(folder, "workers: 7"), reason: "change of `workers` needs" },
    Row {
        name: "cache",
        change: |folder| add(folder, "cache: { keys: 9 }"),
        reason: "change of `cache` needs",
    },
    Row {
        name: "store",
        change: |folder| folder.edit("sqlite:demur.db", "sqlite:other.db"),
        reason: "change of `store` needs",
    },
    Row {
        name: "several that need a restart",
        change: |folder| add(folder, "workers: 7\naccess_log: { output: access.log, format: text }"),
        reason: "change of `workers`, `access_log.output`, `access_log.format` needs",
    },
];

fn add(folder: &TestDir, line: &str) {
    folder.edit("plans:", &format!("{line}\nplans:"));
}

#[test]
fn a_rejected_reload_says_why_and_changes_nothing() {
    let scene = Scene::new();
    let key = scene.key("acme", "free");
    let served = std::fs::read_to_string(scene.folder().config()).unwrap();
    let document = std::fs::read_to_string(scene.folder().path().join("openapi.yaml")).unwrap();
    for (index, row) in ROWS.iter().enumerate() {
        (row.change)(scene.folder());
        // With another store the running gateway is not found: by a signal, and by a file that has the old one.
        scene.gateway.signal(rustix::process::Signal::HUP);
        let logged = scene.gateway.logged_times("config reload rejected", index + 1);
        assert!(logged["reason"].as_str().unwrap().contains(row.reason), "{}: {logged}", row.name);
        assert_eq!(logged["level"], "ERROR");
        scene.folder().write("demur.yaml", &served);
        scene.folder().write("openapi.yaml", &document);
    }
    // Three an hour, as before.
    let passed = (0..5).filter(|_| scene.get("/items", &key).status == 200).count();
    assert_eq!(passed, 3);
    assert_eq!(scene.reload()["generation"], 1);
}

#[test]
fn the_command_shows_every_reason_and_fails() {
    let scene = Scene::new();
    scene.folder().edit("requests: 3, per: 1h", "requests: -3, per: 1x");
    let outcome = scene.folder().run(&["reload"]);
    assert_eq!(outcome.code, Some(1), "{outcome:?}");
    for reason in ["`requests` must be at least 1", "`per` must be a duration"] {
        assert!(outcome.stderr.contains(reason), "{outcome:?}");
    }
    // Also where not even the syntax is right.
    scene.folder().edit("plans:", "plans: ]");
    let outcome = scene.folder().run(&["reload"]);
    assert!(outcome.stderr.contains("error[syntax]"), "{outcome:?}");
}

/// With `--allow-lockout` at start, a reload may lock keys out too.
#[test]
fn lockouts_are_allowed_as_at_start() {
    let upstream = upstream("first");
    let folder = folder(&upstream);
    let gateway = demur_e2e::Gateway::serve_without_terminal(folder, &["--allow-lockout"]);
    let folder = gateway.folder();
    folder.create_account("acme", "free");
    folder.edit("  free:", "  gratis:");
    assert_eq!(folder.result(&["reload"])["generation"], 2);
    let warned = gateway.logged_times("configuration warning", 1);
    assert!(warned["warning"].as_str().unwrap().contains("unknown plan `free`"), "{warned}");
}

#[test]
fn check_names_what_needs_a_restart() {
    let scene = Scene::new();
    let check = |arguments: &[&str]| {
        let outcome = run(&[&["check", "--format", "json"], arguments].concat(), scene.folder().path());
        assert_eq!(outcome.code, Some(0), "{outcome:?}");
        serde_json::from_str::<serde_json::Value>(&outcome.stdout).unwrap()
    };
    let same = check(&[]);
    assert_eq!(same["running"], serde_json::json!({ "generation": 1, "changes": [], "needs_restart": [] }));
    scene.folder().edit("requests: 3,", "requests: 4,");
    add(scene.folder(), "workers: 7");
    let found = check(&[]);
    assert_eq!(found["running"]["needs_restart"], serde_json::json!(["workers"]));
    let changes = found["running"]["changes"].to_string();
    assert!(changes.contains("plans.free.rates[0].requests: `3` -> `4`"), "{changes}");
    let diagnostic = &found["diagnostics"][0];
    assert_eq!(diagnostic["code"], "needs-restart", "{diagnostic}");
    // Nothing was loaded.
    assert_eq!(scene.folder().run(&["reload"]).code, Some(1));
}
