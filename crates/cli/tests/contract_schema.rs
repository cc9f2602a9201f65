//! The schema of contracts and the loader agree, as far as a schema can: its lists are those of the loader, every broken
//! contract is rejected, and every contract that loads is accepted. `DEMUR_UPDATE_DOCS=1` writes the lists again.
//! Long because each list has its rule and its rows.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what failed by failing")]

// Not all of what makes contracts is needed here: problems are made elsewhere.
#[allow(dead_code, reason = "shared with the tests of the contract crate")]
#[path = "../../contract/tests/generated/mod.rs"]
mod generated;

use std::path::{Path, PathBuf};

use demur_contract::{Contract, Source, builtin, claim_names};
use proptest::prelude::*;
use serde_json::{Value as Json, json};

fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/schema/contract.json")
}

fn schema() -> Json {
    serde_json::from_str(&std::fs::read_to_string(path()).unwrap()).unwrap()
}

fn mistakes(file: &Json) -> Vec<String> {
    use std::sync::OnceLock;
    static VALIDATOR: OnceLock<jsonschema::Validator> = OnceLock::new();
    let validator = VALIDATOR.get_or_init(|| jsonschema::draft7::new(&schema()).unwrap());
    validator.iter_errors(file).map(|error| format!("{}: {error}", error.instance_path())).collect()
}

fn loads(file: &Json) -> Result<(), String> {
    let loaded = Contract::load(&Source::new("shop.yaml", file.to_string()));
    loaded.map(drop).map_err(|found| found.to_string())
}

/// A contract in which each of the loader's lists has a place; `(pointer, value)` changes it.
fn sound() -> Json {
    json!({
        "demur": 1, "name": "shop", "formats": { "default": { "m": "$message" } },
        "errors": {
            "bad": { "status": 400, "on": ["request"], "message": "{a}", "params": ["a"] },
            "internal": { "status": 500, "on": ["internal"] },
        },
    })
}

fn changed(pointer: &str, value: Json) -> Json {
    let mut file = sound();
    let mut at = &mut file;
    for name in pointer.split('/').skip(1) {
        at = &mut at[name];
    }
    *at = value;
    file
}

/// Both judge alike, and as is expected.
fn judge(pointer: &str, value: &Json, is_sound: bool) {
    let file = changed(pointer, value.clone());
    let (loader, schema) = (loads(&file), mistakes(&file));
    assert_eq!(loader.is_ok(), is_sound, "loader, {pointer}: {value}: {loader:?}");
    assert_eq!(schema.is_empty(), is_sound, "schema, {pointer}: {value}: {schema:?}");
}

/// A pattern for the beginning of a header name in any case: patterns have no flag for that.
fn in_any_case(word: &str) -> String {
    let letter = |c: char| match c.is_ascii_alphabetic() {
        true => format!("[{}{}]", c.to_ascii_uppercase(), c),
        false => c.to_string(),
    };
    word.chars().map(letter).collect()
}

/// Reserved headers; the test below checks that the loader rejects each.
const RESERVED: &str = "accept accept-charset accept-encoding accept-language accept-ranges age allow authorization \
    cache-control connection content-encoding content-language content-length content-location content-range \
    content-type cookie date etag expect expires host keep-alive last-modified location origin proxy-authenticate \
    proxy-authorization proxy-connection range referer retry-after server set-cookie te trailer transfer-encoding \
    upgrade user-agent vary via www-authenticate";

fn field_name() -> Json {
    let reserved: Vec<String> = RESERVED.split(' ').map(in_any_case).collect();
    let demur = in_any_case("demur-");
    json!({
        "description": "The name of a header that has no other meaning.",
        "type": ["string", "integer", "boolean"],
        "pattern": format!("^(?!(?:{}|{demur}.*)$)[A-Za-z0-9_-]+$", reserved.join("|")),
    })
}

