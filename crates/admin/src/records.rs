//! The operations that read what the gateway knows: plans, the journal, the configuration and the audit log.

use demur_admission::Plan;
use demur_journal::{Explanation, Filter, Lookup, Reader};
use serde_json::{Value as Json, json};

use crate::commands::{json, page};
use crate::context::AdminContext;
use crate::error::Failure;
use crate::request::AdminRequest;

pub(crate) fn list_plans(context: &AdminContext, _request: &AdminRequest) -> Result<Json, Failure> {
    Ok(json!({ "items": context.host.plans().iter().map(plan).collect::<Vec<_>>() }))
}

fn plan(plan: &Plan) -> Json {
    let rates = plan.rates.iter().map(|rate| {
        json!({
            "name": *rate.name,
            "requests": rate.requests,
            "per_ms": u64::try_from(rate.per.as_millis()).unwrap_or(u64::MAX),
            "burst": rate.burst,
            "limit_by": rate.limit_by,
            "operations": rate.operations,
            "shadow": rate.shadow,
        })
    });
    let mut shown = json!({
        "name": plan.name,
        "active": plan.active,
        "rates": rates.collect::<Vec<_>>(),
        "features": plan.features,
    });
    if let Some(concurrency) = plan.concurrency {
        shown["concurrency"] = concurrency.slots.get().into();
    }
    if let Some(quota) = &plan.quota {
        shown["daily_requests"] = quota.requests.into();
    }
    if let Some(credits) = &plan.credits {
        shown["monthly_credits"] = credits.amount.into();
    }
    shown
}

fn reader(context: &AdminContext) -> Result<Reader, Failure> {
    let path = context.journal.as_deref().ok_or(Failure::JournalDisabled)?;
    Reader::open(path).map_err(unavailable)
}

fn unavailable(error: impl std::fmt::Display) -> Failure {
    Failure::JournalUnavailable(error.to_string())
}

pub(crate) fn search_journal(context: &AdminContext, request: &AdminRequest) -> Result<Json, Failure> {
    let text = |name: &str| request.text(name).map(str::to_owned);
    let filter = Filter {
        account: text("account"),
        key: text("key"),
        code: text("code"),
        condition: text("condition"),
        api: text("api"),
        operation: text("operation"),
        status: request.text("status").and_then(|status| status.parse().ok()),
        since: request.time("since")?,
        until: request.time("until")?,
        before: request.after()?,
    };
    let (reader, limit) = (reader(context)?, request.limit() as usize);
    let mut found = reader.newest(&filter, limit + 1).map_err(unavailable)?;
    let more = found.len() > limit;
    found.truncate(limit);
    let last = found.last().filter(|_| more).map(|recorded| recorded.number.to_string());
    let entries: Vec<_> = found.into_iter().map(|recorded| recorded.entry).collect();
    let mut shown = page(&entries, last)?;
    shown["lost"] = reader.span().map_err(unavailable)?.lost.into();
    Ok(shown)
}

/// What is pasted may contain credentials: it is not kept, and nothing of it but IDs is looked at.
pub(crate) fn explain(context: &AdminContext, request: &AdminRequest) -> Result<Json, Failure> {
    let pasted = request.body.get("text").and_then(Json::as_str).unwrap_or_default();
    match reader(context)?.look_up(pasted).map_err(unavailable)? {
        Lookup::Found(entry) => {
            Ok(json!({ "entry": json(&entry)?, "explanation": json(&Explanation::of(&entry))? }))
        }
        Lookup::NoId => Err(Failure::NoRequestId),
        Lookup::Foreign(_) => Err(Failure::ForeignRequestId),
        Lookup::Expired { oldest, .. } => Err(Failure::RequestExpired(oldest)),
        Lookup::Unknown { .. } => Err(Failure::RequestNotFound),
    }
}

pub(crate) fn get_configuration(context: &AdminContext, _request: &AdminRequest) -> Result<Json, Failure> {
    let configuration = context.host.configuration().map_err(Failure::Internal)?;
    let rejected = configuration.last_rejected;
    Ok(json!({
        "file": configuration.file,
        "generation": configuration.generation,
        "digest": configuration.digest,
        "loaded_at": configuration.loaded_at,
        "effective": configuration.effective,
        "last_rejected": rejected.map(|it| json!({ "at": it.at, "reasons": it.reasons })),
    }))
}

pub(crate) fn list_audit(context: &AdminContext, request: &AdminRequest) -> Result<Json, Failure> {
    let (after, limit) = (request.after()?, request.limit());
    let found = context.database.audit(after, limit + 1);
    let mut entries = found.map_err(|error| Failure::AuditUnavailable(error.to_string()))?;
    let more = entries.len() > limit as usize;
    entries.truncate(limit as usize);
    let last = entries.last().filter(|_| more).map(|entry| entry.number.to_string());
    page(&entries, last)
}
