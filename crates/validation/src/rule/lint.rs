//! Walks an expression when it is loaded: unknown names, unbounded cost, patterns that do not compile. On
//! the way it rewrites what must be cheap later: patterns to compiled ones, the lists of loops to bounded ones.

use cel::common::ast::{CallExpr, ComprehensionExpr, EntryExpr, Expr, IdedExpr, LiteralValue, SelectExpr};
use demur_source::did_you_mean;

use super::inputs::{Member, Uses, Variable};
use super::language::{
    BOUNDED, FUNCTIONS, Function, HAS, MACROS, MATCHES, MEMBER, OPERATORS, PATTERN, Pattern, Positions,
};
use super::place::Places;

/// Evaluation recurses, on a worker's stack: deeper expressions are refused.
const MAX_DEPTH: usize = 100;

/// What was learnt from an expression without mistakes.
pub(super) struct Checked {
    pub(super) uses: Uses,
    pub(super) patterns: Vec<Pattern>,
    pub(super) members: Vec<Member>,
}

pub(super) fn check(
    root: &mut IdedExpr,
    positions: &Positions,
    is_condition: bool,
    places: &mut Places<'_>,
) -> Option<Checked> {
    if is_condition && is_never_boolean(root) {
        let at = positions.part(root.id, places);
        places.error(at, "this is never true or false", Some("compare it with something".to_owned()));
    }
    let checked = Checked { uses: Uses::default(), patterns: Vec::new(), members: Vec::new() };
    let mut lint = Lint { positions, places, names: Vec::new(), loops: 0, checked };
    lint.expression(root, 0);
    let checked = lint.checked;
    (!places.has_errors()).then_some(checked)
}

struct Lint<'l, 'p> {
    positions: &'l Positions,
    places: &'l mut Places<'p>,
    /// The variables of the loop around, its accumulator among them.
    names: Vec<String>,
    /// How many loops are around.
    loops: usize,
    checked: Checked,
}

impl Lint<'_, '_> {
    fn expression(&mut self, part: &mut IdedExpr, depth: usize) {
        let id = part.id;
        if depth > MAX_DEPTH {
            let at = self.positions.part(id, self.places);
            self.error(at, "this is nested too deeply", "split the rule into several");
            return;
        }
        match &mut part.expr {
            Expr::Literal(_) | Expr::Unspecified => {}
            Expr::Ident(name) => self.variable(id, name),
            Expr::Select(select) => {
                self.member(id, select, depth);
                if let Some(name) = self.by_name(select) {
                    part.expr = Expr::Ident(name);
                }
            }
            Expr::Call(call) => self.call(id, call, depth),
            Expr::Comprehension(comprehension) => self.comprehension(id, comprehension, depth),
            Expr::List(list) => list.elements.iter_mut().for_each(|item| self.expression(item, depth + 1)),
            Expr::Map(map) => {
                for entry in &mut map.entries {
                    match &mut entry.expr {
                        EntryExpr::MapEntry(entry) => {
                            self.expression(&mut entry.key, depth + 1);
                            self.expression(&mut entry.value, depth + 1);
                        }
                        EntryExpr::StructField(field) => self.expression(&mut field.value, depth + 1),
                    }
                }
            }
            Expr::Struct(message) => {
                let at = self.positions.part(id, self.places);
                let text = format!("messages such as `{}{{…}}` are not supported", message.type_name);
                self.places.error(at, text, None);
            }
        }
    }

