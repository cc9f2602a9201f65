//! `demur keys`: manage API keys.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;

use comfy_table::{Table, presets};
use demur_admission::{
    Command, Grants, KeyId, KeyState, KeySummary, LockoutReason, Page, Reply, Scope, Secret,
};
use demur_config::duration;
use demur_gateway::{Config, StoreUrl};
use demur_sqlite::Survey;
use jiff::Timestamp;
use serde::Serialize;

use super::import::import;
use super::key_addresses;
use super::key_prefix::{prefix, prefixes};
use super::{execute, id, label, plain, unexpected};
use crate::args::{CreateKeyArgs, KeyArgs, KeysCommand, StoreArgs};
use crate::exit::{CommandFailure, Exit};
use crate::output::{Output, counted};
use crate::preflight;
use crate::serving::{load, load_store};

pub(crate) fn run(command: &KeysCommand, output: &Output) -> Result<Exit, CommandFailure> {
    match command {
        KeysCommand::Create(args) => create(args, output),
        KeysCommand::Import(args) => import(args, output),
        KeysCommand::List { store, account, page } => {
            let config = load_store(&store.config)?;
            let account = account.as_deref().map(id).transpose()?;
            let page = Page { after: page.after.as_deref().map(id).transpose()?, limit: page.limit };
            match execute(&config, &Command::ListKeys { account, page })? {
                Reply::Keys { keys, more } => {
                    let keys = with_lockouts(keys, &config);
                    output.result(&table(&keys), &keys);
                    for lockout in preflight::lockouts(&config).unwrap_or_default() {
                        output.note(&format!("warning: {}", preflight::describe(&lockout)));
                    }
                    if let (true, Some(last)) = (more, keys.last()) {
                        output.note(&format!("more keys: use `--after {}`", last.summary.key.id));
                    }
                    Ok(Exit::Ok)
                }
                other => Err(unexpected(&other)),
            }
        }
        KeysCommand::Show { store, key } => show(store, key, output),
        KeysCommand::Revoke(args) => change(args, output, |key| Command::RevokeKey { key }),
        KeysCommand::Rotate { key, grace } => rotate(key, grace, output),
        KeysCommand::Disable(args) => {
            change(args, output, |key| Command::SetKeyDisabled { key, disabled: true })
        }
        KeysCommand::Enable(args) => {
            change(args, output, |key| Command::SetKeyDisabled { key, disabled: false })
        }
        KeysCommand::Expire { key, at } => {
            let at = match at.as_str() {
                "never" => None,
                "now" => Some(Timestamp::now()),
                time => Some(time.parse::<Timestamp>().map_err(|_| {
                    let help = "use `2027-01-31T00:00:00Z`, `now` or `never`".to_owned();
                    CommandFailure::usage(format!("invalid time `{time}`"), help)
                })?),
            };
            change(key, output, |key| Command::ExpireKey { key, at })
        }
        KeysCommand::RotatePepper { store } | KeysCommand::NewPepper { store } => {
            let config = load_store(&store.config)?;
            match execute(&config, &Command::NewPepper)? {
                Reply::PepperMade { older } => {
                    let secrets = counted(usize::try_from(older).unwrap_or(usize::MAX), "stored secret");
                    let human = format!(
                        "created a new pepper; the gateway uses it after its next start\n{secrets} with an older pepper: each gets the new one when its key is next used; older peppers stay in the pepper file until then"
                    );
                    output.result(&human, &serde_json::json!({ "older": older }));
                    Ok(Exit::Ok)
                }
                other => Err(unexpected(&other)),
            }
        }
    }
}

/// The longest secret that is read: imported keys have at most 512 bytes.
const MAX_SECRET: u64 = 4096;

