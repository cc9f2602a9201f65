//! Accounts: plan, credits and keys, as they are.

use demur_admission::{AccountId, Command, KeySummary, Page as ListPage, Reply};
use minijinja::{Value, context};

use super::{Page, parameter};
use crate::directory::Directory;
use crate::view::moment;

/// The entries of a statement, and the accounts of a list.
const ENTRIES: u32 = 20;
const ACCOUNTS: u32 = 200;

pub(crate) fn page(directory: &dyn Directory, query: &str) -> Result<Page, String> {
    let after = parameter(query, "after").and_then(|id| id.parse::<AccountId>().ok());
    let list = Command::ListAccounts { page: ListPage { after, limit: ACCOUNTS } };
    let Reply::Accounts { accounts, more } = directory.execute(&list)? else {
        return Err("The list of accounts cannot be read.".to_owned());
    };
    let asked = parameter(query, "id").and_then(|id| id.parse::<AccountId>().ok());
    let chosen = asked.or_else(|| accounts.first().map(|account| account.id.clone()));
    let people: Vec<Value> = accounts
        .iter()
        .map(|account| {
            let is_current = chosen.as_ref() == Some(&account.id);
            context! { id => account.id.as_str(), plan => account.plan, is_current }
        })
        .collect();
    let next = accounts.last().filter(|_| more).map(|last| last.id.as_str().to_owned());
    let account = chosen.map(|id| account(directory, id)).transpose()?;
    Ok(Page::new("accounts.html", "Accounts", context! { people, next, account }))
}

fn account(directory: &dyn Directory, id: AccountId) -> Result<Value, String> {
    let statement = Command::Statement { account: id.clone(), since: None, limit: ENTRIES };
    let (found, entries) = match directory.execute(&statement)? {
        Reply::Statement { account, entries, .. } => (account, entries),
        Reply::Rejected { fault } => return Ok(context! { id => id.as_str(), missing => fault.to_string() }),
        _ => return Err("The account cannot be read.".to_owned()),
    };
    let keys =
        Command::ListKeys { account: Some(id.clone()), page: ListPage { after: None, limit: ACCOUNTS } };
    let keys = match directory.execute(&keys)? {
        Reply::Keys { keys, .. } => keys,
        _ => Vec::new(),
    };
    let balance = found.credits;
    let entries: Vec<Value> = entries
        .iter()
        .map(|entry| {
            let change = entry.change();
            let is_request =
                demur_journal::request_ids(&entry.operation).iter().any(|id| id.made_at.is_some());
            context! {
                at => moment(entry.at), kind => format!("{:?}", entry.kind), change => format!("{change:+}"),
                is_plus => change > 0, balance => entry.balance, operation => entry.operation,
                reason => entry.reason, is_request,
            }
        })
        .collect();
    Ok(context! {
        id => id.as_str(), name => found.account.name, plan => found.account.plan,
        available => balance.available, held => balance.held,
        resets_at => balance.resets_at.map(moment),
        keys => keys.iter().map(key).collect::<Vec<_>>(), entries,
    })
}

fn key(key: &KeySummary) -> Value {
    context! {
        id => key.key.id.as_str(), api => key.key.api, state => format!("{:?}", key.state).to_lowercase(),
        created => moment(key.key.created), expires => key.key.expires.map(moment),
    }
}
