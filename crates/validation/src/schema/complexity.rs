//! How fast the cost of reporting violations grows with the depth of a value.
//!
//! A recursive schema with two branches that apply to the same member (`oneOf: [And, Or]`, each with `args: { items:
//! Expression }`) doubles the work with each level: two hundred bytes, nested sixty levels deep, would block a worker
//! forever. Validation is linear nevertheless, since jsonschema caches results; only collecting the errors is not. So
//! the growth factor is computed when the schema is loaded, and errors are not collected for a value that would cost
//! too much.

use std::collections::HashMap;

use serde_json::Value;

use crate::tree::{JsonReference, join, reference};

/// The maximum number of steps for collecting the errors of one value: a few milliseconds.
const MAX_STEPS: u64 = 50_000;

/// The maximum number of schemas analysed. Beyond it, the worst growth is assumed.
const MAX_SCHEMAS: usize = 50_000;
const WORST: u64 = 1_000;

/// The factor by which each level of nesting multiplies the work; 1 if it only adds work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct GrowthFactor(u64);

impl GrowthFactor {
    /// The growth of the schema at `pointer`.
    pub(super) fn of(document: &Value, pointer: &str) -> Self {
        match SchemaGraph::of(document, pointer) {
            Some(mut graph) => {
                graph.keep_cycles();
                Self(graph.factor())
            }
            None => Self(WORST),
        }
    }

    /// Whether collecting the errors of this value stays within the limit.
    pub(super) fn within_budget(self, value: &Value) -> bool {
        if self.0 == 1 {
            return true;
        }
        let mut steps = 0_u64;
        let mut rest = vec![(value, 1_u64)];
        while let Some((value, weight)) = rest.pop() {
            steps = steps.saturating_add(weight);
            if steps > MAX_STEPS {
                return false;
            }
            let below = weight.saturating_mul(self.0);
            match value {
                Value::Array(items) => rest.extend(items.iter().map(|item| (item, below))),
                Value::Object(members) => rest.extend(members.values().map(|member| (member, below))),
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
            }
        }
        true
    }
}

/// The graph of schemas.
struct SchemaGraph {
    /// For each schema, its parts. Several parts may apply to the same member; each leads to schemas.
    parts: Vec<Vec<Vec<usize>>>,
}

impl SchemaGraph {
    /// The schemas reachable from `pointer`. `None` if there are too many, or if a target is only known at validation
    /// time (`$dynamicRef`).
    fn of(document: &Value, pointer: &str) -> Option<Self> {
        let mut numbers: HashMap<String, usize> = HashMap::from([(pointer.to_owned(), 0)]);
        let mut queue = vec![pointer.to_owned()];
        let mut parts = Vec::new();
        while let Some(pointer) = queue.get(parts.len()).cloned() {
            let schema = document.pointer(&pointer).unwrap_or(&Value::Null);
            let is_elsewhere = schema["$ref"]
                .as_str()
                .is_some_and(|text| !matches!(reference(text), JsonReference::Local(_)));
            if is_elsewhere || schema.get("$dynamicRef").is_some_and(Value::is_string) {
                return None;
            }
            let mut numbered = Vec::new();
            for part in parts_of(schema, &pointer) {
                let number = |pointer: String| {
                    let next = numbers.len();
                    *numbers.entry(pointer).or_insert_with_key(|pointer| {
                        queue.push(pointer.clone());
                        next
                    })
                };
                numbered.push(part.into_iter().map(number).collect());
            }
            parts.push(numbered);
            if parts.len() > MAX_SCHEMAS {
                return None;
            }
        }
        Some(Self { parts })
    }

    /// Removes schemas that are not part of a cycle.
    fn keep_cycles(&mut self) {
        let mut leads_to: Vec<Vec<usize>> = vec![Vec::new(); self.parts.len()];
        let mut open = vec![0_usize; self.parts.len()];
        for (from, parts) in self.parts.iter().enumerate() {
            for to in parts.iter().flatten() {
                leads_to[*to].push(from);
                open[from] += 1;
            }
        }
        let mut ends: Vec<usize> = (0..open.len()).filter(|number| open[*number] == 0).collect();
        let mut is_cut = vec![false; open.len()];
        while let Some(end) = ends.pop() {
            is_cut[end] = true;
            for from in &leads_to[end] {
                open[*from] -= 1;
                if open[*from] == 0 {
                    ends.push(*from);
                }
            }
        }
        for (number, parts) in self.parts.iter_mut().enumerate() {
            if is_cut[number] {
                parts.clear();
            }
            parts.iter_mut().for_each(|part| part.retain(|to| !is_cut[*to]));
            parts.retain(|part| !part.is_empty());
        }
    }

