//! Reads parameters: name, location, style and schema.

use demur_contract::Location;
use demur_source::{Span, did_you_mean};

use super::reader::DocumentReader;
use crate::media_type::MediaKind;
use crate::request::Style;
use crate::tree::Located;

const KEYS: [&str; 13] = [
    "name",
    "in",
    "description",
    "required",
    "deprecated",
    "allowEmptyValue",
    "style",
    "explode",
    "allowReserved",
    "schema",
    "example",
    "examples",
    "content",
];

const LOCATIONS: [(&str, Location); 4] = [
    ("path", Location::Path),
    ("query", Location::Query),
    ("header", Location::Header),
    ("cookie", Location::Cookie),
];

/// What becomes of a parameter that cannot be read.
const UNCHECKED: &str = "the parameter is not checked";

/// A parameter as declared. Its schema is still a pointer.
#[derive(Debug, Clone)]
pub(super) struct RawParameter {
    pub(super) name: String,
    pub(super) location: Location,
    pub(super) required: bool,
    pub(super) style: Style,
    /// Whether each element of an array has its own value (`a=1&a=2`) instead of one for all (`a=1,2`).
    pub(super) explode: bool,
    pub(super) allow_empty: bool,
    /// `None` if the parameter is not checked, which was reported as a warning.
    pub(super) schema: Option<String>,
    pub(super) span: Span,
}

impl RawParameter {
    /// Whether both have the same name and location, and are therefore one parameter. Header names ignore case.
    pub(super) fn is_same(&self, other: &RawParameter) -> bool {
        let same_name = match self.location {
            Location::Header => self.name.eq_ignore_ascii_case(&other.name),
            Location::Path | Location::Query | Location::Cookie | Location::Body => self.name == other.name,
        };
        self.location == other.location && same_name
    }

    pub(super) fn is_in_path(&self) -> bool {
        self.location == Location::Path
    }
}

impl<'r> DocumentReader<'r> {
    /// Reads the `parameters` of a path item or of an operation.
    pub(super) fn parameters(&mut self, owner: &Located<'r>) -> Vec<RawParameter> {
        let Some(list) = owner.member("parameters") else { return Vec::new() };
        if list.node.as_seq().is_none() {
            let message = format!("`parameters` must be a list, not {}", list.node.kind_name());
            self.fault(list.node.span, "wrong-kind", message, None, "no parameter is checked");
        }
        let mut parameters: Vec<RawParameter> = Vec::new();
        for item in list.items() {
            let Some(located) = self.resolve(item, "a parameter") else { continue };
            let Some(parameter) = self.parameter(&located) else { continue };
            if parameters.iter().any(|known| known.is_same(&parameter)) {
                let message =
                    format!("duplicate {} parameter `{}`", parameter.location.as_str(), parameter.name);
                let help = "remove one of the two declarations".to_owned();
                self.fault(parameter.span, "parameter", message, Some(help), "only the first one is checked");
                continue;
            }
            parameters.push(parameter);
        }
        parameters
    }

    fn parameter(&mut self, located: &Located<'r>) -> Option<RawParameter> {
        let name = self.required_text(located, "name");
        let location = self.required_text(located, "in").and_then(|(text, span)| self.location(&text, span));
        let ((name, span), location) = (name?, location?);
        // Content negotiation and authentication handle these headers (OpenAPI 3.1, section 4.8.12).
        let is_ignored = location == Location::Header
            && ["accept", "content-type", "authorization"]
                .iter()
                .any(|header| name.eq_ignore_ascii_case(header));
        if is_ignored {
            let message = format!("parameter for header `{name}` is ignored, as OpenAPI requires");
            self.warning(span, "parameter", message, None);
            return None;
        }
        let mut required = self.boolean(located, "required").unwrap_or(false);
        if location == Location::Path && !required {
            let message = format!("path parameter `{name}` must be required, and is treated as required");
            self.warning(span, "parameter", message, Some("add `required: true`".to_owned()));
            required = true;
        }
        let allow_empty = self.boolean(located, "allowEmptyValue").unwrap_or(false);
        if let Some(member) = located.member("allowEmptyValue").filter(|_| location != Location::Query) {
            let message = format!("`allowEmptyValue` has no effect in a {} parameter", location.as_str());
            self.warning(member.node.span, "no-effect", message, None);
        }
        let (style, schema) = self.parameter_schema(located, &name, span, location);
        let explode = self.boolean(located, "explode").unwrap_or(style == Style::Form);
        Some(RawParameter { name, location, required, style, explode, allow_empty, schema, span })
    }

