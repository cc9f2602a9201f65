//! Reads `requestBody` and `responses`.

use demur_contract::Location;
use demur_source::NodeKind;

use super::reader::DocumentReader;
use crate::media_type::{MediaKind, essence, is_media_range};
use crate::request::{PartEncoding, StatusRange, Style};
use crate::tree::Located;

const BODY_KEYS: [&str; 3] = ["description", "content", "required"];
const MEDIA_KEYS: [&str; 7] =
    ["schema", "example", "examples", "encoding", "itemSchema", "prefixEncoding", "itemEncoding"];
const ENCODING_KEYS: [&str; 5] = ["contentType", "headers", "style", "explode", "allowReserved"];
/// Keys that belong one level above or below the media types.
const STRAY_KEYS: [&str; 9] =
    ["schema", "example", "examples", "encoding", "description", "required", "content", "headers", "$ref"];
const RESPONSE_KEYS: [&str; 5] = ["summary", "description", "headers", "content", "links"];

/// The declared body of an operation.
pub(super) struct RawBody {
    pub(super) required: bool,
    pub(super) media_types: Vec<RawMediaType>,
}

/// A declared response.
pub(super) struct RawResponse {
    pub(super) status: StatusRange,
    pub(super) media_types: Vec<RawMediaType>,
}

/// A declared media type. Its schema is still a pointer.
pub(super) struct RawMediaType {
    /// In lower case and without parameters: `application/json`, `image/*`, `*/*`.
    pub(super) range: String,
    pub(super) kind: MediaKind,
    pub(super) schema: Option<String>,
    /// How individual members of a form are serialized.
    pub(super) encodings: Vec<PartEncoding>,
}

impl<'r> DocumentReader<'r> {
    pub(super) fn body(&mut self, body: Located<'r>) -> Option<RawBody> {
        let body = self.resolve(body, "a request body")?;
        self.known_keys(&body, "a request body", &BODY_KEYS);
        let required = self.boolean(&body, "required").unwrap_or(false);
        let content = body.member("content").filter(|content| content.node.as_map().is_some());
        let Some(content) = content else {
            let help = "add `content: { application/json: { schema: … } }`".to_owned();
            let message = "missing key `content` in a request body";
            self.fault(body.node.span, "missing-key", message, Some(help), "bodies are not checked");
            return required.then(|| RawBody { required, media_types: Vec::new() });
        };
        Some(RawBody { required, media_types: self.media_types(&content, true) })
    }

    /// Reads the responses of an operation.
    pub(super) fn responses(&mut self, operation: &Located<'r>) -> Vec<RawResponse> {
        let mut read = Vec::new();
        let Some(responses) = operation.member("responses") else { return read };
        for (key, response) in responses.members() {
            if key.name.starts_with("x-") {
                continue;
            }
            let Some(status) = StatusRange::parse(&key.name) else {
                let message = format!("`{}` is not a valid status code", key.name);
                let help = "write `200`, `2XX` or `default`".to_owned();
                self.fault(key.span, "status", message, Some(help), "the response is ignored");
                continue;
            };
            let Some(response) = self.resolve(response, "a response") else { continue };
            self.known_keys(&response, "a response", &RESPONSE_KEYS);
            if let Some(headers) = response.member("headers").filter(|_| self.checks_responses) {
                let message = "response headers are not checked (reported once)";
                self.warn_once(headers.node.span, "unsupported", message);
            }
            let content = response.member("content");
            let media_types = content.map(|content| self.media_types(&content, false)).unwrap_or_default();
            read.push(RawResponse { status, media_types });
        }
        read
    }

