//! Walks an OpenAPI document and writes down what its operations declare, reporting every mistake on the
//! way. What comes out is raw: schemas are still pointers, checked and compiled afterwards.

use std::collections::HashSet;

use demur_source::{Diagnostics, Span, did_you_mean};

use crate::tree::{Files, Located, ReferenceTarget, unreadable, unresolved};

/// Reads one document; the mistakes go to `found`.
pub(super) struct DocumentReader<'r> {
    pub(super) files: &'r Files,
    pub(super) root: Located<'r>,
    pub(super) found: &'r mut Diagnostics,
    /// Whether mistakes are warnings, because nobody is held against what is read.
    pub(super) is_idle: bool,
    /// Whether answers are held against the document.
    pub(super) checks_responses: bool,
    /// What was said once for all its places.
    pub(super) said: HashSet<&'static str>,
}

impl<'r> DocumentReader<'r> {
    /// Follows `$ref` from one object of the document to another, to its end.
    pub(super) fn resolve(&mut self, start: Located<'r>, what: &str) -> Option<Located<'r>> {
        let mut place = start;
        let mut seen = HashSet::new();
        loop {
            let Some(target) = place.member("$ref") else {
                if place.node.as_map().is_none() {
                    let message = format!("{what} must be a mapping, not {}", place.node.kind_name());
                    self.error(place.node.span, "wrong-kind", message, None);
                    return None;
                }
                return Some(place);
            };
            let span = target.node.span;
            if !seen.insert(place.pointer.clone()) {
                self.error(span, "ref-cycle", "this `$ref` leads back to itself", None);
                return None;
            }
            place = self.follow(&target)?;
        }
    }

    /// The place that the text of one `$ref` names.
    fn follow(&mut self, target: &Located<'r>) -> Option<Located<'r>> {
        let text = target.node.as_str().unwrap_or_default();
        match self.files.target(target) {
            ReferenceTarget::Local(pointer) => {
                let place = self.root.at(&pointer);
                if place.is_none() {
                    let (message, help) = unresolved(&self.root, text, &pointer);
                    self.error(target.node.span, "unresolved-ref", message, help);
                }
                place
            }
            ReferenceTarget::Unreadable(cause) => {
                let (message, help) = unreadable(text, &cause);
                self.error(target.node.span, "remote-ref", message, help);
                None
            }
        }
    }

    /// Warns of keys that OpenAPI does not have here: usually a slip of the pen.
    pub(super) fn known_keys(&mut self, place: &Located<'r>, what: &str, known: &[&str]) {
        for (key, _) in place.members() {
            if key.name.starts_with("x-") || known.contains(&key.name.as_str()) {
                continue;
            }
            let message = format!("{what} has no key `{}`", key.name);
            let help =
                did_you_mean(&key.name, known.iter().copied()).map(|name| format!("did you mean `{name}`?"));
            self.warning(key.span, "unknown-key", message, help);
        }
    }

    /// A boolean member; absent is `None`.
    pub(super) fn boolean(&mut self, place: &Located<'r>, name: &str) -> Option<bool> {
        let member = place.member(name)?;
        match member.node.kind {
            demur_source::NodeKind::Bool(value) => Some(value),
            _ => {
                let message = format!("`{name}` must be true or false, not {}", member.node.kind_name());
                self.error(member.node.span, "wrong-kind", message, None);
                None
            }
        }
    }

    pub(super) fn error(
        &mut self,
        span: Span,
        check: &'static str,
        message: impl Into<String>,
        help: Option<String>,
    ) {
        if self.is_idle {
            return self.warning(span, check, message, help);
        }
        self.files.error(self.found, span, check, message, help);
    }

    /// A warning at the first of many places, which would say the same at each.
    pub(super) fn warn_once(&mut self, span: Span, check: &'static str, message: &'static str) {
        if self.said.insert(message) {
            self.warning(span, check, message, None);
        }
    }

    pub(super) fn warning(
        &mut self,
        span: Span,
        check: &'static str,
        message: impl Into<String>,
        help: Option<String>,
    ) {
        self.files.warning(self.found, span, check, message, help);
    }
}
