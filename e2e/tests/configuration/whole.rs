//! Files that are broken on many counts: all of it is said in one go, to people and to programs.

use serde_json::{Value as Json, json};

use super::rows::diagnostics;
use super::{demur, sound_folder};

/// A broken file beside sound ones: what `demur serve` says of it, as a person sees it and as JSON.
fn check(file: &str, broken: &str, expected: &[(&str, usize, usize)]) {
    let folder = sound_folder();
    if file == "openapi.yaml" {
        super::reject_unsupported(&folder);
    }
    folder.write(file, broken);

    let outcome = demur(&folder, &["serve", "--format", "json"]);
    assert_eq!(outcome.code, Some(3), "{outcome:?}");
    assert_eq!(outcome.stdout, "", "{outcome:?}");
    let found = diagnostics(&outcome);
    let places: Vec<Json> = found
        .iter()
        .map(|found| json!([found["code"], found["start"]["line"], found["start"]["column"]]))
        .collect();
    let expected: Vec<Json> = expected.iter().map(|place| json!(place)).collect();
    assert_eq!(places, expected, "{outcome:?}");
    for diagnostic in &found {
        assert!(diagnostic["file"].as_str().is_some_and(|name| name.ends_with(file)), "{diagnostic}");
        assert_eq!(diagnostic["severity"], "error", "{diagnostic}");
    }

    let outcome = demur(&folder, &["serve"]);
    assert_eq!(outcome.code, Some(3), "{outcome:?}");
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("golden");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(file, outcome.stderr));
}

#[test]
fn reports_all_mistakes_of_a_contract() {
    check(
        "contract.yaml",
        include_str!("broken/contract.yaml"),
        &[
            ("unclaimed", 1, 1),
            ("unknown-key", 4, 1),
            ("unknown-slot", 6, 53),
            ("unknown-word", 8, 10),
            ("status", 11, 13),
            ("unknown-parameter", 12, 14),
            ("code-style", 14, 3),
            ("template", 16, 14),
            ("unknown-condition", 17, 10),
            ("duration", 18, 49),
            ("unknown-format", 21, 13),
            ("claimed-twice", 23, 10),
        ],
    );
}

#[test]
fn reports_all_mistakes_of_a_document() {
    check(
        "openapi.yaml",
        include_str!("broken/openapi.yaml"),
        &[
            ("parameter", 9, 15),
            ("missing-key", 11, 17),
            ("operation-id", 14, 20),
            ("media-type", 17, 11),
            ("path-parameter", 20, 5),
            ("schema", 25, 65),
            ("unresolved-ref", 29, 29),
            ("path", 30, 3),
        ],
    );
}

#[test]
fn reports_all_mistakes_of_a_configuration() {
    check(
        "demur.yaml",
        include_str!("broken/demur.yaml"),
        &[
            ("address", 2, 9),
            ("store", 3, 8),
            ("unknown-key", 4, 1),
            ("number", 7, 58),
            ("time-zone", 8, 41),
            ("grant-day", 9, 30),
            ("path", 14, 20),
            ("url", 15, 15),
            ("prefix", 16, 47),
            ("unknown-operation", 18, 7),
            ("rule", 22, 19),
            ("unknown-error", 23, 16),
        ],
    );
}

#[test]
fn reports_a_broken_contract_once_for_all_its_apis() {
    let folder = sound_folder();
    let text = std::fs::read_to_string(folder.config()).unwrap();
    let (rest, api) = text.split_at(text.find("  - name: shop").unwrap());
    let second = api.replace("name: shop", "name: store").replace("path: /shop", "path: /store");
    let voice = rest.replace("default_contract: problem", "default_contract: ./contract.yaml");
    folder.write("demur.yaml", &format!("{voice}{api}{second}"));
    assert_eq!(demur(&folder, &["check"]).code, Some(0));

    let sound = std::fs::read_to_string(folder.path().join("contract.yaml")).unwrap();
    folder.write("contract.yaml", &sound.replace("field: name", "field: nmae"));
    let outcome = demur(&folder, &["check", "--format", "json"]);
    assert_eq!(outcome.code, Some(3), "{outcome:?}");
    assert_eq!(diagnostics(&outcome).len(), 1, "{outcome:?}");
}
