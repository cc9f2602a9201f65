//! `demur keys import`: keys of another system, by their hashes.

use std::fs;
use std::path::Path;

use demur_admission::{Command, ForeignForm, ForeignHash, ImportedKey, Reply};
use serde_json::json;

use super::{execute, unexpected};
use crate::args::{HashKind, ImportKeysArgs};
use crate::commands::keys::prefix;
use crate::exit::{Exit, Failure};
use crate::output::{Output, counted};
use crate::serving::load;

/// So many keys go to the store at once: a command has a bound.
const AT_ONCE: usize = 100;

pub(super) fn import(args: &ImportKeysArgs, output: &Output) -> Result<Exit, Failure> {
    let config = load(&args.store.config, output)?;
    // Only to say so where the API does not exist.
    prefix(&config, &args.api)?;
    let form = form(args)?;
    let hash_key = args.hash_key_file.as_deref().map(read).transpose()?.map(|text| text.trim().to_owned());
    let keys = keys(&args.file)?;
    let mut imported = Vec::with_capacity(keys.len());
    for some in keys.chunks(AT_ONCE) {
        let command =
            Command::ImportKeys { form: form.clone(), hash_key: hash_key.clone(), keys: some.to_vec() };
        match execute(&config, &command) {
            Ok(Reply::KeysImported { keys }) => imported.extend(keys),
            Ok(other) => return Err(unexpected(&other)),
            Err(failure) => {
                // What went before stays; to begin again, those lines have to go.
                if !imported.is_empty() {
                    let line = imported.len() + 1;
                    output.say(&format!(
                        "the keys before line {line} were taken over; leave them out next time"
                    ));
                }
                return Err(failure);
            }
        }
    }
    let human = format!("{} taken over", counted(imported.len(), "key"));
    output.result(&human, &json!({ "keys": imported }));
    Ok(Exit::Fine)
}

fn form(args: &ImportKeysArgs) -> Result<ForeignForm, Failure> {
    let (shortest, longest) = args.length.split_once('-').unwrap_or((&args.length, &args.length));
    let (Ok(shortest), Ok(longest)) = (shortest.parse(), longest.parse()) else {
        let help = "write `40`, or `32-64`".to_owned();
        return Err(Failure::usage(format!("`{}` is no length", args.length), help));
    };
    let hash = match args.hash {
        HashKind::Sha256 => ForeignHash::Sha256,
        HashKind::HmacSha256 => ForeignHash::HmacSha256(args.hash_key.clone().unwrap_or_default()),
    };
    Ok(ForeignForm { api: args.api.clone(), prefix: args.prefix.clone(), shortest, longest, hash })
}

fn keys(file: &Path) -> Result<Vec<ImportedKey>, Failure> {
    let text = read(file)?;
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let key = |(number, line): (usize, &str)| {
        serde_json::from_str(line).map_err(|error| {
            // Not the line itself: it may hold what should not be shown.
            let message = format!("line {} of {} is no key: {error}", number + 1, file.display());
            Failure::usage(message, "write `{\"account\": \"…\", \"hash\": \"…\"}`".to_owned())
        })
    };
    lines.map(key).collect()
}

fn read(file: &Path) -> Result<String, Failure> {
    fs::read_to_string(file)
        .map_err(|error| Failure::unavailable(format!("{}: {error}", file.display()), None))
}
