//! Violations in a response: which one determines the error, which are shown, under which names and with which messages.
//!
//! The precedence is fixed: a missing parameter, one that requires another, a wrong type, a value that is not allowed, a
//! wrong format, a bound, an unknown name, a schema that does not match. Among equals, the first in the order of the request
//! takes precedence. So the most fundamental violation determines the error.

use std::borrow::Cow;
use std::sync::OnceLock;

use crate::template::Template;
use crate::{Condition, Violation};

/// The most fundamental of several violations, which names the error; `None` if there are none.
pub fn primary_violation(violations: &[Violation]) -> Option<&Violation> {
    violations.iter().min_by_key(|violation| precedence(violation.condition))
}

/// The rank of a rule; the lowest rank takes precedence.
pub(crate) fn precedence(condition: Condition) -> usize {
    // Computed once, because comparing names for each violation would be slow.
    static RANKS: OnceLock<Vec<usize>> = OnceLock::new();
    let ranks = RANKS.get_or_init(|| Condition::all().map(rank).collect());
    ranks[condition.index()]
}

fn rank(condition: Condition) -> usize {
    const ORDER: [&str; 9] = [
        "param.missing",
        "param.requires",
        "param.invalid.type",
        "param.invalid.enum",
        "param.invalid.const",
        "param.invalid.format",
        "param.invalid.pattern",
        "param.invalid.unknown",
        "param.invalid.schema",
    ];
    // The bounds (minimum, length, count, unique, …) rank between the pattern and the unknown name.
    const BOUNDS: usize = 7;
    match ORDER.iter().position(|branch| condition.covered_by(branch)) {
        Some(position) if position >= BOUNDS => position + 1,
        Some(position) => position,
        None => BOUNDS,
    }
}

/// The style of parameter names in responses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FieldStyle {
    /// The outermost name, as in the request.
    Name,
    /// `max_items` → `MaxItems`.
    Pascal,
    /// `max_items` → `maxItems`.
    Camel,
    /// The path: `items[0].name`.
    #[default]
    Path,
    /// The JSON Pointer: `/items/0/name`.
    Pointer,
}

impl FieldStyle {
    pub(crate) const ALL: [(&'static str, FieldStyle); 5] = [
        ("name", FieldStyle::Name),
        ("pascal", FieldStyle::Pascal),
        ("camel", FieldStyle::Camel),
        ("path", FieldStyle::Path),
        ("pointer", FieldStyle::Pointer),
    ];

    /// Whether the parameter of a violation has a name; the body as a whole has none.
    pub(crate) fn names(self, violation: &Violation) -> bool {
        match self {
            FieldStyle::Name | FieldStyle::Pascal | FieldStyle::Camel => !violation.param.is_empty(),
            FieldStyle::Path => !violation.param.is_empty() || !violation.pointer.is_empty(),
            FieldStyle::Pointer => !violation.pointer.is_empty(),
        }
    }

    /// The name of the parameter of a violation. The body as a whole is called `body`; its pointer is empty.
    pub(crate) fn display(self, violation: &Violation) -> Cow<'_, str> {
        if violation.param.is_empty() && violation.pointer.is_empty() && self != FieldStyle::Pointer {
            let whole = violation.location.as_str();
            return if self == FieldStyle::Pascal {
                Cow::Owned(capitalised(whole, true))
            } else {
                Cow::Borrowed(whole)
            };
        }
        match self {
            FieldStyle::Name => Cow::Borrowed(&violation.param),
            FieldStyle::Pascal => Cow::Owned(capitalised(&violation.param, true)),
            FieldStyle::Camel => Cow::Owned(capitalised(&violation.param, false)),
            FieldStyle::Path => dotted(violation),
            FieldStyle::Pointer => Cow::Borrowed(&violation.pointer),
        }
    }
}

fn capitalised(name: &str, first: bool) -> String {
    let mut out = String::with_capacity(name.len());
    let mut upper = first;
    for character in name.chars() {
        if matches!(character, '_' | '-' | ' ') {
            upper = !out.is_empty() || first;
        } else if upper {
            match character.is_ascii() {
                true => out.push(character.to_ascii_uppercase()),
                false => out.extend(character.to_uppercase()),
            }
            upper = false;
        } else {
            out.push(character);
        }
    }
    out
}

