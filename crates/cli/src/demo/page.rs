//! The text the demo prints: the URLs of the APIs, the keys, and commands to try.

use std::fmt::Write;
use std::path::Path;

use comfy_table::{Table, presets};

use super::samples::Sample;

pub(crate) fn render(
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
        // Writing to a `String` never fails.
        let _ = write!(page, "\n{name}  {gateway}{mount}\n");
        for line in table.trim_fmt().lines() {
            let _ = writeln!(page, "  {}", line.trim());
        }
    }
    page.push_str("\nTry:\n");
    for (comment, line) in demur_examples::TRY {
        let _ = writeln!(page, "  # {comment}\n  {}", fill_in(line, gateway, keys));
    }
    let folder = folder.display();
    let program = std::env::current_exe();
    let program = program.map_or_else(|_| "demur".to_owned(), |path| path.display().to_string());
    let _ = write!(
        page,
        "\nEvery documented error: sh {folder}/errors.sh\n\
         Those that need a broken store (this breaks the demo): sh {folder}/errors.sh store\n\n\
         Files and database: {folder}\nManage keys: {program} keys list -c {folder}/demur.yaml\n\
         Explain a response: curl -i … | {program} explain -c {folder}/demur.yaml\n\
         Console: {program} console -c {folder}/demur.yaml\nPress Ctrl-C to stop."
    );
    page
}

/// Fills in `{gateway}` and `{API:LABEL}`.
pub(super) fn fill_in(line: &str, gateway: &str, keys: &[Sample]) -> String {
    let mut line = line.replace("{gateway}", gateway);
    for key in keys {
        line = line.replace(&format!("{{{}:{}}}", key.api, key.label), &key.secret);
    }
    line
}
