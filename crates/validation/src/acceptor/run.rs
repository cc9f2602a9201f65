//! One run of an acceptor over a body.

use serde_json::{Number, Value};
use smallvec::SmallVec;

use super::node::{Member, Node, Object, Others};
use super::reader::{RawNumber, Reader, unescape};
use crate::request::read_json;
use crate::schema::Types;

/// How many schemas may apply to one value by way of `allOf`, `anyOf` and `$ref`.
const MAX_IN_PLACE: usize = 8;
/// How many members of one object may be without a schema. They are compared with each other, to find duplicates.
const MAX_UNNAMED: usize = 32;

pub(super) struct Run<'r> {
    nodes: &'r [Node],
    reader: Reader<'r>,
    max_depth: usize,
    /// How many values may still be read: with `allOf` and `anyOf` they are read several times.
    steps: usize,
    /// For strings that are decoded, or given to a validator.
    scratch: String,
}

impl<'r> Run<'r> {
    pub(super) fn new(nodes: &'r [Node], bytes: &'r [u8], max_depth: usize) -> Self {
        let steps = bytes.len().saturating_mul(4);
        Self { nodes, reader: Reader(bytes), max_depth, steps, scratch: String::new() }
    }

    /// Whether the body is one value that the node accepts.
    pub(super) fn whole(&mut self, root: usize) -> bool {
        let start = self.reader.skip(0);
        let end = self.value(start, Some(root), 0, 0);
        end.is_some_and(|end| self.reader.skip(end) == self.reader.0.len())
    }

    /// Reads the value at this position. Returns the position behind it; `None` if it is not accepted.
    fn value(&mut self, at: usize, node: Option<usize>, depth: usize, in_place: usize) -> Option<usize> {
        self.steps = self.steps.checked_sub(1)?;
        let Some(node) = node.map(|node| &self.nodes[node]) else { return self.anything(at, depth) };
        let end = match self.reader.byte(at)? {
            b'"' => self.string(at, node)?,
            b'{' => {
                self.container(node, Types::OBJECT)?;
                self.object(at, Some(&node.object), depth + 1)?
            }
            b'[' => {
                self.container(node, Types::ARRAY)?;
                self.array(at, node, depth + 1)?
            }
            b't' => self.literal(at, "true", Value::Bool(true), node)?,
            b'f' => self.literal(at, "false", Value::Bool(false), node)?,
            b'n' => self.literal(at, "null", Value::Null, node)?,
            _ => self.number(at, node)?,
        };
        if node.all.is_empty() && node.any.is_empty() && node.tree.is_none() {
            return Some(end);
        }
        if in_place == MAX_IN_PLACE {
            return None;
        }
        for other in &node.all {
            self.value(at, Some(*other), depth, in_place + 1)?;
        }
        for branches in &node.any {
            branches.iter().find_map(|other| self.value(at, Some(*other), depth, in_place + 1))?;
        }
        if let Some(schema) = &node.tree {
            let value = read_json(self.reader.0.get(at..end)?, self.max_depth.checked_sub(depth)?)?;
            schema.is_valid(&value).then_some(())?;
        }
        Some(end)
    }

    /// Reads any value.
    fn anything(&mut self, at: usize, depth: usize) -> Option<usize> {
        match self.reader.byte(at)? {
            b'"' => {
                let string = self.reader.string(at)?;
                if string.has_escapes {
                    unescape(string.text, &mut self.scratch)?;
                }
                Some(string.end)
            }
            b'{' => self.object(at, None, depth + 1),
            b'[' => {
                self.items(at, depth + 1, |run, at| run.value(at, None, depth + 1, 0)).map(|(end, _)| end)
            }
            b't' => self.reader.literal(at, "true"),
            b'f' => self.reader.literal(at, "false"),
            b'n' => self.reader.literal(at, "null"),
            _ => {
                let number = self.reader.number(at)?;
                if number.integer.is_none() {
                    parsed(&number)?;
                }
                Some(number.end)
            }
        }
    }

    /// Whether the node takes arrays or objects.
    fn container(&self, node: &Node, kind: Types) -> Option<()> {
        (node.types.contains(kind) && !node.is_listed).then_some(())
    }

    fn literal(&mut self, at: usize, text: &str, value: Value, node: &Node) -> Option<usize> {
        let end = self.reader.literal(at, text)?;
        let kind = if value.is_null() { Types::NULL } else { Types::BOOLEAN };
        let is_valid = node.types.contains(kind) && (!node.is_listed || is_valid(node, &value));
        is_valid.then_some(end)
    }

    fn string(&mut self, at: usize, node: &Node) -> Option<usize> {
        let string = self.reader.string(at)?;
        if !node.types.contains(Types::STRING) {
            return None;
        }
        let (text, is_ascii) = match string.has_escapes {
            true => {
                unescape(string.text, &mut self.scratch)?;
                (self.scratch.as_bytes(), self.scratch.is_ascii())
            }
            false => (string.text, string.is_ascii),
        };
        let rule = &node.strings;
        let length = if is_ascii { text.len() } else { characters(text) };
        let is_listed = || !node.is_listed || rule.listed.iter().any(|listed| listed.as_bytes() == text);
        if !(rule.min..=rule.max).contains(&length) || !is_listed() {
            return None;
        }
        if rule.is_validated {
            // The scratch becomes the value, so that its memory is used again.
            let mut scratch = std::mem::take(&mut self.scratch);
            if !string.has_escapes {
                scratch.clear();
                scratch.push_str(std::str::from_utf8(string.text).ok()?);
            }
            let value = Value::String(scratch);
            let is_valid = is_valid(node, &value);
            if let Value::String(scratch) = value {
                self.scratch = scratch;
            }
            if !is_valid {
                return None;
            }
        }
        Some(string.end)
    }

