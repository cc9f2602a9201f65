//! `demur tail`: requests as they are rejected or fail.

use std::io::Write;
use std::thread;
use std::time::Duration;

use demur_journal::{Entry, Explanation, Filter, Reader};

use crate::args::TailArgs;
use crate::commands::explain::open;
use crate::exit::{CommandFailure, Exit};
use crate::output::Output;
use crate::serving::load_store;

/// Between two looks at the journal.
const PAUSE: Duration = Duration::from_millis(200);
/// The most entries that are read at once.
const BATCH: usize = 1_000;

pub(crate) fn run(args: &TailArgs, output: &Output) -> Result<Exit, CommandFailure> {
    let config = load_store(&args.config)?;
    let mut reader = open(&config)?;
    let filter = Filter {
        account: args.account.clone(),
        key: args.key.clone(),
        code: args.code.clone(),
        condition: args.condition.clone(),
        api: args.api.clone(),
        operation: args.operation.clone(),
        status: args.status,
        ..Filter::default()
    };
    let failure = |error: &dyn std::fmt::Display| {
        CommandFailure::unavailable(format!("the journal cannot be read: {error}"), None)
    };
    let mut last = reader.last_number().map_err(|error| failure(&error))?;
    let newest = reader.newest(&filter, args.lines).map_err(|error| failure(&error))?;
    for recorded in newest.iter().rev() {
        if print(&recorded.entry, output).is_err() {
            return Ok(Exit::Ok);
        }
    }
    if args.no_follow {
        return Ok(Exit::Ok);
    }
    loop {
        thread::sleep(PAUSE);
        match follow(&reader, &filter, last) {
            Ok((entries, number)) => {
                last = number;
                for entry in entries {
                    // Nobody reads any more.
                    if print(&entry, output).is_err() {
                        return Ok(Exit::Ok);
                    }
                }
            }
            // The file was deleted or replaced.
            Err(error) => {
                output.note(&format!("the journal cannot be read: {error}"));
                thread::sleep(Duration::from_secs(1));
                if let Ok(again) = open(&config) {
                    (reader, last) = (again, 0);
                }
            }
        }
    }
}

/// The entries after a number, and the number up to which the journal was read.
fn follow(reader: &Reader, filter: &Filter, last: i64) -> Result<(Vec<Entry>, i64), String> {
    let number = reader.last_number().map_err(|error| error.to_string())?;
    if number <= last {
        return Ok((Vec::new(), last));
    }
    let found = reader.after(last, filter, BATCH).map_err(|error| error.to_string())?;
    let read_up_to = match found.len() {
        BATCH => found.last().map_or(number, |recorded| recorded.number),
        _ => number,
    };
    Ok((found.into_iter().map(|recorded| recorded.entry).collect(), read_up_to))
}

fn print(entry: &Entry, output: &Output) -> std::io::Result<()> {
    if output.is_json() {
        let mut stdout = std::io::stdout().lock();
        let line = serde_json::to_string(entry).unwrap_or_default();
        return writeln!(stdout, "{line}").and_then(|()| stdout.flush());
    }
    output.line(&line(entry))
}

/// One line for people.
fn line(entry: &Entry) -> String {
    let explanation = Explanation::of(entry);
    let place = [entry.method.as_deref(), entry.path.as_deref()];
    let place = place.into_iter().flatten().collect::<Vec<_>>().join(" ");
    let who = entry.account.as_deref().unwrap_or("-");
    let reason = explanation.reason.first().map_or("", String::as_str);
    format!("{:.3}  {}  {place}  {who}  {}  {reason}", entry.timestamp, explanation.outcome, entry.request_id)
}
