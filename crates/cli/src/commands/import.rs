//! `demur keys import`: import keys of another system by their hashes.

use std::fs;
use std::path::Path;

use demur_admission::{Command, ImportedForm, ImportedHash, ImportedKey, Reply};
use demur_sqlite::MAX_COMMAND;
use serde::Serialize;
use serde_json::json;

use super::{execute, unexpected};
use crate::args::{HashKind, ImportKeysArgs};
use crate::commands::keys::prefixes;
use crate::exit::{CommandFailure, Exit};
use crate::output::{Output, counted};
use crate::progress::Progress;
use crate::serving::load;

/// A key and its line number in the file.
type ImportLine = (usize, ImportedKey);

pub(super) fn import(args: &ImportKeysArgs, output: &Output) -> Result<Exit, CommandFailure> {
    let config = load(&args.store.config, output)?;
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
        match execute(&config, &command(now)) {
            Ok(Reply::KeysImported { keys }) => {
                imported.extend(keys);
                progress.advance_to(imported.len());
            }
            Ok(other) => return Err(unexpected(&other)),
            Err(failure) => {
                drop(progress);
                // Earlier batches stay imported, and importing them again would fail.
                if !imported.is_empty() {
                    output.note(&format!(
                        "the keys before line {line} were imported: remove these lines before you retry"
                    ));
                }
                return Err(failure);
            }
        }
        rest = later;
    }
    drop(progress);
    let human = format!("imported {}", counted(imported.len(), "key"));
    output.result(&human, &json!({ "keys": imported }));
    Ok(Exit::Ok)
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
        let help = "use `40` or `32-64`".to_owned();
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
        serde_json::from_str(line).map(|key| (number, key)).map_err(|error| {
            // The message must not repeat the line: it may contain a secret.
            let message = format!("{}:{number}: invalid key: {error}", file.display());
            CommandFailure::usage(message, "expected `{\"account\": \"…\", \"hash\": \"…\"}`".to_owned())
        })
    };
    lines.map(key).collect()
}

fn read(file: &Path) -> Result<String, CommandFailure> {
    fs::read_to_string(file)
        .map_err(|error| CommandFailure::unavailable(format!("{}: {error}", file.display()), None))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn key(metadata: usize) -> ImportLine {
        let metadata = BTreeMap::from([("note".to_owned(), "\"".repeat(metadata))]);
        let (account, hash, grants) =
            ("acme".parse().unwrap(), "0".repeat(64), demur_admission::Grants::default());
        (1, ImportedKey { account, hash, expires: None, grants, metadata })
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
    fn blank_lines_count_in_line_numbers() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let line = serde_json::to_string(&key(1).1).unwrap();
        fs::write(file.path(), format!("\n{line}\n\n  \n{line}\n")).unwrap();
        let found: Vec<usize> = keys(file.path()).unwrap().into_iter().map(|(number, _)| number).collect();
        assert_eq!(found, [2, 5]);
    }
}
