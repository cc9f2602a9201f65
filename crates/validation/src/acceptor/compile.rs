//! Compiles schemas into the nodes of an acceptor.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::node::{Member, Node, Others};
use super::{Acceptor, is_container};
use crate::Formats;
use crate::schema::{Schema, Types, scalar_validator};
use crate::tree::{JsonReference, join, reference};

/// The most nodes of one acceptor. Larger schemas are checked by the tree alone.
const MAX_NODES: usize = 2_000;
/// The most schemas of one acceptor that are checked as trees: each is compiled once more.
const MAX_TREES: usize = 8;

/// Formats without an effect on strings.
const PLAIN_FORMATS: [&str; 7] = ["int32", "int64", "float", "double", "password", "binary", "byte"];

/// Compiles one acceptor.
pub(crate) struct AcceptorCompiler<'c> {
    document: &'c Value,
    formats: Formats,
    /// Compiles a schema for a tree.
    schema: &'c mut dyn FnMut(&str) -> Option<Arc<Schema>>,
    nodes: Vec<Node>,
    /// The nodes by the pointers of their schemas.
    known: HashMap<String, usize>,
    trees: usize,
}

impl<'c> AcceptorCompiler<'c> {
    /// An acceptor for the schema at `pointer`. `None` if the tree must be built in any case.
    pub(crate) fn compile(
        document: &'c Value,
        pointer: &str,
        formats: Formats,
        schema: &'c mut dyn FnMut(&str) -> Option<Arc<Schema>>,
    ) -> Option<Acceptor> {
        let (nodes, known) = (Vec::new(), HashMap::new());
        let mut compiler = Self { document, formats, schema, nodes, known, trees: 0 };
        let root = compiler.node(pointer)?;
        let is_tree = compiler.nodes.get(root)?.tree.is_some();
        (!is_tree).then_some(Acceptor { nodes: compiler.nodes, root })
    }

    /// The node for the schema at `pointer`.
    fn node(&mut self, pointer: &str) -> Option<usize> {
        if let Some(known) = self.known.get(pointer) {
            return Some(*known);
        }
        if self.nodes.len() == MAX_NODES {
            return None;
        }
        // Reserved first: a schema may refer to itself.
        let index = self.nodes.len();
        self.nodes.push(Node::never());
        self.known.insert(pointer.to_owned(), index);
        let node = match self.document.pointer(pointer)? {
            Value::Bool(true) => Node::any(),
            Value::Bool(false) => Node::never(),
            Value::Object(schema) => match self.keywords(schema, pointer)? {
                Some(node) => node,
                None => self.tree(pointer)?,
            },
            _ => return None,
        };
        *self.nodes.get_mut(index)? = node;
        Some(index)
    }

    /// A node whose values are checked as trees.
    fn tree(&mut self, pointer: &str) -> Option<Node> {
        self.trees += 1;
        if self.trees > MAX_TREES {
            return None;
        }
        Some(Node { tree: Some((self.schema)(pointer)?), ..Node::any() })
    }

    /// The node of a schema. `Some(None)` if it has a keyword that is checked only in trees.
    fn keywords(&mut self, schema: &Map<String, Value>, pointer: &str) -> Option<Option<Node>> {
        let mut node = Node::any();
        let mut required: Vec<&str> = Vec::new();
        let mut scalars = Map::new();
        for (keyword, value) in schema {
            let at = || join(pointer, keyword);
            let is_scalar = matches!(
                keyword.as_str(),
                "type"
                    | "enum"
                    | "const"
                    | "minLength"
                    | "maxLength"
                    | "pattern"
                    | "format"
                    | "minimum"
                    | "maximum"
                    | "exclusiveMinimum"
                    | "exclusiveMaximum"
                    | "multipleOf"
            );
            if is_scalar {
                scalars.insert(keyword.clone(), value.clone());
            }
            let is_compiled = match (keyword.as_str(), value) {
                ("type", value) => set_types(&mut node, value),
                ("enum", Value::Array(values)) => list(&mut node, values),
                ("const", value) => list(&mut node, std::slice::from_ref(value)),
                ("minLength", value) => set_count(&mut node.strings.min, value),
                ("maxLength", value) => set_count(&mut node.strings.max, value),
                ("pattern", Value::String(_)) => {
                    node.strings.is_validated = true;
                    true
                }
                ("format", Value::String(name)) => {
                    node.strings.is_validated |=
                        self.formats == Formats::Assert && !PLAIN_FORMATS.contains(&name.as_str());
                    true
                }
                ("minimum", value) => set_bound(&mut node.numbers.min, value, &mut node.numbers.is_validated),
                ("maximum", value) => set_bound(&mut node.numbers.max, value, &mut node.numbers.is_validated),
                ("exclusiveMinimum" | "exclusiveMaximum" | "multipleOf", Value::Number(_)) => {
                    node.numbers.is_validated = true;
                    true
                }
                ("minItems", value) => set_count(&mut node.array.min, value),
                ("maxItems", value) => set_count(&mut node.array.max, value),
                ("minProperties", value) => set_count(&mut node.object.min, value),
                ("maxProperties", value) => set_count(&mut node.object.max, value),
                ("uniqueItems", Value::Bool(false)) => true,
                ("items", _) => {
                    node.array.items = Some(self.node(&at())?);
                    true
                }
                ("properties", Value::Object(properties)) => {
                    for name in properties.keys() {
                        let of = self.node(&join(&at(), name))?;
                        let name = name.as_str().into();
                        node.object.members.push(Member { name, node: Some(of), is_required: false });
                    }
                    true
                }
                ("required", Value::Array(names)) => {
                    required = names.iter().filter_map(Value::as_str).collect();
                    required.len() == names.len()
                }
                ("additionalProperties", Value::Bool(false)) => {
                    node.object.others = Others::None;
                    true
                }
                ("additionalProperties", _) => {
                    node.object.others = Others::Node(self.node(&at())?);
                    true
                }
                ("$ref", Value::String(text)) => match reference(text) {
                    JsonReference::Local(target) => {
                        node.all.push(self.node(&target)?);
                        true
                    }
                    JsonReference::Anchor | JsonReference::Remote => false,
                },
                ("allOf", Value::Array(branches)) => {
                    for number in 0..branches.len() {
                        node.all.push(self.node(&format!("{}/{number}", at()))?);
                    }
                    true
                }
                ("anyOf", Value::Array(branches)) => {
                    let nodes = (0..branches.len()).map(|number| self.node(&format!("{}/{number}", at())));
                    node.any.push(nodes.collect::<Option<_>>()?);
                    true
                }
                (keyword, _) => is_remark(keyword),
            };
            if !is_compiled {
                return Some(None);
            }
        }
        require(&mut node, &required);
        if node.is_listed || node.strings.is_validated || has_numbers(&node) {
            node.scalars = Some(Box::new(scalar_validator(scalars, self.formats)?));
        }
        Some(Some(node))
    }
}

