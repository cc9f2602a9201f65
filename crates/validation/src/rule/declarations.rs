//! The declared types of `params` and `body` in the operations of a rule.
//!
//! A rule may apply to several operations: a type is allowed if one of them allows it.

use super::kind::Kinds;
use crate::document::Operation;
use crate::schema::{Schema, Types, ValueStep};

/// The operations that a rule applies to, as the source of its types.
#[derive(Debug, Clone, Default)]
pub struct Declarations<'d> {
    operations: Vec<&'d Operation>,
}

impl<'d> Declarations<'d> {
    /// The declarations of these operations.
    pub fn of(operations: impl IntoIterator<Item = &'d Operation>) -> Self {
        Self { operations: operations.into_iter().collect() }
    }

    /// No declarations: every value may have any type.
    pub fn none() -> Self {
        Self::default()
    }

    /// The declared type of a parameter; `None` if no operation declares it.
    pub(super) fn parameter(&self, name: &str) -> Option<DeclaredPart<'d>> {
        if self.operations.is_empty() {
            return Some(DeclaredPart::unknown());
        }
        let parameters = self.operations.iter().flat_map(|operation| operation.parameters.iter());
        let schemas: Vec<Option<&Schema>> = parameters
            .filter(|parameter| parameter.name == name)
            // An empty value with `allowEmptyValue` is not validated against the schema.
            .map(|parameter| parameter.schema.as_deref().filter(|_| !parameter.allow_empty))
            .collect();
        (!schemas.is_empty()).then(|| DeclaredPart { schemas, path: Vec::new(), may_be_null: false })
    }

    /// The names of all parameters.
    pub(super) fn parameters(&self) -> impl Iterator<Item = &'d str> {
        self.operations.iter().flat_map(|operation| operation.all_parameters())
    }

    /// Whether a valid request of some operation may be without a member of `params` or `body`.
    pub(super) fn is_optional(&self, path: &[String]) -> bool {
        let [root, rest @ ..] = path else { return false };
        let is_optional_in = |operation: &&Operation| match (root.as_str(), rest) {
            ("params", [name]) => {
                !operation.parameters.iter().any(|parameter| parameter.name == *name && parameter.required)
            }
            // Their own members are left to the schema of the parameter, which is rarely an object.
            ("params", _) => false,
            _ => operation.body.as_ref().is_none_or(|body| {
                let may_lack = |schema: &Option<_>| {
                    schema.as_ref().is_none_or(|schema: &std::sync::Arc<Schema>| !schema.requires(rest))
                };
                !body.required || body.media_types.iter().any(|media_type| may_lack(&media_type.schema))
            }),
        };
        self.operations.iter().copied().any(|operation| is_optional_in(&operation))
    }

    /// The declared type of the body.
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

/// A part of a parameter or body, and the schemas that describe it.
#[derive(Clone)]
pub(super) struct DeclaredPart<'d> {
    /// `None` for a declaration without a schema.
    schemas: Vec<Option<&'d Schema>>,
    /// The path from the values that the schemas describe to this part.
    path: Vec<ValueStep>,
    /// Whether an operation has no such value at all. Comparing with null is always allowed, so optional values do
    /// not matter here.
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

    /// The possible kinds of its value.
    pub(super) fn kinds(&self) -> Kinds {
        let of = |schema: &Option<&Schema>| schema.map_or(Types::ALL, |schema| schema.types(&self.path));
        let types = self.schemas.iter().map(of).fold(Types::default(), Types::union);
        match (self.may_be_null, self.schemas.is_empty()) {
            (true, true) => Kinds::NULL,
            (true, false) => Kinds::of(types).or(Kinds::NULL),
            (false, _) => Kinds::of(types),
        }
    }

    /// The declared names of its members; none if a schema does not restrict them.
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
