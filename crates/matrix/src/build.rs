//! Puts the matrix together.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use demur_admission::{AccessRequest, Plan};
use demur_contract::{Condition, Contract, ErrorEntry, ErrorId};
use demur_engine::settings::ApiSettings;
use demur_engine::{Api, ExampleContext, ExampleReason, RequestId};
use demur_validation::Operation;
use http::HeaderMap;

use crate::example::{self, EXAMPLE_REQUEST_ID, example_now};
use crate::model::{
    Absent, Answer, ApiMatrix, Carrier, Cause, CauseKind, Cell, ContractMatrix, ErrorSummary,
    ExampleRejection, Matrix, OperationMatrix, RetrySummary, VERSION,
};
use crate::operation::{OperationView, names_errors};
use crate::refused::{self, RefusedGroup};
use crate::why::{self, Occurrence};

/// The number of causes that a cell lists.
const MAX_CAUSES: usize = 50;

impl Matrix {
    /// Builds the matrix of these APIs. `plans` are those of the configuration.
    pub fn build(apis: &[Arc<Api>], plans: &[Plan]) -> Self {
        Self::build_with_progress(apis, plans, |_| {})
    }

    /// The same. `advance` is called with the number of operations that are done.
    pub fn build_with_progress(apis: &[Arc<Api>], plans: &[Plan], mut advance: impl FnMut(usize)) -> Self {
        let mut done = 0;
        let apis = apis.iter().map(|api| {
            let settings = api.settings();
            let mut ids = HashSet::new();
            let names_errors = names_errors(settings);
            let contracts = settings.contracts().enumerate().map(|(version, contract)| {
                let id = unique_id(settings, contract, &mut ids);
                let groups = refused::groups(contract);
                let mut builder = Builder { api, contract, version, id, groups, answers: HashMap::new() };
                let mut operations = Vec::with_capacity(settings.document.operations().len());
                for operation in settings.document.operations() {
                    let view = OperationView::new(settings, plans, operation, names_errors);
                    operations.extend(view.map(|view| builder.operation(&view)));
                    done += 1;
                    advance(done);
                }
                builder.finish(operations)
            });
            ApiMatrix { name: settings.name.clone(), contracts: contracts.collect() }
        });
        Self { version: VERSION, apis: apis.collect() }
    }
}

fn unique_id(settings: &ApiSettings, contract: &Contract, ids: &mut HashSet<String>) -> String {
    let id = format!("{}/{}", settings.name, contract.name());
    let numbered = (2..).map(|number| format!("{id}-{number}"));
    let unique = std::iter::once(id.clone()).chain(numbered).find(|id| !ids.contains(id)).unwrap_or(id);
    ids.insert(unique.clone());
    unique
}

/// Builds the matrix of one contract.
struct Builder<'b> {
    api: &'b Api,
    contract: &'b Contract,
    version: usize,
    id: String,
    groups: Vec<RefusedGroup>,
    answers: HashMap<Answer, Arc<Answer>>,
}

