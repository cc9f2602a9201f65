//! `demur apply`: make the accounts of the store those of a file.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use demur_admission::{Account, AccountId, Command, GrantDay, Page, Reply};
use demur_gateway::Config;
use demur_source::{Diagnostics, Fields, Node, Source, did_you_mean};
use serde::Serialize;

use super::{execute, unexpected};
use crate::args::ApplyArgs;
use crate::exit::{CommandFailure, Exit, cannot_read};
use crate::output::Output;
use crate::serving::load_store;

/// An account as the file declares it.
struct Declared {
    id: AccountId,
    name: String,
    plan: String,
    /// `None` leaves it as it is in the store.
    grant_day: Option<GrantDay>,
}

/// What differs between the file and the store.
#[derive(Default, Serialize)]
struct Difference {
    create: Vec<Creation>,
    change: Vec<PlanChange>,
    grant_day: Vec<GrantDayChange>,
    /// Names are set when an account is created, and stay.
    other_name: Vec<String>,
    unchanged: usize,
    /// Accounts of the store that the file does not have. They stay as they are.
    not_in_file: Vec<String>,
}

#[derive(Serialize)]
struct Creation {
    account: AccountId,
    name: String,
    plan: String,
    grant_day: Option<GrantDay>,
}

#[derive(Serialize)]
struct PlanChange {
    account: AccountId,
    from: String,
    to: String,
}

#[derive(Serialize)]
struct GrantDayChange {
    account: AccountId,
    /// `None` is that of the plan.
    from: Option<GrantDay>,
    to: GrantDay,
}

/// What a run has done, for programs.
#[derive(Serialize)]
struct Applied<'d> {
    #[serde(flatten)]
    difference: &'d Difference,
    applied: bool,
}

pub(crate) fn run(args: &ApplyArgs, output: &Output) -> Result<Exit, CommandFailure> {
    let config = load_store(&args.config)?;
    let source = Source::read(&args.file)
        .map_err(|error| CommandFailure::unavailable(cannot_read(&args.file, &error), None))?;
    let declared = read(&source, &config).map_err(CommandFailure::Configuration)?;
    let difference = difference(declared, stored(&config)?);
    if !args.dry_run {
        apply(&config, &difference)?;
    }
    output.result(
        &human(&difference, args.dry_run),
        &Applied { difference: &difference, applied: !args.dry_run },
    );
    Ok(Exit::Ok)
}

/// The accounts of the file, or every mistake in it.
fn read(source: &Arc<Source>, config: &Config) -> Result<Vec<Declared>, Diagnostics> {
    let (root, mut found) = demur_source::parse_lossy(source)?;
    let mut declared: Vec<Declared> = Vec::new();
    if let Some(mut fields) = Fields::of(&root, source, "the file", &mut found) {
        if fields.node("accounts").is_none() {
            fields.missing("accounts", &mut found);
        }
        let mut seen = BTreeSet::new();
        for node in fields.list("accounts", &mut found) {
            let Some(account) = read_account(node, source, config, &mut found) else { continue };
            if !seen.insert(account.id.clone()) {
                let message = format!("`{}` is listed twice", account.id.as_str());
                found.error(source, node.span, "duplicate-account", message, None);
            }
            declared.push(account);
        }
        fields.finish(&mut found);
    }
    if found.has_errors() { Err(found.sorted()) } else { Ok(declared) }
}

fn read_account(
    node: &Node,
    source: &Arc<Source>,
    config: &Config,
    found: &mut Diagnostics,
) -> Option<Declared> {
    let mut fields = Fields::of(node, source, "an account", found)?;
    let id = fields.entry("id").map(|(_, node)| (node.scalar_text().unwrap_or_default(), node.span));
    if id.is_none() {
        fields.missing("id", found);
    }
    let plan = fields.entry("plan").map(|(_, node)| (node.scalar_text().unwrap_or_default(), node.span));
    if plan.is_none() {
        fields.missing("plan", found);
    }
    let name = fields.text("name", found);
    let grant_day = fields.entry("grant_day").and_then(|(_, node)| {
        let text = node.scalar_text().unwrap_or_default();
        let day = text.parse().ok().and_then(|number: u8| GrantDay::try_from(number).ok());
        if day.is_none() {
            let message = format!("`{text}` is not a day of the month");
            found.error(source, node.span, "grant-day", message, "write a number from 1 to 31".to_owned());
        }
        day
    });
    fields.finish(found);
    let id = id.and_then(|(text, span)| match text.parse::<AccountId>() {
        Ok(id) => Some(id),
        Err(error) => {
            found.error(
                source,
                span,
                "account",
                format!("`{text}` is not the ID of an account: {error}"),
                None,
            );
            None
        }
    });
    let plan = plan.and_then(|(plan, span)| {
        let mut known = config.plans.iter().map(|plan| plan.name.as_str());
        if known.clone().any(|known| known == plan) {
            return Some(plan);
        }
        let help = match did_you_mean(&plan, known.clone()) {
            Some(known) => format!("did you mean `{known}`?"),
            None if known.next().is_none() => "add it to `plans` in the configuration".to_owned(),
            None => format!(
                "use one of: {}",
                config.plans.iter().map(|plan| plan.name.as_str()).collect::<Vec<_>>().join(", ")
            ),
        };
        found.error(source, span, "plan", format!("unknown plan `{plan}`"), help);
        None
    });
    let id = id?;
    Some(Declared { name: name.unwrap_or_else(|| id.as_str().to_owned()), id, plan: plan?, grant_day })
}

