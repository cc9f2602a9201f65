//! `demur accounts`: manage accounts, their plans and credits, and the ledger.

use std::path::Path;

use comfy_table::{Table, presets};
use demur_admission::{
    Account, AccountStatement, Check, Command, GrantDay, LimitBy, LimitUse, OperationId, Page, Reply,
    StatementEntry, StatementKind,
};
use serde_json::json;

use super::{execute, id, plain, unexpected};
use crate::args::{AccountsCommand, BookingArgs, StoreArgs};
use crate::exit::{CommandFailure, Exit};
use crate::output::{Output, counted};
use crate::progress::Progress;
use crate::serving::load_store;

pub(crate) fn run(args: &AccountsCommand, output: &Output) -> Result<Exit, CommandFailure> {
    let (store, command) = command(args)?;
    print(store, &command, output)
}

fn command(args: &AccountsCommand) -> Result<(&StoreArgs, Command), CommandFailure> {
    Ok(match args {
        AccountsCommand::Create { store, id: account, name, plan, grant_day } => {
            let account = account.as_deref().map(id).transpose()?;
            let (name, plan, grant_day) = (plain(name)?, plan.clone().unwrap_or_default(), day(*grant_day));
            (store, Command::CreateAccount { account, name, plan, grant_day })
        }
        AccountsCommand::List { store, page } => {
            let page = Page { after: page.after.as_deref().map(id).transpose()?, limit: page.limit };
            (store, Command::ListAccounts { page })
        }
        AccountsCommand::Show { store, account } => (store, Command::ShowAccount { account: id(account)? }),
        AccountsCommand::Delete { store, account, revoke_keys } => {
            (store, Command::DeleteAccount { account: id(account)?, revoke_keys: *revoke_keys })
        }
        AccountsCommand::SetPlan { store, account, plan } => {
            (store, Command::SetPlan { account: id(account)?, plan: plan.clone() })
        }
        AccountsCommand::SetGrantDay { store, account, day: number } => {
            (store, Command::SetGrantDay { account: id(account)?, grant_day: day(*number) })
        }
        AccountsCommand::TopUp(booking) => {
            let (account, reason) = (id(&booking.account)?, plain(&booking.reason)?);
            let (amount, operation) = (booking.amount, booking_id(booking)?);
            (&booking.store, Command::TopUp { account, amount, reason, operation })
        }
        AccountsCommand::Withdraw(booking) => {
            let (account, reason) = (id(&booking.account)?, plain(&booking.reason)?);
            let (amount, operation) = (booking.amount, booking_id(booking)?);
            (&booking.store, Command::Withdraw { account, amount, reason, operation })
        }
        AccountsCommand::Refund { store, account, operation, amount, reason } => {
            let (account, operation, reason) = (id(account)?, id(operation)?, plain(reason)?);
            (store, Command::Refund { account, operation, amount: *amount, reason })
        }
        AccountsCommand::Statement { store, account, since, limit } => {
            (store, Command::Statement { account: id(account)?, since: *since, limit: *limit })
        }
        AccountsCommand::Verify { store } => (store, Command::Verify),
        AccountsCommand::Backup { store, to } => {
            // The running gateway writes the file, and may have another working directory.
            let to = std::path::absolute(to).map_err(|error| {
                CommandFailure::usage(format!("invalid path `{}`: {error}", to.display()), None)
            })?;
            if to.exists() {
                let help = "choose another file name: `demur accounts backup FILE`".to_owned();
                return Err(CommandFailure::rejected(format!("`{}` already exists", to.display()), help));
            }
            (store, Command::Backup { to })
        }
        AccountsCommand::Prune { store, before } => (store, Command::Prune { before: *before }),
    })
}

/// The arguments' own check has rejected other numbers.
fn day(number: Option<u8>) -> Option<GrantDay> {
    number.and_then(|number| number.try_into().ok())
}

/// The ledger knows an idempotency key as the ID of the operation.
fn booking_id(args: &BookingArgs) -> Result<Option<OperationId>, CommandFailure> {
    args.idempotency_key.as_deref().or(args.operation.as_deref()).map(id).transpose()
}

fn print(store: &StoreArgs, command: &Command, output: &Output) -> Result<Exit, CommandFailure> {
    let config = load_store(&store.config)?;
    let progress = match command {
        Command::Verify => Progress::spinner(output, "verifying the ledger"),
        Command::Backup { .. } => Progress::spinner(output, "backing up the database"),
        _ => Progress::none(),
    };
    let reply = execute(&config, command);
    drop(progress);
    match reply? {
        Reply::Account(statement) if matches!(command, Command::ShowAccount { .. }) => {
            output.result(&summary(&statement), &statement);
        }
        Reply::Account(statement) if matches!(command, Command::DeleteAccount { .. }) => {
            let id = &statement.account.id;
            let human = format!("deleted {id}; its statement stays: `demur accounts statement {id}`");
            output.value(id.as_str(), &human, &statement);
        }
        Reply::Account(statement) => {
            output.value(statement.account.id.as_str(), &summary(&statement), &statement);
        }
        Reply::Accounts { accounts, more } => {
            output.result(&table(&accounts), &accounts);
            if let (true, Some(last)) = (more, accounts.last()) {
                output.note(&format!("more accounts: use `--after {}`", last.id));
            }
        }
        Reply::Statement { account, entries, more } => {
            let value = json!({ "account": account, "entries": entries, "more": more });
            output.result(&format!("{}\n\n{}", summary(&account), entries_table(&entries)), &value);
            if more {
                output.note("more entries: use a larger `--limit`");
            }
        }
        Reply::Verified { checks } => return Ok(verified(&checks, output)),
        Reply::BackedUp { to, bytes } => backed_up(&to, bytes, output),
        Reply::Pruned { operations } => {
            let count = usize::try_from(operations).unwrap_or(usize::MAX);
            let human = format!("deleted {}; balances have not changed", counted(count, "operation"));
            output.result(&human, &json!({ "operations": operations }));
        }
        other => return Err(unexpected(&other)),
    }
    Ok(Exit::Ok)
}

