//! What all readers of a document share: following references, checking keys and kinds, and reporting.

use std::collections::HashSet;

use demur_source::{Diagnostics, Node, NodeKind, Span, did_you_mean};

use crate::tree::{Files, Located, ReferenceTarget, unreadable, unresolved};
use crate::{DocumentOptions, Unsupported};

/// What becomes of a declaration that cannot be read.
const IGNORED: &str = "the declaration is ignored, and nothing is checked against it";

/// Reads the declarations of one document and reports mistakes to `diagnostics`.
///
/// The methods that read each kind of declaration are beside it: `operations`, `parameters`, `bodies`, `security`.
pub(super) struct DocumentReader<'r> {
    pub(super) root: Located<'r>,
    /// Whether responses are checked against the document.
    pub(super) checks_responses: bool,
    /// Whether mistakes are reported as warnings, because nothing is checked against what is read.
    pub(super) warn_only: bool,
    /// The number of parts that cannot be used and were only warned of.
    pub(super) unsupported: usize,
    mode: Unsupported,
    files: &'r Files,
    diagnostics: &'r mut Diagnostics,
    /// Messages reported by [`DocumentReader::warn_once`].
    warned: HashSet<&'static str>,
}

impl<'r> DocumentReader<'r> {
    pub(super) fn new(
        files: &'r Files,
        root: &'r Node,
        options: &DocumentOptions,
        diagnostics: &'r mut Diagnostics,
    ) -> Self {
        Self {
            root: Located::root(root),
            checks_responses: options.checks_responses,
            warn_only: false,
            unsupported: 0,
            mode: options.unsupported,
            files,
            diagnostics,
            warned: HashSet::new(),
        }
    }

    /// Follows a chain of `$ref`s to its end, which must be a mapping. `what` names it in diagnostics.
    ///
    /// Keys beside a `$ref` have no effect, which is reported.
    pub(super) fn resolve(&mut self, start: Located<'r>, what: &str) -> Option<Located<'r>> {
        let mut located = start;
        let mut seen = HashSet::new();
        loop {
            let Some(target) = located.member("$ref") else {
                if located.node.as_map().is_none() {
                    let message = format!("{what} must be a mapping, not {}", located.node.kind_name());
                    self.fault(located.node.span, "wrong-kind", message, None, IGNORED);
                    return None;
                }
                return Some(located);
            };
            let span = target.node.span;
            if !seen.insert(located.pointer.clone()) {
                self.fault(span, "ref-cycle", "`$ref` refers back to itself", None, IGNORED);
                return None;
            }
            self.siblings(&located, what);
            located = self.follow(&target)?;
        }
    }

    pub(super) fn follow(&mut self, target: &Located<'r>) -> Option<Located<'r>> {
        let text = target.node.as_str().unwrap_or_default();
        match self.files.target(target) {
            ReferenceTarget::Local(pointer) => {
                let located = self.root.at(&pointer);
                if located.is_none() {
                    let (message, help) = unresolved(&self.root, text, &pointer);
                    self.fault(target.node.span, "unresolved-ref", message, help, IGNORED);
                }
                located
            }
            ReferenceTarget::Unreadable(cause) => {
                let (message, help) = unreadable(text, &cause);
                self.error(target.node.span, "remote-ref", message, help);
                None
            }
        }
    }

    /// Warns of keys that OpenAPI does not define here.
    pub(super) fn known_keys(&mut self, located: &Located<'r>, what: &str, known: &[&str]) {
        for (key, _) in located.members() {
            if key.name.starts_with("x-") || known.contains(&key.name.as_str()) {
                continue;
            }
            let message = format!("unknown key `{}` in {what}", key.name);
            let help =
                did_you_mean(&key.name, known.iter().copied()).map(|name| format!("did you mean `{name}`?"));
            self.warning(key.span, "unknown-key", message, help);
        }
    }

    /// A boolean member; `None` if it is absent.
    pub(super) fn boolean(&mut self, located: &Located<'r>, name: &str) -> Option<bool> {
        let member = located.member(name)?;
        match member.node.kind {
            NodeKind::Bool(value) => Some(value),
            _ => {
                let message = format!("`{name}` must be `true` or `false`, not {}", member.node.kind_name());
                self.fault(member.node.span, "wrong-kind", message, None, "the key is ignored");
                None
            }
        }
    }

    /// Warns of keys beside a `$ref`. A description may stand there (OpenAPI 3.1, Reference Object).
    fn siblings(&mut self, located: &Located<'r>, what: &str) {
        for (key, _) in located.members() {
            if ["$ref", "summary", "description"].contains(&key.name.as_str()) || key.name.starts_with("x-") {
                continue;
            }
            let message = format!("`{}` beside the `$ref` of {what} has no effect", key.name);
            let help = "move it to the target of the `$ref`".to_owned();
            self.warning(key.span, "ref-siblings", message, Some(help));
        }
    }

    /// Reports a part that cannot be used: an error, or a warning that says what this means for requests.
    pub(super) fn fault(
        &mut self,
        span: Span,
        check: &'static str,
        message: impl Into<String>,
        help: Option<String>,
        consequence: &str,
    ) {
        if self.warn_only || self.mode == Unsupported::Reject {
            return self.error(span, check, message, help);
        }
        self.unsupported += 1;
        self.warning(span, check, format!("{}: {consequence}", message.into()), help);
    }

    pub(super) fn error(
        &mut self,
        span: Span,
        check: &'static str,
        message: impl Into<String>,
        help: Option<String>,
    ) {
        if self.warn_only {
            return self.warning(span, check, message, help);
        }
        self.files.error(self.diagnostics, span, check, message, help);
    }

    /// Reports a warning that applies to many places at the first of them only.
    pub(super) fn warn_once(&mut self, span: Span, check: &'static str, message: &'static str) {
        if self.warned.insert(message) {
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
        self.files.warning(self.diagnostics, span, check, message, help);
    }
}
