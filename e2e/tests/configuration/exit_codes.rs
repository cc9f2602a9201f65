//! Exit codes show the kind of failure: 1 findings, 2 usage, 3 the configuration cannot load, 4
//! something cannot be opened, bound or reached. Whatever it is, nothing is left running or lying about.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};

use demur_contract::builtin;
use demur_e2e::{Gateway, Outcome, TestDir};
use serde_json::{Value as Json, json};

use super::{demur, sound_folder};

/// A loopback address on which nothing listens, at least now.
fn free_address() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.local_addr().unwrap()
}

fn assert_no_database(folder: &TestDir, outcome: &Outcome) {
    let entries = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name());
    let left: Vec<_> = entries.filter(|name| name.to_string_lossy().starts_with("demur.db")).collect();
    assert!(left.is_empty(), "{left:?} was made: {outcome:?}");
}

#[test]
fn starts_nothing_with_an_invalid_file() {
    for (file, old, new) in [
        ("demur.yaml", "default_contract: problem", "default_contract: nothing"),
        ("contract.yaml", "status: 400", "status: 200"),
        ("openapi.yaml", "in: query", "in: body"),
    ] {
        let folder = sound_folder();
        let address = free_address();
        folder.edit("127.0.0.1:8080", &address.to_string());
        let text = fs::read_to_string(folder.path().join(file)).unwrap();
        folder.write(file, &text.replacen(old, new, 1));
        let outcome = demur(&folder, &["serve"]);
        assert_eq!(outcome.code, Some(3), "{file}: {outcome:?}");
        assert_eq!(outcome.stdout, "", "{file}: {outcome:?}");
        assert!(TcpStream::connect(address).is_err(), "{file}: something listens");
        assert_no_database(&folder, &outcome);
        // Commands that need the whole configuration do not guess either.
        let create = ["keys", "create", "--api", "shop", "--account", "acme", "--operation", "listItems"];
        let outcome = demur(&folder, &create);
        assert_eq!(outcome.code, Some(3), "{file}: {outcome:?}");
        assert_no_database(&folder, &outcome);
    }
}

#[test]
fn exits_4_when_a_file_is_missing_or_an_address_in_use() {
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let rows: &[(&[&str], &str)] = &[
        (&["serve", "--config", "nowhere.yaml"], "cannot read `nowhere.yaml`: no such file"),
        (&["serve", "--config", "nowhere/demur.yaml"], "cannot read `nowhere/demur.yaml`: no such file"),
        (&["serve", "--config", "."], ""),
        (&["check", "nowhere.yaml"], "cannot read `nowhere.yaml`: no such file"),
        (&["keys", "list", "--config", "nowhere.yaml"], "cannot read `nowhere.yaml`: no such file"),
        (&["accounts", "list", "--config", "nowhere.yaml"], "cannot read `nowhere.yaml`: no such file"),
        (&["serve", "--listen", &address], "cannot listen on"),
        (&["demo", "--listen", &address], "cannot listen on"),
        // An address that is no address of this machine (RFC 5737).
        (&["serve", "--listen", "192.0.2.1:0"], "cannot listen on 192.0.2.1:0"),
    ];
    for (arguments, says) in rows {
        let folder = sound_folder();
        let outcome = demur(&folder, arguments);
        assert_eq!(outcome.code, Some(4), "{arguments:?}: {outcome:?}");
        assert!(outcome.stderr.starts_with("error: "), "{arguments:?}: {outcome:?}");
        assert!(outcome.stderr.contains(says), "{arguments:?}: {outcome:?}");
        assert_eq!(outcome.stdout, "", "{arguments:?}: {outcome:?}");
        assert_no_database(&folder, &outcome);
    }
}

#[test]
fn exits_4_when_the_store_cannot_be_opened() {
    for (store, spoilt) in [
        ("sqlite:nowhere/demur.db", None),
        ("sqlite:demur.db", Some("this is no database, and long enough to be none: ".repeat(40))),
    ] {
        let folder = sound_folder();
        folder.edit("sqlite:demur.db", store);
        if let Some(text) = &spoilt {
            folder.write("demur.db", text);
        }
        let outcome = demur(&folder, &["serve", "--listen", "127.0.0.1:0"]);
        assert_eq!(outcome.code, Some(4), "{store}: {outcome:?}");
        assert!(outcome.stderr.contains("demur.db"), "{store}: {outcome:?}");
        assert_eq!(outcome.stdout, "", "{store}: {outcome:?}");
        // What was there is left as it was.
        if let Some(text) = &spoilt {
            assert_eq!(&fs::read_to_string(folder.path().join("demur.db")).unwrap(), text);
        }
    }
}

