//! The examples of the manual (`docs/reference/contract.md`, also the documentation of `demur_contract::manual`) are parts of one
//! contract, which loads without warnings after each of them.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what failed by failing")]

use std::collections::BTreeSet;
use std::path::Path;

use demur_contract::{Contract, Source};
use serde_json::Value as Json;

fn manual() -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/contract.md"))
        .unwrap()
}

fn examples(manual: &str) -> Vec<&str> {
    let blocks = manual.split("```yaml\n").skip(1);
    blocks.map(|block| block.split_once("```").unwrap().0).collect()
}

/// Merges mappings; otherwise the later value replaces the earlier one.
fn merge(into: &mut Json, part: Json) {
    match (into, part) {
        (Json::Object(members), Json::Object(part)) => {
            for (name, value) in part {
                merge(members.entry(name).or_insert(Json::Null), value);
            }
        }
        (into, part) => *into = part,
    }
}

#[test]
fn examples_form_one_valid_contract() {
    let manual = manual();
    let examples = examples(&manual);
    let mut file = Json::Null;
    for example in &examples {
        if example.contains("extends:") {
            // A contract of its own.
            let loaded = Contract::load(&Source::new("extends.yaml", *example));
            let loaded = loaded.unwrap_or_else(|diagnostics| panic!("{diagnostics}"));
            assert!(loaded.warnings.is_empty(), "{}", loaded.warnings);
            continue;
        }
        let part = demur_source::parse(&Source::new("example", *example))
            .unwrap_or_else(|diagnostics| panic!("{diagnostics}"));
        merge(&mut file, part.to_json());
        let loaded = Contract::load(&Source::new("shop.yaml", file.to_string()));
        let loaded = loaded.unwrap_or_else(|diagnostics| panic!("{diagnostics}\nafter\n{example}"));
        let is_relevant = |check: &str| check != "missing-translation";
        let warnings: Vec<_> =
            loaded.warnings.iter().filter(|diagnostics| is_relevant(diagnostics.check)).collect();
        assert!(warnings.is_empty(), "{warnings:?}\nafter\n{example}");
    }
    assert!(examples.len() >= 8, "only {} examples", examples.len());
}

/// The first example is a complete file.
#[test]
fn first_example_is_a_complete_contract() {
    let manual = manual();
    let loaded = Contract::load(&Source::new("shop.yaml", examples(&manual)[0])).unwrap();
    assert!(loaded.warnings.is_empty(), "{}", loaded.warnings);
}

/// The manual contains every key, slot, cast and word that the help of a diagnostic lists.
#[test]
fn manual_documents_every_key_slot_and_word() {
    const BROKEN: &str = "
qqqqqqqqqq: 1
code_style: qqqqqqqqqq
headers: [qqqqqqqqqq, { qqqqqqqqqq: 1, reset_as: qqqqqqqqqq }]
request_id: { qqqqqqqqqq: 1 }
formats: { default: { a: $qqqqqqqqqq, b: $code|qqqqqqqqqq, c: $violation.field|in:qqqqqqqqqq } }
violations: { qqqqqqqqqq: 1, field: qqqqqqqqqq, show: qqqqqqqqqq, messages: { enum: '{qqqqqqqqqq}' } }
locales: { it: { qqqqqqqqqq: 1, errors: { one: { qqqqqqqqqq: 1 } } } }
errors:
  one:
    qqqqqqqqqq: 1
    status: 400
    message: { qqqqqqqqqq: 1 }
    collect: qqqqqqqqqq
    retry: { qqqqqqqqqq: 1, class: qqqqqqqqqq }
";
    let diagnostics = Contract::load(&Source::new("t.yaml", BROKEN)).unwrap_err();
    let mut known = BTreeSet::new();
    for help in diagnostics.iter().filter_map(|diagnostics| diagnostics.help.as_deref()) {
        let list = ["known keys: ", "use one of "].iter().find_map(|start| help.strip_prefix(start));
        known.extend(
            list.into_iter().flat_map(|list| list.split(", ")).map(|word| word.trim_matches('`').to_owned()),
        );
    }
    assert!(known.len() > 70, "{known:?}");
    let manual = manual();
    let missing: Vec<_> = known.iter().filter(|word| !manual.contains(word.as_str())).collect();
    assert!(missing.is_empty(), "the manual does not name {missing:?}");
}
