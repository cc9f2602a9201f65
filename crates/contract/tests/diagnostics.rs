//! Every error in a contract file is reported with its position and with help on how to fix it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what failed by failing")]

use demur_contract::{Condition, Contract};
use demur_source::{Diagnostics, Source};

/// A valid contract. Each test row replaces one line with an invalid one.
const VALID: &str = "\
demur: 1
name: shop
code_style: snake_case
doc_url: https://shop.example/errors/{name}
request_id: { header: X-Request-Id, prefix: req_ }
headers: [ietf]
types: { api_error: Ours }
statuses: { 400: Bad, 409: Conflict, 500: Oops }
formats: { default: { code: $code, message: $message } }
violations: { field: pascal, messages: { maximum: at most {limit} } }
errors:
  bad_request: { status: 400, message: Bad., on: [request] }
  sold_out: { status: 409, message: '{item} is gone', params: [item] }
  internal_error: { status: 500, type: api_error, message: Oops., on: [internal] }
";

fn load(text: &str) -> Result<Diagnostics, Diagnostics> {
    Contract::load(&Source::new("shop.yaml", text)).map(|loaded| loaded.warnings)
}

/// Replaces the line that starts with `key`.
fn with_line(key: &str, line: &str) -> (String, usize) {
    let number = VALID.lines().position(|known| known.trim_start().starts_with(key)).unwrap();
    let lines = VALID.lines().enumerate().map(|(at, known)| if at == number { line } else { known });
    (lines.collect::<Vec<_>>().join("\n"), number + 1)
}

#[test]
fn base_contract_loads_without_warnings() {
    let valid = VALID.replace("at most {limit}", "'at most {limit}'");
    let warnings = load(&valid).unwrap();
    assert!(warnings.is_empty(), "{warnings}");
}

#[test]
fn reports_each_error_at_its_line() {
    let valid = VALID.replace("at most {limit}", "'at most {limit}'");
    for (key, line, check, says) in [
        ("demur", "demur: 2", "version", "write `demur: 1`"),
        ("name", "nmae: shop", "unknown-key", "did you mean `name`?"),
        ("code_style", "code_style: snake", "unknown-word", "snake_case"),
        ("doc_url", "doc_url: '{'", "template", "unmatched `{`"),
        ("request_id", "request_id: { header: 'a b' }", "header-name", "not a valid header name"),
        ("headers", "headers: [x-ratelimits]", "unknown-word", "did you mean `x-ratelimit`?"),
        ("statuses", "statuses: { 700: Bad }", "status", "between 100 and 599"),
        ("formats", "formats: { default: { code: $cod } }", "unknown-slot", "did you mean `$code`?"),
        ("formats", "formats: { default: { code: $code|loud } }", "unknown-cast", "`string`"),
        ("formats", "formats: { other: { code: $code } }", "missing-format", "formats: { other"),
        ("violations", "violations: { field: pascall }", "unknown-word", "did you mean `pascal`?"),
        ("violations", "violations: { messages: { maximun: x } }", "unknown-rule", "`maximum`"),
        ("bad_request", "  bad_request: { status: 200, on: [request] }", "status", "between 400 and 599"),
        ("bad_request", "  bad_request: { on: [request] }", "missing-key", "add `status: …`"),
        ("bad_request", "  bad-request: { status: 400, on: [request] }", "code-style", "write `bad_request`"),
        (
            "bad_request",
            "  bad_request: { status: 400, on: [request, reqest.timeout] }",
            "unknown-condition",
            "request.timeout",
        ),
        (
            "bad_request",
            "  bad_request: { status: 400, on: [request, internal] }",
            "claimed-twice",
            "remove one",
        ),
        ("bad_request", "  bad_request: { status: 400, on: [param] }", "unclaimed", "`request.*`"),
        (
            "bad_request",
            "  bad_request: { status: 400, format: defalt, on: [request] }",
            "unknown-format",
            "`default`",
        ),
        (
            "bad_request",
            "  bad_request: { status: 400, retry: never_ever, on: [request] }",
            "unknown-word",
            "never",
        ),
        (
            "sold_out",
            "  sold_out: { status: 409, message: '{itm}', params: [item] }",
            "unknown-parameter",
            "`{item}`",
        ),
        (
            "sold_out",
            "  sold_out: { status: 409, message: '{item} { x', params: [item] }",
            "template",
            "unmatched `{`",
        ),
        ("sold_out", "  sold_out: { status: 409, type: api_eror }", "unknown-type", "`api_error`"),
        ("sold_out", "  sold_out: 409", "wrong-kind", "must be a mapping"),
    ] {
        let (text, number) = with_line(key, line);
        let text = text.replace("at most {limit}", "'at most {limit}'");
        let diagnostics = load(&text).unwrap_err();
        let hit = diagnostics.iter().find(|diagnostic| diagnostic.check == check);
        let hit = hit.unwrap_or_else(|| panic!("{line}: no `{check}` in\n{diagnostics}"));
        let text = format!("{hit} {line}");
        assert!(text.contains(says), "{line}: {text}");
        // Something missing is reported at the top, a duplicate claim at the second one, everything else at its line.
        if !matches!(check, "unclaimed" | "missing-format" | "claimed-twice") {
            assert_eq!(hit.line_column().0, number, "{line}: {text}");
        }
    }
    assert!(load(&valid).is_ok());
}

