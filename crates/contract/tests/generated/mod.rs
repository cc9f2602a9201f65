//! Generators of contracts, and of problems with hostile values.
//! Long because the generators build on each other.

use std::borrow::Cow;
use std::time::Duration;

use demur_contract::{Condition, Contract, ErrorId, Location, Problem, RetryAfter, Value, Violation};
use demur_source::Source;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, Value as Json, json};

/// Text that tries to break out of JSON, HTML, the template, or the next literal.
pub(crate) fn hostile() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "[0-9]{1,6}",
        2 => ".{0,12}",
        2 => "[\"'\\\\{}:,. \u{0}-\u{1f}a&#;é😀-]{0,12}",
        1 => select(vec!["&#34;", "\\u0022", "\u{2028}", "</script>", "' must be at most '", "is required", "\",\"code\":\"x", ""])
            .prop_map(str::to_owned),
    ]
}

/// A template without digits in its literals, so that a value of digits never contains one of them.
fn template(parameters: Vec<&'static str>) -> impl Strategy<Value = String> {
    let literal = select(vec![
        " is required",
        "Invalid ",
        ": ",
        " must be at most ",
        "'",
        "\"",
        "{{",
        "}}",
        " é\t",
        "a",
        "aa",
        ". ",
        "&#34;",
        "",
    ]);
    let parameter = match parameters.is_empty() {
        true => Just(String::new()).boxed(),
        false => select(parameters).prop_map(|name| format!("{{{name}}}")).boxed(),
    };
    prop::collection::vec((literal, parameter, any::<bool>()), 1..4).prop_map(|parts| {
        let texts = parts.iter().map(|(literal, parameter, with)| match with {
            true => format!("{literal}{parameter}"),
            false => (*literal).to_owned(),
        });
        let text: String = texts.collect();
        if text.is_empty() { "x".to_owned() } else { text }
    })
}

const OF_VIOLATION: [&str; 7] =
    ["param", "value", "values|quoted", "limit", "allowed", "allowed|quoted", "pointer"];

const SLOTS: [&str; 19] = [
    "$type",
    "$code",
    "$status",
    "$title",
    "$message",
    "$param",
    "$doc_url",
    "$request_id",
    "$retry_after",
    "$user_message",
    "$params.item",
    "$params.other",
    "$status|string",
    "$code|empty",
    "$type|empty",
    "$request_id|empty",
    "$retry_after|string",
    "$params.item|string",
    "$params.other|empty",
];

/// The slots that make a list with one item a list of violations.
const SLOTS_OF_VIOLATIONS: [&str; 7] = [
    "$detail",
    "$violation.field",
    "$violation.message",
    "$violation.pointer",
    "$violation.rule",
    "$violation.location",
    "$violation.pointer|empty",
];

/// The locations of `in:` casts: one, several, all.
const LOCATIONS: [&str; 7] = [
    "query",
    "body",
    "header",
    "path+query",
    "cookie+path",
    "body+query+header",
    "path+query+header+cookie+body",
];

fn slot() -> impl Strategy<Value = Json> {
    select(SLOTS.to_vec()).prop_map(Json::from)
}

fn slot_of_violations() -> impl Strategy<Value = Json> {
    let within =
        prop::option::weighted(0.4, (select(LOCATIONS.to_vec()), select(vec!["", "|empty", "|null|string"])));
    (select(SLOTS_OF_VIOLATIONS.to_vec()), within).prop_map(|(slot, within)| match within {
        Some((locations, cast)) if slot.starts_with("$violation") => {
            json!(format!("{slot}|in:{locations}{cast}"))
        }
        _ => json!(slot),
    })
}

fn constant() -> impl Strategy<Value = Json> {
    select(vec![
        json!(null),
        json!(true),
        json!(1.5),
        json!("x"),
        json!([1, {"y": []}]),
        json!([]),
        json!({}),
    ])
}

fn object(member: impl Strategy<Value = Json>, most: usize) -> impl Strategy<Value = Map<String, Json>> {
    let name = select(vec!["a", "b", "c", "d e", "é\"", "~/"]);
    prop::collection::vec((name, any::<bool>(), member), 1..most).prop_map(|members| {
        let mut object = Map::new();
        for (name, optional, value) in members {
            object.retain(|known, _| known.trim_end_matches('?') != name);
            object.insert(if optional { format!("{name}?") } else { name.to_owned() }, value);
        }
        object
    })
}

/// Any format without a list of violations.
fn shape() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![8 => slot(), 2 => slot_of_violations(), 1 => constant()];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            3 => object(inner.clone(), 4).prop_map(Json::Object),
            // A single item with a slot of a violation would be a list of violations.
            1 => prop::collection::vec(inner, 2..4).prop_map(Json::Array),
            1 => slot().prop_map(|slot| json!([slot])),
        ]
    })
}