/// All accounts of the store.
fn stored(config: &Config) -> Result<BTreeMap<AccountId, Account>, CommandFailure> {
    let mut all = BTreeMap::new();
    let mut after = None;
    loop {
        let page = Page { after, ..Page::default() };
        match execute(config, &Command::ListAccounts { page })? {
            Reply::Accounts { accounts, more } => {
                after = accounts.last().map(|last| last.id.clone()).filter(|_| more);
                all.extend(accounts.into_iter().map(|account| (account.id.clone(), account)));
            }
            other => return Err(unexpected(&other)),
        }
        if after.is_none() {
            return Ok(all);
        }
    }
}

fn difference(declared: Vec<Declared>, mut stored: BTreeMap<AccountId, Account>) -> Difference {
    let mut difference = Difference::default();
    for Declared { id, name, plan, grant_day } in declared {
        let Some(account) = stored.remove(&id) else {
            difference.create.push(Creation { account: id, name, plan, grant_day });
            continue;
        };
        if account.name != name {
            difference.other_name.push(id.as_str().to_owned());
        }
        let other_day = grant_day.filter(|day| account.grant_day != Some(*day));
        if account.plan == plan && other_day.is_none() {
            difference.unchanged += 1;
        }
        if let Some(to) = other_day {
            let change = GrantDayChange { account: id.clone(), from: account.grant_day, to };
            difference.grant_day.push(change);
        }
        if account.plan != plan {
            difference.change.push(PlanChange { account: id, from: account.plan, to: plan });
        }
    }
    difference.not_in_file = stored.into_keys().map(|id| id.as_str().to_owned()).collect();
    difference
}

/// Applies one change after the other. What was done stays if a later one is rejected: the next run does the rest.
fn apply(config: &Config, difference: &Difference) -> Result<(), CommandFailure> {
    let creations = difference.create.iter().map(|creation| Command::CreateAccount {
        account: Some(creation.account.clone()),
        name: creation.name.clone(),
        plan: creation.plan.clone(),
        grant_day: creation.grant_day,
    });
    let changes = difference.change.iter().map(|PlanChange { account, to, .. }| Command::SetPlan {
        account: account.clone(),
        plan: to.clone(),
    });
    let grant_days = difference.grant_day.iter().map(|GrantDayChange { account, to, .. }| {
        Command::SetGrantDay { account: account.clone(), grant_day: Some(*to) }
    });
    for command in creations.chain(changes).chain(grant_days) {
        match execute(config, &command)? {
            Reply::Account(_) => {}
            other => return Err(unexpected(&other)),
        }
    }
    Ok(())
}

fn human(difference: &Difference, is_dry_run: bool) -> String {
    let Difference { create, change, grant_day, other_name, unchanged, not_in_file } = difference;
    let mut lines: Vec<String> = Vec::new();
    lines.extend(create.iter().map(|it| {
        let day = it.grant_day.map_or_else(String::new, |day| format!(", grant day {day}"));
        format!("+ {}  plan {}, name {}{day}", it.account.as_str(), it.plan, it.name)
    }));
    lines.extend(change.iter().map(|it| format!("~ {}  plan {} → {}", it.account.as_str(), it.from, it.to)));
    lines.extend(grant_day.iter().map(|it| {
        let from = it.from.map_or_else(|| "of the plan".to_owned(), |day| day.to_string());
        format!("~ {}  grant day {from} → {}", it.account.as_str(), it.to)
    }));
    let changed: BTreeSet<&AccountId> =
        change.iter().map(|it| &it.account).chain(grant_day.iter().map(|it| &it.account)).collect();
    let mode = if is_dry_run { "nothing was changed; to create" } else { "created" };
    let change_mode = if is_dry_run { "to change" } else { "changed" };
    lines.push(format!("{mode}: {}, {change_mode}: {}, unchanged: {unchanged}", create.len(), changed.len()));
    if !other_name.is_empty() {
        lines.push(format!("other names in the store, which stay: {}", other_name.join(", ")));
    }
    if !not_in_file.is_empty() {
        lines.push(format!("not in the file, and unchanged: {}", not_in_file.join(", ")));
    }
    lines.join("\n")
}