fn dotted(violation: &Violation) -> Cow<'_, str> {
    let inner = violation.pointer.strip_prefix('/').unwrap_or_default();
    if !inner.is_empty() && !inner.contains(['/', '~']) {
        return Cow::Borrowed(inner);
    }
    let mut out = String::with_capacity(violation.pointer.len());
    for token in violation.pointer.split('/').skip(1) {
        let is_index = !out.is_empty() && token.bytes().all(|byte| byte.is_ascii_digit());
        if is_index {
            out.push('[');
            out.push_str(token);
            out.push(']');
            continue;
        }
        if !out.is_empty() {
            out.push('.');
        }
        match token.contains('~') {
            true => out.push_str(&token.replace("~1", "/").replace("~0", "~")),
            false => out.push_str(token),
        }
    }
    if out.is_empty() { Cow::Borrowed(&violation.param) } else { Cow::Owned(out) }
}

/// A violation in a response: a single one, or several of one list that `collect` has merged.
#[derive(Debug)]
pub(crate) struct VisibleViolation<'v> {
    pub(crate) violation: &'v Violation,
    /// The invalid values of the other merged violations, in order.
    more: Vec<&'v str>,
}

impl<'v> VisibleViolation<'v> {
    /// The invalid values, in order.
    pub(crate) fn values(&self) -> impl Iterator<Item = &'v str> {
        self.violation.value.as_deref().into_iter().chain(self.more.iter().copied())
    }
}

/// The visible violations. If `merge` is set, those of one rule on elements of one list become one.
pub(crate) fn collect<'v>(
    violations: impl Iterator<Item = &'v Violation>,
    merge: bool,
) -> Vec<VisibleViolation<'v>> {
    if !merge {
        return violations.map(|violation| VisibleViolation { violation, more: Vec::new() }).collect();
    }
    let mut visible: Vec<VisibleViolation<'v>> = Vec::new();
    for violation in violations {
        let value = violation.value.as_deref();
        match visible.iter_mut().find(|known| are_of_one_list(known.violation, violation)) {
            Some(known) => known.more.extend(value),
            None => visible.push(VisibleViolation { violation, more: Vec::new() }),
        }
    }
    visible
}

/// Whether one message can name both values: the rule and its values are the same, and both are elements of the same list.
fn are_of_one_list(one: &Violation, other: &Violation) -> bool {
    one.param == other.param
        && one.location == other.location
        && one.condition == other.condition
        && one.limit == other.limit
        && one.allowed == other.allowed
        && list_of(&one.pointer) == list_of(&other.pointer)
}

/// The pointer to the list of an element; the pointer itself if it is not one of an element.
fn list_of(pointer: &str) -> &str {
    match pointer.rsplit_once('/') {
        Some((list, element)) if element.bytes().all(|byte| byte.is_ascii_digit()) => list,
        _ => pointer,
    }
}

/// The message templates for violations by rule. The text with the longest matching rule name applies.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct ViolationTexts {
    /// By [`Condition::index`]; `None` if there is no text for the rule.
    by_condition: Vec<Option<Template>>,
}

impl ViolationTexts {
    /// Makes the texts from pairs of a claim and a template.
    pub(crate) fn new(texts: &[(String, Template)]) -> Self {
        let by_condition = Condition::all()
            .filter(|condition| condition.is_listed())
            .map(|condition| {
                let covering = texts.iter().filter(|(claim, _)| condition.covered_by(claim));
                covering.max_by_key(|(claim, _)| claim.len()).map(|(_, template)| template.clone())
            })
            .collect();
        Self { by_condition }
    }

    /// These texts, and for rules without one those of `others`.
    pub(crate) fn or(self, others: &ViolationTexts) -> Self {
        let pairs = self.by_condition.into_iter().zip(&others.by_condition);
        Self { by_condition: pairs.map(|(own, other)| own.or_else(|| other.clone())).collect() }
    }

    pub(crate) fn of(&self, condition: Condition) -> Option<&Template> {
        self.by_condition.get(condition.index())?.as_ref()
    }
}

/// The claim that a short rule name in `violations.messages` stands for.
pub(crate) fn rule_claim(rule: &str) -> String {
    match rule {
        "required" | "missing" => "param.missing".to_owned(),
        "requires" => "param.requires".to_owned(),
        rule if rule == "param" || rule.starts_with("param.") => rule.to_owned(),
        "invalid" => "param.invalid".to_owned(),
        rule => format!("param.invalid.{rule}"),
    }
}

/// The short name of a rule, which `$violation.rule` shows: `required`, `type.array`, `maximum`.
pub(crate) fn rule_name(condition: Condition) -> &'static str {
    let name = condition.name();
    match name {
        "param.missing" => "required",
        _ => name.strip_prefix("param.invalid.").or(name.strip_prefix("param.")).unwrap_or(name),
    }
}

