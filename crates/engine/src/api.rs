//! One API: its settings, and what is derived from them once.

use std::sync::Arc;

use demur_admission::FailureThrottle;
use demur_contract::{Condition, Contract};
use demur_validation::{RouteMatch, Variable};

use crate::concurrency_limit::AdaptiveLimit;
use crate::record::ApiLabels;
use crate::reject::challenge::challenge;
use crate::reject::responder::ErrorResponder;
use crate::settings::{ApiSettings, Overload, RequestView, ResourceTemplate};

/// An API that the engine serves.
#[derive(Debug)]
pub struct Api {
    pub(crate) settings: ApiSettings,
    /// Its default contract, then those of its contract versions in their order.
    responders: Vec<ErrorResponder>,
    /// The values of `WWW-Authenticate`: in general, and for a token that is not accepted.
    challenges: [http::HeaderValue; 2],
    /// For each operation, the indexes of its rules.
    pub(crate) rules: Vec<Vec<usize>>,
    /// For each operation, whether a rule reads the body.
    pub(crate) rules_read_body: Vec<bool>,
    /// For each operation, whether a rule reads headers.
    pub(crate) rules_read_headers: Vec<bool>,
    /// Throttles addresses with failed authentication attempts.
    pub(crate) failures: FailureThrottle,
    /// The concurrency limit of its upstream.
    pub(crate) upstream_limit: Arc<AdaptiveLimit>,
}

impl Api {
    /// Prepares an API.
    pub fn new(settings: ApiSettings) -> Arc<Self> {
        Self::prepare(settings, None)
    }

    /// Prepares an API that replaces another one when the configuration is reloaded. Failed authentication attempts and
    /// requests at the upstream are counted on, and fetched key sets are kept.
    pub fn succeed(settings: ApiSettings, previous: &Self) -> Arc<Self> {
        Self::prepare(settings, Some(previous))
    }

    /// The requests that are at the upstream, and how many there may be at the moment.
    pub fn upstream_usage(&self) -> (u32, u32) {
        self.upstream_limit.usage()
    }

    /// The value of `WWW-Authenticate` in a response to this condition.
    pub(crate) fn challenge(&self, condition: Option<Condition>) -> &http::HeaderValue {
        let [general, invalid_token] = &self.challenges;
        let is_of_token = condition.is_some_and(|condition| condition.covered_by("credential.token"));
        if is_of_token { invalid_token } else { general }
    }

    fn prepare(mut settings: ApiSettings, previous: Option<&Self>) -> Arc<Self> {
        let challenges = [false, true].map(|is_of_token| {
            let challenge = challenge(&settings.authentication, &settings.name, is_of_token);
            // For names with characters that a header cannot carry.
            http::HeaderValue::from_str(&challenge)
                .unwrap_or_else(|_| http::HeaderValue::from_static("Bearer realm=\"api\""))
        });
        let earlier = previous.and_then(|previous| previous.settings.authentication.tokens.as_ref());
        if let (Some(tokens), Some(earlier)) = (&mut settings.authentication.tokens, earlier) {
            Arc::make_mut(tokens).succeed(earlier);
        }
        let operations = settings.document.operations();
        let rules: Vec<Vec<usize>> = operations
            .iter()
            .map(|operation| {
                let applies = |index: &usize| {
                    let on = &settings.rules[*index].operations;
                    on.is_empty() || on.contains(&operation.index())
                };
                (0..settings.rules.len()).filter(applies).collect()
            })
            .collect();
        let mentions = |index: &usize, variable: Variable| {
            let rule = &settings.rules[*index];
            let with = rule.with.iter().map(|(_, expression)| expression);
            with.chain([&rule.require]).any(|expression| expression.uses().contains(variable))
        };
        let reads = |variable: Variable| -> Vec<bool> {
            rules.iter().map(|rules| rules.iter().any(|index| mentions(index, variable))).collect()
        };
        let (rules_read_body, rules_read_headers) = (reads(Variable::Body), reads(Variable::Request));
        let (failures, per) = settings.authentication.failures;
        let failures = match previous {
            Some(previous) => previous.failures.with(failures, per),
            None => FailureThrottle::new(failures, per),
        };
        let exposed = settings.cors.as_ref().map_or(&[][..], |cors| &cors.expose);
        let labels = Arc::new(ApiLabels {
            name: settings.name.clone(),
            operations: operations.iter().map(|operation| operation.id().to_owned()).collect(),
            unsupported: operations.iter().map(|operation| operation.unsupported()).collect(),
        });
        let responder = |contract: &Arc<Contract>| {
            ErrorResponder::new(Arc::clone(contract), exposed, Some(Arc::clone(&labels)))
        };
        let responders = settings.contracts().map(responder).collect();
        let Overload { in_flight, is_adaptive } = settings.overload;
        let upstream_limit = match previous {
            // What was learned of each operation stays too.
            Some(previous) if previous.has_same_upstream_limit(&settings) => {
                Arc::clone(&previous.upstream_limit)
            }
            Some(previous) => {
                Arc::new(previous.upstream_limit.successor(in_flight, is_adaptive, operations.len()))
            }
            None => Arc::new(AdaptiveLimit::new(in_flight, is_adaptive, operations.len())),
        };
        Arc::new(Self {
            settings,
            responders,
            challenges,
            rules,
            rules_read_body,
            rules_read_headers,
            failures,
            upstream_limit,
        })
    }

