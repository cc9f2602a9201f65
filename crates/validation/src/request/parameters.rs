//! Path, query, header and cookie parameters: found, read, judged.

use std::borrow::Cow;
use std::sync::Arc;

use demur_contract::{Condition, Location, Value as Limit, Violation};
use http::header::{COOKIE, HeaderMap, HeaderValue};

use super::keyword::judge;
use super::text::{Undecodable, decode, decode_form, value};
use super::violations::{Subject, Violations};
use super::{Parameters, excerpt};
use crate::document::Found;
use crate::document::pointer::join;
use crate::schema::{Schema, Shape, Types};
use crate::{DocumentOptions, UnknownQuery};

/// One declared parameter, compiled.
pub(crate) struct ParameterRule {
    pub(crate) name: String,
    pub(crate) location: Location,
    pub(crate) required: bool,
    pub(crate) explode: bool,
    pub(crate) allow_empty: bool,
    pub(crate) shape: Shape,
    /// `None` where it cannot be checked.
    pub(crate) schema: Option<Arc<Schema>>,
}

/// The places in the request where a parameter's text may stand, read as far as they are asked for.
struct Request<'r> {
    found: &'r Found<'r, 'r>,
    headers: &'r HeaderMap,
    /// Name and value, both still encoded.
    query: Vec<(&'r str, &'r str)>,
    cookies: Vec<(Cow<'r, str>, Cow<'r, str>)>,
}

pub(crate) fn check_parameters(
    options: &DocumentOptions,
    rules: &[ParameterRule],
    found: &Found<'_, '_>,
    query: Option<&str>,
    headers: &HeaderMap,
) -> Parameters {
    let mut answer = Parameters::default();
    let refuses_unknown = options.unknown_query == UnknownQuery::Refuse;
    let query = query.filter(|query| !query.is_empty());
    // An operation without parameters pays nothing.
    if rules.is_empty() && !(refuses_unknown && query.is_some()) {
        return answer;
    }
    let has = |location: Location| rules.iter().any(|rule| rule.location == location);
    let mut violations = Violations::default();
    let request = Request {
        found,
        headers,
        query: query.filter(|_| refuses_unknown || has(Location::Query)).map(pairs).unwrap_or_default(),
        cookies: if has(Location::Cookie) { cookies(headers) } else { Vec::new() },
    };
    for (rank, rule) in rules.iter().enumerate() {
        check(rule, rank, &request, &mut answer, &mut violations);
    }
    if refuses_unknown {
        refuse_unknown(rules, &request.query, &mut violations);
    }
    answer.violations = violations.finish(options.max_violations);
    answer
}

fn check(
    rule: &ParameterRule,
    rank: usize,
    request: &Request<'_>,
    answer: &mut Parameters,
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
    let texts = match rule.texts(request) {
        Ok(texts) => texts,
        Err(raw) => {
            let limit = Limit::Text("percent-encoding".to_owned());
            let value = Some(excerpt::text(&raw));
            violations.push(rank, single(Condition::ParamFormatOther, value, Some(limit)));
            return;
        }
    };
    if texts.is_empty() {
        if rule.required {
            violations.push(rank, single(Condition::ParamMissing, None, None));
        }
        return;
    }
    if rule.allow_empty && texts.iter().all(|text| text.is_empty()) {
        return;
    }
    let value = value(&texts, rule.shape);
    if let Some(schema) = &rule.schema {
        judge(schema, &value, subject, violations);
    }
    // Rules are in the order of locations: the first of one name stays.
    answer.values.entry(rule.name.as_str()).or_insert(value);
}

