//! `demur generate`: code out of a contract, to standard output or into a file.

use std::fs;
use std::sync::Arc;

use demur_contract::{Contract, builtin};
use demur_publish::rust::{Side, generate};
use demur_source::Source;
use serde_json::json;

use crate::args::{GenerateSide, GenerateVerb};
use crate::exit::{Exit, Failure};
use crate::output::Output;

pub(crate) fn run(verb: &GenerateVerb, output: &Output) -> Result<Exit, Failure> {
    let GenerateVerb::Rust { contract, side, into } = verb;
    let source = read(contract)?;
    let loaded = Contract::load(&source).map_err(Failure::Configuration)?;
    let side = match side {
        GenerateSide::Service => Side::Service,
        GenerateSide::Client => Side::Client,
    };
    let code = generate(&loaded.contract, &source.text, side);
    match into {
        Some(path) => {
            fs::write(path, &code)
                .map_err(|error| Failure::unavailable(format!("{}: {error}", path.display()), None))?;
            output.say(&format!("wrote {}", path.display()));
        }
        None => output.result(code.trim_end(), &json!({ "code": code })),
    }
    Ok(Exit::Fine)
}

/// A built-in contract by its name, or a file by its path.
fn read(contract: &str) -> Result<Arc<Source>, Failure> {
    if let Some(source) = builtin::source(contract) {
        return Ok(source);
    }
    let help = format!("built in are {}", builtin::names().collect::<Vec<_>>().join(", "));
    Source::read(contract.as_ref())
        .map_err(|error| Failure::unavailable(format!("{contract}: {error}"), help))
}
