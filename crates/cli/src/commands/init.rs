//! `demur init`: write a first contract with comments.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::path::Path;

use serde_json::json;

use crate::args::InitArgs;
use crate::exit::{CommandFailure, Exit, cannot_write};
use crate::output::Output;

const FIRST: &str = include_str!("first-contract.yaml");

pub(crate) fn run(args: &InitArgs, output: &Output) -> Result<Exit, CommandFailure> {
    let file = &args.file;
    // `create_new` checks and creates in one step, so an existing file is never overwritten, even in a race.
    let created = OpenOptions::new().write(true).create_new(true).open(file);
    let written = created.and_then(|mut created| created.write_all(first(&name(file)).as_bytes()));
    written.map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => {
            let help = "choose another file name: `demur init FILE`".to_owned();
            CommandFailure::unavailable(format!("`{}` already exists", file.display()), help)
        }
        _ => CommandFailure::unavailable(cannot_write(file, &error), None),
    })?;
    let shown = file.display();
    let human = format!(
        "wrote {shown}\n\nNext steps:\n  demur check {shown}\n  demur schema contract > contract.schema.json  # for \
         your editor"
    );
    output.result(&human, &json!({ "contract": shown.to_string() }));
    Ok(Exit::Ok)
}

fn first(name: &str) -> String {
    FIRST.replacen("name: my-api", &format!("name: {name}"), 1)
}

/// Derives the contract name from the file name, without characters that are special in YAML.
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
    fn the_first_contract_is_valid_for_every_file_name() {
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
