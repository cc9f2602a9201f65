//! Finds cycles of schemas that apply to the same value, whose validation would never end.
//!
//! `A: { $ref: B }, B: { allOf: [{ $ref: A }] }` is such a cycle. `A: { items: { $ref: A } }` is not: each round
//! applies to a smaller value.

use std::collections::{HashMap, HashSet};

use demur_source::Span;

/// An edge from a schema to one that applies to the same value.
#[derive(Debug)]
pub(super) struct SchemaStep {
    /// The pointer of the source.
    pub(super) from: String,
    /// The pointer of the target.
    pub(super) to: String,
    /// The keyword of the source.
    pub(super) keyword: String,
    /// The span of the keyword.
    pub(super) span: Span,
}

/// The edges that close a cycle.
pub(super) fn find(steps: &[SchemaStep]) -> Vec<&SchemaStep> {
    let mut next: HashMap<&str, Vec<&SchemaStep>> = HashMap::new();
    for step in steps {
        next.entry(&step.from).or_default().push(step);
    }
    let (mut open, mut done): (HashSet<&str>, HashSet<&str>) = (HashSet::new(), HashSet::new());
    let mut cycles = Vec::new();
    for start in steps {
        if done.contains(start.from.as_str()) {
            continue;
        }
        // Depth-first search: an edge to a schema on the stack closes a cycle.
        open.insert(&start.from);
        let mut stack: Vec<(&str, usize)> = vec![(&start.from, 0)];
        while let Some((pointer, taken)) = stack.last_mut() {
            let pointer: &str = pointer;
            match next.get(pointer).and_then(|steps| steps.get(*taken)) {
                Some(step) => {
                    *taken += 1;
                    if open.contains(step.to.as_str()) {
                        cycles.push(*step);
                    } else if !done.contains(step.to.as_str()) {
                        open.insert(&step.to);
                        stack.push((&step.to, 0));
                    }
                }
                None => {
                    open.remove(pointer);
                    done.insert(pointer);
                    stack.pop();
                }
            }
        }
    }
    cycles
}