/// The slots, from the loader's message about an unknown one.
fn slots() -> Vec<String> {
    let found = Contract::load(&Source::new("t.yaml", "formats: { default: $qqqqqqqqqq }")).unwrap_err();
    let help = found.iter().find(|found| found.check == "unknown-slot").and_then(|found| found.help.clone());
    let help = help.unwrap();
    let list =
        help.strip_prefix("use one of ").and_then(|list| list.strip_suffix(", `$params.NAME`")).unwrap();
    list.split(", ").map(|slot| slot.trim_matches('`').replace('$', "").replace('.', "\\.")).collect()
}

fn slots_of_violations() -> Vec<String> {
    slots().into_iter().filter(|slot| slot.starts_with("violation")).collect()
}

/// The locations of violations, from the loader's message about an unknown one.
fn locations() -> Vec<String> {
    let source = Source::new("t.yaml", "formats: { default: $violation.field|in:qqqqqqqqqq }");
    let found = Contract::load(&source).unwrap_err();
    let help =
        found.iter().find(|found| found.check == "unknown-location").and_then(|found| found.help.clone());
    let help = help.unwrap();
    let list = help.strip_prefix("use one of ").unwrap();
    list.split(", ").map(|location| location.trim_matches('`').to_owned()).collect()
}

const CASTS: &str = "(?:\\|(?:string|empty|null))*";

fn slot() -> Json {
    let word = format!("(?:{})", locations().join("|"));
    let within = format!("(?:\\|in:{word}(?:\\+{word})*)?");
    json!({
        "description": "Literal text of the response, or a slot.",
        "type": "string",
        "pattern": format!(
            "^(?:[^$]|$)|^\\$(?:{}|params\\.[^|]+|settings\\.[^|]+){CASTS}$|^\\$(?:{}){CASTS}{within}{CASTS}$",
            slots().join("|"),
            slots_of_violations().join("|"),
        ),
    })
}

fn shape() -> Json {
    let keyed = format!("^\\$(?:{}){CASTS}$", slots_of_violations().join("|"));
    let shape = json!({ "$ref": "#/definitions/shape" });
    json!({
        "description": "The template of one value of a response.",
        "anyOf": [
            { "$ref": "#/definitions/slot" },
            { "type": ["number", "boolean", "null"] },
            { "type": "array", "items": shape },
            { "type": "object", "propertyNames": { "pattern": "^(?:[^$]|$)" }, "additionalProperties": shape },
            {
                "type": "object", "minProperties": 1, "maxProperties": 1,
                "propertyNames": { "pattern": keyed }, "additionalProperties": shape,
            },
        ],
    })
}

fn template() -> Json {
    let parameter = "\\{[A-Za-z0-9_]+(?:\\|(?:comma|quoted))?\\}";
    let form = format!("\\{{(?:[^{{}}]|\\{{\\{{|\\}}\\}}|{parameter})*\\}}");
    let plural = format!("\\{{\\s*[A-Za-z0-9_]+\\s*,\\s*plural\\s*,(?:[^{{}}]|{form})*\\}}");
    json!({
        "description": "Text with {parameters}; {{ and }} are braces.",
        "type": ["string", "number", "boolean"],
        "pattern": format!("^(?:[^{{}}]|\\{{\\{{|\\}}\\}}|{parameter}|{plural})*$"),
    })
}

fn rule() -> Json {
    let claims = claim_names();
    let mut names: Vec<&str> = ["required", "missing", "requires", "invalid"].to_vec();
    names.extend(claims.iter().filter_map(|claim| claim.strip_prefix("param.invalid.")));
    names.extend(claims.iter().filter(|claim| **claim == "param" || claim.starts_with("param.")));
    json!({ "description": "A rule, by its name.", "enum": names })
}

/// Words that are one slip away from a condition, and so never the API's own: the loader takes them for a mistake.
fn near_misses() -> String {
    let mut near = Vec::new();
    for name in claim_names() {
        if let Some((branch, leaf)) = name.split_once('.') {
            // Without its dot it is a word.
            near.extend((!leaf.contains('.')).then(|| format!("{branch}[^.]?{leaf}")));
            continue;
        }
        let letters: Vec<char> = name.chars().collect();
        let text = |letters: &[char]| letters.iter().collect::<String>();
        for at in 0..=letters.len() {
            let (before, after) = letters.split_at(at);
            near.push(format!("{}[^.]{}", text(before), text(after)));
            let Some((first, rest)) = after.split_first() else { continue };
            near.push(format!("{}[^.]?{}", text(before), text(rest)));
            if let Some((second, rest)) = rest.split_first() {
                near.push(format!("{}{second}{first}{}", text(before), text(rest)));
            }
        }
    }
    near.join("|")
}

