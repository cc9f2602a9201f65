//! Bytes → problem: which error of the contract an answer is.
//!
//! The same formats that render are held against the answer. Never a guess: an answer that two entries
//! could have made is `Ambiguous`, one that none could have made is `Unknown`.

use serde_json::Value as Json;

use crate::Condition;
use crate::catalogue::{EntrySource, ErrorEntry, ErrorId};
use crate::contract::Contract;
use crate::format::{Member, Shape, Slot, SlotUse, ViolationSlot};
use crate::template::{Parameter, Template};

/// What an answer turned out to be.
#[derive(Debug, Clone, PartialEq)]
pub enum Decoded {
    /// One error, and no other.
    Exact(Recovered),
    /// One of these: the contract does not part them on the wire.
    Ambiguous(Vec<ErrorId>),
    /// None of the contract's errors.
    Unknown,
}

/// What could be read back from an answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Recovered {
    /// The error.
    pub error: ErrorId,
    /// Parameters that the texts gave back, by name, as text.
    pub params: Vec<(String, String)>,
    /// What was said instead of the catalogue's message, where the error is `open`.
    pub message: Option<String>,
    /// The request's id, where the content carries it.
    pub request_id: Option<String>,
    /// Fields and messages of the violations, as far as the format shows them.
    pub violations: Vec<RecoveredViolation>,
    /// JSON Pointers of members that the format does not have.
    pub unknown_members: Vec<String>,
}

/// What could be read back of one violation.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RecoveredViolation {
    /// The parameter, as the contract calls it.
    pub field: Option<String>,
    /// What was said.
    pub message: Option<String>,
}

impl Contract {
    /// Recognises an answer by its status and content.
    ///
    /// Accepts any bytes. Content that is not JSON is [`Decoded::Unknown`].
    pub fn decode(&self, status: u16, content: &[u8]) -> Decoded {
        let Ok(json) = serde_json::from_slice::<Json>(content) else { return Decoded::Unknown };
        let mut matches: Vec<Recovered> = Vec::new();
        for (id, entry) in self.entries().filter(|(_, entry)| entry.status.as_u16() == status) {
            let mut matcher = Matcher::new(self, id, entry);
            if matcher.shape(self.shape(entry), &json, &mut String::new()) {
                matches.push(matcher.recovered);
            }
        }
        // An answer without anything unknown in it is a better reading than one with.
        if matches.iter().any(|read| read.unknown_members.is_empty()) {
            matches.retain(|read| read.unknown_members.is_empty());
        }
        match matches.len() {
            0 => Decoded::Unknown,
            1 => matches.pop().map_or(Decoded::Unknown, Decoded::Exact),
            _ => Decoded::Ambiguous(matches.into_iter().map(|read| read.error).collect()),
        }
    }
}

struct Matcher<'m> {
    contract: &'m Contract,
    entry: &'m ErrorEntry,
    recovered: Recovered,
}

impl<'m> Matcher<'m> {
    fn new(contract: &'m Contract, error: ErrorId, entry: &'m ErrorEntry) -> Self {
        let recovered = Recovered {
            error,
            params: Vec::new(),
            message: None,
            request_id: None,
            violations: Vec::new(),
            unknown_members: Vec::new(),
        };
        Self { contract, entry, recovered }
    }

    fn shape(&mut self, shape: &Shape, json: &Json, at: &mut String) -> bool {
        match (shape, json) {
            (Shape::Object(members), Json::Object(object)) => {
                let fits = members.iter().all(|member| self.member(member, object.get(&member.name), at));
                for name in object.keys() {
                    if !members.iter().any(|member| member.name == *name) {
                        self.recovered.unknown_members.push(format!("{at}/{name}"));
                    }
                }
                fits
            }
            (Shape::Array(shapes), Json::Array(items)) => {
                shapes.len() == items.len()
                    && shapes.iter().zip(items).all(|(shape, item)| self.shape(shape, item, at))
            }
            (Shape::PerViolation(shape), Json::Array(items)) => items.iter().all(|item| {
                self.recovered.violations.push(RecoveredViolation::default());
                self.shape(shape, item, at)
            }),
            (Shape::Keyed(keyed), Json::Object(object)) => object.iter().all(|(name, value)| {
                let items = match value {
                    Json::Array(items) if keyed.is_list => items.as_slice(),
                    value => std::slice::from_ref(value),
                };
                items.iter().all(|item| {
                    let field = Some(name.clone());
                    self.recovered.violations.push(RecoveredViolation { field, message: None });
                    self.shape(&keyed.item, item, at)
                })
            }),
            (Shape::Constant(constant), json) => constant == json,
            (Shape::Slot(slot), json) => self.slot(slot, json),
            _ => false,
        }
    }

