//! The sample accounts and keys of `examples/accounts.yaml`, with keys in every state.

use std::collections::BTreeMap;
use std::sync::Arc;

use demur_admission::{AccountId, Command, CommandFault, Grants, Reply};
use demur_source::{Diagnostics, Fields, Node, Source};
use jiff::Timestamp;

use crate::commands::keys::scope;
use crate::exit::CommandFailure;
use crate::serving::OpenStore;

/// A created key with its secret. The demo creates new keys at every start, because it prints their secrets.
pub(crate) struct Sample {
    pub(crate) api: String,
    pub(crate) label: String,
    /// A description for people.
    pub(crate) note: String,
    pub(crate) secret: String,
}

/// Creates the sample accounts and keys.
pub(crate) fn create(
    store: &OpenStore,
    apis: &[(String, String, String)],
) -> Result<Vec<Sample>, CommandFailure> {
    let source = Source::new("accounts.yaml", demur_examples::ACCOUNTS);
    let root = demur_source::parse(&source).map_err(CommandFailure::Configuration)?;
    let mut found = Diagnostics::new();
    let samples = read(&root, &source, &mut found);
    if found.has_errors() {
        return Err(CommandFailure::Configuration(found));
    }
    let (accounts, keys) = samples.unwrap_or_default();
    for command in accounts {
        match store.execute(command, Timestamp::now()) {
            // A folder that was used before has the accounts already.
            Reply::Rejected { fault: CommandFault::AccountExists { .. } } => {}
            reply => accepted(reply).map(|_| ())?,
        }
    }
    keys.into_iter().map(|key| issue(store, key, apis)).collect()
}

/// A key of `accounts.yaml`.
struct SampleKey {
    api: String,
    label: String,
    note: String,
    account: AccountId,
    is_revoked: bool,
    expires: Option<Timestamp>,
    grants: Grants,
}

fn issue(
    store: &OpenStore,
    key: SampleKey,
    apis: &[(String, String, String)],
) -> Result<Sample, CommandFailure> {
    let prefix = apis.iter().find(|(name, ..)| *name == key.api).map(|(_, prefix, _)| prefix.clone());
    let create = Command::CreateKey {
        api: key.api.clone(),
        prefix: prefix.unwrap_or_default(),
        account: key.account,
        expires: key.expires,
        grants: key.grants,
        metadata: BTreeMap::new(),
        label: None,
    };
    let Reply::KeyCreated(issued) = accepted(store.execute(create, Timestamp::now()))? else {
        return Err(CommandFailure::unavailable("the store created no key", None));
    };
    if key.is_revoked {
        let revoke = Command::RevokeKey { key: issued.key.key.id.clone() };
        accepted(store.execute(revoke, Timestamp::now()))?;
    }
    let secret = issued.secret.expose().to_owned();
    Ok(Sample { api: key.api, label: key.label, note: key.note, secret })
}

fn accepted(reply: Reply) -> Result<Reply, CommandFailure> {
    match reply {
        Reply::Rejected { fault } => Err(CommandFailure::unavailable(
            format!("cannot create the sample accounts and keys: {fault}"),
            None,
        )),
        reply => Ok(reply),
    }
}

fn read(
    root: &Node,
    source: &Arc<Source>,
    found: &mut Diagnostics,
) -> Option<(Vec<Command>, Vec<SampleKey>)> {
    let mut fields = Fields::of(root, source, "the samples", found)?;
    let (accounts, keys) = (fields.list("accounts", found), fields.list("keys", found));
    fields.finish(found);
    let accounts = accounts.iter().filter_map(|node| read_account(node, source, found)).collect();
    let keys = keys.iter().filter_map(|node| read_key(node, source, found)).collect();
    Some((accounts, keys))
}

fn read_account(node: &Node, source: &Arc<Source>, found: &mut Diagnostics) -> Option<Command> {
    let mut fields = Fields::of(node, source, "an account", found)?;
    let (name, plan) = (fields.text("name", found), fields.text("plan", found));
    fields.finish(found);
    let name = name?;
    Some(Command::CreateAccount { account: name.parse().ok(), name, plan: plan?, grant_day: None })
}

fn read_key(node: &Node, source: &Arc<Source>, found: &mut Diagnostics) -> Option<SampleKey> {
    let mut fields = Fields::of(node, source, "a key", found)?;
    let (api, label) = (fields.text("api", found), fields.text("label", found));
    let (account, note) = (fields.text("account", found), fields.text("note", found).unwrap_or_default());
    let is_revoked = fields.text("state", found).as_deref() == Some("revoked");
    let expires = fields.text("expires", found).and_then(|text| text.parse().ok());
    let names = |texts: Vec<(String, demur_source::Span)>| -> Vec<String> {
        texts.into_iter().map(|(text, _)| text).collect()
    };
    let operations = names(fields.texts("operations", found));
    let resources = names(fields.texts("resources", found));
    let scopes = names(fields.texts("scopes", found));
    fields.finish(found);
    let grants = Grants {
        operations: scope(&operations),
        resources: scope(&resources),
        scopes: scopes.into_iter().collect(),
        ..Grants::default()
    };
    let account = account?.parse().ok()?;
    Some(SampleKey { api: api?, label: label?, note, account, is_revoked, expires, grants })
}
