//! Checks path, query, header and cookie parameters.

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::Arc;

use demur_contract::{Condition, Location, Value as Limit, Violation};
use http::header::{COOKIE, HeaderMap, HeaderValue};

use super::aliases::Aliases;
use super::body::{BodyRule, form_names};
use super::excerpt;
use super::keyword::validate;
use super::query_pairs::{MAX_FIELDS, Pairs};
use super::results::RequestParameters;
use super::style::Style;
use super::style_decode::{DecodeError, DecodedValue, StyleDecoder, is_bracketed};
use super::text::{decode, decode_form};
use super::violations::{SortKey, Subject, Violations};
use crate::schema::{Schema, ValueShape};
use crate::tree::join;
use crate::{DocumentOptions, UnknownQuery};

/// A compiled parameter.
pub(crate) struct ParameterRule {
    pub(crate) name: String,
    pub(crate) location: Location,
    pub(crate) required: bool,
    pub(crate) style: Style,
    pub(crate) explode: bool,
    pub(crate) allow_empty: bool,
    pub(crate) shape: ValueShape,
    /// Other ways to read the same text.
    pub(crate) alternatives: Vec<ValueShape>,
    /// `None` if the parameter is not validated.
    pub(crate) schema: Option<Arc<Schema>>,
}

/// The parts of a request that contain parameters, and what the operation declares of them.
pub(crate) struct ParameterContext<'r> {
    pub(crate) rules: &'r [ParameterRule],
    pub(crate) query_names: &'r Aliases,
    pub(crate) body: Option<&'r BodyRule>,
    /// A path parameter by its name, still percent-encoded.
    pub(crate) raw_path_parameter: &'r dyn Fn(&str) -> Option<&'r str>,
    pub(crate) query: Option<&'r str>,
    pub(crate) headers: &'r HeaderMap,
}

/// A request with its query and cookies split into pairs.
struct ParsedRequest<'r, 'p> {
    raw_path_parameter: &'p dyn Fn(&str) -> Option<&'p str>,
    headers: &'r HeaderMap,
    query: Pairs<'r>,
    cookies: Pairs<'r>,
}

pub(crate) fn check_parameters(
    options: &DocumentOptions,
    context: &ParameterContext<'_>,
) -> RequestParameters {
    let mut checked = RequestParameters::default();
    let ParameterContext { rules, headers, .. } = *context;
    let wants_unknown = options.unknown_query != UnknownQuery::Ignore;
    let query = context.query.filter(|query| !query.is_empty());
    let form = query.and_then(|_| form_names(context.body?, headers));
    // Fast path: an operation without parameters.
    if rules.is_empty() && !(wants_unknown && query.is_some()) && form.is_none() {
        return checked;
    }
    // Fast path: no query, and only optional query parameters.
    if query.is_none() && rules.iter().all(|rule| rule.location == Location::Query && !rule.required) {
        return checked;
    }
    let has = |location: Location| rules.iter().any(|rule| rule.location == location);
    let mut violations = Violations::default();
    let cookie_lines: Vec<Cow<'_, str>> = if has(Location::Cookie) {
        headers.get_all(COOKIE).iter().map(text_of).collect()
    } else {
        Vec::new()
    };
    let request = ParsedRequest {
        raw_path_parameter: context.raw_path_parameter,
        headers,
        query: query
            .filter(|_| wants_unknown || has(Location::Query) || form.is_some())
            .map(Pairs::read)
            .unwrap_or_default(),
        cookies: cookies(&cookie_lines),
    };
    for (rank, rule) in rules.iter().enumerate() {
        check(rule, rank, &request, &mut checked, &mut violations);
    }
    let is_declared = |name: &str| rules.iter().any(|rule| rule.has_query_name(name));
    let aliases = context.query_names;
    // Java reads fields of the query before those of the form.
    let in_form = || form.and_then(|names| request.query.ambiguous(names, is_declared));
    if let Some(name) = request.query.ambiguous(aliases, is_declared).or_else(in_form) {
        // With `UnknownQuery::Reject`, the name is already reported.
        let is_known = options.unknown_query == UnknownQuery::Reject
            && !is_declared(name)
            && request.query.all().iter().any(|(known, _)| known == name);
        if !is_known {
            violations.push(whole(rules.len()), unknown_name(name, ""));
        }
    }
    if !aliases.is_empty() && request.query.all().len() > MAX_FIELDS {
        let limit = i64::try_from(MAX_FIELDS).ok().map(Limit::Int);
        let violation = Violation { condition: Condition::ParamCountMax, limit, ..unknown_name("", "") };
        violations.push(whole(rules.len()), violation);
    }
    if wants_unknown {
        let unknown = unknown(rules, &request.query);
        match options.unknown_query {
            UnknownQuery::Reject => {
                for (number, violation) in unknown.into_iter().enumerate() {
                    violations.push(whole(rules.len() + number), violation);
                }
            }
            UnknownQuery::Warn | UnknownQuery::Ignore => {
                checked.unknown = unknown.into_iter().map(|violation| violation.param).collect();
            }
        }
    }
    checked.violations = violations.finish(options.max_violations);
    checked
}

