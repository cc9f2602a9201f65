//! `demur openapi`: the API's own OpenAPI document with exactly its errors.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use demur_engine::Api;
use demur_matrix::Matrix;
use demur_publish::openapi::{self, Unions};
use demur_source::{Source, did_you_mean};
use serde_json::Value;

use super::matrix;
use crate::args::{OpenApiArgs, OpenApiUnions};
use crate::exit::{CommandFailure, Exit};
use crate::output::Output;
use crate::serving::load;

pub(crate) fn run(args: &OpenApiArgs, output: &Output) -> Result<Exit, CommandFailure> {
    let config = load(&args.config, output)?;
    let (apis, plans) = matrix::apis(config);
    let position = position(&apis, args.api.as_deref())?;
    let Some(api) = apis.get(position) else {
        return Err(CommandFailure::usage("the configuration has no API", None));
    };
    let matrix = Matrix::build(std::slice::from_ref(api), &plans);
    let settings = api.settings();
    let versions: Vec<&str> = settings.contracts().map(|contract| contract.name()).collect();
    let version = match &args.contract {
        Some(name) => versions.iter().position(|known| known == name).ok_or_else(|| {
            let help = format!("contracts of the API: {}", versions.join(", "));
            CommandFailure::usage(format!("unknown contract `{name}`"), help)
        })?,
        None => 0,
    };
    let contract = settings.contracts().nth(version).unwrap_or(&settings.contract);
    let Some(of_contract) = matrix.apis.first().and_then(|api| api.contracts.get(version)) else {
        return Err(CommandFailure::usage("the API has no such contract", None));
    };
    let document = document(&args.config, position)?;
    let unions = match args.unions {
        OpenApiUnions::Open => Unions::Open,
        OpenApiUnions::Closed => Unions::Closed,
    };
    let make = if args.overlay { openapi::overlay } else { openapi::write };
    let written = make(&document, settings, contract, of_contract, unions);
    let text = serde_json::to_string_pretty(&written).unwrap_or_default();
    match &args.output {
        Some(path) => {
            fs::write(path, text + "\n")
                .map_err(|error| CommandFailure::unavailable(format!("{}: {error}", path.display()), None))?;
            output.note(&format!("wrote {}", path.display()));
        }
        None => output.result(&text, &written),
    }
    Ok(Exit::Ok)
}

fn position(apis: &[Arc<Api>], name: Option<&str>) -> Result<usize, CommandFailure> {
    let known: Vec<&str> = apis.iter().map(|api| api.name()).collect();
    let help = || format!("APIs: {}", known.join(", "));
    match name {
        None if apis.len() == 1 => Ok(0),
        None => Err(CommandFailure::usage("`--api` must name one of several APIs", help())),
        Some(name) => known.iter().position(|other| *other == name).ok_or_else(|| {
            let similar = did_you_mean(name, known.iter().copied());
            let help = similar.map_or_else(help, |similar| format!("did you mean `{similar}`?"));
            CommandFailure::usage(format!("unknown API `{name}`"), help)
        }),
    }
}

/// The document of an API, as its file has it.
fn document(config: &Path, position: usize) -> Result<Value, CommandFailure> {
    let read = |path: &Path| {
        Source::read(path)
            .map_err(|error| CommandFailure::unavailable(format!("{}: {error}", path.display()), None))
    };
    let source = read(config)?;
    let root = demur_source::parse(&source).map_err(CommandFailure::Configuration)?;
    let apis = root.get("apis").and_then(|apis| apis.as_seq()).unwrap_or_default();
    let name = apis.get(position).and_then(|api| api.get("openapi")?.scalar_text()).unwrap_or_default();
    let folder = config.parent().unwrap_or_else(|| Path::new(""));
    let source = read(&folder.join(name))?;
    let document = demur_source::parse(&source).map_err(CommandFailure::Configuration)?;
    Ok(document.to_json())
}
