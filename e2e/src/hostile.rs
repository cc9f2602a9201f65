//! Hostile requests as data: `e2e/hostile/*.yaml`, one case for each rule of an RFC.
//!
//! A character of a text that is to be sent stands for the byte of its number, so that `\0` and `\xff` are what they
//! look like. `{3*ab}` is `ababab`, `{KEY}` a key, and `{POST}` the head of a request whose body comes in chunks.

use std::path::Path;

use demur_source::{Node, Source};

const POST: &str =
    "POST /open HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";

/// The bytes that are sent, and the expected outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    /// What the case is about.
    pub name: String,
    /// The section of the RFC.
    pub rfc: String,
    /// The bytes.
    pub sent: Vec<u8>,
    /// Whether the client then shuts down its sending side.
    pub ends: bool,
    /// The response of the upstream, if not its usual one. It then closes the connection.
    pub upstream: Option<Vec<u8>>,
    /// The responses, in order.
    pub responses: Vec<Expected>,
    /// The requests that reach the upstream, in order.
    pub arrives: Vec<Arrival>,
    /// Headers of the last of them, with their values.
    pub carries: Vec<(String, String)>,
    /// Headers that it does not have.
    pub lacks: Vec<String>,
}

/// One response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expected {
    /// The usual response of the upstream.
    Admitted,
    /// A response of the upstream with this status.
    Status(u16),
    /// A rejection for this condition.
    Rejected(String),
}

/// A request as the upstream sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrival {
    /// The method.
    pub method: String,
    /// The target.
    pub target: String,
    /// The body.
    pub body: Vec<u8>,
}

/// Every case of every file in this folder, with this key.
pub fn cases(folder: &Path, key: &str) -> Vec<Case> {
    let files = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<_> =
        files.map(|file| file.expect("a file").path()).filter(|path| path.is_file()).collect();
    files.sort();
    files.iter().flat_map(|file| read(file, key)).collect()
}

/// The items of a YAML file, which is a list.
pub fn items(file: &Path) -> Vec<Node> {
    let source = Source::read(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let root = demur_source::parse(&source).unwrap_or_else(|found| panic!("{found}"));
    root.as_seq().unwrap_or_else(|| panic!("{} is no list", file.display())).to_vec()
}

fn read(file: &Path, key: &str) -> Vec<Case> {
    items(file).iter().map(|node| case(node, key)).collect()
}

fn case(node: &Node, key: &str) -> Case {
    let text = |name: &str| node.get(name).and_then(Node::scalar_text);
    let name = text("name").expect("a case has a name");
    let known =
        ["name", "rfc", "send", "then", "upstream", "answers", "arrives", "carries", "lacks"].as_slice();
    for (member, _) in node.as_map().expect("a case is a map") {
        assert!(known.contains(&member.name.as_str()), "{name}: `{}`", member.name);
    }
    let texts = |name: &str| -> Vec<String> {
        let items = node.get(name).and_then(Node::as_seq).unwrap_or_default();
        items.iter().filter_map(Node::scalar_text).collect()
    };
    let responses: Vec<Expected> = texts("answers").iter().map(|text| expected(text)).collect();
    let reached = |response: &&Expected| match response {
        Expected::Admitted | Expected::Status(_) => true,
        Expected::Rejected(condition) => condition.starts_with("upstream."),
    };
    let arrives = match node.get("arrives") {
        Some(_) => texts("arrives").iter().map(|text| arrival(text, key)).collect(),
        // The default of most cases.
        None => responses.iter().filter(reached).map(|_| arrival("GET /open", key)).collect(),
    };
    let carries = node.get("carries").and_then(Node::as_map).unwrap_or_default();
    let carries =
        carries.iter().map(|(key, value)| (key.name.clone(), value.scalar_text().unwrap_or_default()));
    Case {
        sent: bytes(&text("send").expect("a case sends something"), key),
        ends: text("then").as_deref() == Some("ends"),
        upstream: text("upstream").map(|text| bytes(&text, key)),
        rfc: text("rfc").expect("a case has a rule"),
        responses,
        arrives,
        carries: carries.collect(),
        lacks: texts("lacks"),
        name,
    }
}

fn expected(text: &str) -> Expected {
    match text.split_once(' ') {
        Some(("status", status)) => Expected::Status(status.parse().expect("a status")),
        _ if text == "admitted" => Expected::Admitted,
        _ => Expected::Rejected(text.to_owned()),
    }
}

fn arrival(text: &str, key: &str) -> Arrival {
    let mut parts = text.splitn(3, ' ');
    let mut part = || parts.next().unwrap_or_default();
    let (method, target) = (part().to_owned(), bytes(part(), key));
    let target = String::from_utf8(target).expect("a target is ASCII");
    Arrival { method, target, body: bytes(part(), key) }
}

/// The bytes that a text encodes.
pub fn bytes(text: &str, key: &str) -> Vec<u8> {
    let text = repeated(&text.replace("{POST}", POST).replace("{KEY}", key));
    text.chars().map(|character| u8::try_from(u32::from(character)).expect("a character is a byte")).collect()
}

fn repeated(text: &str) -> String {
    let mut made = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        made.push_str(before);
        let repetition = after.split_once('*').and_then(|(count, after)| {
            let count: usize = count.parse().ok()?;
            let (piece, after) = after.split_once('}')?;
            Some((piece.repeat(count), after))
        });
        rest = match repetition {
            Some((repeated, after)) => {
                made.push_str(&repeated);
                after
            }
            None => {
                made.push('{');
                after
            }
        };
    }
    made.push_str(rest);
    made
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_become_bytes_and_repetitions_are_expanded() {
        let rows: [(&str, &[u8]); 4] = [
            ("\u{ff}\0", &[0xff, 0]),
            ("{3*ab}c", b"abababc"),
            ("{\"a\": 1}", b"{\"a\": 1}"),
            ("{KEY}{2*x}", b"keyxx"),
        ];
        for (text, expected) in rows {
            assert_eq!(bytes(text, "key"), expected, "{text}");
        }
    }
}