fn claim() -> Json {
    json!({
        "description": "A condition, a branch of conditions, or a word of the API's own, which has no dot.",
        "anyOf": [
            { "enum": claim_names() },
            { "type": "string", "pattern": "^upstream\\.refused\\.4[0-9][0-9]$" },
            { "type": "string", "pattern": "^[^.]+$", "not": { "pattern": format!("^(?:{})$", near_misses()) } },
            { "type": ["integer", "boolean"] },
        ],
    })
}

fn language() -> Json {
    let letters = || 'a'..='z';
    let two = letters().flat_map(|first| letters().map(move |second| format!("{first}{second}")));
    let known: Vec<String> = two.filter(|tag| loads(&changed("/locale", json!(tag))).is_ok()).collect();
    assert!(known.len() > 180, "{known:?}");
    let rest = "(?:-[A-Z][a-z]{3})?(?:-(?:[A-Z]{2}|[0-9]{3}))?(?:-(?:[a-z0-9]{5,8}|[0-9][a-z0-9]{3}))*";
    json!({
        "description": "A tag of BCP 47: it, pt-BR.",
        "type": "string",
        "pattern": format!("^(?!und(?:-|$))(?:{}|[a-z]{{3}}){rest}$", known.join("|")),
    })
}

#[test]
fn the_lists_of_the_schema_are_the_loaders() {
    let mut committed = schema();
    let made = [
        ("language", language()),
        ("template", template()),
        ("shape", shape()),
        ("slot", slot()),
        ("extended", json!({ "enum": builtin::names().collect::<Vec<_>>() })),
        ("rule", rule()),
        ("claim", claim()),
        ("headerName", field_name()),
    ];
    if std::env::var_os("DEMUR_UPDATE_DOCS").is_some() {
        for (name, definition) in &made {
            committed["definitions"][name] = definition.clone();
        }
        std::fs::write(path(), serde_json::to_string_pretty(&committed).unwrap() + "\n").unwrap();
    }
    for (name, definition) in made {
        assert_eq!(committed["definitions"][name], definition, "{name}: run it with DEMUR_UPDATE_DOCS=1");
    }
}

/// Broken contracts in which no schema can see what is wrong, and why.
const UNSEEN: &[(&str, &str)] = &[
    ("claimed-twice", "two places together"),
    ("code-style", "the style is named elsewhere"),
    ("default-locale", "the default is named elsewhere"),
    ("deprecated-key", "a warning"),
    ("doc-url", "a warning"),
    ("duplicate-key", "the tree has it once"),
    ("duplicate-member", "two names are one member"),
    ("credential-answers", "a warning"),
    ("indistinguishable", "a warning"),
    ("look-alike", "a warning"),
    ("media-type-of-xml", "which types are JSON"),
    ("missing-translation", "a warning"),
    ("no-user-message", "a warning"),
    ("retry-class", "a warning"),
    ("slot-in-text", "the words of a text"),
    ("slot-in-text-of-a-format", "the words of a text"),
    ("second-list", "lists stand apart"),
    ("template-of-too-many-forms", "a text is not read word for word"),
    ("too-many-members", "the bound of the parser's, met by no one"),
    ("unclaimed", "all claims together"),
    ("status-class", "a warning"),
    ("undocumented-status", "the statuses are listed elsewhere"),
    ("unknown-error", "the errors are listed elsewhere"),
    ("unknown-format", "the formats are listed elsewhere"),
    ("unknown-member", "the members stand elsewhere"),
    ("unknown-parameter", "the parameters are declared elsewhere"),
    ("unknown-parameter-of-a-format", "the parameters are declared elsewhere"),
    ("unknown-parameter-of-a-rule", "a text is not read word for word"),
    ("unknown-type", "the types are listed elsewhere"),
    ("unknown-setting", "the settings stand elsewhere"),
    ("unused-plural", "a warning"),
    ("unused-setting", "a warning"),
];

