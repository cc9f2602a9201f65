//! The signatures of all functions and operators of rules.
//!
//! The `cel` crate selects overloads by the values of a request. These tables let `lint` check types when a rule is
//! loaded.

use super::kind::Kinds;

const BOOLEAN: Kinds = Kinds::BOOLEAN;
const INT: Kinds = Kinds::INT;
const STRING: Kinds = Kinds::STRING;
const TIMESTAMP: Kinds = Kinds::TIMESTAMP;
const DURATION: Kinds = Kinds::DURATION;
const NUMBER: Kinds = Kinds::NUMBER;

/// A function with its overloads.
pub(super) struct Function {
    pub(super) name: &'static str,
    pub(super) signatures: &'static [Signature],
}

/// An overload. The first argument of a method is the value that it is called on.
pub(super) struct Signature {
    pub(super) on_value: bool,
    pub(super) arguments: &'static [Kinds],
    pub(super) result: Kinds,
}

const fn function(arguments: &'static [Kinds], result: Kinds) -> Signature {
    Signature { on_value: false, arguments, result }
}

const fn method(arguments: &'static [Kinds], result: Kinds) -> Signature {
    Signature { on_value: true, arguments, result }
}

/// A part of a date, in UTC or in a time zone.
const DATE_PART: &[Signature] = &[method(&[TIMESTAMP], INT), method(&[TIMESTAMP, STRING], INT)];
/// A part of a time of day or of a duration.
const TIME_PART: &[Signature] = &[method(&[TIMESTAMP.or(DURATION)], INT), method(&[TIMESTAMP, STRING], INT)];
const SIZED: Kinds = STRING.or(Kinds::LIST).or(Kinds::MAP).or(Kinds::BYTES);
const TEXT_PREDICATE: &[Signature] = &[method(&[STRING, STRING], BOOLEAN)];

/// All functions. Macros (`has`, `all`, …) are expanded by the parser.
pub(super) const FUNCTIONS: &[Function] = &[
    Function { name: "date", signatures: &[function(&[STRING], TIMESTAMP)] },
    Function { name: "timestamp", signatures: &[function(&[STRING.or(TIMESTAMP).or(INT)], TIMESTAMP)] },
    Function { name: "duration", signatures: &[function(&[STRING.or(DURATION)], DURATION)] },
    Function { name: "size", signatures: &[function(&[SIZED], INT), method(&[SIZED], INT)] },
    Function { name: "int", signatures: &[function(&[NUMBER.or(STRING).or(TIMESTAMP)], INT)] },
    Function { name: "uint", signatures: &[function(&[NUMBER.or(STRING)], Kinds::UINT)] },
    Function { name: "double", signatures: &[function(&[NUMBER.or(STRING)], Kinds::DOUBLE)] },
    Function {
        name: "string",
        signatures: &[function(
            &[NUMBER.or(STRING).or(BOOLEAN).or(TIMESTAMP).or(DURATION).or(Kinds::BYTES)],
            STRING,
        )],
    },
    Function { name: "contains", signatures: TEXT_PREDICATE },
    Function { name: "startsWith", signatures: TEXT_PREDICATE },
    Function { name: "endsWith", signatures: TEXT_PREDICATE },
    Function {
        name: "matches",
        signatures: &[function(&[STRING, STRING], BOOLEAN), method(&[STRING, STRING], BOOLEAN)],
    },
    Function { name: "getFullYear", signatures: DATE_PART },
    Function { name: "getMonth", signatures: DATE_PART },
    Function { name: "getDate", signatures: DATE_PART },
    Function { name: "getDayOfMonth", signatures: DATE_PART },
    Function { name: "getDayOfWeek", signatures: DATE_PART },
    Function { name: "getDayOfYear", signatures: DATE_PART },
    Function { name: "getHours", signatures: TIME_PART },
    Function { name: "getMinutes", signatures: TIME_PART },
    Function { name: "getSeconds", signatures: TIME_PART },
    Function { name: "getMilliseconds", signatures: TIME_PART },
];

/// Macros of CEL, for suggestions.
pub(super) const MACROS: [&str; 6] = ["has", "all", "exists", "exists_one", "map", "filter"];

impl Function {
    pub(super) fn from_name(name: &str) -> Option<&'static Function> {
        FUNCTIONS.iter().find(|function| function.name == name)
    }

    /// The overloads with this number of arguments, the value of a method included.
    pub(super) fn overloads(&self, on_value: bool, count: usize) -> impl Iterator<Item = &'static Signature> {
        let overloads = self.signatures.iter();
        overloads.filter(move |overload| overload.on_value == on_value && overload.arguments.len() == count)
    }

    /// The help text that shows how to call it.
    pub(super) fn usage(&self) -> String {
        let list = |count: usize| vec!["…"; count].join(", ");
        let overloads =
            self.signatures.iter().map(|overload| match (overload.on_value, overload.arguments.len()) {
                (true, count) => format!("`value.{}({})`", self.name, list(count.saturating_sub(1))),
                (false, count) => format!("`{}({})`", self.name, list(count)),
            });
        format!("write {}", overloads.collect::<Vec<_>>().join(" or "))
    }
}

