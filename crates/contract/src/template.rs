//! Message templates: `Missing required parameter: {param}`.
//!
//! A template is literal text and parameters. `{{` and `}}` stand for braces. A parameter may name a list
//! style: `{values|quoted}`, or have plural forms ([`crate::plural`]). Literals are escaped for JSON when the template is compiled, parameters when
//! they are written, so a message can never break out of its string.

use std::fmt;

use crate::json;
use crate::parse::TextPattern;
use crate::plural::{Plural, closing};
use crate::problem::Value;

/// The most choices of plural forms that one text may have: each is tried when a text is read back. Three plurals of five
/// forms are fewer.
const MAX_SEQUENCES: usize = 128;

/// A compiled message.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Template {
    segments: Vec<Segment>,
    pattern: TextPattern,
    /// Asked for each violation of each answer.
    speaks_of_violation: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Segment {
    /// As written, and as it stands within a JSON string.
    Literal { plain: String, escaped: String },
    /// A parameter.
    Parameter { name: TemplateParameter, style: ListStyle },
    /// Text that depends on a number.
    Plural(Box<Plural>),
}

/// How several values are joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ListStyle {
    /// `a, b`
    #[default]
    Comma,
    /// `['a', 'b']`
    Quoted,
}

/// What may stand in braces. The known names are data of the violation or of the request; all others are
/// parameters of the problem, which the contract's entry must declare.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TemplateParameter {
    /// The parameter's name, as the contract shows it.
    Param,
    /// The offending value.
    Value,
    /// The offending values of one list, gathered by `collect: values`.
    Values,
    /// The rule's own value.
    Limit,
    /// What would be allowed.
    Allowed,
    /// Where it stands.
    Pointer,
    /// In which part of the request.
    Location,
    /// The request's id.
    RequestId,
    /// Whole seconds until trying again makes sense.
    RetryAfter,
    /// A parameter of the problem.
    Named(String),
}

impl TemplateParameter {
    pub(crate) fn is_name(name: &str) -> bool {
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    }

    pub(crate) fn named(name: &str) -> Self {
        match name {
            "param" | "field" => TemplateParameter::Param,
            "value" => TemplateParameter::Value,
            "values" => TemplateParameter::Values,
            "limit" => TemplateParameter::Limit,
            "allowed" => TemplateParameter::Allowed,
            "pointer" => TemplateParameter::Pointer,
            "location" => TemplateParameter::Location,
            "request_id" => TemplateParameter::RequestId,
            "retry_after" => TemplateParameter::RetryAfter,
            other => TemplateParameter::Named(other.to_owned()),
        }
    }

    /// As it stands in the braces.
    pub(crate) fn as_str(&self) -> &str {
        match self {
            TemplateParameter::Param => "param",
            TemplateParameter::Value => "value",
            TemplateParameter::Values => "values",
            TemplateParameter::Limit => "limit",
            TemplateParameter::Allowed => "allowed",
            TemplateParameter::Pointer => "pointer",
            TemplateParameter::Location => "location",
            TemplateParameter::RequestId => "request_id",
            TemplateParameter::RetryAfter => "retry_after",
            TemplateParameter::Named(name) => name,
        }
    }

    /// By which name it is given where there is no violation. Nobody but a violation tells of places.
    pub(crate) fn of_violation(&self) -> Option<&'static str> {
        match self {
            TemplateParameter::Param => Some("param"),
            TemplateParameter::Value => Some("value"),
            TemplateParameter::Values => Some("values"),
            TemplateParameter::Limit => Some("limit"),
            TemplateParameter::Allowed => Some("allowed"),
            TemplateParameter::Pointer
            | TemplateParameter::Location
            | TemplateParameter::RequestId
            | TemplateParameter::RetryAfter
            | TemplateParameter::Named(_) => None,
        }
    }

    /// Whether it is taken from a violation.
    pub(crate) fn is_of_violation(&self) -> bool {
        !matches!(
            self,
            TemplateParameter::RequestId | TemplateParameter::RetryAfter | TemplateParameter::Named(_)
        )
    }
}

