//! Infers the result types of operators and calls, or reports operands that no value could satisfy, with help.

use super::functions::{Operator, Signature, arithmetic, is_comparable, is_equatable};
use super::infer::Inferred;
use super::kind::Kinds;

/// Operands or arguments of the wrong types.
#[derive(Debug)]
pub(super) struct OperandError {
    pub(super) message: String,
    pub(super) help: Option<String>,
    /// The position of the operand at fault, if it is a single one.
    pub(super) operand: Option<usize>,
}

impl OperandError {
    fn of(message: String, help: Option<String>) -> Self {
        Self { message, help, operand: None }
    }

    fn about(operand: usize, message: String, help: Option<String>) -> Self {
        Self { message, help, operand: Some(operand) }
    }
}

/// The result type of an operator.
pub(super) fn operate<'d>(
    operator: Operator,
    operands: &[Inferred<'d>],
) -> Result<Inferred<'d>, OperandError> {
    let boolean = Inferred::of(Kinds::BOOLEAN);
    match (operator, operands) {
        (Operator::Logic(sign), operands) => {
            match operands.iter().position(|operand| !operand.kinds.overlaps(Kinds::BOOLEAN)) {
                Some(operand) => {
                    Err(not_boolean(&format!("`{sign}` requires"), operand, operands[operand].kinds))
                }
                None => Ok(boolean),
            }
        }
        (Operator::Equality(sign), [left, right]) if !is_equatable(left.kinds, right.kinds) => {
            let always = if sign == "==" { "never" } else { "always" };
            let message = format!("comparison is {always} true: {} is not {}", left.kinds, right.kinds);
            Err(OperandError::of(message, help_for(&COMPARABLE, left.kinds, right.kinds)))
        }
        (Operator::Comparison(sign), [left, right]) if !is_comparable(left.kinds, right.kinds) => {
            let message = format!("`{sign}` cannot compare {} with {}", left.kinds, right.kinds);
            Err(OperandError::of(message, help_for(&COMPARABLE, left.kinds, right.kinds)))
        }
        (Operator::In, [left, right]) => is_in(left, right).map(|()| boolean),
        (Operator::Conditional, [condition, yes, no]) => {
            if condition.kinds.overlaps(Kinds::BOOLEAN) {
                Ok(yes.clone().either(no.clone()))
            } else {
                Err(not_boolean("a condition must be", 0, condition.kinds))
            }
        }
        (Operator::Index, [value, index]) => element(value, index),
        (Operator::Arithmetic(sign), [left, right]) => match arithmetic(sign, left.kinds, right.kinds) {
            Kinds::NONE => {
                let message = format!("`{sign}` is not defined for {} and {}", left.kinds, right.kinds);
                Err(OperandError::of(message, help_for(&ADDABLE, left.kinds, right.kinds)))
            }
            kinds => Ok(Inferred::of(kinds)),
        },
        (Operator::Arithmetic(sign), [single]) => match arithmetic(sign, Kinds::NONE, single.kinds) {
            Kinds::NONE => {
                Err(OperandError::of(format!("`{sign}` is not defined for {}", single.kinds), None))
            }
            kinds => Ok(Inferred::of(kinds)),
        },
        (Operator::Equality(_) | Operator::Comparison(_) | Operator::Loop, _) => Ok(boolean),
        (Operator::Conditional | Operator::Index | Operator::In | Operator::Arithmetic(_), _) => {
            Ok(Inferred::any())
        }
    }
}

fn not_boolean(what: &str, operand: usize, kinds: Kinds) -> OperandError {
    let help = "write a comparison, such as `body.count > 0`".to_owned();
    OperandError::about(operand, format!("{what} a boolean, not {kinds}"), Some(help))
}

fn is_in(left: &Inferred<'_>, right: &Inferred<'_>) -> Result<(), OperandError> {
    if !right.kinds.overlaps(Kinds::LIST.or(Kinds::MAP)) {
        let message = format!("the right side of `in` must be a list or an object, not {}", right.kinds);
        let is_text = right.kinds.is_subset_of(Kinds::STRING);
        let help = is_text.then(|| "write `text.contains(part)`".to_owned());
        return Err(OperandError::about(1, message, help));
    }
    let elements = right.iterated().kinds;
    if is_equatable(left.kinds, elements) {
        return Ok(());
    }
    let message =
        format!("`in` is never true: the left side is {}, but every element is {elements}", left.kinds);
    Err(OperandError::of(message, help_for(&COMPARABLE, left.kinds, elements)))
}

fn element<'d>(value: &Inferred<'d>, index: &Inferred<'d>) -> Result<Inferred<'d>, OperandError> {
    let is_list = value.kinds.overlaps(Kinds::LIST);
    let is_map = value.kinds.overlaps(Kinds::MAP);
    if !is_list && !is_map {
        return Err(OperandError::about(0, format!("cannot index {}", value.kinds), None));
    }
    if is_list && !is_map && !index.kinds.overlaps(Kinds::NUMBER) {
        let message = format!("the index of a list must be a number, not {}", index.kinds);
        return Err(OperandError::about(1, message, None));
    }
    if is_map && !is_list && !index.kinds.overlaps(Kinds::STRING) {
        let message = format!("the index of an object must be a string, not {}", index.kinds);
        return Err(OperandError::about(1, message, None));
    }
    Ok(if is_list && !is_map { value.item() } else { Inferred::any() })
}

