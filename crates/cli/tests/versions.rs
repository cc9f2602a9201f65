//! `demur check` shows the differences between the contract versions of an API.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what failed by failing")]

use std::process::Command;

use serde_json::{Value as Json, json};

const FILES: [(&str, &str); 4] = [
    (
        "new.yaml",
        "demur: 1\nname: shop-2\nformats: { default: { code: $code } }\nerrors:\n  \
         invalid: { status: 422, message: No., on: [param] }\n  \
         sold_out: { status: 409, message: Gone. }\n  \
         internal: { status: 500, message: Ours., on: [internal, request] }\n",
    ),
    (
        "old.yaml",
        "demur: 1\nname: shop-1\nformats: { default: { error: $code } }\nerrors:\n  \
         gone: { status: 404, message: Gone., on: [sold_out] }\n  \
         invalid: { status: 400, message: No., on: [param] }\n  \
         internal: { status: 500, message: Ours., on: [internal, request] }\n",
    ),
    ("openapi.yaml", "{ openapi: 3.1.0, info: { title: shop, version: '1' }, paths: {} }"),
    (
        "demur.yaml",
        "demur: 2\napis:\n  - name: shop\n    contract: ./new.yaml\n    versions:\n      \
         - { contract: ./old.yaml, match: { path: /v1 } }\n    openapi: openapi.yaml\n    \
         upstream: 'http://127.0.0.1:9'\n    authentication: { prefix: shp }\n",
    ),
];

/// The output of `check` for two contract versions, as JSON and text.
fn told(new: &str, old: &str) -> (Json, String) {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in FILES.into_iter().chain([("new.yaml", new), ("old.yaml", old)]) {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let run = |format: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_demur"));
        let output = command.args(["check", "--format", format]).current_dir(folder.path()).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let told: Json = serde_json::from_str(&run("json")).unwrap();
    (told["versions"]["shop"].clone(), run("human"))
}

#[test]
fn each_difference_is_a_row() {
    let (told, shown) = told(FILES[0].1, FILES[1].1);
    let answer = |status: u16, code: &str, retry: &str| {
        json!({ "status": status, "type": null, "code": code, "retry": retry, "title": null, "message": null,
                "violation": null })
    };
    assert_eq!(
        told,
        json!({
            "contracts": ["shop-2", "shop-1"],
            "differ": [
                { "condition": "param", "responses": [answer(422, "invalid", "after_fix"), answer(400, "invalid", "after_fix")] },
                { "condition": "sold_out", "responses": [answer(409, "sold_out", "never"), answer(404, "gone", "never")] },
            ],
        })
    );
    for text in ["contracts `shop-2`, `shop-1`", "422 · invalid · after_fix", "404 · gone · never"] {
        assert!(shown.contains(text), "{shown}");
    }
    assert!(!shown.contains("credential"), "{shown}");
}

/// Two versions that differ in little, with formats that show no codes and, in one of them, no types.
const SPEAKING: &str = "\
demur: 1
name: NAME
types: { ours: Ours, theirs: Theirs }
formats: { default: { message: $message, errors?: [$violation.message] } }
violations: { messages: { maximum: At most {limit}. } }
errors:
  invalid: { status: 400, type: theirs, message: No., on: [param] }
  sold_out: { status: 409, type: theirs, message: Gone. }
  internal: { status: 500, type: ours, message: Ours., on: [internal, request] }
";

#[test]
fn only_visible_differences_are_reported() {
    let speaking = SPEAKING.replace("At most {limit}.", "'At most {limit}.'");
    let new = speaking.replace("NAME", "shop-2");
    let old = speaking.replace("NAME", "shop-1");
    let differing = |old: &str| {
        let (told, shown) = told(&new, old);
        let rows = told["differ"].as_array().unwrap();
        let conditions: Vec<&str> = rows.iter().map(|row| row["condition"].as_str().unwrap()).collect();
        (conditions.join(" "), shown)
    };
    for (what, from, to, conditions, says) in [
        (
            "a code that no format shows",
            "theirs, message: Gone.",
            "theirs, code: vanished, message: Gone.",
            "",
            "",
        ),
        ("a type that one format shows", "{ message: $message,", "{ kind: $type, message: $message,", "", ""),
        ("a message", "Gone.", "Nothing left.", "sold_out", "“Nothing left.”"),
        ("the text of a rule", "At most", "No more than", "param.invalid.maximum", "“No more than {limit}.”"),
        ("a message beside violations", "No.", "Not so.", "param", "“Not so.”"),
        ("a status", "status: 409", "status: 410", "sold_out", "410 · never"),
    ] {
        assert!(old.contains(from), "{what}");
        let (told, shown) = differing(&old.replace(from, to));
        assert_eq!(told, conditions, "{what}: {shown}");
        assert!(shown.contains(says), "{what}: {shown}");
    }
}
