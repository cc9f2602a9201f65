//! Configuration text read into a tree that knows where everything stands.
//!
//! Contracts, `demur.yaml` and OpenAPI documents are all read the same way: text → [`Node`] tree with
//! spans → the reader's own types. Mistakes are collected in [`Diagnostics`] as they are met, so that a
//! person sees all of them at once, each with its place, its cause and a mend.
//!
//! This crate does not know what any key means, does no I/O but [`Source::read`], and prints nothing:
//! showing a diagnostic is the command line's business.

mod diagnostic;
mod fields;
mod node;
mod parse;
mod visible;

pub use diagnostic::{Diagnostic, Diagnostics, Severity, SourceLocation, did_you_mean};
pub use fields::Fields;
pub use node::{Key, Node, NodeKind};
pub use parse::{parse, parse_lossy};
pub use visible::{is_hidden, visible};

use std::path::Path;
use std::sync::Arc;

/// One text that was read, and the name under which a person knows it (a path, or `built-in:NAME`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// A path, or another name that tells a person where to look.
    pub name: String,
    /// The whole text.
    pub text: String,
}

impl Source {
    /// A text that is already in memory.
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Arc<Self> {
        Arc::new(Self { name: name.into(), text: text.into() })
    }

    /// Reads a file. The error is the operating system's; a file that is not UTF-8 is `InvalidData`.
    pub fn read(path: &Path) -> std::io::Result<Arc<Self>> {
        Ok(Self::new(path.display().to_string(), std::fs::read_to_string(path)?))
    }

    /// The line and column (both from 1, columns in characters) of a byte offset.
    pub fn line_column(&self, offset: usize) -> (usize, usize) {
        let offset = self.floor(offset);
        let before = &self.text[..offset];
        let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        (line, before[line_start..].chars().count() + 1)
    }

    /// The nearest character boundary at or before `offset`.
    fn floor(&self, offset: usize) -> usize {
        let mut offset = offset.min(self.text.len());
        while !self.text.is_char_boundary(offset) {
            offset -= 1;
        }
        offset
    }
}

/// A range of bytes in a [`Source`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Span {
    /// The first byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

impl Span {
    /// From `start` to before `end`.
    pub fn new(start: usize, end: usize) -> Self {
        Self { start, end: end.max(start) }
    }
}

/// Compiles the example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
