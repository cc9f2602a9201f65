//! `demur init`: write a first contract with comments, and a configuration that uses it.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::path::Path;

use demur_source::{Diagnostics, Source};
use serde_json::json;

use crate::args::InitArgs;
use crate::exit::{CommandFailure, Exit, cannot_read, cannot_write};
use crate::from_openapi::{self, Draft};
use crate::output::{Output, counted};

const FIRST: &str = include_str!("first-contract.yaml");

pub(crate) fn run(args: &InitArgs, output: &Output) -> Result<Exit, CommandFailure> {
    let file = &args.file;
    let draft = args.openapi.as_deref().map(|document| draft(document, file)).transpose()?;
    let text = draft.as_ref().map_or_else(|| first(&name(file)), |draft| draft.contract.clone());
    // `create_new` checks and creates in one step, so an existing file is never overwritten, even in a race.
    let created = OpenOptions::new().write(true).create_new(true).open(file);
    let written = created.and_then(|mut created| created.write_all(text.as_bytes()));
    written.map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => {
            let help = "choose another file name: `demur init FILE`".to_owned();
            CommandFailure::unavailable(format!("`{}` already exists", file.display()), help)
        }
        _ => CommandFailure::unavailable(cannot_write(file, &error), None),
    })?;
    let shown = file.display();
    let mut wrote = vec![shown.to_string()];
    match &draft {
        Some(draft) => {
            let configuration = file.with_file_name(CONFIGURATION);
            if write_new(&configuration, &draft.configuration)? {
                wrote.push(configuration.display().to_string());
            } else {
                output.warning(&format!("`{}` already exists and was not changed", configuration.display()));
            }
            output.note(&format!("{} found in the document", counted(draft.errors, "error")));
            draft.remarks.iter().for_each(|remark| output.note(&format!("not recognised: {remark}")));
        }
        None => wrote.extend(write_missing(file)?),
    }
    let human = format!(
        "wrote {}\n\nNext steps:\n  demur check {shown}\n  demur check {}  # the configuration\n  demur schema \
         contract > contract.schema.json  # for your editor",
        wrote.join(", "),
        file.with_file_name(CONFIGURATION).display(),
    );
    output.result(&human, &json!({ "contract": shown.to_string(), "wrote": wrote }));
    Ok(Exit::Ok)
}

/// Writes a configuration that uses the contract, and the document that it names, unless there are such files.
fn write_missing(contract: &Path) -> Result<Vec<String>, CommandFailure> {
    let stem = name(contract);
    let contract_name = contract.file_name().and_then(|name| name.to_str()).unwrap_or("contract.yaml");
    let configuration = FIRST_CONFIGURATION.replace("CONTRACT", contract_name).replace("NAME", &stem);
    let mut wrote = Vec::new();
    for (file, text) in [(CONFIGURATION, configuration.as_str()), ("openapi.yaml", FIRST_DOCUMENT)] {
        let file = contract.with_file_name(file);
        if write_new(&file, text)? {
            wrote.push(file.display().to_string());
        }
    }
    Ok(wrote)
}

/// Writes a file unless there is one. Returns whether it did.
fn write_new(file: &Path, text: &str) -> Result<bool, CommandFailure> {
    let created = OpenOptions::new().write(true).create_new(true).open(file);
    match created.and_then(|mut created| created.write_all(text.as_bytes())) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(CommandFailure::unavailable(cannot_write(file, &error), None)),
    }
}

/// Drafts the files for a document.
fn draft(document: &Path, contract: &Path) -> Result<Draft, CommandFailure> {
    let source = Source::read(document)
        .map_err(|error| CommandFailure::unavailable(cannot_read(document, &error), None))?;
    let root = demur_source::parse(&source).map_err(CommandFailure::Configuration)?;
    if root.get("openapi").is_none() {
        let mut found = Diagnostics::new();
        let message = "missing key `openapi` in an OpenAPI document";
        let help = "convert a document in another format to OpenAPI 3".to_owned();
        found.error(&source, root.span, "version", message, help);
        return Err(CommandFailure::Configuration(found));
    }
    let contract_name = contract.file_name().and_then(|name| name.to_str()).unwrap_or("contract.yaml");
    let path = relative(document, contract);
    Ok(from_openapi::draft(&root.to_json(), &name(contract), (contract_name, &path)))
}

/// The path of the document, as a configuration beside the contract names it.
fn relative(document: &Path, contract: &Path) -> String {
    let folder = |path: &Path| path.parent().map(Path::to_owned).unwrap_or_default();
    let is_beside = folder(document) == folder(contract);
    let name = document.file_name().and_then(|name| name.to_str());
    match name.filter(|_| is_beside) {
        Some(name) => name.to_owned(),
        None => std::path::absolute(document).unwrap_or_else(|_| document.to_owned()).display().to_string(),
    }
}

const CONFIGURATION: &str = "demur.yaml";

const FIRST_CONFIGURATION: &str = "\
demur: 2
listen: 127.0.0.1:8080
store: sqlite:demur.db
journal: journal.db # what `demur explain` reads
plans:
  free:
    rates: [{ name: per-second, requests: 10, per: 1s }]
apis:
  - name: NAME
    contract: \"./CONTRACT\"
    openapi: openapi.yaml # replace it with the document of your API
    upstream: http://127.0.0.1:9000
    authentication: { scheme: bearer, prefix: key } # keys begin with `key_`
";

const FIRST_DOCUMENT: &str = "\
openapi: 3.1.0
info: { title: My API, version: \"1\" }
paths:
  /items:
    get:
      operationId: listItems
      responses:
        \"200\": { description: All items }
";

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
