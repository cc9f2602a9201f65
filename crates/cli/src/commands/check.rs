//! `demur check`: report the errors and warnings of a contract or configuration, and describe a valid one.

use std::path::Path;
use std::sync::Arc;

use demur_config::migrate::{FileError, FixError, fix_contract_file, fix_file};
use demur_contract::{Contract, EntrySource, FieldFidelity};
use demur_gateway::{Config, StoreUrl};
use demur_source::{Diagnostics, Source, Span};
use serde_json::json;

use super::detect::is_contract;
use super::reload::ask;
use super::{upstream_errors, versions};
use crate::args::CheckArgs;
use crate::effective;
use crate::exit::{CommandFailure, Exit, cannot_read};
use crate::output::{Output, OutputSubject, counted};
use crate::preflight;
use crate::progress::Progress;
use crate::reload::{ProcessReply, ProcessRequest};

pub(crate) fn run(args: &CheckArgs, output: &Output) -> Result<Exit, CommandFailure> {
    let mut source = read(&args.file)?;
    let mut diff = None;
    if args.fix {
        let fixed = if is_contract(&source) { fix_contract_file(&args.file) } else { fix_file(&args.file) };
        let fixed = match fixed {
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
    if args.print_effective {
        return print_effective(&source, &args.file, output);
    }
    let folder = args.file.parent().unwrap_or_else(|| Path::new(""));
    let progress = Progress::spinner(output, "checking");
    let checked = inspect(&source, folder, args.allow_lockout);
    drop(progress);
    Ok(match checked {
        Ok((about, warnings)) => {
            output.findings(&warnings, Some(about.with_diff(diff)));
            if warnings.is_empty() || !args.strict { Exit::Ok } else { Exit::ProblemsFound }
        }
        Err(found) => {
            let changed = diff.filter(|diff| !diff.is_empty());
            let changed = changed.map(|diff| OutputSubject { value: json!({ "diff": diff }), human: diff });
            output.findings(&found, changed);
            Exit::Configuration
        }
    })
}

fn print_effective(source: &Arc<Source>, file: &Path, output: &Output) -> Result<Exit, CommandFailure> {
    if is_contract(source) {
        let help = "`--print-effective` is for configurations".to_owned();
        return Err(CommandFailure::usage(format!("`{}` is a contract", file.display()), help));
    }
    let folder = file.parent().unwrap_or_else(|| Path::new(""));
    let (loaded, inputs) = demur_config::load_gateway_with_inputs(source, folder);
    loaded.map_err(CommandFailure::Configuration)?;
    let effective = effective::of(&inputs.tree)?;
    output.result(effective::yaml(&effective).trim_end(), &effective);
    Ok(Exit::Ok)
}

fn read(file: &Path) -> Result<Arc<Source>, CommandFailure> {
    Source::read(file).map_err(|error| {
        let help = "pass a configuration or a contract: `demur check FILE`".to_owned();
        CommandFailure::unavailable(cannot_read(file, &error), help)
    })
}

/// The description and the warnings of a valid file, or every error.
fn inspect(
    source: &Arc<Source>,
    folder: &Path,
    allow_lockout: bool,
) -> Result<(OutputSubject, Diagnostics), Diagnostics> {
    if is_contract(source) {
        let loaded = Contract::load(source)?;
        return Ok((describe_contract(&loaded.contract), loaded.warnings));
    }
    let (config, mut warnings) = demur_config::load_gateway(source, folder)?;
    let of_store = preflight::diagnostics(source, &config, allow_lockout);
    let is_valid = !of_store.has_errors();
    warnings.extend(of_store);
    if !is_valid {
        return Err(warnings);
    }
    let mut about = describe_configuration(&config);
    if let Some(running) = compare(source, &config, &mut warnings) {
        about.human.push_str(&running.human);
        about.value["running"] = running.value;
    }
    Ok((about, warnings))
}

/// What a reload of the gateway that runs on the same store would change. What needs a restart is a warning.
fn compare(source: &Arc<Source>, config: &Config, warnings: &mut Diagnostics) -> Option<OutputSubject> {
    let StoreUrl::Sqlite(store) = &config.store else { return None };
    let file = std::path::absolute(&source.name).ok()?;
    // A gateway of another version knows no such request, and does not keep the file from being checked.
    let reply = ask(store, &ProcessRequest::Compare { file }).ok()?;
    let ProcessReply::Compared { generation, changes, needs_restart } = reply else { return None };
    let root = demur_source::parse(source).ok();
    for key in &needs_restart {
        let node = key.split('.').try_fold(root.as_ref()?, |node, name| node.get(name));
        let span = node.or(root.as_ref()).map_or_else(Span::default, |node| node.span);
        let message = format!("a change of `{key}` needs a restart: the running gateway rejects a reload");
        warnings.warning(source, span, "needs-restart", message, None);
    }
    let list: String = changes.iter().map(|change| format!("\n  {change}")).collect();
    let human = match (changes.is_empty(), needs_restart.is_empty()) {
        (true, _) => format!("\n\nrunning gateway (generation {generation}): serves this file"),
        (false, true) => {
            format!("\n\nrunning gateway (generation {generation}): a reload would change{list}")
        }
        (false, false) => {
            format!("\n\nrunning gateway (generation {generation}): a restart would change{list}")
        }
    };
    let value = json!({ "generation": generation, "changes": changes, "needs_restart": needs_restart });
    Some(OutputSubject { human, value })
}

fn describe_contract(contract: &Contract) -> OutputSubject {
    let derived: Vec<String> = contract
        .entries()
        .filter(|(_, entry)| matches!(entry.source, EntrySource::Derived(of) if of.is_listed()))
        .map(|(_, entry)| format!("  {}  {}", entry.status, entry.name))
        .collect();
    let declared = contract.entries().filter(|(_, entry)| entry.source == EntrySource::Declared).count();
    let mut human = format!("{}: {} declared", contract.name(), counted(declared, "error"));
    if !derived.is_empty() {
        human.push_str(&format!(
            "\n{} no error of their own and use the default status and title:\n{}",
            match derived.len() {
                1 => "1 condition has".to_owned(),
                count => format!("{count} conditions have"),
            },
            derived.join("\n")
        ));
    }
    let fields = contract.round_trip_report();
    human.push_str(&format!(
        "\n\nround-trip report: what a client can read back from a response (`lost` is not an error)\n{}",
        table(contract, &fields)
    ));
    let pairs = contract.ambiguous_pairs();
    for pair in &pairs {
        let name = |error| contract.entry(error).name.as_str();
        let when = if pair.always { "" } else { " in some responses" };
        let declared = if pair.declared { ", which is intended (`same_as`)" } else { "" };
        human.push_str(&format!(
            "\na client cannot distinguish `{}` from `{}`{when}{declared}",
            name(pair.first),
            name(pair.second)
        ));
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
        "round_trip": fields.iter().map(|field| json!({
            "format": field.format,
            "error": field.error.map(|error| contract.entry(error).name.as_str()),
            "part": field.part,
            "result": field.fidelity.word(),
            "how": field.fidelity.to_string(),
        })).collect::<Vec<_>>(),
        "ambiguous_pairs": pairs.iter().map(|pair| json!({
            "first": contract.entry(pair.first).name,
            "second": contract.entry(pair.second).name,
            "always": pair.always,
            "declared": pair.declared,
            "discriminators": pair.discriminators.iter().map(|discriminator| discriminator.as_str()).collect::<Vec<_>>(),
        })).collect::<Vec<_>>(),
    });
    OutputSubject { human, value }
}

/// One row for each field and format: kept or lost, and why. A row with an error name is for that error only.
fn table(contract: &Contract, fields: &[FieldFidelity]) -> String {
    let mut table = comfy_table::Table::new();
    table
        .load_preset(comfy_table::presets::NOTHING)
        .set_header(["  FORMAT", "ERROR", "FIELD", "RESULT", "REASON"]);
    for field in fields {
        let reason = field.fidelity.reason();
        let error = field.error.map_or("", |error| contract.entry(error).name.as_str());
        table.add_row([&format!("  {}", field.format), error, &field.part, field.fidelity.word(), &reason]);
    }
    table.trim_fmt()
}

fn describe_configuration(config: &Config) -> OutputSubject {
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
                contract_list(settings.contracts().map(|contract| contract.name()))
            )
        })
        .collect();
    let apis: Vec<&str> = config.apis.iter().map(|api| api.settings.name.as_str()).collect();
    let mut human = format!(
        "{}, {}\n{}",
        counted(config.apis.len(), "API"),
        counted(config.plans.len(), "plan"),
        lines.join("\n")
    );
    for table in config.apis.iter().filter_map(versions::table) {
        human.push_str("\n\n");
        human.push_str(&table);
    }
    config.apis.iter().for_each(|api| human.push_str(&upstream_errors::tables(api)));
    let of_upstreams: serde_json::Map<String, serde_json::Value> =
        config.apis.iter().map(|api| (api.settings.name.clone(), upstream_errors::as_json(api))).collect();
    let several = config.apis.iter().filter(|api| !api.settings.versions.is_empty());
    let versions: serde_json::Map<String, serde_json::Value> =
        several.map(|api| (api.settings.name.clone(), versions::as_json(api))).collect();
    let mut value = json!({ "apis": apis, "plans": config.plans.len(), "upstream_errors": of_upstreams });
    if !versions.is_empty() {
        value["versions"] = versions.into();
    }
    OutputSubject { human, value }
}

/// ``contract `a` ``, ``contracts `a`, `b` ``.
fn contract_list<'n>(names: impl Iterator<Item = &'n str>) -> String {
    let names: Vec<String> = names.map(|name| format!("`{name}`")).collect();
    format!("contract{} {}", if names.len() == 1 { "" } else { "s" }, names.join(", "))
}