impl Builder<'_> {
    fn operation(&mut self, view: &OperationView<'_>) -> OperationMatrix {
        let operation = view.operation;
        let (mut cells, mut absent) = (Vec::new(), Vec::new());
        let by_condition = self.violations(view);
        let mut refused = std::mem::take(&mut self.groups);
        let mut refused_done = false;
        for condition in Condition::all() {
            if condition.is_violation() {
                match by_condition.get(&condition) {
                    Some(indexes) => cells.extend(self.invalid(condition, indexes, view)),
                    None => absent.push(Absent {
                        condition: condition.name().to_owned(),
                        reason: no_keyword(view).to_owned(),
                    }),
                }
                continue;
            }
            if let Condition::UpstreamRefused(_) = condition {
                if !std::mem::replace(&mut refused_done, true) {
                    cells.extend(refused.iter().filter_map(|group| self.refused(group, view)));
                }
                continue;
            }
            let mapped = refused::mapped(self.contract, condition, view);
            let occurrence = match (why::occurrence(condition, view), mapped) {
                (Occurrence::Possible(mut causes), Some(mapped)) => {
                    causes.push(mapped);
                    Occurrence::Possible(causes)
                }
                (Occurrence::Absent(_), Some(mapped)) => Occurrence::Possible(vec![mapped]),
                (occurrence, None) => occurrence,
            };
            match occurrence {
                Occurrence::Possible(causes) => {
                    let reason = example::reason(condition, view);
                    cells.extend(self.cell(condition.name(), Some(condition), causes, reason, view));
                }
                Occurrence::Absent(reason) => {
                    absent.push(Absent { condition: condition.name().to_owned(), reason });
                }
            }
        }
        self.groups = std::mem::take(&mut refused);
        self.own(view, &mut cells, &mut absent);
        OperationMatrix {
            id: operation.id().to_owned(),
            method: operation.method().to_string(),
            path: operation.path().to_owned(),
            internal: view.is_internal(),
            cells,
            absent,
        }
    }

    /// The possible violations by their conditions.
    fn violations(&self, view: &OperationView<'_>) -> BTreeMap<Condition, Vec<usize>> {
        let mut by_condition: BTreeMap<Condition, Vec<usize>> = BTreeMap::new();
        if view.api.monitor {
            return by_condition;
        }
        for (index, possible) in view.violations.iter().enumerate() {
            by_condition.entry(possible.violation.condition).or_default().push(index);
        }
        by_condition
    }

    fn invalid(&mut self, condition: Condition, indexes: &[usize], view: &OperationView<'_>) -> Option<Cell> {
        let possible = indexes.iter().filter_map(|index| view.violations.get(*index));
        let causes: Vec<Cause> = possible.clone().map(violation_cause).collect();
        // A parameter that is sent twice is a rare example of a format.
        let reason = possible.clone().min_by_key(|possible| possible.keyword == "style")?;
        let reason = example::violations(&reason.violation);
        self.cell(condition.name(), Some(condition), causes, reason, view)
    }

    fn refused(&mut self, group: &RefusedGroup, view: &OperationView<'_>) -> Option<Cell> {
        let causes = refused::causes(group, view);
        let condition = Condition::UpstreamRefused(group.example);
        let reason = ExampleReason::Condition(condition);
        let mut cell = self.cell(&group.condition, Some(condition), causes, reason, view)?;
        if group.statuses.len() > 1 {
            cell.upstream_statuses.clone_from(&group.statuses);
        }
        Some(cell)
    }

    /// The API's own conditions.
    fn own(&mut self, view: &OperationView<'_>, cells: &mut Vec<Cell>, absent: &mut Vec<Absent>) {
        for name in self.contract.own_conditions() {
            let Some(error) = self.contract.named(name) else { continue };
            let is_own = self.contract.api_conditions().contains(&name);
            let causes = own_causes(name, self.contract.entry(error), is_own, view);
            if causes.is_empty() {
                if is_own {
                    let reason = "no rule raises it at this operation, and the upstream does not";
                    absent.push(Absent { condition: name.to_owned(), reason: reason.to_owned() });
                }
                continue;
            }
            let reason = example::own(name, &self.contract.entry(error).params);
            cells.extend(self.cell(name, None, causes, reason, view));
        }
    }

    fn cell(
        &mut self,
        name: &str,
        condition: Option<Condition>,
        mut causes: Vec<Cause>,
        reason: ExampleReason,
        view: &OperationView<'_>,
    ) -> Option<Cell> {
        let operation: &Operation = view.operation;
        let has_caller = view.needs_key() && condition.is_none_or(example::knows_caller);
        let is_exceeded = condition.is_some_and(example::exceeds_limit);
        let limits = if has_caller { view.limits(is_exceeded) } else { Vec::new() };
        let plan = condition.map_or_else(|| view.example_plan(), |condition| example::plan(condition, view));
        let access = AccessRequest {
            address: None,
            operation: Some(operation.id()),
            scope: view.policy.scope.as_deref(),
            feature: view.policy.feature.as_deref(),
            resource: None,
        };
        let context = ExampleContext {
            contract_version: self.version,
            headers: &HeaderMap::new(),
            request_id: RequestId::from_bits(EXAMPLE_REQUEST_ID),
            now: example_now(),
            limits: &limits,
            access,
            plan: plan.map(|plan| plan.name.as_str()).unwrap_or_default(),
        };
        let rejection = ExampleRejection {
            reason: reason.clone(),
            knows_caller: has_caller,
            exceeds_limit: is_exceeded,
            plan: plan.map(|plan| plan.name.as_str()).unwrap_or_default().into(),
        };
        let (error, answer) = answer_of(self.api, reason, &context)?;
        let answer = match self.answers.get(&answer) {
            Some(known) => Arc::clone(known),
            None => {
                let shared = Arc::new(answer.clone());
                self.answers.insert(answer, Arc::clone(&shared));
                shared
            }
        };
        let more_causes = causes.len().saturating_sub(MAX_CAUSES);
        causes.truncate(MAX_CAUSES);
        Some(Cell {
            id: format!("{}/{}/{name}", self.id, operation.id()),
            condition: name.to_owned(),
            upstream_statuses: Vec::new(),
            error: self.contract.entry(error).name.clone(),
            causes,
            more_causes,
            carrier: Carrier::Body,
            answer,
            rejection,
        })
    }

    /// Requests that match no operation: a path or a method that the document does not have.
    fn unmatched(&mut self) -> Vec<Cell> {
        let not_found = ExampleReason::Condition(Condition::ResourceNotFound);
        let method =
            ExampleReason::MethodNotAllowed { allow: "GET, HEAD".to_owned(), method: "DELETE".to_owned() };
        let rows = [
            (Condition::ResourceNotFound, "the document has no such path", not_found),
            (Condition::ResourceMethodNotAllowed, "the path has other methods", method),
        ];
        let mut cells = Vec::new();
        for (condition, text, reason) in rows {
            let context = ExampleContext {
                contract_version: self.version,
                headers: &HeaderMap::new(),
                request_id: RequestId::from_bits(EXAMPLE_REQUEST_ID),
                now: example_now(),
                limits: &[],
                access: AccessRequest::default(),
                plan: "",
            };
            let (knows_caller, exceeds_limit, plan) = (false, false, "".into());
            let rejection = ExampleRejection { reason: reason.clone(), knows_caller, exceeds_limit, plan };
            let Some((error, answer)) = answer_of(self.api, reason, &context) else { continue };
            cells.push(Cell {
                id: format!("{}/*/{condition}", self.id),
                condition: condition.name().to_owned(),
                upstream_statuses: Vec::new(),
                error: self.contract.entry(error).name.clone(),
                causes: vec![Cause::new(CauseKind::Gateway, text)],
                more_causes: 0,
                carrier: Carrier::Body,
                answer: Arc::new(answer),
                rejection,
            });
        }
        cells
    }

    fn finish(mut self, operations: Vec<OperationMatrix>) -> ContractMatrix {
        let unmatched = if self.api.settings().monitor { Vec::new() } else { self.unmatched() };
        let cells = operations.iter().flat_map(|operation| &operation.cells).chain(&unmatched);
        let used: HashSet<&str> = cells.map(|cell| cell.error.as_str()).collect();
        let entries = self.contract.entries().filter(|(_, entry)| used.contains(entry.name.as_str()));
        let errors = entries.map(|(_, entry)| summary(entry)).collect();
        let contract = self.contract.name().to_owned();
        ContractMatrix { id: self.id, contract, errors, operations, unmatched }
    }
}