/// A list of violations, in each of its forms.
fn violations() -> impl Strategy<Value = Json> {
    let of = select(vec!["field", "message", "pointer", "rule", "location"]);
    let item = (object(shape(), 4), slot_of_violations()).prop_map(|(mut item, slot)| {
        item.insert("one".to_owned(), slot);
        Json::Object(item)
    });
    let keyed = (select(vec!["field", "pointer", "rule", "location", "message"]), shape(), any::<bool>());
    prop_oneof![
        4 => prop::collection::btree_set(of, 1..4).prop_map(|slots| {
            let members = slots.iter().map(|slot| ((*slot).to_owned(), json!(format!("$violation.{slot}"))));
            json!([members.collect::<Map<String, Json>>()])
        }),
        2 => Just(json!(["$detail"])),
        2 => Just(json!([{ "detail": "$detail", "source?": { "pointer?": "$violation.pointer" } }])),
        1 => Just(json!([{
            "detail": "$detail",
            "source?": {
                "parameter?": "$violation.field|in:query", "pointer?": "$violation.pointer|in:body",
                "header?": "$violation.field|in:header",
            },
        }])),
        // Each violation has one of these slots, so that none is the message.
        1 => Just(json!([{
            "detail": "$detail", "body?": "$violation.pointer|in:body",
            "other": { "one": "$violation.rule|in:path+query|empty", "two?": "$violation.field|in:header+cookie" },
        }])),
        1 => Just(json!(["$violation.message"])),
        2 => Just(json!({ "$violation.field": ["$violation.message"] })),
        1 => Just(json!({ "$violation.field": "$violation.message" })),
        2 => item.prop_map(|item| json!([item])),
        2 => keyed.prop_map(|(key, item, is_list)| {
            let value = if is_list { json!([item]) } else { item };
            let mut keyed = Map::new();
            keyed.insert(format!("$violation.{key}"), value);
            Json::Object(keyed)
        }),
    ]
}

/// Any format that loads.
fn format() -> impl Strategy<Value = Json> {
    let flat = (
        object(slot(), 6),
        prop::option::of(("[?]?", violations())),
        prop::option::of(constant()),
        any::<bool>(),
    );
    let flat = flat.prop_map(|(mut object, violations, constant, nested)| {
        if let Some((optional, violations)) = violations {
            object.insert(format!("errors{optional}"), violations);
        }
        if let Some(constant) = constant {
            object.insert("constant".to_owned(), constant);
        }
        if nested { json!({ "error": object, "ok": false }) } else { Json::Object(object) }
    });
    let around = (object(shape(), 4), violations(), any::<bool>(), any::<bool>());
    let around = around.prop_map(|(mut object, violations, first, optional)| {
        let name = if optional { "list?" } else { "list" };
        match first {
            true => json!([{ name: violations }, object]),
            false => {
                object.insert(name.to_owned(), violations);
                json!({ "in?": object })
            }
        }
    });
    prop_oneof![6 => flat, 2 => around, 1 => shape(), 1 => violations()]
}

fn entry(status: u16, on: Vec<&'static str>) -> impl Strategy<Value = Json> {
    let of_violation = on.contains(&"param");
    let mut parameters = vec!["item", "item|quoted", "other", "request_id", "retry_after"];
    if of_violation {
        parameters.extend(OF_VIOLATION);
    }
    (
        template(vec!["item", "other|quoted", "param"]),
        template(parameters),
        prop::option::of(template(vec!["other"])),
        select(vec![None, Some("none"), Some("shared")]),
        (any::<bool>(), any::<bool>(), any::<bool>(), prop::bool::weighted(0.2)),
        select(vec!["first", "same_error", "all"]),
    )
        .prop_map(move |(title, message, user_message, code, (open, second, kind, collect), show)| {
            let mut entry = json!({
                "status": status, "title": title, "params": ["item", "other"], "on": on, "show": show,
                "message": if open { json!({ "default": message, "open": true }) } else { json!(message) },
            });
            let members = entry.as_object_mut().unwrap();
            if second {
                members.insert("format".into(), json!("second"));
            }
            if collect {
                members.insert("collect".into(), json!("values"));
            }
            if kind {
                members.insert("type".into(), json!("some_type"));
            }
            members.extend(user_message.map(|text| ("user_message".to_owned(), json!(text))));
            members.extend(code.map(|code| ("code".to_owned(), json!(code))));
            entry
        })
}

