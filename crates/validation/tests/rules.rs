//! Rules: diagnostics and evaluation.

#![allow(clippy::panic, clippy::unwrap_used, reason = "a failed test reports why")]

use demur_contract::Value;
use demur_source::{Diagnostics, Source, Span};
use demur_validation::{
    ApiDocument, Declarations, DocumentOptions, Expression, RuleFailure, RuleInputs, Variable,
};
use serde_json::json;

fn inputs() -> RuleInputs<'static> {
    RuleInputs::new("2026-11-20T10:00:00Z".parse().unwrap())
        .bind_lazy(
            Variable::Request,
            || json!({ "method": "POST", "path": "/x", "headers": { "x-trace": "abc" } }),
        )
        .bind_lazy(Variable::Params, || json!({ "limit": 5 }))
        .bind_lazy(Variable::Body, || {
            json!({
                "shelf": "s1", "start": "2026-01-01", "end": "2026-03-31", "bad": "2026-02-30",
                "tags": ["a", "b"], "ratio": 0.5, "count": 3, "big": u64::MAX, "none": null,
                "items": [{ "n": 1 }, { "n": 2 }],
                "huge": vec![vec![0; 5_000]; 4],
                "many": (0..10_001).collect::<Vec<i32>>(),
            })
        })
        .bind_lazy(
            Variable::Key,
            || json!({ "id": "k1", "scopes": ["read"], "resources": ["s1", "s2"], "operations": [] }),
        )
        .bind_lazy(Variable::Account, || json!({ "id": "a1", "name": "Ann" }))
        .bind_lazy(Variable::Plan, || json!({ "name": "free", "features": ["similar"] }))
}

fn compile(text: &str, is_condition: bool) -> Result<Expression, String> {
    let source = Source::new("t.yaml", format!("rule: \"{text}\"\n"));
    let span = Span::new(6, 6 + text.len() + 2);
    let mut diagnostics = Diagnostics::new();
    let compiled = if is_condition {
        Expression::compile_condition(text, &Declarations::none(), &source, span, &mut diagnostics)
    } else {
        Expression::compile(text, &Declarations::none(), &source, span, &mut diagnostics)
    };
    assert_eq!(compiled.is_none(), diagnostics.has_errors(), "{text}: {diagnostics}");
    compiled.ok_or_else(|| diagnostics.to_string())
}

#[track_caller]
fn check(text: &str, expected: bool) {
    let rule = compile(text, true).unwrap_or_else(|diagnostics| panic!("{diagnostics}"));
    assert_eq!(rule.evaluate(&inputs()), Ok(expected), "{text}");
}

#[track_caller]
fn check_fails(text: &str, expected: &str) {
    let rule = compile(text, true).unwrap_or_else(|diagnostics| panic!("{diagnostics}"));
    let failure = rule.evaluate(&inputs()).unwrap_err().to_string();
    assert!(failure.contains(expected), "{text}: {failure}");
}

#[track_caller]
fn check_rejected(text: &str, expected: &str) {
    match compile(text, true) {
        Ok(_) => panic!("{text} was taken"),
        Err(diagnostics) => assert_eq!(diagnostics, format!("t.yaml:1:{expected}"), "{text}"),
    }
}