/// The response of the gateway.
fn answer_of(api: &Api, reason: ExampleReason, context: &ExampleContext<'_>) -> Option<(ErrorId, Answer)> {
    let example = api.example(reason, context)?;
    let headers = example.response.headers().iter().map(|(name, value)| {
        (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
    });
    let answer = Answer {
        status: example.response.status().as_u16(),
        headers: headers.collect(),
        body: String::from_utf8_lossy(example.response.body()).into_owned(),
    };
    Some((example.error, answer))
}

fn summary(entry: &ErrorEntry) -> ErrorSummary {
    ErrorSummary {
        name: entry.name.clone(),
        status: entry.status.as_u16(),
        code: entry.code.clone(),
        kind: entry.kind.clone(),
        retry: RetrySummary {
            class: entry.retry.class.as_str(),
            default_delay: entry.retry.default_delay.map(|delay| delay.as_secs()),
            attempts: entry.retry.attempts,
        },
    }
}

/// Why one of the API's own conditions occurs. `is_own` is whether only the API raises it.
fn own_causes(name: &str, entry: &ErrorEntry, is_own: bool, view: &OperationView<'_>) -> Vec<Cause> {
    let by_rule = |text: String, rule: &str| Cause::new(CauseKind::Rule, text).named(rule);
    let mut causes = Vec::new();
    if !view.api.monitor {
        for rule in view.rules() {
            if rule.raise == name {
                causes.push(by_rule(format!("the rule `{}` is not satisfied", rule.name), &rule.name));
            }
            if rule.on_failure.as_deref() == Some(name) {
                causes.push(by_rule(format!("the rule `{}` cannot be evaluated", rule.name), &rule.name));
            }
        }
    }
    let is_of_rules =
        view.api.rules.iter().any(|rule| rule.raise == name || rule.on_failure.as_deref() == Some(name));
    let is_listed = view.raised.as_ref().is_some_and(|names| names.contains(&name));
    if entry.upstream_may_raise && (is_listed || is_own && !is_of_rules) {
        causes.extend(why::raised_cause(name, view));
    }
    causes
}

fn no_keyword(view: &OperationView<'_>) -> &'static str {
    match view.api.monitor {
        true => "the API is in monitor mode: the check is recorded, and nothing is rejected for it",
        false => "no keyword of the document can be broken in this way",
    }
}

/// The keyword that a request breaks.
fn violation_cause(possible: &demur_validation::PossibleViolation) -> Cause {
    let violation = &possible.violation;
    let location = violation.location.as_str();
    // Members of a body by their pointers, parameters by their names.
    let pointer = violation.pointer.trim_start_matches('/');
    let parameter = if location == "body" { violation.pointer.as_str() } else { violation.param.as_str() };
    let subject = match (location, pointer) {
        ("body", "") => "the body".to_owned(),
        ("body", member) => format!("`{member}` in the body"),
        (_, "") => format!("the {location}"),
        (location, _) => format!("`{}` in the {location}", violation.param),
    };
    let text = format!("{subject} {}", broken(possible));
    let mut cause = Cause::new(CauseKind::Schema, text).at(possible.pointer.as_str());
    cause.keyword = Some(possible.keyword);
    cause.location = Some(location);
    cause.parameter = Some(parameter.to_owned()).filter(|name| !name.is_empty());
    cause
}

/// What is wrong with the parameter, in words that follow its name.
fn broken(possible: &demur_validation::PossibleViolation) -> String {
    let violation = &possible.violation;
    let title = violation.condition.defaults().title;
    if possible.keyword == "style" {
        return "is sent more than once, or cannot be decoded".to_owned();
    }
    if violation.condition == Condition::ParamMissing {
        return "is missing".to_owned();
    }
    let mut text = match title.strip_prefix("A parameter ") {
        Some(rest) => rest.to_owned(),
        None => format!("is not valid: {title}"),
    };
    let is_said = possible.keyword == "type" && violation.condition != Condition::ParamTypeUnion;
    if let Some(limit) = violation.limit.as_ref().filter(|_| !is_said) {
        let limit = match limit {
            demur_contract::Value::Text(text) => text.clone(),
            demur_contract::Value::Int(number) => number.to_string(),
            demur_contract::Value::List(values) => values.join(", "),
        };
        text.push_str(&format!(" ({limit})"));
    } else if !violation.allowed.is_empty() {
        let shown: Vec<&str> = violation.allowed.iter().take(10).map(String::as_str).collect();
        text.push_str(&format!(" ({})", shown.join(", ")));
    }
    text
}
