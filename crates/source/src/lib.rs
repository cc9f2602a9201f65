//! YAML and JSON read into a tree in which every key and value has a position.
//!
//! Contracts, `demur.yaml` and OpenAPI documents are all read in two steps: [`parse`] turns the text into a tree of
//! [`Node`]s with byte positions, and each crate converts that tree into its own types, mostly with [`Fields`]. Errors
//! and warnings are collected in [`Diagnostics`], so that a user sees all of them at once, each with its position and
//! with help on how to fix it.
//!
//! This crate does not know the meaning of any key. Its only I/O is [`Source::read`], and it prints nothing: the
//! command line displays diagnostics.

mod diagnostic;
mod fields;
mod node;
mod parse;
mod syntax;
mod visible;

pub use diagnostic::{Diagnostic, Diagnostics, Severity, SourceLocation, did_you_mean};
pub use fields::Fields;
pub use node::{Key, Node, NodeKind};
pub use parse::{parse, parse_lossy};
pub use visible::{is_hidden, visible};

use std::path::Path;
use std::sync::Arc;

/// A text and its name: a file path, or `built-in:NAME`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The name that messages show: a path, or `built-in:NAME`.
    pub name: String,
    /// The whole text.
    pub text: String,
}

impl Source {
    /// A source from a text in memory.
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Arc<Self> {
        Arc::new(Self { name: name.into(), text: text.into() })
    }

    /// Reads a file.
    ///
    /// # Errors
    ///
    /// The error of the operating system, or `InvalidData` if the file is not valid UTF-8.
    pub fn read(path: &Path) -> std::io::Result<Arc<Self>> {
        Ok(Self::new(path.display().to_string(), std::fs::read_to_string(path)?))
    }

    /// The line and column (both from 1, columns in characters) of a byte offset.
    pub fn line_column(&self, offset: usize) -> (usize, usize) {
        let offset = self.floor_char_boundary(offset);
        let before = &self.text[..offset];
        let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        (line, before[line_start..].chars().count() + 1)
    }

    /// The last character boundary at or before `offset`.
    fn floor_char_boundary(&self, offset: usize) -> usize {
        let mut offset = offset.min(self.text.len());
        while !self.text.is_char_boundary(offset) {
            offset -= 1;
        }
        offset
    }
}

/// A byte range of a [`Source`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Span {
    /// The offset of the first byte.
    pub start: usize,
    /// The offset after the last byte.
    pub end: usize,
}

impl Span {
    /// The bytes from `start` up to, but not including, `end`.
    pub fn new(start: usize, end: usize) -> Self {
        Self { start, end: end.max(start) }
    }
}

/// Compiles the example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
