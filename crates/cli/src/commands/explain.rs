//! `demur explain`: what happened to a request, or what an error means.

use std::io::{IsTerminal, Read};
use std::path::Path;
use std::sync::Arc;

use demur_contract::{Contract, ErrorEntry, RetryClass};
use demur_gateway::Config;
use demur_journal::{Entry, Explanation, Lookup, OpenError, Reader, request_ids};
use demur_source::did_you_mean;
use serde_json::{Value, json};

use crate::args::ExplainArgs;
use crate::exit::{CommandFailure, Exit};
use crate::output::Output;
use crate::serving::{load_quietly, load_store};

/// The most that is read of standard input.
const MAX_TEXT: u64 = 256 * 1024;

pub(crate) fn run(args: &ExplainArgs, output: &Output) -> Result<Exit, CommandFailure> {
    let text = match &args.text {
        Some(text) => text.clone(),
        None => read_input()?,
    };
    if request_ids(&text).is_empty() {
        return explain_codes(&text, args, output);
    }
    let config = load_store(&args.config)?;
    let found = open(&config)?
        .look_up(&text)
        .map_err(|error| CommandFailure::unavailable(format!("the journal cannot be read: {error}"), None))?;
    match found {
        Lookup::Found(entry) => {
            print(&entry, output);
            Ok(Exit::Ok)
        }
        missing => {
            let (message, help) = not_found(&missing);
            Err(CommandFailure::rejected(message, help))
        }
    }
}

fn read_input() -> Result<String, CommandFailure> {
    let mut input = std::io::stdin();
    if input.is_terminal() {
        let help = "write the request ID behind the command, or pipe the response into it: `curl -i … | demur explain`";
        return Err(CommandFailure::usage("nothing to explain", help.to_owned()));
    }
    let mut bytes = Vec::new();
    let read = input.by_ref().take(MAX_TEXT).read_to_end(&mut bytes);
    read.map_err(|error| CommandFailure::unavailable(format!("standard input: {error}"), None))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Opens the journal of a configuration.
pub(super) fn open(config: &Config) -> Result<Reader, CommandFailure> {
    let Some(journal) = &config.journal else {
        let help = "add `journal: journal.db` to the configuration, and restart the gateway".to_owned();
        return Err(CommandFailure::unavailable("the configuration has no journal", help));
    };
    Reader::open(&journal.path).map_err(|error| {
        let help = match &error {
            OpenError::Missing(_) => "the gateway creates it when it starts: `demur serve`",
            OpenError::Newer { .. } => "use the version of demur that the gateway runs",
            _ => "delete the file, and the gateway creates a new one",
        };
        CommandFailure::unavailable(error.to_string(), help.to_owned())
    })
}

/// Why a request is not in the journal.
fn not_found(missing: &Lookup) -> (String, String) {
    match missing {
        Lookup::Foreign(id) => (
            format!("`{}` is not a request ID of this gateway", id.digits),
            "use the ID in the response; the gateway ignores IDs that clients send".to_owned(),
        ),
        Lookup::Expired { id, made_at, oldest } => (
            format!("the entry of `{}` has expired: the request was made at {made_at}", id.digits),
            format!(
                "the journal begins at {oldest}: raise `journal.max_age` and `journal.max_size` to keep more"
            ),
        ),
        Lookup::Unknown { id, made_at, .. } if *made_at > jiff::Timestamp::now() => (
            format!("`{}` was made in the future, at {made_at}", id.digits),
            "check the clocks of this machine and of the gateway".to_owned(),
        ),
        Lookup::Unknown { id, made_at, lost } => {
            let lost = match lost {
                0 => String::new(),
                lost => format!("; {lost} entries were lost in this time"),
            };
            (
                format!("the journal has no entry of `{}`, made at {made_at}", id.digits),
                format!(
                    "the request succeeded and is not kept (`journal.successes_one_in`), or it went to another gateway{lost}"
                ),
            )
        }
        Lookup::Found(_) | Lookup::NoId => (
            "there is no request ID in this text".to_owned(),
            "paste the whole response, with its headers".to_owned(),
        ),
    }
}

fn print(entry: &Entry, output: &Output) {
    let explanation = Explanation::of(entry);
    output.result(&human(entry, &explanation), &json!({ "request": entry, "explanation": explanation }));
}

fn human(entry: &Entry, explanation: &Explanation) -> String {
    let unknown = || "unknown".to_owned();
    let request =
        [entry.method.clone(), entry.path.clone()].into_iter().flatten().collect::<Vec<_>>().join(" ");
    let mut api = entry.api.clone().unwrap_or_else(unknown);
    if let Some(operation) = &entry.operation {
        api += &format!(", operation {operation}");
    }
    let mut caller: Vec<String> = Vec::new();
    caller.extend(entry.account.as_ref().map(|account| format!("account {account}")));
    caller.extend(entry.key.as_ref().map(|key| format!("key {key}")));
    caller.extend(entry.client.map(|client| format!("address {client}")));
    let mut rows = vec![
        ("request", request),
        ("id", entry.request_id.clone()),
        ("time", format!("{:.3}, {} ms", entry.timestamp, entry.duration_ms)),
        ("api", api),
        ("caller", caller.join(", ")),
    ];
    if let Some(condition) = &entry.condition {
        rows.push(("condition", condition.clone()));
    }
    rows.push(("checks", explanation.checks.join("; ")));
    rows.push(("charged", explanation.charge.clone()));
    rows.push(("responsible", explanation.responsible.to_owned()));
    let rows: Vec<String> = rows
        .iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| format!("  {name:<12} {value}"))
        .collect();
    let mut text = format!("{}\n\n{}\n", explanation.outcome, rows.join("\n"));
    for (title, lines) in [("Why", &explanation.reason), ("What to do", &explanation.next)] {
        if !lines.is_empty() {
            text += &format!("\n{title}\n  {}\n", lines.join("\n  "));
        }
    }
    text.trim_end().to_owned()
}

