//! The simulator: what a request asks for, or what the script has for it, as a rejection that the engine renders.

use std::borrow::Cow;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use demur_admission::Plan;
use demur_contract::{Condition, Contract};
use demur_engine::{Api, Destination, Engine, SimulatedRejection};
use demur_gateway::{Simulation, Simulator};
use demur_matrix::{Cell, ExampleRejection, Matrix, example_limits, own_example};
use demur_source::did_you_mean;
use http::request::Parts;

use crate::effect::{Effect, Wanted};
use crate::preferences::requested;
use crate::script::{Script, Selected};

/// How many requests the control endpoint lists.
const MAX_CALLS: usize = 1000;

/// Answers requests with errors and faults, as they ask for them or as the script says.
pub struct Mock {
    plans: Vec<Plan>,
    /// By the name of the API, then by contract version.
    answers: HashMap<String, Vec<Answers>>,
    /// As the gateway serves them; set when it starts.
    pub(crate) apis: OnceLock<Vec<Arc<Api>>>,
    script: Mutex<Script>,
    calls: Mutex<VecDeque<Call>>,
}

/// A request that the mock received.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Call {
    /// The name of the API.
    pub api: String,
    /// The ID of the operation; `None` if the document has no such path or method.
    pub operation: Option<String>,
    /// The method.
    pub method: String,
    /// The path.
    pub path: String,
    /// The error that it was answered with on demand.
    pub error: Option<String>,
}

/// What can be answered in one contract version.
struct Answers {
    by_operation: HashMap<String, Vec<Example>>,
    unmatched: Vec<Example>,
}

/// An error that occurs at an operation.
struct Example {
    condition: String,
    error: String,
    status: u16,
    rejection: ExampleRejection,
}

impl Mock {
    pub(crate) fn new(matrix: Matrix, plans: Vec<Plan>, script: Script) -> Self {
        let example = |cell: Cell| Example {
            condition: cell.condition,
            error: cell.error,
            status: cell.answer.status,
            rejection: cell.rejection,
        };
        let answers = matrix.apis.into_iter().map(|api| {
            let versions = api.contracts.into_iter().map(|contract| {
                let operations = contract
                    .operations
                    .into_iter()
                    .map(|operation| (operation.id, operation.cells.into_iter().map(example).collect()));
                Answers {
                    by_operation: operations.collect(),
                    unmatched: contract.unmatched.into_iter().map(example).collect(),
                }
            });
            (api.name, versions.collect())
        });
        Self {
            plans,
            answers: answers.collect(),
            apis: OnceLock::new(),
            script: Mutex::new(script),
            calls: Mutex::default(),
        }
    }

    /// The APIs as the gateway serves them; none until it does.
    pub fn apis(&self) -> &[Arc<Api>] {
        self.apis.get().map(Vec::as_slice).unwrap_or_default()
    }

    /// Replaces the script.
    pub fn set_script(&self, script: Script) {
        *lock(&self.script) = script;
    }

    /// Puts the rules of a script before those that there are. Returns whether there was room.
    pub fn add_script(&self, script: Script) -> bool {
        lock(&self.script).prepend(script).is_some()
    }

    /// The last requests, the oldest first.
    pub fn calls(&self) -> Vec<Call> {
        lock(&self.calls).iter().cloned().collect()
    }

    /// Forgets the requests so far.
    pub fn clear_calls(&self) {
        lock(&self.calls).clear();
    }

    /// Names in a script that no API, operation or contract has, each with a suggestion.
    pub fn unknown_names(&self, apis: &[Arc<Api>], script: &Script) -> Vec<(String, Option<String>)> {
        let mut unknown = Vec::new();
        let similar = |name: &str, known: Vec<&str>| did_you_mean(name, known).map(str::to_owned);
        for (api, operations) in script.names() {
            let selected: Vec<&Arc<Api>> =
                apis.iter().filter(|known| api.is_none_or(|api| known.name() == api)).collect();
            if let (Some(api), []) = (api, selected.as_slice()) {
                let known = apis.iter().map(|api| api.name()).collect();
                unknown.push((format!("unknown API `{api}`"), similar(api, known)));
                continue;
            }
            for name in operations {
                let known: Vec<&str> = selected
                    .iter()
                    .flat_map(|api| api.settings().document.operations())
                    .map(|operation| operation.id())
                    .collect();
                if !known.contains(&name.as_str()) {
                    unknown.push((format!("unknown operation `{name}`"), similar(name, known)));
                }
            }
        }
        for effect in script.effects() {
            let Some(Wanted::Error(name)) = &effect.wanted else { continue };
            let contracts: Vec<&Contract> =
                apis.iter().flat_map(|api| api.settings().contracts()).map(|contract| &**contract).collect();
            if !contracts.iter().any(|contract| error_name(contract, name).is_some()) {
                let known = contracts.iter().flat_map(|contract| error_names(contract)).collect();
                unknown.push((format!("unknown error `{name}`"), similar(name, known)));
            }
        }
        unknown
    }

