//! `demur check`: what would keep a file from being served, and what a person should know about it.

use std::path::Path;
use std::sync::Arc;

use demur_config::migrate::{FileError, FixError, fix_file};
use demur_contract::{Contract, EntrySource, FieldFidelity};
use demur_gateway::Config;
use demur_source::{Diagnostics, Source};
use serde_json::json;

use super::generations;
use super::kind::is_contract;
use crate::args::CheckArgs;
use crate::exit::{CommandFailure, Exit};
use crate::output::{Output, OutputSubject, counted};
use crate::standing;

pub(crate) fn run(args: &CheckArgs, output: &Output) -> Result<Exit, CommandFailure> {
    let mut source = read(&args.file)?;
    let mut diff = None;
    if args.fix && !is_contract(&source) {
        let fixed = match fix_file(&args.file) {
            Ok(fixed) => fixed,
            Err(FileError::Fix(FixError::Invalid(found))) => {
                output.findings(&found, None);
                return Ok(Exit::Configuration);
            }
            Err(error) => return Err(CommandFailure::unavailable(error.to_string(), None)),
        };
        source = Source::new(source.name.clone(), fixed.text);
        diff = Some(fixed.diff);
    }
    let folder = args.file.parent().unwrap_or_else(|| Path::new(""));
    Ok(match inspect(&source, folder, args.allow_lockout) {
        Ok((about, warnings)) => {
            output.findings(&warnings, Some(about.with_diff(diff)));
            if warnings.is_empty() { Exit::Ok } else { Exit::ProblemsFound }
        }
        Err(found) => {
            let changed = diff.filter(|diff| !diff.is_empty());
            let changed = changed.map(|diff| OutputSubject { value: json!({ "diff": diff }), human: diff });
            output.findings(&found, changed);
            Exit::Configuration
        }
    })
}

fn read(file: &Path) -> Result<Arc<Source>, CommandFailure> {
    Source::read(file).map_err(|error| {
        let help = "name a configuration or a contract: `demur check FILE`".to_owned();
        CommandFailure::unavailable(format!("{}: {error}", file.display()), help)
    })
}

/// What stands in a sound file, for people and for programs, and what a person should know; or every mistake.
fn inspect(
    source: &Arc<Source>,
    folder: &Path,
    allow_lockout: bool,
) -> Result<(OutputSubject, Diagnostics), Diagnostics> {
    if is_contract(source) {
        let loaded = Contract::load(source)?;
        return Ok((about_contract(&loaded.contract), loaded.warnings));
    }
    let (config, mut warnings) = demur_config::load_gateway(source, folder)?;
    let standing = standing::diagnostics(source, &config, allow_lockout);
    let is_served = !standing.has_errors();
    warnings.extend(standing);
    if !is_served {
        return Err(warnings);
    }
    Ok((about_configuration(&config, warnings.is_empty()), warnings))
}

fn about_contract(contract: &Contract) -> OutputSubject {
    let derived: Vec<String> = contract
        .entries()
        .filter(|(_, entry)| matches!(entry.source, EntrySource::Derived(of) if of.is_listed()))
        .map(|(_, entry)| format!("  {}  {}", entry.status, entry.name))
        .collect();
    let declared = contract.entries().filter(|(_, entry)| entry.source == EntrySource::Declared).count();
    let mut human = format!("{}: {} declared", contract.name(), counted(declared, "error"));
    if !derived.is_empty() {
        human.push_str(&format!(
            "\n{}: nobody claims these conditions, so they get the usual status and title\n{}",
            counted(derived.len(), "derived answer"),
            derived.join("\n")
        ));
    }
    let losses = contract.round_trip_report();
    human.push_str(&format!("\n\nwhat a client reads back\n{}", table(contract, &losses)));
    let twins = contract.ambiguous_pairs();
    for twins in &twins {
        let name = |error| contract.entry(error).name.as_str();
        let how = if twins.always { "always look the same" } else { "can look the same" };
        let meant = if twins.declared { ", as is meant" } else { "" };
        human.push_str(&format!("\n`{}` and `{}` {how}{meant}", name(twins.first), name(twins.second)));
    }
    let names: Vec<&str> = contract
        .entries()
        .filter(|(_, entry)| matches!(entry.source, EntrySource::Derived(of) if of.is_listed()))
        .map(|(_, entry)| entry.name.as_str())
        .collect();
    if contract.has_translations() {
        human.push_str(&format!("\nlanguages: {}", contract.locales().collect::<Vec<_>>().join(", ")));
    }
    let value = json!({
        "contract": contract.name(),
        "declared": declared,
        "derived": names,
        "losses": losses.iter().map(|loss| json!({
            "format": loss.format,
            "error": loss.error.map(|error| contract.entry(error).name.as_str()),
            "part": loss.part,
            "fate": loss.fate.word(),
            "how": loss.fate.to_string(),
        })).collect::<Vec<_>>(),
        "twins": twins.iter().map(|twins| json!({
            "first": contract.entry(twins.first).name,
            "second": contract.entry(twins.second).name,
            "always": twins.always,
            "declared": twins.declared,
            "partings": twins.partings.iter().map(|parting| parting.as_str()).collect::<Vec<_>>(),
        })).collect::<Vec<_>>(),
    });
    OutputSubject { human, value }
}

/// Part × format: kept or lost, and why. What is particular to one error stands under its name.
fn table(contract: &Contract, losses: &[FieldFidelity]) -> String {
    let mut table = comfy_table::Table::new();
    table.load_preset(comfy_table::presets::NOTHING).set_header(["  FORMAT", "ERROR", "PART", "", "WHY"]);
    for loss in losses {
        let told = loss.fate.to_string();
        let why = told.split_once([',', ':']).map_or("", |(_, why)| why.trim_start());
        let error = loss.error.map_or("", |error| contract.entry(error).name.as_str());
        table.add_row([&format!("  {}", loss.format), error, &loss.part, loss.fate.word(), why]);
    }
    table.trim_fmt()
}

fn about_configuration(config: &Config, is_fine: bool) -> OutputSubject {
    let lines: Vec<String> = config
        .apis
        .iter()
        .map(|api| {
            let settings = &api.settings;
            format!(
                "  {}  {}, {}, {}",
                settings.name,
                counted(settings.document.operations().len(), "operation"),
                counted(settings.rules.len(), "rule"),
                spoken(settings.contracts().map(|contract| contract.name()))
            )
        })
        .collect();
    let apis: Vec<&str> = config.apis.iter().map(|api| api.settings.name.as_str()).collect();
    let mut human = format!(
        "{}: {}, {}\n{}",
        if is_fine { "fine" } else { "it would be served, and there are warnings" },
        counted(config.apis.len(), "API"),
        counted(config.plans.len(), "plan"),
        lines.join("\n")
    );
    for table in config.apis.iter().filter_map(generations::table) {
        human.push_str("\n\n");
        human.push_str(&table);
    }
    let several = config.apis.iter().filter(|api| !api.settings.generations.is_empty());
    let generations: serde_json::Map<String, serde_json::Value> =
        several.map(|api| (api.settings.name.clone(), generations::as_json(api))).collect();
    let mut value = json!({ "apis": apis, "plans": config.plans.len() });
    if !generations.is_empty() {
        value["generations"] = generations.into();
    }
    OutputSubject { human, value }
}

/// `contract a`, `contracts a, b`.
fn spoken<'n>(names: impl Iterator<Item = &'n str>) -> String {
    let names: Vec<&str> = names.collect();
    format!("contract{} {}", if names.len() == 1 { "" } else { "s" }, names.join(", "))
}
