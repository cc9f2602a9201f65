//! `plans:` rates, concurrency, quota, credits and features.

use demur_admission::{Concurrency, LimitBy, MonthlyCredits, Plan, Quota, QuotaUnit, Rate};
use demur_source::{Fields, Key, Node};
use jiff::tz::TimeZone;

use crate::reader::ConfigReader;

/// Reads one plan.
pub(crate) fn read_plan(key: &Key, node: &Node, reader: &mut ConfigReader<'_>) -> Option<Plan> {
    let mut plan = Plan::named(key.name.clone());
    let mut fields = Fields::of(node, reader.source, "a plan", reader.found)?;
    plan.active = fields.boolean("active", reader.found).unwrap_or(true);
    for item in fields.list("rates", reader.found) {
        if let Some(rate) = read_rate(item, reader) {
            if plan.rates.iter().any(|other| other.name == rate.name) {
                let message = format!("the plan has two rates named `{}`", rate.name);
                let help = "give each rate a name of its own".to_owned();
                reader.error(item.span, "duplicate-rate", message, help);
            }
            plan.rates.push(rate);
        }
    }
    plan.concurrency = read_concurrency(&mut fields, reader);
    plan.quota = fields.node("quota").and_then(|node| read_quota(node, reader));
    plan.credits = fields.node("credits").and_then(|node| read_credits(node, reader));
    plan.features = fields.texts("features", reader.found).into_iter().map(|(text, _)| text).collect();
    fields.finish(reader.found);
    Some(plan)
}

const LIMIT_BY: &[(&str, LimitBy)] =
    &[("account", LimitBy::Account), ("key", LimitBy::Key), ("address", LimitBy::Address)];

fn read_rate(node: &Node, reader: &mut ConfigReader<'_>) -> Option<Rate> {
    let mut fields = Fields::of(node, reader.source, "a rate", reader.found)?;
    let name = fields.text("name", reader.found);
    let requests = reader.positive(&mut fields, "requests");
    let per = reader.duration(&mut fields, "per");
    let burst = reader.positive(&mut fields, "burst");
    let counts_for = reader.choice(&mut fields, "limit_by", LIMIT_BY).unwrap_or(LimitBy::Account);
    let operations = fields.texts("operations", reader.found).into_iter().map(|(text, _)| text).collect();
    let shadow = fields.boolean("shadow", reader.found).unwrap_or(false);
    for name in ["requests", "per"] {
        reader.need(&mut fields, name);
    }
    fields.finish(reader.found);
    let requests = requests?;
    let name = name.unwrap_or_else(|| "rate".to_owned());
    // It is shown in rate limit headers.
    if name == "daily"
        || name.is_empty()
        || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
    {
        let message = format!("`{name}` is not a valid rate name");
        let help = "use letters, digits, `-`, `_` and `.`; `daily` is the name of the quota".to_owned();
        reader.error(node.span, "rate-name", message, help);
    }
    let burst = burst.unwrap_or(requests);
    Some(Rate { burst, limit_by: counts_for, operations, shadow, ..Rate::new(name, requests, per?) })
}

/// A number, or a mapping with `requests` and `shadow`.
fn read_concurrency(fields: &mut Fields<'_>, reader: &mut ConfigReader<'_>) -> Option<Concurrency> {
    let node = fields.node("concurrency")?;
    if node.scalar_text().is_some() {
        return reader.positive(fields, "concurrency").map(Concurrency::of);
    }
    let mut fields = Fields::of(node, reader.source, "`concurrency`", reader.found)?;
    let slots = reader.positive(&mut fields, "requests");
    let shadow = fields.boolean("shadow", reader.found).unwrap_or(false);
    reader.need(&mut fields, "requests");
    fields.finish(reader.found);
    Some(Concurrency { slots: slots?, shadow })
}

const QUOTA_UNITS: &[(&str, QuotaUnit)] =
    &[("attempts", QuotaUnit::Attempts), ("successes", QuotaUnit::Successes)];

fn read_quota(node: &Node, reader: &mut ConfigReader<'_>) -> Option<Quota> {
    let mut fields = Fields::of(node, reader.source, "a quota", reader.found)?;
    let requests = reader.whole(&mut fields, "requests");
    let zone = read_time_zone(&mut fields, reader);
    let counts = reader.choice(&mut fields, "counts", QUOTA_UNITS).unwrap_or(QuotaUnit::Attempts);
    reader.need(&mut fields, "requests");
    let shadow = fields.boolean("shadow", reader.found).unwrap_or(false);
    fields.finish(reader.found);
    Some(Quota { requests: requests?, zone, counts, shadow })
}

fn read_credits(node: &Node, reader: &mut ConfigReader<'_>) -> Option<MonthlyCredits> {
    let mut fields = Fields::of(node, reader.source, "`credits`", reader.found)?;
    let amount = reader.whole(&mut fields, "monthly");
    let grant_day = match fields.entry("grant_day") {
        None => 1,
        Some((key, _)) => match fields.int("grant_day", reader.found).map(u8::try_from) {
            Some(Ok(day @ 1..=31)) => day,
            _ => {
                let help = "in a month without the day, credits are granted on the last day".to_owned();
                reader.error(key.span, "grant-day", "`grant_day` must be between 1 and 31", help);
                1
            }
        },
    };
    let zone = read_time_zone(&mut fields, reader);
    reader.need(&mut fields, "monthly");
    fields.finish(reader.found);
    Some(MonthlyCredits { amount: amount?, grant_day, zone })
}

fn read_time_zone(fields: &mut Fields<'_>, reader: &mut ConfigReader<'_>) -> TimeZone {
    let Some(node) = fields.node("time_zone") else { return TimeZone::UTC };
    let name = node.scalar_text().unwrap_or_default();
    TimeZone::get(&name).unwrap_or_else(|_| {
        let help = "write a name of the IANA time zone database, such as `Europe/Rome`".to_owned();
        reader.error(node.span, "time-zone", format!("unknown time zone `{name}`"), help);
        TimeZone::UTC
    })
}
