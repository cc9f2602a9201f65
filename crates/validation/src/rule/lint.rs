//! Checks a parsed expression and rewrites it for fast evaluation.
//! Long because each warning needs what it walks over.
//!
//! Reports unknown names, types that cannot match, and unbounded cost. Members of variables are rewritten to
//! variables of their own, constant patterns, dates and durations to precomputed values, and the lists of loops to
//! bounded lists.

use cel::common::ast::{CallExpr, ComprehensionExpr, EntryExpr, Expr, IdedExpr, LiteralValue, SelectExpr};
use demur_source::{Span, did_you_mean};

use super::declarations::Declarations;
use super::functions::{FUNCTIONS, Function, MACROS, Operator};
use super::infer::Inferred;
use super::inputs::{RuleMember, Uses, Variable};
use super::kind::Kinds;
use super::language::{BOUNDED, HAS, MATCHES, MEMBER, PREPARED, Positions, TOO_DEEP, TOO_DEEP_HELP};
use super::operators::{self, OperandError};
use super::pattern::RulePattern;
use super::prepared::Prepared;
use super::span::RuleSpans;

/// The maximum nesting depth: evaluation recurses on the worker's stack.
const MAX_DEPTH: usize = 100;

/// The result for an expression without errors.
#[derive(Default)]
pub(super) struct CheckedExpression {
    pub(super) uses: Uses,
    pub(super) prepared: Vec<Prepared>,
    pub(super) members: Vec<RuleMember>,
}

pub(super) fn check(
    root: &mut IdedExpr,
    positions: &Positions,
    declarations: &Declarations<'_>,
    is_condition: bool,
    spans: &mut RuleSpans<'_>,
) -> Option<CheckedExpression> {
    let at = positions.part(root.id, spans);
    let mut lint = Lint {
        positions,
        declarations,
        spans,
        locals: Vec::new(),
        loops: 0,
        checked: CheckedExpression::default(),
    };
    let known = lint.expression(root, 0);
    if is_condition && !known.kinds.overlaps(Kinds::BOOLEAN) {
        let message = format!("a rule must be a boolean, not {}", known.kinds);
        lint.error(at, message, "write a comparison, such as `body.count > 0`".to_owned());
    }
    let Lint { checked, spans, .. } = lint;
    (!spans.has_errors()).then_some(checked)
}

struct Lint<'l, 'p, 'd> {
    positions: &'l Positions,
    declarations: &'l Declarations<'d>,
    spans: &'l mut RuleSpans<'p>,
    /// The variables of the enclosing loop, including its accumulator.
    locals: Vec<(String, Inferred<'d>)>,
    /// The number of enclosing loops.
    loops: usize,
    checked: CheckedExpression,
}

