//! Finds optional members that a rule reads without `has`: the rule fails for each request without them.
//!
//! Where in the rule `has` stands is not considered, so a guard that does not guard is not found.

use std::collections::BTreeSet;

use cel::common::ast::{EntryExpr, Expr, IdedExpr, LiteralValue};

use super::declarations::Declarations;
use super::functions::Operator;

/// A path such as `body`, `start`.
type MemberPath = Vec<String>;

/// The optional members that are read without `has`, as written: `params.n`, `body.range.start`.
pub(super) fn unguarded(root: &IdedExpr, declarations: &Declarations<'_>) -> Vec<String> {
    let (mut reads, mut guards) = (Vec::new(), BTreeSet::new());
    let mut rest = vec![root];
    while let Some(part) = rest.pop() {
        if let Some(path) = path_of(part) {
            match &part.expr {
                Expr::Select(select) if select.test => drop(guards.insert(path)),
                _ if !reads.contains(&path) => reads.push(path),
                _ => {}
            }
            continue;
        }
        match &part.expr {
            Expr::Select(select) => rest.push(&select.operand),
            Expr::Call(call) => rest.extend(call.args.iter().chain(call.target.as_deref())),
            Expr::List(list) => rest.extend(&list.elements),
            Expr::Comprehension(loops) => rest.extend([
                &loops.iter_range,
                &loops.accu_init,
                &loops.loop_cond,
                &loops.loop_step,
                &loops.result,
            ]),
            Expr::Map(map) => {
                for entry in &map.entries {
                    if let EntryExpr::MapEntry(entry) = &entry.expr {
                        rest.extend([&entry.key, &entry.value]);
                    }
                }
            }
            Expr::Struct(_) | Expr::Ident(_) | Expr::Literal(_) | Expr::Unspecified => {}
        }
    }
    let optional = |path: &MemberPath| {
        let prefixes = (2..=path.len()).map(|length| &path[..length]);
        let mut unguarded =
            prefixes.filter(|prefix| !guards.contains(*prefix) && declarations.is_optional(prefix));
        unguarded.next().map(|prefix| prefix.join("."))
    };
    let found: BTreeSet<String> = reads.iter().filter_map(optional).collect();
    found.into_iter().collect()
}

/// The path of a member of `params` or `body`, written with dots or with a literal index.
fn path_of(part: &IdedExpr) -> Option<MemberPath> {
    let (operand, name) = match &part.expr {
        Expr::Select(select) => (&*select.operand, select.field.clone()),
        Expr::Call(call) if Operator::from_name(&call.func_name) == Some(Operator::Index) => {
            match call.args.as_slice() {
                [operand, IdedExpr { expr: Expr::Literal(LiteralValue::String(name)), .. }] => {
                    (operand, name.inner().to_owned())
                }
                _ => return None,
            }
        }
        _ => return None,
    };
    let mut path = match &operand.expr {
        Expr::Ident(root) if root == "params" || root == "body" => vec![root.clone()],
        _ => path_of(operand)?,
    };
    path.push(name);
    Some(path)
}
