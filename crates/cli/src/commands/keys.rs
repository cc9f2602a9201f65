//! `demur keys`: make, list, change, revoke.

use std::collections::{BTreeMap, BTreeSet};

use comfy_table::{Table, presets};
use demur_admission::{Command, Grants, KeyId, KeyState, KeySummary, LockoutReason, Page, Reply, Scope};
use demur_config::duration;
use demur_gateway::{Config, Prefixes, StoreUrl};
use demur_sqlite::Survey;
use jiff::Timestamp;
use serde::Serialize;

use super::import::import;
use super::{execute, id, plain, unexpected};
use crate::args::{CreateKeyArgs, KeyArgs, KeysCommand};
use crate::exit::{CommandFailure, Exit};
use crate::output::Output;
use crate::serving::load;
use crate::standing;

pub(crate) fn run(verb: &KeysCommand, output: &Output) -> Result<Exit, CommandFailure> {
    match verb {
        KeysCommand::Create(args) => create(args, output),
        KeysCommand::Import(args) => import(args, output),
        KeysCommand::List { store, account, page } => {
            let config = load(&store.config, output)?;
            let account = account.as_deref().map(id).transpose()?;
            let page = Page { after: page.after.as_deref().map(id).transpose()?, limit: page.limit };
            match execute(&config, &Command::ListKeys { account, page })? {
                Reply::Keys { keys, more } => {
                    let keys = with_lockouts(keys, &config);
                    output.result(&table(&keys), &keys);
                    for lockout in standing::lockouts(&config).unwrap_or_default() {
                        output.say(&format!("warning: {}", standing::described(&lockout)));
                    }
                    if let (true, Some(last)) = (more, keys.last()) {
                        output.say(&format!("there are more: go on with `--after {}`", last.summary.key.id));
                    }
                    Ok(Exit::Ok)
                }
                other => Err(unexpected(&other)),
            }
        }
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
                time => Some(time.parse::<Timestamp>().map_err(|error| {
                    let help = "write `2027-01-31T00:00:00Z`, `now` or `never`".to_owned();
                    CommandFailure::usage(format!("`{time}` is no time: {error}"), help)
                })?),
            };
            change(key, output, |key| Command::ExpireKey { key, at })
        }
        KeysCommand::NewPepper { store } => {
            let config = load(&store.config, output)?;
            match execute(&config, &Command::NewPepper)? {
                Reply::PepperMade { older } => {
                    let human = format!(
                        "a new pepper is in force from the next start on; {older} secrets are stored under older ones,\nwhich stay in the file until each has been used once"
                    );
                    output.result(&human, &serde_json::json!({ "older": older }));
                    Ok(Exit::Ok)
                }
                other => Err(unexpected(&other)),
            }
        }
    }
}

/// Has one key changed, and says what it is now.
fn change(
    args: &KeyArgs,
    output: &Output,
    command: impl FnOnce(KeyId) -> Command,
) -> Result<Exit, CommandFailure> {
    let config = load(&args.store.config, output)?;
    match execute(&config, &command(id(&args.key)?))? {
        Reply::KeyRevoked(key) => {
            output.result(&format!("revoked {}: no request can use it any more", key.key.id), &key);
        }
        Reply::KeyChanged(key) => {
            let expires = key.key.expires.map_or_else(|| "never".to_owned(), |expires| expires.to_string());
            output.result(&format!("{} is {}, and expires {expires}", key.key.id, state(key.state)), &key);
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
            let help = "write `24h`, `7d`, or `0` for a key that has leaked".to_owned();
            return Err(CommandFailure::usage(format!("`{grace}` is no duration"), help));
        }
    };
    let config = load(&args.store.config, output)?;
    let key: KeyId = id(&args.key)?;
    let prefix = prefix_of(&config, &key)?;
    let command = Command::RotateKey { key, prefix, grace_seconds };
    match execute(&config, &command)? {
        Reply::KeyRotated(rotated) => {
            let old = match grace_seconds {
                0 => "The old one opens no more.".to_owned(),
                _ => format!("The old one opens until {:.0}.", rotated.previous_until),
            };
            let human = format!("{}\n\nThe key is shown this once. {old}", rotated.secret.expose());
            output.result(&human, &rotated);
            Ok(Exit::Ok)
        }
        other => Err(unexpected(&other)),
    }
}

/// What a key's next secret begins with: what its own does, as far as that is one of its API's.
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
    let config = load(&args.store.config, output)?;
    let prefix = prefix(prefixes(&config, &args.api)?, args.environment.as_deref())?;
    if args.expires.is_some_and(|expires| expires <= Timestamp::now()) {
        output.say("note: this key has expired already");
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
            operations: covered(&args.operations),
            resources: covered(&args.resources),
            scopes: args.scopes.iter().cloned().collect(),
        },
        metadata: metadata(&args.metadata)?,
    };
    match execute(&config, &command)? {
        Reply::KeyCreated(issued) => {
            let human = format!(
                "{}\n\nThe key is shown this once. `demur keys revoke -c {} {}` takes it back.",
                issued.secret.expose(),
                args.store.config.display(),
                issued.key.key.id
            );
            output.result(&human, &issued);
            Ok(Exit::Ok)
        }
        other => Err(unexpected(&other)),
    }
}

