//! The order of violations: as the document declares the parts of a value, at every depth.
//!
//! Only used for invalid values. The declarations of a location are looked up once for all its violations.

use std::collections::HashMap;

use serde_json::Value;

use super::violations::OrderKey;
use crate::schema::{Declared, Schema};
use crate::tree::tokens;

/// The order of the parts of one value.
pub(super) struct Order<'o> {
    document: &'o Value,
    value: &'o Value,
    root: OrderNode,
}

/// The declarations of a location and of the locations below it that were looked up.
struct OrderNode {
    declared: Declared,
    ranks: HashMap<String, usize>,
    parts: HashMap<OrderStep, OrderNode>,
}

#[derive(PartialEq, Eq, Hash)]
enum OrderStep {
    Member(String),
    Item(usize),
}

impl<'o> Order<'o> {
    pub(super) fn new(schema: &'o Schema, value: &'o Value) -> Self {
        let document = schema.document();
        Self { document, value, root: OrderNode::new(document, schema.declared()) }
    }

    /// The sort keys along a pointer.
    pub(super) fn path(&mut self, pointer: &str) -> Vec<OrderKey> {
        let mut path = Vec::new();
        let mut node = &mut self.root;
        let mut value = Some(self.value);
        for token in tokens(pointer) {
            let (step, below) = match value {
                Some(Value::Array(items)) => {
                    let number = token.parse().unwrap_or(usize::MAX);
                    (OrderStep::Item(number), items.get(number))
                }
                other => {
                    let below = other.and_then(|value| value.get(token.as_ref()));
                    (OrderStep::Member(token.into_owned()), below)
                }
            };
            path.push(node.key(&step));
            node = node.part(self.document, step);
            value = below;
        }
        path
    }
}

impl OrderNode {
    fn new(document: &Value, declared: Declared) -> Self {
        let names = declared.members(document).into_iter().enumerate();
        let ranks = names.map(|(rank, name)| (name.to_owned(), rank)).collect();
        Self { declared, ranks, parts: HashMap::new() }
    }

    fn key(&self, step: &OrderStep) -> OrderKey {
        match step {
            OrderStep::Member(name) => OrderKey::member(self.ranks.get(name).copied(), name),
            OrderStep::Item(number) => OrderKey::item(*number),
        }
    }

    fn part(&mut self, document: &Value, step: OrderStep) -> &mut OrderNode {
        let declared = &self.declared;
        self.parts.entry(step).or_insert_with_key(|step| {
            let declared = match step {
                OrderStep::Member(name) => declared.member(document, name),
                OrderStep::Item(number) => declared.item(document, *number),
            };
            OrderNode::new(document, declared)
        })
    }
}
