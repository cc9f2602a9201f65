//! `demur init`: a first contract, with what each of its lines is for.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::path::Path;

use serde_json::json;

use crate::args::InitArgs;
use crate::exit::{CommandFailure, Exit};
use crate::output::Output;

const FIRST: &str = include_str!("first-contract.yaml");

pub(crate) fn run(args: &InitArgs, output: &Output) -> Result<Exit, CommandFailure> {
    let file = &args.file;
    // Made only where nothing is, in one step: nobody's work is overwritten, not even in a race.
    let made = OpenOptions::new().write(true).create_new(true).open(file);
    let written = made.and_then(|mut made| made.write_all(first(&name(file)).as_bytes()));
    written.map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => {
            let help = "name another file, or move that one away".to_owned();
            CommandFailure::unavailable(format!("{} is there already", file.display()), help)
        }
        _ => CommandFailure::unavailable(format!("{}: {error}", file.display()), None),
    })?;
    let shown = file.display();
    let human = format!(
        "wrote {shown}\nnext: `demur schema contract > contract.schema.json` lets an editor help with it; \
         `demur check {shown}` checks it"
    );
    output.result(&human, &json!({ "contract": shown.to_string() }));
    Ok(Exit::Ok)
}

fn first(name: &str) -> String {
    FIRST.replacen("name: my-api", &format!("name: {name}"), 1)
}

/// The file's name as a contract's: what YAML could read in another way is left out.
fn name(file: &Path) -> String {
    let stem = file.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    let name: String = stem.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_')).collect();
    if name.starts_with(|c: char| c.is_ascii_alphabetic()) { name } else { "my-api".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use demur_contract::Contract;
    use demur_source::Source;

    #[test]
    fn the_first_contract_is_sound_whatever_the_file_is_called() {
        for (file, expected) in [
            ("contract.yaml", "contract"),
            ("a b/shop errors.yaml", "shoperrors"),
            ("12.yaml", "my-api"),
            ("ö.yaml", "my-api"),
        ] {
            let text = first(&name(Path::new(file)));
            let loaded = Contract::load(&Source::new(file, text)).unwrap_or_else(|found| panic!("{found}"));
            assert!(loaded.warnings.is_empty(), "{}", loaded.warnings);
            assert_eq!(loaded.contract.name(), expected);
        }
    }
}
