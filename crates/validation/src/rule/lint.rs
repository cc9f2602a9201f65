//! Walks an expression when it is loaded: unknown names, types that cannot fit, unbounded cost. On the overload it
//! rewrites what must be cheap later: members to variables of their own, what is written out to values held
//! ready, the lists of loops to bounded ones.

use cel::common::ast::{CallExpr, ComprehensionExpr, EntryExpr, Expr, IdedExpr, LiteralValue, SelectExpr};
use demur_source::{Span, did_you_mean};

use super::declarations::Declarations;
use super::functions::{FUNCTIONS, Function, MACROS, Operator};
use super::infer::Inferred;
use super::inputs::{RuleMember, Uses, Variable};
use super::kind::Kinds;
use super::language::{BOUNDED, HAS, MATCHES, MEMBER, PREPARED, Positions};
use super::operators::{self, OperandError};
use super::pattern::RulePattern;
use super::prepared::Prepared;
use super::span::RuleSpans;

/// Evaluation recurses, on a worker's stack: deeper expressions are refused.
const MAX_DEPTH: usize = 100;

/// What was learnt from an expression without mistakes.
#[derive(Default)]
pub(super) struct Checked {
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
) -> Option<Checked> {
    let at = positions.part(root.id, spans);
    let mut lint =
        Lint { positions, declarations, spans, locals: Vec::new(), loops: 0, checked: Checked::default() };
    let known = lint.expression(root, 0);
    if is_condition && !known.kinds.overlaps(Kinds::BOOLEAN) {
        let message = format!("this is never true or false, but {}", known.kinds);
        lint.error(at, message, "compare it with something".to_owned());
    }
    let Lint { checked, spans, .. } = lint;
    (!spans.has_errors()).then_some(checked)
}

struct Lint<'l, 'p, 'd> {
    positions: &'l Positions,
    declarations: &'l Declarations<'d>,
    spans: &'l mut RuleSpans<'p>,
    /// The variables of the loop around, its accumulator among them.
    locals: Vec<(String, Inferred<'d>)>,
    /// How many loops are around.
    loops: usize,
    checked: Checked,
}

impl<'d> Lint<'_, '_, 'd> {
    /// What is known of a part; where something is wrong with it, that is said, and nothing is known.
    fn expression(&mut self, part: &mut IdedExpr, depth: usize) -> Inferred<'d> {
        let id = part.id;
        if depth > MAX_DEPTH {
            let at = self.positions.part(id, self.spans);
            self.error(at, "this is nested too deeply", "split the rule into several".to_owned());
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
                let text = format!("messages such as `{}{{…}}` are not supported", message.type_name);
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
            None => format!("there are: {}", known().collect::<Vec<_>>().join(", ")),
        };
        self.error(at, format!("there is no variable `{name}`"), help);
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

