//! Types of rules: a rule that no valid request can satisfy is rejected at its position.
//!
//! `golden/rule_types.txt` has each rule, followed by its diagnostics. `DEMUR_UPDATE_GOLDENS=1` rewrites it.

#![allow(clippy::panic, clippy::unwrap_used, reason = "a failed test reports why")]

use demur_source::{Diagnostics, Source, Span};
use demur_validation::{ApiDocument, Declarations, DocumentOptions, Expression, RuleInputs, Variable};
use serde_json::json;

/// The document whose operations the rules are about.
const DOCUMENT: &str = include_str!("golden/rule_types.yaml");

fn document() -> ApiDocument {
    let mut diagnostics = Diagnostics::new();
    let document =
        ApiDocument::load(&Source::new("api.yaml", DOCUMENT), &DocumentOptions::default(), &mut diagnostics);
    document.unwrap_or_else(|| panic!("{diagnostics}"))
}

/// The diagnostics of a rule for these operations, and whether it compiled.
fn compile(document: &ApiDocument, on: &[&str], text: &str) -> (String, bool) {
    let source = Source::new("rule", text);
    let mut diagnostics = Diagnostics::new();
    let declarations = Declarations::of(on.iter().map(|id| document.operation(id).unwrap()));
    let span = Span::new(0, text.len());
    let rule = Expression::compile_condition(text, &declarations, &source, span, &mut diagnostics);
    (diagnostics.to_string(), rule.is_some())
}

#[test]
fn rejects_rules_that_no_request_can_satisfy() {
    let golden = include_str!("golden/rule_types.txt");
    let document = document();
    let mut rendered = String::new();
    for line in golden.lines().filter(|line| !line.starts_with(' ')) {
        rendered += &format!("{line}\n");
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (diagnostics, _) = compile(&document, &["make"], line);
        let lines = diagnostics.lines().map(|line| line.trim_start_matches("rule:1:"));
        lines.for_each(|line| rendered += &format!("    {line}\n"));
    }
    if std::env::var_os("DEMUR_UPDATE_GOLDENS").is_some() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/rule_types.txt");
        return std::fs::write(path, rendered).unwrap();
    }
    assert!(rendered == golden, "golden/rule_types.txt would now be:\n{rendered}");
}

#[test]
fn accepts_rules_about_undeclared_types() {
    let document = document();
    for rule in [
        "params.n > 5 && params.n + 1 < 7",
        "params.any > 5 && params.any > 'a' && params.any.x.y",
        "params.empty == '' || params.empty > 5",
        "params.day == '2026-01-01' && date(params.day) < now",
        "params.ratio > 1 && params.ratio < 1.5 && double(params.ratio) * 2.0 < 3.0",
        "'a' in params.tags && params.tags.all(t, t != 'b') && size(params.tags) < 3",
        "params['n'] == 5",
        "body.flag || !body.flag && body.name.startsWith('a')",
        "body.maybe == null || body.maybe == 'x'",
        "body.either == 'x' || body.either == 5",
        "body.lines.exists(line, line.count > 3 && line.kind == 'book')",
        "body.lines.filter(line, line.price > 2).size() < 3",
        "body.lines[0].count == 1",
        "body.deep.below.below.below.below.below.below.value > 3",
        "body.open.a.b == 1 && body.open",
        "body == null || body.open",
        "key == null || key.metadata.team == 'a'",
        "request.headers['x-trace'].size() > 3 && request.method in ['GET', 'POST']",
        "(params.n > 3 ? params.day : body.name) == 'x'",
        "params.tags.map(t, size(t)).exists(n, n > 5)",
        "now - timestamp('2026-01-01T00:00:00Z') > duration('1h') && now.getHours('Europe/Rome') > 3",
        "{'a': 1}.a == 1 && 'a' in {'a': 1}",
    ] {
        assert_eq!(compile(&document, &["make"], rule), (String::new(), true), "{rule}");
    }
}

#[test]
fn combines_types_of_all_operations_of_a_rule() {
    let document = document();
    for (on, rule, is_taken) in [
        (&["make"][..], "params.n == 'a'", false),
        (&["show"], "params.n == 'a'", true),
        (&["make", "show"], "params.n == 'a'", true),
        (&["make", "show"], "params.n == true", false),
        (&["other"], "params.n == 1", false),
        (&["other", "show"], "params.n == 'a'", true),
        (&["show"], "body.name == 'a'", false),
        (&["show", "make"], "body.name == 'a'", true),
        (&[], "params.n == true && body.x > 5", true),
    ] {
        assert_eq!(compile(&document, on, rule).1, is_taken, "{rule} on {on:?}");
    }
}

#[test]
fn rejects_body_in_rules_of_operations_without_a_body() {
    let (diagnostics, _) = compile(&document(), &["show"], "body.name == 'a'");
    assert_eq!(
        diagnostics.trim_end(),
        "rule:1:6: error[rule]: no operation of this rule has a body, so `body.name` does not exist"
    );
}

#[test]
fn treats_whole_numbers_as_integers() {
    let document = document();
    let text = "body.count + 1 == 3 && body.count % 2 == 0";
    let declarations = Declarations::of(document.operation("make"));
    let rule = Expression::compile(
        text,
        &declarations,
        &Source::new("rule", text),
        Span::new(0, text.len()),
        &mut Diagnostics::new(),
    );
    for count in ["2", "2.0", "2e0", "20E-1"] {
        let body = serde_json::from_str(&format!("{{\"count\":{count}}}")).unwrap();
        let inputs = RuleInputs::new(jiff::Timestamp::UNIX_EPOCH).bind(Variable::Body, &body);
        assert_eq!(rule.as_ref().unwrap().evaluate(&inputs), Ok(true), "{count}");
    }
    let body = json!({ "count": 2.5 });
    let inputs = RuleInputs::new(jiff::Timestamp::UNIX_EPOCH).bind(Variable::Body, &body);
    assert!(rule.unwrap().evaluate(&inputs).is_err());
}
