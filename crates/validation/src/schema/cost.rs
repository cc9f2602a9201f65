//! How much work one value can make: how often schemas are applied, counted when the document is loaded.
//!
//! A schema that several branches refer to is applied once for each of them. Thirty schemas, each with two
//! `allOf` branches that lead to the next one, are a thousand bytes and 2^30 applications. The count of a schema is
//! that of all ways from it: those that apply to the same value, and, since a caller chooses the value, the highest
//! of the members. A `$ref` that leads back to where it is counted from begins a round of its own, as it does for the
//! validator, which remembers the result of each; what rounds multiply is [`super::growth`]'s business.

use std::collections::{HashMap, HashSet};

use super::vocabulary::IN_PLACE;
use crate::tree::Located;
use crate::tree::{Files, ReferenceTarget};
use demur_source::Node;

/// Applications that one chain of values may cost. The highest schema of GitHub's document has 114.
pub(super) const MAX_COST: u64 = 5_000;

/// The costs of a document's schemas, each counted once.
pub(super) struct Costs<'s> {
    files: &'s Files,
    root: Located<'s>,
    known: HashMap<String, Cost>,
}

#[derive(Clone)]
struct Cost {
    applications: u64,
    /// The innermost schema that costs too much.
    excess: Option<String>,
}

/// A schema that is being counted.
struct Frame<'s> {
    pointer: String,
    parts: Vec<CostPart<'s>>,
    sum: u64,
    /// The highest of the part that is being counted.
    highest: u64,
    excess: Option<String>,
}

impl Frame<'_> {
    fn consider(&mut self, cost: &Cost) {
        self.highest = self.highest.max(cost.applications);
        if self.excess.is_none() {
            self.excess.clone_from(&cost.excess);
        }
    }
}

/// Schemas of which one at most applies to each value.
struct CostPart<'s> {
    schemas: Vec<Located<'s>>,
    /// How often they are applied.
    times: u64,
}

impl<'s> Costs<'s> {
    pub(super) fn new(files: &'s Files, root: &'s Node) -> Self {
        Self { files, root: Located::root(root), known: HashMap::new() }
    }

    /// The innermost schema below the one at `pointer` that costs too much.
    pub(super) fn excess(&mut self, pointer: &str) -> Option<String> {
        let mut open: HashSet<String> = HashSet::new();
        let mut frames: Vec<Frame<'s>> = Vec::new();
        let mut next = self.root.at(pointer).filter(|_| !self.known.contains_key(pointer));
        loop {
            if let Some(schema) = next.take() {
                open.insert(schema.pointer.clone());
                let parts = self.parts(&schema);
                frames.push(Frame { pointer: schema.pointer, parts, sum: 1, highest: 0, excess: None });
            }
            let Some(frame) = frames.last_mut() else {
                return self.known.get(pointer)?.excess.clone();
            };
            let Some(part) = frame.parts.last_mut() else {
                let Some(frame) = frames.pop() else { continue };
                open.remove(&frame.pointer);
                let is_excess = frame.sum > MAX_COST;
                let excess = frame.excess.or_else(|| is_excess.then(|| frame.pointer.clone()));
                let cost = Cost { applications: frame.sum, excess };
                if let Some(outer) = frames.last_mut() {
                    outer.consider(&cost);
                }
                self.known.insert(frame.pointer, cost);
                continue;
            };
            match part.schemas.pop() {
                Some(schema) => match self.known.get(&schema.pointer) {
                    Some(cost) => frame.consider(cost),
                    None if open.contains(&schema.pointer) => frame.highest = frame.highest.max(1),
                    None => next = Some(schema),
                },
                None => {
                    let cost = frame.highest.saturating_mul(part.times);
                    frame.sum = frame.sum.saturating_add(cost);
                    frame.highest = 0;
                    frame.parts.pop();
                }
            }
        }
    }

    fn parts(&self, schema: &Located<'s>) -> Vec<CostPart<'s>> {
        // To find out which members are left over, the branches are applied once more.
        let is_unevaluated = ["unevaluatedProperties", "unevaluatedItems"]
            .into_iter()
            .any(|keyword| schema.node.get(keyword).is_some());
        let in_place = if is_unevaluated { 2 } else { 1 };
        let mut members = CostPart { schemas: Vec::new(), times: 1 };
        let mut parts = Vec::new();
        for (key, value) in schema.members() {
            let keyword = key.name.as_str();
            let one = |schema, times| CostPart { schemas: vec![schema], times };
            match keyword {
                "properties" => members.schemas.extend(value.members().map(|(_, member)| member)),
                "prefixItems" => members.schemas.extend(value.items()),
                "items" | "additionalProperties" => members.schemas.push(value),
                // Several patterns may fit one name.
                "patternProperties" => parts.extend(value.members().map(|(_, member)| one(member, 1))),
                "dependentSchemas" => parts.extend(value.members().map(|(_, member)| one(member, in_place))),
                "allOf" | "anyOf" | "oneOf" => parts.extend(value.items().map(|item| one(item, in_place))),
                "contains" | "propertyNames" | "unevaluatedItems" | "unevaluatedProperties" => {
                    parts.push(one(value, 1));
                }
                "$ref" => parts.push(CostPart { schemas: self.target(&value), times: in_place }),
                "$dynamicRef" => {
                    let mut schemas = self.target(&value);
                    let text = value.node.as_str().unwrap_or_default();
                    let others = self.files.dynamic_targets(text).filter_map(|place| self.root.at(place));
                    schemas.extend(others);
                    parts.push(CostPart { schemas, times: in_place });
                }
                _ if IN_PLACE.contains(&keyword) => parts.push(one(value, in_place)),
                _ => {}
            }
        }
        parts.push(members);
        parts
    }

    fn target(&self, reference: &Located<'s>) -> Vec<Located<'s>> {
        match self.files.target(reference) {
            ReferenceTarget::Local(pointer) => self.root.at(&pointer).into_iter().collect(),
            ReferenceTarget::Unreadable(_) => Vec::new(),
        }
    }
}