/// An operator. The payload is its spelling in rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    /// `&&`, `||` and `!`.
    Logic(&'static str),
    /// `==` and `!=`.
    Equality(&'static str),
    /// `<`, `<=`, `>`, `>=`.
    Comparison(&'static str),
    /// `in`.
    In,
    /// `? :`
    Conditional,
    /// `list[0]`, `object['name']`.
    Index,
    /// `+`, `-`, `*`, `/`, `%`, and unary `-`.
    Arithmetic(&'static str),
    /// What the parser puts around the condition of a loop.
    Loop,
}

const OPERATORS: [(&str, Operator); 19] = [
    ("_&&_", Operator::Logic("&&")),
    ("_||_", Operator::Logic("||")),
    ("!_", Operator::Logic("!")),
    ("_==_", Operator::Equality("==")),
    ("_!=_", Operator::Equality("!=")),
    ("_<_", Operator::Comparison("<")),
    ("_<=_", Operator::Comparison("<=")),
    ("_>_", Operator::Comparison(">")),
    ("_>=_", Operator::Comparison(">=")),
    ("@in", Operator::In),
    ("_?_:_", Operator::Conditional),
    ("_[_]", Operator::Index),
    ("_+_", Operator::Arithmetic("+")),
    ("_-_", Operator::Arithmetic("-")),
    ("_*_", Operator::Arithmetic("*")),
    ("_/_", Operator::Arithmetic("/")),
    ("_%_", Operator::Arithmetic("%")),
    ("-_", Operator::Arithmetic("-")),
    ("@not_strictly_false", Operator::Loop),
];

impl Operator {
    pub(super) fn from_name(name: &str) -> Option<Operator> {
        OPERATORS.iter().find(|(known, _)| *known == name).map(|(_, operator)| *operator)
    }
}

/// The signatures of arithmetic operators: left, right, result.
const ARITHMETIC: [(&str, Kinds, Kinds, Kinds); 25] = [
    ("+", INT, INT, INT),
    ("+", Kinds::UINT, Kinds::UINT, Kinds::UINT),
    ("+", Kinds::DOUBLE, Kinds::DOUBLE, Kinds::DOUBLE),
    ("+", STRING, STRING, STRING),
    ("+", Kinds::LIST, Kinds::LIST, Kinds::LIST),
    ("+", Kinds::BYTES, Kinds::BYTES, Kinds::BYTES),
    ("+", TIMESTAMP, DURATION, TIMESTAMP),
    ("+", DURATION, TIMESTAMP, TIMESTAMP),
    ("+", DURATION, DURATION, DURATION),
    ("-", INT, INT, INT),
    ("-", Kinds::UINT, Kinds::UINT, Kinds::UINT),
    ("-", Kinds::DOUBLE, Kinds::DOUBLE, Kinds::DOUBLE),
    ("-", TIMESTAMP, TIMESTAMP, DURATION),
    ("-", TIMESTAMP, DURATION, TIMESTAMP),
    ("-", DURATION, DURATION, DURATION),
    ("*", INT, INT, INT),
    ("*", Kinds::UINT, Kinds::UINT, Kinds::UINT),
    ("*", Kinds::DOUBLE, Kinds::DOUBLE, Kinds::DOUBLE),
    ("/", INT, INT, INT),
    ("/", Kinds::UINT, Kinds::UINT, Kinds::UINT),
    ("/", Kinds::DOUBLE, Kinds::DOUBLE, Kinds::DOUBLE),
    ("%", INT, INT, INT),
    ("%", Kinds::UINT, Kinds::UINT, Kinds::UINT),
    // Unary minus.
    ("-", Kinds::NONE, INT, INT),
    ("-", Kinds::NONE, Kinds::DOUBLE, Kinds::DOUBLE),
];

/// The possible result of an arithmetic operator; [`Kinds::NONE`] if it is not defined. `left` is [`Kinds::NONE`] for
/// a unary operator.
pub(super) fn arithmetic(sign: &str, left: Kinds, right: Kinds) -> Kinds {
    let fits = |known: Kinds, given: Kinds| known.overlaps(given) || known == given;
    let rows = ARITHMETIC.iter().filter(|(known, of_left, of_right, _)| {
        *known == sign && fits(*of_left, left) && of_right.overlaps(right)
    });
    rows.fold(Kinds::NONE, |result, (_, _, _, kind)| result.or(*kind))
}

/// Whether `<` is defined for values of these kinds.
pub(super) fn is_comparable(left: Kinds, right: Kinds) -> bool {
    let groups = [NUMBER, STRING, BOOLEAN, TIMESTAMP, DURATION, Kinds::BYTES];
    groups.into_iter().any(|group| left.overlaps(group) && right.overlaps(group))
}

/// Whether values of these kinds can be equal. Comparing with null is always allowed.
pub(super) fn is_equatable(left: Kinds, right: Kinds) -> bool {
    let compares_with_null = left == Kinds::NULL || right == Kinds::NULL;
    compares_with_null || left.overlaps(right) || left.overlaps(NUMBER) && right.overlaps(NUMBER)
}
