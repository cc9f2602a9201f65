//! The generated modules in this repository are up to date.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what failed by failing")]

use std::path::Path;

use demur_contract::{Contract, builtin};
use demur_publish::codegen::{GenerateFor, generate};
use demur_source::Source;

fn generated(text: &str, side: GenerateFor) -> String {
    let source = Source::new("contract.yaml", text);
    let loaded = Contract::load(&source).unwrap_or_else(|found| panic!("{found}"));
    generate(&loaded.contract, text, side)
}

/// `UPDATE=1` writes the files again.
#[test]
fn committed_modules_are_up_to_date() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    for (folder, name, side) in [
        ("crates/publish/tests/generated", "service.rs", GenerateFor::Service),
        ("crates/publish/tests/generated", "client.rs", GenerateFor::Client),
        ("docs/how-to/tea", "errors.rs", GenerateFor::Service),
        ("docs/how-to/tea", "tea.rs", GenerateFor::Client),
    ] {
        let folder = root.join(folder);
        let contract = std::fs::read_to_string(folder.join("contract.yaml")).unwrap();
        let text = generated(&contract, side);
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(folder.join(name), &text).unwrap();
        }
        let committed = std::fs::read_to_string(folder.join(name)).unwrap();
        assert!(committed == text, "{name} has changed: run this test with UPDATE=1 and read the difference");
    }
}

#[test]
fn generates_both_sides_of_every_built_in_contract() {
    for name in builtin::names() {
        let text = builtin::source(name).unwrap().text.clone();
        for side in [GenerateFor::Service, GenerateFor::Client] {
            assert!(generated(&text, side).len() > 1000, "{name}");
        }
    }
}
