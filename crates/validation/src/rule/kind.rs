//! Sets of CEL types.

use std::fmt;

use crate::schema::Types;

/// A set of CEL types.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Kinds(u16);

impl Kinds {
    pub(super) const NONE: Kinds = Kinds(0);
    pub(super) const NULL: Kinds = Kinds(1);
    pub(super) const BOOLEAN: Kinds = Kinds(2);
    pub(super) const INT: Kinds = Kinds(4);
    pub(super) const UINT: Kinds = Kinds(8);
    pub(super) const DOUBLE: Kinds = Kinds(16);
    pub(super) const STRING: Kinds = Kinds(32);
    pub(super) const LIST: Kinds = Kinds(64);
    pub(super) const MAP: Kinds = Kinds(128);
    pub(super) const TIMESTAMP: Kinds = Kinds(256);
    pub(super) const DURATION: Kinds = Kinds(512);
    pub(super) const BYTES: Kinds = Kinds(1024);
    pub(super) const ANY: Kinds = Kinds(2047);

    pub(super) const NUMBER: Kinds = Kinds(4 | 8 | 16);
    /// Whole numbers in JSON: those too large for `int` are `uint`.
    pub(super) const WHOLE: Kinds = Kinds(4 | 8);

    pub(super) const fn or(self, other: Kinds) -> Kinds {
        Kinds(self.0 | other.0)
    }

    /// Whether the sets have a common type.
    pub(super) fn overlaps(self, other: Kinds) -> bool {
        self.0 & other.0 != 0
    }

    /// Whether all types of this set are in the other.
    pub(super) fn is_subset_of(self, other: Kinds) -> bool {
        self.0 & !other.0 == 0
    }

    /// The CEL types for JSON types.
    pub(super) fn of(types: Types) -> Kinds {
        const KINDS: [(Types, Kinds); 7] = [
            (Types::NULL, Kinds::NULL),
            (Types::BOOLEAN, Kinds::BOOLEAN),
            (Types::INTEGER, Kinds::WHOLE),
            (Types::NUMBER, Kinds::NUMBER),
            (Types::STRING, Kinds::STRING),
            (Types::ARRAY, Kinds::LIST),
            (Types::OBJECT, Kinds::MAP),
        ];
        // No valid request has a value for an unsatisfiable schema, so its type does not matter.
        if types == Types::ALL || types == Types::default() {
            return Kinds::ANY;
        }
        let taken = KINDS.into_iter().filter(|(name, _)| types.contains(*name));
        taken.fold(Kinds::NONE, |kinds, (_, kind)| kinds.or(kind))
    }
}

/// As shown in diagnostics, with the terms of JSON Schema: `an integer`, `a string or null`.
impl fmt::Display for Kinds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const NAMES: [(Kinds, &str); 14] = [
            (Kinds::ANY, "any value"),
            (Kinds::NUMBER, "a number"),
            (Kinds::WHOLE, "an integer"),
            (Kinds::INT, "an integer"),
            (Kinds::UINT, "an unsigned integer"),
            (Kinds::DOUBLE, "a floating-point number"),
            (Kinds::STRING, "a string"),
            (Kinds::BOOLEAN, "a boolean"),
            (Kinds::LIST, "a list"),
            (Kinds::MAP, "an object"),
            (Kinds::TIMESTAMP, "a timestamp"),
            (Kinds::DURATION, "a duration"),
            (Kinds::BYTES, "bytes"),
            (Kinds::NULL, "null"),
        ];
        let mut left = *self;
        let mut named = Vec::new();
        for (kinds, name) in NAMES {
            if left != Kinds::NONE && kinds.is_subset_of(left) {
                named.push(name);
                left = Kinds(left.0 & !kinds.0);
            }
        }
        match named.split_last() {
            Some((last, [])) => f.write_str(last),
            Some((last, others)) => write!(f, "{} or {last}", others.join(", ")),
            None => f.write_str("nothing"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn displays_types_with_the_terms_of_json_schema() {
        for (kinds, name) in [
            (Kinds::of(Types::INTEGER), "an integer"),
            (Kinds::of(Types::STRING.union(Types::NULL)), "a string or null"),
            (Kinds::NUMBER.or(Kinds::STRING).or(Kinds::LIST), "a number, a string or a list"),
            (Kinds::of(Types::NUMBER.union(Types::INTEGER)), "a number"),
            (Kinds::of(Types::ALL), "any value"),
            (Kinds::INT, "an integer"),
        ] {
            assert_eq!(kinds.to_string(), name);
        }
    }
}