impl ParameterRule {
    /// The texts that stand for this parameter, decoded: none where it is absent. `Err` holds the raw text
    /// that cannot be decoded.
    fn texts<'r>(&self, request: &Request<'r>) -> Result<Vec<Cow<'r, str>>, String> {
        match self.location {
            Location::Path => match request.found.raw_path_parameter(&self.name) {
                Some(raw) => self.split(raw, decode),
                None => Ok(Vec::new()),
            },
            Location::Query => {
                let mut texts = Vec::new();
                for (name, raw) in &request.query {
                    if decode_form(name).is_ok_and(|name| name == self.name.as_str()) {
                        // With `explode`, a comma is a part of the value.
                        let parts = if self.explode {
                            self.whole(raw, decode_form)
                        } else {
                            self.split(raw, decode_form)
                        };
                        texts.extend(parts?);
                    }
                }
                Ok(texts)
            }
            Location::Header => {
                // RFC 9110 §5.3: several lines of one field are one list. Fields know no encoding.
                let lines = request.headers.get_all(self.name.as_str()).iter().map(text_of);
                let lines: Vec<Cow<'r, str>> = lines.collect();
                if !self.is_list() {
                    return Ok(lines);
                }
                let parts = lines.iter().flat_map(|line| line.split(','));
                Ok(parts.map(|part| Cow::Owned(part.trim_matches([' ', '\t']).to_owned())).collect())
            }
            Location::Cookie => {
                let mut texts = Vec::new();
                for (_, raw) in request.cookies.iter().filter(|(name, _)| *name == self.name.as_str()) {
                    let parts = if self.explode { self.whole(raw, decode) } else { self.split(raw, decode) };
                    texts.extend(parts?.into_iter().map(|part| Cow::Owned(part.into_owned())));
                }
                Ok(texts)
            }
            Location::Body => Ok(Vec::new()),
        }
    }

    fn is_list(&self) -> bool {
        self.shape.types.contains(Types::ARRAY)
    }

    fn whole<'t>(&self, raw: &'t str, decode: Decode<'t>) -> Result<Vec<Cow<'t, str>>, String> {
        decode(raw).map(|text| vec![text]).map_err(|Undecodable| raw.to_owned())
    }

    /// The elements of a list in one text, split before decoding: an encoded comma is a part of an element.
    fn split<'t>(&self, raw: &'t str, decode: Decode<'t>) -> Result<Vec<Cow<'t, str>>, String> {
        if !self.is_list() {
            return self.whole(raw, decode);
        }
        raw.split(',').map(|part| decode(part).map_err(|Undecodable| raw.to_owned())).collect()
    }
}

type Decode<'t> = fn(&'t str) -> Result<Cow<'t, str>, Undecodable>;

/// The parts of a query.
fn pairs(query: &str) -> Vec<(&str, &str)> {
    let parts = query.split('&').filter(|part| !part.is_empty());
    parts.map(|part| part.split_once('=').unwrap_or((part, ""))).collect()
}

/// The cookies of all `Cookie` fields (RFC 6265 §5.4).
fn cookies(headers: &HeaderMap) -> Vec<(Cow<'_, str>, Cow<'_, str>)> {
    let mut cookies = Vec::new();
    for line in headers.get_all(COOKIE).iter().map(text_of) {
        for part in line.split(';') {
            if let Some((name, value)) = part.trim_matches([' ', '\t']).split_once('=') {
                let value = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(value);
                cookies.push((Cow::Owned(name.to_owned()), Cow::Owned(value.to_owned())));
            }
        }
    }
    cookies
}

fn text_of(value: &HeaderValue) -> Cow<'_, str> {
    String::from_utf8_lossy(value.as_bytes())
}

/// Each name once, in the order of the query, behind all declared parameters.
fn refuse_unknown(rules: &[ParameterRule], query: &[(&str, &str)], violations: &mut Violations) {
    let mut seen: Vec<Cow<'_, str>> = Vec::new();
    for (raw, value) in query {
        if violations.is_full() {
            return;
        }
        let name = decode_form(raw).unwrap_or(Cow::Borrowed(raw));
        let is_declared = rules.iter().any(|rule| rule.location == Location::Query && rule.name == name);
        if is_declared || seen.contains(&name) {
            continue;
        }
        let violation = Violation {
            condition: Condition::ParamUnknown,
            location: Location::Query,
            param: excerpt::text(&name),
            pointer: join("", &excerpt::text(&name)),
            value: Some(excerpt::text(value)),
            limit: None,
            allowed: Vec::new(),
        };
        violations.push(rules.len() + seen.len(), violation);
        seen.push(name);
    }
}
