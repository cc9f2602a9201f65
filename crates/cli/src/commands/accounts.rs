//! `demur accounts`: make, list, show, change the plan, top up.

use comfy_table::{Table, presets};
use demur_admission::{Account, AccountStatement, Command, Reply};

use super::{execute, id, unexpected};
use crate::args::{AccountsVerb, StoreArgs};
use crate::exit::{Exit, Failure};
use crate::output::Output;
use crate::serving::load;

pub(crate) fn run(verb: &AccountsVerb, output: &Output) -> Result<Exit, Failure> {
    let (store, command) = match verb {
        AccountsVerb::Create { store, id: account, name, plan } => {
            let account = account.as_deref().map(id).transpose()?;
            (store, Command::CreateAccount { account, name: name.clone(), plan: plan.clone() })
        }
        AccountsVerb::List { store } => (store, Command::ListAccounts),
        AccountsVerb::Show { store, account } => (store, Command::ShowAccount { account: id(account)? }),
        AccountsVerb::SetPlan { store, account, plan } => {
            (store, Command::SetPlan { account: id(account)?, plan: plan.clone() })
        }
        AccountsVerb::TopUp { store, account, amount, reason } => {
            let (account, reason) = (id(account)?, reason.clone());
            (store, Command::TopUp { account, amount: *amount, reason, operation: None })
        }
    };
    print(store, &command, output)
}

fn print(store: &StoreArgs, command: &Command, output: &Output) -> Result<Exit, Failure> {
    let config = load(&store.config, output)?;
    match execute(&config, command)? {
        Reply::Account(statement) => output.result(&shown(&statement), &statement),
        Reply::Accounts { accounts } => output.result(&table(&accounts), &accounts),
        other => return Err(unexpected(&other)),
    }
    Ok(Exit::Fine)
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