/// The rule with this short name.
pub(crate) fn rule_from_name(name: &str) -> Option<Condition> {
    static RULES: OnceLock<Vec<(&str, Condition)>> = OnceLock::new();
    let rules = RULES.get_or_init(|| {
        let rules = Condition::all().filter(|condition| condition.is_violation());
        let mut rules: Vec<_> = rules.map(|condition| (rule_name(condition), condition)).collect();
        rules.sort_unstable();
        rules
    });
    let at = rules.binary_search_by_key(&name, |(known, _)| known).ok()?;
    Some(rules[at].1)
}

/// The default message templates, by the rule names of `violations.messages`.
pub(crate) const DEFAULT_TEXTS: &[(&str, &str)] = &[
    ("required", "{param} is required"),
    ("requires", "{param} requires {limit}"),
    ("invalid", "{param} is invalid"),
    ("type", "{param} must be of type {limit}"),
    ("enum", "{param} must be one of: {allowed}"),
    ("const", "{param} must be {allowed}"),
    ("format", "{param} must be a valid {limit}"),
    ("pattern", "{param} does not match the required pattern"),
    ("minimum", "{param} must be at least {limit}"),
    ("maximum", "{param} must be at most {limit}"),
    ("multiple", "{param} must be a multiple of {limit}"),
    ("length.empty", "{param} must not be empty"),
    ("length.min", "{param} must have at least {limit} characters"),
    ("length.max", "{param} must have at most {limit} characters"),
    ("count.min", "{param} must have at least {limit} elements"),
    ("count.max", "{param} must have at most {limit} elements"),
    ("unique", "{param} must not have duplicate elements"),
    ("unknown", "{param} is not a known parameter"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Location;

    fn violation(param: &str, pointer: &str, value: &str) -> Violation {
        Violation {
            condition: Condition::ParamEnum,
            location: Location::Body,
            param: param.into(),
            pointer: pointer.into(),
            value: Some(value.into()),
            limit: None,
            allowed: Vec::new(),
        }
    }

    #[test]
    fn display_applies_the_field_style() {
        let violation = violation("max_items", "/max_items/0/name", "x");
        for (style, visible) in [
            (FieldStyle::Name, "max_items"),
            (FieldStyle::Pascal, "MaxItems"),
            (FieldStyle::Camel, "maxItems"),
            (FieldStyle::Path, "max_items[0].name"),
            (FieldStyle::Pointer, "/max_items/0/name"),
        ] {
            assert_eq!(style.display(&violation), visible);
        }
    }

    #[test]
    fn collect_merges_only_elements_of_one_list() {
        let of = |param: &str, pointer: &str, allowed: &str| Violation {
            allowed: vec![allowed.into()],
            ..violation(param, pointer, pointer)
        };
        for (one, other, is_one) in [
            (of("a", "/a/0", "x"), of("a", "/a/1", "x"), true),
            (of("a", "/a/0", "x"), of("b", "/b/0", "x"), false),
            (of("a", "/a/0", "x"), of("a", "/a/1", "y"), false),
            (of("a", "/a/0/tags/0", "x"), of("a", "/a/1/tags/0", "x"), false),
            (of("items", "/items/0/color", "red"), of("items", "/items/1/color", "red"), false),
            (of("items", "/items/0/color", "x"), of("items", "/items/0/size", "x"), false),
            (of("q", "/q", "x"), of("q", "/q", "x"), true),
            (
                Violation { limit: Some(1.into()), ..of("a", "/a/0", "x") },
                Violation { limit: Some(2.into()), ..of("a", "/a/1", "x") },
                false,
            ),
        ] {
            let list = [one, other];
            let visible = collect(list.iter(), true);
            assert_eq!(visible.len() == 1, is_one, "{list:?}");
            let values: Vec<_> = visible.iter().flat_map(VisibleViolation::values).collect();
            assert_eq!(values, [&list[0].pointer, &list[1].pointer]);
            assert_eq!(collect(list.iter(), false).len(), 2);
        }
    }

    #[test]
    fn every_rule_has_a_name_a_rank_and_a_default_text() {
        for condition in Condition::all().filter(|condition| condition.is_violation()) {
            assert_eq!(rule_from_name(rule_name(condition)), Some(condition));
            let covered = DEFAULT_TEXTS.iter().any(|(rule, _)| condition.covered_by(&rule_claim(rule)));
            assert!(covered, "{condition}");
        }
        assert_eq!(rule_from_name("maximal"), None);
        assert!(precedence(Condition::ParamMissing) < precedence(Condition::ParamTypeArray));
        assert!(precedence(Condition::ParamPattern) < precedence(Condition::ParamMaximum));
        assert!(precedence(Condition::ParamMaximum) < precedence(Condition::ParamUnknown));
    }
}