#[test]
fn reports_mistakes_at_their_positions() {
    // The text starts at column 8, after `rule: "`.
    for (text, expected) in [
        ("", "7: error[rule]: a rule must not be empty"),
        ("body.a ==", "17: error[rule]: syntax error: the rule ends too early"),
        ("bdy.a == 1", "8: error[rule]: unknown variable `bdy` (help: did you mean `body`?)"),
        (
            "true || xyzzy",
            "16: error[rule]: unknown variable `xyzzy` (help: available variables: request, params, body, key, account, plan, now)",
        ),
        ("key.scope == []", "12: error[rule]: `key` has no member `scope` (help: did you mean `scopes`?)"),
        (
            "now.year == 1",
            "12: error[rule]: `now` has no member `year` (help: `now` is a timestamp: write a function, such as `now.getFullYear()`)",
        ),
        (
            "plan.tariff == 'x'",
            "13: error[rule]: `plan` has no member `tariff` (help: available members: name, features)",
        ),
        ("1 == siez(body.a)", "13: error[rule]: unknown function `siez` (help: did you mean `size`?)"),
        ("date() < now", "8: error[rule]: `date` cannot be called with 0 arguments (help: write `date(…)`)"),
        (
            "size(1, 2) == 3",
            "8: error[rule]: `size` cannot be called with 2 arguments (help: write `size(…)` or `value.size()`)",
        ),
        (
            "all(body.tags)",
            "8: error[rule]: `all` must be called on a list or an object (help: write `list.all(x, …)`, such as `body.tags.all(tag, tag != '')`)",
        ),
        (
            "body.a.matches(body.b)",
            "15: error[rule]: the pattern of `matches` must be a string literal (help: write a literal, such as `matches('^a+$')`)",
        ),
        ("body.a.matches('(')", "23: error[rule]: invalid pattern: unclosed group"),
        (
            "body.a.matches('(?=a)')",
            "23: error[rule]: invalid pattern: look-around, including look-ahead and look-behind, is not supported",
        ),
        ("body.a.matches('x{9999}{9999}')", "23: error[rule]: invalid pattern: too large when compiled"),
        (
            "body.a.all(x, x.exists(y, y == 1))",
            "30: error[rule]: `all`, `exists`, `map` and `filter` cannot be nested (help: use `in`, or split the rule into two rules)",
        ),
        ("Thing{a: 1} == 1", "13: error[rule]: message literals such as `Thing{…}` are not supported"),
        (
            "1 + 2",
            "10: error[rule]: a rule must be a boolean, not an integer (help: write a comparison, such as `body.count > 0`)",
        ),
        (
            "'yes'",
            "8: error[rule]: a rule must be a boolean, not a string (help: write a comparison, such as `body.count > 0`)",
        ),
        (
            "date(body.end)",
            "12: error[rule]: a rule must be a boolean, not a timestamp (help: write a comparison, such as `body.count > 0`)",
        ),
        ("sizes(1) == 1", "8: error[rule]: unknown function `sizes` (help: did you mean `size`?)"),
    ] {
        check_rejected(text, expected);
    }
}

#[test]
fn reports_all_mistakes_of_a_rule_at_once() {
    let diagnostics = compile("bdy.a == 1 && kez.id == foo(2)", true).unwrap_err();
    assert_eq!(diagnostics.lines().count(), 3, "{diagnostics}");
    assert!(
        compile("type(body) == type(1)", true)
            .unwrap_err()
            .contains("available functions: date, timestamp, ")
    );
}

#[test]
fn reports_mistakes_in_escaped_text_at_the_whole_rule() {
    let source = Source::new("t.yaml", "rule: \"bdy == \\\"a\\\"\"\n");
    let mut diagnostics = Diagnostics::new();
    assert!(
        Expression::compile(
            "bdy == \"a\"",
            &Declarations::none(),
            &source,
            Span::new(6, 20),
            &mut diagnostics
        )
        .is_none()
    );
    assert!(diagnostics.to_string().starts_with("t.yaml:1:7: "), "{diagnostics}");
}

#[test]
fn rejects_deep_or_long_rules() {
    for text in [
        format!("{}true{}", "(".repeat(500), ")".repeat(500)),
        format!("0 {} == 0", "+ 1".repeat(500)),
        format!("body{} == 1", ".a".repeat(500)),
        "true || ".repeat(1_000) + "true",
    ] {
        assert!(compile(&text, true).is_err(), "{}", &text[..20]);
    }
}

