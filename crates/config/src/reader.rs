//! What all readers of the file share: its text, its folder, the diagnostics, the contracts that it names, and values
//! that occur under many keys.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use demur_contract::{Contract, builtin};
use demur_engine::settings::{DEFAULT_MAX_BODY_BYTES, Overload};
use demur_source::{Diagnostics, Fields, Node, Source, Span, did_you_mean};
use http::HeaderName;

use crate::inputs::InputFiles;
use crate::units::{bytes, duration};

/// A file that is being read.
pub(crate) struct ConfigReader<'r> {
    /// Its text.
    pub(crate) source: &'r Arc<Source>,
    /// Relative paths in the file are relative to this folder.
    pub(crate) folder: &'r Path,
    /// Every error and warning so far.
    pub(crate) found: &'r mut Diagnostics,
    /// The largest body that an API accepts unless it says otherwise.
    pub(crate) max_body_bytes: u64,
    /// The names of the listeners; `None` where they are not known.
    pub(crate) listeners: Option<Vec<String>>,
    /// The names of the plans.
    pub(crate) plans: Vec<String>,
    /// The concurrency limit of an API unless it says otherwise.
    pub(crate) overload: Overload,
    /// The files that were read beside this one, or could not be read.
    pub(crate) inputs: InputFiles,
    /// The contracts that were loaded, by name: the mistakes in one are reported once.
    contracts: HashMap<String, Option<Arc<Contract>>>,
}

impl<'r> ConfigReader<'r> {
    pub(crate) fn new(source: &'r Arc<Source>, folder: &'r Path, found: &'r mut Diagnostics) -> Self {
        Self {
            source,
            folder,
            found,
            max_body_bytes: DEFAULT_MAX_BODY_BYTES,
            listeners: None,
            plans: Vec::new(),
            overload: Overload::default(),
            inputs: InputFiles::default(),
            contracts: HashMap::new(),
        }
    }

    /// Reports an error.
    pub(crate) fn error(
        &mut self,
        span: Span,
        check: &'static str,
        message: impl Into<String>,
        help: impl Into<Option<String>>,
    ) {
        self.found.error(self.source, span, check, message, help);
    }

    /// Reports a warning.
    pub(crate) fn warning(
        &mut self,
        span: Span,
        check: &'static str,
        message: impl Into<String>,
        help: impl Into<Option<String>>,
    ) {
        self.found.warning(self.source, span, check, message, help);
    }

    /// Reads a file that the configuration names; one that cannot be read is reported at `span`.
    pub(crate) fn file(&mut self, name: &str, span: Span) -> Option<Arc<Source>> {
        let path = self.folder.join(name);
        match Source::read(&path) {
            Ok(source) => {
                self.inputs.read(&path, source.text.as_bytes());
                Some(source)
            }
            Err(error) => {
                self.inputs.missing(&path);
                let message = format!("cannot read `{}`: {error}", path.display());
                self.error(span, "file", message, "paths are relative to this file".to_owned());
                None
            }
        }
    }

    /// A contract by the name of a built-in one, or by a path (with a `/`, or ending in `.yaml` or `.yml`).
    pub(crate) fn contract(&mut self, name: &str, span: Span) -> Option<Arc<Contract>> {
        if let Some(known) = self.contracts.get(name) {
            return known.clone();
        }
        let contract = self.load_contract(name, span);
        self.contracts.insert(name.to_owned(), contract.clone());
        contract
    }

    fn load_contract(&mut self, name: &str, span: Span) -> Option<Arc<Contract>> {
        let is_path = name.contains('/') || name.ends_with(".yaml") || name.ends_with(".yml");
        let source = if is_path {
            self.file(name, span)?
        } else if let Some(source) = builtin::source(name) {
            source
        } else {
            let known: Vec<&str> = builtin::names().collect();
            let help = suggestion(name, &known).unwrap_or_else(|| {
                format!("built-in contracts: {}; write a file as a path: `./{name}.yaml`", known.join(", "))
            });
            self.error(span, "unknown-contract", format!("there is no built-in contract `{name}`"), help);
            return None;
        };
        match Contract::load(&source) {
            Ok(loaded) => {
                self.found.extend(loaded.warnings);
                Some(Arc::new(loaded.contract))
            }
            Err(mistakes) => {
                self.found.extend(mistakes);
                None
            }
        }
    }

