//! Content negotiation: problem documents (RFC 9457) and languages.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what failed by failing")]

use std::borrow::Cow;

use demur_contract::{
    Condition, Contract, Location, ParseResult, Problem, ResponseView, Value, Violation, builtin,
};
use demur_source::Source;
use serde_json::{Value as Json, json};

fn load(text: &str) -> Contract {
    Contract::load(&Source::new("shop.yaml", text))
        .unwrap_or_else(|diagnostics| panic!("{diagnostics}"))
        .contract
}

const SHOP: &str = "\
demur: 1
name: shop
doc_url: https://shop.example/errors/{name}
formats: { default: { oops: $message } }
errors:
  bad_request: { status: 400, code: BAD, title: Bad, message: The request is bad., on: [request, param] }
  internal_error: { status: 500, code: none, message: Ours., on: [internal] }
locales: { it: { errors: { bad_request: { title: Errore, message: La richiesta è errata. }, internal_error: Nostro. } } }
";

fn as_json(contract: &Contract, problem: &Problem<'_>) -> Json {
    let mut body = Vec::new();
    contract.render(problem, &mut body);
    serde_json::from_slice(&body).unwrap()
}

fn violation() -> Violation {
    Violation {
        condition: Condition::ParamMaximum,
        location: Location::Body,
        param: "items".into(),
        pointer: "/items/0/n".into(),
        value: Some("8".into()),
        limit: Some(Value::Int(7)),
        allowed: Vec::new(),
    }
}

#[test]
fn renders_problem_documents() {
    let contract = load(SHOP);
    let variant = contract.as_problem().unwrap();
    assert_eq!(variant.content_type(), "application/problem+json");
    let mut problem = Problem::new(contract.answer(Condition::ParamMaximum), "req_1");
    problem.violations = Cow::Owned(vec![violation()]);
    let expected = json!({
        "type": "https://shop.example/errors/bad_request",
        "title": "Bad",
        "status": 400,
        "detail": "The request is bad.",
        "instance": "req_1",
        "code": "BAD",
        "errors": [{
            "pointer": "/items/0/n", "location": "body", "rule": "maximum", "detail": "items[0].n must be at most 7"
        }],
    });
    assert_eq!(as_json(variant, &problem), expected);
    // A translation changes only the texts.
    let italian = contract.in_locale("it").unwrap().as_problem().unwrap();
    let rendered = as_json(italian, &problem);
    assert_eq!(
        (&rendered["title"], &rendered["detail"]),
        (&json!("Errore"), &json!("La richiesta è errata."))
    );
    assert_eq!((&rendered["code"], &rendered["type"]), (&expected["code"], &expected["type"]));
    // An error without a code has none in a problem document either.
    let rendered = as_json(variant, &Problem::new(contract.answer(Condition::Internal), "req_1"));
    assert_eq!(rendered.get("code"), None);
}

#[test]
fn problem_documents_require_a_preference_in_accept() {
    let contract = load(SHOP);
    for (accept, is_problem) in [
        ("", false),
        ("*/*", false),
        ("application/json", false),
        ("application/problem+json", true),
        ("APPLICATION/PROBLEM+JSON", true),
        ("application/problem+json, application/json", false),
        ("application/json, application/problem+json;q=0.9", false),
        ("application/problem+json, application/json;q=0.9", true),
        ("application/problem+json, */*;q=0.8", true),
        ("application/problem+json, */*", false),
        ("application/problem+json;q=0, */*;q=0.1", false),
        ("application/problem+json;q=0", false),
        ("application/*", false),
        ("text/html, application/problem+json;q=0.1", true),
        ("application/problem+jsonx", false),
    ] {
        let chosen = contract.for_accept(accept);
        assert_eq!(chosen.content_type() == "application/problem+json", is_problem, "{accept}");
    }
    let off = load(&SHOP.replace("name: shop", "name: shop\nproblem_json: off"));
    assert!(off.as_problem().is_none());
    assert_eq!(off.for_accept("application/problem+json").content_type(), "application/json");
}

