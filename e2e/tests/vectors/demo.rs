//! The script of `demur demo` shows every documented error, those that need a broken store included.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use demur_e2e::{Gateway, Response};

use crate::errors;
use crate::expected::differences;

/// API, name and response of each error that the script shows. Of several responses, the last one is the error.
fn shown(folder: &Path, argument: &[&str]) -> Vec<(String, String, Response)> {
    let mut command = Command::new("sh");
    command.arg(folder.join("errors.sh")).args(argument).env("NO_PROXY", "*").env("no_proxy", "*");
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let sections = text.split("\n# ").skip(1).map(|section| {
        let (title, rest) = section.split_once('\n').unwrap();
        let (api, name) = title.split_once(": ").unwrap();
        assert!(rest.starts_with("$ curl "), "{section}");
        let start = rest.rfind("HTTP/1.1 ").unwrap_or_else(|| panic!("no response: {section}"));
        let response = Response::read(&rest.as_bytes()[start..], "GET").unwrap();
        (api.to_owned(), name.to_owned(), response)
    });
    sections.collect()
}

#[test]
fn the_demo_shows_every_documented_error() {
    let demo = Gateway::demo();
    let mut all = shown(demo.folder().path(), &[]);
    let of_store = shown(demo.folder().path(), &["store"]);
    let names = |shown: &[(String, String, Response)]| -> BTreeSet<(String, String)> {
        shown.iter().map(|(api, name, _)| (api.clone(), name.clone())).collect()
    };
    assert_eq!(of_store.len(), 2, "{:?}", names(&of_store));
    all.extend(of_store);
    let documented = errors();
    let expected: BTreeSet<_> =
        documented.iter().map(|case| (case.contract.clone(), case.case.clone())).collect();
    assert_eq!(names(&all), expected);
    let mut wrong = Vec::new();
    for (api, name, response) in &all {
        let case = documented.iter().find(|case| case.contract == *api && case.case == *name).unwrap();
        wrong.extend(
            differences(&case.expected, response).into_iter().map(|it| format!("{api} {name}: {it}")),
        );
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
