//! What the matrix needs to know of one operation, and of the plans.

use std::time::Duration;

use demur_admission::{LimitBy, LimitKind, LimitState, Plan, Rate};
use demur_engine::settings::{ApiSettings, IdempotencyMode, OperationSettings, RuleSettings};
use demur_validation::{Operation, PossibleViolation};
use serde_json::Value;

/// A day of a quota, and how much of it is left in examples.
pub(crate) const DAY: Duration = Duration::from_secs(86_400);
pub(crate) const REST_OF_DAY: Duration = Duration::from_secs(5_463);

/// An operation with everything that determines its errors.
pub(crate) struct OperationView<'v> {
    pub(crate) api: &'v ApiSettings,
    pub(crate) plans: &'v [Plan],
    pub(crate) operation: &'v Operation,
    pub(crate) policy: &'v OperationSettings,
    pub(crate) violations: Vec<PossibleViolation>,
    /// `x-demur-errors` of the operation; `None` if the document does not use it.
    pub(crate) raised: Option<Vec<&'v str>>,
}

impl<'v> OperationView<'v> {
    /// `names_errors` is what [`names_errors`] says of the API.
    pub(crate) fn new(
        api: &'v ApiSettings,
        plans: &'v [Plan],
        operation: &'v Operation,
        names_errors: bool,
    ) -> Option<Self> {
        let policy = api.operations.get(operation.index())?;
        let violations = api.document.possible_violations(operation);
        let raised = names_errors.then(|| raised(api, operation).unwrap_or_default());
        Some(Self { api, plans, operation, policy, violations, raised })
    }

    /// The declaration in the document.
    pub(crate) fn declaration(&self) -> Option<&'v Value> {
        declaration(self.api, self.operation)
    }

    /// Whether the document marks it as internal.
    pub(crate) fn is_internal(&self) -> bool {
        self.declaration().and_then(|declared| declared.get("x-internal")) == Some(&Value::Bool(true))
    }

    /// The rates that count it, each with its plan.
    pub(crate) fn rates(&self) -> impl Iterator<Item = (&'v Plan, &'v Rate)> + '_ {
        let counts = |rate: &&Rate| {
            !rate.shadow && (rate.operations.is_empty() || rate.operations.contains(self.operation.id()))
        };
        self.active().flat_map(move |plan| plan.rates.iter().filter(counts).map(move |rate| (plan, rate)))
    }

    /// The plans that admit something.
    pub(crate) fn active(&self) -> impl Iterator<Item = &'v Plan> + use<'v> {
        self.plans.iter().filter(|plan| plan.active)
    }

    /// The rules that are checked.
    pub(crate) fn rules(&self) -> impl Iterator<Item = &'v RuleSettings> + '_ {
        let index = self.operation.index();
        self.api
            .rules
            .iter()
            .filter(move |rule| rule.operations.is_empty() || rule.operations.contains(&index))
    }

    pub(crate) fn needs_key(&self) -> bool {
        !self.policy.anonymous
    }

    pub(crate) fn takes_idempotency_keys(&self) -> bool {
        self.needs_key() && self.policy.idempotency.mode != IdempotencyMode::Off
    }

    pub(crate) fn takes_json(&self) -> bool {
        self.operation.media_types().any(|media_type| media_type.ends_with("json"))
    }

    pub(crate) fn max_body_bytes(&self) -> u64 {
        self.policy.max_body_bytes.unwrap_or(self.api.max_body_bytes)
    }

    /// The plan of the caller in examples: one that can call the operation, with limits if there is such a plan.
    pub(crate) fn example_plan(&self) -> Option<&'v Plan> {
        let limited = self.active().find(|plan| !plan.rates.is_empty());
        limited.or_else(|| self.active().next()).or(self.plans.first())
    }

    /// The state of that caller's limits.
    pub(crate) fn limits(&self, is_exceeded: bool) -> Vec<LimitState<'v>> {
        let Some(plan) = self.example_plan() else { return Vec::new() };
        let left = |limit: u64| if is_exceeded { 0 } else { limit.saturating_sub(1) };
        let rates = plan.rates.iter().filter(|rate| !rate.shadow && rate.limit_by != LimitBy::Address);
        let rates = rates.map(|rate| {
            let limit = rate.requests.get().into();
            let kind = LimitKind::Rate(&rate.name);
            LimitState { kind, limit, remaining: left(limit), window: rate.per, reset: rate.per }
        });
        let quota = plan.quota.as_ref().filter(|quota| !quota.shadow).map(|quota| LimitState {
            kind: LimitKind::Quota,
            limit: quota.requests,
            remaining: left(quota.requests),
            window: DAY,
            reset: REST_OF_DAY,
        });
        rates.chain(quota).collect()
    }
}

/// The declaration of an operation in the document.
pub(crate) fn declaration<'v>(api: &'v ApiSettings, operation: &Operation) -> Option<&'v Value> {
    api.document.as_json().pointer(operation.pointer())
}

/// Whether any operation of the document says which errors the upstream raises.
pub(crate) fn names_errors(api: &ApiSettings) -> bool {
    api.document.operations().iter().any(|operation| raised(api, operation).is_some())
}

fn raised<'v>(api: &'v ApiSettings, operation: &Operation) -> Option<Vec<&'v str>> {
    let names = declaration(api, operation)?.get("x-demur-errors")?.as_array()?;
    Some(names.iter().filter_map(Value::as_str).collect())
}