/// Shows a key by its ID, or by a secret on standard input.
fn show(store: &StoreArgs, key: &str, output: &Output) -> Result<Exit, CommandFailure> {
    let config = load_store(&store.config)?;
    let command = match key {
        "-" => Command::FindKey { secret: Secret::presented(read_secret()?) },
        key => Command::ShowKey { key: id(key)? },
    };
    match execute(&config, &command)? {
        Reply::KeyChanged(key) => {
            let listed = with_lockouts(vec![key], &config).into_iter().next();
            let Some(listed) = listed else { return Ok(Exit::Ok) };
            output.value(listed.summary.key.id.as_str(), &details(&listed), &listed);
            Ok(Exit::Ok)
        }
        other => Err(unexpected(&other)),
    }
}

/// Reads a secret from standard input. The name of its scheme may precede it, as in a header.
fn read_secret() -> Result<String, CommandFailure> {
    let mut text = String::new();
    let read = std::io::stdin().lock().take(MAX_SECRET).read_to_string(&mut text);
    read.map_err(|error| {
        CommandFailure::unavailable(format!("cannot read a secret from standard input: {error}"), None)
    })?;
    let text = text.trim();
    let secret = match text.split_once(' ') {
        Some((scheme, secret)) if scheme.eq_ignore_ascii_case("bearer") => secret.trim_start(),
        _ => text,
    };
    if secret.is_empty() || secret.contains(char::is_whitespace) {
        let help = "write one secret: `demur keys show - < FILE`".to_owned();
        let message =
            if secret.is_empty() { "standard input is empty" } else { "standard input has several words" };
        return Err(CommandFailure::usage(message, help));
    }
    if is_jwt(secret) {
        let help = "JWTs are not stored: their claims are in the token itself".to_owned();
        return Err(CommandFailure::usage("standard input has a JWT, not an API key", help));
    }
    Ok(secret.to_owned())
}

/// Whether a text has the form of a JWT (RFC 7519): three parts, of which the first begins like a JSON object.
fn is_jwt(text: &str) -> bool {
    text.starts_with("eyJ") && text.split('.').count() == 3
}

fn details(ListedKey { summary, locked_out }: &ListedKey) -> String {
    let KeySummary { key, state: now, last_used, label } = summary;
    let moment = |moment: Option<Timestamp>, other: &str| {
        moment.map_or_else(|| other.to_owned(), |at| format!("{at:.0}"))
    };
    let names = |scope: &Scope| match scope {
        Scope::All => "all".to_owned(),
        Scope::Only(names) => names.iter().cloned().collect::<Vec<_>>().join(", "),
    };
    let scopes: Vec<String> = key.grants.scopes.iter().cloned().collect();
    let metadata: Vec<String> = key.metadata.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let or_none = |texts: Vec<String>| if texts.is_empty() { "none".to_owned() } else { texts.join(", ") };
    let state = match locked_out {
        Some(reason) => format!("{}, locked out ({}): {reason}", state(*now), reason.status()),
        None => state(*now).to_owned(),
    };
    let rows = [
        ("label", label.clone().unwrap_or_else(|| "none".to_owned())),
        ("state", state),
        ("API", key.api.clone()),
        ("account", key.account.to_string()),
        ("prefix", key.prefix.clone()),
        ("created", format!("{:.0}", key.created)),
        ("expires", moment(key.expires, "never")),
        ("last used", moment(*last_used, "never")),
        ("operations", names(&key.grants.operations)),
        ("resources", names(&key.grants.resources)),
        ("scopes", or_none(scopes)),
        ("addresses", key_addresses::text(&key.grants.addresses)),
        ("metadata", or_none(metadata)),
    ];
    let rows = rows.map(|(name, value)| format!("\n  {name:<12}{value}"));
    format!("{}{}", key.id, rows.concat())
}

