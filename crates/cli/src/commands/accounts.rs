//! `demur accounts`: make, list, show, change the plan; credits, their statement, and the books.

use std::path::Path;

use comfy_table::{Table, presets};
use demur_admission::{
    Account, AccountStatement, Check, Command, OperationId, Page, Reply, StatementEntry, StatementKind,
};
use serde_json::json;

use super::{execute, id, plain, unexpected};
use crate::args::{AccountsCommand, BookingArgs, StoreArgs};
use crate::exit::{CommandFailure, Exit};
use crate::output::{Output, counted};
use crate::serving::load;

pub(crate) fn run(verb: &AccountsCommand, output: &Output) -> Result<Exit, CommandFailure> {
    let (store, command) = command(verb)?;
    print(store, &command, output)
}

fn command(verb: &AccountsCommand) -> Result<(&StoreArgs, Command), CommandFailure> {
    let operation = |given: &Option<String>| given.as_deref().map(id::<OperationId>).transpose();
    Ok(match verb {
        AccountsCommand::Create { store, id: account, name, plan } => {
            let account = account.as_deref().map(id).transpose()?;
            (store, Command::CreateAccount { account, name: plain(name)?, plan: plan.clone() })
        }
        AccountsCommand::List { store, page } => {
            let page = Page { after: page.after.as_deref().map(id).transpose()?, limit: page.limit };
            (store, Command::ListAccounts { page })
        }
        AccountsCommand::Show { store, account } => (store, Command::ShowAccount { account: id(account)? }),
        AccountsCommand::SetPlan { store, account, plan } => {
            (store, Command::SetPlan { account: id(account)?, plan: plan.clone() })
        }
        AccountsCommand::TopUp(booking) => {
            let BookingArgs { store, account, amount, reason, operation: named } = booking;
            let (account, amount, reason) = (id(account)?, *amount, plain(reason)?);
            (store, Command::TopUp { account, amount, reason, operation: operation(named)? })
        }
        AccountsCommand::Withdraw(booking) => {
            let BookingArgs { store, account, amount, reason, operation: named } = booking;
            let (account, amount, reason) = (id(account)?, *amount, plain(reason)?);
            (store, Command::Withdraw { account, amount, reason, operation: operation(named)? })
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
            // The gateway that writes it has another working folder, perhaps.
            let to = std::path::absolute(to)
                .map_err(|error| CommandFailure::usage(format!("{}: {error}", to.display()), None))?;
            (store, Command::Backup { to })
        }
        AccountsCommand::Prune { store, before } => (store, Command::Prune { before: *before }),
    })
}

fn print(store: &StoreArgs, command: &Command, output: &Output) -> Result<Exit, CommandFailure> {
    let config = load(&store.config, output)?;
    match execute(&config, command)? {
        Reply::Account(statement) => output.result(&shown(&statement), &statement),
        Reply::Accounts { accounts, more } => {
            output.result(&table(&accounts), &accounts);
            if let (true, Some(last)) = (more, accounts.last()) {
                output.say(&format!("there are more: go on with `--after {}`", last.id));
            }
        }
        Reply::Statement { account, entries, more } => {
            let value = json!({ "account": account, "entries": entries, "more": more });
            output.result(&format!("{}\n\n{}", shown(&account), entries_table(&entries)), &value);
            if more {
                output.say("there is more: ask for it with `--limit`");
            }
        }
        Reply::Verified { checks } => return Ok(verified(&checks, output)),
        Reply::BackedUp { to, bytes } => backed_up(&to, bytes, output),
        Reply::Pruned { operations } => {
            let count = usize::try_from(operations).unwrap_or(usize::MAX);
            let human = format!("{} forgotten; every balance is as it was", counted(count, "operation"));
            output.result(&human, &json!({ "operations": operations }));
        }
        other => return Err(unexpected(&other)),
    }
    Ok(Exit::Ok)
}

fn verified(checks: &[Check], output: &Output) -> Exit {
    let sound = checks.iter().all(|check| check.violations.is_empty());
    let mut lines = Vec::new();
    for Check { rule, examined, violations } in checks {
        lines.push(format!(
            "{}  {rule} ({examined} looked at)",
            if violations.is_empty() { "ok " } else { "BAD" }
        ));
        lines.extend(violations.iter().map(|violation| format!("       {violation}")));
    }
    output.result(&lines.join("\n"), &json!({ "sound": sound, "checks": checks }));
    if sound { Exit::Ok } else { Exit::ProblemsFound }
}

fn backed_up(to: &Path, bytes: u64, output: &Output) {
    output.result(&format!("{}: {bytes} bytes", to.display()), &json!({ "to": to, "bytes": bytes }));
    output.say("the pepper is not in it: keep a copy of the file beside the database in another place");
}

fn shown(statement: &AccountStatement) -> String {
    let AccountStatement { account, credits } = statement;
    let resets = credits.resets_at.map_or_else(|| "never".to_owned(), |moment| moment.to_string());
    format!(
        "{}  {}\n  plan      {}\n  credits   {} available, {} held, {} spent\n  received  {}, of which {} expired\n  next      monthly credits come {resets}",
        account.id,
        account.name,
        account.plan,
        credits.available,
        credits.held,
        credits.posted,
        credits.granted,
        credits.expired,
    )
}

fn entries_table(entries: &[StatementEntry]) -> String {
    if entries.is_empty() {
        return "nothing has happened yet".to_owned();
    }
    let mut table = Table::new();
    let header = ["WHEN", "WHAT", "CREDITS", "BALANCE", "OPERATION", "REASON"];
    table.load_preset(presets::NOTHING).set_header(header);
    for entry in entries {
        let (at, balance) = (format!("{:.0}", entry.at), entry.balance.to_string());
        let reason = entry.reason.as_deref().unwrap_or("");
        table.add_row([&at, what(entry.kind), &credits(entry), &balance, &entry.operation, reason]);
    }
    table.trim_fmt()
}

fn what(kind: StatementKind) -> &'static str {
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

/// With the sign of what it did to the balance; without one where the balance is as it was.
fn credits(entry: &StatementEntry) -> String {
    match entry.change() {
        0 => entry.amount.to_string(),
        change => format!("{change:+}"),
    }
}

fn table(accounts: &[Account]) -> String {
    if accounts.is_empty() {
        return "no accounts; `demur accounts create` makes one".to_owned();
    }
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_header(["ID", "NAME", "PLAN"]);
    for account in accounts {
        table.add_row([account.id.as_str(), &account.name, &account.plan]);
    }
    table.trim_fmt()
}