/// Explains the errors whose codes are in a text.
fn explain_codes(text: &str, args: &ExplainArgs, output: &Output) -> Result<Exit, CommandFailure> {
    let (config, _) = load_quietly(Path::new(&args.config), output)?;
    let contracts = contracts(&config);
    let words: Vec<&str> = text
        .split(|char: char| !(char.is_alphanumeric() || matches!(char, '_' | '-' | '.')))
        .filter(|word| !word.is_empty())
        .collect();
    let is_meant = |entry: &ErrorEntry| {
        words.iter().any(|word| *word == entry.name || entry.code.as_deref() == Some(*word))
    };
    let mut found: Vec<(&Arc<Contract>, &ErrorEntry)> = Vec::new();
    for contract in &contracts {
        found.extend(
            contract.entries().map(|(_, entry)| (contract, entry)).filter(|(_, entry)| is_meant(entry)),
        );
    }
    if found.is_empty() {
        let codes = contracts.iter().flat_map(|contract| contract.entries());
        let codes: Vec<&str> = codes.map(|(_, entry)| entry.code.as_deref().unwrap_or(&entry.name)).collect();
        let help = match words.as_slice() {
            [word] => {
                did_you_mean(word, codes.iter().copied()).map(|known| format!("did you mean `{known}`?"))
            }
            _ => None,
        };
        let help = help.unwrap_or_else(|| {
            "paste the whole response, with its headers: `curl -i … | demur explain`".to_owned()
        });
        return Err(CommandFailure::rejected("no request ID and no code of an error in this text", help));
    }
    let texts: Vec<String> = found.iter().map(|(contract, entry)| error(contract, entry)).collect();
    let values: Vec<Value> = found.iter().map(|(contract, entry)| error_json(contract, entry)).collect();
    output.result(&texts.join("\n\n"), &json!({ "errors": values }));
    Ok(Exit::Ok)
}

/// The contracts of a configuration, each once.
fn contracts(config: &Config) -> Vec<Arc<Contract>> {
    let mut contracts: Vec<Arc<Contract>> = Vec::new();
    let of_apis = config.apis.iter().flat_map(|api| api.settings.contracts());
    for contract in of_apis.chain([&config.default_contract]) {
        if !contracts.iter().any(|known| known.name() == contract.name()) {
            contracts.push(Arc::clone(contract));
        }
    }
    contracts
}

fn retry(class: RetryClass) -> &'static str {
    match class {
        RetryClass::Never => "never: the same request fails again",
        RetryClass::AfterFix => "after the cause is fixed",
        RetryClass::AfterDelay => "after the delay that the response names",
        RetryClass::AtReset => "when the quota's period ends",
        RetryClass::Backoff => "with a growing delay, if the request is idempotent",
    }
}

fn error(contract: &Contract, entry: &ErrorEntry) -> String {
    let code = entry.code.as_deref().unwrap_or(&entry.name);
    let mut text = format!("{} {code} (contract {})\n\n", entry.status, contract.name());
    let mut row = |name: &str, value: Option<String>| {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            text.push_str(&format!("  {name:<12} {value}\n"));
        }
    };
    row("title", Some(entry.title.to_string()));
    row("message", Some(entry.message.to_string()));
    row("type", entry.kind.clone());
    row("meaning", entry.docs.description.clone());
    row("cause", entry.docs.cause.clone());
    row("fix", Some(entry.docs.fix.join(" ")));
    row("retry", Some(retry(entry.retry.class).to_owned()));
    row("page", entry.doc_url.clone());
    row("replaced by", entry.docs.replaced_by.clone());
    text.trim_end().to_owned()
}

fn error_json(contract: &Contract, entry: &ErrorEntry) -> Value {
    json!({
        "contract": contract.name(),
        "error": entry.name,
        "code": entry.code,
        "status": entry.status.as_u16(),
        "type": entry.kind,
        "title": entry.title.to_string(),
        "message": entry.message.to_string(),
        "description": entry.docs.description,
        "cause": entry.docs.cause,
        "fix": entry.docs.fix,
        "retry": entry.retry.class.as_str(),
        "doc_url": entry.doc_url,
    })
}
