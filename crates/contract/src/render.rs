//! Rendering: runs the program of a problem's error to make the body of the response.

use std::borrow::Cow;

use crate::catalogue::{ErrorEntry, Show};
use crate::compile::{Dynamic, Op};
use crate::contract::Contract;
use crate::format::ViolationSlot;
use crate::json;
use crate::plural::Plural;
use crate::problem::{Problem, Value};
use crate::template::{ListStyle, Segment, Template, TemplateParameter, write_list, write_value};
use crate::violations::{VisibleViolation, collect, precedence, rule_name};

impl Contract {
    /// Appends the body of the response to `out`.
    ///
    /// The body is valid JSON for any parameters, and has the media type [`Contract::content_type`].
    pub fn render(&self, problem: &Problem<'_>, out: &mut Vec<u8>) {
        let program = self.program(problem.error);
        // Most bodies are a little longer than their literals, so this usually reserves enough.
        out.reserve(literal_bytes(program) + 64 * (1 + problem.violations.len()));
        Rendering::new(self, problem).run(program, out);
    }

    /// The message of the response as plain text, for logs and people.
    pub fn message(&self, problem: &Problem<'_>) -> String {
        let rendering = Rendering::new(self, problem);
        let mut out = Vec::new();
        rendering.write(&Dynamic::Detail, &mut out);
        serde_json::from_slice(&out).unwrap_or_default()
    }

    /// The message for end users; `None` if the error has none, or if one of its parameters has no value.
    pub fn user_message(&self, problem: &Problem<'_>) -> Option<String> {
        let rendering = Rendering::new(self, problem);
        let template = rendering.entry.user_message.as_ref()?;
        if !template.parameters().all(|name| rendering.has_value(name)) {
            return None;
        }
        let mut out = vec![b'"'];
        rendering.text(template, &mut out);
        out.push(b'"');
        serde_json::from_slice(&out).ok()
    }
}

fn literal_bytes(program: &[Op]) -> usize {
    let bytes = |op: &Op| if let Op::Bytes(bytes) = op { bytes.len() } else { 0 };
    program.iter().map(bytes).sum()
}

struct Rendering<'r> {
    contract: &'r Contract,
    entry: &'r ErrorEntry,
    problem: &'r Problem<'r>,
    visible: Vec<VisibleViolation<'r>>,
    /// The index of the current violation: in a list that of the item, elsewhere the one that determines the error.
    current: Option<usize>,
}

impl<'r> Rendering<'r> {
    fn new(contract: &'r Contract, problem: &'r Problem<'r>) -> Self {
        let entry = contract.entry(problem.error);
        if problem.violations.is_empty() {
            return Self { contract, entry, problem, visible: Vec::new(), current: None };
        }
        let is_same =
            |visible: &VisibleViolation<'_>| contract.answer(visible.violation.condition) == problem.error;
        let mut visible = collect(problem.violations.iter(), entry.collect);
        if entry.show != Show::All {
            visible.retain(is_same);
        }
        let primary = (0..visible.len()).min_by_key(|index| {
            let visible = &visible[*index];
            (!is_same(visible), precedence(visible.violation.condition), *index)
        });
        let current = match (entry.show, primary) {
            (Show::First, Some(primary)) => {
                visible.swap(0, primary);
                visible.truncate(1);
                Some(0)
            }
            (_, primary) => primary,
        };
        Self { contract, entry, problem, visible, current }
    }

    fn run(&mut self, ops: &'r [Op], out: &mut Vec<u8>) {
        let mut at = 0;
        while let Some(op) = ops.get(at) {
            at += 1;
            match op {
                Op::EachViolation { steps, or_message } => {
                    let body = &ops[at..at + steps];
                    self.each(body, *or_message, out);
                    at += steps;
                }
                Op::EachKey { key, is_list, steps } => {
                    let body = &ops[at..at + steps];
                    self.each_key(*key, *is_list, body, out);
                    at += steps;
                }
                op => at += self.step(op, out),
            }
        }
    }

    /// Runs one operation, and returns how many of the following ones to skip.
    fn step(&self, op: &Op, out: &mut Vec<u8>) -> usize {
        match op {
            Op::Bytes(bytes) => out.extend_from_slice(bytes),
            Op::Comma if matches!(out.last(), Some(b'{' | b'[')) => {}
            Op::Comma => out.push(b','),
            Op::IfPresent(what, steps) if !self.is_present(what) => return *steps,
            Op::IfViolations(steps) if self.visible.is_empty() => return *steps,
            Op::IfAny(any, steps) if !any.iter().any(|what| self.is_present(what)) => return *steps,
            Op::IfPresent(..) | Op::IfViolations(_) | Op::IfAny(..) => {}
            Op::Write { what, .. } if self.is_present(what) => match op {
                Op::Write { what: Dynamic::RetryAfter, as_string: false, .. } => self.write_seconds(out),
                Op::Write { what: Dynamic::Named(name), as_string: true, .. } => {
                    out.push(b'"');
                    if let Some(value) = self.problem.param(name) {
                        write_value(value, ListStyle::Comma, out);
                    }
                    out.push(b'"');
                }
                _ => self.write(what, out),
            },
            Op::Write { absent_is_empty: true, .. } => out.extend_from_slice(b"\"\""),
            Op::Write { .. } => out.extend_from_slice(b"null"),
            // The format reader rejects nested lists of violations (`second-list`).
            Op::EachViolation { .. } | Op::EachKey { .. } => {}
        }
        0
    }

