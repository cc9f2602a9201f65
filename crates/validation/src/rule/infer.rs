//! Type inference for the parts of a rule.

use super::declarations::{Declarations, DeclaredPart};
use super::inputs::Variable;
use super::kind::Kinds;

/// The inferred type of an expression.
#[derive(Clone)]
pub(super) struct Inferred<'d> {
    pub(super) kinds: Kinds,
    parts: InferredParts<'d>,
}

#[derive(Clone)]
enum InferredParts<'d> {
    /// Nothing is known of the parts.
    Open,
    /// The parts have declared types.
    Declared(DeclaredPart<'d>),
    /// All elements or members are of these kinds.
    Each(Kinds),
}

impl<'d> Inferred<'d> {
    /// A type without knowledge of the parts.
    pub(super) fn of(kinds: Kinds) -> Self {
        Self { kinds, parts: InferredParts::Open }
    }

    pub(super) fn any() -> Self {
        Self::of(Kinds::ANY)
    }

    /// A list or an object whose parts are all of these kinds.
    pub(super) fn each(kinds: Kinds, parts: Kinds) -> Self {
        Self { kinds, parts: InferredParts::Each(parts) }
    }

    pub(super) fn declared(part: DeclaredPart<'d>) -> Self {
        Self { kinds: part.kinds(), parts: InferredParts::Declared(part) }
    }

    /// The type of a variable. Without authentication, there is neither key, account nor plan.
    pub(super) fn variable(variable: Variable, declarations: &Declarations<'d>) -> Self {
        match variable {
            Variable::Request | Variable::Params => Self::of(Kinds::MAP),
            Variable::Body => Self::declared(declarations.body()),
            Variable::Key | Variable::Account | Variable::Plan => Self::of(Kinds::MAP.or(Kinds::NULL)),
            Variable::Now => Self::of(Kinds::TIMESTAMP),
        }
    }

    /// The type of a member of a variable that the gateway provides.
    pub(super) fn builtin_member(variable: Variable, name: &str) -> Self {
        match (variable, name) {
            (Variable::Request, "headers") | (Variable::Key, "metadata") => {
                Self::each(Kinds::MAP, Kinds::STRING)
            }
            (Variable::Key, "scopes" | "resources" | "operations") | (Variable::Plan, "features") => {
                Self::each(Kinds::LIST, Kinds::STRING)
            }
            (Variable::Request | Variable::Key | Variable::Account | Variable::Plan, _) => {
                Self::of(Kinds::STRING)
            }
            (Variable::Params | Variable::Body | Variable::Now, _) => Self::any(),
        }
    }

    /// The union of both types.
    pub(super) fn either(self, other: Self) -> Self {
        Self::of(self.kinds.or(other.kinds))
    }

    pub(super) fn member(&self, name: &str) -> Self {
        match &self.parts {
            InferredParts::Declared(part) => Self::declared(part.member(name)),
            InferredParts::Each(kinds) => Self::of(*kinds),
            InferredParts::Open => Self::any(),
        }
    }

    /// The type of an element of a list.
    pub(super) fn item(&self) -> Self {
        match &self.parts {
            InferredParts::Declared(part) => Self::declared(part.item()),
            InferredParts::Each(kinds) => Self::of(*kinds),
            InferredParts::Open => Self::any(),
        }
    }

    /// The type of a loop variable: an element of a list, or a member name of an object.
    pub(super) fn iterated(&self) -> Self {
        match (self.kinds.overlaps(Kinds::LIST), self.kinds.overlaps(Kinds::MAP)) {
            (true, false) => self.item(),
            (false, true) => Self::of(Kinds::STRING),
            _ => Self::any(),
        }
    }

    /// The declared names of the members; none if they are not restricted.
    pub(super) fn members(&self) -> Vec<&'d str> {
        match &self.parts {
            InferredParts::Declared(part) => part.members(),
            InferredParts::Open | InferredParts::Each(_) => Vec::new(),
        }
    }
}
