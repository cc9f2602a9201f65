//! The rules of one request: what they can see of it, and what they raise.

use demur_admission::{Now, Principal, Scope};
use demur_contract::{Condition, Contract};
use demur_validation::{RuleInputs, Variable};
use http::request::Parts;
use serde_json::{Value as Json, json};

use crate::api::Api;
use crate::reject::rejection::Rejection;
use crate::settings::{Authentication, Prefixes, RuleSettings};

/// What the rules can see.
pub(crate) struct RuleContext<'s> {
    pub(crate) parts: &'s Parts,
    pub(crate) path: &'s str,
    pub(crate) params: &'s serde_json::Map<String, Json>,
    pub(crate) body: Option<&'s Json>,
    pub(crate) principal: Option<&'s Principal>,
    pub(crate) now: Now,
}

/// Asks every rule of the operation, in the file's order; the first that is not satisfied speaks.
pub(crate) fn check(
    api: &Api,
    operation: usize,
    contract: &Contract,
    seen: &RuleContext<'_>,
) -> Result<(), Rejection> {
    let rules = api.rules.get(operation).map_or(&[][..], Vec::as_slice);
    if rules.is_empty() {
        return Ok(());
    }
    let inputs = inputs(seen, &api.settings.authentication);
    for rule in rules.iter().filter_map(|index| api.settings.rules.get(*index)) {
        match rule.require.evaluate(&inputs) {
            Ok(true) => {}
            Ok(false) => return Err(raise(contract, rule, &inputs)),
            Err(failure) => {
                let refused = match &rule.on_failure {
                    Some(name) => named(contract, name),
                    None => Condition::RuleFailed.into(),
                };
                return Err(refused.with_cause(format!("rule `{}`: {failure}", rule.name)));
            }
        }
    }
    Ok(())
}

/// An error of the generation that speaks. Every one has it: that was checked when the file was read.
fn named(contract: &Contract, name: &str) -> Rejection {
    contract.named(name).map_or_else(|| Condition::RuleFailed.into(), Rejection::error)
}

fn raise(contract: &Contract, rule: &RuleSettings, inputs: &RuleInputs<'_>) -> Rejection {
    let mut refused = named(contract, &rule.raise);
    let mut cause = format!("rule `{}` raised `{}`", rule.name, rule.raise);
    for (name, expression) in &rule.with {
        // The request is refused either way; a parameter that cannot be had is left out of the message.
        match expression.evaluate_value(inputs) {
            Ok(value) => refused.detail.params.push((name.clone().into(), value)),
            Err(failure) => cause.push_str(&format!("; parameter `{name}`: {failure}")),
        }
    }
    refused.with_cause(cause)
}

fn inputs<'s>(seen: &'s RuleContext<'_>, authentication: &'s Authentication) -> RuleInputs<'s> {
    const NOTHING: &Json = &Json::Null;
    RuleInputs::new(seen.now.wall)
        .bind_lazy(Variable::Request, move || request(seen, authentication))
        .bind_members(Variable::Params, seen.params)
        .bind(Variable::Body, seen.body.unwrap_or(NOTHING))
        .bind_lazy(Variable::Key, || {
            seen.principal.map_or(Json::Null, |principal| key(principal, &authentication.prefixes))
        })
        .bind_lazy(Variable::Account, || {
            let account = |principal: &Principal| {
                let account = principal.account();
                json!({ "id": account.id.as_str(), "name": account.name })
            };
            seen.principal.map_or(Json::Null, account)
        })
        .bind_lazy(Variable::Plan, || {
            let plan = |principal: &Principal| {
                let plan = principal.plan();
                json!({ "name": plan.name, "features": plan.features })
            };
            seen.principal.map_or(Json::Null, plan)
        })
}

fn request(seen: &RuleContext<'_>, authentication: &Authentication) -> Json {
    let mut headers = serde_json::Map::new();
    for (name, value) in &seen.parts.headers {
        // Credentials are not for rules, and so not for what a rule may show.
        if matches!(name.as_str(), "authorization" | "proxy-authorization" | "cookie")
            || authentication.fields().any(|field| field == name)
        {
            continue;
        }
        if let Ok(value) = value.to_str() {
            headers.entry(name.as_str()).or_insert_with(|| Json::from(value));
        }
    }
    json!({ "method": seen.parts.method.as_str(), "path": seen.path, "headers": headers })
}

fn key(principal: &Principal, prefixes: &Prefixes) -> Json {
    let key = principal.key();
    // A rule that asks `x in key.resources` of a key that covers everything gets `*`, and must say so.
    let covered = |coverage: &Scope| match coverage {
        Scope::All => json!(["*"]),
        Scope::Only(names) => json!(names),
    };
    json!({
        "id": key.id.as_str(),
        "environment": prefixes.environment(&key.prefix).unwrap_or_default(),
        "scopes": key.grants.scopes,
        "metadata": key.metadata,
        "resources": covered(&key.grants.resources),
        "operations": covered(&key.grants.operations),
    })
}