#[test]
fn accepts_valid_variations() {
    let valid = VALID.replace("at most {limit}", "'at most {limit}'");
    for (key, line) in [
        ("sold_out", "  sold_out: { status: 409, message: Gone., on: [sold_out] }"),
        ("sold_out", "  sold_out: { status: 409, message: Gone., on: [sold_out, ran_out] }"),
        (
            "sold_out",
            "  sold_out: { status: 409, message: Gone., code: ~, retry: { attempts: 0, default_delay: 0s, class: backoff } }",
        ),
        ("doc_url", "doc_url: /errors/{name}"),
        ("request_id", "request_id: { header: traceparent, prefix: '' }"),
        (
            "formats",
            "formats: { default: { code: $code, message: $message, needed?: $params.needed, param?: $params.limit } }",
        ),
    ] {
        let (text, _) = with_line(key, line);
        let text = text.replace("at most {limit}", "'at most {limit}'");
        let warnings = load(&text).unwrap_or_else(|diagnostics| panic!("{line}: {diagnostics}"));
        assert!(warnings.is_empty(), "{line}: {warnings}");
    }
    assert!(load(&valid).is_ok());
}

#[test]
fn unquoted_scalars_keep_their_spelling() {
    const WRITTEN: &str = "\
demur: 1
name: shop
formats: { default: { code: $code, message: $message } }
errors:
  1.10: { status: 409, code: 0012, message: 1e3, since: 1.10, on: [request, internal] }
";
    let contract = Contract::load(&Source::new("shop.yaml", WRITTEN)).unwrap().contract;
    let (_, entry) = contract.entries().next().unwrap();
    let message = entry.message.as_literal();
    assert_eq!((entry.name.as_str(), entry.code.as_deref(), message), ("1.10", Some("0012"), Some("1e3")));
    assert_eq!(entry.docs.since.as_deref(), Some("1.10"));
}

#[test]
fn closed_statuses_require_a_claim_for_every_condition() {
    let closed = VALID
        .replace("at most {limit}", "'at most {limit}'")
        .replace("statuses: {", "statuses: { closed: true,")
        .replace("status: 409", "status: 410");
    let diagnostics = load(&closed).unwrap_err().to_string();
    assert!(diagnostics.contains("undocumented-status"), "{diagnostics}");
    let lines: Vec<&str> = diagnostics.lines().filter(|line| line.contains("[unclaimed]")).collect();
    assert_eq!(lines.len(), 1, "one cause, one message: {diagnostics}");
    let is_missing = |condition: &Condition| {
        let claimed = ["request", "internal", "client"].iter().any(|branch| condition.covered_by(branch));
        condition.is_listed() && !claimed
    };
    // The statuses that an upstream may reject with count as one.
    let count = Condition::all().filter(is_missing).count() + 1;
    let expected = format!("no error claims {count} conditions, which are required because");
    assert!(lines[0].contains(&expected), "{expected}: {}", lines[0]);
    for listed in ["`credential.*`", "`upstream.*`", "`overloaded`"] {
        assert_eq!(lines[0].matches(listed).count(), 1, "{listed}: {}", lines[0]);
    }
    assert!(!lines[0].contains("`internal`"), "claimed: {}", lines[0]);

    // Below a branch that is claimed in part, each missing condition is listed.
    let partly =
        closed.replace("on: [internal]", "on: [internal, credential.missing, upstream.refused, plan]");
    let diagnostics = load(&partly).unwrap_err().to_string();
    let line = diagnostics.lines().find(|line| line.contains("[unclaimed]")).unwrap();
    for (listed, count) in [
        ("`credential.*`", 0),
        ("`credential.missing`", 0),
        ("`credential.scheme`", 1),
        ("`credential.unknown`", 1),
        ("`upstream.refused`", 0),
        ("`upstream.*`", 0),
        ("`upstream.timeout`", 1),
        ("`upstream.unavailable`", 1),
        ("`plan.*`", 0),
        ("`permission.*`", 1),
    ] {
        assert_eq!(line.matches(listed).count(), count, "{listed}: {line}");
    }
}

#[test]
fn warns_of_indistinguishable_errors() {
    let ambiguous = VALID.replace("at most {limit}", "'at most {limit}'")
        + "  also_bad: { status: 400, code: bad_request, message: Bad. , title: The request is malformed }\n";
    let warnings = load(&ambiguous).unwrap().to_string();
    assert!(warnings.contains("indistinguishable"), "{warnings}");
}

#[test]
fn warns_if_responses_disclose_the_format_of_keys() {
    let valid = VALID.replace("at most {limit}", "'at most {limit}'");
    let unauthorized = "{ status: 401, code: unauthorized, message: No., on: ";
    for (errors, line) in [
        ("", None),
        ("  a: UNAUTHORIZED[credential] }", None),
        ("  a: UNAUTHORIZED[credential.malformed, credential.unknown] }", None),
        ("  a: UNAUTHORIZED[credential.unknown] }", Some(15)),
        ("  a: UNAUTHORIZED[credential.malformed] }", Some(15)),
        (
            "  a: UNAUTHORIZED[credential] }\n  b: { status: 401, message: Form., on: [credential.malformed] }",
            Some(16),
        ),
        (
            "  a: UNAUTHORIZED[credential] }\n  b: { status: 401, message: Who., on: [credential.unknown] }",
            Some(15),
        ),
        (
            "  a: UNAUTHORIZED[credential] }\n  b: { status: 403, message: Off., on: [credential.revoked] }",
            None,
        ),
    ] {
        let errors = errors.replace("UNAUTHORIZED", unauthorized);
        let warnings = load(&format!("{valid}{errors}\n")).unwrap().to_string();
        let warning = warnings.lines().find(|line| line.contains("warning[credential-answers]"));
        match line {
            None => assert_eq!(warning, None, "{errors}"),
            Some(line) => {
                let warning = warning.unwrap_or_else(|| panic!("{errors}: {warnings}"));
                assert!(warning.starts_with(&format!("shop.yaml:{line}:")), "{warning}");
                assert!(warning.contains("lets an attacker learn the format of keys"), "{warning}");
            }
        }
    }
}
