//! Checks a configuration against its environment: keys it locks out of the store, and file permissions that are too open.
//! `check`, `serve` and `keys list` share these checks.

use std::fs::OpenOptions;
use std::io;
use std::path::Path;
use std::sync::Arc;

use demur_admission::{Configured, ConfiguredApi, FirstOf, Lockout, LockoutReason, Plan};
use demur_gateway::{ApiConfig, Config, LogTarget, PostgresStore, StoreUrl};
use demur_source::{Diagnostics, Source, Span};
use demur_sqlite::{GROUP_READABLE, InsecureFile, OpenError, PRIVATE, Survey, exposed, exposed_files};
use jiff::Timestamp;
use rustix::fs::{Access, access};

use crate::output::counted;

/// The names in a configuration that the store refers to.
pub(crate) fn configured(config: &Config) -> Configured {
    let api = |api: &ApiConfig| {
        let settings = &api.settings;
        let operations = settings.document.operations().iter().zip(&settings.operations);
        let needs_key = operations.filter(|(_, policy)| !policy.anonymous);
        let known = ConfiguredApi {
            prefixes: settings.authentication.prefixes.all().map(str::to_owned).collect(),
            operations: needs_key
                .map(|(operation, policy)| (operation.id().to_owned(), policy.scope.clone()))
                .collect(),
        };
        (settings.name.clone(), known)
    };
    Configured {
        apis: config.apis.iter().map(api).collect(),
        plans: config.plans.iter().map(|plan| plan.name.clone()).collect(),
    }
}

/// The accounts and keys of the store that a configuration locks out. None if the store does not exist yet.
pub(crate) fn lockouts(config: &Config) -> Result<Vec<Lockout>, OpenError> {
    // A shared store is not checked yet: `diagnostics` says so.
    let StoreUrl::Sqlite(path) = &config.store else { return Ok(Vec::new()) };
    let configured = configured(config);
    let Some(survey) = Survey::open(path, &configured)? else { return Ok(Vec::new()) };
    let database = |cause| OpenError::Database { path: path.clone(), cause };
    survey.lockouts(Timestamp::now()).map_err(database)
}

/// Describes a lockout in one line.
pub(crate) fn describe(lockout: &Lockout) -> String {
    let Lockout { reason, accounts, keys } = lockout;
    let count = |count: u64, what| counted(usize::try_from(count).unwrap_or(usize::MAX), what);
    format!(
        "{reason}: {} of {} would be rejected with status {} (accounts: {}; keys: {})",
        count(keys.count, "active key"),
        count(accounts.count, "account"),
        reason.status(),
        names(accounts),
        names(keys)
    )
}

/// How to let the accounts and keys in again.
fn fix(reason: &LockoutReason) -> String {
    match reason {
        LockoutReason::UnknownPlan { plan } if plan.is_empty() => {
            "run `demur accounts set-plan ACCOUNT PLAN`".to_owned()
        }
        LockoutReason::UnknownPlan { plan } => {
            format!("add `{plan}` to `plans`, or run `demur accounts set-plan ACCOUNT PLAN`")
        }
        LockoutReason::UnknownApi { api } => format!("add `{api}` to `apis`, or revoke the keys"),
        LockoutReason::UnknownPrefix { prefix, .. } => {
            format!("add `{prefix}` to the prefixes of the API, or revoke the keys")
        }
        _ => "change the configuration, or revoke the keys".to_owned(),
    }
}

fn names<T: std::fmt::Display>(some: &FirstOf<T>) -> String {
    let mut names: Vec<String> = some.first.iter().map(ToString::to_string).collect();
    let more = some.count.saturating_sub(names.len() as u64);
    if more > 0 {
        names.push(format!("and {more} more"));
    }
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

/// Files with permissions that are too open: those of the store, which is an error, and the access log.
pub(crate) fn exposures(config: &Config) -> io::Result<(Vec<InsecureFile>, Option<InsecureFile>)> {
    let log = match &config.access_log.target {
        LogTarget::File(path) => exposed(path, GROUP_READABLE)?,
        LogTarget::Stderr | LogTarget::Stdout => None,
    };
    let mut of_store = match &config.store {
        StoreUrl::Sqlite(path) => exposed_files(path)?,
        StoreUrl::Postgres(_) => Vec::new(),
    };
    if let Some(admin) = &config.admin {
        of_store.extend(exposed(&admin.path, PRIVATE)?);
    }
    Ok((of_store, log))
}

/// Why a file cannot be written, or created if it does not exist. Changes nothing.
fn unwritable(file: &Path) -> Option<String> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let in_folder = |error: &dyn std::fmt::Display| format!("folder `{}`: {error}", folder.display());
    match std::fs::metadata(file) {
        Ok(found) if found.is_dir() => Some("it is a folder".to_owned()),
        // Opening a pipe or a device could wait for its other end.
        Ok(found) if !found.is_file() => None,
        Ok(_) => OpenOptions::new().append(true).open(file).err().map(|error| error.to_string()),
        Err(error) if error.kind() != io::ErrorKind::NotFound => Some(error.to_string()),
        Err(_) if !folder.exists() => Some(format!("folder `{}` does not exist", folder.display())),
        Err(_) => access(folder, Access::WRITE_OK | Access::EXEC_OK).err().map(|error| in_folder(&error)),
    }
}