    /// The variable that a member is selected of, unless a loop's variable hides it.
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
            self.error(at, format!("the document declares no `{name}.{field}` for this rule"), help);
            return Inferred::any();
        }
        let Some(members) = variable.members() else {
            let body = Inferred::declared(self.declarations.body());
            if body.kinds == Kinds::NULL {
                let message =
                    format!("no operation of this rule takes content: there is no `{name}.{field}`");
                self.error(at, message, None);
                return Inferred::any();
            }
            return self.member_within(&body, id, field);
        };
        if members.contains(&field) {
            return Inferred::builtin_member(variable, field);
        }
        let help = suggestion(field, members.iter().copied()).unwrap_or_else(|| match members {
            [] => format!("`{name}` has no members"),
            members => format!("it has: {}", members.join(", ")),
        });
        self.error(at, format!("`{name}` has no member `{field}`"), help);
        Inferred::any()
    }

    /// A member that the document does not declare may be there all the same, where the schema lets others in.
    fn member_within(&mut self, owner: &Inferred<'d>, id: u64, field: &str) -> Inferred<'d> {
        let at = self.positions.name(id, field, self.spans);
        if !owner.kinds.overlaps(Kinds::MAP) {
            let message = format!("`{field}` is asked of what has no members: {}", owner.kinds);
            self.error(at, message, None);
            return Inferred::any();
        }
        let declared = owner.members();
        if !declared.is_empty() && !declared.contains(&field) {
            let help = suggestion(field, declared.into_iter());
            self.spans.warning(at, format!("the document declares no `{field}` here"), help);
        }
        owner.member(field)
    }

    /// The variable that a member becomes, so that the whole need not be copied for it.
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
                    let message =
                        "the document's number may come as `1` or as `1.5`, which are two kinds here";
                    self.spans.warning(at, message, Some("write `double(…)` around it".to_owned()));
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
            let help = if MACROS.contains(&name) {
                format!("write `list.{name}(x, …)`, or `has(a.b)`")
            } else {
                let known = FUNCTIONS.iter().map(|function| function.name).chain(MACROS);
                let all = || format!("there are: {}", known.clone().collect::<Vec<_>>().join(", "));
                suggestion(name, known.clone()).unwrap_or_else(all)
            };
            self.error(at, format!("there is no function `{name}`"), help);
            return Ok(Kinds::ANY);
        };
        let overloads: Vec<_> = function.overloads(call.target.is_some(), arguments.len()).collect();
        if overloads.is_empty() {
            self.error(at, format!("`{name}` is not called like this"), function.usage());
            return Ok(Kinds::ANY);
        }
        operators::call(name, &overloads, arguments)
    }

    /// A date or a duration that is written out is read now, and what is wrong with it is said now.
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
                "date" => "write a day that exists: `date('2026-02-28')`",
                "duration" => "write hours, minutes and seconds: `duration('36h')`, `duration('1h30m')`",
                _ => "write `timestamp('2026-02-28T09:00:00Z')`",
            };
            self.error(at, format!("`{}` does not read this", call.func_name), help.to_owned());
            return None;
        };
        Some(self.store(value))
    }

    /// The name of a value that is held ready.
    fn store(&mut self, value: Prepared) -> String {
        self.checked.prepared.push(value);
        format!("{PREPARED}{}", self.checked.prepared.len() - 1)
    }

    /// A pattern must be known now: then it is compiled once, and its cost is known.
    fn pattern(&mut self, id: u64, call: &mut CallExpr) {
        // `matches(text, pattern)` and `text.matches(pattern)` are one.
        let mut arguments: Vec<IdedExpr> = call.target.take().map(|target| *target).into_iter().collect();
        arguments.append(&mut call.args);
        if let [_, pattern] = arguments.as_mut_slice() {
            let at = self.positions.part(pattern.id, self.spans);
            match &pattern.expr {
                Expr::Literal(LiteralValue::String(text)) => match RulePattern::compile(text.inner()) {
                    Ok(compiled) => pattern.expr = Expr::Ident(self.store(Prepared::Pattern(compiled))),
                    Err(problem) => self.error(at, format!("this pattern is refused: {problem}"), None),
                },
                _ => {
                    let at = self.positions.name(id, "matches", self.spans);
                    let help = "write `matches('^a+$')`".to_owned();
                    self.error(at, "the pattern of `matches` must be written out", help);
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
            let help = "a loop within a loop could take very long: use `in`, or two rules".to_owned();
            self.error(at, "`all`, `exists`, `map` and `filter` cannot be nested", help);
            return Inferred::any();
        }
        // The list is evaluated once, before the loop: a loop may run over what another one gave.
        let range = self.expression(&mut comprehension.iter_range, depth + 1);
        if !range.kinds.overlaps(Kinds::LIST.or(Kinds::MAP)) {
            self.error(at, format!("a loop runs over a list or an object, not over {}", range.kinds), None);
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

/// `body['start']` is `body.start`, written so where the name has a dash, say.
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
