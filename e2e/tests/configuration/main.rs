//! Broken files: everything that is wrong is reported at once, each with its location and a help; the exit code
//! shows the kind of failure; and nothing is left behind, no socket and no database.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on should stop and say where"
)]

mod contract;
mod document;
mod exit_codes;
mod nonsense;
mod rows;
mod settings;
mod tokens;
mod whole;

use demur_e2e::{Authority, Outcome, TestDir};

/// A configuration in which nothing is wrong, with all that it names.
const SOUND: [(&str, &str); 3] = [
    ("demur.yaml", include_str!("sound/demur.yaml")),
    ("contract.yaml", include_str!("sound/contract.yaml")),
    ("openapi.yaml", include_str!("sound/openapi.yaml")),
];

fn sound_folder() -> TestDir {
    let folder = TestDir::empty();
    for (name, text) in SOUND {
        folder.write(name, text);
    }
    write_certificates(&folder);
    folder
}

/// Certificates that are good and bad, each as `NAME.pem`, and their keys.
fn write_certificates(folder: &TestDir) {
    let authority = Authority::new();
    let name = &["shop.example"];
    for (file, certified) in [
        ("good", authority.issue(name)),
        ("other", authority.issue(name)),
        ("expired", authority.issue_valid(name, -20, -10)),
        ("future", authority.issue_valid(name, 10, 20)),
        ("ending", authority.issue_valid(name, -10, 5)),
    ] {
        folder.write(&format!("{file}.pem"), &certified.certificate);
        folder.write_secret(&format!("{file}.key"), &certified.key);
        folder.write(&format!("{file}-open.key"), &certified.key);
    }
    folder.write("keys.json", tokens::KEYS);
    folder.write("secret.json", tokens::SECRET);
    folder.write("public.pem", "-----BEGIN PUBLIC KEY-----\naGVsbG8=\n-----END PUBLIC KEY-----\n");
    folder.write("weak.pem", include_str!("sound/weak.pem"));
    folder.write("garbage.pem", "-----BEGIN CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----\n");
    folder.write_secret("garbage.key", "-----BEGIN PRIVATE KEY-----\naGVsbG8=\n-----END PRIVATE KEY-----\n");
}

/// Rejects what of a document cannot be used, which is a warning otherwise.
fn reject_unsupported(folder: &TestDir) {
    folder.edit("    rules:\n", "    validation: { unsupported: reject }\n    rules:\n");
}

/// Runs `demur` in a folder, where files are called by their bare names.
fn demur(folder: &TestDir, arguments: &[&str]) -> Outcome {
    demur_e2e::run(arguments, folder.path())
}

#[test]
fn valid_files_have_no_findings() {
    let folder = sound_folder();
    for file in ["demur.yaml", "contract.yaml"] {
        let outcome = demur(&folder, &["check", file]);
        assert_eq!(outcome.code, Some(0), "{outcome:?}");
        assert_eq!(outcome.stderr, "", "{outcome:?}");
    }
}

/// A warning is no reason for a script to stop, unless the script says so.
#[test]
fn warnings_fail_only_with_strict() {
    let folder = sound_folder();
    folder.edit("listItems: { credits: 1 }", "listItems: { feature: similarty }");
    for (arguments, code) in [(&["check"][..], 0), (&["check", "--strict"], 1)] {
        let outcome = demur(&folder, arguments);
        assert_eq!(outcome.code, Some(code), "{outcome:?}");
        assert!(outcome.stderr.contains("no plan has the feature"), "{outcome:?}");
    }
    folder.edit("feature: similarty", "feature: similarty, credit: 1");
    for arguments in [&["check"][..], &["check", "--strict"]] {
        assert_eq!(demur(&folder, arguments).code, Some(3));
    }
}

#[test]
fn reports_each_mistake_in_a_contract() {
    rows::check("contract.yaml", SOUND[1].1, contract::ROWS);
}

#[test]
fn reports_each_mistake_in_the_configuration() {
    rows::check("demur.yaml", SOUND[0].1, settings::ROWS);
}

#[test]
fn reports_each_mistake_about_tokens_and_addresses() {
    rows::check("demur.yaml", &tokens::sound(SOUND[0].1), tokens::ROWS);
}

#[test]
fn reports_each_mistake_in_a_document() {
    rows::check("openapi.yaml", SOUND[2].1, document::ROWS);
}
