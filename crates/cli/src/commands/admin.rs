//! `demur admin`: the tokens of the admin API, and its audit log.
//!
//! The commands open the file beside the gateway that serves the API: a revoked token is rejected from its next request on.

use std::time::Duration;

use comfy_table::{Table, presets};
use demur_admin::{AdminDatabase, AuditEntry, NewToken, Role, StoredToken, TokenState};
use demur_config::duration;
use jiff::Timestamp;
use serde_json::{Value as Json, json};

use super::plain;
use crate::admin::database;
use crate::args::{AdminCommand, StoreArgs, TokenCommand};
use crate::exit::{CommandFailure, Exit};
use crate::output::Output;
use crate::serving::load_store;

/// A token that is valid for longer is forgotten.
const MAX_VALID: Duration = Duration::from_secs(366 * 86_400);
const MAX_NAME: usize = 100;

pub(crate) fn run(command: &AdminCommand, output: &Output) -> Result<Exit, CommandFailure> {
    match command {
        AdminCommand::Token(TokenCommand::Create { store, name, role, expires_in }) => {
            create(store, name, *role, expires_in, output)
        }
        AdminCommand::Token(TokenCommand::List { store }) => {
            let tokens = open(store)?.tokens().map_err(unavailable)?;
            let now = Timestamp::now();
            let values: Vec<Json> = tokens.iter().map(|token| value(token, now)).collect();
            output.result(&token_table(&tokens, now), &values);
            Ok(Exit::Ok)
        }
        AdminCommand::Token(TokenCommand::Revoke { store, token }) => {
            let revoked = open(store)?.revoke_token(&plain(token)?, &by()).map_err(unavailable)?;
            let Some(revoked) = revoked else {
                let help = "list tokens with `demur admin token list`".to_owned();
                return Err(CommandFailure::rejected(format!("unknown token `{token}`"), help));
            };
            let human = format!("revoked {}", revoked.id);
            output.value(&revoked.id, &human, &value(&revoked, Timestamp::now()));
            Ok(Exit::Ok)
        }
        AdminCommand::Audit { store, before, limit } => {
            let entries = open(store)?.audit(*before, *limit).map_err(unavailable)?;
            output.result(&audit_table(&entries), &entries);
            Ok(Exit::Ok)
        }
    }
}

fn create(
    store: &StoreArgs,
    name: &str,
    role: Role,
    expires_in: &str,
    output: &Output,
) -> Result<Exit, CommandFailure> {
    let name = plain(name.trim())?;
    if !(1..=MAX_NAME).contains(&name.len()) || name.chars().any(char::is_control) {
        let help = format!("write some words on one line, of at most {MAX_NAME} bytes");
        return Err(CommandFailure::usage("invalid name of a token", help));
    }
    let Some(valid_for) = duration(expires_in).filter(|time| !time.is_zero() && *time <= MAX_VALID) else {
        let help = "write a duration of at most 366 days, such as `90d` or `8h`".to_owned();
        return Err(CommandFailure::usage(format!("invalid duration `{expires_in}`"), help));
    };
    let new = NewToken { name: &name, role, valid_for };
    let issued = open(store)?.create_token(&new, &by()).map_err(unavailable)?;
    let (secret, token) = (issued.secret.expose(), &issued.token);
    let human = format!(
        "{secret}\n\nThe token is shown only once, and expires at {:.0}. To revoke it: demur admin token revoke -c {} {}",
        token.expires,
        store.config.display(),
        token.id
    );
    output.value(secret, &human, &json!({ "token": value(token, Timestamp::now()), "secret": secret }));
    Ok(Exit::Ok)
}

fn open(store: &StoreArgs) -> Result<AdminDatabase, CommandFailure> {
    let Some(admin) = load_store(&store.config)?.admin else {
        let help = "add `admin: 127.0.0.1:8092` to the configuration, and restart the gateway".to_owned();
        return Err(CommandFailure::unavailable("the configuration has no admin API", help));
    };
    database(&admin.path)
}

fn unavailable(error: demur_admin::DatabaseError) -> CommandFailure {
    CommandFailure::unavailable(format!("the database of the admin API cannot be used: {error}"), None)
}

/// Who runs the command, for the audit log.
fn by() -> String {
    format!("command line (user {})", rustix::process::getuid().as_raw())
}

fn value(token: &StoredToken, now: Timestamp) -> Json {
    let mut value = json!(token);
    value["state"] = json!(token.state(now));
    value
}

fn token_table(tokens: &[StoredToken], now: Timestamp) -> String {
    if tokens.is_empty() {
        return "no tokens: create one with `demur admin token create`".to_owned();
    }
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_header(["ID", "NAME", "ROLE", "STATE", "CREATED", "EXPIRES"]);
    for token in tokens {
        let state = match token.state(now) {
            TokenState::Active => "active",
            TokenState::Expired => "expired",
            TokenState::Revoked => "revoked",
        };
        let (created, expires) = (format!("{:.0}", token.created), format!("{:.0}", token.expires));
        table.add_row([&token.id, &token.name, token.role.as_str(), state, &created, &expires]);
    }
    table.trim_fmt()
}

fn audit_table(entries: &[AuditEntry]) -> String {
    if entries.is_empty() {
        return "no entries".to_owned();
    }
    let mut table = Table::new();
    let header = ["NUMBER", "TIME", "ACTOR", "OPERATION", "TARGET", "RESULT"];
    table.load_preset(presets::NOTHING).set_header(header);
    for entry in entries {
        let result = match (entry.status, &entry.code) {
            (Some(status), Some(code)) => format!("{status} {code}"),
            (Some(status), None) => status.to_string(),
            (None, _) => "unknown".to_owned(),
        };
        let (number, at) = (entry.number.to_string(), format!("{:.0}", entry.at));
        let target = entry.target.as_deref().unwrap_or("-");
        table.add_row([&number, &at, &entry.actor, &entry.operation, target, &result]);
    }
    table.trim_fmt()
}
