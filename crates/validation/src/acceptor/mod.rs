//! Accepts valid JSON bodies without building a value.
//!
//! Nearly every body is valid, and most of the time of a check goes into a tree that nobody reads. So the common keywords
//! are compiled into an [`Acceptor`], which checks a body while it reads it. It only ever says yes: a body that it does not
//! accept is read into a tree and checked by the schema, which finds the violations or that there are none. So it may give
//! up wherever reading on would be complicated: escapes in names, very many members without a schema, a deep nesting.
//!
//! What it accepts, the parser of trees ([`json::read`](crate::request)) and the schema accept too. Values whose schema
//! uses another keyword become trees, each for itself, and strings and numbers with constraints of another kind are given
//! to a validator of these constraints.

mod compile;
mod node;
mod reader;
mod run;

use serde_json::Value;

pub(crate) use compile::AcceptorCompiler;
use node::Node;
use run::Run;

/// A schema, compiled for accepting values while they are read.
pub(crate) struct Acceptor {
    nodes: Vec<Node>,
    /// The index of the node for the body as a whole.
    root: usize,
}

impl Acceptor {
    /// Accepts any JSON.
    pub(crate) fn of_anything() -> Self {
        Self { nodes: vec![Node::any()], root: 0 }
    }

    /// Whether the body is JSON with a valid value. `false` says nothing.
    pub(crate) fn accepts(&self, bytes: &[u8], max_depth: usize) -> bool {
        let mut run = Run::new(&self.nodes, bytes, max_depth);
        run.whole(self.root)
    }
}

impl std::fmt::Debug for Acceptor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Acceptor").field("nodes", &self.nodes.len()).finish_non_exhaustive()
    }
}

/// Whether an array or object can be a value, so that no list of scalars contains it.
fn is_container(value: &Value) -> bool {
    value.is_array() || value.is_object()
}

#[cfg(test)]
mod tests;