fn metadata(given: &[String]) -> Result<BTreeMap<String, String>, CommandFailure> {
    let pair = |text: &String| match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err(CommandFailure::usage(format!("`{text}` is no metadata"), "write `NAME=VALUE`".to_owned())),
    };
    given.iter().map(pair).collect()
}

/// An operation that the API does not have could never be called.
fn check_operations(config: &Config, args: &CreateKeyArgs) -> Result<(), CommandFailure> {
    let Some(api) = config.apis.iter().find(|api| api.settings.name == args.api) else { return Ok(()) };
    let document = &api.settings.document;
    let unknown = args.operations.iter().find(|operation| document.operation(operation).is_none());
    let Some(unknown) = unknown else { return Ok(()) };
    let help = document.similar_operation(unknown).map(|known| format!("did you mean `{known}`?"));
    Err(CommandFailure::usage(format!("`{}` has no operation `{unknown}`", args.api), help))
}

/// What an API's keys begin with.
pub(crate) fn prefixes<'c>(config: &'c Config, api: &str) -> Result<&'c Prefixes, CommandFailure> {
    let names = || config.apis.iter().map(|api| api.settings.name.as_str());
    match config.apis.iter().find(|known| known.settings.name == api) {
        Some(known) => Ok(&known.settings.authentication.prefixes),
        None => {
            let help = match demur_source::did_you_mean(api, names()) {
                Some(known) => format!("did you mean `{known}`?"),
                None => format!("it has: {}", names().collect::<Vec<_>>().join(", ")),
            };
            Err(CommandFailure::usage(format!("the configuration has no API `{api}`"), help))
        }
    }
}

/// The prefix of a new key, of this environment where the API has some.
fn prefix(prefixes: &Prefixes, environment: Option<&str>) -> Result<String, CommandFailure> {
    if let Some(prefix) = prefixes.of(environment) {
        return Ok(prefix.to_owned());
    }
    let known: Vec<&str> = prefixes.environments().collect();
    let message = match environment {
        Some(environment) => format!("the API has no environment `{environment}`"),
        None => "the API has environments, and the key is of one of them".to_owned(),
    };
    let near = environment.and_then(|name| demur_source::did_you_mean(name, known.iter().copied()));
    let help = match near {
        Some(known) => format!("did you mean `{known}`?"),
        None if known.is_empty() => "its keys have one prefix: leave `--environment` out".to_owned(),
        None => format!("write `--environment NAME`, of: {}", known.join(", ")),
    };
    Err(CommandFailure::usage(message, help))
}

/// Nothing listed covers everything.
pub(crate) fn covered(names: &[String]) -> Scope {
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

/// A key as it is listed.
#[derive(Serialize)]
struct ListedKey {
    #[serde(flatten)]
    summary: KeySummary,
    /// Why no request can use it, although it is active.
    #[serde(skip_serializing_if = "Option::is_none")]
    locked_out: Option<LockoutReason>,
}

/// The keys with the reasons for which this configuration locks them out. Where the store's files cannot be read by
/// whoever lists them, nothing is said of it.
fn with_lockouts(keys: Vec<KeySummary>, config: &Config) -> Vec<ListedKey> {
    let StoreUrl::Sqlite(path) = &config.store;
    let configured = standing::configured(config);
    let survey = Survey::open(path, &configured).ok().flatten();
    let listed = |summary: KeySummary| {
        let survey = survey.as_ref().filter(|_| summary.state == KeyState::Active);
        let locked_out = survey.and_then(|survey| survey.of_key(&summary.key).ok().flatten());
        ListedKey { summary, locked_out }
    };
    keys.into_iter().map(listed).collect()
}

fn table(keys: &[ListedKey]) -> String {
    if keys.is_empty() {
        return "no keys; `demur keys create` makes one".to_owned();
    }
    let mut table = Table::new();
    let header = ["ID", "API", "ACCOUNT", "STATE", "CREATED", "EXPIRES", "LAST USED"];
    table.load_preset(presets::NOTHING).set_header(header);
    let moment = |moment: Option<Timestamp>| moment.map_or_else(|| "-".to_owned(), |at| format!("{at:.0}"));
    for ListedKey { summary: KeySummary { key, state: now, last_used }, locked_out } in keys {
        let state = match locked_out {
            Some(reason) => format!("{}, locked out ({})", state(*now), reason.status()),
            None => state(*now).to_owned(),
        };
        table.add_row([
            key.id.as_str(),
            &key.api,
            key.account.as_str(),
            &state,
            &format!("{:.0}", key.created),
            &moment(key.expires),
            &moment(*last_used),
        ]);
    }
    table.trim_fmt()
}