/// Reports a log or a store that cannot be written.
fn report_unwritable(source: &Arc<Source>, config: &Config, found: &mut Diagnostics) {
    let span = |key: &str| {
        let root = demur_source::parse(source).ok();
        root.and_then(|root| root.get(key).map(|node| node.span)).unwrap_or(Span::new(0, 0))
    };
    if let StoreUrl::Sqlite(store) = &config.store
        && let Some(cause) = unwritable(store)
    {
        let message = format!("cannot write the database `{}`: {cause}", store.display());
        let help = "create the folder, or change its permissions or `store`".to_owned();
        found.error(source, span("store"), "store", message, help);
    }
    if let LogTarget::File(log) = &config.access_log.target
        && let Some(cause) = unwritable(log)
    {
        let message = format!("cannot write the access log `{}`: {cause}", log.display());
        let help = "create the folder, or change its permissions or `output`".to_owned();
        found.error(source, span("access_log"), "access-log", message, help);
    }
}

/// The results as diagnostics, located at the `store` key.
pub(crate) fn diagnostics(source: &Arc<Source>, config: &Config, allow_lockout: bool) -> Diagnostics {
    let mut found = Diagnostics::new();
    let span = demur_source::parse(source)
        .ok()
        .and_then(|root| root.get("store").map(|node| node.span))
        .unwrap_or(Span::new(0, 0));
    match exposures(config) {
        Ok((of_store, log)) => {
            for exposed in of_store {
                found.error(source, span, "file-mode", exposed.to_string(), None);
            }
            if let Some(exposed) = log {
                found.warning(source, span, "file-mode", exposed.to_string(), None);
            }
        }
        Err(error) => store_unchecked(source, span, &error, &mut found),
    }
    report_unwritable(source, config, &mut found);
    if let StoreUrl::Postgres(store) = &config.store {
        report_shared(source, span, config, store, &mut found);
    }
    // Stop here: SQLite changes the mode of some files as soon as the database is opened.
    if found.has_errors() {
        return found;
    }
    match lockouts(config) {
        Ok(lockouts) => {
            for lockout in &lockouts {
                let help = format!("{}; to continue anyway, use `--allow-lockout`", fix(&lockout.reason));
                if lockout.reason.is_severe() && !allow_lockout {
                    found.error(source, span, "lockout", describe(lockout), help);
                } else {
                    found.warning(source, span, "lockout", describe(lockout), None);
                }
            }
        }
        Err(OpenError::DatabaseMissing { path }) => {
            found.error(source, span, "store", OpenError::DatabaseMissing { path }.to_string(), None);
        }
        Err(error) => store_unchecked(source, span, &error, &mut found),
    }
    found
}

/// Reports what is wrong with a shared store, and what its gateways do not share.
fn report_shared(
    source: &Arc<Source>,
    span: Span,
    config: &Config,
    store: &PostgresStore,
    found: &mut Diagnostics,
) {
    let settings = demur_postgres::Settings::new(&store.url, &store.pepper, store.authorities.as_deref());
    if let Err(error) = settings {
        found.error(source, span, "store", error.to_string(), None);
        return;
    }
    let has_limits =
        |plan: &Plan| !plan.rates.is_empty() || plan.concurrency.is_some() || plan.quota.is_some();
    if config.plans.iter().any(has_limits) {
        let message =
            "rates, concurrency and quotas are counted by each gateway: several gateways admit more";
        let help = "divide the limits of the plans by the number of gateways; credits are exact".to_owned();
        found.warning(source, span, "limits-per-node", message.to_owned(), help);
    }
    let message = "the keys in a PostgreSQL store are not compared with this file".to_owned();
    found.warning(source, span, "store", message, None);
}

fn store_unchecked(source: &Arc<Source>, span: Span, error: &dyn std::fmt::Display, found: &mut Diagnostics) {
    let message = format!("cannot check this file against the store: {error}");
    found.warning(source, span, "store", message, None);
}
