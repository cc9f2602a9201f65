//! Reloads: what they change and what they keep, by whatever they are triggered; and what is wrong changes nothing.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on should stop and say where")]

mod load;
mod logs;
mod rejected;
mod terminal;
mod watch;

use std::thread;
use std::time::Duration;

use demur_e2e::{Client, Gateway, MockResponse, NewKey, Request, Response, TestDir, Upstream, contract};
use rustix::process::Signal;
use serde_json::{Value as Json, json};

const DOCUMENT: &str = "openapi: 3.1.0
info: { title: Shop, version: '1' }
paths:
  /items: { get: { operationId: list, responses: { '200': { description: All. } } } }
  /slow: { get: { operationId: slow, responses: { '200': { description: All. } } } }
  /pay: { get: { operationId: pay, responses: { '200': { description: Paid. } } } }
";

/// An upstream that answers with its name.
fn upstream(name: &'static str) -> Upstream {
    Upstream::start(move |received| {
        let response = MockResponse::json(200, &json!({ "by": name }));
        match received.target.as_str() {
            "/slow" => response.after(Duration::from_millis(1500)),
            _ => response,
        }
    })
}

/// A folder with one API before this upstream. More lines of the file can be added.
fn folder(upstream: &Upstream) -> TestDir {
    let folder = TestDir::empty();
    folder.write("openapi.yaml", DOCUMENT);
    let config = format!(
        "demur: 2
store: sqlite:demur.db
plans:
  free:
    rates: [{{ requests: 3, per: 1h }}]
  open: {{ credits: {{ monthly: 100000 }}, quota: {{ requests: 500 }} }}
apis:
  - name: shop
    contract: problem
    openapi: openapi.yaml
    upstream: {{ url: \"http://{}\" }}
    authentication: {{ scheme: bearer, prefix: shp }}
    operations: {{ pay: {{ credits: 1 }} }}
",
        upstream.address()
    );
    folder.write("demur.yaml", &config);
    folder
}

struct Scene {
    upstream: Upstream,
    gateway: Gateway,
    client: Client,
}

impl Scene {
    fn new() -> Self {
        let upstream = upstream("first");
        let folder = folder(&upstream);
        Self::serve(upstream, folder)
    }

    fn serve(upstream: Upstream, folder: TestDir) -> Self {
        let gateway = Gateway::serve_without_terminal(folder, &[]);
        let client = Client::new(gateway.address(), "", contract("problem"));
        Self { upstream, gateway, client }
    }

    fn folder(&self) -> &TestDir {
        self.gateway.folder()
    }

    /// A key of a new account on a plan.
    fn key(&self, account: &str, plan: &str) -> String {
        self.folder().create_account(account, plan);
        self.folder().create_key(&NewKey { api: "shop", account, ..NewKey::default() }).secret
    }

    fn get(&self, path: &str, key: &str) -> Response {
        self.client.send(&Request::get(path).key(key))
    }

    fn reload(&self) -> Json {
        self.folder().result(&["reload"])
    }
}

fn by(response: &Response) -> String {
    assert_eq!(response.status, 200, "{response:?}");
    response.json()["by"].as_str().unwrap().to_owned()
}

#[test]
fn every_trigger_takes_a_changed_limit_into_force_and_keeps_what_was_counted() {
    let scene = Scene::new();
    scene.folder().edit("demur: 2\n", "demur: 2\nreload: { watch: true, settle: 100ms }\n");
    assert_eq!(scene.reload()["generation"], 2);
    let key = scene.key("acme", "free");
    let mut allowed = 3;
    for (generation, trigger) in [(3, "signal"), (4, "command"), (5, "watch")] {
        while scene.get("/items", &key).status == 200 {
            allowed -= 1;
        }
        assert_eq!(allowed, 0, "{trigger}");
        let more = generation * 10;
        // Ten more an hour: what was used is still used.
        scene.folder().edit(
            &format!("requests: {}, per: 1h", if generation == 3 { 3 } else { more - 10 }),
            &format!("requests: {more}, per: 1h"),
        );
        match trigger {
            "signal" => scene.gateway.signal(Signal::HUP),
            "command" => assert_eq!(scene.reload()["generation"], generation),
            _ => {}
        }
        let logged = scene.gateway.logged_times("config reloaded", generation - 1);
        assert_eq!(logged["generation"], generation);
        // The command may have been faster than the watch, or the other way round.
        if trigger != "command" {
            assert!(logged["trigger"] == trigger || logged["trigger"] == "watch", "{logged}");
        }
        assert!(logged["changes"].as_str().unwrap().contains(&format!("`{more}`")), "{logged}");
        allowed = more - if generation == 3 { 3 } else { more - 10 };
    }
    while scene.get("/items", &key).status == 200 {
        allowed -= 1;
    }
    assert_eq!(allowed, 0);
}

/// A request that is at the upstream when the configuration is reloaded is answered from there, and the next one on the
/// same connection goes to the new upstream.
#[test]
fn requests_in_progress_finish_with_what_they_began_with() {
    let scene = Scene::new();
    let second = upstream("second");
    let key = scene.key("acme", "open");
    let mut connection = scene.client.connect();
    thread::scope(|scope| {
        let in_progress = scope.spawn(|| {
            let first = connection.send(&Request::get("/slow").key(&key));
            (by(&first), by(&connection.send(&Request::get("/items").key(&key))))
        });
        scene.upstream.wait_for(1);
        scene.folder().edit(&scene.upstream.address().to_string(), &second.address().to_string());
        scene.reload();
        assert_eq!(by(&scene.get("/items", &key)), "second");
        assert_eq!(in_progress.join().unwrap(), ("first".to_owned(), "second".to_owned()));
    });
}

/// Plans, APIs, contracts, documents, limits and pages: a reload takes all of it into force.
#[test]
fn a_reload_replaces_the_document_and_adds_an_api() {
    let scene = Scene::new();
    let key = scene.key("acme", "open");
    assert_eq!(scene.get("/new", &key).status, 404);
    let document = DOCUMENT.replace("/items:", "/new:");
    scene.folder().write("openapi.yaml", &document);
    let second = upstream("second");
    let text = std::fs::read_to_string(scene.folder().config()).unwrap();
    let api = &text[text.find("  - name: shop").unwrap()..];
    let api = api.replace("name: shop", "name: other\n    mount: { path: /other }").replace("shp", "oth");
    let api = api.replace(&scene.upstream.address().to_string(), &second.address().to_string());
    let limits = "limits: { max_uri_bytes: 300 }\n";
    scene.folder().write("demur.yaml", &format!("{text}{api}{limits}"));
    let reloaded = scene.reload();
    let changes = reloaded["changes"].to_string();
    for change in ["apis[other]: added", "limits: added", "openapi.yaml` changed"] {
        assert!(changes.contains(change), "{change}: {changes}");
    }
    assert_eq!(by(&scene.get("/new", &key)), "first");
    assert_eq!(scene.get("/items", &key).status, 404);
    assert_eq!(scene.client.send(&Request::get(&format!("/new?{}", "x".repeat(400)))).status, 414);
    let other = scene.folder().create_key(&NewKey { api: "other", account: "acme", ..NewKey::default() });
    assert_eq!(by(&scene.get("/other/new", &other.secret)), "second");
    // Nothing has changed since.
    assert_eq!(scene.reload(), json!({ "file": scene.folder().config(), "generation": 2, "changes": [] }));
}

#[test]
fn reload_without_a_gateway_says_how_to_start_one() {
    let upstream = upstream("first");
    let folder = folder(&upstream);
    let outcome = folder.run(&["reload"]);
    assert_eq!(outcome.code, Some(4), "{outcome:?}");
    assert!(outcome.stderr.contains("demur serve"), "{outcome:?}");
}
