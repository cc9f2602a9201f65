//! The rules by which an answer is read, a row for each: absence, casts, which format, which violation, who looks alike.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what failed by failing")]

use std::borrow::Cow;

use demur_contract::{Answer, Condition, Contract, Location, Parsed, Problem, Violation};
use demur_source::Source;

fn load(formats: &str, errors: &str) -> Contract {
    let text = format!(
        "demur: 1\nname: shop\nformats: {formats}\nerrors:\n  \
         rest: {{ status: 500, message: Rest., on: [request, internal, param] }}\n{errors}"
    );
    Contract::load(&Source::new("shop.yaml", text)).unwrap_or_else(|found| panic!("{found}")).contract
}

/// The names of the errors that can have made the answer.
fn read(contract: &Contract, content: &str) -> Vec<String> {
    let errors = match contract.parse(&Answer::new(418, content.as_bytes())) {
        Parsed::Exact(read) => vec![read.problem.error],
        Parsed::Ambiguous { candidates } => candidates,
        Parsed::Unknown { .. } => Vec::new(),
    };
    errors.into_iter().map(|error| contract.entry(error).name.clone()).collect()
}

const TWO: &str =
    "  one: { status: 418, message: Tea. }\n  two: { status: 418, message: Tea., format: other }\n";

#[test]
fn formats_are_tried_in_turn_and_the_one_that_knows_every_member_wins() {
    for (formats, content, errors) in [
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
        assert_eq!(read(&load(formats, TWO), content), errors, "{formats} {content}");
    }
}

#[test]
fn absence_and_casts_are_read_as_they_are_written() {
    const NONE: &str = "  none: { status: 418, code: none, message: Tea. }\n";
    for (formats, content, is_known) in [
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
        assert_eq!(!read(&contract, content).is_empty(), is_known, "{formats} {content}");
        if is_known {
            let mut rendered = Vec::new();
            contract.render(&Problem::new(contract.named("none").unwrap(), "req_1"), &mut rendered);
            assert_eq!(String::from_utf8(rendered).unwrap(), content, "{formats}");
        }
    }
}

#[test]
fn the_first_that_is_shown_is_the_most_fundamental_one() {
    let errors = "  bad: { status: 418, message: Bad., show: first, on: [param.missing, param.invalid] }\n";
    let contract = load("{ default: { errors: [$violation.rule] } }", errors);
    let violation = |condition| Violation {
        condition,
        location: Location::Query,
        param: "q".into(),
        pointer: "/q".into(),
        value: None,
        limit: None,
        allowed: Vec::new(),
    };
    let violations = vec![violation(Condition::ParamMaximum), violation(Condition::ParamMissing)];
    let mut problem = Problem::new(contract.answer_violations(&violations).unwrap(), "req_1");
    problem.violations = Cow::Owned(violations);
    let mut content = Vec::new();
    contract.render(&problem, &mut content);
    assert_eq!(String::from_utf8(content).unwrap(), r#"{"errors":["required"]}"#);
}

#[test]
fn errors_look_alike_always_sometimes_or_never() {
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
        let twins = contract.twins().into_iter().find(|twins| twins.first == own);
        assert_eq!(twins.map(|twins| twins.always), always, "{one} | {two}");
    }
}

#[test]
fn a_list_of_one_can_be_a_list_of_violations() {
    let errors = "  one: { status: 418, message: Tea. }\n  \
                  two: { status: 418, message: Tea., format: listed, on: [param.missing] }\n";
    for (listed, always) in [("[$message]", Some(false)), ("[]", None)] {
        let formats = format!("{{ default: {{ e: {listed} }}, listed: {{ e: [$violation.message] }} }}");
        let contract = load(&formats, errors);
        let pair = (contract.named("one").unwrap(), contract.named("two").unwrap());
        let twins = contract.twins().into_iter().find(|twins| (twins.first, twins.second) == pair);
        assert_eq!(twins.map(|twins| twins.always), always, "{listed}");
    }
}