/// Changes a key and prints its new state.
fn change(
    args: &KeyArgs,
    output: &Output,
    command: impl FnOnce(KeyId) -> Command,
) -> Result<Exit, CommandFailure> {
    let config = load_store(&args.store.config)?;
    match execute(&config, &command(id(&args.key)?))? {
        Reply::KeyRevoked(key) => {
            output.value(key.key.id.as_str(), &format!("revoked {}", key.key.id), &key);
        }
        Reply::KeyChanged(key) => {
            let expires = key.key.expires;
            let expires = expires.map_or_else(|| "never expires".to_owned(), |at| format!("expires {at}"));
            output.value(
                key.key.id.as_str(),
                &format!("{}: {}, {expires}", key.key.id, state(key.state)),
                &key,
            );
        }
        other => return Err(unexpected(&other)),
    }
    Ok(Exit::Ok)
}

fn rotate(args: &KeyArgs, grace: &str, output: &Output) -> Result<Exit, CommandFailure> {
    let grace_seconds = match duration(grace) {
        Some(grace) => grace.as_secs(),
        None if grace == "0" => 0,
        None => {
            let help = "write a duration, such as `24h` or `7d`; use `0` for a leaked key".to_owned();
            return Err(CommandFailure::usage(format!("invalid duration `{grace}`"), help));
        }
    };
    let config = load_store(&args.store.config)?;
    let key: KeyId = id(&args.key)?;
    let prefix = prefix_of(&config, &key)?;
    let command = Command::RotateKey { key, prefix, grace_seconds };
    match execute(&config, &command)? {
        Reply::KeyRotated(rotated) => {
            let old = match grace_seconds {
                0 => "The old secret no longer works.".to_owned(),
                _ => format!("The old secret works until {:.0}.", rotated.previous_until),
            };
            let human = format!("{}\n\nThe secret is shown only once. {old}", rotated.secret.expose());
            output.value(rotated.secret.expose(), &human, &rotated);
            Ok(Exit::Ok)
        }
        other => Err(unexpected(&other)),
    }
}

/// The prefix of a key's next secret: its current prefix, if the API still has it.
fn prefix_of(config: &Config, key: &KeyId) -> Result<String, CommandFailure> {
    match execute(config, &Command::ShowKey { key: key.clone() })? {
        Reply::KeyChanged(found) => {
            let prefixes = prefixes(config, &found.key.api)?;
            Ok(prefixes.of_key(&format!("{}_", found.key.prefix)).to_owned())
        }
        other => Err(unexpected(&other)),
    }
}

fn create(args: &CreateKeyArgs, output: &Output) -> Result<Exit, CommandFailure> {
    // Only a key that is limited to operations needs to know them.
    let config = match args.operations.is_empty() {
        true => load_store(&args.store.config)?,
        false => load(&args.store.config, output)?,
    };
    let prefix = prefix(prefixes(&config, &args.api)?, args.environment.as_deref())?;
    if args.expires.is_some_and(|expires| expires <= Timestamp::now()) {
        output.note("note: the expiry date is in the past");
    }
    check_operations(&config, args)?;
    for shown in args.resources.iter().chain(&args.scopes).chain(&args.metadata) {
        plain(shown)?;
    }
    let command = Command::CreateKey {
        api: args.api.clone(),
        prefix,
        account: id(&args.account)?,
        expires: args.expires,
        grants: Grants {
            operations: scope(&args.operations),
            resources: scope(&args.resources),
            scopes: args.scopes.iter().cloned().collect(),
            addresses: key_addresses::read(args)?,
        },
        metadata: metadata(&args.metadata)?,
        label: args.label.as_deref().map(label).transpose()?,
    };
    match execute(&config, &command)? {
        Reply::KeyCreated(issued) => {
            let human = format!(
                "{}\n\nThe secret is shown only once. To revoke the key: demur keys revoke -c {} {}",
                issued.secret.expose(),
                args.store.config.display(),
                issued.key.key.id
            );
            output.value(issued.secret.expose(), &human, &issued);
            Ok(Exit::Ok)
        }
        other => Err(unexpected(&other)),
    }
}

fn metadata(given: &[String]) -> Result<BTreeMap<String, String>, CommandFailure> {
    let pair = |text: &String| match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err(CommandFailure::usage(format!("invalid metadata `{text}`"), "use `NAME=VALUE`".to_owned())),
    };
    given.iter().map(pair).collect()
}

