//! Message templates, such as `Missing required parameter: {param}`.
//!
//! A template consists of literal text and parameters. `{{` and `}}` are literal braces. A parameter can have a list style,
//! as in `{values|quoted}`, or plural forms ([`crate::plural`]). Literals are escaped for JSON when the template is
//! compiled, parameters when they are rendered, so a message can never break out of its JSON string.

use std::fmt;

use crate::json;
use crate::parse::{PatternPart, TextPattern};
use crate::plural::{Plural, closing};
use crate::template_parameter::MAX_SEQUENCES;
pub(crate) use crate::template_parameter::TemplateParameter;
pub use crate::template_parameter::{ListStyle, TemplateError};
use crate::value::Value;

/// A compiled message.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Template {
    segments: Vec<Segment>,
    pattern: TextPattern,
    /// Computed once, because rendering needs it for each violation.
    uses_violation: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Segment {
    /// Text, as written and as escaped for a JSON string.
    Literal { plain: String, escaped: String },
    /// A parameter.
    Parameter { name: TemplateParameter, style: ListStyle },
    /// Text that depends on a number.
    Plural(Box<Plural<Template>>),
}

impl Template {
    /// Parses the source of a template.
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
                true => Segment::Plural(Box::new(Plural::parse(inner, Self::parse_form)?)),
                false => parse_parameter(inner)?,
            });
        }
        literal.push_str(rest);
        push_literal(&mut segments, &mut literal);
        match combinations(&segments) {
            texts if texts > MAX_SEQUENCES => Err(TemplateError::TooManyForms(texts)),
            _ => Ok(Self::new(segments)),
        }
    }

    /// Parses a plural form, which has no plurals of its own.
    pub(crate) fn parse_form(text: &str) -> Result<Self, TemplateError> {
        let form = Self::parse(text)?;
        if form.plurals().next().is_some() {
            return Err(TemplateError::BadPlural("forms cannot be nested".to_owned()));
        }
        Ok(form)
    }

    /// A template of literal text; braces have no special meaning.
    pub fn literal(text: &str) -> Self {
        let mut segments = Vec::new();
        push_literal(&mut segments, &mut text.to_owned());
        Self::new(segments)
    }

    /// The text, if it has no parameters.
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

    pub(crate) fn plurals(&self) -> impl Iterator<Item = &Plural<Template>> {
        self.segments.iter().filter_map(|segment| match segment {
            Segment::Plural(plural) => Some(&**plural),
            Segment::Literal { .. } | Segment::Parameter { .. } => None,
        })
    }

    /// The parts without plurals: one sequence for each combination of plural forms.
    fn sequences<'t>(&'t self) -> Vec<Vec<PatternPart<'t>>> {
        let mut sequences: Vec<Vec<PatternPart<'t>>> = vec![Vec::new()];
        for segment in &self.segments {
            let part = match segment {
                Segment::Literal { plain, .. } => PatternPart::Literal(plain),
                Segment::Parameter { name, style } => {
                    PatternPart::Parameter { name, is_quoted: *style == ListStyle::Quoted }
                }
                Segment::Plural(plural) => {
                    // Forms have no plurals, so each is one sequence.
                    let forms: Vec<Vec<PatternPart<'t>>> =
                        plural.forms().flat_map(Template::sequences).collect();
                    let with_each = |sequence: &Vec<PatternPart<'t>>| {
                        forms.iter().map(|form| [sequence.as_slice(), form].concat()).collect::<Vec<_>>()
                    };
                    sequences = sequences.iter().flat_map(with_each).collect();
                    continue;
                }
            };
            sequences.iter_mut().for_each(|sequence| sequence.push(part));
        }
        sequences
    }

    /// The names of the parameters that come from a violation. Code that raises the error without a violation must set
    /// parameters with these names.
    pub fn violation_parameters(&self) -> impl Iterator<Item = &'static str> {
        self.parameters().filter_map(TemplateParameter::of_violation)
    }

    /// Whether a parameter comes from a violation.
    pub(crate) fn uses_violation(&self) -> bool {
        self.uses_violation
    }

    /// The pattern that matches rendered texts.
    pub(crate) fn pattern(&self) -> &TextPattern {
        &self.pattern
    }

    fn new(segments: Vec<Segment>) -> Self {
        let mut template = Self { segments, pattern: TextPattern::default(), uses_violation: false };
        template.pattern = TextPattern::of_any(&template.sequences());
        let uses_violation = template.parameters().any(TemplateParameter::is_of_violation);
        template.uses_violation = uses_violation;
        template
    }
}

/// The source of the template.
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

/// The number of texts that the plural forms make together.
fn combinations(segments: &[Segment]) -> usize {
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
        // Escaped UTF-8 is still UTF-8.
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
    Ok(Segment::Parameter { name: TemplateParameter::from_name(name), style })
}

/// Appends a value to the inside of a JSON string.
pub(crate) fn write_value(value: &Value, style: ListStyle, out: &mut Vec<u8>) {
    match value {
        Value::Text(text) => json::escape(text, out),
        Value::Int(value) => out.extend_from_slice(itoa::Buffer::new().format(*value).as_bytes()),
        Value::List(values) => write_list(values.iter().map(String::as_str), style, out),
    }
}

/// Appends a list of texts to the inside of a JSON string.
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
    fn display_returns_the_source() {
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
    fn rejects_invalid_templates() {
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
