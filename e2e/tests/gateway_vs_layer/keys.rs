//! The sample keys of the examples, with the same secrets on both sides.

use std::collections::HashMap;

use demur_admission::{KeyRecord, Scope, Secret};
use demur_source::{Node, NodeKind, Source};
use demur_tower::InMemoryKeys;
use jiff::Timestamp;

/// Secrets by the labels of `accounts.yaml`.
pub(crate) struct Samples(HashMap<String, Secret>);

impl Samples {
    /// Creates the keys of an API on both sides.
    pub(crate) fn make(api: &str, prefix: &str, sides: &[&InMemoryKeys]) -> Self {
        let root = demur_source::parse(&Source::new("accounts.yaml", demur_examples::ACCOUNTS)).unwrap();
        let mut secrets = HashMap::new();
        for key in items(&root, "keys").iter().filter(|key| text(key, "api") == Some(api.to_owned())) {
            let account = text(key, "account").unwrap();
            let accounts = items(&root, "accounts");
            let named = accounts.iter().find(|known| text(known, "name").as_ref() == Some(&account));
            let plan = text(named.unwrap(), "plan").unwrap();
            let secret = Secret::generate(prefix).unwrap();
            for side in sides {
                side.insert(&secret, api, &account, &plan, |record| arrange(key, record)).unwrap();
            }
            secrets.insert(text(key, "label").unwrap(), secret);
        }
        secrets.insert("unknown".to_owned(), Secret::generate(prefix).unwrap());
        Self(secrets)
    }

    /// The value of `Authorization`, if any, for a label of a row.
    pub(crate) fn authorization(&self, label: &str) -> Option<String> {
        match label {
            "none" => None,
            "basic scheme" => Some("Basic x".to_owned()),
            "malformed" => Some("Bearer nonsense".to_owned()),
            "failing store" => self.authorization("active"),
            label => Some(format!("Bearer {}", self.0.get(label).expect(label).expose())),
        }
    }
}

fn arrange(key: &Node, record: &mut KeyRecord) {
    let covered = |name: &str| match key.get(name).map(|node| &node.kind) {
        Some(NodeKind::Seq(items)) => Scope::Only(items.iter().filter_map(Node::scalar_text).collect()),
        _ => Scope::All,
    };
    record.grants.operations = covered("operations");
    record.grants.resources = covered("resources");
    if let Some(NodeKind::Seq(items)) = key.get("scopes").map(|node| &node.kind) {
        record.grants.scopes = items.iter().filter_map(Node::scalar_text).collect();
    }
    record.expires = text(key, "expires").map(|text| text.parse().unwrap());
    record.revoked = (text(key, "state").as_deref() == Some("revoked")).then(Timestamp::now);
}

fn items<'n>(node: &'n Node, name: &str) -> &'n [Node] {
    match node.get(name).map(|node| &node.kind) {
        Some(NodeKind::Seq(items)) => items,
        _ => &[],
    }
}

fn text(node: &Node, name: &str) -> Option<String> {
    node.get(name).and_then(Node::scalar_text)
}