fn check(
    rule: &ParameterRule,
    rank: usize,
    request: &ParsedRequest<'_, '_>,
    checked: &mut RequestParameters,
    violations: &mut Violations,
) {
    let subject = Subject::Parameter { location: rule.location, name: &rule.name, rank };
    let single = |condition, value, limit| Violation {
        condition,
        location: rule.location,
        param: rule.name.clone(),
        pointer: subject.pointer(""),
        value,
        limit,
        allowed: Vec::new(),
    };
    let value = match rule.read(request, &rule.shape) {
        Ok(value) => value,
        Err(DecodeError { raw, rule }) => {
            let limit = Limit::Text(rule.to_owned());
            let value = Some(excerpt::text(&raw));
            violations.push(whole(rank), single(Condition::ParamFormatOther, value, Some(limit)));
            return;
        }
    };
    let Some(mut value) = value else {
        if rule.required {
            violations.push(whole(rank), single(Condition::ParamMissing, None, None));
        }
        return;
    };
    if rule.allow_empty && rule.is_empty(request) {
        return;
    }
    if let Some(schema) = &rule.schema
        && !schema.is_valid(&value)
    {
        let read = |shape| rule.read(request, shape).ok().flatten().filter(|other| schema.is_valid(other));
        match rule.alternatives.iter().find_map(read) {
            Some(other) => value = other,
            None => validate(schema, &value, subject, violations),
        }
    }
    // Rules are sorted by location: the first value of a name stays.
    checked.values.entry(rule.name.as_str()).or_insert(value);
}

impl ParameterRule {
    fn decoder(&self) -> StyleDecoder {
        StyleDecoder { style: self.style, explode: self.explode }
    }

    /// The value of the parameter; `None` if it is absent.
    fn read(&self, request: &ParsedRequest<'_, '_>, shape: &ValueShape) -> DecodedValue {
        match self.location {
            Location::Path => match (request.raw_path_parameter)(&self.name) {
                Some(raw) => self.decoder().in_path(raw, &self.name, shape),
                None => Ok(None),
            },
            Location::Query => {
                let mut raws = request.query.named(&self.name);
                if let (Some(first), Some(_)) = (raws.next(), raws.next())
                    && !self.shape.may_repeat()
                {
                    return Err(DecodeError::repeated(first));
                }
                self.decoder().in_pairs(&request.query, &self.name, shape, decode_form)
            }
            Location::Header => {
                let lines = request.headers.get_all(self.name.as_str()).iter().map(text_of);
                let lines: Vec<Cow<'_, str>> = lines.collect();
                Ok(self.decoder().in_headers(&lines, shape))
            }
            Location::Cookie => self.decoder().in_pairs(&request.cookies, &self.name, shape, decode),
            Location::Body => Ok(None),
        }
    }

    /// Whether the parameter is present with an empty value.
    fn is_empty(&self, request: &ParsedRequest<'_, '_>) -> bool {
        let mut raws = match self.location {
            Location::Query => request.query.named(&self.name),
            Location::Path | Location::Header | Location::Cookie | Location::Body => return false,
        };
        raws.all(str::is_empty)
    }

    /// The names that this parameter may have in the query, and whether each is an object.
    pub(crate) fn query_names(&self) -> Vec<(&str, bool)> {
        if self.location != Location::Query {
            return Vec::new();
        }
        if self.style == Style::Form && self.explode && self.shape.is_object() {
            return self.shape.members.keys().map(|name| (name.as_str(), false)).collect();
        }
        vec![(&self.name, self.style == Style::DeepObject)]
    }

    /// Whether a name in the query belongs to this parameter.
    fn has_query_name(&self, name: &str) -> bool {
        if self.location != Location::Query {
            return false;
        }
        let is_below =
            self.style == Style::DeepObject && name.strip_prefix(&*self.name).is_some_and(is_bracketed);
        let is_spread = self.style == Style::Form && self.explode && self.shape.is_object();
        self.name == name || is_below || is_spread && self.shape.members.contains_key(name)
    }
}

/// The location of a parameter's whole value.
fn whole(rank: usize) -> SortKey {
    SortKey { rank, path: Vec::new() }
}

/// The cookies of all `Cookie` headers (RFC 6265, section 5.4).
fn cookies<'l>(lines: &'l [Cow<'_, str>]) -> Pairs<'l> {
    let parts = lines.iter().flat_map(|line| line.split(';'));
    let pairs = parts.filter_map(|part| part.trim_matches([' ', '\t']).split_once('='));
    let pairs = pairs.map(|(name, value)| {
        let value = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(value);
        (Cow::Borrowed(name), value)
    });
    Pairs::of(pairs.collect())
}

fn text_of(value: &HeaderValue) -> Cow<'_, str> {
    String::from_utf8_lossy(value.as_bytes())
}

/// All undeclared names, each once, in the order of the query.
fn unknown(rules: &[ParameterRule], query: &Pairs<'_>) -> Vec<Violation> {
    /// The maximum number of names reported.
    const MAX_UNKNOWN: usize = 100;
    let mut unknown: Vec<Violation> = Vec::new();
    let mut seen = HashSet::new();
    for (name, value) in query.all() {
        if unknown.len() >= MAX_UNKNOWN {
            break;
        }
        if rules.iter().any(|rule| rule.has_query_name(name)) || !seen.insert(name) {
            continue;
        }
        unknown.push(unknown_name(name, value));
    }
    unknown
}

fn unknown_name(name: &str, value: &str) -> Violation {
    Violation {
        condition: Condition::ParamUnknown,
        location: Location::Query,
        param: excerpt::text(name),
        pointer: join("", &excerpt::text(name)),
        value: Some(excerpt::text(value)),
        limit: None,
        allowed: Vec::new(),
    }
}