    fn has_same_upstream_limit(&self, settings: &ApiSettings) -> bool {
        let ids = |settings: &ApiSettings| -> Vec<String> {
            settings.document.operations().iter().map(|operation| operation.id().to_owned()).collect()
        };
        self.settings.overload == settings.overload && ids(&self.settings) == ids(settings)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.settings.name
    }

    /// The index of the contract that answers a request: 0 for the API's default contract.
    pub(crate) fn contract_version_for(&self, view: &RequestView<'_>) -> usize {
        let versions = &self.settings.versions;
        versions.iter().position(|version| version.condition.holds(view)).map_or(0, |index| index + 1)
    }

    /// The contract with the index that [`contract_version_for`](Self::contract_version_for) gave.
    pub(crate) fn responder(&self, contract_version: usize) -> &ErrorResponder {
        &self.responders[contract_version]
    }

    /// Its settings.
    pub fn settings(&self) -> &ApiSettings {
        &self.settings
    }

    /// Its settings, to be changed. `None` if it is shared.
    pub fn into_settings(api: Arc<Self>) -> Option<ApiSettings> {
        Arc::into_inner(api).map(|api| api.settings)
    }
}

/// The resource that a template names in one request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Resource {
    /// This resource.
    Named(String),
    /// A required parameter is missing. Validation rejects the request.
    Missing,
    /// A parameter is missing or repeated: the upstream may read another resource than the one that is checked.
    Unclear,
}

impl ResourceTemplate {
    pub(crate) fn resolve(&self, found: &RouteMatch<'_, '_>, query: Option<&str>) -> Resource {
        let mut resource = String::new();
        for (index, text) in self.texts.iter().enumerate() {
            resource.push_str(text);
            let Some(parameter) = self.parameters.get(index) else { continue };
            let value = if parameter.in_path {
                found.raw_path_parameter(&parameter.name).map(decoded).ok_or(0)
            } else {
                in_query(query.unwrap_or_default(), &parameter.name)
            };
            match value {
                Ok(value) => resource.push_str(&value),
                Err(0) if parameter.required => return Resource::Missing,
                Err(_) => return Resource::Unclear,
            }
        }
        Resource::Named(resource)
    }
}

/// The value of a query parameter that occurs once, or else how often it occurs.
fn in_query(query: &str, name: &str) -> Result<String, usize> {
    let plain = |text: &str| decoded(&text.replace('+', " "));
    let pairs = query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    let mut values = pairs.filter(|(key, _)| plain(key) == name).map(|(_, value)| value);
    match (values.next(), values.count()) {
        (Some(value), 0) => Ok(plain(value)),
        (Some(_), more) => Err(1 + more),
        (None, _) => Err(0),
    }
}

fn decoded(raw: &str) -> String {
    percent_encoding::percent_decode_str(raw).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeated_parameter_names_no_resource() {
        for (query, resource) in [
            ("shelf=a", Ok("a".to_owned())),
            ("x=1&sh%65lf=a+b", Ok("a b".to_owned())),
            ("", Err(0)),
            ("shelf[]=a", Err(0)),
            ("shelf=a&shelf=b", Err(2)),
            ("shelf=a&sh%65lf=b", Err(2)),
        ] {
            assert_eq!(in_query(query, "shelf"), resource, "{query}");
        }
    }
}
