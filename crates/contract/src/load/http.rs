//! `content_type:` and `request_id:`, and what the names of header fields may be.

use demur_source::{Fields, Node, Span};

use super::ContractReader;
use crate::contract::RequestIdField;

/// Fields with a meaning of their own in answers, or in the requests that are sent on: none can carry anything else.
/// RFC 9110, sections 5 to 15, and RFC 9112, section 9.6.
const RESERVED: &str = "\
    accept accept-charset accept-encoding accept-language accept-ranges age allow authorization \
    cache-control connection content-encoding content-language content-length content-location \
    content-range content-type cookie date etag expect expires host keep-alive last-modified \
    location origin proxy-authenticate proxy-authorization proxy-connection range referer \
    retry-after server set-cookie te trailer transfer-encoding upgrade user-agent vary via \
    www-authenticate";

impl ContractReader<'_> {
    /// `content_type: application/vnd.api+json`
    pub(super) fn content_type(&mut self, fields: &mut Fields<'_>) -> String {
        let text = fields.text("content_type", &mut self.found);
        let span = fields.node("content_type").map_or(fields.span(), |node| node.span);
        let Some(text) = text else { return "application/json".to_owned() };
        if !is_media_type(&text) {
            let help = "write a type and a subtype: `application/json`".to_owned();
            self.error(span, "media-type", format!("`{text}` is no media type"), help);
        }
        text
    }

    /// `request_id: { field: X-Request-Id, prefix: req_ }`
    pub(super) fn request_id(&mut self, node: Option<&Node>) -> RequestIdField {
        let mut read = RequestIdField { field: "x-request-id".to_owned(), prefix: "req_".to_owned() };
        let source = self.source;
        let Some(mut fields) =
            node.and_then(|node| Fields::of(node, source, "`request_id`", &mut self.found))
        else {
            return read;
        };
        let place = |fields: &mut Fields<'_>, name| fields.node(name).map_or(fields.span(), |node| node.span);
        if let Some(field) = fields.text("field", &mut self.found) {
            self.field_name(&field, place(&mut fields, "field"));
            read.field = field.to_ascii_lowercase();
        }
        if let Some(prefix) = fields.text("prefix", &mut self.found) {
            // The id is the whole value of a field: RFC 9110, section 5.5, and no blank, at which logs would part it.
            if !prefix.bytes().all(|byte| byte.is_ascii_graphic()) {
                let message = format!("no request's id can begin with {prefix:?}");
                let help = "visible ASCII characters only, and no blank: `req_`".to_owned();
                self.error(place(&mut fields, "prefix"), "id-prefix", message, help);
            }
            read.prefix = prefix;
        }
        fields.finish(&mut self.found);
        read
    }

    /// The name of a field that carries what the contract says.
    pub(super) fn field_name(&mut self, name: &str, span: Span) {
        let is_token =
            !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
        if !is_token {
            let help = "letters, digits, `-` and `_`: `X-Request-Id`".to_owned();
            self.error(span, "field-name", format!("`{name}` is no header field's name"), help);
        }
        let lower = name.to_ascii_lowercase();
        if RESERVED.split(' ').any(|known| known == lower) || lower.starts_with("demur-") {
            let message = format!("`{name}` has a meaning of its own, and carries nothing else");
            let help = "take a name that nobody uses, such as `X-Request-Id`".to_owned();
            self.error(span, "reserved-field", message, help);
        }
    }
}

/// RFC 9110, section 8.3.1; the names of types as RFC 6838, section 4.2 has them.
fn is_media_type(text: &str) -> bool {
    let mut parts = text.split(';').map(str::trim);
    let essence = parts.next().and_then(|essence| essence.split_once('/'));
    let is_name = |name: &str, others: &[u8]| {
        name.starts_with(|first: char| first.is_ascii_alphanumeric())
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || others.contains(&byte))
    };
    let is_value = |value: &str| {
        let quoted = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
        let inner = quoted.unwrap_or(value);
        let is_plain =
            |byte: u8| (byte.is_ascii_graphic() || quoted.is_some() && byte == b' ') && byte != b'"';
        (quoted.is_some() || !inner.is_empty()) && inner.bytes().all(is_plain)
    };
    essence.is_some_and(|(kind, subtype)| is_name(kind, b"!#$&-^_.+") && is_name(subtype, b"!#$&-^_.+"))
        && parts.all(|part| {
            part.split_once('=').is_some_and(|(name, value)| is_name(name, b"!#$&-^_.+*") && is_value(value))
        })
}

/// Whether a text leads somewhere: a URI (RFC 3986), or a path from the root of the API's own host.
pub(super) fn is_address(text: &str) -> bool {
    let is_of_uri = |b: u8| b.is_ascii_alphanumeric() || b"-._~:/?#[]@!$&'()*+,;=%".contains(&b);
    if !text.bytes().all(is_of_uri) {
        return false;
    }
    let Some((scheme, rest)) = text.split_once(':') else { return text.starts_with('/') };
    let is_scheme = scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    match scheme.to_ascii_lowercase().as_str() {
        "http" | "https" => {
            rest.strip_prefix("//").is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/'))
        }
        _ => text.starts_with('/') || is_scheme && !rest.is_empty(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn media_types_are_told_from_other_texts() {
        for text in [
            "application/json",
            "application/vnd.api+json",
            "application/json; charset=utf-8",
            "application/json;profile=\"a b\";v=1",
        ] {
            assert!(is_media_type(text), "{text}");
        }
        for text in
            ["", "json", "application/", "/json", "a b/c", "*/*", "a/b;", "a/b; charset", "a/b;c=\"", "a/b/c"]
        {
            assert!(!is_media_type(text), "{text}");
        }
    }

    #[test]
    fn addresses_are_told_from_other_texts() {
        for text in [
            "https://shop.example/errors/x",
            "http://localhost:8080/#x",
            "/errors/x",
            "/a:b",
            "//shop.example/x",
            "urn:shop:x",
            "tag:shop.example,2026:x",
        ] {
            assert!(is_address(text), "{text}");
        }
        for text in [
            "",
            "nowhere at all",
            "nowhere",
            "errors/x",
            "https:/x",
            "https:///x",
            "https://",
            "1:x",
            "a b:c",
            "é:x",
        ] {
            assert!(!is_address(text), "{text}");
        }
    }
}