impl<'d> Lint<'_, '_, 'd> {
    /// Checks an expression and returns its type. After an error, the type is unknown.
    fn expression(&mut self, part: &mut IdedExpr, depth: usize) -> Inferred<'d> {
        let id = part.id;
        if depth > MAX_DEPTH {
            let at = self.positions.part(id, self.spans);
            self.error(at, TOO_DEEP, TOO_DEEP_HELP.to_owned());
            return Inferred::any();
        }
        index_to_member(part);
        match &mut part.expr {
            Expr::Literal(literal) => Inferred::of(literal_kinds(literal)),
            Expr::Unspecified => Inferred::any(),
            Expr::Ident(name) => self.variable(id, name),
            Expr::Select(select) => {
                let known = self.member(id, select, depth);
                if let Some(name) = self.member_variable(select) {
                    part.expr = Expr::Ident(name);
                }
                known
            }
            Expr::Call(call) => {
                let known = self.call(id, call, depth);
                if let Some(name) = self.precompute(part) {
                    part.expr = Expr::Ident(name);
                }
                known
            }
            Expr::Comprehension(comprehension) => self.comprehension(id, comprehension, depth),
            Expr::List(list) => {
                let items = list.elements.iter_mut().map(|item| self.expression(item, depth + 1).kinds);
                let all = items.fold(Kinds::NONE, Kinds::or);
                Inferred::each(Kinds::LIST, if all == Kinds::NONE { Kinds::ANY } else { all })
            }
            Expr::Map(map) => {
                for entry in &mut map.entries {
                    match &mut entry.expr {
                        EntryExpr::MapEntry(entry) => {
                            self.expression(&mut entry.key, depth + 1);
                            self.expression(&mut entry.value, depth + 1);
                        }
                        EntryExpr::StructField(field) => {
                            self.expression(&mut field.value, depth + 1);
                        }
                    }
                }
                Inferred::of(Kinds::MAP)
            }
            Expr::Struct(message) => {
                let at = self.positions.part(id, self.spans);
                let text = format!("message literals such as `{}{{…}}` are not supported", message.type_name);
                self.error(at, text, None);
                Inferred::any()
            }
        }
    }

    fn variable(&mut self, id: u64, name: &str) -> Inferred<'d> {
        if let Some((_, known)) = self.locals.iter().rev().find(|(known, _)| known == name) {
            return known.clone();
        }
        if let Some(variable) = Variable::from_name(name) {
            self.checked.uses.insert(variable);
            return Inferred::variable(variable, self.declarations);
        }
        let at = self.positions.name(id, name, self.spans);
        let known = || Variable::ALL.map(Variable::name).into_iter();
        let names = self.locals.iter().map(|(name, _)| name.as_str());
        let help = match did_you_mean(name, known().chain(names)) {
            Some(suggestion) => format!("did you mean `{suggestion}`?"),
            None => format!("available variables: {}", known().collect::<Vec<_>>().join(", ")),
        };
        self.error(at, format!("unknown variable `{name}`"), help);
        Inferred::any()
    }

    fn member(&mut self, id: u64, select: &mut SelectExpr, depth: usize) -> Inferred<'d> {
        let owner = self.expression(&mut select.operand, depth + 1);
        let known = match self.variable_of(select) {
            Some(variable) => self.member_of(variable, id, &select.field),
            None => self.member_within(&owner, id, &select.field),
        };
        if select.test { Inferred::of(Kinds::BOOLEAN) } else { known }
    }

    /// The variable of a member access, unless a loop variable shadows it.
    fn variable_of(&self, select: &SelectExpr) -> Option<Variable> {
        let Expr::Ident(name) = &select.operand.expr else { return None };
        let is_hidden = self.locals.iter().any(|(known, _)| known == name);
        Variable::from_name(name).filter(|_| !is_hidden)
    }

    fn member_of(&mut self, variable: Variable, id: u64, field: &str) -> Inferred<'d> {
        let at = self.positions.name(id, field, self.spans);
        let name = variable.name();
        if variable == Variable::Params {
            if let Some(part) = self.declarations.parameter(field) {
                return Inferred::declared(part);
            }
            let help = suggestion(field, self.declarations.parameters());
            self.error(at, format!("`{name}.{field}` is not declared by any operation of this rule"), help);
            return Inferred::any();
        }
        let Some(members) = variable.members() else {
            let body = Inferred::declared(self.declarations.body());
            if body.kinds == Kinds::NULL {
                let message =
                    format!("no operation of this rule has a body, so `{name}.{field}` does not exist");
                self.error(at, message, None);
                return Inferred::any();
            }
            return self.member_within(&body, id, field);
        };
        if members.contains(&field) {
            return Inferred::builtin_member(variable, field);
        }
        let help = suggestion(field, members.iter().copied()).unwrap_or_else(|| match members {
            [] => format!("`{name}` is a timestamp: write a function, such as `{name}.getFullYear()`"),
            members => format!("available members: {}", members.join(", ")),
        });
        self.error(at, format!("`{name}` has no member `{field}`"), help);
        Inferred::any()
    }

    /// Warns of an undeclared member. It may still be present if the schema allows additional members.
    fn member_within(&mut self, owner: &Inferred<'d>, id: u64, field: &str) -> Inferred<'d> {
        let at = self.positions.name(id, field, self.spans);
        if !owner.kinds.overlaps(Kinds::MAP) {
            let message = format!("cannot access member `{field}` of {}", owner.kinds);
            self.error(at, message, None);
            return Inferred::any();
        }
        let declared = owner.members();
        if !declared.is_empty() && !declared.contains(&field) {
            let help = suggestion(field, declared.into_iter());
            self.spans.warning(at, format!("the document does not declare `{field}`"), help);
        }
        owner.member(field)
    }

    /// The name of the variable that replaces a member, so that only the member is copied.
    fn member_variable(&mut self, select: &SelectExpr) -> Option<String> {
        let variable = self.variable_of(select).filter(|variable| *variable != Variable::Now)?;
        let member = RuleMember { variable, name: select.field.clone() };
        let members = &mut self.checked.members;
        let number = members.iter().position(|known| *known == member).unwrap_or_else(|| {
            members.push(member);
            members.len() - 1
        });
        Some(format!("{}{number}", if select.test { HAS } else { MEMBER }))
    }

    fn call(&mut self, id: u64, call: &mut CallExpr, depth: usize) -> Inferred<'d> {
        let mut operands = Vec::new();
        let mut spans = Vec::new();
        for operand in call.target.as_deref_mut().into_iter().chain(&mut call.args) {
            spans.push(self.positions.part(operand.id, self.spans));
            operands.push(self.expression(operand, depth + 1));
        }
        let at = self.positions.part(id, self.spans);
        let result = match Operator::from_name(&call.func_name) {
            Some(operator) => {
                if operators::is_ambiguous(operator, &operands) {
                    let message = "an operand can be an integer (`1`) or a floating-point number (`1.5`), and CEL does not calculate with both";
                    self.spans.warning(at, message, Some("convert it with `double(…)`".to_owned()));
                }
                operators::operate(operator, &operands)
            }
            None => self.function(id, call, &operands).map(Inferred::of),
        };
        if call.func_name == "matches" {
            self.pattern(id, call);
        }
        result.unwrap_or_else(|mismatch| {
            let OperandError { message, help, operand } = mismatch;
            let at = operand.and_then(|number| spans.get(number).copied()).unwrap_or(at);
            self.error(at, message, help);
            Inferred::any()
        })
    }

    fn function(
        &mut self,
        id: u64,
        call: &CallExpr,
        arguments: &[Inferred<'d>],
    ) -> Result<Kinds, OperandError> {
        let name = call.func_name.as_str();
        let at = self.positions.name(id, name, self.spans);
        let Some(function) = Function::from_name(name) else {
            if MACROS.contains(&name) {
                let (message, help) = match name {
                    "has" => (
                        "`has` requires a member of an object".to_owned(),
                        "write `has(body.name)`".to_owned(),
                    ),
                    _ => (
                        format!("`{name}` must be called on a list or an object"),
                        format!("write `list.{name}(x, …)`, such as `body.tags.{name}(tag, tag != '')`"),
                    ),
                };
                self.error(at, message, help);
                return Ok(Kinds::ANY);
            }
            let help = {
                let known = FUNCTIONS.iter().map(|function| function.name).chain(MACROS);
                let all = || format!("available functions: {}", known.clone().collect::<Vec<_>>().join(", "));
                suggestion(name, known.clone()).unwrap_or_else(all)
            };
            self.error(at, format!("unknown function `{name}`"), help);
            return Ok(Kinds::ANY);
        };
        let overloads: Vec<_> = function.overloads(call.target.is_some(), arguments.len()).collect();
        if overloads.is_empty() {
            let count = match arguments.len() - usize::from(call.target.is_some()) {
                1 => "1 argument".to_owned(),
                count => format!("{count} arguments"),
            };
            let how = if call.target.is_some() { "on a value " } else { "" };
            let message = format!("`{name}` cannot be called {how}with {count}");
            self.error(at, message, function.usage());
            return Ok(Kinds::ANY);
        }
        operators::call(name, &overloads, arguments)
    }

    /// Evaluates a constant date or duration, and returns the name of the precomputed value.
    fn precompute(&mut self, part: &IdedExpr) -> Option<String> {
        let Expr::Call(call) = &part.expr else { return None };
        let is_written =
            matches!(call.args.as_slice(), [IdedExpr { expr: Expr::Literal(LiteralValue::String(_)), .. }]);
        let is_moment = ["date", "timestamp", "duration"].contains(&call.func_name.as_str());
        if !is_moment || !is_written || call.target.is_some() {
            return None;
        }
        let Some(value) = Prepared::evaluate(part) else {
            let at = self.positions.name(part.id, &call.func_name, self.spans);
            let help = match call.func_name.as_str() {
                "date" => "write an existing day, such as `date('2026-02-28')`",
                "duration" => {
                    "write hours, minutes and seconds, such as `duration('36h')` or `duration('1h30m')`"
                }
                _ => "write a time as in RFC 3339, such as `timestamp('2026-02-28T09:00:00Z')`",
            };
            let kind = match call.func_name.as_str() {
                name @ ("date" | "duration") => name,
                _ => "timestamp",
            };
            let text = match call.args.first().map(|argument| &argument.expr) {
                Some(Expr::Literal(LiteralValue::String(text))) => text.to_string(),
                _ => String::new(),
            };
            self.error(at, format!("`{text}` is not a valid {kind}"), help.to_owned());
            return None;
        };
        Some(self.store(value))
    }

    /// Stores a precomputed value, and returns its name.
    fn store(&mut self, value: Prepared) -> String {
        self.checked.prepared.push(value);
        format!("{PREPARED}{}", self.checked.prepared.len() - 1)
    }

    /// Compiles a pattern, which must be a literal: then its cost is known, and it is compiled only once.
    fn pattern(&mut self, id: u64, call: &mut CallExpr) {
        // `text.matches(pattern)` is `matches(text, pattern)`.
        let mut arguments: Vec<IdedExpr> = call.target.take().map(|target| *target).into_iter().collect();
        arguments.append(&mut call.args);
        if let [_, pattern] = arguments.as_mut_slice() {
            let at = self.positions.part(pattern.id, self.spans);
            match &pattern.expr {
                Expr::Literal(LiteralValue::String(text)) => match RulePattern::compile(text.inner()) {
                    Ok(compiled) => pattern.expr = Expr::Ident(self.store(Prepared::Pattern(compiled))),
                    Err(problem) => self.error(at, format!("invalid pattern: {problem}"), None),
                },
                _ => {
                    let at = self.positions.name(id, "matches", self.spans);
                    let help = "write a literal, such as `matches('^a+$')`".to_owned();
                    self.error(at, "the pattern of `matches` must be a string literal", help);
                }
            }
        }
        call.func_name = MATCHES.to_owned();
        call.args = arguments;
    }

    fn comprehension(
        &mut self,
        id: u64,
        comprehension: &mut ComprehensionExpr,
        depth: usize,
    ) -> Inferred<'d> {
        let at = self.positions.part(id, self.spans);
        if self.loops > 0 {
            let help = "use `in`, or split the rule into two rules".to_owned();
            self.error(at, "`all`, `exists`, `map` and `filter` cannot be nested", help);
            return Inferred::any();
        }
        // The list is evaluated before the loop, and may therefore contain a loop itself.
        let range = self.expression(&mut comprehension.iter_range, depth + 1);
        if !range.kinds.overlaps(Kinds::LIST.or(Kinds::MAP)) {
            self.error(at, format!("cannot loop over {}, only over a list or an object", range.kinds), None);
        }
        let start = self.expression(&mut comprehension.accu_init, depth + 1);
        let outside = self.locals.len();
        self.locals.push((comprehension.accu_var.clone(), Inferred::of(start.kinds)));
        self.locals.push((comprehension.iter_var.clone(), range.iterated()));
        self.locals.extend(comprehension.iter_var2.clone().map(|name| (name, Inferred::any())));
        self.loops += 1;
        self.expression(&mut comprehension.loop_cond, depth + 1);
        self.expression(&mut comprehension.loop_step, depth + 1);
        self.loops -= 1;
        let result = self.expression(&mut comprehension.result, depth + 1);
        self.locals.truncate(outside);

        let list = std::mem::take(&mut comprehension.iter_range);
        let call = CallExpr { func_name: BOUNDED.to_owned(), target: None, args: vec![list] };
        comprehension.iter_range = IdedExpr { id, expr: Expr::Call(call) };
        result
    }

    fn error(&mut self, at: Span, message: impl Into<String>, help: impl Into<Option<String>>) {
        self.spans.error(at, message, help.into());
    }
}