fn verified(checks: &[Check], output: &Output) -> Exit {
    let is_consistent = checks.iter().all(|check| check.violations.is_empty());
    let mut lines = Vec::new();
    for Check { rule, examined, violations } in checks {
        lines.push(format!(
            "{}  {rule} ({examined} examined)",
            if violations.is_empty() { "ok    " } else { "FAILED" }
        ));
        lines.extend(violations.iter().map(|violation| format!("          {violation}")));
    }
    output.result(&lines.join("\n"), &json!({ "consistent": is_consistent, "checks": checks }));
    if is_consistent { Exit::Ok } else { Exit::ProblemsFound }
}

fn backed_up(to: &Path, bytes: u64, output: &Output) {
    let human = format!("wrote {} ({bytes} bytes)", to.display());
    output.result(&human, &json!({ "to": to, "bytes": bytes }));
    output.note("the backup does not contain the pepper: store a copy of the pepper file in another place");
}

fn summary(statement: &AccountStatement) -> String {
    let AccountStatement { account, credits, limits, deleted } = statement;
    let resets = credits.resets_at.map_or_else(|| "never".to_owned(), |moment| moment.to_string());
    let deleted = deleted.map_or_else(String::new, |at| format!("\n  deleted       {at:.0}"));
    let plan = if account.plan.is_empty() { "none" } else { &account.plan };
    let grant_day = account.grant_day.map_or_else(String::new, |day| format!("\n  grant day     {day}"));
    let mut text = format!(
        "{}  {}{deleted}\n  plan          {plan}{grant_day}\n  credits       {} available, {} held, {} spent\n  granted       {}, of which {} expired\n  next renewal  {resets}",
        account.id,
        account.name,
        credits.available,
        credits.held,
        credits.posted,
        credits.granted,
        credits.expired,
    );
    for (index, limit) in limits.iter().enumerate() {
        let heading = if index == 0 { "limits" } else { "" };
        text.push_str(&format!("\n  {heading:<14}{}", limit_use(limit)));
    }
    text
}

/// `minute: 3 of 5 in 1m left`
fn limit_use(limit: &LimitUse) -> String {
    let per = limit.window_ms.map_or_else(String::new, |window| format!(" in {}", window_text(window)));
    let max = limit.limit;
    let left = match (limit.remaining, limit.limit_by) {
        (Some(left), _) => format!("{left} of {max}{per} left"),
        (None, LimitBy::Address) => format!("{max}{per} for each address"),
        (None, _) => format!("{max}{per} for each key"),
    };
    let until = limit.resets_at.map_or_else(String::new, |at| format!(", until {at:.0}"));
    let shadow = if limit.shadow { " (shadow)" } else { "" };
    format!("{}: {left}{until}{shadow}", limit.name)
}

/// A window as the configuration writes it, in the largest unit without a rest.
fn window_text(millis: u64) -> String {
    const UNITS: [(u64, &str); 4] = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1000, "s")];
    let unit = UNITS.into_iter().find(|(unit, _)| millis >= *unit && millis.is_multiple_of(*unit));
    unit.map_or_else(|| format!("{millis}ms"), |(unit, name)| format!("{}{name}", millis / unit))
}

fn entries_table(entries: &[StatementEntry]) -> String {
    if entries.is_empty() {
        return "no entries".to_owned();
    }
    let mut table = Table::new();
    let header = ["TIME", "TYPE", "CREDITS", "BALANCE", "OPERATION", "REASON"];
    table.load_preset(presets::NOTHING).set_header(header);
    for entry in entries {
        let (at, balance) = (format!("{:.0}", entry.at), entry.balance.to_string());
        let reason = entry.reason.as_deref().unwrap_or("");
        table.add_row([&at, entry_type(entry.kind), &credits(entry), &balance, &entry.operation, reason]);
    }
    table.trim_fmt()
}

fn entry_type(kind: StatementKind) -> &'static str {
    match kind {
        StatementKind::Grant => "monthly grant",
        StatementKind::TopUp => "top-up",
        StatementKind::Refund => "refund",
        StatementKind::Withdrawal => "withdrawal",
        StatementKind::Held => "held",
        StatementKind::Posted => "spent",
        StatementKind::Released => "released",
        StatementKind::OutcomeUnknown => "spent, outcome unknown",
        StatementKind::Expired => "expired",
    }
}

/// The change of the balance with its sign, or the amount without a sign if the balance did not change.
fn credits(entry: &StatementEntry) -> String {
    match entry.change() {
        0 => entry.amount.to_string(),
        change => format!("{change:+}"),
    }
}

fn table(accounts: &[Account]) -> String {
    if accounts.is_empty() {
        return "no accounts: create one with `demur accounts create`".to_owned();
    }
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_header(["ID", "NAME", "PLAN"]);
    for account in accounts {
        let plan = if account.plan.is_empty() { "-" } else { &account.plan };
        table.add_row([account.id.as_str(), &account.name, plan]);
    }
    table.trim_fmt()
}