/// The result type of a function call, given the overloads with the right number of arguments.
pub(super) fn call(
    name: &str,
    overloads: &[&'static Signature],
    arguments: &[Inferred<'_>],
) -> Result<Kinds, OperandError> {
    let mismatch = |overload: &Signature| {
        overload.arguments.iter().zip(arguments).position(|(wanted, given)| !given.kinds.overlaps(*wanted))
    };
    let fitting = overloads.iter().filter(|overload| mismatch(overload).is_none());
    let result = fitting.fold(Kinds::NONE, |result, overload| result.or(overload.result));
    if result != Kinds::NONE {
        return Ok(result);
    }
    let wrong = overloads.iter().find_map(|overload| Some((mismatch(overload)?, overload)));
    let Some((position, overload)) = wrong else { return Ok(Kinds::ANY) };
    let (given, wanted) = (arguments[position].kinds, overload.arguments[position]);
    Err(OperandError::about(
        position,
        format!("`{name}` requires {wanted}, not {given}"),
        argument_help(given, wanted),
    ))
}

/// Whether the overload depends on how a number is written in the request: CEL does not add the integer `1` to the
/// double `1.5`.
pub(super) fn is_ambiguous(operator: Operator, operands: &[Inferred<'_>]) -> bool {
    let (Operator::Arithmetic(_), [left, right]) = (operator, operands) else { return false };
    let is_ambiguous = |kinds: Kinds| kinds == Kinds::NUMBER;
    let is_number = |kinds: Kinds| kinds.is_subset_of(Kinds::NUMBER);
    (is_ambiguous(left.kinds) || is_ambiguous(right.kinds)) && is_number(left.kinds) && is_number(right.kinds)
}

/// Help for operands that cannot be compared, by their types in either order.
const COMPARABLE: [(Kinds, Kinds, &str); 7] = [
    (
        Kinds::STRING,
        Kinds::NUMBER,
        "write both as numbers (without quotes) or both as strings (in quotes), or convert the string with `int(…)` or `double(…)`",
    ),
    (Kinds::STRING, Kinds::TIMESTAMP, "convert the string with `date(…)` or `timestamp(…)`"),
    (Kinds::STRING, Kinds::DURATION, "convert the string with `duration(…)`"),
    (Kinds::NUMBER, Kinds::DURATION, "write a duration, such as `duration('24h')`"),
    (Kinds::NUMBER, Kinds::TIMESTAMP, "convert the seconds with `timestamp(…)`"),
    (Kinds::STRING, Kinds::BOOLEAN, "write `true` and `false` without quotes"),
    (Kinds::LIST, Kinds::ANY, "write `x in list` to search a list"),
];

/// Help for operands of arithmetic operators, by their types in either order.
const ADDABLE: [(Kinds, Kinds, &str); 5] = [
    (Kinds::WHOLE, Kinds::DOUBLE, "make both floating-point numbers with `2.0` or `double(…)`"),
    (Kinds::WHOLE, Kinds::WHOLE, "write both without `u`, or convert with `int(…)`"),
    (Kinds::STRING, Kinds::NUMBER, "convert one of them with `int(…)`, `double(…)` or `string(…)`"),
    (
        Kinds::STRING,
        Kinds::STRING.or(Kinds::TIMESTAMP),
        "convert the strings with `date(…)` or `timestamp(…)`",
    ),
    (Kinds::NUMBER, Kinds::TIMESTAMP.or(Kinds::DURATION), "write a duration, such as `duration('24h')`"),
];

/// The first entry that matches, in either order.
fn help_for(table: &[(Kinds, Kinds, &str)], left: Kinds, right: Kinds) -> Option<String> {
    let fits = |(first, second, _): &&(Kinds, Kinds, &str)| {
        left.is_subset_of(*first) && right.is_subset_of(*second)
            || left.is_subset_of(*second) && right.is_subset_of(*first)
    };
    table.iter().find(fits).map(|(_, _, help)| (*help).to_owned())
}

/// Help for an argument of the wrong type.
fn argument_help(given: Kinds, wanted: Kinds) -> Option<String> {
    let is_text = given.is_subset_of(Kinds::STRING) && wanted.overlaps(Kinds::TIMESTAMP);
    let is_number = given.is_subset_of(Kinds::NUMBER) && wanted.is_subset_of(Kinds::STRING);
    let help = match (is_text, is_number) {
        (true, _) => "convert the string with `date(…)` or `timestamp(…)`",
        (_, true) => "convert it with `string(…)`",
        (false, false) => return None,
    };
    Some(help.to_owned())
}
