//! `demur keys import`: import keys of another system by their hashes.

use std::fs;
use std::path::Path;

use demur_admission::{Command, CommandFault, ImportedForm, ImportedHash, ImportedKey, Reply};
use demur_gateway::Config;
use demur_sqlite::MAX_COMMAND;
use serde::Serialize;
use serde_json::json;

use super::key_prefix::prefixes;
use super::{label, send, unexpected};
use crate::args::{HashKind, ImportKeysArgs};
use crate::exit::{CommandFailure, Exit, cannot_read};
use crate::output::{Output, counted};
use crate::progress::Progress;
use crate::serving::load_store;

/// A key and its line number in the file.
type ImportLine = (usize, ImportedKey);

pub(super) fn import(args: &ImportKeysArgs, output: &Output) -> Result<Exit, CommandFailure> {
    let config = load_store(&args.store.config)?;
    // Fails if the API does not exist.
    prefixes(&config, &args.api)?;
    let form = form(args)?;
    let hash_key = args.hash_key_file.as_deref().map(read).transpose()?.map(|text| text.trim().to_owned());
    let command = |lines: &[ImportLine]| {
        let keys = lines.iter().map(|(_, key)| key.clone()).collect();
        Command::ImportKeys { form: form.clone(), hash_key: hash_key.clone(), keys }
    };
    let keys = keys(&args.file)?;
    let room = MAX_COMMAND.saturating_sub(length(&command(&[])));
    let mut imported = Vec::with_capacity(keys.len());
    let progress = Progress::bar(output, "importing keys", keys.len());
    let mut rest = &keys[..];
    while let Some((line, _)) = rest.first() {
        let (now, later) = rest.split_at(batch_size(rest, room));
        let failure = match send(&config, &command(now)) {
            Ok(Reply::KeysImported { keys }) => {
                imported.extend(keys);
                progress.advance_to(imported.len());
                rest = later;
                continue;
            }
            Ok(Reply::Rejected { fault }) => rejected(&fault, &config, &args.file, now),
            Ok(other) => unexpected(&other),
            Err(failure) => failure,
        };
        drop(progress);
        let first = keys.first().map_or(1, |(first, _)| *first);
        return Err(match imported.is_empty() {
            true => failure,
            false => with_imported(failure, first, line - 1),
        });
    }
    drop(progress);
    let human = format!("imported {}", counted(imported.len(), "key"));
    output.result(&human, &json!({ "keys": imported }));
    Ok(Exit::Ok)
}

/// Why the store rejected a batch, with the line of the key if one is at fault.
fn rejected(fault: &CommandFault, config: &Config, file: &Path, batch: &[ImportLine]) -> CommandFailure {
    let (at_fault, message, help) = match fault {
        CommandFault::KeyExists { index, .. } => (
            batch.get(*index),
            "a key with this hash already exists".to_owned(),
            Some("remove the line".to_owned()),
        ),
        CommandFault::UnknownAccount { account } => {
            let of_account = batch.iter().find(|(_, key)| key.account == *account);
            (of_account, fault.to_string(), super::help(fault, config))
        }
        _ => (None, fault.to_string(), super::help(fault, config)),
    };
    match at_fault {
        Some((line, _)) => CommandFailure::rejected(format!("{}:{line}: {message}", file.display()), help),
        None => CommandFailure::rejected(message, help),
    }
}

/// Adds that earlier batches stay imported: importing them again would fail.
fn with_imported(mut failure: CommandFailure, first: usize, last: usize) -> CommandFailure {
    if let CommandFailure::Rejected { help, .. }
    | CommandFailure::Usage { help, .. }
    | CommandFailure::Unavailable { help, .. } = &mut failure
    {
        let first_help = help.take().map(|help| format!("{help}; ")).unwrap_or_default();
        *help = Some(format!(
            "{first_help}lines {first} to {last} were imported: remove them from the file before you retry"
        ));
    }
    failure
}

/// The number of keys that fit into one command; at least one, which the store rejects if it is too long.
fn batch_size(keys: &[ImportLine], room: usize) -> usize {
    let mut left = room;
    let fits = |(_, key): &&ImportLine| {
        // Plus the comma after it.
        let fits = left.checked_sub(length(key) + 1);
        left = fits.unwrap_or_default();
        fits.is_some()
    };
    keys.iter().take_while(fits).count().max(1)
}

fn length(value: &impl Serialize) -> usize {
    serde_json::to_vec(value).map_or(0, |text| text.len())
}

