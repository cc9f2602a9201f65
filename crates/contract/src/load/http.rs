//! `content_type:` and `request_id:`, and checks of header names, media types and URLs.

use demur_source::{Fields, Node, Span};

use super::reader::ContractReader;
use crate::contract::RequestIdSettings;

/// Headers with a meaning in HTTP (RFC 9110, sections 5 to 15, and RFC 9112, section 9.6), which a contract cannot use for
/// anything else.
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
        let text = fields.text("content_type", &mut self.diagnostics);
        let span = fields.node("content_type").map_or(fields.span(), |node| node.span);
        let Some(text) = text else { return "application/json".to_owned() };
        if !is_media_type(&text) {
            let help = "write a type and a subtype, such as `application/json`".to_owned();
            self.error(span, "media-type", format!("`{text}` is not a valid media type"), help);
        } else if !may_be_json(&text) {
            let help =
                "formats are JSON: write `application/json`, or a type that ends in `+json`".to_owned();
            self.error(span, "media-type", format!("`{text}` is not the type of a JSON body"), help);
        }
        text
    }

    /// `request_id: { header: X-Request-Id, prefix: req_ }`
    pub(super) fn request_id(&mut self, node: Option<&Node>) -> RequestIdSettings {
        let mut read = RequestIdSettings { header: "x-request-id".to_owned(), prefix: "req_".to_owned() };
        let source = self.source;
        let Some(mut fields) =
            node.and_then(|node| Fields::of(node, source, "`request_id`", &mut self.diagnostics))
        else {
            return read;
        };
        let span = |fields: &mut Fields<'_>, name| fields.node(name).map_or(fields.span(), |node| node.span);
        let key = self.header_key(&mut fields);
        if let Some(header) = fields.text(key, &mut self.diagnostics) {
            self.check_header_name(&header, span(&mut fields, key), "X-Request-Id");
            read.header = header.to_ascii_lowercase();
        }
        if let Some(prefix) = fields.text("prefix", &mut self.diagnostics) {
            // The ID is a header value (RFC 9110, section 5.5), and a space would split it in logs.
            if !prefix.bytes().all(|byte| byte.is_ascii_graphic()) {
                let message = format!("`{}` is not a valid request ID prefix", prefix.escape_default());
                let help = "use visible ASCII characters without spaces, such as `req_`".to_owned();
                self.error(span(&mut fields, "prefix"), "id-prefix", message, help);
            }
            read.prefix = prefix;
        }
        fields.finish(&mut self.diagnostics);
        read
    }

    /// `header`, or `field`, its deprecated name.
    fn header_key(&mut self, fields: &mut Fields<'_>) -> &'static str {
        let old = fields.entry("field").map(|(key, _)| key.span);
        let Some(span) = old else { return "header" };
        if fields.node("header").is_some() {
            let help = "remove `field`".to_owned();
            self.error(span, "duplicate-key", "`field` and `header` are the same key", help);
            return "header";
        }
        let help = format!("rename it, or run `demur check --fix {}`", self.source.name);
        self.warning(span, "deprecated-key", "`request_id.field` is now `request_id.header`", help);
        "field"
    }

    /// Checks the name of a header that the contract defines. `example` is a valid name for the same purpose.
    pub(super) fn check_header_name(&mut self, name: &str, span: Span, example: &str) {
        let is_token =
            !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
        if !is_token {
            let help = format!("use letters, digits, `-` and `_`, such as `{example}`");
            self.error(span, "header-name", format!("`{name}` is not a valid header name"), help);
        }
        let lower = name.to_ascii_lowercase();
        if RESERVED.split(' ').any(|known| known == lower) || lower.starts_with("demur-") {
            let message = format!("the header `{name}` is reserved");
            let help = format!("use another name, such as `{example}`");
            self.error(span, "reserved-header", message, help);
        }
    }
}

/// Whether a text is a media type (RFC 9110, section 8.3.1) with valid names (RFC 6838, section 4.2).
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

/// Whether a body of this media type can be JSON: by its name or suffix (RFC 6838, section 4.2.8), or because it is a type of
/// a vendor's or an unregistered one, which say nothing of the syntax.
fn may_be_json(text: &str) -> bool {
    let essence = text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let Some((kind, subtype)) = essence.split_once('/') else { return false };
    if subtype == "json" || subtype.ends_with("+json") {
        return true;
    }
    let is_open = ["vnd.", "prs.", "x-", "x."].iter().any(|prefix| subtype.starts_with(prefix));
    let has_other_syntax =
        subtype.contains('+') || ["xml", "html", "yaml", "form"].iter().any(|name| subtype.contains(name));
    kind == "application" && is_open && !has_other_syntax
}

/// Whether a text is a URI (RFC 3986) or an absolute path.
pub(super) fn is_url_or_path(text: &str) -> bool {
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
    fn recognizes_media_types() {
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
    fn recognizes_types_of_json_bodies() {
        for text in [
            "application/json",
            "application/problem+json",
            "Application/JSON; charset=utf-8",
            "text/json",
            "application/vnd.shop.error",
            "application/x-shop",
        ] {
            assert!(may_be_json(text), "{text}");
        }
        for text in [
            "application/xml",
            "application/problem+xml",
            "text/xml",
            "text/plain",
            "text/html; charset=utf-8",
            "application/yaml",
            "application/vnd.shop+xml",
            "application/x-www-form-urlencoded",
            "application/octet-stream",
            "multipart/form-data",
            "image/png",
        ] {
            assert!(!may_be_json(text), "{text}");
        }
    }

    #[test]
    fn recognizes_urls_and_paths() {
        for text in [
            "https://shop.example/errors/x",
            "http://localhost:8080/#x",
            "/errors/x",
            "/a:b",
            "//shop.example/x",
            "urn:shop:x",
            "tag:shop.example,2026:x",
        ] {
            assert!(is_url_or_path(text), "{text}");
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
            assert!(!is_url_or_path(text), "{text}");
        }
    }
}
