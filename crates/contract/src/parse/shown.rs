//! What a response shows in the slots of one error's format: the texts as they were received.
//!
//! Parsing recovers the values that determine a problem. A reader of an error also wants the texts themselves, in the
//! language in which they came, and no other part of the body.

use std::borrow::Cow;

use super::ResponseView;
use super::match_format::{FormatMatch, SlotPosition, SlotValue};
use super::tape::{Tape, TokenKind, Tokens, digits, seconds};
use crate::catalogue::ErrorId;
use crate::contract::Contract;
use crate::format::{Slot, ViolationSlot};
use crate::{Condition, problem};

/// What a response shows in the slots of an error's format. `None` where the format has no such slot, or the slot no value.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ShownFields<'a> {
    /// `$title`
    pub title: Option<Cow<'a, str>>,
    /// `$message`
    pub message: Option<Cow<'a, str>>,
    /// The first `$detail`.
    pub detail: Option<Cow<'a, str>>,
    /// `$param`
    pub param: Option<Cow<'a, str>>,
    /// `$request_id`
    pub request_id: Option<Cow<'a, str>>,
    /// `$retry_after`, in seconds.
    pub retry_after: Option<u64>,
    /// The violations, if the format has slots of violations.
    pub violations: Vec<ShownViolation<'a>>,
}

/// What a response shows of one violation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ShownViolation<'a> {
    /// The parameter: `$violation.field`, else `$violation.pointer`.
    pub field: Option<Cow<'a, str>>,
    /// `$violation.message`, or `$detail` in the item of the violation.
    pub message: Option<Cow<'a, str>>,
    /// `$violation.rule`
    pub rule: Option<Cow<'a, str>>,
    /// `$violation.location`
    pub location: Option<problem::Location>,
}

impl Contract {
    /// What a response shows in the slots of the format of this error; `None` if it does not have the format.
    ///
    /// Whether the error can have made the response is a question for [`parse`](Self::parse).
    ///
    /// ```
    /// # use demur_contract::{Condition, Contract, ResponseView, builtin};
    /// # let contract = Contract::load(&builtin::source("rails").unwrap()).unwrap().contract;
    /// let response = ResponseView::new(401, br#"{"status":401,"error":"Unauthorized"}"#);
    /// let shown = contract.shown(&response, contract.answer(Condition::CredentialUnknown)).unwrap();
    /// assert_eq!((shown.title.as_deref(), shown.message), (Some("Unauthorized"), None));
    /// ```
    pub fn shown<'a>(&'a self, response: &ResponseView<'a>, error: ErrorId) -> Option<ShownFields<'a>> {
        let mut tokens = Tokens::new();
        let tape = Tape::read(response.body, &mut tokens)?;
        let variant = self.variant_of(response);
        [variant, self].into_iter().find_map(|variant| {
            let mut matched = FormatMatch::new(response.body.len());
            let has_format = matched.read(variant.shape(variant.entry(error)), response.status, &tape);
            has_format.then(|| ShownFields::read(&matched, &tape))
        })
    }

    /// The conditions that this error answers, in the order of the table.
    pub fn conditions_of(&self, error: ErrorId) -> impl Iterator<Item = Condition> {
        Condition::all()
            .filter(move |condition| *condition != Condition::ClientGone && self.answer(*condition) == error)
    }

    /// Whether a response with this error proves that the request was not forwarded: only the gateway raises it, and only
    /// before it calls the upstream. Such a request is safe to repeat, whatever its method.
    pub fn is_raised_before_forwarding(&self, error: ErrorId) -> bool {
        let mut conditions = self.conditions_of(error).peekable();
        !self.entry(error).upstream_may_raise
            && conditions.peek().is_some()
            && conditions.all(Condition::is_raised_before_forwarding)
    }
}

impl<'a> ShownFields<'a> {
    fn read(matched: &FormatMatch<'_, 'a>, tape: &Tape<'_, 'a>) -> Self {
        let mut shown = Self::default();
        let items = matched.items.unwrap_or(0) as usize;
        let mut violations = vec![ShownViolation::default(); items];
        let mut has_violations = false;
        for value in &matched.slots {
            let text = || text(tape, value);
            let item = value.item.and_then(|item| violations.get_mut(item as usize));
            match value.position {
                SlotPosition::Key(slot) => has_violations |= item.is_some_and(|item| item.fill(slot, text())),
                SlotPosition::Slot(used) => match &used.slot {
                    Slot::Title => shown.title = shown.title.take().or_else(text),
                    Slot::Message => shown.message = shown.message.take().or_else(text),
                    Slot::Detail => {
                        if let Some(item) = item {
                            item.message = item.message.take().or_else(text);
                        }
                        shown.detail = shown.detail.take().or_else(text);
                    }
                    Slot::Param => shown.param = shown.param.take().or_else(text),
                    Slot::RequestId => shown.request_id = shown.request_id.take().or_else(text),
                    Slot::RetryAfter => {
                        shown.retry_after =
                            shown.retry_after.or_else(|| digits(&text()?)).filter(|delay| *delay > 0);
                    }
                    Slot::RetryDelay => {
                        shown.retry_after =
                            shown.retry_after.or_else(|| seconds(&text()?)).filter(|delay| *delay > 0);
                    }
                    Slot::Violation(slot) => {
                        has_violations |= item.is_some_and(|item| item.fill(*slot, text()));
                    }
                    Slot::Type
                    | Slot::Code
                    | Slot::Status
                    | Slot::DocUrl
                    | Slot::UserMessage
                    | Slot::Named(_) => {}
                },
            }
        }
        if has_violations {
            shown.violations = violations;
        }
        shown
    }
}

