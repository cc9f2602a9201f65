//! Reads `requestBody`: which media types, which schema, whether required.

use super::pointer::Located;
use super::reader::Reader;

const BODY_KEYS: [&str; 3] = ["description", "content", "required"];
const MEDIA_KEYS: [&str; 4] = ["schema", "example", "examples", "encoding"];

/// The content of an operation as declared.
pub(super) struct RawContent {
    pub(super) required: bool,
    pub(super) media_types: Vec<RawMediaType>,
}

/// One media type, its schema still a pointer.
pub(super) struct RawMediaType {
    /// In lower case, without parameters: `application/json`, `image/*`, `*/*`.
    pub(super) range: String,
    /// Only JSON is read; anything else passes as it is.
    pub(super) is_json: bool,
    pub(super) schema: Option<String>,
}

impl<'r> Reader<'r> {
    pub(super) fn content(&mut self, body: Located<'r>) -> Option<RawContent> {
        let body = self.resolve(body, "a request body")?;
        self.known_keys(&body, "a request body", &BODY_KEYS);
        let required = self.boolean(&body, "required").unwrap_or(false);
        let content = body.member("content").filter(|content| content.node.as_map().is_some());
        let Some(content) = content else {
            let help = "add `content: { application/json: { schema: … } }`".to_owned();
            self.error(body.node.span, "missing-key", "a request body needs `content`", Some(help));
            return None;
        };
        let mut media_types = Vec::new();
        for (key, media_type) in content.members() {
            let range = essence(&key.name).to_ascii_lowercase();
            if !is_media_range(&range) {
                let message = format!("`{}` is not a media type", key.name);
                self.error(
                    key.span,
                    "media-type",
                    message,
                    Some("write it as `application/json`".to_owned()),
                );
                continue;
            }
            self.known_keys(&media_type, "a media type", &MEDIA_KEYS);
            let is_json = is_json(&range);
            let schema = media_type.member("schema").map(|schema| schema.pointer);
            if !is_json && schema.is_some() {
                let message = format!("content in `{range}` is passed on without being checked");
                self.warning(key.span, "unsupported", message, None);
            }
            media_types.push(RawMediaType { range, is_json, schema: schema.filter(|_| is_json) });
        }
        Some(RawContent { required, media_types })
    }
}

/// A media type without its parameters.
pub(crate) fn essence(text: &str) -> &str {
    text.split(';').next().unwrap_or_default().trim_matches([' ', '\t'])
}

/// `application/json`, and whatever says by its suffix that it is JSON (RFC 6839).
fn is_json(essence: &str) -> bool {
    essence == "application/json" || essence.ends_with("+json")
}

fn is_media_range(text: &str) -> bool {
    let is_token = |part: &str| {
        let is_char = |c: char| c.is_ascii_alphanumeric() || "!#$&^_.+-*".contains(c);
        !part.is_empty() && part.chars().all(is_char)
    };
    text.split_once('/').is_some_and(|(kind, subtype)| is_token(kind) && is_token(subtype))
}
