//! What the demo prints for a person: where the APIs are, the keys, and something to try.

use std::fmt::Write;
use std::path::Path;

use comfy_table::{Table, presets};

use super::samples::Sample;

/// The page.
pub(crate) fn page(
    gateway: &str,
    apis: &[(String, String, String)],
    keys: &[Sample],
    folder: &Path,
) -> String {
    let mut page = format!("Demur is serving {} example APIs on {gateway}\n", apis.len());
    for (name, _, mount) in apis {
        let mut table = Table::new();
        table.load_preset(presets::NOTHING);
        for key in keys.iter().filter(|key| key.api == *name) {
            table.add_row([key.label.as_str(), key.secret.as_str(), key.note.as_str()]);
        }
        // Writing to a string does not fail.
        let _ = write!(page, "\n{name}  {gateway}{mount}\n");
        for line in table.trim_fmt().lines() {
            let _ = writeln!(page, "  {}", line.trim());
        }
    }
    page.push_str("\nTry:\n");
    for (what, line) in demur_examples::TRY {
        let _ = writeln!(page, "  # {what}\n  {}", with_addresses(line, gateway, keys));
    }
    let folder = folder.display();
    let program = std::env::current_exe();
    let program = program.map_or_else(|_| "demur".to_owned(), |path| path.display().to_string());
    let _ = write!(
        page,
        "\nFiles and database: {folder}\nManage keys: {program} keys list -c {folder}/demur.yaml\nCtrl-C ends the demo."
    );
    page
}

/// A line to try, with `{gateway}` and `{API:LABEL}` filled in.
fn with_addresses(line: &str, gateway: &str, keys: &[Sample]) -> String {
    let mut line = line.replace("{gateway}", gateway);
    for key in keys {
        line = line.replace(&format!("{{{}:{}}}", key.api, key.label), &key.secret);
    }
    line
}