    fn number(&mut self, at: usize, node: &Node) -> Option<usize> {
        let number = self.reader.number(at)?;
        let rule = &node.numbers;
        let any = Types::NUMBER.union(Types::INTEGER);
        let is_accepted = match number.integer {
            Some(integer) if !rule.is_validated && !node.is_listed => {
                node.types.contains(any) && (rule.min..=rule.max).contains(&integer)
            }
            _ => {
                let value = Value::Number(parsed(&number)?);
                match &node.scalars {
                    Some(_) => is_valid(node, &value),
                    // An integer may be written with a fraction.
                    None => node.types.contains(Types::NUMBER) && !node.is_listed,
                }
            }
        };
        is_accepted.then_some(number.end)
    }

    fn array(&mut self, at: usize, node: &Node, depth: usize) -> Option<usize> {
        let rule = &node.array;
        let (end, count) = self.items(at, depth, |run, at| run.value(at, rule.items, depth, 0))?;
        (rule.min..=rule.max).contains(&count).then_some(end)
    }

    /// Reads the items of an array. Returns the position behind it, and their number.
    fn items(
        &mut self,
        at: usize,
        depth: usize,
        mut item: impl FnMut(&mut Self, usize) -> Option<usize>,
    ) -> Option<(usize, usize)> {
        if depth > self.max_depth {
            return None;
        }
        let mut next = self.reader.skip(at + 1);
        if self.reader.byte(next)? == b']' {
            return Some((next + 1, 0));
        }
        let mut count = 0;
        loop {
            next = self.reader.skip(item(self, next)?);
            count += 1;
            match self.reader.byte(next)? {
                b',' => next = self.reader.skip(next + 1),
                b']' => return Some((next + 1, count)),
                _ => return None,
            }
        }
    }

    fn object(&mut self, at: usize, rule: Option<&Object>, depth: usize) -> Option<usize> {
        if depth > self.max_depth {
            return None;
        }
        let mut seen = Seen::new(rule);
        let mut next = self.reader.skip(at + 1);
        if self.reader.byte(next)? != b'}' {
            loop {
                if self.reader.byte(next)? != b'"' {
                    return None;
                }
                let name = self.reader.string(next)?;
                if name.has_escapes {
                    return None;
                }
                let node = seen.take(name.text)?;
                next = self.reader.skip(name.end);
                if self.reader.byte(next)? != b':' {
                    return None;
                }
                next = self.reader.skip(next + 1);
                next = self.reader.skip(self.value(next, node, depth, 0)?);
                match self.reader.byte(next)? {
                    b',' => next = self.reader.skip(next + 1),
                    b'}' => break,
                    _ => return None,
                }
            }
        }
        seen.is_complete().then_some(next + 1)
    }
}

/// The members of an object that have been read.
struct Seen<'r> {
    rule: Option<&'r Object>,
    /// Those that the schema names, by their numbers.
    named: SmallVec<[u64; 2]>,
    unnamed: SmallVec<[&'r [u8]; 8]>,
    count: usize,
    required: usize,
    /// Members mostly come in the order of the schema.
    expected: usize,
}

impl<'r> Seen<'r> {
    fn new(rule: Option<&'r Object>) -> Self {
        let count = rule.map_or(0, |rule| rule.members.len());
        let named = SmallVec::from_elem(0, count.div_ceil(64));
        Self { rule, named, unnamed: SmallVec::new(), count: 0, required: 0, expected: 0 }
    }

    /// The node for a member. `None` if it is a duplicate, or not allowed.
    fn take(&mut self, name: &'r [u8]) -> Option<Option<usize>> {
        self.count += 1;
        if let Some(rule) = self.rule
            && let Some(number) = self.number(&rule.members, name)
        {
            let member = rule.members.get(number)?;
            let (word, bit) = (self.named.get_mut(number / 64)?, 1 << (number % 64));
            if *word & bit != 0 {
                return None;
            }
            *word |= bit;
            self.expected = number + 1;
            self.required += usize::from(member.is_required);
            return Some(member.node);
        }
        if self.unnamed.len() == MAX_UNNAMED || self.unnamed.contains(&name) {
            return None;
        }
        self.unnamed.push(name);
        match self.rule.map_or(Others::Any, |rule| rule.others) {
            Others::Any => Some(None),
            Others::Node(node) => Some(Some(node)),
            Others::None => None,
        }
    }

    fn number(&self, members: &[Member], name: &[u8]) -> Option<usize> {
        let is_named = |member: &Member| member.name.as_bytes() == name;
        if members.get(self.expected).is_some_and(is_named) {
            return Some(self.expected);
        }
        members.iter().position(is_named)
    }

    fn is_complete(&self) -> bool {
        self.rule
            .is_none_or(|rule| self.required == rule.required && (rule.min..=rule.max).contains(&self.count))
    }
}

/// The number of characters of a valid UTF-8 text: of bytes that continue none.
fn characters(text: &[u8]) -> usize {
    text.iter().filter(|byte| **byte & 0xc0 != 0x80).count()
}

fn is_valid(node: &Node, scalar: &Value) -> bool {
    node.scalars.as_ref().is_some_and(|validator| validator.is_valid(scalar))
}

/// The number as a tree has it.
fn parsed(number: &RawNumber<'_>) -> Option<Number> {
    serde_json::from_slice(number.text).ok()
}