    fn each(&mut self, body: &[Op], or_message: bool, out: &mut Vec<u8>) {
        let outer = self.current;
        let items = if self.visible.is_empty() && or_message { 1 } else { self.visible.len() };
        for item in 0..items {
            if item > 0 {
                out.push(b',');
            }
            self.current = (item < self.visible.len()).then_some(item);
            self.steps(body, out);
        }
        self.current = outer;
    }

    /// Writes the violations grouped by name, in the order in which the names first appear.
    fn each_key(&mut self, key: ViolationSlot, is_list: bool, body: &[Op], out: &mut Vec<u8>) {
        let outer = self.current;
        let what = Dynamic::Violation(key, None);
        let mut names: Vec<Vec<u8>> = Vec::with_capacity(self.visible.len());
        for item in 0..self.visible.len() {
            self.current = Some(item);
            let mut name = Vec::new();
            self.write(&what, &mut name);
            names.push(name);
        }
        let mut is_first = true;
        for item in 0..names.len() {
            if names[..item].contains(&names[item]) {
                continue;
            }
            if !std::mem::take(&mut is_first) {
                out.push(b',');
            }
            out.extend_from_slice(&names[item]);
            out.extend_from_slice(if is_list { b":[" } else { b":" });
            let of_name = (item..names.len()).filter(|other| names[*other] == names[item]);
            for (position, other) in of_name.take(if is_list { usize::MAX } else { 1 }).enumerate() {
                if position > 0 {
                    out.push(b',');
                }
                self.current = Some(other);
                self.steps(body, out);
            }
            if is_list {
                out.push(b']');
            }
        }
        self.current = outer;
    }

    fn steps(&self, body: &[Op], out: &mut Vec<u8>) {
        let mut at = 0;
        while let Some(op) = body.get(at) {
            at += 1 + self.step(op, out);
        }
    }

