//! `rules:` of an API: CEL expressions that must be true, and the errors that they raise.

use demur_contract::Contract;
use demur_engine::settings::RuleSettings;
use demur_source::{Fields, Node};
use demur_validation::{ApiDocument, Declarations, Expression, Operation};

use crate::names::{named_error, unknown_operation};
use crate::reader::ConfigReader;

pub(crate) fn read_rule(
    node: &Node,
    document: &ApiDocument,
    contracts: &[&Contract],
    reader: &mut ConfigReader<'_>,
) -> Option<RuleSettings> {
    let mut fields = Fields::of(node, reader.source, "a rule", reader.found)?;
    let name = reader.required(&mut fields, "name");
    let mut operations = Vec::new();
    for (id, span) in fields.texts("operations", reader.found) {
        match document.operation(&id) {
            Some(operation) => operations.push(operation.index()),
            None => unknown_operation(&id, span, document, reader),
        }
    }
    let is_meant = |operation: &&Operation| operations.is_empty() || operations.contains(&operation.index());
    let declarations = Declarations::of(document.operations().iter().filter(is_meant));
    let require = reader.required(&mut fields, "require").and_then(|(text, span)| {
        Expression::compile_condition(&text, &declarations, reader.source, span, reader.found)
    });
    let raise = reader
        .required(&mut fields, "raise")
        .and_then(|(name, span)| named_error(name, span, contracts, [], reader));
    let on_failure = fields.node("on_failure").and_then(|node| {
        named_error(node.scalar_text().unwrap_or_default(), node.span, contracts, [], reader)
    });
    let mut with = Vec::new();
    for (key, node) in fields.map("with", reader.found) {
        let text = node.scalar_text().unwrap_or_default();
        let value = Expression::compile(&text, &declarations, reader.source, node.span, reader.found);
        with.extend(value.map(|value| (key.name.clone(), value)));
    }
    if let (Some(require), None) = (&require, &on_failure) {
        for member in require.unguarded() {
            let message = format!(
                "`{member}` is optional, and the rule reads it without `has`: requests without it are rejected as `rule.failed`"
            );
            let help = format!("write `!has({member}) || …`, or set `on_failure`");
            reader.warning(node.span, "optional-member", message, help);
        }
    }
    fields.finish(reader.found);
    Some(RuleSettings { name: name?.0, operations, require: require?, raise: raise?, on_failure, with })
}
