//! The rules of parsing, with a row for each: absent values, casts, formats, violations and ambiguous errors.
//! Long because the rules share one contract and its rows.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what failed by failing")]

use std::borrow::Cow;

use demur_contract::{Condition, Contract, Location, ParseResult, Problem, ResponseView, Violation};
use demur_source::Source;

fn load(formats: &str, errors: &str) -> Contract {
    let text = format!(
        "demur: 1\nname: shop\nformats: {formats}\nerrors:\n  \
         rest: {{ status: 500, message: Rest., on: [request, internal, param] }}\n{errors}"
    );
    Contract::load(&Source::new("shop.yaml", text))
        .unwrap_or_else(|diagnostics| panic!("{diagnostics}"))
        .contract
}

/// The names of the errors that can have made a body.
fn read(contract: &Contract, body: &str) -> Vec<String> {
    let errors = match contract.parse(&ResponseView::new(418, body.as_bytes())) {
        ParseResult::Exact(read) => vec![read.problem.error],
        ParseResult::Ambiguous { candidates } => candidates,
        ParseResult::Unknown { .. } => Vec::new(),
    };
    errors.into_iter().map(|error| contract.entry(error).name.clone()).collect()
}

/// A missing parameter, from which other violations are made.
fn missing(location: Location, param: &str) -> Violation {
    Violation {
        condition: Condition::ParamMissing,
        location,
        param: param.into(),
        pointer: format!("/{param}"),
        value: None,
        limit: None,
        allowed: Vec::new(),
    }
}

/// The rendered body of the error that answers this condition, with these violations.
fn rendered(contract: &Contract, condition: Condition, violations: Vec<Violation>) -> String {
    let mut problem = Problem::new(contract.answer(condition), "req_1");
    problem.violations = Cow::Owned(violations);
    let mut body = Vec::new();
    contract.render(&problem, &mut body);
    String::from_utf8(body).unwrap()
}

const TWO: &str =
    "  one: { status: 418, message: Tea. }\n  two: { status: 418, message: Tea., format: other }\n";

