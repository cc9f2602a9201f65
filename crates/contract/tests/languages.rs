//! Contracts in several languages: rendering, parsing and diagnostics.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what failed by failing")]

use std::borrow::Cow;

use demur_contract::{
    Condition, Contract, Location, ParseResult, Problem, ResponseView, Value, Violation, builtin,
};
use demur_source::{Diagnostics, Source};

const SHOP: &str = "\
demur: 1
name: shop
formats: { default: { code: $code, message: $message, hint?: $user_message, errors?: [$detail] } }
violations: { messages: { length.max: 'at most {limit, plural, one {# letter} other {# letters}}', invalid: bad } }
errors:
  bad_request: { status: 400, message: Bad., on: [request, param] }
  sold_out: { status: 409, message: '{left, plural, =0 {None} one {# piece} other {# pieces}} of {item}', params: [item, left] }
  internal_error: { status: 500, title: Oops, user_message: Sorry, on: [internal] }
locales:
  pl:
    errors:
      bad_request: Złe.
      sold_out: '{item}: {left, plural, =0 {nic} one {# sztuka} few {# sztuki} many {# sztuk} other {# sztuki}}'
      internal_error: { title: Ups, user_message: Przepraszamy }
    violations:
      length.max: '{limit, plural, one {# litera} few {# litery} many {# liter} other {# litery}}'
      invalid: źle
      required: '{field} jest wymagane'
      requires: '{field} wymaga {limit}'
";

fn load(text: &str) -> Result<(Contract, Diagnostics), Diagnostics> {
    Contract::load(&Source::new("shop.yaml", text)).map(|loaded| (loaded.contract, loaded.warnings))
}

fn body(contract: &Contract, problem: &Problem<'_>) -> String {
    let mut body = Vec::new();
    contract.render(problem, &mut body);
    String::from_utf8(body).unwrap()
}

#[test]
fn plural_forms_follow_the_language() {
    let (contract, _) = load(SHOP).unwrap();
    for (locale, left, message) in [
        ("en", 0, "None of tea"),
        ("en", 1, "1 piece of tea"),
        ("en", 4, "4 pieces of tea"),
        ("pl", 0, "tea: nic"),
        ("pl", 1, "tea: 1 sztuka"),
        ("pl", 4, "tea: 4 sztuki"),
        ("pl", 5, "tea: 5 sztuk"),
    ] {
        let contract = contract.in_locale(locale).unwrap();
        let mut problem = Problem::new(contract.named("sold_out").unwrap(), "req_1");
        problem.params = vec![("item".into(), "tea".into()), ("left".into(), left.into())];
        let body = body(contract, &problem);
        assert_eq!(body, format!("{{\"code\":\"sold_out\",\"message\":\"{message}\"}}"), "{locale}");
        // It parses as the same error, with the parameters that the text determines.
        let ParseResult::Exact(read) = contract.parse(&ResponseView::new(409, body.as_bytes())) else {
            panic!("{body}")
        };
        assert_eq!(read.problem.error, problem.error);
        assert_eq!(read.problem.param("item"), Some(&"tea".into()), "{read:?}");
    }
}

