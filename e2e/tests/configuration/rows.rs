//! Rows: a sound file, a change that breaks it on one count, and what must be said of it.

use demur_e2e::{Outcome, TestDir};
use serde_json::{Value as Json, json};

/// Stands in a row's text where the mistake must be shown.
const MARK: char = '«';

/// One mistake.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row {
    severity: &'static str,
    check: &'static str,
    /// What is replaced by what. An empty text to be replaced means the whole file.
    edits: &'static [(&'static str, &'static str)],
    /// Text of the message.
    says: &'static str,
    /// Text of the help; empty where the message is the help itself.
    mend: &'static str,
    place: Place,
    /// Whether the change brings about other mistakes too.
    others: bool,
}

#[derive(Debug, Clone, Copy)]
enum Place {
    /// Where the mark is.
    Marked,
    /// Where this text begins: for places within a text, which a mark would change.
    Before(&'static str),
    /// Somewhere in the file.
    Anywhere,
}

type Edits = &'static [(&'static str, &'static str)];

/// A mistake with which nothing starts.
pub(crate) const fn error(check: &'static str, edits: Edits, says: &'static str, mend: &'static str) -> Row {
    Row { severity: "error", check, edits, says, mend, place: Place::Marked, others: false }
}

/// A mistake among others that the same change brings about.
pub(crate) const fn among(check: &'static str, edits: Edits, says: &'static str, mend: &'static str) -> Row {
    error(check, edits, says, mend).with_others()
}

/// Something that a person should know.
pub(crate) const fn warning(
    check: &'static str,
    edits: Edits,
    says: &'static str,
    mend: &'static str,
) -> Row {
    Row { severity: "warning", ..error(check, edits, says, mend) }
}

impl Row {
    /// Other mistakes come with it.
    pub(crate) const fn with_others(self) -> Self {
        Self { others: true, ..self }
    }

    /// It is shown where this text begins.
    pub(crate) const fn placed_at(self, text: &'static str) -> Self {
        Self { place: Place::Before(text), ..self }
    }

    /// Where it is shown does not matter.
    pub(crate) const fn anywhere(self) -> Self {
        Self { place: Place::Anywhere, ..self }
    }

    /// The broken text, and line and column (both from 1) of the mistake in it.
    fn broken(&self, sound: &str) -> (String, Option<(usize, usize)>) {
        let mut text = sound.to_owned();
        for (old, new) in self.edits {
            if old.is_empty() {
                (*new).clone_into(&mut text);
                continue;
            }
            assert!(text.contains(old), "the sound file does not have `{old}`");
            text = text.replacen(old, new, 1);
        }
        let marked = text.find(MARK);
        let text = text.replace(MARK, "");
        let place = match self.place {
            Place::Marked => Some(marked.unwrap_or_else(|| panic!("no mark in {self:?}"))),
            Place::Before(inner) => Some(text.find(inner).unwrap_or_else(|| panic!("no `{inner}`: {text}"))),
            Place::Anywhere => None,
        };
        let place = place.map(|at| {
            let before = &text[..at];
            let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
            (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
        });
        (text, place)
    }
}

/// Breaks a sound file in every row's way, and asks `demur check` what it says of the configuration.
/// All rows are tried before anything is said of those that fail.
pub(crate) fn check(file: &str, sound: &str, rows: &[Row]) {
    let folder = super::sound_folder();
    if file == "openapi.yaml" {
        super::reject_unsupported(&folder);
    }
    let mut failed = Vec::new();
    for row in rows {
        let (text, place) = row.broken(sound);
        folder.write(file, &text);
        if let Err(why) = reported(&folder, file, row, place) {
            failed.push(format!("{why}\n  {row:?}"));
        }
        folder.write(file, sound);
    }
    assert!(failed.is_empty(), "{} of {} rows:\n{}", failed.len(), rows.len(), failed.join("\n"));
}

fn reported(folder: &TestDir, file: &str, row: &Row, place: Option<(usize, usize)>) -> Result<(), String> {
    let outcome = super::demur(folder, &["check", "demur.yaml", "--strict", "--format", "json"]);
    let expected_code = if row.severity == "error" { 3 } else { 1 };
    let found = diagnostics(&outcome);
    let shown = || found.iter().map(Json::to_string).collect::<Vec<_>>().join("\n    ");
    if outcome.code != Some(expected_code) && !(row.others && outcome.code == Some(3)) {
        return Err(format!("exit {:?} instead of {expected_code}:\n    {}", outcome.code, shown()));
    }
    let is_it = |diagnostic: &&Json| {
        let place = place
            .is_none_or(|(line, column)| diagnostic["start"] == json!({ "line": line, "column": column }));
        let message = diagnostic["message"].as_str().unwrap_or_default();
        let help = diagnostic["help"].as_str().unwrap_or_default();
        diagnostic["severity"] == row.severity
            && diagnostic["code"] == row.check
            && diagnostic["file"].as_str().is_some_and(|name| name.ends_with(file))
            && place
            && message.contains(row.says)
            && help.contains(row.mend)
    };
    match found.iter().filter(is_it).count() {
        0 => Err(format!("not told at {place:?}, but:\n    {}", shown())),
        1 if row.others || found.len() == 1 => Ok(()),
        1 => Err(format!("other things are said too:\n    {}", shown())),
        times => Err(format!("said {times} times:\n    {}", shown())),
    }
}

/// What `--format json` says: of `check` on standard output, of every other command on standard error.
pub(crate) fn diagnostics(outcome: &Outcome) -> Vec<Json> {
    let said = if outcome.stdout.is_empty() { &outcome.stderr } else { &outcome.stdout };
    let said: Json = serde_json::from_str(said.trim()).unwrap_or_default();
    said["diagnostics"].as_array().cloned().unwrap_or_default()
}
