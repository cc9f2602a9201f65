//! Texts for formats and lengths.

/// A text of a format, if it is a known one.
pub(super) fn of_format(format: &str) -> Option<&'static str> {
    Some(match format {
        "date-time" => "2026-11-30T22:28:57Z",
        "date" => "2026-11-30",
        "time" => "22:28:57Z",
        "duration" => "PT1M",
        "email" | "idn-email" => "user@example.com",
        "hostname" | "idn-hostname" => "example.com",
        "ipv4" => "192.0.2.1",
        "ipv6" => "2001:db8::1",
        "uri" | "iri" | "url" => "https://example.com/",
        "uri-reference" | "iri-reference" => "/",
        "uri-template" => "/{id}",
        "uuid" => "01a22e93-5562-712f-a14c-7fbadb0fdb37",
        "json-pointer" => "/a",
        "relative-json-pointer" => "0",
        "regex" => "^a$",
        "byte" => "YQ==",
        "int32" | "int64" => "1",
        "decimal" => "1.0",
        _ => return None,
    })
}

/// A text of at least and at most these lengths.
pub(super) fn of_length(least: usize, most: usize) -> String {
    let length = least.max("string".len()).min(most.max(least));
    "string".chars().cycle().take(length).collect()
}