#[test]
fn evaluates_conditions() {
    for (text, expected) in [
        ("body.shelf in key.resources", true),
        ("'s9' in key.resources", false),
        ("'similar' in plan.features && plan.name == 'free'", true),
        ("date(body.end) - date(body.start) <= duration('2160h')", true),
        ("date(body.end) - date(body.start) <= duration('2112h')", false),
        ("date(body.start) < now", true),
        ("now - duration('24h') < now", true),
        ("date(body.end).getMonth() == 2", true),
        ("has(body.shelf)", true),
        ("has(body.missing)", false),
        ("!has(body.missing) || body.missing == 1", true),
        ("has(params.limit) && params.limit <= 5", true),
        ("body.none == null", true),
        ("body.ratio < 1 && body.count + 1 == 4", true),
        ("body.big > 5", true),
        ("size(body.tags) == 2 && body.tags.size() == 2", true),
        ("body.tags.all(tag, tag in ['a', 'b', 'c'])", true),
        ("body.items.exists(item, item.n == 2)", true),
        ("body.items.map(item, item.n) == [1, 2]", true),
        ("body.tags.filter(t, t != 'a').map(t, t + '!') == ['b!']", true),
        ("body.tags.exists_one(t, t == 'a')", true),
        ("body.shelf.matches('^s[0-9]$') && !matches(body.shelf, '^x')", true),
        ("body.tags.all(t, t.matches('^[ab]$'))", true),
        ("body.shelf.startsWith('s') && body.shelf.endsWith('1') && body.shelf.contains('s')", true),
        ("request.method == 'POST' && request.headers['x-trace'] == 'abc'", true),
        ("account.name == 'Ann' ? true : false", true),
        ("int('5') == 5 && string(5) == '5' && double('0.5') == 0.5 && uint(5) == 5u", true),
        ("timestamp('2026-11-20T10:00:00Z') == now", true),
        ("body.tags.exists(body, body == 'a')", true),
        ("body.none == null || body.bad == 'x'", true),
    ] {
        check(text, expected);
    }
}

#[test]
fn reports_why_evaluation_failed() {
    for (text, expected) in [
        ("date(body.bad) < now", "YYYY-MM-DD"),
        ("date(body.count) < now", "date"),
        ("body.missing == 1", "missing"),
        ("body.count / 0 == 1", "zero"),
        ("body.shelf > 5", "no matching overload"),
        ("body.shelf", "must evaluate to a boolean, not string"),
        ("body.many.all(n, n >= 0)", "loop over 10001 elements"),
        ("size(body.huge) == 4", "too large to be evaluated"),
    ] {
        check_fails(text, expected);
    }
}

#[test]
fn evaluates_parameters_of_errors() {
    for (text, expected) in [
        ("body.shelf", Value::Text("s1".into())),
        ("body.count", Value::Int(3)),
        ("body.ratio", Value::Text("0.5".into())),
        ("body.count == 3", Value::Text("true".into())),
        ("body.tags", Value::List(vec!["a".into(), "b".into()])),
        ("key.resources.filter(r, r != body.shelf)", Value::List(vec!["s2".into()])),
        ("date(body.end)", Value::Text("2026-03-31T00:00:00+00:00".into())),
        ("duration('90m')", Value::Text("5400s".into())),
    ] {
        let expression = compile(text, false).unwrap();
        assert_eq!(expression.evaluate_value(&inputs()), Ok(expected), "{text}");
    }
    for text in ["body.none", "body.items", "account"] {
        let failure = compile(text, false).unwrap().evaluate_value(&inputs());
        assert!(matches!(failure, Err(RuleFailure::NotDisplayable { .. })), "{text}");
    }
}

#[test]
fn builds_only_the_variables_that_a_rule_uses() {
    let rule = compile("body.a == 1 || now > now", true).unwrap();
    for variable in Variable::ALL {
        let is_used = matches!(variable, Variable::Body | Variable::Now);
        assert_eq!(rule.uses().contains(variable), is_used, "{variable:?}");
    }
    let body = json!({ "a": 1 });
    let inputs = RuleInputs::new(jiff::Timestamp::UNIX_EPOCH)
        .bind(Variable::Body, &body)
        .bind_lazy(Variable::Key, || panic!("the rule does not speak of the key"));
    assert_eq!(rule.evaluate(&inputs), Ok(true));
}

