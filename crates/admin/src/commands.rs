//! The operations on accounts, keys and credits, as commands of the store.

use std::collections::{BTreeMap, BTreeSet};

use demur_admission::{
    AccountId, AccountStatement, Command, GrantDay, Grants, KeyId, KeySummary, OperationId, Page, Reply,
    Scope,
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use crate::Host;
use crate::context::AdminContext;
use crate::error::Failure;
use crate::request::AdminRequest;
use crate::response::Done;

/// Executes a command. A rejection is a failure.
fn execute(host: &dyn Host, command: Command) -> Result<Reply, Failure> {
    match host.execute(command) {
        Reply::Rejected { fault } => Err(fault.into()),
        reply => Ok(reply),
    }
}

fn account_of(reply: Reply) -> Result<AccountStatement, Failure> {
    match reply {
        Reply::Account(statement) => Ok(statement),
        _ => Err(unexpected("an account")),
    }
}

fn key_of(reply: Reply) -> Result<KeySummary, Failure> {
    match reply {
        Reply::KeyChanged(key) | Reply::KeyRevoked(key) => Ok(key),
        _ => Err(unexpected("a key")),
    }
}

fn unexpected(wanted: &str) -> Failure {
    Failure::Internal(format!("the store replied with something else than {wanted}"))
}

pub(crate) fn json(value: &impl Serialize) -> Result<Json, Failure> {
    serde_json::to_value(value).map_err(|error| Failure::Internal(error.to_string()))
}

/// A page of a list. `last` is the cursor of the next one, if there is one.
pub(crate) fn page(items: &impl Serialize, last: Option<String>) -> Result<Json, Failure> {
    Ok(json!({ "items": json(items)?, "next": last }))
}

fn account_command(host: &dyn Host, command: Command) -> Result<Done, Failure> {
    Ok(Done::new(json(&account_of(execute(host, command)?)?)?))
}

fn key_command(host: &dyn Host, command: Command) -> Result<Done, Failure> {
    Ok(Done::new(json(&key_of(execute(host, command)?)?)?))
}

pub(crate) fn list_accounts(context: &AdminContext, request: &AdminRequest) -> Result<Json, Failure> {
    let after: Option<AccountId> = request.after()?;
    if let Some(account) = &after {
        // The list would begin anew behind an account that does not exist.
        known_cursor(&*context.host, Command::ShowAccount { account: account.clone() })?;
    }
    let page_of = Page { after, limit: request.limit() };
    match execute(&*context.host, Command::ListAccounts { page: page_of })? {
        Reply::Accounts { accounts, more } => {
            let last = accounts.last().filter(|_| more).map(|account| account.id.to_string());
            page(&accounts, last)
        }
        _ => Err(unexpected("accounts")),
    }
}

pub(crate) fn list_keys(context: &AdminContext, request: &AdminRequest) -> Result<Json, Failure> {
    let after: Option<KeyId> = request.after()?;
    if let Some(key) = &after {
        known_cursor(&*context.host, Command::ShowKey { key: key.clone() })?;
    }
    let account = request.text("account").map(|_| request.id("account")).transpose()?;
    let page_of = Page { after, limit: request.limit() };
    match execute(&*context.host, Command::ListKeys { account, page: page_of })? {
        Reply::Keys { keys, more } => {
            let last = keys.last().filter(|_| more).map(|key| key.key.id.to_string());
            page(&keys, last)
        }
        _ => Err(unexpected("keys")),
    }
}

fn known_cursor(host: &dyn Host, show: Command) -> Result<(), Failure> {
    match execute(host, show) {
        Ok(_) => Ok(()),
        Err(Failure::AccountNotFound(_) | Failure::KeyNotFound(_)) => Err(Failure::InvalidCursor),
        Err(other) => Err(other),
    }
}

pub(crate) fn get_account(context: &AdminContext, request: &AdminRequest) -> Result<Json, Failure> {
    json(&account_of(execute(&*context.host, Command::ShowAccount { account: request.id("account")? })?)?)
}

pub(crate) fn get_key(context: &AdminContext, request: &AdminRequest) -> Result<Json, Failure> {
    json(&key_of(execute(&*context.host, Command::ShowKey { key: request.id("key")? })?)?)
}

pub(crate) fn get_statement(context: &AdminContext, request: &AdminRequest) -> Result<Json, Failure> {
    let (account, since) = (request.id("account")?, request.time("since")?);
    match execute(&*context.host, Command::Statement { account, since, limit: request.limit() })? {
        Reply::Statement { account, entries, more } => {
            Ok(json!({ "account": json(&account)?, "entries": json(&entries)?, "more": more }))
        }
        _ => Err(unexpected("a statement")),
    }
}

#[derive(Deserialize)]
struct NewAccount {
    id: Option<AccountId>,
    name: String,
    #[serde(default)]
    plan: String,
    grant_day: Option<GrantDay>,
}

pub(crate) fn create_account(host: &dyn Host, request: &AdminRequest) -> Result<Done, Failure> {
    let NewAccount { id: account, name, plan, grant_day } = request.body()?;
    let done = account_command(host, Command::CreateAccount { account, name, plan, grant_day })?;
    Ok(Done { status: 201, ..done })
}

#[derive(Deserialize)]
struct PlanChange {
    plan: String,
}

pub(crate) fn change_plan(host: &dyn Host, request: &AdminRequest) -> Result<Done, Failure> {
    let PlanChange { plan } = request.body()?;
    account_command(host, Command::SetPlan { account: request.id("account")?, plan })
}

pub(crate) fn delete_account(host: &dyn Host, request: &AdminRequest) -> Result<Done, Failure> {
    let (account, revoke_keys) = (request.id("account")?, request.flag("revoke_keys"));
    account_command(host, Command::DeleteAccount { account, revoke_keys })
}

#[derive(Deserialize)]
struct Booking {
    amount: u64,
    reason: String,
}

/// The ledger knows an idempotency key as the ID of the operation: it is safe even if the gateway ends meanwhile.
fn booking_id(request: &AdminRequest) -> Option<OperationId> {
    request.text("Idempotency-Key").and_then(|key| key.parse().ok())
}

pub(crate) fn top_up(host: &dyn Host, request: &AdminRequest) -> Result<Done, Failure> {
    let (account, operation) = (request.id("account")?, booking_id(request));
    let Booking { amount, reason } = request.body()?;
    account_command(host, Command::TopUp { account, amount, reason, operation })
}

pub(crate) fn withdraw(host: &dyn Host, request: &AdminRequest) -> Result<Done, Failure> {
    let (account, operation) = (request.id("account")?, booking_id(request));
    let Booking { amount, reason } = request.body()?;
    account_command(host, Command::Withdraw { account, amount, reason, operation })
}

#[derive(Deserialize)]
struct Refund {
    operation: OperationId,
    amount: Option<u64>,
    reason: String,
}

pub(crate) fn refund(host: &dyn Host, request: &AdminRequest) -> Result<Done, Failure> {
    let account = request.id("account")?;
    let Refund { operation, amount, reason } = request.body()?;
    account_command(host, Command::Refund { account, operation, amount, reason })
}

#[derive(Deserialize)]
struct NewKey {
    api: String,
    account: AccountId,
    environment: Option<String>,
    expires: Option<Timestamp>,
    label: Option<String>,
    #[serde(default)]
    operations: BTreeSet<String>,
    #[serde(default)]
    resources: BTreeSet<String>,
    #[serde(default)]
    scopes: BTreeSet<String>,
    #[serde(default)]
    metadata: BTreeMap<String, String>,
}

pub(crate) fn create_key(host: &dyn Host, request: &AdminRequest) -> Result<Done, Failure> {
    let new: NewKey = request.body()?;
    let api = host.api(&new.api).ok_or_else(|| Failure::ApiUnknown(new.api.clone()))?;
    let prefix = api.prefixes.iter().find(|(environment, _)| *environment == new.environment);
    let Some((_, prefix)) = prefix.cloned() else {
        let known = api.prefixes.into_iter().filter_map(|(environment, _)| environment);
        let known: Vec<String> = known.collect();
        return Err(Failure::EnvironmentUnknown(if known.is_empty() {
            vec!["none".to_owned()]
        } else {
            known
        }));
    };
    if let Some(unknown) = new.operations.iter().find(|operation| !api.operations.contains(operation)) {
        return Err(Failure::OperationUnknown(unknown.clone()));
    }
    // An empty list grants everything.
    let scope = |names: BTreeSet<String>| if names.is_empty() { Scope::All } else { Scope::Only(names) };
    let command = Command::CreateKey {
        api: new.api,
        prefix,
        account: new.account,
        expires: new.expires,
        grants: Grants {
            operations: scope(new.operations),
            resources: scope(new.resources),
            scopes: new.scopes,
            ..Grants::default()
        },
        metadata: new.metadata,
        label: new.label,
    };
    match execute(host, command)? {
        Reply::KeyCreated(issued) => Ok(Done {
            status: 201,
            body: json!({ "key": json(&issued.key)? }),
            secret: Some(issued.secret.expose().to_owned()),
        }),
        _ => Err(unexpected("a new key")),
    }
}

#[derive(Deserialize)]
struct Rotation {
    grace_seconds: u64,
}

pub(crate) fn rotate_key(host: &dyn Host, request: &AdminRequest) -> Result<Done, Failure> {
    let key: KeyId = request.id("key")?;
    let Rotation { grace_seconds } = request.body()?;
    let found = key_of(execute(host, Command::ShowKey { key: key.clone() })?)?.key;
    let api = host.api(&found.api).ok_or(Failure::ApiUnknown(found.api))?;
    // The key keeps its prefix, if the API still has it.
    let prefixes = || api.prefixes.iter().map(|(_, prefix)| prefix);
    let prefix = prefixes().find(|prefix| **prefix == found.prefix).or_else(|| prefixes().next());
    let prefix = prefix.cloned().unwrap_or(found.prefix);
    match execute(host, Command::RotateKey { key, prefix, grace_seconds })? {
        Reply::KeyRotated(rotated) => Ok(Done {
            status: 200,
            body: json!({ "key": json(&rotated.key)?, "previous_until": rotated.previous_until }),
            secret: Some(rotated.secret.expose().to_owned()),
        }),
        _ => Err(unexpected("a rotated key")),
    }
}

pub(crate) fn disable_key(host: &dyn Host, request: &AdminRequest) -> Result<Done, Failure> {
    key_command(host, Command::SetKeyDisabled { key: request.id("key")?, disabled: true })
}

pub(crate) fn enable_key(host: &dyn Host, request: &AdminRequest) -> Result<Done, Failure> {
    key_command(host, Command::SetKeyDisabled { key: request.id("key")?, disabled: false })
}

pub(crate) fn revoke_key(host: &dyn Host, request: &AdminRequest) -> Result<Done, Failure> {
    key_command(host, Command::RevokeKey { key: request.id("key")? })
}

pub(crate) fn reload(host: &dyn Host, _request: &AdminRequest) -> Result<Done, Failure> {
    let reloaded = host.reload().map_err(Failure::ReloadRejected)?;
    let (generation, changes, warnings) = (reloaded.generation, reloaded.changes, reloaded.warnings);
    Ok(Done::new(json!({ "generation": generation, "changes": changes, "warnings": warnings })))
}
