//! `plans:` rates, quota, credits and features.

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::time::Duration;

use demur_admission::{Concurrency, CountsFor, MonthlyCredits, Plan, Quota, QuotaUnit, Rate};
use demur_source::{Fields, Key, Node};
use jiff::tz::TimeZone;

use super::{ConfigReader, duration};

/// Reads one plan.
pub fn read_plan(key: &Key, node: &Node, reading: &mut ConfigReader<'_>) -> Option<Plan> {
    let mut plan = Plan::named(key.name.clone());
    let mut fields = Fields::of(node, reading.source, "a plan", reading.found)?;
    plan.active = fields.boolean("active", reading.found).unwrap_or(true);
    for item in fields.list("rates", reading.found) {
        if let Some(rate) = read_rate(item, reading) {
            if plan.rates.iter().any(|other| other.name == rate.name) {
                let message = format!("the plan has two rates called `{}`", rate.name);
                reading.error(item.span, "duplicate-rate", message, "each counts by its name".to_owned());
            }
            plan.rates.push(rate);
        }
    }
    plan.concurrency = read_concurrency(&mut fields, reading);
    plan.quota = fields.node("quota").and_then(|node| read_quota(node, reading));
    plan.credits = fields.node("credits").and_then(|node| read_credits(node, reading));
    plan.features =
        fields.texts("features", reading.found).into_iter().map(|(text, _)| text).collect::<BTreeSet<_>>();
    fields.finish(reading.found);
    Some(plan)
}

fn read_rate(node: &Node, reading: &mut ConfigReader<'_>) -> Option<Rate> {
    let mut fields = Fields::of(node, reading.source, "a rate", reading.found)?;
    let name = fields.text("name", reading.found);
    let requests = positive(&mut fields, "requests", reading);
    let per = read_duration(&mut fields, "per", reading);
    let burst = positive(&mut fields, "burst", reading);
    let counts_for = match fields.node("counts_for") {
        None => CountsFor::Account,
        Some(node) => match node.as_str() {
            Some("account") => CountsFor::Account,
            Some("key") => CountsFor::Key,
            Some("address") => CountsFor::Address,
            _ => {
                let message = "a rate counts for each `account`, `key` or `address`";
                reading.error(node.span, "unknown-word", message, None);
                CountsFor::Account
            }
        },
    };
    let operations = fields.texts("operations", reading.found).into_iter().map(|(text, _)| text).collect();
    let shadow = fields.boolean("shadow", reading.found).unwrap_or(false);
    for name in ["requests", "per"] {
        need(name, &mut fields, reading);
    }
    fields.finish(reading.found);
    let requests = requests?;
    let name = name.unwrap_or_else(|| "rate".to_owned());
    // Header fields about limits show it.
    if name == "daily"
        || name.is_empty()
        || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
    {
        let message = format!(
            "`{name}` cannot be a rate's name: letters, digits, `-`, `_` and `.`, and `daily` is the quota's"
        );
        reading.error(node.span, "rate-name", message, None);
    }
    let burst = burst.unwrap_or(requests);
    Some(Rate { burst, counts_for, operations, shadow, ..Rate::new(name, requests, per?) })
}

/// A number, or a mapping with `requests` and `shadow`.
fn read_concurrency(fields: &mut Fields<'_>, reading: &mut ConfigReader<'_>) -> Option<Concurrency> {
    let node = fields.node("concurrency")?;
    if node.scalar_text().is_some() {
        return positive(fields, "concurrency", reading).map(Concurrency::of);
    }
    let mut fields = Fields::of(node, reading.source, "`concurrency`", reading.found)?;
    let slots = positive(&mut fields, "requests", reading);
    let shadow = fields.boolean("shadow", reading.found).unwrap_or(false);
    need("requests", &mut fields, reading);
    fields.finish(reading.found);
    Some(Concurrency { slots: slots?, shadow })
}