#[test]
fn builds_each_variable_once_per_request() {
    let made = std::sync::atomic::AtomicUsize::new(0);
    let inputs = RuleInputs::new(jiff::Timestamp::UNIX_EPOCH).bind_lazy(Variable::Body, || {
        made.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        json!([1, 2, 3])
    });
    for text in ["body.all(x, x in body)", "body == body", "size(body) == 3"] {
        assert_eq!(compile(text, true).unwrap().evaluate(&inputs), Ok(true), "{text}");
    }
    assert_eq!(made.load(std::sync::atomic::Ordering::Relaxed), 1);
}

#[test]
fn expression_is_send_and_sync() {
    fn is_shared<T: Send + Sync + 'static>(_: &T) {}
    is_shared(&compile("body.a.matches('x')", true).unwrap());
}

#[test]
fn matches_patterns_in_linear_time() {
    let body = json!("a".repeat(1_000_000) + "!");
    let inputs = RuleInputs::new(jiff::Timestamp::UNIX_EPOCH).bind(Variable::Body, &body);
    let rule = compile("body.matches('^(a+)+$')", true).unwrap();
    assert_eq!(rule.evaluate(&inputs), Ok(false));
}

/// A rule that reads an optional member without `has` fails for each request without it.
#[test]
fn finds_optional_members_that_are_read_without_has() {
    let text = "openapi: 3.1.0
paths:
  /x/{id}:
    post:
      operationId: x
      parameters:
        - { name: id, in: path, required: true, schema: { type: string } }
        - { name: n, in: query, schema: { type: integer } }
        - { name: m, in: query, required: true, schema: { type: integer } }
      requestBody:
        required: true
        content:
          application/json:
            schema:
              type: object
              required: [a, range]
              allOf: [{ required: [c] }]
              properties: { a: { type: integer }, b: { type: integer }, c: { type: integer }, range: { type: object, required: [start], properties: { start: { type: integer }, end: { type: integer } } }, list: { type: array } }
  /y: { post: { operationId: y, requestBody: { content: { application/json: { schema: { type: object, required: [a], properties: { a: { type: integer } } } } } } } }
";
    let source = Source::new("openapi.yaml", text);
    let document = ApiDocument::load(&source, &DocumentOptions::default(), &mut Diagnostics::new()).unwrap();
    for (operation, rule, expected) in [
        ("x", "params.n < 5", "params.n"),
        ("x", "params['n'] < 5", "params.n"),
        ("x", "!has(params.n) || params.n < 5", ""),
        ("x", "params.m < 5 && params.id != ''", ""),
        ("x", "body.a < 5 && body.c < 5", ""),
        ("x", "body.b < body.a", "body.b"),
        ("x", "has(body.b) && body.b < 5", ""),
        ("x", "body.range.start < body.range.end", "body.range.end"),
        ("x", "!has(body.range.end) || body.range.start < body.range.end", ""),
        ("x", "body.list.all(x, x > body.b)", "body.b body.list"),
        ("x", "size(body.list) < 3 || params.n > 1", "body.list params.n"),
        // The body may be absent.
        ("y", "body.a < 5", "body.a"),
        ("y", "!has(body.a) || body.a < 5", ""),
    ] {
        let declarations = Declarations::of([document.operation(operation).unwrap()]);
        let mut diagnostics = Diagnostics::new();
        let span = demur_source::Span::new(0, rule.len());
        let source = Source::new("rule", rule);
        let compiled = Expression::compile_condition(rule, &declarations, &source, span, &mut diagnostics);
        let compiled = compiled.unwrap_or_else(|| panic!("{rule}: {diagnostics}"));
        assert_eq!(compiled.unguarded().join(" "), expected, "{rule}");
    }
}