#[test]
fn prefers_the_format_without_unknown_members() {
    for (formats, body, errors) in [
        ("{ default: { m: $message }, other: { m: $message } }", r#"{"m":"Tea."}"#, &["one", "two"][..]),
        (
            "{ default: { m: $message }, other: { m: $message, ok: false } }",
            r#"{"m":"Tea.","ok":false}"#,
            &["two"],
        ),
        (
            "{ default: { m: $message, ok: false }, other: { m: $message } }",
            r#"{"m":"Tea.","ok":false}"#,
            &["one"],
        ),
        ("{ default: { m: $message }, other: { m: $message } }", r#"{"m":"Tea.","x":1}"#, &["one", "two"]),
    ] {
        assert_eq!(read(&load(formats, TWO), body), errors, "{formats} {body}");
    }
}

#[test]
fn parses_absent_values_and_casts_as_rendered() {
    const NONE: &str = "  none: { status: 418, code: none, message: Tea. }\n";
    for (formats, body, is_known) in [
        ("{ default: { c: $code } }", r#"{"c":null}"#, true),
        ("{ default: { c: $code } }", r#"{"c":""}"#, false),
        ("{ default: { c: $code|empty } }", r#"{"c":""}"#, true),
        ("{ default: { c: $code|empty } }", r#"{"c":"x"}"#, false),
        ("{ default: { c: $code|empty } }", r#"{"c":null}"#, false),
        ("{ default: { c?: $code, m: $message } }", r#"{"m":"Tea."}"#, true),
        ("{ default: { s: $status } }", r#"{"s":418}"#, true),
        ("{ default: { s: $status } }", r#"{"s":"418"}"#, false),
        ("{ default: { s: $status|string } }", r#"{"s":"418"}"#, true),
        ("{ default: { s: $status|string } }", r#"{"s":418}"#, false),
        ("{ default: { s: $status } }", r#"{"s":419}"#, false),
    ] {
        let contract = load(formats, NONE);
        assert_eq!(!read(&contract, body).is_empty(), is_known, "{formats} {body}");
        if is_known {
            let mut rendered = Vec::new();
            contract.render(&Problem::new(contract.named("none").unwrap(), "req_1"), &mut rendered);
            assert_eq!(String::from_utf8(rendered).unwrap(), body, "{formats}");
        }
    }
}

#[test]
fn shows_the_most_fundamental_violation_first() {
    let errors = "  bad: { status: 418, message: Bad., show: first, on: [param.missing, param.invalid] }\n";
    let contract = load("{ default: { errors: [$violation.rule] } }", errors);
    let violation = |condition| Violation { condition, ..missing(Location::Query, "q") };
    let violations = vec![violation(Condition::ParamMaximum), violation(Condition::ParamMissing)];
    let mut problem = Problem::new(contract.answer_violations(&violations).unwrap(), "req_1");
    problem.violations = Cow::Owned(violations);
    let mut body = Vec::new();
    contract.render(&problem, &mut body);
    assert_eq!(String::from_utf8(body).unwrap(), r#"{"errors":["required"]}"#);
}

#[test]
fn ambiguous_pairs_depend_on_the_messages() {
    for (one, two, always) in [
        ("Tea.", "Tea.", Some(true)),
        ("{item}.", "{item}.", Some(true)),
        ("{item}.", "Tea.", Some(false)),
        ("No {item}.", "{item} is gone.", Some(false)),
        ("Tea.", "Coffee.", None),
        ("No {item}.", "Some {item}.", None),
    ] {
        let errors = format!(
            "  one: {{ status: 418, message: '{one}', params: [item] }}\n  \
             two: {{ status: 418, message: '{two}', params: [item] }}\n"
        );
        let contract = load("{ default: { m: $message } }", &errors);
        let own = contract.named("one").unwrap();
        let pair = contract.ambiguous_pairs().into_iter().find(|pair| pair.first == own);
        assert_eq!(pair.map(|pair| pair.always), always, "{one} | {two}");
    }
}

/// A list that both errors may omit does not distinguish them, whatever it contains. Run this with
/// `CARGO_PROFILE_DEV_OPT_LEVEL=3` as well, which once failed.
#[test]
fn an_optional_list_does_not_distinguish_errors() {
    let errors = "  one: { status: 418, message: Tea., on: [param.missing] }\n  \
                  two: { status: 418, message: Coffee. }\n";
    for (format, always) in [
        ("{ a: $param, list?: [$detail] }", Some(false)),
        ("{ in: { a: $param, list?: [$detail] } }", Some(false)),
        ("{ in?: { a: { a: [$param] }, list?: [$detail] } }", Some(false)),
        ("{ in?: { a: { a: [$param] }, list: [$detail] } }", None),
    ] {
        let contract = load(&format!("{{ default: {format} }}"), errors);
        let errors = (contract.named("one").unwrap(), contract.named("two").unwrap());
        let pair = contract.ambiguous_pairs().into_iter().find(|pair| (pair.first, pair.second) == errors);
        assert_eq!(pair.map(|pair| pair.always), always, "{format}");
    }
}

#[test]
fn a_list_with_one_item_can_be_a_list_of_violations() {
    let errors = "  one: { status: 418, message: Tea. }\n  \
                  two: { status: 418, message: Tea., format: listed, on: [param.missing] }\n";
    for (listed, always) in [("[$message]", Some(false)), ("[]", None)] {
        let formats = format!("{{ default: {{ e: {listed} }}, listed: {{ e: [$violation.message] }} }}");
        let contract = load(&formats, errors);
        let errors = (contract.named("one").unwrap(), contract.named("two").unwrap());
        let pair = contract.ambiguous_pairs().into_iter().find(|pair| (pair.first, pair.second) == errors);
        assert_eq!(pair.map(|pair| pair.always), always, "{listed}");
    }
}

/// `|empty` writes the absence of a violation like one without a name; other slots or the text may distinguish them.
#[test]
fn an_empty_name_is_the_whole_body_or_no_violation() {
    for (formats, items, read) in [
        ("[{ p: $violation.pointer, d: $detail }]", r#"[{"p":"","d":" is required"}]"#, Some(1)),
        ("[{ p: $violation.pointer, d: $detail }]", r#"[{"p":null,"d":"Rest."}]"#, Some(0)),
        ("[{ p?: $violation.pointer, d: $detail }]", r#"[{"p":"","d":" is required"}]"#, Some(1)),
        ("[{ p?: $violation.pointer, d: $detail }]", r#"[{"d":"Rest."}]"#, Some(0)),
        ("[{ p: $violation.pointer|empty, d: $detail }]", r#"[{"p":"","d":" is required"}]"#, Some(1)),
        ("[{ p: $violation.pointer|empty, d: $detail }]", r#"[{"p":"","d":"Rest."}]"#, Some(0)),
        ("[{ r: $violation.rule|empty, d: $detail }]", r#"[{"r":"","d":" is required"}]"#, None),
        ("{ $violation.field: [$detail] }", r#"{"":[" is required"]}"#, Some(1)),
        ("{ p: $violation.pointer|empty, d: $detail }", r#"{"p":"","d":"Rest."}"#, Some(0)),
        ("{ p: $violation.pointer|empty, d: $detail }", r#"{"p":"","d":" is required"}"#, Some(1)),
    ] {
        let contract = load(&format!("{{ default: {{ c: $code, e: {formats} }} }}"), "");
        let body = format!(r#"{{"c":"rest","e":{items}}}"#);
        let violations = match contract.parse(&ResponseView::new(500, body.as_bytes())) {
            ParseResult::Exact(read) => Some(read.violations.len()),
            ParseResult::Ambiguous { .. } | ParseResult::Unknown { .. } => None,
        };
        assert_eq!(violations, read, "{formats} {body}");
    }
}

/// A slot for a single location determines the location of the violation, and contradicts slots that show another one. If it
/// is absent, the violation is in another location.
#[test]
fn a_slot_for_one_location_determines_the_location() {
    const SOURCE: &str =
        "[{ d: $detail, s?: { q?: '$violation.field|in:query', b?: '$violation.pointer|in:body' } }]";
    const BESIDE: &str = "[{ l?: $violation.location, q?: '$violation.field|in:query' }]";
    const BEFORE: &str = "[{ q?: '$violation.field|in:query', l?: $violation.location }]";
    const SEVERAL: &str = "[{ l?: $violation.location, p?: '$violation.field|in:path+query' }]";
    const EMPTY: &str = "[{ b: '$violation.pointer|in:body|empty', r: $violation.rule }]";
    const HALF: &str = "[{ d: $detail, b: '$violation.rule|in:body' }]";
    const NULL: &str = "[{ b: '$violation.pointer|in:body', r: $violation.rule }]";
    const ALL: &str =
        "[{ d: $detail, a?: '$violation.rule|in:body', b: '$violation.rule|in:path+query+header+cookie' }]";
    const ALONE: &str = "{ q: '$violation.field|in:query', p: '$violation.rule|in:path|empty' }";
    for (format, body, read) in [
        (SOURCE, r#"[{"d":"a is required","s":{"q":"a"}}]"#, Some(&[Some(Location::Query)][..])),
        (SOURCE, r#"[{"d":"a is required","s":{"b":"/a"}}]"#, Some(&[Some(Location::Body)])),
        (SOURCE, r#"[{"d":"a is required","s":{"q":"a","b":"/a"}}]"#, None),
        (SOURCE, r#"[{"d":"a is required"}]"#, Some(&[None])),
        (SOURCE, r#"[{"d":"Rest."}]"#, Some(&[])),
        (
            SOURCE,
            r#"[{"d":"a is required"},{"d":"a is required","s":{"q":"a"}}]"#,
            Some(&[None, Some(Location::Query)]),
        ),
        (BESIDE, r#"[{"l":"query","q":"a"}]"#, Some(&[Some(Location::Query)])),
        (BESIDE, r#"[{"l":"body","q":"a"}]"#, None),
        (BEFORE, r#"[{"l":"body","q":"a"}]"#, None),
        (BEFORE, r#"[{"l":"body"},{"q":"a"}]"#, Some(&[Some(Location::Body), Some(Location::Query)])),
        (SEVERAL, r#"[{"l":"path","p":"a"},{"p":"a"}]"#, Some(&[Some(Location::Path), None])),
        (SEVERAL, r#"[{"l":"header","p":"a"}]"#, None),
        (
            EMPTY,
            r#"[{"b":"/a","r":"required"},{"b":"","r":"required"}]"#,
            Some(&[Some(Location::Body), None]),
        ),
        (NULL, r#"[{"b":"","r":"required"},{"b":null,"r":"required"}]"#, Some(&[Some(Location::Body), None])),
        (HALF, r#"[{"d":"a is required","b":null}]"#, Some(&[None])),
        (ALL, r#"[{"d":"a is required","b":null}]"#, None),
        (ALL, r#"[{"d":"Rest.","b":null}]"#, Some(&[])),
        (ALL, r#"[{"d":"a is required","b":"required"}]"#, Some(&[None])),
        (ALL, r#"[{"d":"a is required","a":"required","b":null}]"#, Some(&[Some(Location::Body)])),
        (ALONE, r#"{"q":"","p":""}"#, Some(&[Some(Location::Query)])),
        (ALONE, r#"{"q":null,"p":"required"}"#, Some(&[Some(Location::Path)])),
        (ALONE, r#"{"q":null,"p":""}"#, Some(&[])),
        (ALONE, r#"{"q":"a","p":"required"}"#, None),
    ] {
        let contract = load(&format!("{{ default: {{ c: $code, e: {format} }} }}"), "");
        let body = format!(r#"{{"c":"rest","e":{body}}}"#);
        let locations: Option<Vec<_>> = match contract.parse(&ResponseView::new(500, body.as_bytes())) {
            ParseResult::Exact(read) => {
                Some(read.violations.iter().map(|violation| violation.location).collect())
            }
            ParseResult::Ambiguous { .. } | ParseResult::Unknown { .. } => None,
        };
        assert_eq!(locations.as_deref(), read, "{format} {body}");
    }
}

/// An open message can be replaced by the API, also for violations, unless it is a text of the contract. The rows have the
/// number of violations, of those whose rule is known, and the message.
#[test]
fn open_messages_accept_any_text_for_violations() {
    const OPEN: &str = "message: { default: Bad., open: true }";
    const CLOSED: &str = "message: Bad.";
    const ITEM: &str = "[{ d: $detail, f?: $violation.field }]";
    const NAMED: &str = "{ $violation.field: [$detail] }";
    for (message, format, body, read) in [
        (OPEN, ITEM, r#"[{"d":"Too short.","f":"a"}]"#, Some((1, 0, None))),
        (CLOSED, ITEM, r#"[{"d":"Too short.","f":"a"}]"#, None),
        (OPEN, ITEM, r#"[{"d":"Too short.","f":"a"},{"d":"b is required","f":"b"}]"#, Some((2, 1, None))),
        (OPEN, ITEM, r#"[{"d":"a is required","f":"a"}]"#, Some((1, 1, None))),
        (OPEN, ITEM, r#"[{"d":"Too short."}]"#, Some((0, 0, Some("Too short.")))),
        (OPEN, NAMED, r#"{"a":["Too short.","No emoji."]}"#, Some((2, 0, None))),
        (CLOSED, NAMED, r#"{"a":["Too short."]}"#, None),
        (OPEN, "[$detail]", r#"["Too short.","No emoji."]"#, Some((2, 0, None))),
        // The title cannot be replaced.
        (
            OPEN,
            "[{ d: $detail, t: $title, f?: $violation.field }]",
            r#"[{"d":"Too short.","t":"Other","f":"a"}]"#,
            None,
        ),
    ] {
        let errors =
            format!("  bad: {{ status: 418, title: Bad, {message}, on: [param.missing, param.invalid] }}\n");
        let contract = load(&format!("{{ default: {{ c: $code, e: {format} }} }}"), &errors);
        let body = format!(r#"{{"c":"bad","e":{body}}}"#);
        let actual = match contract.parse(&ResponseView::new(418, body.as_bytes())) {
            ParseResult::Exact(read) => {
                let known = read.violations.iter().filter(|violation| !violation.rules.is_empty()).count();
                assert!(read.violations.iter().all(|violation| violation.message.is_some()), "{body}");
                Some((read.violations.len(), known, read.problem.message.map(Cow::into_owned)))
            }
            ParseResult::Ambiguous { .. } | ParseResult::Unknown { .. } => None,
        };
        let read =
            read.map(|(all, known, message): (_, _, Option<&str>)| (all, known, message.map(str::to_owned)));
        assert_eq!(actual, read, "{format} {body}");
    }
}

/// Without a code, an open message matches any text, but texts of other errors and languages have precedence.
#[test]
fn open_messages_do_not_take_texts_of_other_errors_or_languages() {
    let errors = "  open: { status: 418, message: { default: Bad., open: true }, on: [param.missing] }\n  \
                  closed: { status: 418, message: Worse., show: same_error, on: [param.invalid] }\n\
                  violations: { show: same_error, messages: { required: '{param} fehlt', type: '{param} passt nicht' } }\n\
                  locales: { it: { violations: { required: '{param} manca' } } }\n";
    let contract = load("{ default: { e: [{ d: $detail, f?: $violation.field }] } }", errors);
    let headers = |name: &str| (name == "content-language").then_some("it");
    for (body, errors, rules) in [
        (r#"{"e":[{"d":"a passt nicht","f":"a"}]}"#, &["closed"][..], 1),
        (r#"{"e":[{"d":"a fehlt","f":"a"}]}"#, &["open"], 1),
        (r#"{"e":[{"d":"a manca","f":"a"}]}"#, &["open"], 1),
        (r#"{"e":[{"d":"a!","f":"a"}]}"#, &["open"], 0),
    ] {
        let response = ResponseView { status: 418, headers: &headers, body: body.as_bytes() };
        let ParseResult::Exact(read) = contract.parse(&response) else { panic!("{body}") };
        assert_eq!([contract.entry(read.problem.error).name.as_str()], errors, "{body}");
        let known = read.violations.iter().filter(|violation| !violation.rules.is_empty()).count();
        assert_eq!((read.violations.len(), known), (1, rules), "{body}");
    }
}

/// A member can have an empty name (RFC 6901, section 5). It differs from the body as a whole, and some styles name it.
#[test]
fn names_a_member_with_an_empty_name_in_each_style() {
    for (style, pointer, name) in [
        ("name", "/", "null"),
        ("name", "", "null"),
        ("pointer", "/", r#""/""#),
        ("pointer", "", "null"),
        ("path", "//a", r#""a""#),
        ("path", "", "null"),
    ] {
        let contract = load(
            "{ default: { e: [{ p: $param, r: $violation.rule }] } }",
            &format!("violations: {{ field: {style} }}"),
        );
        let violation = Violation { pointer: pointer.into(), ..missing(Location::Body, "") };
        let rendered = rendered(&contract, Condition::ParamMissing, vec![violation]);
        let expected = format!(r#"{{"e":[{{"p":{name},"r":"required"}}]}}"#);
        assert_eq!(rendered, expected, "{style} {pointer}");
    }
}

/// A slot for some locations is absent for a violation in another one, also in combination with other casts.
#[test]
fn a_slot_for_some_locations_is_absent_for_violations_elsewhere() {
    for (format, body) in [
        ("[$violation.field|in:query]", r#"["q",null]"#),
        ("[$violation.field|in:header+query]", r#"["q",null]"#),
        ("[$violation.pointer|in:body|empty]", r#"["","/b"]"#),
        ("[$violation.pointer|empty|in:cookie]", r#"["",""]"#),
        (
            "[{ l: '$violation.location|in:body|null', m?: '$violation.rule|in:query|string' }]",
            r#"[{"l":null,"m":"required"},{"l":"body"}]"#,
        ),
        (
            "[{ s?: { q?: '$violation.field|in:query', p?: '$violation.field|in:path' } }]",
            r#"[{"s":{"q":"q"}},{}]"#,
        ),
        ("{ $violation.field: ['$violation.message|in:body'] }", r#"{"q":[null],"b":["b is required"]}"#),
        // Outside of a list it shows the violation that determines the error.
        ("{ q?: '$violation.field|in:query', b?: '$violation.field|in:body' }", r#"{"q":"q"}"#),
    ] {
        let contract = load(&format!("{{ default: {{ e: {format} }} }}"), "");
        let violations = vec![missing(Location::Query, "q"), missing(Location::Body, "b")];
        let rendered = rendered(&contract, Condition::ParamMissing, violations);
        assert_eq!(rendered, format!(r#"{{"e":{body}}}"#), "{format}");
    }
}

/// Texts with parameters of violations differ between items, which is not a contradiction.
#[test]
fn each_item_describes_its_own_violation() {
    const TITLE: &str = "  bad: { status: 418, title: 'No {param}', message: Bad., on: [param.missing] }\n";
    const MESSAGE: &str = "  bad: { status: 418, message: 'No {param}', on: [param.missing] }\n";
    const OPEN: &str =
        "  bad: { status: 418, message: { default: 'No {param}', open: true }, on: [param.missing] }\n";
    for (format, errors, body) in [
        ("{ $violation.field: [[$param, $type]] }", TITLE, r#"{"q":[["q",null]],"r":[["r",null]]}"#),
        ("[{ f: $violation.field, p: $param }]", TITLE, r#"[{"f":"q","p":"q"},{"f":"r","p":"r"}]"#),
        ("[{ f: $violation.field, t: $title }]", TITLE, r#"[{"f":"q","t":"No q"},{"f":"r","t":"No r"}]"#),
        (
            "[{ d: $detail, t: $title }]",
            TITLE,
            r#"[{"d":"q is required","t":"No q"},{"d":"r is required","t":"No r"}]"#,
        ),
        ("[{ d: $violation.field, m: $message }]", MESSAGE, r#"[{"d":"q","m":"No q"},{"d":"r","m":"No r"}]"#),
        ("[{ d: $violation.field, m: $message }]", OPEN, r#"[{"d":"q","m":"No q"},{"d":"r","m":"No r"}]"#),
    ] {
        let contract = load(&format!("{{ default: {{ c: $code, e: {format} }} }}"), errors);
        let violations = ["q", "r"].map(|param| missing(Location::Query, param)).into();
        let rendered = rendered(&contract, Condition::ParamMissing, violations);
        assert_eq!(rendered, format!(r#"{{"c":"bad","e":{body}}}"#), "{format}");
        let ParseResult::Exact(read) = contract.parse(&ResponseView::new(418, rendered.as_bytes())) else {
            panic!("{rendered}")
        };
        let names: Vec<_> =
            read.violations.iter().map(|read| read.field.as_deref().or(read.param.as_deref())).collect();
        assert_eq!(names, [Some("q"), Some("r")], "{rendered}");
        assert_eq!(read.problem.message, None);
    }
}

/// Grouped violations have no names without violations.
#[test]
fn rejects_names_without_violations() {
    for (format, body, is_known) in [
        ("{ $violation.field: [$violation.message] }", r#"{}"#, true),
        ("{ $violation.field: [$violation.message] }", r#"{"a":["a is required"]}"#, true),
        ("{ $violation.field: [$violation.message] }", r#"{"a":[]}"#, false),
        ("{ $violation.field: [$violation.message] }", r#"{"a":["a is required"],"b":[]}"#, false),
    ] {
        let contract = load(&format!("{{ default: {{ c: $code, e: {format} }} }}"), "");
        let body = format!(r#"{{"c":"rest","e":{body}}}"#);
        let is_read =
            matches!(contract.parse(&ResponseView::new(500, body.as_bytes())), ParseResult::Exact(_));
        assert_eq!(is_read, is_known, "{body}");
    }
    // An error that answers no violations has an empty group.
    let errors = "  one: { status: 418, message: Tea. }\n  two: { status: 418, format: other }\n";
    let contract = load("{ default: { m: $message }, other: { $violation.field: $violation.rule } }", errors);
    assert_eq!(read(&contract, r#"{"m":"Tea."}"#), ["one"]);
    assert_eq!(read(&contract, r#"{"m":null}"#), [""; 0]);
    assert_eq!(read(&contract, "{}"), ["two"]);
}

/// A list that is quoted in one text and not in another is the same list.
#[test]
fn quoted_and_unquoted_lists_do_not_contradict() {
    for (title, message, item) in [
        ("{item}", "No {item|quoted}.", "a, b"),
        ("{item|quoted}", "No {item}.", "a, b"),
        ("{item|quoted}", "No {item|quoted}.", "['a', 'b']"),
    ] {
        let errors =
            format!("  one: {{ status: 418, title: '{title}', message: '{message}', params: [item] }}\n");
        let contract = load("{ default: { t: $title, m: $message } }", &errors);
        let mut problem = Problem::new(contract.named("one").unwrap(), "req_1");
        problem.params.push(("item".into(), vec!["a".to_owned(), "b".to_owned()].into()));
        let mut body = Vec::new();
        contract.render(&problem, &mut body);
        let ParseResult::Exact(read) = contract.parse(&ResponseView::new(418, &body)) else {
            panic!("{}", String::from_utf8_lossy(&body))
        };
        assert_eq!(read.problem.param("item"), Some(&item.into()), "{title} {message}");
    }
}
