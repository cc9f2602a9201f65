//! `cors:` of an API: whose scripts may call it from a browser.

use std::time::Duration;

use demur_source::{Fields, Node, Span};
use http::{HeaderName, HeaderValue, Uri};

use super::{ConfigReader, duration};

/// Whose scripts may call an API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cors {
    /// From where.
    pub origins: Origins,
    /// The fields that they may send, as a list; any where there is none.
    pub fields: Option<HeaderValue>,
    /// Fields of answers that they may read, beyond those that the contract sets.
    pub expose: Vec<HeaderName>,
    /// Whether the browser may send what it keeps for the origin (cookies, client certificates).
    pub credentials: bool,
    /// How long a browser may keep what a preflight said.
    pub max_age: Duration,
}

/// From where scripts may call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origins {
    /// From anywhere.
    Any,
    /// From these.
    These(Vec<HeaderValue>),
}

/// What browsers keep at the most: Chromium two hours, Firefox a day.
const MAX_AGE: Duration = Duration::from_secs(600);

/// Reads `cors:`.
pub(super) fn read_cors(node: &Node, reading: &mut ConfigReader<'_>) -> Option<Cors> {
    let mut fields = Fields::of(node, reading.source, "`cors`", reading.found)?;
    let origins = fields.texts("origins", reading.found);
    if origins.is_empty() {
        fields.missing("origins", reading.found);
    }
    let is_any = origins.iter().any(|(origin, _)| origin == "*");
    let these: Vec<HeaderValue> = origins
        .iter()
        .filter(|(origin, _)| origin != "*")
        .filter_map(|(origin, span)| read_origin(origin, *span, reading))
        .collect();
    let credentials = fields.boolean("credentials", reading.found).unwrap_or(false);
    if is_any && (credentials || !these.is_empty()) {
        let message =
            "`*` stands alone, and not with `credentials`: any site could then act for its visitors";
        reading.error(node.span, "cors", message, "list the origins".to_owned());
    }
    let headers = fields.node("headers").is_some().then(|| fields.texts("headers", reading.found));
    let headers = headers.map(|names| read_names(names, reading));
    let expose = fields.texts("expose", reading.found);
    let expose = read_names(expose, reading);
    let mut max_age = MAX_AGE;
    if let Some(node) = fields.node("max_age") {
        match node.scalar_text().and_then(|text| duration(&text)) {
            Some(age) => max_age = age,
            None => {
                reading.error(node.span, "duration", "`max_age` must be a duration, such as `10m`", None);
            }
        }
    }
    fields.finish(reading.found);
    let list = |names: Vec<HeaderName>| {
        let names: Vec<&str> = names.iter().map(HeaderName::as_str).collect();
        HeaderValue::from_str(&names.join(", ")).ok()
    };
    Some(Cors {
        origins: if is_any { Origins::Any } else { Origins::These(these) },
        fields: headers.and_then(list),
        expose,
        credentials,
        max_age,
    })
}

/// An origin as a browser writes it: scheme, host in lower case, and a port that is not the scheme's own.
fn read_origin(text: &str, span: Span, reading: &mut ConfigReader<'_>) -> Option<HeaderValue> {
    let uri: Option<Uri> = text.parse().ok();
    let is_origin = text == "null"
        || uri.is_some_and(|uri| {
            let has_path = text.matches('/').count() != 2;
            uri.scheme().is_some() && uri.host().is_some() && !has_path && !text.contains(['?', '@', '*'])
        });
    let usual_port = (text.starts_with("https://") && text.ends_with(":443"))
        || (text.starts_with("http://") && text.ends_with(":80"));
    if !is_origin || usual_port || text.bytes().any(|byte| byte.is_ascii_uppercase()) {
        let message = format!("`{text}` is no origin as browsers send it");
        let help = "write scheme, host and, where it is not the usual one, port: `https://app.example`";
        reading.error(span, "cors", message, help.to_owned());
        return None;
    }
    HeaderValue::from_str(text).ok()
}

fn read_names(names: Vec<(String, Span)>, reading: &mut ConfigReader<'_>) -> Vec<HeaderName> {
    let mut read = Vec::new();
    for (name, span) in names {
        match HeaderName::from_bytes(name.as_bytes()) {
            Ok(name) => read.push(name),
            Err(_) => reading.error(span, "cors", format!("`{name}` is no field's name"), None),
        }
    }
    read
}