    fn media_types(&mut self, content: &Located<'r>, is_request: bool) -> Vec<RawMediaType> {
        let mut media_types: Vec<RawMediaType> = Vec::new();
        let mut declared = Vec::new();
        for (key, media_type) in content.members() {
            let range = essence(&key.name).to_ascii_lowercase();
            if !is_media_range(&range) {
                let message = format!("`{}` is not a valid media type", key.name);
                let help = "write a type such as `application/json`".to_owned();
                // A key of another level was put here by mistake; anything else is a type that cannot be read.
                let is_stray = STRAY_KEYS.contains(&key.name.as_str());
                let consequence = match is_stray {
                    true => "the key is ignored",
                    false => "bodies of types that are not declared are not checked",
                };
                self.fault(key.span, "media-type", message, Some(help), consequence);
                if !is_stray {
                    let (range, kind) = ("*/*".to_owned(), MediaKind::Other);
                    media_types.push(RawMediaType { range, kind, schema: None, encodings: Vec::new() });
                }
                continue;
            }
            // OpenAPI 3.2 allows `$ref` here, and some older documents use it.
            let Some(media_type) = self.resolve(media_type, "a media type") else { continue };
            self.known_keys(&media_type, "a media type", &MEDIA_KEYS);
            let kind = MediaKind::of(&range);
            let schema = media_type.member("schema");
            for name in ["itemSchema", "prefixEncoding", "itemEncoding"] {
                if let Some(member) = media_type.member(name).filter(|_| is_request || self.checks_responses)
                {
                    let message = format!(
                        "`{name}` is not supported: bodies of type `{range}` are not checked against it"
                    );
                    self.unsupported += usize::from(is_request);
                    self.warning(member.node.span, "unsupported", message, None);
                }
            }
            let is_checked = match is_request {
                true => kind != MediaKind::Other,
                // Without checks of responses, a warning that one is not checked would be noise.
                false => kind == MediaKind::Json || !self.checks_responses,
            };
            if !is_checked && schema.as_ref().is_some_and(has_constraints) {
                let what = if is_request { "a request body" } else { "a response body" };
                let message = format!("{what} of type `{range}` is forwarded without being checked");
                self.warning(key.span, "unsupported", message, None);
            }
            let meaning = media_type.node.to_json();
            if let Some(earlier) = media_types.iter_mut().find(|earlier| earlier.range == range) {
                // `application/json` and `application/json; charset=utf-8` usually mean the same.
                if declared.iter().any(|(of, other)| *of == range && *other != meaning)
                    && earlier.schema.take().is_some()
                {
                    let message = format!(
                        "`{range}` is declared again with other parameters, which are not compared: bodies of this type are not checked"
                    );
                    self.unsupported += usize::from(is_request);
                    self.warning(key.span, "unsupported", message, None);
                }
                continue;
            }
            declared.push((range.clone(), meaning));
            let encodings = self.encodings(&media_type, kind, is_request);
            let schema = schema.filter(|_| kind != MediaKind::Other).map(|schema| schema.pointer);
            media_types.push(RawMediaType { range, kind, schema, encodings });
        }
        media_types
    }

    fn encodings(
        &mut self,
        media_type: &Located<'r>,
        kind: MediaKind,
        is_request: bool,
    ) -> Vec<PartEncoding> {
        let mut encodings = Vec::new();
        let Some(declared) = media_type.member("encoding") else { return encodings };
        if !is_request {
            return encodings;
        }
        if !matches!(kind, MediaKind::Form | MediaKind::Multipart) {
            let message = "`encoding` has no effect, since only forms have parts";
            self.warning(declared.node.span, "no-effect", message, None);
            return encodings;
        }
        for (key, encoding) in declared.members() {
            self.known_keys(&encoding, "an encoding", &ENCODING_KEYS);
            if let Some(headers) = encoding.member("headers") {
                let message = "headers of form parts are not checked (reported once)";
                self.warn_once(headers.node.span, "unsupported", message);
            }
            for name in ["style", "explode"] {
                if let Some(member) = encoding.member(name).filter(|_| kind == MediaKind::Multipart) {
                    let message = format!(
                        "`{name}` has no effect in `multipart/form-data`: each value is a part of its own"
                    );
                    self.warning(member.node.span, "no-effect", message, None);
                }
            }
            let style = encoding.member("style").and_then(|style| {
                let text = style.node.scalar_text().unwrap_or_default();
                let known = Style::from_name(&text, Location::Query);
                if known.is_none() {
                    let message = format!("unknown style `{text}` for a form member");
                    let styles = Style::names(Location::Query).collect::<Vec<_>>().join(", ");
                    let help = Some(format!("use one of: {styles}"));
                    self.fault(style.node.span, "parameter", message, help, "the default style is used");
                }
                known
            });
            let content_types = self.part_types(&encoding, kind);
            let is_json = content_types.iter().any(|name| MediaKind::of(name) == MediaKind::Json);
            let explode = self.boolean(&encoding, "explode");
            encodings.push(PartEncoding { name: key.name.clone(), style, explode, is_json, content_types });
        }
        encodings
    }
}

impl DocumentReader<'_> {
    /// The media types of a part: `image/png, image/jpeg`.
    fn part_types(&mut self, encoding: &Located<'_>, kind: MediaKind) -> Vec<String> {
        let Some(declared) = encoding.member("contentType") else { return Vec::new() };
        let text = declared.node.scalar_text().unwrap_or_default();
        let types: Vec<String> = text.split(',').map(|name| essence(name).to_ascii_lowercase()).collect();
        if let Some(wrong) = types.iter().find(|name| !is_media_range(name)) {
            let message = format!("`{wrong}` is not a valid media type");
            self.fault(declared.node.span, "media-type", message, None, "parts of any type are accepted");
            return Vec::new();
        }
        let is_read = |name: &String| matches!(MediaKind::of(name), MediaKind::Json | MediaKind::Text);
        if kind == MediaKind::Form && !types.iter().any(is_read) {
            let message =
                format!("`contentType: {text}` has no effect in a form: the member is read as text");
            self.warning(declared.node.span, "no-effect", message, None);
        }
        types
    }
}

/// Whether a schema constrains more than bytes: `type: string, format: binary` allows any.
fn has_constraints(schema: &Located<'_>) -> bool {
    let is =
        |name: &str, value: &str| schema.node.get(name).and_then(demur_source::Node::as_str) == Some(value);
    let is_bytes = is("type", "string") && (is("format", "binary") || schema.node.get("format").is_none());
    match &schema.node.kind {
        NodeKind::Map(entries) => !entries.is_empty() && !is_bytes,
        _ => false,
    }
}
