//! `demur generate`: code from a contract, to standard output or a file.

use std::fs;
use std::io::ErrorKind;
use std::sync::Arc;

use demur_contract::{Contract, builtin};
use demur_publish::codegen::{GenerateFor, generate};
use demur_source::Source;
use serde_json::json;

use crate::args::{GenerateCommand, GenerateSide, old_output_variable};
use crate::exit::{CommandFailure, Exit, cannot_read, cannot_write};
use crate::output::Output;

pub(crate) fn run(args: &GenerateCommand, output: &Output) -> Result<Exit, CommandFailure> {
    let GenerateCommand::Rust { contract, side, output: file, into } = args;
    let source = read(contract)?;
    let loaded = Contract::load(&source).map_err(CommandFailure::Configuration)?;
    let side = match side {
        GenerateSide::Service => GenerateFor::Service,
        GenerateSide::Client => GenerateFor::Client,
    };
    let code = generate(&loaded.contract, &source.text, side);
    let renamed = old_output_variable().filter(|_| file.is_none());
    match into.as_ref().or(file.as_ref()).or(renamed.as_ref()) {
        Some(path) => {
            fs::write(path, &code)
                .map_err(|error| CommandFailure::unavailable(cannot_write(path, &error), None))?;
            output.note(&format!("wrote {}", path.display()));
        }
        None => output.result(code.trim_end(), &json!({ "code": code })),
    }
    Ok(Exit::Ok)
}

/// Reads a built-in contract by its name, or a file by its path.
fn read(contract: &str) -> Result<Arc<Source>, CommandFailure> {
    if let Some(source) = builtin::source(contract) {
        return Ok(source);
    }
    let help = format!("built-in contracts: {}", builtin::names().collect::<Vec<_>>().join(", "));
    Source::read(contract.as_ref()).map_err(|error| match error.kind() {
        ErrorKind::NotFound => {
            let message = format!("`{contract}` is neither a file nor a built-in contract");
            CommandFailure::unavailable(message, help)
        }
        _ => CommandFailure::unavailable(cannot_read(contract.as_ref(), &error), help),
    })
}