#[test]
fn translates_violations_titles_and_user_messages() {
    let (contract, warnings) = load(SHOP).unwrap();
    let polish = contract.in_locale("pl").unwrap();
    let violation = Violation {
        condition: Condition::ParamLengthMax,
        location: Location::Query,
        param: "q".into(),
        pointer: "/q".into(),
        value: None,
        limit: Some(Value::Int(5)),
        allowed: Vec::new(),
    };
    let mut problem = Problem::new(contract.answer(Condition::ParamLengthMax), "req_1");
    problem.violations = Cow::Owned(vec![violation]);
    assert!(body(&contract, &problem).contains("at most 5 letters"));
    assert!(body(polish, &problem).contains("\"errors\":[\"5 liter\"]"));
    // An error without a message uses its title, also in a translation.
    let internal = Problem::new(contract.answer(Condition::Internal), "req_1");
    assert!(body(polish, &internal).contains("\"message\":\"Ups\",\"hint\":\"Przepraszamy\""));
    // Statuses and codes are not translated.
    for ((id, entry), (other, translated)) in contract.entries().zip(polish.entries()) {
        assert_eq!((id, entry.status, &entry.code), (other, translated.status, &translated.code));
    }
    let missing: Vec<String> = warnings
        .iter()
        .filter(|warning| warning.check == "missing-translation")
        .map(ToString::to_string)
        .collect();
    let has_warning = |text: &str| missing.iter().any(|warning| warning.contains(text));
    assert_eq!(missing.len(), 2, "{missing:?}");
    assert!(has_warning("derived errors"), "{missing:?}");
    assert!(has_warning("2 errors have no `title`, which problem documents contain"), "{missing:?}");
    assert!(has_warning("add `title` to bad_request, sold_out"), "{missing:?}");
}

#[test]
fn warns_of_untranslated_titles_that_only_problem_documents_show() {
    const SILENT: &str = "\
demur: 1
name: shop
formats: { default: { message: $message } }
errors:
  bad_request: { status: 400, message: Bad., on: [request, param] }
  internal_error: { status: 500, message: Oops., on: [internal] }
locales: { it: { errors: { bad_request: { title: Male, message: Male. }, internal_error: Ahi. } } }
";
    let warned = |text: &str| {
        let (_, warnings) = load(text).unwrap();
        let warnings = warnings.iter().filter(|warning| warning.check == "missing-translation");
        let texts: Vec<String> = warnings.map(ToString::to_string).collect();
        texts.iter().filter(|text| !text.contains("derived errors")).cloned().collect::<Vec<_>>()
    };
    let on = warned(SILENT);
    assert!(
        matches!(on.as_slice(), [titles, rules]
        if titles.contains("1 error has no `title`, which problem documents contain (help: add `title` to internal_error, or write `problem_json: off`")
            && rules.contains("35 rules have no text, and their default texts are English")),
        "{on:?}"
    );
    let off = warned(&SILENT.replace("name: shop", "name: shop\nproblem_json: off"));
    assert_eq!(off, Vec::<String>::new());
    let titles =
        warned(&SILENT.replace("name: shop", "name: shop\nproblem_json: off").replace("$message", "$title"));
    assert!(
        matches!(titles.as_slice(), [text] if text.contains("which their formats contain")),
        "{titles:?}"
    );
}

#[test]
fn built_in_translations_have_titles_for_problem_documents() {
    let mut titles = 0;
    for name in builtin::names() {
        let contract = Contract::load(&builtin::source(name).unwrap()).unwrap().contract;
        for locale in contract.locales().skip(1) {
            let problems = contract.in_locale(locale).and_then(Contract::as_problem).unwrap();
            for (error, entry) in problems.entries() {
                assert_ne!(entry.title, contract.entry(error).title, "{name} in {locale}: {}", entry.name);
                titles += 1;
            }
        }
    }
    assert!(titles > 5, "only {titles} titles");
}

#[test]
fn selects_the_language_by_accept_language() {
    let (contract, _) = load(SHOP).unwrap();
    assert_eq!(contract.locales().collect::<Vec<_>>(), ["en", "pl"]);
    for (accept, locale) in [
        ("", "en"),
        ("pl", "pl"),
        ("PL-pl, en;q=0.9", "pl"),
        ("en, pl", "en"),
        ("en;q=0.2, pl;q=0.3", "pl"),
        ("de-AT, pl;q=0.1", "pl"),
        ("pl;q=0, *", "en"),
        ("de", "en"),
        ("\u{0}garbage;;q=,,", "en"),
    ] {
        assert_eq!(contract.for_accept_language(accept).locale(), locale, "{accept}");
    }
    assert!(contract.in_locale("it").is_none());
}