/// Why a text is no template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TemplateError {
    /// A `{` without its `}`, or the other way round.
    Unbalanced,
    /// Nothing, or something that is no name, between the braces.
    BadName(String),
    /// A list style that does not exist.
    UnknownStyle(String),
    /// Plural forms that cannot be read.
    BadPlural(String),
    /// Plural forms that together make so many texts.
    TooManyForms(usize),
}

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TemplateError::Unbalanced => {
                f.write_str("a brace stands alone; write `{{` or `}}` for a brace itself")
            }
            TemplateError::BadName(name) => write!(f, "`{{{name}}}` is not a parameter's name"),
            TemplateError::UnknownStyle(style) => {
                write!(f, "`{style}` is not a list style; there are `comma` and `quoted`")
            }
            TemplateError::BadPlural(why) => write!(f, "these plural forms cannot be read: {why}"),
            TemplateError::TooManyForms(texts) => write!(
                f,
                "these plural forms make {texts} different texts, and a text has at most {MAX_SEQUENCES}: leave out \
                 forms that say the same as `other`, or say less in one text"
            ),
        }
    }
}

impl Template {
    /// Compiles a text.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        let mut segments = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            literal.push_str(&rest[..at]);
            let brace = &rest[at..=at];
            rest = &rest[at + 1..];
            if let Some(after) = rest.strip_prefix(brace) {
                literal.push_str(brace);
                rest = after;
                continue;
            }
            let end = closing(rest).filter(|_| brace == "{").ok_or(TemplateError::Unbalanced)?;
            let inner = &rest[..end];
            rest = &rest[end + 1..];
            push_literal(&mut segments, &mut literal);
            segments.push(match inner.contains(',') {
                true => Segment::Plural(Box::new(Plural::parse(inner)?)),
                false => parse_parameter(inner)?,
            });
        }
        literal.push_str(rest);
        push_literal(&mut segments, &mut literal);
        match choices(&segments) {
            texts if texts > MAX_SEQUENCES => Err(TemplateError::TooManyForms(texts)),
            _ => Ok(Self::new(segments)),
        }
    }

    /// A text without parameters, whatever it holds.
    pub fn literal(text: &str) -> Self {
        let mut segments = Vec::new();
        push_literal(&mut segments, &mut text.to_owned());
        Self::new(segments)
    }

    /// The text, where it has no parameters.
    pub fn as_literal(&self) -> Option<&str> {
        match self.segments.as_slice() {
            [] => Some(""),
            [Segment::Literal { plain, .. }] => Some(plain),
            _ => None,
        }
    }

    pub(crate) fn segments(&self) -> &[Segment] {
        &self.segments
    }

    pub(crate) fn parameters(&self) -> impl Iterator<Item = &TemplateParameter> {
        let mut all = Vec::new();
        for segment in &self.segments {
            match segment {
                Segment::Parameter { name, .. } => all.push(name),
                Segment::Literal { .. } => {}
                Segment::Plural(plural) => {
                    all.push(&plural.parameter);
                    all.extend(plural.forms().flat_map(Template::parameters));
                }
            }
        }
        all.into_iter()
    }

    pub(crate) fn plurals(&self) -> impl Iterator<Item = &Plural> {
        self.segments.iter().filter_map(|segment| match segment {
            Segment::Plural(plural) => Some(&**plural),
            Segment::Literal { .. } | Segment::Parameter { .. } => None,
        })
    }

    /// Every sequence of plain segments that this may come out as: one, or one for each choice of forms.
    fn sequences(&self) -> Vec<Vec<&Segment>> {
        let mut sequences: Vec<Vec<&Segment>> = vec![Vec::new()];
        for segment in &self.segments {
            let Segment::Plural(plural) = segment else {
                sequences.iter_mut().for_each(|sequence| sequence.push(segment));
                continue;
            };
            sequences = sequences
                .iter()
                .flat_map(|sequence| {
                    plural.forms().map(|form| sequence.iter().copied().chain(&form.segments).collect())
                })
                .collect();
        }
        sequences
    }

    /// The names in braces that a violation fills in. Whoever raises the error without one, such as a handler,
    /// gives parameters of these names.
    pub fn violation_parameters(&self) -> impl Iterator<Item = &'static str> {
        self.parameters().filter_map(TemplateParameter::of_violation)
    }

    /// Whether it tells something of a violation.
    pub(crate) fn speaks_of_violation(&self) -> bool {
        self.speaks_of_violation
    }

    /// The template, to be held against texts.
    pub(crate) fn pattern(&self) -> &TextPattern {
        &self.pattern
    }

    fn new(segments: Vec<Segment>) -> Self {
        let mut template = Self { segments, pattern: TextPattern::default(), speaks_of_violation: false };
        template.pattern = TextPattern::of_any(&template.sequences());
        let speaks_of_violation = template.parameters().any(TemplateParameter::is_of_violation);
        template.speaks_of_violation = speaks_of_violation;
        template
    }
}

