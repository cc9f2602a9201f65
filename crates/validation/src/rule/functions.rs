//! The functions that a rule may call, and the operators: what they take, and what they give.
//!
//! A table beside the `cel` crate's own functions: those pick by the values of a request; this is known when
//! the rule is loaded.

use super::kind::Kinds;

const BOOLEAN: Kinds = Kinds::BOOLEAN;
const INT: Kinds = Kinds::INT;
const STRING: Kinds = Kinds::STRING;
const TIMESTAMP: Kinds = Kinds::TIMESTAMP;
const DURATION: Kinds = Kinds::DURATION;
const NUMBER: Kinds = Kinds::NUMBER;

/// A function by its name.
pub(super) struct Function {
    pub(super) name: &'static str,
    pub(super) signatures: &'static [Signature],
}

/// One overload to call it: by itself, or on a value, which is then the first of its arguments.
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

/// Part of a date, in UTC or in a time zone.
const DATE_PART: &[Signature] = &[method(&[TIMESTAMP], INT), method(&[TIMESTAMP, STRING], INT)];
/// Part of a time, or of a duration.
const TIME_PART: &[Signature] = &[method(&[TIMESTAMP.or(DURATION)], INT), method(&[TIMESTAMP, STRING], INT)];
const SIZED: Kinds = STRING.or(Kinds::LIST).or(Kinds::MAP).or(Kinds::BYTES);
const TEXT_PREDICATE: &[Signature] = &[method(&[STRING, STRING], BOOLEAN)];

/// Every function that a rule may call. Macros (`has`, `all`, …) are gone after parsing.
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

    /// The overloads to call it with so many arguments, the value that it is called on among them.
    pub(super) fn overloads(&self, on_value: bool, count: usize) -> impl Iterator<Item = &'static Signature> {
        let overloads = self.signatures.iter();
        overloads.filter(move |overload| overload.on_value == on_value && overload.arguments.len() == count)
    }

    /// How it is called, for whoever called it otherwise.
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

/// An operator as the parser names it, and as a rule writes it.
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
    /// `+`, `-`, `*`, `/`, `%`, and `-` before a value.
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

/// What arithmetic takes on either side, and what it result.
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
    // Before a value: there is no left side.
    ("-", Kinds::NONE, INT, INT),
    ("-", Kinds::NONE, Kinds::DOUBLE, Kinds::DOUBLE),
];

/// What arithmetic on values of these kinds may give; nothing where there is no such arithmetic. Before a
/// single value, `left` is [`Kinds::NONE`].
pub(super) fn arithmetic(sign: &str, left: Kinds, right: Kinds) -> Kinds {
    let fits = |known: Kinds, given: Kinds| known.overlaps(given) || known == given;
    let rows = ARITHMETIC.iter().filter(|(known, of_left, of_right, _)| {
        *known == sign && fits(*of_left, left) && of_right.overlaps(right)
    });
    rows.fold(Kinds::NONE, |result, (_, _, _, kind)| result.or(*kind))
}

/// Whether values of these kinds can be put in an order.
pub(super) fn is_comparable(left: Kinds, right: Kinds) -> bool {
    let groups = [NUMBER, STRING, BOOLEAN, TIMESTAMP, DURATION, Kinds::BYTES];
    groups.into_iter().any(|group| left.overlaps(group) && right.overlaps(group))
}

/// Whether values of these kinds can be equal. Whoever asks for null may do so of any value.
pub(super) fn is_equatable(left: Kinds, right: Kinds) -> bool {
    let compares_with_null = left == Kinds::NULL || right == Kinds::NULL;
    compares_with_null || left.overlaps(right) || left.overlaps(NUMBER) && right.overlaps(NUMBER)
}