    /// The product over all schemas of the number of parts that lead back to the schema.
    fn factor(&self) -> u64 {
        let several = self.parts.iter().enumerate().filter(|(_, parts)| parts.len() > 1);
        several.fold(1, |factor: u64, (number, parts)| {
            let branches = parts.iter().filter(|part| self.leads_to_self(part, number)).count();
            factor.saturating_mul(branches.max(1) as u64).min(WORST)
        })
    }

    fn leads_to_self(&self, part: &[usize], target: usize) -> bool {
        let mut is_seen = vec![false; self.parts.len()];
        let mut rest = part.to_vec();
        while let Some(number) = rest.pop() {
            if number == target {
                return true;
            }
            if !std::mem::replace(&mut is_seen[number], true) {
                rest.extend(self.parts[number].iter().flatten());
            }
        }
        false
    }
}

/// The parts of a schema. Keywords of which at most one applies to each member are one part; each keyword that may
/// apply in addition is a part of its own.
fn parts_of(schema: &Value, pointer: &str) -> Vec<Vec<String>> {
    let mut parts = vec![Vec::new()];
    let Some(object) = schema.as_object() else { return parts };
    for (keyword, value) in object {
        let child = join(pointer, keyword);
        let members = || value.as_object().into_iter().flatten().map(|(name, _)| join(&child, name));
        let branches = || (0..value.as_array().map_or(0, Vec::len)).map(|branch| format!("{child}/{branch}"));
        match keyword.as_str() {
            "properties" => parts[0].extend(members()),
            "prefixItems" => parts[0].extend(branches()),
            "items" | "additionalProperties" => parts[0].push(child),
            // Several patterns may match one name.
            "patternProperties" | "dependentSchemas" => parts.extend(members().map(|member| vec![member])),
            "allOf" | "anyOf" | "oneOf" => parts.extend(branches().map(|branch| vec![branch])),
            "not" | "if" | "then" | "else" | "contains" | "unevaluatedItems" | "unevaluatedProperties" => {
                parts.push(vec![child]);
            }
            "$ref" => {
                if let Some(JsonReference::Local(target)) = value.as_str().map(reference) {
                    parts.push(vec![target]);
                }
            }
            _ => {}
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn growth_counts_recursion_through_the_same_member() {
        let own = json!({ "$ref": "#/s" });
        for (schema, factor) in [
            (json!({ "oneOf": [{ "type": "string" }, { "minimum": 1 }] }), 1),
            (json!({ "properties": { "left": own, "right": own } }), 1),
            (json!({ "items": own, "additionalProperties": own }), 1),
            (json!({ "oneOf": [{ "type": "string" }, { "items": own }] }), 1),
            (json!({ "oneOf": [{ "properties": { "a": own } }, { "properties": { "a": own } }] }), 2),
            (json!({ "properties": { "a": own }, "patternProperties": { "a": own } }), 2),
            (json!({ "patternProperties": { "a": own, "^a": own } }), 2),
            (json!({ "items": own, "if": { "items": own }, "then": { "items": own } }), 3),
            (json!({ "anyOf": [{ "allOf": [{ "items": own }, { "items": own }] }, { "items": own }] }), 4),
        ] {
            let document = json!({ "s": schema });
            assert_eq!(GrowthFactor::of(&document, "/s"), GrowthFactor(factor), "{schema}");
        }
    }

    #[test]
    fn rejects_values_that_exceed_the_budget() {
        let nested = |levels: usize| (0..levels).fold(json!(0), |value, _| json!([value]));
        assert!(GrowthFactor(1).within_budget(&nested(60)));
        assert!(GrowthFactor(2).within_budget(&nested(10)));
        assert!(!GrowthFactor(2).within_budget(&nested(60)));
        assert!(!GrowthFactor(2).within_budget(&json!(vec![0; 30_000])));
    }
}
