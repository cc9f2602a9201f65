//! What the document says of `params` and `body` in the operations that a rule is about.
//!
//! A rule may be about many operations: what one of them allows is allowed.

use super::kind::Kinds;
use crate::document::Operation;
use crate::schema::{Schema, Types, ValueStep};

/// The operations that a rule is about, as far as its types go.
#[derive(Debug, Clone, Default)]
pub struct Declarations<'d> {
    operations: Vec<&'d Operation>,
}

impl<'d> Declarations<'d> {
    /// Those of some operations.
    pub fn of(operations: impl IntoIterator<Item = &'d Operation>) -> Self {
        Self { operations: operations.into_iter().collect() }
    }

    /// Nothing is known: everything may have any type.
    pub fn none() -> Self {
        Self::default()
    }

    /// What is declared of a parameter; `None` where no operation has it.
    pub(super) fn parameter(&self, name: &str) -> Option<DeclaredPart<'d>> {
        if self.operations.is_empty() {
            return Some(DeclaredPart::unknown());
        }
        let parameters = self.operations.iter().flat_map(|operation| operation.parameters.iter());
        let schemas: Vec<Option<&Schema>> = parameters
            .filter(|parameter| parameter.name == name)
            // An empty parameter that is allowed to be empty is not held against its schema.
            .map(|parameter| parameter.schema.as_deref().filter(|_| !parameter.allow_empty))
            .collect();
        (!schemas.is_empty()).then(|| DeclaredPart { schemas, path: Vec::new(), may_be_null: false })
    }

    /// The names of all parameters.
    pub(super) fn parameters(&self) -> impl Iterator<Item = &'d str> {
        self.operations.iter().flat_map(|operation| operation.all_parameters())
    }

    /// What is declared of the content.
    pub(super) fn body(&self) -> DeclaredPart<'d> {
        let mut part = DeclaredPart::unknown();
        if self.operations.is_empty() {
            return part;
        }
        part.schemas.clear();
        for operation in &self.operations {
            let Some(body) = &operation.body else {
                part.may_be_null = true;
                continue;
            };
            part.schemas.extend(body.media_types.iter().map(|media_type| media_type.schema.as_deref()));
        }
        part
    }
}

/// A part of what a request carries, and the schemas that speak of it.
#[derive(Clone)]
pub(super) struct DeclaredPart<'d> {
    /// `None` stands for one that says nothing.
    schemas: Vec<Option<&'d Schema>>,
    /// From the values that those are about to this part.
    path: Vec<ValueStep>,
    /// Whether an operation has no such value at all. Whoever asks for null may do so of any value, so that it
    /// does not matter whether one that is declared must be sent.
    may_be_null: bool,
}

impl<'d> DeclaredPart<'d> {
    fn unknown() -> Self {
        Self { schemas: vec![None], path: Vec::new(), may_be_null: false }
    }

    pub(super) fn member(&self, name: &str) -> Self {
        self.below(ValueStep::Member(name.to_owned()))
    }

    pub(super) fn item(&self) -> Self {
        self.below(ValueStep::Item)
    }

    fn below(&self, step: ValueStep) -> Self {
        let path = self.path.iter().cloned().chain([step]).collect();
        Self { schemas: self.schemas.clone(), path, may_be_null: false }
    }

    /// The kinds of values that it may have.
    pub(super) fn kinds(&self) -> Kinds {
        let of = |schema: &Option<&Schema>| schema.map_or(Types::ALL, |schema| schema.types(&self.path));
        let types = self.schemas.iter().map(of).fold(Types::default(), Types::union);
        match (self.may_be_null, self.schemas.is_empty()) {
            (true, true) => Kinds::NULL,
            (true, false) => Kinds::of(types).or(Kinds::NULL),
            (false, _) => Kinds::of(types),
        }
    }

    /// The names of its members; none where a schema leaves them open.
    pub(super) fn members(&self) -> Vec<&'d str> {
        let mut names = Vec::new();
        for schema in &self.schemas {
            let Some(schema) = *schema else { return Vec::new() };
            let document = schema.document();
            let declared = self.path.iter().fold(schema.declared(), |declared, step| match step {
                ValueStep::Member(name) => declared.member(document, name),
                ValueStep::Item => declared.item(document, usize::MAX),
            });
            let members = declared.members(document);
            if members.is_empty() {
                return Vec::new();
            }
            names.extend(members);
        }
        names
    }
}