    /// Reads the style, and the pointer to the schema.
    fn parameter_schema(
        &mut self,
        located: &Located<'r>,
        name: &str,
        span: Span,
        location: Location,
    ) -> (Style, Option<String>) {
        self.known_keys(located, "a parameter", &KEYS);
        let default = Style::default_for(location);
        if let Some(content) = located.member("content") {
            for key in ["schema", "style", "explode"] {
                if let Some(member) = located.member(key) {
                    let message = format!("`{key}` of parameter `{name}` has no effect beside `content`");
                    self.warning(member.node.span, "no-effect", message, None);
                }
            }
            return self.parameter_content(&content, name);
        }
        let mut style = default;
        if let Some(declared) = located.member("style") {
            let text = declared.node.scalar_text().unwrap_or_default();
            match Style::from_name(&text, location) {
                Some(named) => style = named,
                None => {
                    let styles = Style::names(location).collect::<Vec<_>>().join(", ");
                    let message = format!("unknown style `{text}` for a {} parameter", location.as_str());
                    let help = Some(format!("use one of: {styles}"));
                    self.fault(declared.node.span, "parameter", message, help, UNCHECKED);
                    return (Style::Text, None);
                }
            }
        }
        let schema = located.member("schema");
        if schema.is_none() {
            let message = format!("missing key `schema` in parameter `{name}`");
            let help = "add `schema: { type: string }`".to_owned();
            self.fault(span, "missing-key", message, Some(help), UNCHECKED);
        }
        (style, schema.map(|schema| schema.pointer))
    }

    /// Reads `content`, which sets the media type of the parameter's text.
    fn parameter_content(&mut self, content: &Located<'r>, name: &str) -> (Style, Option<String>) {
        let mut media_types = content.members();
        let (Some((key, media_type)), None) = (media_types.next(), media_types.next()) else {
            let message = format!("`content` of parameter `{name}` must contain exactly one media type");
            self.fault(content.node.span, "parameter", message, None, UNCHECKED);
            return (Style::Text, None);
        };
        let style = match MediaKind::of(&key.name.to_ascii_lowercase()) {
            MediaKind::Json => Style::Json,
            MediaKind::Text => Style::Text,
            MediaKind::Form | MediaKind::Multipart | MediaKind::Other => {
                let message = format!(
                    "media type `{}` is not supported in a parameter: `{name}` is not checked",
                    key.name
                );
                self.unsupported += 1;
                self.warning(key.span, "unsupported", message, None);
                return (Style::Text, None);
            }
        };
        (style, media_type.member("schema").map(|schema| schema.pointer))
    }

    fn location(&mut self, text: &str, span: Span) -> Option<Location> {
        let known = LOCATIONS.iter().find(|(name, _)| *name == text).map(|(_, location)| *location);
        if known.is_none() {
            let help = match text {
                "body" | "formData" => "declare the body under `requestBody`".to_owned(),
                _ => match did_you_mean(text, LOCATIONS.iter().map(|(name, _)| *name)) {
                    Some(name) => format!("did you mean `{name}`?"),
                    None => "use one of: path, query, header, cookie".to_owned(),
                },
            };
            let message = format!("unknown parameter location `{text}`");
            self.fault(span, "parameter", message, Some(help), UNCHECKED);
        }
        known
    }

    fn required_text(&mut self, located: &Located<'r>, name: &str) -> Option<(String, Span)> {
        let Some(member) = located.member(name) else {
            let message = format!("missing key `{name}` in a parameter");
            self.fault(located.node.span, "missing-key", message, None, UNCHECKED);
            return None;
        };
        let text = member.node.scalar_text();
        if text.is_none() {
            let message = format!("`{name}` must be a string, not {}", member.node.kind_name());
            self.fault(member.node.span, "wrong-kind", message, None, UNCHECKED);
        }
        Some((text?, member.node.span))
    }
}
