//! One contract in several languages: what is answered, what is read back, and which mistakes are told.

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

fn content(contract: &Contract, problem: &Problem<'_>) -> String {
    let mut content = Vec::new();
    contract.render(problem, &mut content);
    String::from_utf8(content).unwrap()
}

#[test]
fn numbers_choose_their_forms_in_each_language() {
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
        let content = content(contract, &problem);
        assert_eq!(content, format!("{{\"code\":\"sold_out\",\"message\":\"{message}\"}}"), "{locale}");
        // And it is read back as the same error, with what its text still tells.
        let ParseResult::Exact(read) = contract.parse(&ResponseView::new(409, content.as_bytes())) else {
            panic!("{content}")
        };
        assert_eq!(read.problem.error, problem.error);
        assert_eq!(read.problem.param("item"), Some(&"tea".into()), "{read:?}");
    }
}

#[test]
fn violations_titles_and_user_messages_are_translated() {
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
    assert!(content(&contract, &problem).contains("at most 5 letters"));
    assert!(content(polish, &problem).contains("\"errors\":[\"5 liter\"]"));
    // An error that says its title says its title in any language.
    let internal = Problem::new(contract.answer(Condition::Internal), "req_1");
    assert!(content(polish, &internal).contains("\"message\":\"Ups\",\"hint\":\"Przepraszamy\""));
    // Statuses and codes are the same in all of them: they are for programs.
    for ((id, entry), (other, translated)) in contract.entries().zip(polish.entries()) {
        assert_eq!((id, entry.status, &entry.code), (other, translated.status, &translated.code));
    }
    let missing: Vec<String> = warnings
        .iter()
        .filter(|warning| warning.check == "missing-translation")
        .map(ToString::to_string)
        .collect();
    let said = |text: &str| missing.iter().any(|warning| warning.contains(text));
    assert_eq!(missing.len(), 2, "{missing:?}");
    assert!(said("derived errors"), "{missing:?}");
    assert!(said("no title for 2 errors, which problem documents show"), "{missing:?}");
    assert!(said("add `title` to bad_request, sold_out"), "{missing:?}");
}

#[test]
fn what_only_a_problem_document_shows_is_missed_too() {
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
        if titles.contains("add `title` to internal_error, or write `problem_json: off`")
            && rules.contains("usual texts for rules")),
        "{on:?}"
    );
    let off = warned(&SILENT.replace("name: shop", "name: shop\nproblem_json: off"));
    assert_eq!(off, Vec::<String>::new());
    let shown =
        warned(&SILENT.replace("name: shop", "name: shop\nproblem_json: off").replace("$message", "$title"));
    assert!(matches!(shown.as_slice(), [titles] if titles.contains("which their formats show")), "{shown:?}");
}

#[test]
fn problem_documents_of_the_built_in_translations_have_titles_in_their_language() {
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
fn the_language_is_looked_up() {
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
fn a_mistake_in_a_translation_is_named_at_its_line() {
    for (old, new, check, says) in [
        ("  pl:", "  xx:", "locale", "ISO 639-1"),
        ("  pl:", "  pl_PL:", "locale", "did you mean `pl-PL`?"),
        ("  pl:", "  polish language:", "locale", "BCP 47"),
        ("  pl:", "  en:", "default-locale", "change `locale`"),
        ("      bad_request: Z", "      bad_reqest: Z", "unknown-error", "did you mean `bad_request`?"),
        ("'{item}: ", "'{itm}: ", "unknown-parameter", "did you mean `{item}`?"),
        ("title: Ups", "titel: Ups", "unknown-key", "did you mean `title`?"),
        ("      required: ", "      requierd: ", "unknown-rule", "did you mean `required`?"),
        ("wymaga {limit}", "wymaga {allowed}", "unknown-parameter", "default text"),
        ("other {# sztuki}}", "several {# sztuki}}", "template", "none of zero, one"),
        ("name: shop", "name: shop\nlocale: e", "locale", "BCP 47"),
        ("name: shop", "name: shop\nproblem_json: of", "unknown-word", "`on` or `off`"),
    ] {
        let text = SHOP.replacen(old, new, 1);
        assert_ne!(text, SHOP, "{old}");
        let found = load(&text).unwrap_err();
        let hit = found.iter().find(|diagnostic| diagnostic.check == check);
        let hit = hit.unwrap_or_else(|| panic!("{new}: no `{check}` in\n{found}"));
        assert!(hit.to_string().contains(says), "{new}: {hit}");
        let line = text.lines().position(|line| line.contains(new.lines().last().unwrap())).unwrap() + 1;
        assert_eq!(hit.line_column().0, line, "{new}: {hit}");
    }
}

#[test]
fn what_is_not_translated_is_a_warning() {
    for (old, new, says) in [
        ("      bad_request: Złe.\n", "", "`pl` has no message for `bad_request`"),
        (", user_message: Przepraszamy", "", "`pl` has no user_message for `internal_error`"),
        ("title: Ups, ", "", "`pl` has no title for `internal_error`"),
        ("      invalid: źle\n", "", "`pl` has no text for the rule `invalid`"),
        ("      required: '{field} jest wymagane'\n", "", "usual texts"),
        ("one {# litera} few", "one {# litera} two {x} few", "never asks for the plural form `two`"),
        ("one {# letter} ", "few {x} ", "never asks for the plural form `few`"),
    ] {
        let text = SHOP.replacen(old, new, 1);
        assert_ne!(text, SHOP, "{old}");
        let (_, warnings) = load(&text).unwrap_or_else(|found| panic!("{found}"));
        assert!(warnings.to_string().contains(says), "{old}: {warnings}");
    }
}

/// The worked example: complete, and without `Accept-Language` nothing is different.
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
            let view = contract.in_locale(locale).unwrap();
            for ((id, own), (_, other)) in contract.entries().zip(view.entries()) {
                assert_ne!(own.message, other.message, "{name} {locale} {}", own.name);
                let content = content(view, &Problem::new(id, "req_0123456789abcdef"));
                assert!(
                    matches!(
                        view.parse(&ResponseView::new(own.status.as_u16(), content.as_bytes())),
                        ParseResult::Exact(_)
                    ),
                    "{content}"
                );
            }
        }
    }
    assert!(translated >= 1);
}
