//! `demur schema`: print the JSON Schema of a file, for editors.

use crate::args::{SchemaArgs, SchemaOf};
use crate::exit::{CommandFailure, Exit};
use crate::output::Output;

pub(super) const CONTRACT: &str = include_str!("../../docs/schema/contract.json");
pub(crate) const CONFIGURATION: &str = include_str!("../../docs/schema/configuration.json");
const MATRIX: &str = include_str!("../../docs/schema/matrix.json");

pub(crate) fn run(args: &SchemaArgs, output: &Output) -> Result<Exit, CommandFailure> {
    let text = match args.of {
        SchemaOf::Contract => CONTRACT,
        SchemaOf::Configuration => CONFIGURATION,
        SchemaOf::Matrix => MATRIX,
    };
    let value: serde_json::Value = serde_json::from_str(text).map_err(|error| {
        CommandFailure::unavailable(format!("the built-in schema is invalid JSON: {error}"), None)
    })?;
    output.result(text.trim_end(), &value);
    Ok(Exit::Ok)
}