    fn member(&mut self, member: &Member, value: Option<&Json>, at: &mut String) -> bool {
        match value {
            Some(value) => {
                let length = at.len();
                at.push('/');
                at.push_str(&member.name);
                let fits = self.shape(&member.shape, value, at);
                at.truncate(length);
                fits
            }
            None => member.optional && !self.always_shows(&member.shape),
        }
    }

    /// Whether an optional member could not have been left out: the entry has a value for it.
    fn always_shows(&self, shape: &Shape) -> bool {
        let Shape::Slot(slot) = shape else { return false };
        match slot.slot {
            Slot::Code => self.entry.code.is_some(),
            Slot::Type => self.entry.kind.is_some(),
            Slot::DocUrl => self.entry.doc_url.is_some(),
            Slot::UserMessage => self.entry.user_message.is_some(),
            Slot::Status | Slot::Title | Slot::Message | Slot::Detail => true,
            Slot::Param | Slot::RequestId | Slot::RetryAfter | Slot::Named(_) | Slot::Violation(_) => false,
        }
    }

    fn slot(&mut self, slot: &SlotUse, json: &Json) -> bool {
        let text = json.as_str();
        let constant = |expected: Option<&str>| match expected {
            Some(expected) => text == Some(expected),
            None if slot.absent_is_empty => text == Some(""),
            None => json.is_null(),
        };
        let entry = self.entry;
        match &slot.slot {
            Slot::Type => constant(entry.kind.as_deref()),
            Slot::Code => constant(entry.code.as_deref()),
            Slot::DocUrl => constant(entry.doc_url.as_deref()),
            Slot::Status if slot.as_string => text == Some(entry.status.to_string().as_str()),
            Slot::Status => json.as_u64() == Some(entry.status.as_u16().into()),
            Slot::Title => text.is_some_and(|text| self.template(&entry.title, text)),
            Slot::Message => text.is_some_and(|text| self.message(text)),
            Slot::UserMessage => match (&entry.user_message, text) {
                (Some(template), Some(text)) => self.template(template, text),
                (None, None) => json.is_null(),
                _ => false,
            },
            Slot::Detail => text.is_some_and(|text| {
                if let Some(violation) = self.recovered.violations.last_mut() {
                    violation.message = Some(text.to_owned());
                }
                self.message(text) || self.violation_message(text)
            }),
            Slot::RequestId => {
                self.recovered.request_id = text.map(str::to_owned);
                text.is_some() || json.is_null()
            }
            Slot::RetryAfter => json.is_u64() || json.is_null() || text.is_some(),
            Slot::Param => {
                let param = text.map(|text| ("param".to_owned(), text.to_owned()));
                self.recovered.params.extend(param);
                text.is_some() || json.is_null()
            }
            Slot::Named(name) => {
                let param = text.map(|text| (name.clone(), text.to_owned()));
                self.recovered.params.extend(param);
                true
            }
            Slot::Violation(slot) => {
                let text = text.map(str::to_owned);
                let is_text = text.is_some();
                if let Some(violation) = self.recovered.violations.last_mut() {
                    match slot {
                        ViolationSlot::Field => violation.field = text,
                        ViolationSlot::Message => violation.message = text,
                        ViolationSlot::Pointer | ViolationSlot::Rule | ViolationSlot::Location => {}
                    }
                }
                is_text
            }
        }
    }

    fn message(&mut self, text: &str) -> bool {
        if self.template(&self.entry.message, text) {
            return true;
        }
        if self.entry.open {
            self.recovered.message = Some(text.to_owned());
        }
        self.entry.open
    }

    /// Whether the text is what the contract says of some violation that this entry answers.
    fn violation_message(&mut self, text: &str) -> bool {
        let answered: Vec<Condition> = Condition::all()
            .filter(|rule| rule.is_violation() && self.contract.answer(*rule) == self.recovered.error)
            .collect();
        answered.into_iter().any(|rule| {
            let template = self.contract.violation_text(self.entry, rule);
            self.template(template, text)
        })
    }

    fn template(&mut self, template: &Template, text: &str) -> bool {
        let Some(found) = template.recognise(text) else { return false };
        for (parameter, value) in found {
            if *parameter == Parameter::RequestId {
                self.recovered.request_id = Some(value.to_owned());
                continue;
            }
            let name = parameter.as_str();
            if !self.recovered.params.iter().any(|(known, _)| known == name) {
                self.recovered.params.push((name.to_owned(), value.to_owned()));
            }
        }
        true
    }
}

/// A reading that an API behind the gateway may have meant: its entry was declared, not derived.
impl Recovered {
    /// Whether the entry stands in the contract's file.
    pub fn is_declared(&self, contract: &Contract) -> bool {
        contract.entry(self.error).source == EntrySource::Declared
    }
}