/// Rejects operations that the API does not have.
fn check_operations(config: &Config, args: &CreateKeyArgs) -> Result<(), CommandFailure> {
    let Some(api) = config.apis.iter().find(|api| api.settings.name == args.api) else { return Ok(()) };
    let document = &api.settings.document;
    let unknown = args.operations.iter().find(|operation| document.operation(operation).is_none());
    let Some(unknown) = unknown else { return Ok(()) };
    let help = document.similar_operation(unknown).map(|known| format!("did you mean `{known}`?"));
    Err(CommandFailure::usage(format!("unknown operation `{unknown}` of API `{}`", args.api), help))
}

/// An empty list grants everything.
pub(crate) fn scope(names: &[String]) -> Scope {
    if names.is_empty() { Scope::All } else { Scope::Only(names.iter().cloned().collect::<BTreeSet<_>>()) }
}

fn state(state: KeyState) -> &'static str {
    match state {
        KeyState::Active => "active",
        KeyState::Revoked => "revoked",
        KeyState::Expired => "expired",
        KeyState::Disabled => "disabled",
    }
}

/// A row of `keys list`.
#[derive(Serialize)]
struct ListedKey {
    #[serde(flatten)]
    summary: KeySummary,
    /// Why the configuration locks out an active key.
    #[serde(skip_serializing_if = "Option::is_none")]
    locked_out: Option<LockoutReason>,
}

/// Adds the reason to each key that the configuration locks out. Without permission to read the files of the store, no
/// reason is added.
fn with_lockouts(keys: Vec<KeySummary>, config: &Config) -> Vec<ListedKey> {
    let configured = preflight::configured(config);
    let survey = match &config.store {
        StoreUrl::Sqlite(path) => Survey::open(path, &configured).ok().flatten(),
        StoreUrl::Postgres(_) => None,
    };
    let listed = |summary: KeySummary| {
        let survey = survey.as_ref().filter(|_| summary.state == KeyState::Active);
        let locked_out = survey.and_then(|survey| survey.of_key(&summary.key).ok().flatten());
        ListedKey { summary, locked_out }
    };
    keys.into_iter().map(listed).collect()
}

fn table(keys: &[ListedKey]) -> String {
    if keys.is_empty() {
        return "no keys: create one with `demur keys create`".to_owned();
    }
    let mut table = Table::new();
    // A column that would be empty for all of them says nothing.
    let has_labels = keys.iter().any(|key| key.summary.label.is_some());
    let header = ["ID", "API", "ACCOUNT", "STATE", "CREATED", "EXPIRES", "LAST USED"];
    let of_labels = has_labels.then_some("LABEL");
    table.load_preset(presets::NOTHING).set_header(header.into_iter().chain(of_labels));
    let moment = |moment: Option<Timestamp>| moment.map_or_else(|| "-".to_owned(), |at| format!("{at:.0}"));
    for ListedKey { summary: KeySummary { key, state: now, last_used, label }, locked_out } in keys {
        let state = match locked_out {
            Some(reason) => format!("{}, locked out ({})", state(*now), reason.status()),
            None => state(*now).to_owned(),
        };
        let row = [
            key.id.to_string(),
            key.api.clone(),
            key.account.to_string(),
            state,
            format!("{:.0}", key.created),
            moment(key.expires),
            moment(*last_used),
        ];
        let label = has_labels.then(|| label.clone().unwrap_or_else(|| "-".to_owned()));
        table.add_row(row.into_iter().chain(label));
    }
    table.trim_fmt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recognizes_a_jwt() {
        for (text, expected) in [
            ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl", true),
            ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.", true),
            ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0", false),
            ("shp_eyJ.a.b", false),
            ("", false),
        ] {
            assert_eq!(is_jwt(text), expected, "{text}");
        }
    }
}