/// The text of a contract file that loads.
pub(crate) fn contract() -> impl Strategy<Value = String> {
    let messages = prop::collection::btree_map(
        select(vec![
            "required",
            "enum",
            "maximum",
            "type",
            "type.array",
            "invalid",
            "format",
            "length.empty",
        ]),
        template(OF_VIOLATION.to_vec()),
        0..4,
    );
    (
        (format(), format()),
        (
            select(vec!["name", "pascal", "camel", "path", "pointer"]),
            select(vec!["first", "same_error", "all"]),
            messages,
        ),
        (
            entry(400, vec!["request"]),
            entry(400, vec!["param"]),
            entry(400, vec!["param.missing"]),
            entry(500, vec!["internal"]),
        ),
        prop::collection::vec((select(vec![400u16, 409, 500]), entry(400, vec![])), 0..3),
    )
        .prop_map(
            |((default, second), (field, show, messages), (request, param, missing, internal), own)| {
                let mut errors = Map::new();
                errors.insert("bad_request".into(), request);
                errors.insert("invalid".into(), param);
                errors.insert("missing".into(), missing);
                errors.insert("internal_error".into(), internal);
                for (index, (status, mut entry)) in own.into_iter().enumerate() {
                    entry["status"] = json!(status);
                    errors.insert(format!("own_{index}"), entry);
                }
                json!({
                    "demur": 1, "name": "generated",
                    "formats": { "default": default, "second": second },
                    "violations": { "field": field, "show": show, "messages": messages },
                    "errors": errors,
                })
                .to_string()
            },
        )
}

/// Loads a generated contract, which has no errors.
pub(crate) fn load(text: &str) -> Contract {
    match Contract::load(&Source::new("generated.yaml", text)) {
        Ok(loaded) => loaded.contract,
        Err(diagnostics) => panic!("{diagnostics}\n{text}"),
    }
}

/// The index of a rule, the name and pointer of the parameter, its value, the value of the rule, and the allowed values.
type Broken = (usize, (String, String), Option<String>, Option<Value>, Vec<String>);

/// The data of a problem, before its error is known.
#[derive(Debug, Clone)]
pub(crate) struct Particulars {
    pub(crate) params: Vec<(String, Value)>,
    pub(crate) message: Option<String>,
    pub(crate) violations: Vec<Broken>,
    pub(crate) retry_after: Option<u64>,
}

pub(crate) fn particulars() -> impl Strategy<Value = Particulars> {
    let value = || {
        prop_oneof![
            4 => hostile().prop_map(Value::Text),
            1 => any::<i64>().prop_map(Value::Int),
            1 => prop::collection::vec(hostile(), 0..3).prop_map(Value::List),
        ]
    };
    let name = prop_oneof!["[a-z_]{1,8}", hostile()];
    let param = prop_oneof![
        8 => (name, hostile().prop_map(|token| format!("/{token}"))),
        // The body as a whole.
        1 => Just((String::new(), String::new())),
    ];
    let violation = (
        any::<usize>(),
        param,
        prop::option::of(hostile()),
        prop::option::of(value()),
        prop::collection::vec(hostile(), 0..3),
    );
    (
        prop::option::of(value()),
        prop::option::of(value()),
        prop::option::of(hostile()),
        prop::collection::vec(violation, 0..4),
        prop::option::of(1u64..100_000),
    )
        .prop_map(|(item, other, message, violations, retry_after)| {
            let named = |name: &str, value: Option<Value>| value.map(|value| (name.to_owned(), value));
            let params = named("item", item).into_iter().chain(named("other", other)).collect();
            Particulars { params, message, violations, retry_after }
        })
}

const LOCATION: [Location; 5] =
    [Location::Query, Location::Body, Location::Header, Location::Path, Location::Cookie];

/// A problem with this error. At least the first violation is of a rule that the error answers.
pub(crate) fn problem<'p>(contract: &Contract, error: ErrorId, particulars: &'p Particulars) -> Problem<'p> {
    let entry = contract.entry(error);
    let answered: Vec<Condition> =
        Condition::all().filter(|rule| rule.is_violation() && contract.answer(*rule) == error).collect();
    let all: Vec<Condition> = Condition::all().filter(|rule| rule.is_violation()).collect();
    // No literal of a generated contract consists of these letters.
    let mut problem = Problem::new(error, "req_0123456789");
    problem.params =
        particulars.params.iter().map(|(name, value)| (Cow::from(name.as_str()), value.clone())).collect();
    problem.message = particulars.message.as_deref().filter(|_| entry.open).map(Cow::Borrowed);
    problem.retry_after =
        particulars.retry_after.map(|seconds| RetryAfter { delay: Duration::from_secs(seconds) });
    let mut violations = Vec::new();
    for (index, (rule, (param, pointer), value, limit, allowed)) in particulars.violations.iter().enumerate()
    {
        let rules = if index == 0 { &answered } else { &all };
        if answered.is_empty() {
            break;
        }
        violations.push(Violation {
            condition: rules[rule % rules.len()],
            location: LOCATION[rule % LOCATION.len()],
            param: param.clone(),
            pointer: pointer.clone(),
            value: value.clone(),
            limit: limit.clone(),
            allowed: allowed.clone(),
        });
    }
    problem.violations = Cow::Owned(violations);
    problem
}
