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
    error("version", &[("openapi: 3.1.0", "swagger: «'2.0'")], "a Swagger 2 document", "convert it to OpenAPI 3"),
    error("version", &[("openapi: 3.1.0\n", ""), ("info:", "«info:")], "does not say its version", "add `openapi: 3.1.0`"),
    error("version", &[("openapi: 3.1.0", "openapi: «4.0.0")], "OpenAPI `4.0.0` is not supported", "write `openapi: 3.1.0`"),
    warning("unknown-key", &[("info:", "«inof:")], "no key `inof`", "did you mean `info`?"),
    warning("unsupported", &[("openapi: 3.1.0\n", "openapi: 3.1.0\njsonSchemaDialect: «https://json-schema.org/draft-07/schema\n")], "the schema dialect", ""),
    among("missing-key", &[("", "«openapi: 3.1.0\ninfo: { title: Shop, version: '1' }\n")], "needs `paths`", ""),
    among("wrong-kind", &[("", "openapi: 3.1.0\ninfo: { title: Shop, version: '1' }\npaths: «[]\n")], "`paths` must be a mapping", ""),
    // Paths.
    error("path", &[("  /items/{id}:", "  «items/{id}:")], "must start with `/`", "write `/items/{id}`"),
    error("path", &[("  /items/{id}:", "  /items/{other}:\n    get:\n      operationId: showOther\n      parameters: [{ name: other, in: path, required: true, schema: { type: string } }]\n  «/items/{id}:")], "cannot be used", ""),
    warning("unknown-key", &[("    post:", "    «psot:")], "a path item has no key `psot`", "did you mean `post`?").with_others(),
    error("path-parameter", &[("  /items/{id}:", "  /items/{id}/{part}:"), ("    get:\n      operationId: showItem", "    «get:\n      operationId: showItem")], "`part` of `/items/{id}/{part}` is not declared", "add `{ name: part, in: path"),
    among("path-parameter", &[("{ name: id,", "{ name: «idd,")], "has no `{idd}`", "did you mean `id`?"),
    error("path-parameter", &[("  /items/{id}:", "  «/items/{id}/{id}:")], "names one parameter twice", "").with_others(),
    // Operations.
    error("wrong-kind", &[("    get:\n      operationId: showItem\n", "    get: «showItem\n    x-rest:\n")], "an operation must be a mapping", ""),
    warning("unknown-key", &[("operationId: showItem", "operationId: showItem\n      «sumary: Shows one")], "an operation has no key `sumary`", "did you mean `summary`?"),
    warning("operation-id", &[("    get:\n      operationId: showItem\n", "    «get:\n")], "has no operationId", "add `operationId: …`"),
    error("operation-id", &[("operationId: showItem", "operationId: «listItems")], "the operationId `listItems` is taken by GET /items", "choose another one"),
    // References.
    error("unresolved-ref", &[("#/components/schemas/Item\"", "#/components/schemas/Itme\"")], "names nothing", "did you mean `#/components/schemas/Item`?").placed_at("\"#/components/schemas/Itme"),
    error("remote-ref", &[("\"#/components/schemas/Item\"", "«\"item.yaml\"")], "cannot be read", "paths are relative to the file"),
    error("remote-ref", &[(LIMIT, "        - $ref: «limit.yaml\n")], "cannot be read", "paths are relative to the file").with_others(),
    error("ref-cycle", &[(LIMIT, "        - $ref: '#/components/parameters/a'\n"), ("components:\n", "components:\n  parameters: { a: { $ref: '#/components/parameters/b' }, b: { $ref: «'#/components/parameters/a' } }\n")], "leads back to itself", "").anywhere(),
    error("ref-cycle", &[("      type: object\n", "      allOf: [{ $ref: «'#/components/schemas/Item' }]\n      type: object\n")], "leads back to itself without end", "").anywhere(),
    // Parameters.
    error("wrong-kind", &[(LIMIT, "          «limit: query\n")], "`parameters` must be a list", ""),
    error("missing-key", &[("- name: limit\n          in: query", "- «in: query")], "a parameter needs `name`", ""),
    error("missing-key", &[("- name: limit\n          in: query\n", "- «name: limit\n")], "a parameter needs `in`", ""),
    error("missing-key", &[("name: limit", "name: «limit"), ("          schema: { type: integer, maximum: 100 }\n", "")], "the parameter `limit` needs a `schema`", "add `schema: { type: string }`"),
    error("wrong-kind", &[("name: limit", "name: «[limit]")], "`name` must be text", ""),
    error("wrong-kind", &[("in: query", "in: query\n          required: «maybe")], "`required` must be true or false", ""),
    error("parameter", &[("in: query", "in: «body")], "a parameter cannot be in `body`", "under `requestBody`"),
    error("parameter", &[("in: query", "in: «qurey")], "a parameter cannot be in `qurey`", "did you mean `query`?"),
    error("parameter", &[(LIMIT, "        - { name: limit, in: query, schema: { type: integer } }\n        - { name: «limit, in: query, schema: { type: string } }\n")], "declared here a second time", "keep one of the two"),
    warning("parameter", &[(LIMIT, "        - { name: limit, in: query, schema: { type: integer } }\n        - { name: «Authorization, in: header, schema: { type: string } }\n")], "is ignored, as OpenAPI says", ""),
    warning("parameter", &[(ID, "{ name: «id, in: path, schema: { type: string } }")], "must be required", "add `required: true`"),
    warning("unknown-key", &[("in: query", "in: query\n          «requierd: true")], "a parameter has no key `requierd`", "did you mean `required`?"),
    // Content.
    error("missing-key", &[("        required: true\n        content:\n          application/json:\n            schema: { $ref: \"#/components/schemas/Item\" }\n", "        «required: true\n")], "a request body needs `content`", "add `content:"),
    error("media-type", &[("          application/json:", "          «json:")], "`json` is not a media type", "write it as `application/json`"),
    warning("unsupported", &[("          application/json:", "          «text/csv:")], "passed on without being checked", ""),
    warning("unknown-key", &[("        required: true\n        content", "        «requierd: true\n        content")], "a request body has no key `requierd`", "did you mean `required`?"),
    warning("unknown-key", &[("            schema: { $ref", "            «schemas: { $ref")], "a media type has no key `schemas`", "did you mean `schema`?"),
    // Schemas.
    error("schema", &[("type: integer, maximum", "type: «integr, maximum")], "no type `integr`", "did you mean `integer`?"),
    error("schema", &[("maximum: 100", "maximum: «lots")], "`maximum` is not valid", ""),
    error("pattern", &[(NAME, "{ type: string, pattern: «'a(?=b)' }")], "looks around", "say it without"),
    error("pattern", &[(NAME, "{ type: string, pattern: «'(a)\\1' }")], "refers back to a group", "say it without"),
    error("pattern", &[(NAME, "{ type: string, pattern: «'[a' }")], "not a regular expression", ""),
    warning("unknown-key", &[(NAME, "{ type: string, «maxLenght: 3 }")], "no keyword `maxLenght`", "did you mean `maxLength`?"),
    warning("nullable", &[(NAME, "{ type: string, «nullable: true }")], "OpenAPI 3.1 has no `nullable`", "write `type: [string, 'null']`"),
    warning("ref-siblings", &[("openapi: 3.1.0", "openapi: 3.0.3"), (NAME, "{ $ref: '#/components/schemas/Name', «maxLength: 3 }\n    Name: { type: string }")], "OpenAPI 3.0 ignores `maxLength` beside `$ref`", "put the `$ref` into `allOf`"),
];
