//! Reads parameter declarations: where, how written, which schema.

use demur_contract::Location;
use demur_source::{Span, did_you_mean};

use super::pointer::Located;
use super::reader::Reader;

const KEYS: [&str; 12] = [
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
];

const LOCATIONS: [(&str, Location); 4] = [
    ("path", Location::Path),
    ("query", Location::Query),
    ("header", Location::Header),
    ("cookie", Location::Cookie),
];

/// A parameter as declared, its schema still a pointer.
#[derive(Debug, Clone)]
pub(super) struct RawParameter {
    pub(super) name: String,
    pub(super) location: Location,
    pub(super) required: bool,
    /// Whether each element of an array has a place of its own (`a=1&a=2`), not one for all (`a=1,2`).
    pub(super) explode: bool,
    pub(super) allow_empty: bool,
    /// `None`: it is not checked, and a warning says so.
    pub(super) schema: Option<String>,
    pub(super) span: Span,
}

impl RawParameter {
    /// Whether both are one parameter, by OpenAPI's rule: name and location. Field names know no case.
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

impl<'r> Reader<'r> {
    /// The `parameters` of a path item or of an operation.
    pub(super) fn parameters(&mut self, owner: &Located<'r>) -> Vec<RawParameter> {
        let Some(list) = owner.member("parameters") else { return Vec::new() };
        if list.node.as_seq().is_none() {
            let message = format!("`parameters` must be a list, not {}", list.node.kind_name());
            self.error(list.node.span, "wrong-kind", message, None);
        }
        let mut parameters: Vec<RawParameter> = Vec::new();
        for item in list.items() {
            let Some(place) = self.resolve(item, "a parameter") else { continue };
            let Some(parameter) = self.parameter(&place) else { continue };
            if parameters.iter().any(|known| known.is_same(&parameter)) {
                let message = format!(
                    "the {} parameter `{}` is declared here a second time",
                    parameter.location.as_str(),
                    parameter.name
                );
                self.error(parameter.span, "parameter", message, Some("keep one of the two".to_owned()));
                continue;
            }
            parameters.push(parameter);
        }
        parameters
    }

    fn parameter(&mut self, place: &Located<'r>) -> Option<RawParameter> {
        let name = self.required_text(place, "name");
        let location = self.required_text(place, "in").and_then(|(text, span)| self.location(&text, span));
        let ((name, span), location) = (name?, location?);
        // OpenAPI leaves these three to other means: content negotiation and authentication.
        let is_left_out = location == Location::Header
            && ["accept", "content-type", "authorization"]
                .iter()
                .any(|field| name.eq_ignore_ascii_case(field));
        if is_left_out {
            let message = format!("a parameter for the field `{name}` is ignored, as OpenAPI says");
            self.warning(span, "parameter", message, None);
            return None;
        }
        let mut required = self.boolean(place, "required").unwrap_or(false);
        if location == Location::Path && !required {
            let message = format!("the path parameter `{name}` must be required; it is taken so");
            self.warning(span, "parameter", message, Some("add `required: true`".to_owned()));
            required = true;
        }
        let form = matches!(location, Location::Query | Location::Cookie);
        let explode = self.boolean(place, "explode").unwrap_or(form);
        let allow_empty = self.boolean(place, "allowEmptyValue").unwrap_or(false);
        let schema = self.parameter_schema(place, &name, span, form);
        Some(RawParameter { name, location, required, explode, allow_empty, schema, span })
    }

    /// The pointer to the schema, where the parameter is written in a way that can be read.
    fn parameter_schema(
        &mut self,
        place: &Located<'r>,
        name: &str,
        span: Span,
        form: bool,
    ) -> Option<String> {
        if let Some(content) = place.member("content") {
            let message = format!("`content` of a parameter is not supported: `{name}` is not checked");
            self.warning(content.node.span, "unsupported", message, None);
            return None;
        }
        self.known_keys(place, "a parameter", &KEYS);
        if let Some(style) = place.member("style") {
            let text = style.node.scalar_text().unwrap_or_default();
            if text != if form { "form" } else { "simple" } {
                let message = format!("the style `{text}` is not supported here: `{name}` is not checked");
                self.warning(style.node.span, "unsupported", message, None);
                return None;
            }
        }
        let schema = place.member("schema");
        if schema.is_none() {
            let message = format!("the parameter `{name}` needs a `schema`");
            self.error(span, "missing-key", message, Some("add `schema: { type: string }`".to_owned()));
        }
        schema.map(|schema| schema.pointer)
    }

    fn location(&mut self, text: &str, span: Span) -> Option<Location> {
        let known = LOCATIONS.iter().find(|(name, _)| *name == text).map(|(_, location)| *location);
        if known.is_none() {
            let help = match text {
                "body" | "formData" => "OpenAPI 3 declares content under `requestBody`".to_owned(),
                _ => match did_you_mean(text, LOCATIONS.iter().map(|(name, _)| *name)) {
                    Some(name) => format!("did you mean `{name}`?"),
                    None => "one of: path, query, header, cookie".to_owned(),
                },
            };
            self.error(span, "parameter", format!("a parameter cannot be in `{text}`"), Some(help));
        }
        known
    }

    fn required_text(&mut self, place: &Located<'r>, name: &str) -> Option<(String, Span)> {
        let Some(member) = place.member(name) else {
            self.error(place.node.span, "missing-key", format!("a parameter needs `{name}`"), None);
            return None;
        };
        let text = member.node.scalar_text();
        if text.is_none() {
            let message = format!("`{name}` must be text, not {}", member.node.kind_name());
            self.error(member.node.span, "wrong-kind", message, None);
        }
        Some((text?, member.node.span))
    }
}
