//! The journal, `demur explain` and `demur tail`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on should stop and say where"
)]

use std::fs;
use std::time::{Duration, Instant};

use demur_e2e::{
    Client, Gateway, MockResponse, NewKey, Outcome, Request, Response, SmallDisk, TestDir, Upstream,
    contract, with_own_mounts,
};
use serde_json::{Value as Json, json};

const OPENAPI: &str = r#"
openapi: 3.1.0
info: { title: Shop, version: "1" }
paths:
  /items:
    get:
      operationId: list
      parameters: [{ name: limit, in: query, schema: { type: integer, maximum: 100 } }]
      responses: { "200": { description: All, content: { application/json: {} } } }
"#;

struct Shop {
    gateway: Gateway,
    client: Client,
    _upstream: Upstream,
    key: String,
}

impl Shop {
    fn open(journal: &str) -> Self {
        Self::open_in(TestDir::empty(), journal)
    }

    fn open_in(folder: TestDir, journal: &str) -> Self {
        let upstream = Upstream::start(|received| match received.target.ends_with("limit=7") {
            true => MockResponse::html(500),
            false => fine(),
        });
        folder.write("openapi.yaml", OPENAPI);
        let text = format!(
            "demur: 2\nlisten: 127.0.0.1:0\nstore: sqlite:demur.db\n{journal}\nplans: {{ all: {{}} }}\napis:\n  - name: shop\n    \
             contract: problem\n    openapi: openapi.yaml\n    upstream: \"http://{}\"\n    \
             authentication: {{ scheme: bearer, prefix: shp }}\n",
            upstream.address()
        );
        folder.write("demur.yaml", &text);
        folder.create_account("acme", "all");
        let issued = folder.create_key(&NewKey { api: "shop", account: "acme", ..NewKey::default() });
        let gateway = Gateway::serve(folder);
        let client = Client::new(gateway.address(), "", contract("problem"));
        Self { gateway, client, _upstream: upstream, key: issued.secret }
    }

    fn get(&self, target: &str) -> Response {
        self.client.send(&Request::get(target).key(&self.key))
    }

    fn explain(&self, text: &str) -> Outcome {
        self.gateway.folder().run(&["explain", text])
    }