fn form(args: &ImportKeysArgs) -> Result<ImportedForm, CommandFailure> {
    let (shortest, longest) = args.length.split_once('-').unwrap_or((&args.length, &args.length));
    let (Ok(shortest), Ok(longest)) = (shortest.parse(), longest.parse()) else {
        let help = "write a number or a range, such as `40` or `32-64`".to_owned();
        return Err(CommandFailure::usage(format!("invalid length `{}`", args.length), help));
    };
    let hash = match args.hash {
        HashKind::Sha256 => ImportedHash::Sha256,
        HashKind::HmacSha256 => ImportedHash::HmacSha256(args.hash_key.clone().unwrap_or_default()),
    };
    Ok(ImportedForm { api: args.api.clone(), prefix: args.prefix.clone(), shortest, longest, hash })
}

fn keys(file: &Path) -> Result<Vec<ImportLine>, CommandFailure> {
    let text = read(file)?;
    let lines = (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty());
    let key = |(number, line): (usize, &str)| {
        let invalid = |place: String, cause: String| {
            let message = format!("{}:{place}: {cause}", file.display());
            CommandFailure::usage(message, "expected `{\"account\": \"…\", \"hash\": \"…\"}`".to_owned())
        };
        let key: ImportedKey = serde_json::from_str(line).map_err(|error| match error.is_data() {
            true => invalid(number.to_string(), invalid_data(&error)),
            false => invalid(format!("{number}:{}", error.column()), "invalid JSON".to_owned()),
        })?;
        let is_hash = key.hash.len() == 64 && key.hash.bytes().all(|digit| digit.is_ascii_hexdigit());
        if !is_hash {
            return Err(invalid(number.to_string(), "`hash` must have 64 hexadecimal digits".to_owned()));
        }
        if key.label.as_deref().is_some_and(|text| label(text).is_err()) {
            return Err(invalid(number.to_string(), "`label` must be some words on one line".to_owned()));
        }
        Ok((number, key))
    };
    lines.map(key).collect()
}

/// What is wrong with the members of a line. The message must not repeat a value: it may be a secret.
fn invalid_data(error: &serde_json::Error) -> String {
    let text = error.to_string();
    // "missing field `hash` at line 1 column 19"
    let text = text.rsplit_once(" at line ").map_or(text.as_str(), |(text, _)| text);
    match ["missing field ", "unknown field ", "duplicate field "].iter().any(|known| text.starts_with(known))
    {
        true => text.to_owned(),
        false => "a member has the wrong type or an invalid value".to_owned(),
    }
}

fn read(file: &Path) -> Result<String, CommandFailure> {
    fs::read_to_string(file).map_err(|error| CommandFailure::unavailable(cannot_read(file, &error), None))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn key(metadata: usize) -> ImportLine {
        let metadata = BTreeMap::from([("note".to_owned(), "\"".repeat(metadata))]);
        let (account, hash, grants) =
            ("acme".parse().unwrap(), "0".repeat(64), demur_admission::Grants::default());
        (1, ImportedKey { account, hash, expires: None, grants, label: None, metadata })
    }

    #[test]
    fn a_batch_has_as_many_keys_as_fit_and_at_least_one() {
        let one = length(&key(700).1) + 1;
        assert!(one > 2 * 700, "a quotation mark takes two bytes in JSON");
        let keys: Vec<ImportLine> = (0..100).map(|_| key(700)).collect();
        for (room, fit) in
            [(0, 1), (one - 1, 1), (2 * one - 1, 1), (2 * one, 2), (100 * one, 100), (1 << 30, 100)]
        {
            assert_eq!(batch_size(&keys, room), fit, "{room}");
        }
    }

    #[test]
    fn names_the_line_and_never_a_value() {
        for (line, expected) in [
            (r#"{"account": "acme"}"#, "2: missing field `hash`"),
            (r#"{"account": "acme", "hash": }"#, "2:29: invalid JSON"),
            (r#"{"account": "acme", "hash": 7}"#, "2: a member has the wrong type or an invalid value"),
            (r#"{"account": "acme", "hash": "s3cret"}"#, "2: `hash` must have 64 hexadecimal digits"),
            (
                r#"{"account": "acme", "hash": "0000000000000000000000000000000000000000000000000000000000000000", "label": "s3\ncret"}"#,
                "2: `label` must be some words on one line",
            ),
            (r#""s3cret""#, "2: a member has the wrong type or an invalid value"),
        ] {
            let file = tempfile::NamedTempFile::new().unwrap();
            fs::write(file.path(), format!("\n{line}\n")).unwrap();
            let failure = keys(file.path()).unwrap_err().to_string();
            assert_eq!(failure, format!("{}:{expected}", file.path().display()), "{line}");
        }
    }

    #[test]
    fn blank_lines_count_in_line_numbers() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let line = serde_json::to_string(&key(1).1).unwrap();
        fs::write(file.path(), format!("\n{line}\n\n  \n{line}\n")).unwrap();
        let found: Vec<usize> = keys(file.path()).unwrap().into_iter().map(|(number, _)| number).collect();
        assert_eq!(found, [2, 5]);
    }
}
