//! One API as the pipeline sees it: its settings, and what can be worked out of them once.

use std::sync::Arc;

use demur_admission::FailureThrottle;
use demur_validation::{RouteMatch, Variable};

use crate::concurrency_limit::AdaptiveLimit;
use crate::credential::challenge;
use crate::responder::ErrorResponder;
use crate::settings::{ApiSettings, Overload, RequestView, ResourceTemplate};

/// An API that is served.
#[derive(Debug)]
pub struct Api {
    pub(crate) settings: ApiSettings,
    /// Its contract, and then those of its generations in their order.
    speakers: Vec<ErrorResponder>,
    /// The value of `WWW-Authenticate`.
    pub(crate) challenge: http::HeaderValue,
    /// For each operation, the rules that it must satisfy.
    pub(crate) rules: Vec<Vec<usize>>,
    /// For each operation, whether a rule looks into the content.
    pub(crate) reads_content: Vec<bool>,
    /// For each operation, whether a rule looks at the request's headers.
    pub(crate) reads_headers: Vec<bool>,
    /// Who tries keys that do not open.
    pub(crate) failures: FailureThrottle,
    /// How much its upstream is asked for.
    pub(crate) room: AdaptiveLimit,
}

impl Api {
    /// Works out what does not change from request to request.
    pub fn new(settings: ApiSettings) -> Arc<Self> {
        let challenge = challenge(&settings.authentication, &settings.name);
        // A name with characters that no field can carry gets a realm without them.
        let challenge = http::HeaderValue::from_str(&challenge)
            .unwrap_or_else(|_| http::HeaderValue::from_static("Bearer realm=\"api\""));
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
        let (reads_content, reads_headers) = (reads(Variable::Body), reads(Variable::Request));
        let (failures, per) = settings.authentication.failures;
        let failures = FailureThrottle::new(failures, per);
        let exposed = settings.cors.as_ref().map_or(&[][..], |cors| &cors.expose);
        let speakers =
            settings.contracts().map(|contract| ErrorResponder::new(Arc::clone(contract), exposed)).collect();
        let Overload { in_flight, is_adaptive } = settings.overload;
        let room = AdaptiveLimit::new(in_flight, is_adaptive, operations.len());
        Arc::new(Self { settings, speakers, challenge, rules, reads_content, reads_headers, failures, room })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.settings.name
    }

    /// Which contract answers a request: the API's own, or that of a generation.
    pub(crate) fn generation_for(&self, asked: &RequestView<'_>) -> usize {
        let generations = &self.settings.generations;
        // The API's own stands before the generations'.
        generations.iter().position(|generation| generation.when.holds(asked)).map_or(0, |picked| picked + 1)
    }

    /// The contract with this number, which [`generation_for`](Self::generation_for) gave.
    pub(crate) fn speaker(&self, generation: usize) -> &ErrorResponder {
        &self.speakers[generation]
    }

    /// Its settings.
    pub fn settings(&self) -> &ApiSettings {
        &self.settings
    }
}

/// What a resource template means for one request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Resource {
    /// This resource.
    Named(String),
    /// A required parameter is missing, which validation will say.
    Missing,
    /// It is not said, or said more than once: what would be checked may not be what the upstream reads.
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

/// The value of a query parameter that stands there once; else how often it does.
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
    fn a_parameter_that_stands_twice_names_nothing() {
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