impl<'a> ShownViolation<'a> {
    /// Fills a slot; whether it has a value.
    fn fill(&mut self, slot: ViolationSlot, text: Option<Cow<'a, str>>) -> bool {
        let has_value = text.is_some();
        match slot {
            // A pointer is the name where there is no other one.
            ViolationSlot::Pointer => self.field = self.field.take().or(text),
            ViolationSlot::Field => self.field = text.or_else(|| self.field.take()),
            ViolationSlot::Message => self.message = text.or_else(|| self.message.take()),
            ViolationSlot::Rule => self.rule = text,
            ViolationSlot::Location => self.location = text.as_deref().and_then(problem::Location::from_word),
        }
        has_value
    }
}

/// The text of a value; `None` if it is empty or has none.
fn text<'a>(tape: &Tape<'_, 'a>, value: &SlotValue<'_>) -> Option<Cow<'a, str>> {
    let text = match tape.kind(value.at) {
        TokenKind::Number => Some(Cow::Borrowed(tape.raw(value.at))),
        _ => tape.string(value.at),
    };
    text.filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use demur_source::Source;

    const CONTRACT: &str = "
demur: 1
name: t
formats:
  default: { text: $message, wait: $retry_after, id: $request_id }
  list: { what: $title, about: $param, all: [{ in: $violation.location, at: $violation.pointer, say: $violation.message, why: $violation.rule }] }
  keyed: { first: $detail, all: { $violation.field: [$violation.message] } }
  texts: { what: $title, all: [$detail] }
errors:
  busy: { status: 429, message: Later., on: [rate] }
  list: { status: 400, format: list, message: No., on: [param.missing] }
  keyed: { status: 400, format: keyed, message: No., on: [param.invalid] }
  texts: { status: 400, format: texts, message: No., on: [request, body] }
  shed: { status: 503, message: Full., on: [overloaded, store.unavailable.keys] }
  mixed: { status: 503, message: Gone., on: [store.unavailable.limits, upstream.unavailable] }
  own: { status: 409, message: Own. }
  internal: { status: 500, message: Broken., on: [internal] }
";

    #[test]
    fn shows_the_texts_of_the_slots_and_nothing_else() {
        let contract = Contract::load(&Source::new("t.yaml", CONTRACT)).unwrap().contract;
        let shown = |name: &str, status, body: &'static str| {
            let error = contract.named(name).unwrap();
            contract.shown(&ResponseView::new(status, body.as_bytes()), error)
        };
        let busy =
            shown("busy", 429, r#"{"text":"Slow down","wait":7,"id":"one","message":"not of the format"}"#);
        let busy = busy.unwrap();
        assert_eq!(
            (busy.message.as_deref(), busy.retry_after, busy.request_id.as_deref(), busy.violations.len()),
            (Some("Slow down"), Some(7), Some("one"), 0)
        );
        assert_eq!(shown("busy", 429, r#"{"text":"t","wait":0,"id":null}"#).unwrap().retry_after, None);
        assert_eq!(shown("busy", 429, r#"{"text":"t"}"#), None, "not its format");
        assert_eq!(shown("busy", 429, "<html>"), None);

        let list = shown(
            "list",
            400,
            r#"{"what":"w","about":"p","all":[{"in":"query","at":"/p","say":"is missing","why":"required"}]}"#,
        );
        let violation = &list.as_ref().unwrap().violations[0];
        assert_eq!(list.as_ref().unwrap().param.as_deref(), Some("p"));
        assert_eq!(
            (
                violation.field.as_deref(),
                violation.message.as_deref(),
                violation.rule.as_deref(),
                violation.location
            ),
            (Some("/p"), Some("is missing"), Some("required"), Some(problem::Location::Query))
        );
        let keyed = shown("keyed", 400, r#"{"first":"a","all":{"x":["a","b"],"y":["c"]}}"#).unwrap();
        let all: Vec<_> = keyed
            .violations
            .iter()
            .map(|v| (v.field.as_deref().unwrap(), v.message.as_deref().unwrap()))
            .collect();
        assert_eq!(all, [("x", "a"), ("x", "b"), ("y", "c")]);
        // A list of texts may be the message, so its items are not taken for violations.
        let texts = shown("texts", 400, r#"{"what":"w","all":["d"]}"#).unwrap();
        assert_eq!((texts.detail.as_deref(), texts.violations.len()), (Some("d"), 0));
    }

    #[test]
    fn only_the_gateways_own_rejections_prove_that_nothing_was_forwarded() {
        let contract = Contract::load(&Source::new("t.yaml", CONTRACT)).unwrap().contract;
        for (name, expected) in [
            ("busy", true),
            ("shed", true),
            ("mixed", false),
            ("own", false),
            ("internal", false),
            ("keyed", false),
        ] {
            let error = contract.named(name).unwrap();
            assert_eq!(contract.is_raised_before_forwarding(error), expected, "{name}");
        }
        let exhausted = contract.answer(Condition::CreditsExhausted);
        assert!(contract.is_raised_before_forwarding(exhausted), "a derived error");
    }
}