    /// The text under a key that must be there.
    pub(crate) fn required(&mut self, fields: &mut Fields<'_>, name: &'static str) -> Option<(String, Span)> {
        let Some(span) = fields.node(name).map(|node| node.span) else {
            fields.missing(name, self.found);
            return None;
        };
        fields.text(name, self.found).map(|text| (text, span))
    }

    /// Reports a key that is missing. One with a wrong value has been reported already.
    pub(crate) fn need(&mut self, fields: &mut Fields<'_>, name: &'static str) {
        if fields.node(name).is_none() {
            fields.missing(name, self.found);
        }
    }

    /// A duration with its unit, longer than zero.
    pub(crate) fn duration(&mut self, fields: &mut Fields<'_>, name: &'static str) -> Option<Duration> {
        let node = fields.node(name)?;
        let read = node.scalar_text().and_then(|text| duration(&text)).filter(|read| !read.is_zero());
        if read.is_none() {
            let message = format!("`{name}` must be a duration");
            self.error(node.span, "duration", message, "write `500ms`, `2s`, `1m` or `1h`".to_owned());
        }
        read
    }

    /// A duration with its unit, which may be zero.
    pub(crate) fn duration_or_zero(
        &mut self,
        fields: &mut Fields<'_>,
        name: &'static str,
    ) -> Option<Duration> {
        let read = fields.node(name)?.scalar_text().and_then(|text| duration(&text));
        if read.is_some_and(|read| read.is_zero()) {
            Some(Duration::ZERO)
        } else {
            self.duration(fields, name)
        }
    }

    /// A number of bytes, with or without a unit.
    pub(crate) fn size(&mut self, fields: &mut Fields<'_>, name: &'static str) -> Option<u64> {
        let node = fields.node(name)?;
        let read = node.scalar_text().and_then(|text| bytes(&text));
        if read.is_none() {
            let help = "write a number of bytes, or `64KiB`, `1MiB`".to_owned();
            self.error(node.span, "size", format!("`{name}` must be a size"), help);
        }
        read
    }

    /// A whole number of at least 1.
    pub(crate) fn positive(&mut self, fields: &mut Fields<'_>, name: &'static str) -> Option<NonZeroU32> {
        let (_, node) = fields.entry(name)?;
        let value = fields.int(name, self.found)?;
        let read = u32::try_from(value).ok().and_then(NonZeroU32::new);
        if read.is_none() {
            let bound = if value < 1 { "at least 1".to_owned() } else { format!("at most {}", u32::MAX) };
            self.error(node.span, "number", format!("`{name}` must be {bound}"), None);
        }
        read
    }

    /// A whole number of at least 0.
    pub(crate) fn whole(&mut self, fields: &mut Fields<'_>, name: &'static str) -> Option<u64> {
        let (_, node) = fields.entry(name)?;
        let value = fields.int(name, self.found)?;
        let read = u64::try_from(value).ok();
        if read.is_none() {
            self.error(node.span, "number", format!("`{name}` must not be negative"), None);
        }
        read
    }

    /// One of several words under a key.
    pub(crate) fn choice<T: Copy>(
        &mut self,
        fields: &mut Fields<'_>,
        name: &'static str,
        words: &[(&str, T)],
    ) -> Option<T> {
        let node = fields.node(name)?;
        self.choice_of(name, node, words)
    }

    /// The same for a value that has been taken from its mapping.
    pub(crate) fn choice_of<T: Copy>(&mut self, name: &str, node: &Node, words: &[(&str, T)]) -> Option<T> {
        let text = node.scalar_text().unwrap_or_default();
        if let Some((_, value)) = words.iter().find(|(word, _)| *word == text) {
            return Some(*value);
        }
        let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        let message = format!("`{name}` must be {}", either(&known));
        self.error(node.span, "unknown-word", message, suggestion(&text, &known));
        None
    }

    /// The name of a header.
    pub(crate) fn header_name(&mut self, name: &str, span: Span) -> Option<HeaderName> {
        let read = name.parse().ok();
        if read.is_none() {
            self.error(span, "header-name", format!("`{name}` is not a valid header name"), None);
        }
        read
    }
}

/// What a misspelt word was probably meant to be, as a help text.
pub(crate) fn suggestion(word: &str, known: &[&str]) -> Option<String> {
    did_you_mean(word, known.iter().copied()).map(|known| format!("did you mean `{known}`?"))
}

/// `` `a`, `b` or `c` ``.
fn either(words: &[&str]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    match quoted.split_last() {
        Some((last, first)) if !first.is_empty() => format!("{} or {last}", first.join(", ")),
        _ => quoted.concat(),
    }
}
