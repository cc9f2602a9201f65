//! The maximum number of schema applications that one value can cause, counted when the document is loaded.
//!
//! A schema that several branches refer to is applied once for each. Thirty schemas with two `allOf` branches each,
//! both referring to the next schema, are a thousand bytes and 2^30 applications. The count of a schema sums over the
//! schemas that apply to the same value, and takes the maximum over the members, since the caller chooses the value.
//! A `$ref` back to a schema that is being counted counts once, as for the validator, which caches results; see
//! [`super::complexity`] for recursion.

use std::collections::{HashMap, HashSet};

use super::vocabulary::IN_PLACE;
use crate::tree::{Files, Located, ReferenceTarget};
use demur_source::Node;

/// The maximum number of applications. The most expensive schema of GitHub's document has 114.
pub(super) const MAX_COST: u64 = 5_000;

/// The costs of a document's schemas, each computed once.
pub(super) struct Costs<'s> {
    files: &'s Files,
    root: Located<'s>,
    known: HashMap<String, Cost>,
}

#[derive(Clone)]
struct Cost {
    applications: u64,
    /// The innermost schema that exceeds the limit.
    excess: Option<String>,
}

/// A schema that is being counted.
struct CostFrame<'s> {
    pointer: String,
    parts: Vec<CostPart<'s>>,
    sum: u64,
    /// The maximum of the current part.
    highest: u64,
    excess: Option<String>,
}

impl CostFrame<'_> {
    fn consider(&mut self, cost: &Cost) {
        self.highest = self.highest.max(cost.applications);
        if self.excess.is_none() {
            self.excess.clone_from(&cost.excess);
        }
    }
}

/// Schemas of which at most one applies to each value.
struct CostPart<'s> {
    schemas: Vec<Located<'s>>,
    /// How often they are applied.
    times: u64,
}

impl<'s> Costs<'s> {
    pub(super) fn new(files: &'s Files, root: &'s Node) -> Self {
        Self { files, root: Located::root(root), known: HashMap::new() }
    }

    /// The innermost schema that exceeds the limit, if any, at or below `pointer`.
    pub(super) fn excess(&mut self, pointer: &str) -> Option<String> {
        let mut open: HashSet<String> = HashSet::new();
        let mut frames: Vec<CostFrame<'s>> = Vec::new();
        let mut next = self.root.at(pointer).filter(|_| !self.known.contains_key(pointer));
        loop {
            if let Some(schema) = next.take() {
                open.insert(schema.pointer.clone());
                let parts = self.parts(&schema);
                frames.push(CostFrame { pointer: schema.pointer, parts, sum: 1, highest: 0, excess: None });
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
        // Branches are applied once more to determine the unevaluated members.
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
                // A list, as in draft 4.
                "items" if value.node.as_seq().is_some() => members.schemas.extend(value.items()),
                "items" | "additionalItems" | "additionalProperties" => members.schemas.push(value),
                "dependencies" => {
                    parts.extend(value.members().map(|(_, member)| one(member, in_place)));
                }
                // Several patterns may match one name.
                "patternProperties" => parts.extend(value.members().map(|(_, member)| one(member, 1))),
                "dependentSchemas" => parts.extend(value.members().map(|(_, member)| one(member, in_place))),
                "allOf" | "anyOf" | "oneOf" => parts.extend(value.items().map(|item| one(item, in_place))),
                "contains" | "propertyNames" | "unevaluatedItems" | "unevaluatedProperties" => {
                    parts.push(one(value, 1));
                }
                "$ref" | "$recursiveRef" => {
                    parts.push(CostPart { schemas: self.target(&value), times: in_place });
                }
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
