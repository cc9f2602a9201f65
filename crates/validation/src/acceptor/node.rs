//! The nodes of a compiled acceptor: one for each schema.

use std::sync::Arc;

use jsonschema::Validator;

use crate::schema::{Schema, Types};

/// What a value must be.
pub(super) struct Node {
    pub(super) types: Types,
    pub(super) strings: Strings,
    pub(super) numbers: Numbers,
    /// Whether there is an `enum` or a `const`, which contains scalars only.
    pub(super) is_listed: bool,
    /// The keywords for scalars, for those that are not compiled into the other members.
    pub(super) scalars: Option<Box<Validator>>,
    pub(super) array: Array,
    pub(super) object: Object,
    /// All of these nodes must accept the same value too.
    pub(super) all: Vec<usize>,
    /// One of each list must.
    pub(super) any: Vec<Vec<usize>>,
    /// The value is checked as a tree, by this schema alone.
    pub(super) tree: Option<Arc<Schema>>,
}

/// The keywords for strings.
pub(super) struct Strings {
    /// In characters.
    pub(super) min: usize,
    pub(super) max: usize,
    /// Those of an `enum` or a `const`.
    pub(super) listed: Vec<Box<str>>,
    /// Whether the validator for scalars must be asked.
    pub(super) is_validated: bool,
}

/// The keywords for numbers.
pub(super) struct Numbers {
    pub(super) min: i64,
    pub(super) max: i64,
    /// Whether the validator for scalars must be asked.
    pub(super) is_validated: bool,
}

/// The keywords for arrays.
pub(super) struct Array {
    pub(super) min: usize,
    pub(super) max: usize,
    /// The node of the items; without, they may be anything.
    pub(super) items: Option<usize>,
}

/// The keywords for objects.
pub(super) struct Object {
    pub(super) members: Vec<Member>,
    /// How many of them are required.
    pub(super) required: usize,
    pub(super) others: Others,
    pub(super) min: usize,
    pub(super) max: usize,
}

/// A member that the schema names.
pub(super) struct Member {
    pub(super) name: Box<str>,
    /// Without, it may be anything.
    pub(super) node: Option<usize>,
    pub(super) is_required: bool,
}

/// The members that the schema does not name.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Others {
    /// May be anything.
    Any,
    /// Are not allowed.
    None,
    /// Have this node.
    Node(usize),
}

impl Node {
    /// Accepts everything.
    pub(super) fn any() -> Self {
        Self {
            types: Types::ALL,
            strings: Strings { min: 0, max: usize::MAX, listed: Vec::new(), is_validated: false },
            numbers: Numbers { min: i64::MIN, max: i64::MAX, is_validated: false },
            is_listed: false,
            scalars: None,
            array: Array { min: 0, max: usize::MAX, items: None },
            object: Object { members: Vec::new(), required: 0, others: Others::Any, min: 0, max: usize::MAX },
            all: Vec::new(),
            any: Vec::new(),
            tree: None,
        }
    }

    /// Accepts nothing.
    pub(super) fn never() -> Self {
        Self { types: Types::default(), ..Self::any() }
    }
}
