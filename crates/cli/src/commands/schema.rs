//! `demur schema`: the JSON Schemas of the files, for editors.

use crate::args::{SchemaArgs, SchemaOf};
use crate::exit::{Exit, Failure};
use crate::output::Output;

pub(super) const CONTRACT: &str = include_str!("../../../../docs/schema/contract.json");
pub(super) const CONFIGURATION: &str = include_str!("../../../../docs/schema/configuration.json");

pub(crate) fn run(args: &SchemaArgs, output: &Output) -> Result<Exit, Failure> {
    let text = match args.of {
        SchemaOf::Contract => CONTRACT,
        SchemaOf::Configuration => CONFIGURATION,
    };
    let value: serde_json::Value = serde_json::from_str(text).map_err(|error| {
        Failure::unavailable(format!("the schema of this program is broken: {error}"), None)
    })?;
    output.result(text.trim_end(), &value);
    Ok(Exit::Fine)
}