    /// The explanation, as soon as the entry is written.
    fn explained(&self, text: &str) -> Json {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let outcome = self.explain(text);
            if outcome.code == Some(0) {
                return serde_json::from_str(&outcome.stdout).unwrap();
            }
            assert!(Instant::now() < deadline, "{outcome:?}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

fn fine() -> MockResponse {
    MockResponse::response(200, &[("Content-Type", "application/json")], "{}")
}

fn id(response: &Response) -> &str {
    response.header("x-request-id")
}

#[test]
fn explains_requests_with_and_without_a_valid_key() {
    let shop = Shop::open("journal: journal.db");
    let invalid = shop.get("/items?limit=500");
    let explained = shop.explained(id(&invalid));
    assert_eq!(explained["request"]["condition"], "param.invalid.maximum", "{explained}");
    assert_eq!(explained["request"]["account"], "acme");
    assert_eq!(explained["explanation"]["responsible"], "client");
    assert_eq!(
        explained["request"]["violations"],
        json!([{ "param": "limit", "location": "query", "pointer": "/limit", "rule": "param.invalid.maximum" }])
    );
    let anonymous = shop.client.send(&Request::get("/items"));
    assert_eq!(shop.explained(id(&anonymous))["request"]["condition"], "credential.missing");
    let failed = shop.get("/items?limit=7");
    let explained = shop.explained(&format!("the customer sent: X-Request-Id: {}", id(&failed)));
    assert_eq!(explained["request"]["condition"], "upstream.failed", "{explained}");
    assert_eq!(explained["explanation"]["responsible"], "upstream");
    let timings = explained["request"]["timings_ms"].as_object().unwrap();
    assert!(timings["upstream"].as_f64().unwrap() > 0.0, "{explained}");
}

#[test]
fn says_why_there_is_no_entry() {
    let shop = Shop::open("journal: { path: journal.db, successes_one_in: 1 }");
    // Kept, as every success is here.
    let success = shop.get("/items");
    assert_eq!(shop.explained(id(&success))["explanation"]["responsible"], "none");
    for (text, expected) in [
        ("4bf92f3577b34da6a3ce929d0e0e4736", "is not a request ID of this gateway"),
        ("req_018a230a429d70369192443f1d1e1c2b", "has expired"),
        ("req_0fffffffffff70369192443f1d1e1c2b", "in the future"),
        ("nothing here", "no request ID and no code of an error"),
        ("credential_mising", "did you mean `credential_missing`?"),
    ] {
        let outcome = shop.explain(text);
        let said = format!("{}{}", outcome.stdout, outcome.stderr);
        assert!(outcome.code == Some(1) && said.contains(expected), "{text}: {outcome:?}");
    }
    let never = format!("{}70369192443f1d1e1c2b", &id(&success)[..16]);
    let outcome = shop.explain(&never);
    assert!(outcome.code == Some(1) && outcome.stderr.contains("no entry of"), "{outcome:?}");
    let code = shop.gateway.folder().result(&["explain", "{\"code\":\"credential_missing\"}"]);
    assert_eq!(code["errors"][0]["status"], 401, "{code}");
}

#[test]
fn needs_a_journal_and_says_how_to_get_one() {
    let shop = Shop::open("");
    let rejected = shop.client.send(&Request::get("/items"));
    let outcome = shop.explain(id(&rejected));
    let said = "the configuration has no journal";
    assert!(outcome.code == Some(4) && outcome.stderr.contains(said), "{outcome:?}");
}

#[test]
fn tail_prints_what_the_filters_leave() {
    let shop = Shop::open("journal: journal.db");
    let invalid = shop.get("/items?limit=500");
    shop.explained(id(&invalid));
    let missing = shop.client.send(&Request::get("/items"));
    shop.explained(id(&missing));
    for (filter, expected) in [
        (&["--status", "4xx"][..], vec![id(&invalid), id(&missing)]),
        (&["--account", "acme"], vec![id(&invalid)]),
        (&["--condition", "credential"], vec![id(&missing)]),
        (&["--operation", "list", "-n", "1"], vec![id(&missing)]),
        (&["--status", "503"], vec![]),
    ] {
        let outcome = shop.gateway.folder().run(&[&["tail", "--no-follow"], filter].concat());
        let lines = outcome.stdout.lines().map(|line| serde_json::from_str::<Json>(line).unwrap());
        let ids: Vec<String> = lines.map(|line| line["request_id"].as_str().unwrap().to_owned()).collect();
        assert_eq!(ids, expected, "{filter:?}: {outcome:?}");
    }
    let outcome = shop.gateway.folder().run(&["tail", "--status", "9xx"]);
    assert_eq!(outcome.code, Some(2), "{outcome:?}");
}

/// Whatever a caller sends by mistake, none of it is in the journal's files.
#[test]
fn no_secret_is_in_the_journal() {
    let shop = Shop::open("journal: { path: journal.db, successes_one_in: 1 }");
    let canary = &shop.key;
    let body = format!("{{\"note\":\"{canary}\"}}");
    let sent = [
        shop.get("/items"),
        shop.get(&format!("/items/{canary}")),
        shop.get(&format!("/items?token={canary}")),
        shop.client.send(&Request::get("/items").key(&canary.replace("shp_", "shq_"))),
        shop.client.send(&Request::get("/items").key(&format!("{canary}0"))),
        shop.client.send(&Request::post("/items").key(canary).body("application/json", body)),
        shop.client.send(&Request::get("/items").header("X-Other", canary)),
        shop.client.send(&Request::new(&canary[..20], "/items")),
    ];
    for response in &sent {
        shop.explained(id(response));
    }
    let path = shop.gateway.folder().path();
    let secret = canary.strip_prefix("shp_").unwrap();
    for file in ["journal.db", "journal.db-wal"] {
        let bytes = fs::read(path.join(file)).unwrap();
        for part in [secret, &secret[..30]] {
            assert!(!bytes.windows(part.len()).any(|window| window == part.as_bytes()), "{file} has {part}");
        }
    }
}

#[test]
fn serves_on_when_the_journal_is_deleted() {
    let shop = Shop::open("journal: journal.db");
    let first = shop.client.send(&Request::get("/items"));
    shop.explained(id(&first));
    let path = shop.gateway.folder().path();
    for file in ["journal.db", "journal.db-wal", "journal.db-shm"] {
        let _ = fs::remove_file(path.join(file));
    }
    shop.gateway.reveals("journal opened again");
    assert_eq!(shop.get("/items").status, 200);
    let later = shop.client.send(&Request::get("/items"));
    shop.explained(id(&later));
    assert_eq!(shop.explain(id(&first)).code, Some(1));
}

#[test]
fn serves_on_when_the_disk_of_the_journal_is_full() {
    match with_own_mounts("serves_on_when_the_disk_of_the_journal_is_full") {
        Some(true) => {}
        Some(false) => return,
        None => panic!("no mount namespace here (`unshare -Urm`): a full disk cannot be shown"),
    }
    let folder = TestDir::empty();
    let place = folder.path().join("journal");
    fs::create_dir(&place).unwrap();
    let disk = SmallDisk::mount(&place);
    let shop = Shop::open_in(folder, "journal: journal/journal.db");
    let reject = || shop.client.send(&Request::get("/items"));
    shop.explained(id(&reject()));
    disk.fill();
    let mut rejected = Vec::new();
    while !shop.gateway.log().contains("journal unavailable") {
        assert!(rejected.len() < 20_000, "the disk is not full");
        rejected.push(reject());
        assert_eq!(shop.get("/items").status, 200);
    }
    rejected.extend((0..20).map(|_| reject()));
    assert!(rejected.iter().all(|response| response.status == 401));
    assert_eq!(shop.get("/items").status, 200);
    disk.make_room();
    shop.gateway.reveals("journal opened again");
    shop.explained(id(&reject()));
    let missing: Vec<Outcome> = rejected
        .iter()
        .map(|response| shop.explain(id(response)))
        .filter(|outcome| outcome.code != Some(0))
        .collect();
    let counted = format!("; {} entries were lost in this time", missing.len());
    assert!(missing.len() >= 20, "{missing:?}");
    assert!(missing.iter().all(|outcome| outcome.stderr.contains(&counted)), "{:?}", missing.first());
}
