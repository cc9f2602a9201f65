//! Circles in a graph: its strongly connected components of more than one node.

use std::collections::{BTreeMap, BTreeSet};

type Graph = BTreeMap<String, BTreeSet<String>>;

/// The circles, each with its nodes in alphabetical order.
pub(crate) fn circles(graph: &Graph) -> Vec<Vec<String>> {
    let reachable: BTreeMap<&String, BTreeSet<&String>> =
        graph.keys().map(|node| (node, reachable(graph, node))).collect();
    let mut found = BTreeSet::new();
    for (node, reached) in &reachable {
        let both = reached.iter().filter(|other| reachable.get(**other).is_some_and(|it| it.contains(node)));
        let circle: BTreeSet<String> = both.map(|other| (*other).clone()).collect();
        // A node reaches itself only on a circle.
        if circle.len() > 1 {
            found.insert(circle.into_iter().collect());
        }
    }
    found.into_iter().collect()
}

fn reachable<'g>(graph: &'g Graph, from: &String) -> BTreeSet<&'g String> {
    let mut reached = BTreeSet::new();
    let mut left: Vec<&String> = graph.get(from).into_iter().flatten().collect();
    while let Some(node) = left.pop() {
        if reached.insert(node) {
            left.extend(graph.get(node).into_iter().flatten());
        }
    }
    reached
}

#[test]
fn finds_the_nodes_that_reach_each_other() {
    let edges =
        [("a", "b"), ("b", "c"), ("c", "b"), ("c", "d"), ("e", "f"), ("f", "g"), ("g", "e"), ("d", "d")];
    let mut graph = Graph::new();
    for (from, to) in edges {
        graph.entry(from.to_owned()).or_default().insert(to.to_owned());
    }
    assert_eq!(circles(&graph), [vec!["b", "c"], vec!["e", "f", "g"]]);
}