    fn current(&self) -> Option<&VisibleViolation<'r>> {
        self.visible.get(self.current?)
    }

    fn is_present(&self, what: &Dynamic) -> bool {
        match what {
            Dynamic::Title | Dynamic::Message | Dynamic::Detail | Dynamic::UserMessage => true,
            Dynamic::RequestId => !self.problem.request_id.is_empty(),
            Dynamic::RetryAfter | Dynamic::RetryDelay => self.problem.retry_after.is_some(),
            Dynamic::Param => {
                self.current().is_some_and(|visible| self.contract.field_style().names(visible.violation))
                    || self.problem.param("param").is_some()
            }
            Dynamic::Named(name) => self.problem.param(name).is_some(),
            Dynamic::Violation(_, None) => self.current().is_some(),
            Dynamic::Violation(_, Some(within)) => {
                self.current().is_some_and(|visible| within.contains(visible.violation.location))
            }
        }
    }

    fn write_seconds(&self, out: &mut Vec<u8>) {
        let seconds = self.problem.retry_after.map_or(0, |retry| retry.seconds());
        out.extend_from_slice(itoa::Buffer::new().format(seconds).as_bytes());
    }

    /// Writes a value that is present: a string, except that parameters with an integer or a list are written as such.
    fn write(&self, what: &Dynamic, out: &mut Vec<u8>) {
        if let Dynamic::Named(name) = what {
            match self.problem.param(name) {
                Some(Value::Int(value)) => return out.extend_from_slice(value.to_string().as_bytes()),
                Some(Value::List(values)) => {
                    out.push(b'[');
                    for (index, value) in values.iter().enumerate() {
                        if index > 0 {
                            out.push(b',');
                        }
                        json::string(value, out);
                    }
                    return out.push(b']');
                }
                _ => {}
            }
        }
        out.push(b'"');
        match what {
            Dynamic::Title => self.text(&self.entry.title, out),
            Dynamic::Message => self.message(out),
            Dynamic::UserMessage => {
                if let Some(template) = &self.entry.user_message {
                    self.text(template, out);
                }
            }
            Dynamic::Detail | Dynamic::Violation(ViolationSlot::Message, _) => match self.current() {
                Some(visible) => self.violation_message(visible, out),
                None => self.message(out),
            },
            Dynamic::RequestId => json::escape(&self.problem.request_id, out),
            Dynamic::RetryAfter => self.write_seconds(out),
            Dynamic::RetryDelay => {
                self.write_seconds(out);
                out.push(b's');
            }
            Dynamic::Param => self.parameter(&TemplateParameter::Param, ListStyle::Comma, out),
            Dynamic::Violation(ViolationSlot::Field, _) => {
                self.parameter(&TemplateParameter::Param, ListStyle::Comma, out);
            }
            Dynamic::Violation(ViolationSlot::Pointer, _) => {
                self.parameter(&TemplateParameter::Pointer, ListStyle::Comma, out);
            }
            Dynamic::Violation(ViolationSlot::Location, _) => {
                self.parameter(&TemplateParameter::Location, ListStyle::Comma, out);
            }
            Dynamic::Violation(ViolationSlot::Rule, _) => {
                if let Some(visible) = self.current() {
                    json::escape(rule_name(visible.violation.condition), out);
                }
            }
            Dynamic::Named(name) => {
                if let Some(value) = self.problem.param(name) {
                    write_value(value, ListStyle::Comma, out);
                }
            }
        }
        out.push(b'"');
    }

    fn message(&self, out: &mut Vec<u8>) {
        match &self.problem.message {
            Some(message) if self.entry.open => json::escape(message, out),
            _ => self.text(&self.entry.message, out),
        }
    }

    fn violation_message(&self, visible: &VisibleViolation<'_>, out: &mut Vec<u8>) {
        let template = self.contract.violation_text(self.entry, visible.violation.condition);
        self.text(template, out);
    }

    fn text(&self, template: &Template, out: &mut Vec<u8>) {
        for segment in template.segments() {
            match segment {
                Segment::Literal { escaped, .. } => out.extend_from_slice(escaped.as_bytes()),
                Segment::Parameter { name, style } => self.parameter(name, *style, out),
                Segment::Plural(plural) => self.plural(plural, out),
            }
        }
    }

    /// A separate function, so that texts without plural forms do not pay for it.
    #[cold]
    fn plural(&self, plural: &Plural<Template>, out: &mut Vec<u8>) {
        let form = plural.select(&self.number(&plural.parameter), &self.contract.plurals);
        self.text(form, out);
    }

    /// The number that selects a plural form: the text of the parameter, or the length of a list.
    fn number(&self, name: &TemplateParameter) -> String {
        let length = match (name, self.current()) {
            (TemplateParameter::Values, Some(visible)) => Some(visible.values().count()),
            (TemplateParameter::Allowed, Some(visible)) => Some(visible.violation.allowed.len()),
            (name, _) => match self.problem.param(name.as_str()) {
                Some(Value::List(values)) => Some(values.len()),
                _ => None,
            },
        };
        if let Some(length) = length {
            return length.to_string();
        }
        let mut text = Vec::new();
        self.parameter(name, ListStyle::Comma, &mut text);
        String::from_utf8(text).unwrap_or_default()
    }

    /// Whether a parameter has a value.
    fn has_value(&self, name: &TemplateParameter) -> bool {
        match name {
            TemplateParameter::RequestId => !self.problem.request_id.is_empty(),
            TemplateParameter::RetryAfter => self.problem.retry_after.is_some(),
            name if name.is_of_violation() && self.current().is_some() => true,
            name => self.problem.param(name.as_str()).is_some(),
        }
    }

    fn parameter(&self, name: &TemplateParameter, style: ListStyle, out: &mut Vec<u8>) {
        match name {
            TemplateParameter::RequestId => return json::escape(&self.problem.request_id, out),
            TemplateParameter::RetryAfter => return self.write_seconds(out),
            TemplateParameter::Named(name) => {
                if let Some(value) = self.problem.param(name) {
                    write_value(value, style, out);
                }
                return;
            }
            _ => {}
        }
        let Some(visible) = self.current() else {
            // Without a violation, the problem may have a parameter of the same name.
            let Some(name) = name.of_violation() else { return };
            if let Some(value) = self.problem.param(name) {
                write_value(value, style, out);
            }
            return;
        };
        let violation = visible.violation;
        match name {
            TemplateParameter::Param => {
                let display: Cow<'_, str> = self.contract.field_style().display(violation);
                json::escape(&display, out);
            }
            TemplateParameter::Value => json::escape(violation.value.as_deref().unwrap_or_default(), out),
            TemplateParameter::Values => write_list(visible.values(), style, out),
            TemplateParameter::Allowed => {
                write_list(violation.allowed.iter().map(String::as_str), style, out);
            }
            TemplateParameter::Limit => {
                if let Some(limit) = &violation.limit {
                    write_value(limit, style, out);
                }
            }
            TemplateParameter::Pointer => json::escape(&violation.pointer, out),
            TemplateParameter::Location => json::escape(violation.location.as_str(), out),
            TemplateParameter::RequestId | TemplateParameter::RetryAfter | TemplateParameter::Named(_) => {}
        }
    }
}