#[test]
fn reports_errors_in_translations_at_their_line() {
    for (old, new, check, says) in [
        ("  pl:", "  xx:", "locale", "ISO 639-1"),
        ("  pl:", "  pl_PL:", "locale", "write `pl-PL`"),
        ("  pl:", "  polish language:", "locale", "BCP 47"),
        ("  pl:", "  en:", "default-locale", "change `locale`"),
        ("      bad_request: Z", "      bad_reqest: Z", "unknown-error", "did you mean `bad_request`?"),
        ("'{item}: ", "'{itm}: ", "unknown-parameter", "did you mean `{item}`?"),
        ("title: Ups", "titel: Ups", "unknown-key", "did you mean `title`?"),
        ("      required: ", "      requierd: ", "unknown-rule", "did you mean `required`?"),
        ("wymaga {limit}", "wymaga {allowed}", "unknown-parameter", "default text"),
        ("other {# sztuki}}", "several {# sztuki}}", "template", "unknown form `several`"),
        ("name: shop", "name: shop\nlocale: e", "locale", "BCP 47"),
        ("name: shop", "name: shop\nproblem_json: of", "unknown-word", "`on` or `off`"),
    ] {
        let text = SHOP.replacen(old, new, 1);
        assert_ne!(text, SHOP, "{old}");
        let diagnostics = load(&text).unwrap_err();
        let hit = diagnostics.iter().find(|diagnostic| diagnostic.check == check);
        let hit = hit.unwrap_or_else(|| panic!("{new}: no `{check}` in\n{diagnostics}"));
        assert!(hit.to_string().contains(says), "{new}: {hit}");
        let line = text.lines().position(|line| line.contains(new.lines().last().unwrap())).unwrap() + 1;
        assert_eq!(hit.line_column().0, line, "{new}: {hit}");
    }
}

#[test]
fn warns_of_missing_translations() {
    for (old, new, says) in [
        ("      bad_request: Złe.\n", "", "language `pl`: the error `bad_request` has no `message`"),
        (
            ", user_message: Przepraszamy",
            "",
            "language `pl`: the error `internal_error` has no `user_message`",
        ),
        ("title: Ups, ", "", "language `pl`: the error `internal_error` has no `title`"),
        ("      invalid: źle\n", "", "language `pl`: the rule `invalid` has no text"),
        ("      required: '{field} jest wymagane'\n", "", "their default texts are English"),
        ("one {# litera} few", "one {# litera} two {x} few", "does not use the plural form `two`"),
        ("one {# letter} ", "few {x} ", "does not use the plural form `few`"),
    ] {
        let text = SHOP.replacen(old, new, 1);
        assert_ne!(text, SHOP, "{old}");
        let (_, warnings) = load(&text).unwrap_or_else(|diagnostics| panic!("{diagnostics}"));
        assert!(warnings.to_string().contains(says), "{old}: {warnings}");
    }
}

/// Every text is translated, and without `Accept-Language` the default language is used.
#[test]
fn built_in_translations_are_complete() {
    let mut translated = 0;
    for name in builtin::names() {
        let loaded = Contract::load(&builtin::source(name).unwrap()).unwrap();
        assert!(loaded.warnings.is_empty(), "{}", loaded.warnings);
        let contract = &loaded.contract;
        assert_eq!(contract.for_accept_language("").locale(), contract.locale());
        for locale in contract.locales().skip(1) {
            translated += 1;
            let variant = contract.in_locale(locale).unwrap();
            for ((id, own), (_, other)) in contract.entries().zip(variant.entries()) {
                assert_ne!(own.message, other.message, "{name} {locale} {}", own.name);
                let body = body(variant, &Problem::new(id, "req_0123456789abcdef"));
                assert!(
                    matches!(
                        variant.parse(&ResponseView::new(own.status.as_u16(), body.as_bytes())),
                        ParseResult::Exact(_)
                    ),
                    "{body}"
                );
            }
        }
    }
    assert!(translated >= 1);
}