/// Whether numbers that are no short integers must be given to the validator.
fn has_numbers(node: &Node) -> bool {
    let numbers = &node.numbers;
    let is_integer = !node.types.contains(Types::NUMBER) && node.types.contains(Types::INTEGER);
    is_integer || numbers.is_validated || numbers.min != i64::MIN || numbers.max != i64::MAX
}

/// Keywords without an effect on whether a value is valid.
fn is_remark(keyword: &str) -> bool {
    const REMARKS: [&str; 14] = [
        "title",
        "description",
        "default",
        "deprecated",
        "readOnly",
        "writeOnly",
        "example",
        "examples",
        "xml",
        "externalDocs",
        "$comment",
        "$defs",
        "definitions",
        "summary",
    ];
    REMARKS.contains(&keyword) || keyword.starts_with("x-")
}

fn set_types(node: &mut Node, value: &Value) -> bool {
    let names = match value {
        Value::Array(names) => names.as_slice(),
        name => std::slice::from_ref(name),
    };
    let mut types = Types::default();
    for name in names {
        let of = name.as_str().map(Types::from_name).unwrap_or_default();
        if of == Types::default() {
            return false;
        }
        types = types.union(of);
    }
    node.types = node.types.intersection(types);
    true
}

/// Lists the values of an `enum` or a `const`.
fn list(node: &mut Node, values: &[Value]) -> bool {
    // Both at once are rare.
    if node.is_listed || values.iter().any(is_container) {
        return false;
    }
    node.is_listed = true;
    node.strings.listed = values.iter().filter_map(Value::as_str).map(Into::into).collect();
    true
}

fn set_count(count: &mut usize, value: &Value) -> bool {
    let read = value.as_u64().and_then(|value| usize::try_from(value).ok());
    read.map(|value| *count = value).is_some()
}

/// Sets a bound of integers. Any other bound is for the validator.
fn set_bound(bound: &mut i64, value: &Value, is_validated: &mut bool) -> bool {
    match value.as_i64() {
        Some(value) => *bound = value,
        None => *is_validated = true,
    }
    value.is_number()
}

/// Marks the required members, and adds those that are not declared.
fn require(node: &mut Node, names: &[&str]) {
    let object = &mut node.object;
    for name in names {
        let member = match object.members.iter().position(|member| *member.name == **name) {
            Some(known) => known,
            None => {
                let of = match object.others {
                    Others::Any => None,
                    Others::Node(of) => Some(of),
                    // Required and not allowed: no object is valid.
                    Others::None => {
                        node.types = node.types.intersection(without_objects());
                        return;
                    }
                };
                object.members.push(Member { name: (*name).into(), node: of, is_required: false });
                object.members.len() - 1
            }
        };
        if let Some(member) = object.members.get_mut(member) {
            object.required += usize::from(!member.is_required);
            member.is_required = true;
        }
    }
}

fn without_objects() -> Types {
    [Types::STRING, Types::INTEGER, Types::NUMBER, Types::BOOLEAN, Types::ARRAY, Types::NULL]
        .into_iter()
        .fold(Types::default(), Types::union)
}