#[test]
fn rejects_every_broken_contract_that_a_schema_can_reject() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../contract/tests/broken");
    let mut wrong = Vec::new();
    let mut refused = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "yaml") {
            continue;
        }
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let source = Source::new(&name, std::fs::read_to_string(&path).unwrap());
        // What is no tree an editor underlines without a schema.
        let Ok((root, _)) = demur_source::parse_lossy(&source) else { continue };
        let unseen = UNSEEN.iter().find(|(unseen, _)| name == *unseen);
        let found = mistakes(&root.to_json());
        match (unseen, found.is_empty()) {
            (None, true) => wrong.push(format!("{name} is accepted")),
            (Some((_, why)), false) => wrong.push(format!("{name} ({why}) is refused: {found:?}")),
            (None, false) => refused += 1,
            (Some(_), true) => {}
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(refused > 25, "only {refused}");
}

#[test]
fn loader_and_schema_judge_alike() {
    let refused = [
        ("/formats/default/m", json!("$mesage")),
        ("/formats/default/m", json!("$message|loud")),
        ("/formats/default/m", json!("$params.")),
        ("/formats/default/m", json!("$violation.field|in:")),
        ("/formats/default/m", json!("$violation.field|in:quer")),
        ("/formats/default/m", json!("$violation.field|in:path+")),
        ("/formats/default/m", json!("$violation.field|in:path|in:query")),
        ("/formats/default/m", json!("$param|in:path")),
        ("/formats/default/m", json!("$params.a|in:path")),
        ("/formats/default", json!({ "$violation.field|in:query": ["$violation.message"] })),
        ("/formats/default", json!({ "$violation.fild": ["$violation.message"] })),
        ("/formats/default", json!({ "$violation.field": ["$detail"], "m": "$message" })),
        ("/errors/bad/on", json!(["request", "credental"])),
        ("/errors/bad/on", json!(["request", "param.invalid.maximun"])),
        ("/errors/bad/on", json!(["request", "upstream.refused.500"])),
        ("/errors/bad/on", json!(["request", "rate_exceeded"])),
        ("/errors/bad/message", json!("{a} }")),
        ("/errors/bad/message", json!("{a|loud}")),
        ("/errors/bad/message", json!(["a"])),
        ("/errors/bad/message", json!(null)),
        ("/errors/bad/params", json!(["a", "b c"])),
        ("/errors/bad/code", json!([1])),
        ("/errors/bad/retry", json!({ "class": "backoff", "default_delay": -5 })),
        ("/errors/bad/retry", json!({ "class": "backoff", "default_delay": "-5s" })),
        ("/errors/bad/retry", json!({ "class": "backoff", "attempts": -1 })),
        ("/errors/bad/retry", json!({ "class": "never", "attempts": 2 })),
        ("/violations", json!({ "messages": { "maximun": "x" } })),
        ("/violations", json!({ "messages": { "maximum": "{" } })),
        ("/locales", json!({ "it": { "violations": { "requird": "x" } } })),
        ("/locales", json!({ "italian-": {} })),
        ("/locale", json!("xx")),
        ("/locale", json!("pt-br")),
        ("/content_type", json!("json")),
        ("/request_id", json!({ "field": "content-LENGTH" })),
        ("/request_id", json!({ "field": "Demur-Key" })),
        ("/request_id", json!({ "prefix": "a b" })),
        ("/headers", json!([{ "limit": "Date" }])),
        ("/doc_url", json!("nowhere")),
        ("/doc_url", json!("https:///{name}")),
        ("/types", json!({ "a": [1] })),
        ("/guide", json!({ "a": [1] })),
        ("/problem_json", json!("true")),
    ];
    let accepted = [
        ("/locales", json!(null)),
        ("/locales", json!({ "it": null })),
        ("/locales", json!({ "pt-BR": { "errors": null, "violations": null } })),
        (
            "/locales",
            json!({ "it": { "errors": { "bad": "{a}!" }, "violations": { "param": "x", "length.max": "x" } } }),
        ),
        ("/locale", json!("zh-Hant-TW")),
        ("/types", json!(null)),
        ("/guide", json!({ "a": "b" })),
        ("/types", json!({ "a": null })),
        ("/members", json!({ "m": null })),
        ("/headers", json!(null)),
        ("/headers", json!("ietf")),
        ("/statuses", json!({ "200": null, "400": "Bad" })),
        ("/violations", json!(null)),
        ("/violations", json!({ "messages": null })),
        (
            "/violations",
            json!({ "messages": { "missing": "x", "param.invalid.type": "{limit, plural, one {#} other {# {{}} {param}}}" } }),
        ),
        ("/request_id", json!(null)),
        ("/request_id", json!({ "field": 5, "prefix": 5 })),
        ("/content_type", json!("application/json; charset=\"utf-8\"")),
        ("/doc_url", json!("/errors/{name}#{code}")),
        ("/doc_url", json!("urn:shop:{code}")),
        ("/problem_json", json!(false)),
        ("/formats/default/m", json!("$status|string|empty|null")),
        ("/formats/default/m", json!("$violation.field|in:query")),
        ("/formats/default/m", json!("$violation.rule|empty|in:path+cookie+path|null|string")),
        ("/formats/default/m", json!("$violation.pointer|in:path+query+header+cookie+body")),
        (
            "/formats/default",
            json!({ "m": "$message", "": ["", null, 1.5, { "e": { "$violation.pointer": "$violation.message" } }] }),
        ),
        ("/errors/bad/code", json!(null)),
        ("/errors/bad/type", json!(null)),
        ("/errors/bad/same_as", json!("internal")),
        ("/errors/bad/links", json!(true)),
        ("/errors/bad/fix", json!(null)),
        ("/errors/bad/params", json!(["a", 5, true])),
        ("/errors/bad/message", json!({ "default": 5, "open": true })),
        ("/errors/bad/message", json!("{{a}} {a|quoted}{a}}}")),
        ("/errors/bad/on", json!(["request", "upstream.refused.404", "upstream.refused", "own_word", 404])),
        ("/errors/bad/retry", json!(null)),
        ("/errors/bad/retry", json!({ "class": "backoff", "attempts": 0, "default_delay": "+5" })),
        ("/errors/bad/since", json!(1.5)),
    ];
    for (pointer, value) in &refused {
        judge(pointer, value, false);
    }
    for (pointer, value) in &accepted {
        judge(pointer, value, true);
    }
}