/// `|empty` writes no violation as one without a name; other slots, the text, or nothing then tell which it was.
#[test]
fn an_empty_name_is_the_content_as_a_whole_or_nothing() {
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
        let content = format!(r#"{{"c":"rest","e":{items}}}"#);
        let violations = match contract.parse(&Answer::new(500, content.as_bytes())) {
            Parsed::Exact(read) => Some(read.violations.len()),
            Parsed::Ambiguous { .. } | Parsed::Unknown { .. } => None,
        };
        assert_eq!(violations, read, "{formats} {content}");
    }
}

/// What an item says of its violation differs from item to item, and contradicts nothing.
#[test]
fn each_item_speaks_of_its_own_violation() {
    const TITLE: &str = "  bad: { status: 418, title: 'No {param}', message: Bad., on: [param.missing] }\n";
    const MESSAGE: &str = "  bad: { status: 418, message: 'No {param}', on: [param.missing] }\n";
    const OPEN: &str =
        "  bad: { status: 418, message: { default: 'No {param}', open: true }, on: [param.missing] }\n";
    for (format, errors, content) in [
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
        let violation = |param: &str| Violation {
            condition: Condition::ParamMissing,
            location: Location::Query,
            param: param.into(),
            pointer: format!("/{param}"),
            value: None,
            limit: None,
            allowed: Vec::new(),
        };
        let mut problem = Problem::new(contract.answer(Condition::ParamMissing), "req_1");
        problem.violations = Cow::Owned(vec![violation("q"), violation("r")]);
        let mut rendered = Vec::new();
        contract.render(&problem, &mut rendered);
        let rendered = String::from_utf8(rendered).unwrap();
        assert_eq!(rendered, format!(r#"{{"c":"bad","e":{content}}}"#), "{format}");
        let Parsed::Exact(read) = contract.parse(&Answer::new(418, rendered.as_bytes())) else {
            panic!("{rendered}")
        };
        let shown: Vec<_> =
            read.violations.iter().map(|read| read.field.as_deref().or(read.param.as_deref())).collect();
        assert_eq!(shown, [Some("q"), Some("r")], "{rendered}");
        assert_eq!(read.problem.message, None);
    }
}

/// A name is there for the violations under it, and none is there without a violation.
#[test]
fn names_without_violations_are_not_read() {
    for (format, content, is_known) in [
        ("{ $violation.field: [$violation.message] }", r#"{}"#, true),
        ("{ $violation.field: [$violation.message] }", r#"{"a":["a is required"]}"#, true),
        ("{ $violation.field: [$violation.message] }", r#"{"a":[]}"#, false),
        ("{ $violation.field: [$violation.message] }", r#"{"a":["a is required"],"b":[]}"#, false),
    ] {
        let contract = load(&format!("{{ default: {{ c: $code, e: {format} }} }}"), "");
        let content = format!(r#"{{"c":"rest","e":{content}}}"#);
        let is_read = matches!(contract.parse(&Answer::new(500, content.as_bytes())), Parsed::Exact(_));
        assert_eq!(is_read, is_known, "{content}");
    }
    // An error that answers no violations shows none by name.
    let errors = "  one: { status: 418, message: Tea. }\n  two: { status: 418, format: other }\n";
    let contract = load("{ default: { m: $message }, other: { $violation.field: $violation.rule } }", errors);
    assert_eq!(read(&contract, r#"{"m":"Tea."}"#), ["one"]);
    assert_eq!(read(&contract, r#"{"m":null}"#), [""; 0]);
    assert_eq!(read(&contract, "{}"), ["two"]);
}

/// A list that one text quotes and another does not is the same list.
#[test]
fn a_list_may_be_said_in_two_ways() {
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
        let mut content = Vec::new();
        contract.render(&problem, &mut content);
        let Parsed::Exact(read) = contract.parse(&Answer::new(418, &content)) else {
            panic!("{}", String::from_utf8_lossy(&content))
        };
        assert_eq!(read.problem.param("item"), Some(&item.into()), "{title} {message}");
    }
}