/// Rewrites `body['start']` to `body.start`.
fn index_to_member(part: &mut IdedExpr) {
    let Expr::Call(call) = &mut part.expr else { return };
    let is_index = Operator::from_name(&call.func_name) == Some(Operator::Index);
    if let (true, [operand, IdedExpr { expr: Expr::Literal(LiteralValue::String(name)), .. }]) =
        (is_index, call.args.as_mut_slice())
    {
        let field = name.inner().to_owned();
        let operand = Box::new(std::mem::take(operand));
        part.expr = Expr::Select(SelectExpr { operand, field, test: false });
    }
}

fn suggestion<'n>(name: &str, known: impl Iterator<Item = &'n str>) -> Option<String> {
    did_you_mean(name, known).map(|suggestion| format!("did you mean `{suggestion}`?"))
}

fn literal_kinds(literal: &LiteralValue) -> Kinds {
    match literal {
        LiteralValue::Boolean(_) => Kinds::BOOLEAN,
        LiteralValue::Bytes(_) => Kinds::BYTES,
        LiteralValue::Double(_) => Kinds::DOUBLE,
        LiteralValue::Int(_) => Kinds::INT,
        LiteralValue::Null => Kinds::NULL,
        LiteralValue::String(_) => Kinds::STRING,
        LiteralValue::UInt(_) => Kinds::UINT,
    }
}
