//! Every mistake that an OpenAPI document can have, one a row.

use super::rows::{Row, among, error, warning};

/// The parameter of `listItems`, and the body of `addItem`.
const LIMIT: &str =
    "        - name: limit\n          in: query\n          schema: { type: integer, maximum: 100 }\n";
const NAME: &str = "{ type: string, pattern: \"^[a-z]+$\" }";
const ID: &str = "{ name: id, in: path, required: true, schema: { type: string } }";

#[rustfmt::skip] // One mistake a line can be read; broken up, the table cannot.
pub(crate) const ROWS: &[Row] = &[
    // The document.
    error("wrong-kind", &[("", "- «openapi\n")], "an OpenAPI document must be a mapping", ""),
    error("version", &[("openapi: 3.1.0", "swagger: «'2.0'")], "Swagger 2 is not supported", "convert the document to OpenAPI 3"),
    error("version", &[("openapi: 3.1.0\n", ""), ("info:", "«info:")], "missing key `openapi`", "add `openapi: 3.1.0`"),
    error("version", &[("openapi: 3.1.0", "openapi: «4.0.0")], "OpenAPI version `4.0.0` is not supported", "write `openapi: 3.1.0`"),
    warning("unknown-key", &[("info:", "«inof:")], "unknown key `inof`", "did you mean `info`?"),
    warning("unsupported", &[("openapi: 3.1.0\n", "openapi: 3.1.0\njsonSchemaDialect: «https://json-schema.org/draft-07/schema\n")], "schema dialect", ""),
    among("missing-key", &[("", "«openapi: 3.1.0\ninfo: { title: Shop, version: '1' }\n")], "missing key `paths`", ""),
    among("wrong-kind", &[("", "openapi: 3.1.0\ninfo: { title: Shop, version: '1' }\npaths: «[]\n")], "`paths` must be a mapping", ""),
    // Paths.
    error("path", &[("  /items/{id}:", "  «items/{id}:")], "must start with `/`", "write `/items/{id}`"),
    error("path", &[("  /items/{id}:", "  /items/{other}:\n    get:\n      operationId: showOther\n      parameters: [{ name: other, in: path, required: true, schema: { type: string } }]\n  «/items/{id}:")], "cannot be routed", ""),
    warning("unknown-key", &[("    post:", "    «psot:")], "unknown key `psot` in a path item", "did you mean `post`?").with_others(),
    error("path-parameter", &[("  /items/{id}:", "  /items/{id}/{part}:"), ("    get:\n      operationId: showItem", "    «get:\n      operationId: showItem")], "`part` of `/items/{id}/{part}` is not declared", "add `{ name: part, in: path"),
    among("path-parameter", &[("{ name: id,", "{ name: «idd,")], "`idd` does not occur in", "did you mean `id`?"),
    error("path-parameter", &[("  /items/{id}:", "  «/items/{id}/{id}:")], "contains the same parameter twice", "").with_others(),
    // Operations.
    error("wrong-kind", &[("    get:\n      operationId: showItem\n", "    get: «showItem\n    x-rest:\n")], "an operation must be a mapping", ""),
    warning("unknown-key", &[("operationId: showItem", "operationId: showItem\n      «sumary: Shows one")], "unknown key `sumary` in an operation", "did you mean `summary`?"),
    warning("operation-id", &[("    get:\n      operationId: showItem\n", "    «get:\n")], "has no `operationId`", "add `operationId`"),
    error("operation-id", &[("operationId: showItem", "operationId: «listItems")], "duplicate `operationId` `listItems`, already used by `GET /items`", "choose a unique ID"),
    // References.
    error("unresolved-ref", &[("#/components/schemas/Item\"", "#/components/schemas/Itme\"")], "does not exist", "did you mean `#/components/schemas/Item`?").placed_at("\"#/components/schemas/Itme"),
    error("remote-ref", &[("\"#/components/schemas/Item\"", "«\"item.yaml\"")], "cannot read `$ref` target", "paths are relative to the file"),
    error("remote-ref", &[(LIMIT, "        - $ref: «limit.yaml\n")], "cannot read `$ref` target", "paths are relative to the file").with_others(),
    error("ref-cycle", &[(LIMIT, "        - $ref: '#/components/parameters/a'\n"), ("components:\n", "components:\n  parameters: { a: { $ref: '#/components/parameters/b' }, b: { $ref: «'#/components/parameters/a' } }\n")], "refers back to itself", "").anywhere(),
    error("ref-cycle", &[("      type: object\n", "      allOf: [{ $ref: «'#/components/schemas/Item' }]\n      type: object\n")], "the schema refers to itself without an end", "only inside `properties`").anywhere(),
    // Parameters.
    error("wrong-kind", &[(LIMIT, "          «limit: query\n")], "`parameters` must be a list", ""),
    error("missing-key", &[("- name: limit\n          in: query", "- «in: query")], "missing key `name` in a parameter", ""),
    error("missing-key", &[("- name: limit\n          in: query\n", "- «name: limit\n")], "missing key `in` in a parameter", ""),
    error("missing-key", &[("name: limit", "name: «limit"), ("          schema: { type: integer, maximum: 100 }\n", "")], "missing key `schema` in parameter `limit`", "add `schema: { type: string }`"),
    error("wrong-kind", &[("name: limit", "name: «[limit]")], "`name` must be a string", ""),
    error("wrong-kind", &[("in: query", "in: query\n          required: «maybe")], "`required` must be `true` or `false`", ""),
    error("parameter", &[("in: query", "in: «body")], "unknown parameter location `body`", "under `requestBody`"),
    error("parameter", &[("in: query", "in: «qurey")], "unknown parameter location `qurey`", "did you mean `query`?"),
    error("parameter", &[(LIMIT, "        - { name: limit, in: query, schema: { type: integer } }\n        - { name: «limit, in: query, schema: { type: string } }\n")], "duplicate query parameter `limit`", "remove one of the two"),
    warning("parameter", &[(LIMIT, "        - { name: limit, in: query, schema: { type: integer } }\n        - { name: «Authorization, in: header, schema: { type: string } }\n")], "is ignored, as OpenAPI requires", ""),
    warning("parameter", &[(ID, "{ name: «id, in: path, schema: { type: string } }")], "must be required", "add `required: true`"),
    warning("unknown-key", &[("in: query", "in: query\n          «requierd: true")], "unknown key `requierd` in a parameter", "did you mean `required`?"),
    // Bodies.
    error("missing-key", &[("        required: true\n        content:\n          application/json:\n            schema: { $ref: \"#/components/schemas/Item\" }\n", "        «required: true\n")], "missing key `content` in a request body", "add `content:"),
    error("media-type", &[("          application/json:", "          «json:")], "`json` is not a valid media type", "write a type such as `application/json`"),
    warning("unsupported", &[("          application/json:", "          «text/csv:")], "forwarded without being checked", ""),
    warning("unknown-key", &[("        required: true\n        content", "        «requierd: true\n        content")], "unknown key `requierd` in a request body", "did you mean `required`?"),
    warning("unknown-key", &[("            schema: { $ref", "            «schemas: { $ref")], "unknown key `schemas` in a media type", "did you mean `schema`?"),
    // Schemas.
    error("schema", &[("type: integer, maximum", "type: «integr, maximum")], "unknown type `integr`", "did you mean `integer`?"),
    error("schema", &[("maximum: 100", "maximum: «lots")], "`maximum` must be a number, not `lots`", ""),
    error("pattern", &[(NAME, "{ type: string, pattern: «'a(?=b)' }")], "contains look-around", "rewrite it without"),
    error("pattern", &[(NAME, "{ type: string, pattern: «'(a)\\1' }")], "contains a backreference", "rewrite it without"),
    error("pattern", &[(NAME, "{ type: string, pattern: «'[a' }")], "invalid pattern `[a`: unclosed character class", ""),
    warning("unknown-key", &[(NAME, "{ type: string, «maxLenght: 3 }")], "unknown keyword `maxLenght`", "did you mean `maxLength`?"),
    warning("nullable", &[(NAME, "{ type: string, «nullable: true }")], "`nullable` is not part of OpenAPI 3.1", "write `type: [string, 'null']`"),
    warning("ref-siblings", &[("openapi: 3.1.0", "openapi: 3.0.3"), (NAME, "{ $ref: '#/components/schemas/Name', «maxLength: 3 }\n    Name: { type: string }")], "OpenAPI 3.0 ignores `maxLength` beside `$ref`", "move the `$ref` into `allOf`"),
];
