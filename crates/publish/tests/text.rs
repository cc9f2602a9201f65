//! The generated text is as it stands where it is used, for every contract that it is made of.

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

/// `UPDATE=1` writes the files anew.
#[test]
fn the_text_is_as_it_stands_where_it_is_used() {
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
        let kept = std::fs::read_to_string(folder.join(name)).unwrap();
        assert!(
            kept == text,
            "{name} is another one; run this test with UPDATE=1 and look at the difference"
        );
    }
}

#[test]
fn every_built_in_contract_has_both() {
    for name in builtin::names() {
        let text = builtin::source(name).unwrap().text.clone();
        for side in [GenerateFor::Service, GenerateFor::Client] {
            assert!(generated(&text, side).len() > 1000, "{name}");
        }
    }
}
