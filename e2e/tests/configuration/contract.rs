//! Every mistake that a contract can have, one a row. What is claimed by whom, and texts, are at the end.

use super::rows::{Row, among, error, warning};

/// Each line is ten times the one before: ten million values.
const BOMB: &str = "\
a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n\
a1: &a1 [*a0,*a0,*a0,*a0,*a0,*a0,*a0,*a0,*a0,*a0]\n\
a2: &a2 [*a1,*a1,*a1,*a1,*a1,*a1,*a1,*a1,*a1,*a1]\n\
a3: &a3 [*a2,*a2,*a2,*a2,*a2,*a2,*a2,*a2,*a2,*a2]\n\
a4: &a4 [*a3,*a3,*a3,*a3,*a3,*a3,*a3,*a3,*a3,*a3]\n\
a5: &a5 [*a4,*a4,*a4,*a4,*a4,*a4,*a4,*a4,*a4,*a4]\n\
a6: &a6 [*a5,*a5,*a5,*a5,*a5,*a5,*a5,*a5,*a5,*a5]\n\n";
/// Deeper than a reader should follow.
const DEEP: &str = "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]";

#[rustfmt::skip] // One mistake a line can be read; broken up, the table cannot.
pub(crate) const ROWS: &[Row] = &[
    // The text itself.
    error("syntax", &[("types: { api_error: Any error }", "types: { api_error: [ «}")], "syntax error: expected a value", "check the quotes, brackets and indentation"),
    error("duplicate-key", &[("name: shop\n", "name: shop\n«name: store\n")], "duplicate key `name`", "remove one"),
    error("several-documents", &[("on: [internal]\n", "on: [internal]\n«---\nmore: 1\n")], "a single YAML document", ""),
    error("key", &[("name: shop\n", "name: shop\n? «[a, b]\n: c\n")], "a key must be a scalar", ""),
    error("too-deep", &[("", DEEP)], "deeper than 128 levels", "").anywhere(),
    error("too-large", &[("", BOMB)], "more than 4,000,000 values", "").anywhere(),
    // The root.
    error("wrong-kind", &[("", "- «demur: 1\n")], "a contract must be a mapping", ""),
    error("version", &[("demur: 1", "demur: «2")], "unsupported contract version `2`", "write `demur: 1`"),
    error("missing-key", &[("demur: 1\n", ""), ("name: shop", "«name: shop")], "a contract needs `demur`", "add `demur: 1`"),
    error("missing-key", &[("demur: 1", "«demur: 1"), ("name: shop\n", "")], "needs `name`", "add `name: …`"),
    error("unknown-key", &[("name: shop\n", "name: shop\n«titel: Shop\n")], "unknown key `titel` in", "did you mean `title`?"),
    error("wrong-kind", &[("name: shop", "name: «[shop]")], "`name` must be a string", ""),
    error("unknown-word", &[("code_style: snake_case", "code_style: «snake-case")], "not a valid `code_style`", "did you mean `snake_case`?"),
    error("unknown-word", &[("name: shop\n", "name: shop\nheaders: [«x-ratelimits]\n")], "not a known set of headers", "did you mean `x-ratelimit`?"),
    error("wrong-kind", &[("name: shop\n", "name: shop\nheaders: «{ a: b }\n")], "`headers` must be a list", ""),
    error("header-name", &[("name: shop\n", "name: shop\nrequest_id: { header: «\"X Id\" }\n")], "not a valid header name", ""),
    error("unknown-key", &[("name: shop\n", "name: shop\nrequest_id: { «feild: X-Id }\n")], "unknown key `feild` in", "did you mean `field`?"),
    error("wrong-kind", &[("{ 400: Bad Request, 500: Internal Server Error }", "«[400, 500]")], "`statuses` must be `closed`, `open`, or a mapping of statuses", ""),
    error("status", &[("500: Internal Server Error", "«99: What")], "`99` is not an HTTP status", "between 100 and 599"),
    warning("doc-url", &[("name: shop\n", "name: shop\ndoc_url: «https://shop.example/errors\n")], "`doc_url` is the same for every error", "use `{name}` or `{code}`"),
    // Formats.
    error("missing-format", &[("demur: 1", "«demur: 1"), ("default: {", "usual: {")], "a format named `default`", "add `formats:"),
    error("wrong-kind", &[("\n  default: { status: $status, code: $code, message: $message }", " «plain")], "`formats` must be a mapping", "").with_others(),
    error("unknown-slot", &[("message: $message", "message: «$mesage")], "unknown slot `$mesage`", "did you mean `$message`?"),
    error("unknown-slot", &[("message: $message", "message: «$everything")], "unknown slot `$everything`", "use one of `$type`, `$code`"),
    error("unknown-cast", &[("status: $status", "status: «$status|text")], "unknown cast `text`", "`string`"),
    // Violations.
    error("unknown-word", &[("field: name", "field: «camell")], "not a valid `field` style", "did you mean `camel`?"),
    error("unknown-word", &[("show: all", "show: «every")], "not a valid value of `show`", "use one of `first`, `same_error`, `all`"),
    error("unknown-key", &[("show: all", "«shows: all")], "unknown key `shows` in `violations`", "did you mean `show`?"),
    error("unknown-rule", &[("required:", "«requird:")], "unknown rule `requird`", "did you mean `required`?"),
    error("template", &[("{field} is needed", "{field is needed")], "unmatched `{` or `}`", "").placed_at("\"{field is"),
    // An entry.
    error("wrong-kind", &[("errors:\n  bad_request:\n    status: 400\n    message: The request is bad\n    on: [request]\n", "errors:\n  bad_request: «400\n")], "an error must be a mapping", "").with_others(),
    error("missing-key", &[("    status: 400\n    message: Too many", "    «message: Too many")], "an error needs `status`", "add `status: …`"),
    error("status", &[("status: 400\n    message: Too many", "status: «200\n    message: Too many")], "must be between 400 and 599", ""),
    // What it claims is claimed all the same: one mistake is reported once.
    error("status", &[("status: 400\n    message: The", "status: «200\n    message: The")], "must be between 400 and 599", ""),
    error("status", &[("status: 400\n    message: Too many", "status: «many\n    message: Too many")], "must be between 400 and 599", ""),
    error("unknown-key", &[("message: Too many", "message: Too many\n    «mesage: Too much")], "unknown key `mesage` in an error", "did you mean `message`?"),
    error("unknown-type", &[("message: Too many", "message: Too many\n    type: «api_eror")], "`types` does not list `api_eror`", "did you mean `api_error`?"),
    error("code-style", &[("message: Too many", "message: Too many\n    code: «TooMany")], "the code `TooMany` does not match the `code_style`", "write `too_many`"),
    error("code-style", &[("too_many:", "«too-many:")], "the code `too-many` does not match the `code_style`", "write `too_many`"),
    error("wrong-kind", &[("message: Too many", "message: «[Too, many]")], "expected a string", ""),
    error("wrong-kind", &[("message: Too many", "message: { default: Too many, open: «perhaps }")], "`open` must be `true` or `false`", ""),
    error("unknown-key", &[("message: Too many", "message: { defualt: Too many }")], "unknown key `defualt` in `message`", "did you mean `default`?").placed_at("defualt"),
    error("template", &[("message: Too many", "message: «Too {} many")], "not a valid parameter", ""),
    error("template", &[("message: Too many", "message: «\"{values|loud}\"")], "unknown list style `loud`", ""),
    error("unknown-parameter", &[("message: Too many", "message: «Too many {things}")], "unknown parameter `{things}`", "declare it: `params: [things]`"),
    error("unknown-parameter", &[("message: Too many", "message: «Send at most {limmit}")], "unknown parameter `{limmit}`", "did you mean `{limit}`?"),
    error("unknown-format", &[("message: Too many", "message: Too many\n    format: «defalt")], "unknown format `defalt`", "did you mean `default`?"),
    error("unknown-word", &[("message: Too many", "message: Too many\n    show: «frist")], "not a valid value of `show`", "did you mean `first`?"),
    error("unknown-word", &[("message: Too many", "message: Too many\n    collect: «value")], "not a valid value of `collect`", "did you mean `values`?"),
    error("unknown-word", &[("message: Too many", "message: Too many\n    retry: «after_dely")], "not a retry class", "did you mean `after_delay`?"),
    error("unknown-word", &[("message: Too many", "message: Too many\n    retry: { class: «sometimes }")], "not a retry class", "use one of"),
    error("duration", &[("message: Too many", "message: Too many\n    retry: { default_delay: «soon }")], "must be a whole number of seconds", "such as `60s`"),
    error("wrong-kind", &[("message: Too many", "message: Too many\n    retry: { attempts: «often }")], "`attempts` must be an integer", ""),
    error("wrong-kind", &[("message: Too many", "message: Too many\n    fix: [«[a, b]]")], "`fix` must be a list of strings", ""),
    warning("no-user-message", &[("message: $message", "message: $user_message"), ("bad_request:\n    status", "bad_request:\n    «status")], "`bad_request` has none", "add `user_message").with_others(),
    // Claims.
    error("unclaimed", &[("demur: 1", "«demur: 1"), ("    on: [internal]\n", "")], "no error claims `internal`", "add `internal` to the `on` list"),
    among("unclaimed", &[("demur: 1", "«demur: 1"), ("statuses: { 400:", "statuses: { closed: true, 400:")], "conditions, which are required because `statuses` is closed: `credential.*`, `permission.*`", "add them to the `on` lists of errors"),
    among("undocumented-status", &[("statuses: { 400:", "statuses: { closed: true, 400:"), ("status: 400\n    message: Too many", "status: «429\n    message: Too many")], "closed and does not list `429`", "use one of 400, 500"),
    error("claimed-twice", &[("message: Too many", "message: Too many\n    on: [«request]")], "duplicate claim of `request`", "`bad_request` claims it too"),
    error("claimed-twice", &[("on: [request]", "on: [request, basket_full]"), ("message: Too many", "message: Too many\n    on: [«basket_full]")], "duplicate claim of `basket_full`", "`bad_request` claims it too"),
    error("unknown-condition", &[("message: Too many", "message: Too many\n    on: [«rate.exeeded]")], "unknown condition `rate.exeeded`", "did you mean `rate.exceeded`?"),
    error("unknown-condition", &[("message: Too many", "message: Too many\n    on: [«weather.bad]")], "unknown condition `weather.bad`", "use one of `body`, `client`, `credential`"),
    warning("indistinguishable", &[("on: [internal]\n", "on: [internal]\n  «breken:\n    status: 500\n    code: broken\n    title: Internal error\n    message: Broken\n")], "cannot distinguish `breken` from `broken`", "give one of them"),
];