/// One typo away from a condition, and each reserved header: both reject them.
#[test]
fn loader_rejects_what_the_lists_reject() {
    for name in claim_names().into_iter().filter(|name| !name.contains('.')) {
        let (head, tail) = name.split_at(1);
        for word in [tail.to_owned(), format!("{name}x"), format!("{head}x{tail}"), format!("x{tail}")] {
            judge("/errors/bad/on", &json!(["request", word]), false);
        }
    }
    for name in RESERVED.split(' ') {
        judge("/request_id", &json!({ "field": name.to_ascii_uppercase() }), false);
        judge("/request_id", &json!({ "field": format!("x-{name}") }), true);
    }
}

#[test]
fn every_built_in_and_every_example_of_the_manual_is_accepted() {
    for name in builtin::names() {
        let root = demur_source::parse(&builtin::source(name).unwrap()).unwrap();
        assert_eq!(mistakes(&root.to_json()), Vec::<String>::new(), "{name}");
    }
    let manual = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/contract.md");
    let manual = std::fs::read_to_string(manual).unwrap();
    for example in manual.split("```yaml\n").skip(1) {
        let (example, _) = example.split_once("```").unwrap();
        let part = demur_source::parse(&Source::new("example", example)).unwrap().to_json();
        // One part of a file is not a complete contract.
        let found: Vec<String> =
            mistakes(&part).into_iter().filter(|found| !found.contains("is a required property")).collect();
        assert!(found.is_empty(), "{found:?} in\n{example}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_generated_contract_is_accepted(text in generated::contract()) {
        generated::load(&text);
        prop_assert_eq!(mistakes(&serde_json::from_str(&text).unwrap()), Vec::<String>::new());
    }
}
