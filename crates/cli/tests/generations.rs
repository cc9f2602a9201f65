//! `demur check` shows where the generations of one API answer differently.

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
        "demur: 1\napis:\n  - name: shop\n    contract: ./new.yaml\n    generations:\n      \
         - { contract: ./old.yaml, when: { path: /v1 } }\n    openapi: openapi.yaml\n    \
         upstream: 'http://127.0.0.1:9'\n    authentication: { prefix: shp }\n",
    ),
];

#[test]
fn each_difference_is_a_row() {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in FILES {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let run = |format: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_demur"));
        let output = command.args(["check", "--format", format]).current_dir(folder.path()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let told: Json = serde_json::from_str(&run("json")).unwrap();
    let answer = |status: u16, code: &str, retry: &str| json!({ "status": status, "type": null, "code": code, "retry": retry });
    assert_eq!(
        told["generations"]["shop"],
        json!({
            "contracts": ["shop-2", "shop-1"],
            "differ": [
                { "condition": "param", "answers": [answer(422, "invalid", "after_fix"), answer(400, "invalid", "after_fix")] },
                { "condition": "sold_out", "answers": [answer(409, "sold_out", "never"), answer(404, "gone", "never")] },
            ],
        })
    );
    let shown = run("human");
    for text in ["contracts shop-2, shop-1", "422 · invalid · after_fix", "404 · gone · never"] {
        assert!(shown.contains(text), "{shown}");
    }
    assert!(!shown.contains("credential"), "{shown}");
}