/// The template as it was written.
impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for segment in &self.segments {
            match segment {
                Segment::Literal { plain, .. } => {
                    f.write_str(&plain.replace('{', "{{").replace('}', "}}"))?;
                }
                Segment::Parameter { name, style } => {
                    let name = name.as_str();
                    let style = if *style == ListStyle::Quoted { "|quoted" } else { "" };
                    write!(f, "{{{name}{style}}}")?;
                }
                Segment::Plural(plural) => plural.fmt(f)?,
            }
        }
        Ok(())
    }
}

/// How many texts the plural forms make together.
fn choices(segments: &[Segment]) -> usize {
    let forms = segments.iter().map(|segment| match segment {
        Segment::Plural(plural) => plural.forms().count(),
        Segment::Literal { .. } | Segment::Parameter { .. } => 1,
    });
    forms.fold(1, usize::saturating_mul)
}

fn push_literal(segments: &mut Vec<Segment>, literal: &mut String) {
    if !literal.is_empty() {
        let plain = std::mem::take(literal);
        let mut escaped = Vec::new();
        json::escape(&plain, &mut escaped);
        // Escaping text yields text.
        let escaped = String::from_utf8(escaped).unwrap_or_default();
        segments.push(Segment::Literal { plain, escaped });
    }
}

fn parse_parameter(inner: &str) -> Result<Segment, TemplateError> {
    let (name, style) = inner.split_once('|').unwrap_or((inner, "comma"));
    if !TemplateParameter::is_name(name) {
        return Err(TemplateError::BadName(inner.to_owned()));
    }
    let style = match style {
        "comma" => ListStyle::Comma,
        "quoted" => ListStyle::Quoted,
        other => return Err(TemplateError::UnknownStyle(other.to_owned())),
    };
    Ok(Segment::Parameter { name: TemplateParameter::named(name), style })
}

/// Writes a value into a JSON string that is open.
pub(crate) fn write_value(value: &Value, style: ListStyle, out: &mut Vec<u8>) {
    match value {
        Value::Text(text) => json::escape(text, out),
        Value::Int(value) => out.extend_from_slice(itoa::Buffer::new().format(*value).as_bytes()),
        Value::List(values) => write_list(values.iter().map(String::as_str), style, out),
    }
}

/// Writes several texts into a JSON string that is open.
pub(crate) fn write_list<'v>(values: impl Iterator<Item = &'v str>, style: ListStyle, out: &mut Vec<u8>) {
    let quoted = style == ListStyle::Quoted;
    if quoted {
        out.push(b'[');
    }
    for (index, value) in values.enumerate() {
        if index > 0 {
            out.extend_from_slice(b", ");
        }
        if quoted {
            out.push(b'\'');
        }
        json::escape(value, out);
        if quoted {
            out.push(b'\'');
        }
    }
    if quoted {
        out.push(b']');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_come_back_as_written() {
        for text in [
            "plain",
            "{param} is required",
            "a {{b}} c",
            "{values|quoted}. {allowed}",
            "{request_id}",
            "at most {limit, plural, =0 {none} one {{limit} item} other {{limit} items}}.",
        ] {
            assert_eq!(Template::parse(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn mistakes_are_named() {
        for (text, error) in [
            ("a { b", TemplateError::Unbalanced),
            ("a } b", TemplateError::Unbalanced),
            ("{}", TemplateError::BadName(String::new())),
            ("{a b}", TemplateError::BadName("a b".into())),
            ("{a|loud}", TemplateError::UnknownStyle("loud".into())),
            (&"{a, plural, one {x} other {y}}".repeat(8), TemplateError::TooManyForms(256)),
        ] {
            assert_eq!(Template::parse(text).unwrap_err(), error, "{text}");
        }
        assert!(Template::parse(&"{a, plural, one {x} other {y}}".repeat(7)).is_ok());
    }
}
