//! The rules of one request: what they can see of it, and what they raise.

use demur_admission::{Now, Principal, Scope};
use demur_contract::{Condition, Contract};
use demur_validation::{RuleInputs, Variable};
use http::request::Parts;
use serde_json::{Value as Json, json};

use crate::api::Api;
use crate::reject::rejection::Rejection;
use crate::settings::{Authentication, Prefixes, RuleSettings};

/// What rules can read.
pub(crate) struct RuleContext<'s> {
    pub(crate) parts: &'s Parts,
    pub(crate) path: &'s str,
    pub(crate) params: &'s serde_json::Map<String, Json>,
    pub(crate) body: Option<&'s Json>,
    pub(crate) principal: Option<&'s Principal>,
    pub(crate) now: Now,
}

/// Checks the operation's rules in the order of the file. The first one that fails rejects the request.
pub(crate) fn check(
    api: &Api,
    operation: usize,
    contract: &Contract,
    context: &RuleContext<'_>,
) -> Result<(), Rejection> {
    let rules = api.rules.get(operation).map_or(&[][..], Vec::as_slice);
    if rules.is_empty() {
        return Ok(());
    }
    let inputs = inputs(context, &api.settings.authentication);
    for rule in rules.iter().filter_map(|index| api.settings.rules.get(*index)) {
        match rule.require.evaluate(&inputs) {
            Ok(true) => {}
            Ok(false) => return Err(raise(contract, rule, &inputs)),
            Err(failure) => {
                let rejection = match &rule.on_failure {
                    Some(name) => named(contract, name),
                    None => Condition::RuleFailed.into(),
                };
                return Err(rejection.with_cause(format!("rule `{}`: {failure}", rule.name)));
            }
        }
    }
    Ok(())
}

/// An error of the selected contract version. The loader checks that each has it.
fn named(contract: &Contract, name: &str) -> Rejection {
    contract.named(name).map_or_else(|| Condition::RuleFailed.into(), |error| Rejection::named(error, name))
}

fn raise(contract: &Contract, rule: &RuleSettings, inputs: &RuleInputs<'_>) -> Rejection {
    let mut rejection = named(contract, &rule.raise);
    let mut cause = format!("rule `{}` raised `{}`", rule.name, rule.raise);
    for (name, expression) in &rule.with {
        // The request is rejected anyway. A parameter that cannot be evaluated is left out.
        match expression.evaluate_value(inputs) {
            Ok(value) => rejection.detail.params.push((name.clone().into(), value)),
            Err(failure) => cause.push_str(&format!("; parameter `{name}`: {failure}")),
        }
    }
    rejection.with_cause(cause)
}

fn inputs<'s>(context: &'s RuleContext<'_>, authentication: &'s Authentication) -> RuleInputs<'s> {
    const NOTHING: &Json = &Json::Null;
    RuleInputs::new(context.now.wall)
        .bind_lazy(Variable::Request, move || request(context, authentication))
        .bind_members(Variable::Params, context.params)
        .bind(Variable::Body, context.body.unwrap_or(NOTHING))
        .bind_lazy(Variable::Key, || {
            context.principal.map_or(Json::Null, |principal| key(principal, &authentication.prefixes))
        })
        .bind_lazy(Variable::Account, || {
            let account = |principal: &Principal| {
                let account = principal.account();
                json!({ "id": account.id.as_str(), "name": account.name })
            };
            context.principal.map_or(Json::Null, account)
        })
        .bind_lazy(Variable::Plan, || {
            let plan = |principal: &Principal| {
                let plan = principal.plan();
                json!({ "name": plan.name, "features": plan.features })
            };
            context.principal.map_or(Json::Null, plan)
        })
}

fn request(context: &RuleContext<'_>, authentication: &Authentication) -> Json {
    let mut headers = serde_json::Map::new();
    for (name, value) in &context.parts.headers {
        // Rules cannot read credentials, since their results may be shown.
        if matches!(name.as_str(), "authorization" | "proxy-authorization" | "cookie")
            || authentication.fields().any(|field| field == name)
        {
            continue;
        }
        if let Ok(value) = value.to_str() {
            headers.entry(name.as_str()).or_insert_with(|| Json::from(value));
        }
    }
    json!({ "method": context.parts.method.as_str(), "path": context.path, "headers": headers })
}

fn key(principal: &Principal, prefixes: &Prefixes) -> Json {
    let key = principal.key();
    // For a key with all resources, rules see `*`.
    let names = |scope: &Scope| match scope {
        Scope::All => json!(["*"]),
        Scope::Only(names) => json!(names),
    };
    json!({
        "id": key.id.as_str(),
        "environment": prefixes.environment(&key.prefix).unwrap_or_default(),
        "scopes": key.grants.scopes,
        "metadata": key.metadata,
        "resources": names(&key.grants.resources),
        "operations": names(&key.grants.operations),
    })
}
