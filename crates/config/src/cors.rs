//! `cors:` which browser origins may call an API.

use demur_engine::settings::{Cors, Origins};
use demur_source::{Fields, Node, Span};
use http::{HeaderName, HeaderValue, Uri};

use crate::reader::ConfigReader;
use crate::units::duration;

pub(crate) fn read_cors(node: &Node, reader: &mut ConfigReader<'_>) -> Option<Cors> {
    let mut fields = Fields::of(node, reader.source, "`cors`", reader.found)?;
    let origins = fields.texts("origins", reader.found);
    if origins.is_empty() {
        fields.missing("origins", reader.found);
    }
    let is_any = origins.iter().any(|(origin, _)| origin == "*");
    let these: Vec<HeaderValue> = origins
        .iter()
        .filter(|(origin, _)| origin != "*")
        .filter_map(|(origin, span)| read_origin(origin, *span, "cors", reader))
        .collect();
    let credentials = fields.boolean("credentials", reader.found).unwrap_or(false);
    if is_any && (credentials || !these.is_empty()) {
        let message = "the origin `*` cannot be combined with others or with `credentials`: any site could \
                       then act for its visitors";
        reader.error(node.span, "cors", message, "list the origins".to_owned());
    }
    let headers = fields.node("headers").is_some().then(|| fields.texts("headers", reader.found));
    let headers = headers.map(|names| read_names(names, reader));
    let expose = fields.texts("expose", reader.found);
    let expose = read_names(expose, reader);
    let mut cors = Cors::new(if is_any { Origins::Any } else { Origins::These(these) });
    if let Some(node) = fields.node("max_age") {
        match node.scalar_text().and_then(|text| duration(&text)) {
            Some(age) => cors.max_age = age,
            None => {
                let help = "write `500ms`, `2s`, `1m` or `1h`".to_owned();
                reader.error(node.span, "duration", "`max_age` must be a duration", help);
            }
        }
    }
    fields.finish(reader.found);
    let list = |names: Vec<HeaderName>| {
        let names: Vec<&str> = names.iter().map(HeaderName::as_str).collect();
        HeaderValue::from_str(&names.join(", ")).ok()
    };
    Some(Cors { fields: headers.and_then(list), expose, credentials, ..cors })
}

/// An origin as browsers send it: scheme, host in lower case, and a port that is not the default of the scheme.
pub(crate) fn read_origin(
    text: &str,
    span: Span,
    check: &'static str,
    reader: &mut ConfigReader<'_>,
) -> Option<HeaderValue> {
    let uri: Option<Uri> = text.parse().ok();
    let is_origin = text == "null"
        || uri.is_some_and(|uri| {
            let has_path = text.matches('/').count() != 2;
            uri.scheme().is_some() && uri.host().is_some() && !has_path && !text.contains(['?', '@', '*'])
        });
    let default_port = (text.starts_with("https://") && text.ends_with(":443"))
        || (text.starts_with("http://") && text.ends_with(":80"));
    if !is_origin || default_port || text.bytes().any(|byte| byte.is_ascii_uppercase()) {
        let message = format!("`{text}` is not an origin as browsers send it");
        let help =
            "write scheme, host in lower case and, unless it is the default, port: `https://app.example`";
        reader.error(span, check, message, help.to_owned());
        return None;
    }
    HeaderValue::from_str(text).ok()
}

fn read_names(names: Vec<(String, Span)>, reader: &mut ConfigReader<'_>) -> Vec<HeaderName> {
    names.into_iter().filter_map(|(name, span)| reader.header_name(&name, span)).collect()
}