    fn variable(&mut self, id: u64, name: &str) {
        if self.names.iter().any(|known| known == name) {
            return;
        }
        if let Some(variable) = Variable::named(name) {
            self.checked.uses.insert(variable);
            return;
        }
        let at = self.positions.name(id, name, self.places);
        let known = || Variable::ALL.map(Variable::name).into_iter();
        let help = match did_you_mean(name, known().chain(self.names.iter().map(String::as_str))) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => format!("there are: {}", known().collect::<Vec<_>>().join(", ")),
        };
        self.places.error(at, format!("there is no variable `{name}`"), Some(help));
    }

    fn member(&mut self, id: u64, select: &mut SelectExpr, depth: usize) {
        self.expression(&mut select.operand, depth + 1);
        let Expr::Ident(name) = &select.operand.expr else { return };
        if self.names.contains(name) {
            return;
        }
        let Some(members) = Variable::named(name).and_then(Variable::members) else { return };
        if members.contains(&select.field.as_str()) {
            return;
        }
        let at = self.positions.name(id, &select.field, self.places);
        let help = match did_you_mean(&select.field, members.iter().copied()) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None if members.is_empty() => format!("`{name}` has no members"),
            None => format!("it has: {}", members.join(", ")),
        };
        self.places.error(at, format!("`{name}` has no member `{}`", select.field), Some(help));
    }

    /// The variable that a member becomes, so that the whole need not be copied for it.
    fn by_name(&mut self, select: &SelectExpr) -> Option<String> {
        let Expr::Ident(name) = &select.operand.expr else { return None };
        if self.names.contains(name) {
            return None;
        }
        let variable = Variable::named(name).filter(|variable| *variable != Variable::Now)?;
        let member = Member { variable, name: select.field.clone() };
        let members = &mut self.checked.members;
        let number = members.iter().position(|known| *known == member).unwrap_or_else(|| {
            members.push(member);
            members.len() - 1
        });
        Some(format!("{}{number}", if select.test { HAS } else { MEMBER }))
    }

    fn call(&mut self, id: u64, call: &mut CallExpr, depth: usize) {
        let is_operator = OPERATORS.iter().any(|(name, _)| *name == call.func_name);
        if !is_operator {
            self.function(id, call);
        }
        if let Some(target) = &mut call.target {
            self.expression(target, depth + 1);
        }
        call.args.iter_mut().for_each(|argument| self.expression(argument, depth + 1));
        if call.func_name == "matches" {
            self.pattern(id, call);
        }
    }

    fn function(&mut self, id: u64, call: &CallExpr) {
        let name = call.func_name.as_str();
        let at = self.positions.name(id, name, self.places);
        let Some(function) = FUNCTIONS.iter().find(|function| function.name == name) else {
            let help = if MACROS.contains(&name) {
                format!("write `list.{name}(x, …)`, or `has(a.b)`")
            } else {
                let known = FUNCTIONS.iter().map(|function| function.name).chain(MACROS);
                match did_you_mean(name, known.clone()) {
                    Some(meant) => format!("did you mean `{meant}`?"),
                    None => format!("there are: {}", known.collect::<Vec<_>>().join(", ")),
                }
            };
            self.places.error(at, format!("there is no function `{name}`"), Some(help));
            return;
        };
        let counts = if call.target.is_some() { function.on_value } else { function.alone };
        if !counts.contains(&call.args.len()) {
            self.places.error(at, format!("`{name}` is not called like this"), Some(usage(function)));
        }
    }

    /// A pattern must be known now: then it is compiled once, and its cost is known.
    fn pattern(&mut self, id: u64, call: &mut CallExpr) {
        // `matches(text, pattern)` and `text.matches(pattern)` are one.
        let mut arguments: Vec<IdedExpr> = call.target.take().map(|target| *target).into_iter().collect();
        arguments.append(&mut call.args);
        if let [_, pattern] = arguments.as_mut_slice() {
            let at = self.positions.part(pattern.id, self.places);
            match &pattern.expr {
                Expr::Literal(LiteralValue::String(text)) => match Pattern::compile(text.inner()) {
                    Ok(compiled) => {
                        pattern.expr = Expr::Ident(format!("{PATTERN}{}", self.checked.patterns.len()));
                        self.checked.patterns.push(compiled);
                    }
                    Err(problem) => {
                        self.places.error(at, format!("this pattern is refused: {problem}"), None);
                    }
                },
                _ => {
                    let at = self.positions.name(id, "matches", self.places);
                    self.error(at, "the pattern of `matches` must be written out", "write `matches('^a+$')`");
                }
            }
        }
        call.func_name = MATCHES.to_owned();
        call.args = arguments;
    }

    fn comprehension(&mut self, id: u64, comprehension: &mut ComprehensionExpr, depth: usize) {
        if self.loops > 0 {
            let at = self.positions.part(id, self.places);
            let help = "a loop within a loop could take very long: use `in`, or two rules";
            self.error(at, "`all`, `exists`, `map` and `filter` cannot be nested", help);
            return;
        }
        // The list is evaluated once, before the loop: a loop may run over what another one gave.
        self.expression(&mut comprehension.iter_range, depth + 1);
        self.expression(&mut comprehension.accu_init, depth + 1);
        let outside = self.names.len();
        self.names.push(comprehension.accu_var.clone());
        self.names.push(comprehension.iter_var.clone());
        self.names.extend(comprehension.iter_var2.clone());
        self.loops += 1;
        self.expression(&mut comprehension.loop_cond, depth + 1);
        self.expression(&mut comprehension.loop_step, depth + 1);
        self.loops -= 1;
        self.expression(&mut comprehension.result, depth + 1);
        self.names.truncate(outside);

        let list = std::mem::take(&mut comprehension.iter_range);
        let call = CallExpr { func_name: BOUNDED.to_owned(), target: None, args: vec![list] };
        comprehension.iter_range = IdedExpr { id, expr: Expr::Call(call) };
    }

    fn error(&mut self, at: demur_source::Span, message: &str, help: &str) {
        self.places.error(at, message, Some(help.to_owned()));
    }
}

fn usage(function: &Function) -> String {
    let name = function.name;
    let list = |count: &usize| vec!["…"; *count].join(", ");
    let alone = function.alone.iter().map(|count| format!("`{name}({})`", list(count)));
    let on_value = function.on_value.iter().map(|count| format!("`value.{name}({})`", list(count)));
    format!("write {}", alone.chain(on_value).collect::<Vec<_>>().join(" or "))
}

/// Whether the outermost part can never be true or false, whatever the request.
fn is_never_boolean(root: &IdedExpr) -> bool {
    match &root.expr {
        Expr::Literal(literal) => !matches!(literal, LiteralValue::Boolean(_)),
        Expr::List(_) | Expr::Map(_) | Expr::Struct(_) => true,
        Expr::Ident(name) => matches!(
            Variable::named(name),
            Some(
                Variable::Request
                    | Variable::Params
                    | Variable::Key
                    | Variable::Account
                    | Variable::Plan
                    | Variable::Now
            )
        ),
        Expr::Call(call) => {
            let operator = OPERATORS.iter().find(|(name, _)| *name == call.func_name);
            let function = FUNCTIONS.iter().find(|function| function.name == call.func_name);
            operator.is_some_and(|(_, never)| *never)
                || function.is_some_and(|function| function.never_boolean)
        }
        Expr::Select(_) | Expr::Comprehension(_) | Expr::Unspecified => false,
    }
}