    /// The example of an answer that is wanted at this destination, and the name of its error.
    fn rejection<'s>(
        &'s self,
        destination: Destination<'s>,
        wanted: &Wanted,
    ) -> Result<(SimulatedRejection<'s>, String), String> {
        let settings = destination.api.settings();
        let contract = settings.contracts().nth(destination.contract_version).unwrap_or(&settings.contract);
        let versions = self.answers.get(&settings.name).map(Vec::as_slice).unwrap_or_default();
        let answers = versions.get(destination.contract_version);
        let examples = answers.map(|answers| match destination.operation {
            Some(operation) => {
                answers.by_operation.get(operation.id()).map(Vec::as_slice).unwrap_or_default()
            }
            None => answers.unmatched.as_slice(),
        });
        let examples = examples.unwrap_or_default();
        let (name, example) = match wanted {
            Wanted::Error(name) => {
                let name = error_name(contract, name).ok_or_else(|| {
                    match did_you_mean(name, error_names(contract)) {
                        Some(similar) => format!("unknown error `{name}`: did you mean `{similar}`?"),
                        None => format!("unknown error `{name}`"),
                    }
                })?;
                (name, first(examples, |example| example.error == name))
            }
            Wanted::Status(status) => {
                let example = first(examples, |example| example.status == *status);
                let of_contract = || contract.entries().find(|(_, entry)| entry.status.as_u16() == *status);
                let name = example.map(|example| example.error.as_str());
                let name = name.or_else(|| of_contract().map(|(_, entry)| entry.name.as_str()));
                (name.ok_or_else(|| format!("no error has the status {status}"))?, example)
            }
        };
        let rejection = match example {
            Some(example) => example.rejection.clone(),
            // The contract declares it, and nothing raises it at this operation.
            None => {
                let reason = own_example(contract, name).ok_or_else(|| format!("unknown error `{name}`"))?;
                ExampleRejection::new(reason, destination.operation.is_some())
            }
        };
        let limits = destination
            .operation
            .filter(|_| rejection.knows_caller)
            .map(|operation| example_limits(settings, &self.plans, operation, rejection.exceeds_limit));
        let simulated = SimulatedRejection {
            reason: rejection.reason,
            limits: limits.unwrap_or_default(),
            plan: Cow::Owned(rejection.plan.to_string()),
            details: Default::default(),
        };
        Ok((simulated, name.to_owned()))
    }

    fn effect(&self, destination: Destination<'_>, request: &Parts) -> Effect {
        let (requested, unread) = requested(&request.headers);
        for reason in unread {
            tracing::warn!(%reason, "mock header invalid");
        }
        // A request that asks for its own answer is no step of the script.
        requested.unwrap_or_else(|| {
            let selected = Selected {
                api: destination.api.name(),
                operation: destination.operation.map(|operation| operation.id()),
            };
            lock(&self.script).next(selected).unwrap_or_default()
        })
    }

    fn record(&self, destination: Destination<'_>, request: &Parts, error: Option<String>) {
        let mut calls = lock(&self.calls);
        if calls.len() == MAX_CALLS {
            calls.pop_front();
        }
        calls.push_back(Call {
            api: destination.api.name().to_owned(),
            operation: destination.operation.map(|operation| operation.id().to_owned()),
            method: request.method.to_string(),
            path: request.uri.path().to_owned(),
            error,
        });
    }
}

impl Simulator for Mock {
    fn simulate<'s>(&'s self, engine: &'s Engine, request: &Parts, listener: Option<&str>) -> Simulation<'s> {
        let Some(destination) = engine.destination(request, listener) else { return Simulation::default() };
        let Effect { wanted, details, delay, truncate_at, resets } = self.effect(destination, request);
        let mut simulation = Simulation { rejection: None, delay, truncate_at, resets };
        let mut error = None;
        match wanted.map(|wanted| (self.rejection(destination, &wanted), wanted)) {
            Some((Ok((mut rejection, name)), _)) => {
                rejection.details = details;
                simulation.rejection = Some(rejection);
                error = Some(name);
            }
            // The upstream answers with it.
            Some((Err(_), Wanted::Status(200..400))) | None => {}
            Some((Err(reason), _)) => tracing::warn!(%reason, "mock error unknown"),
        }
        self.record(destination, request, error);
        simulation
    }
}

/// The first example; one of failed authentication only if there is no other.
fn first(examples: &[Example], fits: impl Fn(&Example) -> bool) -> Option<&Example> {
    let is_rare = |example: &&Example| example.condition == Condition::CredentialThrottled.name();
    examples.iter().filter(|example| fits(example)).min_by_key(is_rare)
}

/// The name of the error that has this name or code.
fn error_name<'c>(contract: &'c Contract, name: &str) -> Option<&'c str> {
    if let Some(error) = contract.named(name) {
        return Some(&contract.entry(error).name);
    }
    let mut entries = contract.entries().map(|(_, entry)| entry);
    entries.find(|entry| entry.name == name || entry.code.as_deref() == Some(name)).map(|entry| &*entry.name)
}

fn error_names(contract: &Contract) -> impl Iterator<Item = &str> {
    contract.entries().map(|(_, entry)| entry.name.as_str())
}

/// What is guarded is sound after each step, so that a panic elsewhere does not matter.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
