//! The data files can be read, and what one of them names is there in the other.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on should stop, in its functions that carry no #[test] too"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use demur_examples::{ACCOUNTS, CONFIGURATION, all, files};
use demur_source::{Source, parse};
use serde_json::Value;

fn read(name: &str, text: &str) -> Value {
    parse(&Source::new(name, text)).unwrap_or_else(|found| panic!("{found}")).to_json()
}

fn text<'v>(value: &'v Value, member: &str) -> &'v str {
    value[member].as_str().unwrap_or_else(|| panic!("no text {member} in {value}"))
}

fn items<'v>(value: &'v Value, member: &str) -> &'v [Value] {
    value[member].as_array().map_or(&[], Vec::as_slice)
}

/// The operations of each API, by the API's name.
fn operations() -> BTreeMap<&'static str, BTreeSet<String>> {
    let of = |openapi| {
        let document = read("openapi.yaml", openapi);
        assert_eq!(document["openapi"], "3.1.0");
        let paths = document["paths"].as_object().unwrap().values();
        let operations = paths.flat_map(|path| path.as_object().unwrap().values());
        operations.map(|operation| text(operation, "operationId").to_owned()).collect()
    };
    all().iter().map(|example| (example.name, of(example.openapi))).collect()
}

/// The names of a built-in contract's errors.
fn errors(contract: &str) -> BTreeSet<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../contracts/{contract}.yaml"));
    let contract = parse(&Source::read(&path).unwrap()).unwrap().to_json();
    contract["errors"].as_object().unwrap().keys().cloned().collect()
}

#[test]
fn the_configuration_has_the_five_in_order_each_with_its_file() {
    let configuration = read("demur.yaml", CONFIGURATION);
    let names: Vec<&str> = items(&configuration, "apis").iter().map(|api| text(api, "name")).collect();
    assert_eq!(names, all().iter().map(|example| example.name).collect::<Vec<_>>());

    for (index, (api, example)) in items(&configuration, "apis").iter().zip(all()).enumerate() {
        assert_eq!(text(api, "contract"), example.name);
        assert_eq!(text(&api["mount"], "path"), format!("/{}", example.name));
        assert_eq!(text(&api["upstream"], "url"), format!("http://127.0.0.1:{}", 9001 + index));
        assert!(files().contains(&(text(api, "openapi"), example.openapi)), "{}", example.name);
    }
}

#[test]
fn the_configuration_names_only_operations_features_and_errors_that_exist() {
    let configuration = read("demur.yaml", CONFIGURATION);
    let operations = operations();
    let plans = configuration["plans"].as_object().unwrap();
    for api in items(&configuration, "apis") {
        let known = &operations[text(api, "name")];
        for (operation, asks) in api["operations"].as_object().into_iter().flatten() {
            assert!(known.contains(operation), "{operation}");
            if let Some(feature) = asks["feature"].as_str() {
                let has = |plan: &Value| items(plan, "features").iter().any(|has| has == feature);
                assert!(plans.values().any(has) && !plans.values().all(has), "{feature}");
            }
        }
        for rule in items(api, "rules") {
            for operation in items(rule, "on") {
                assert!(known.contains(operation.as_str().unwrap()), "{operation}");
            }
            for member in ["raise", "on_failure"] {
                let named = rule[member].as_str();
                let declared = |error| errors(text(api, "contract")).contains(error);
                assert!(named.is_none_or(declared), "{named:?} is not in the contract");
            }
        }
    }
}

#[test]
fn every_operation_id_is_used_once() {
    for example in all() {
        let ids =
            example.openapi.lines().filter(|line| line.trim_start().starts_with("operationId:")).count();
        assert_eq!(operations()[example.name].len(), ids, "{}", example.name);
    }
}

#[test]
fn accounts_and_keys_name_only_what_exists() {
    let configuration = read("demur.yaml", CONFIGURATION);
    let samples = read("accounts.yaml", ACCOUNTS);
    let operations = operations();

    let plans: BTreeMap<&str, &str> = items(&samples, "accounts")
        .iter()
        .map(|account| (text(account, "name"), text(account, "plan")))
        .collect();
    assert_eq!(plans.len(), items(&samples, "accounts").len(), "an account twice");
    for plan in plans.values() {
        assert!(configuration["plans"][plan].is_object(), "{plan}");
    }

    let mut labels = BTreeSet::new();
    for key in items(&samples, "keys") {
        let api = text(key, "api");
        let known = operations.get(api).unwrap_or_else(|| panic!("{key}"));
        assert!(plans.contains_key(text(key, "account")), "{key}");
        assert!(labels.insert((api, text(key, "label"))), "twice: {key}");
        assert!(matches!(key["state"].as_str(), None | Some("active" | "revoked")), "{key}");
        for operation in items(key, "operations") {
            assert!(known.contains(operation.as_str().unwrap()), "{key}");
        }
        for member in key.as_object().unwrap().keys() {
            let headers =
                ["api", "label", "note", "account", "state", "expires", "operations", "scopes", "resources"];
            assert!(headers.contains(&member.as_str()), "{member} in {key}");
        }
    }
    for example in all() {
        for label in ["active", "revoked", "expired", "limited"] {
            assert!(labels.contains(&(example.name, label)), "{} {label}", example.name);
        }
    }
}

#[test]
fn get_scores_can_never_answer_429_and_each_of_its_keys_lists_its_brands() {
    let configuration = read("demur.yaml", CONFIGURATION);
    let samples = read("accounts.yaml", ACCOUNTS);
    for key in items(&samples, "keys").iter().filter(|key| text(key, "api") == "trakkr-get-scores") {
        let is_its_account = |account: &&Value| text(account, "name") == text(key, "account");
        let account = items(&samples, "accounts").iter().find(is_its_account).unwrap();
        let plan = &configuration["plans"][text(account, "plan")];
        assert!(plan["rates"].is_null() && plan["quota"].is_null(), "{key}");
        assert!(!items(key, "resources").is_empty(), "{key}");
    }
}

#[test]
fn no_two_files_have_one_path() {
    let paths: BTreeSet<&str> = files().iter().map(|(path, _)| *path).collect();
    assert_eq!(paths.len(), files().len());
    for (path, body) in files() {
        assert!(!path.starts_with('/') && !path.contains(".."), "{path}");
        read(path, body);
    }
}
