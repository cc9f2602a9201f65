//! The keywords of JSON Schema 2020-12 and OpenAPI, by the kind of their values.

/// Keywords whose value is one schema.
pub(super) const ONE: [&str; 11] = [
    "not",
    "if",
    "then",
    "else",
    "items",
    "contains",
    "additionalProperties",
    "propertyNames",
    "unevaluatedItems",
    "unevaluatedProperties",
    "contentSchema",
];
/// Keywords whose value is a list of schemas.
pub(super) const MANY: [&str; 4] = ["allOf", "anyOf", "oneOf", "prefixItems"];
/// Keywords whose value maps names to schemas.
pub(super) const NAMED: [&str; 5] =
    ["properties", "patternProperties", "dependentSchemas", "$defs", "definitions"];
/// Keywords whose schemas apply to the same value. A cycle of these never ends.
pub(super) const IN_PLACE: [&str; 8] =
    ["not", "if", "then", "else", "allOf", "anyOf", "oneOf", "dependentSchemas"];
/// All other keywords of schemas in OpenAPI documents.
pub(super) const OTHER: [&str; 47] = [
    "$ref",
    "$id",
    "$dynamicRef",
    "$dynamicAnchor",
    "$recursiveRef",
    "$recursiveAnchor",
    "$schema",
    "$comment",
    "$anchor",
    "$vocabulary",
    "type",
    "enum",
    "const",
    "multipleOf",
    "maximum",
    "exclusiveMaximum",
    "minimum",
    "exclusiveMinimum",
    "maxLength",
    "minLength",
    "pattern",
    "maxItems",
    "minItems",
    "uniqueItems",
    "maxContains",
    "minContains",
    "maxProperties",
    "minProperties",
    "required",
    "dependentRequired",
    "format",
    "contentEncoding",
    "contentMediaType",
    "title",
    "description",
    "default",
    "deprecated",
    "readOnly",
    "writeOnly",
    "examples",
    "example",
    "nullable",
    "discriminator",
    "xml",
    "externalDocs",
    "additionalItems",
    "dependencies",
];
pub(super) const TYPES: [&str; 7] = ["string", "integer", "number", "boolean", "array", "object", "null"];

/// Known formats. Some of them, such as `password`, do not restrict values.
pub(super) const FORMATS: [&str; 25] = [
    "date",
    "date-time",
    "time",
    "duration",
    "email",
    "idn-email",
    "hostname",
    "idn-hostname",
    "ipv4",
    "ipv6",
    "uri",
    "uri-reference",
    "iri",
    "iri-reference",
    "uri-template",
    "json-pointer",
    "relative-json-pointer",
    "regex",
    "uuid",
    "int32",
    "int64",
    "float",
    "double",
    "password",
    "binary",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_every_keyword_once() {
        let mut all: Vec<&str> = ONE.iter().chain(&MANY).chain(&NAMED).chain(&OTHER).copied().collect();
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), count);
        assert!(IN_PLACE.iter().all(|keyword| all.contains(keyword)));
    }
}