fn read_quota(node: &Node, reading: &mut ConfigReader<'_>) -> Option<Quota> {
    let mut fields = Fields::of(node, reading.source, "a quota", reading.found)?;
    let requests = whole(&mut fields, "requests", reading);
    let zone = read_zone(&mut fields, reading);
    let counts = match fields.node("counts") {
        None => QuotaUnit::Attempts,
        Some(node) => match node.as_str() {
            Some("attempts") => QuotaUnit::Attempts,
            Some("successes") => QuotaUnit::Successes,
            _ => {
                let message = "a quota counts `attempts` or `successes`";
                reading.error(node.span, "unknown-word", message, None);
                QuotaUnit::Attempts
            }
        },
    };
    need("requests", &mut fields, reading);
    let shadow = fields.boolean("shadow", reading.found).unwrap_or(false);
    fields.finish(reading.found);
    Some(Quota { requests: requests?, zone, counts, shadow })
}

fn read_credits(node: &Node, reading: &mut ConfigReader<'_>) -> Option<MonthlyCredits> {
    let mut fields = Fields::of(node, reading.source, "`credits`", reading.found)?;
    let amount = whole(&mut fields, "monthly", reading);
    let grant_day = match fields.entry("grant_day") {
        None => 1,
        Some((key, _)) => match fields.int("grant_day", reading.found).map(u8::try_from) {
            Some(Ok(day @ 1..=28)) => day,
            _ => {
                let help = "the 29th, 30th and 31st do not come every month".to_owned();
                reading.error(key.span, "grant-day", "`grant_day` goes from 1 to 28", help);
                1
            }
        },
    };
    let zone = read_zone(&mut fields, reading);
    need("monthly", &mut fields, reading);
    fields.finish(reading.found);
    Some(MonthlyCredits { amount: amount?, grant_day, zone })
}

fn read_zone(fields: &mut Fields<'_>, reading: &mut ConfigReader<'_>) -> TimeZone {
    let Some(node) = fields.node("zone") else { return TimeZone::UTC };
    let name = node.scalar_text().unwrap_or_default();
    TimeZone::get(&name).unwrap_or_else(|_| {
        let help = "write a name of the IANA time zone database, such as `Europe/Rome`".to_owned();
        reading.error(node.span, "time-zone", format!("there is no time zone `{name}`"), help);
        TimeZone::UTC
    })
}

/// A duration with its unit, longer than nothing. What is there and is none is reported.
pub fn read_duration(
    fields: &mut Fields<'_>,
    name: &'static str,
    reading: &mut ConfigReader<'_>,
) -> Option<Duration> {
    let node = fields.node(name)?;
    let read = node.scalar_text().and_then(|text| duration(&text)).filter(|read| !read.is_zero());
    if read.is_none() {
        let message = format!("`{name}` must be a duration");
        reading.error(node.span, "duration", message, "write `500ms`, `2s`, `1m` or `1h`".to_owned());
    }
    read
}

/// Reports a field that is not there. One that is there and wrong has been reported.
pub(super) fn need(name: &'static str, fields: &mut Fields<'_>, reading: &mut ConfigReader<'_>) {
    if fields.node(name).is_none() {
        fields.missing(name, reading.found);
    }
}

pub(super) fn positive(
    fields: &mut Fields<'_>,
    name: &'static str,
    reading: &mut ConfigReader<'_>,
) -> Option<NonZeroU32> {
    let (_, node) = fields.entry(name)?;
    let value = fields.int(name, reading.found)?;
    let read = u32::try_from(value).ok().and_then(NonZeroU32::new);
    if read.is_none() {
        reading.error(node.span, "number", format!("`{name}` must be a whole number from 1 on"), None);
    }
    read
}

fn whole(fields: &mut Fields<'_>, name: &'static str, reading: &mut ConfigReader<'_>) -> Option<u64> {
    let (_, node) = fields.entry(name)?;
    let value = fields.int(name, reading.found)?;
    let read = u64::try_from(value).ok();
    if read.is_none() {
        reading.error(node.span, "number", format!("`{name}` must not be negative"), None);
    }
    read
}