/// Every error of every built-in contract, with and without violations.
#[test]
fn every_built_in_contract_renders_problem_documents() {
    for name in builtin::names() {
        let contract = Contract::load(&builtin::source(name).unwrap()).unwrap().contract;
        let Some(variant) = contract.as_problem() else {
            assert_eq!(contract.content_type(), "application/problem+json", "{name}");
            continue;
        };
        let problems = contract.entries().map(|(id, _)| Problem::new(id, "req_0123456789abcdef"));
        let invalid = Condition::all().filter(|condition| condition.is_violation()).map(|condition| {
            let mut problem = Problem::new(contract.answer(condition), "req_0123456789abcdef");
            problem.violations = Cow::Owned(vec![Violation { condition, ..violation() }]);
            problem
        });
        for problem in problems.chain(invalid) {
            let entry = contract.entry(problem.error);
            let rendered = as_json(variant, &problem);
            assert_eq!(rendered["status"], json!(entry.status.as_u16()), "{name}: {rendered}");
            assert_eq!(rendered.get("code"), entry.code.as_ref().map(|code| json!(code)).as_ref());
            assert_eq!(rendered["instance"], "req_0123456789abcdef");
            let page = entry.doc_url.as_deref().unwrap_or("about:blank");
            assert_eq!(rendered["type"], page, "{name}: {rendered}");
            assert_eq!(
                rendered.get("errors").is_some(),
                !problem.violations.is_empty(),
                "{name}: {rendered}"
            );
            match variant.parse(&ResponseView::new(entry.status.as_u16(), rendered.to_string().as_bytes())) {
                ParseResult::Exact(read) => {
                    assert_eq!(read.problem.error, problem.error, "{name}: {rendered}");
                }
                ParseResult::Ambiguous { candidates } => {
                    assert!(candidates.contains(&problem.error), "{name}: {rendered}");
                }
                ParseResult::Unknown { .. } => panic!("{name}: {rendered}"),
            }
        }
    }
}

#[test]
fn default_title_is_that_of_the_claims() {
    for (status, on, title) in [
        (400, "[param]", "Parameters are missing or invalid"),
        (400, "[param.missing]", "A required parameter is missing"),
        (400, "[param.invalid.length]", "A parameter has the wrong length"),
        (429, "[rate]", "Rate limit exceeded"),
        (429, "[quota, rate]", "Too Many Requests"),
        (409, "[resource.exists, resource.conflict]", "Conflict"),
        (409, "[sold_out]", "The request failed"),
        (499, "[quota, rate]", "The request failed"),
    ] {
        let contract = load(&format!(
            "demur: 1\nname: shop\nformats: {{ default: {{ message: $message }} }}\nerrors:\n  \
             bad: {{ status: 400, message: Bad., on: [request, internal] }}\n  \
             tried: {{ status: {status}, message: Tried., on: {on} }}\n"
        ));
        let problem = Problem::new(contract.named("tried").unwrap(), "req_1");
        assert_eq!(as_json(contract.as_problem().unwrap(), &problem)["title"], title, "{on}");
    }
}

/// Each language and media type of every built-in contract is parsed by the contract itself, by the headers of the response.
#[test]
fn headers_select_the_variant_for_parsing() {
    let (mut languages, mut documents) = (0, 0);
    for name in builtin::names() {
        let contract = Contract::load(&builtin::source(name).unwrap()).unwrap().contract;
        for locale in contract.locales() {
            let translated = contract.in_locale(locale).unwrap();
            languages += usize::from(locale != contract.locale());
            documents += usize::from(translated.as_problem().is_some());
            for variant in std::iter::once(translated).chain(translated.as_problem()) {
                let content_type = format!("{}; charset=utf-8", variant.content_type());
                for (error, entry) in contract.entries() {
                    let mut problem = Problem::new(error, "req_0123456789abcdef");
                    let rule =
                        Condition::all().find(|rule| rule.is_violation() && contract.answer(*rule) == error);
                    problem.violations =
                        rule.into_iter().map(|condition| Violation { condition, ..violation() }).collect();
                    let mut body = Vec::new();
                    variant.render(&problem, &mut body);
                    let headers = |name: &str| match name {
                        "content-type" => Some(content_type.as_str()),
                        "content-language" if contract.has_translations() => Some(locale),
                        _ => None,
                    };
                    let response =
                        ResponseView { status: entry.status.as_u16(), headers: &headers, body: &body };
                    // The contract and its variant parse it the same way.
                    assert_eq!(
                        contract.parse(&response),
                        variant.parse(&response),
                        "{name} {locale} {}",
                        entry.name
                    );
                    let is_known = !matches!(contract.parse(&response), ParseResult::Unknown { .. });
                    assert!(is_known, "{name} {locale} {}", entry.name);
                }
            }
        }
    }
    assert!(languages >= 1 && documents >= 5, "{languages} {documents}");
}

#[test]
fn wrong_headers_do_not_prevent_parsing() {
    let contract = load(SHOP);
    let (english, italian) =
        (r#"{"oops":"The request is bad."}"#, r#"{"oops":"La richiesta \u00e8 errata."}"#);
    for (language, content_type, body, is_known) in [
        (None, None, english, true),
        (Some("en"), Some("application/json"), english, true),
        (Some("IT"), Some("application/json"), italian, true),
        (Some("de, it"), None, italian, true),
        (Some("it"), None, english, true),
        (Some("it"), Some("application/problem+json"), english, true),
        (Some(""), Some(""), english, true),
        (None, None, italian, false),
        (Some("en"), None, italian, false),
    ] {
        let headers = |name: &str| match name {
            "content-language" => language,
            "content-type" => content_type,
            _ => None,
        };
        let response = ResponseView { status: 400, headers: &headers, body: body.as_bytes() };
        let is_exact = matches!(contract.parse(&response), ParseResult::Exact(_));
        assert_eq!(is_exact, is_known, "{language:?} {content_type:?} {body}");
    }
}