#[test]
fn exits_2_on_usage_errors() {
    let create = ["keys", "create", "--account", "acme", "--api"];
    let rows: &[(&[&str], &str)] = &[
        (&[], "demur demo"),
        (&["sevre"], "serve"),
        (&["serve", "--listen", "nowhere"], "--listen"),
        (&["serve", "--listne", "127.0.0.1:0"], "--listen"),
        (&["check", "--format", "xml"], "json"),
        (&["keys", "create"], "--api"),
        (&["keys", "revoke"], "<ID>"),
        (&["keys", "create", "--api", "shop", "--account", "acme", "--expires", "soon"], "--expires"),
        (&[&create[..], &["shpo"]].concat(), "did you mean `shop`?"),
        (&["accounts", "show", "no id at all"], "invalid ID `no id at all`"),
        (&["accounts", "top-up", "acme", "many", "--reason", "gift"], "many"),
    ];
    for (arguments, says) in rows {
        let folder = sound_folder();
        let outcome = demur(&folder, arguments);
        assert_eq!(outcome.code, Some(2), "{arguments:?}: {outcome:?}");
        assert!(outcome.stderr.contains(says), "{arguments:?}: {outcome:?}");
        assert_eq!(outcome.stdout, "", "{arguments:?}: {outcome:?}");
        assert_no_database(&folder, &outcome);
    }
}

#[test]
fn reports_failures_as_json_with_format_json() {
    let folder = sound_folder();
    let rows: &[(&[&str], i32)] = &[
        (&["serve", "--config", "nowhere.yaml"], 4),
        (&["keys", "create", "--account", "acme", "--api", "shpo"], 2),
        (&["accounts", "create", "--name", "acme", "--plan", "golden"], 1),
    ];
    for (arguments, code) in rows {
        let outcome = demur(&folder, &[arguments, &["--format", "json"][..]].concat());
        assert_eq!(outcome.code, Some(*code), "{arguments:?}: {outcome:?}");
        let said: Json = serde_json::from_str(&outcome.stderr).unwrap();
        assert!(said["error"].is_string(), "{arguments:?}: {said}");
        assert!(said["help"].is_string() || said["help"].is_null(), "{arguments:?}: {said}");
    }
}

#[test]
fn names_the_process_that_owns_the_database() {
    let gateway = Gateway::serve(sound_folder());
    let folder = gateway.folder();
    let outcome = demur(folder, &["serve", "--listen", "127.0.0.1:0"]);
    assert_eq!(outcome.code, Some(4), "{outcome:?}");
    let says = format!("demur.db` is in use by process {}", gateway.process_id());
    assert!(outcome.stderr.contains(&says), "{outcome:?}");
    assert!(outcome.stderr.contains("help: stop the other process"), "{outcome:?}");
    assert_eq!(outcome.stdout, "", "{outcome:?}");
    // The first one serves on, and its socket is still its own.
    folder.create_account("acme", "free");
    let account = folder.account("acme");
    assert_eq!(account["id"], "acme", "{account}");
}

#[test]
fn every_built_in_contract_has_no_findings() {
    let folder = TestDir::empty();
    for name in builtin::names() {
        let file = format!("{name}.yaml");
        folder.write(&file, &builtin::source(name).unwrap().text);
        let outcome = demur(&folder, &["check", &file, "--format", "json"]);
        assert_eq!(outcome.code, Some(0), "{name}: {outcome:?}");
        assert_eq!(outcome.stderr, "", "{name}: {outcome:?}");
        let said: Json = serde_json::from_str(&outcome.stdout).unwrap();
        assert_eq!((&said["contract"], &said["diagnostics"]), (&json!(name), &json!([])));
        // With closed statuses everything is claimed, so nothing is derived.
        let is_closed = demur_e2e::contract(name).about().statuses_closed;
        assert!(!is_closed || said["derived"] == json!([]), "{name}: {said}");
    }
}

#[test]
fn the_demo_configuration_has_no_findings() {
    let folder = TestDir::of_examples();
    let outcome = demur(&folder, &["check", "--format", "json"]);
    let said: Json = serde_json::from_str(&outcome.stdout).unwrap();
    let names: Vec<&str> = demur_examples::all().iter().map(|example| example.name).collect();
    assert_eq!(said["apis"], json!(names));
    assert_eq!((outcome.code, outcome.stderr.as_str()), (Some(0), ""));
}
