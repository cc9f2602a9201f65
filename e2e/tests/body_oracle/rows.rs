//! The rows of the data files, as requests.

use std::path::Path;

use demur_e2e::hostile::items;
use demur_source::Node;

const FORM: &str = "application/x-www-form-urlencoded";

/// One spelling.
pub(crate) struct Row {
    pub(crate) note: String,
    /// Whether it is what a client sends, and so must be admitted.
    pub(crate) passes: bool,
    /// A parser that is known to read another value.
    pub(crate) except: Option<String>,
    pub(crate) target: String,
    content_type: Vec<u8>,
    pub(crate) body: Vec<u8>,
}

impl Row {
    /// The request for the API at this mount.
    pub(crate) fn request(&self, mount: &str) -> Vec<u8> {
        let mut bytes = format!("POST {mount}{} HTTP/1.1\r\nHost: a\r\n", self.target).into_bytes();
        if !self.content_type.is_empty() {
            bytes.extend_from_slice(b"Content-Type: ");
            bytes.extend_from_slice(&self.content_type);
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(format!("Content-Length: {}\r\n\r\n", self.body.len()).as_bytes());
        bytes.extend_from_slice(&self.body);
        bytes
    }
}

/// Every row; one of pairs is two where it is sent as a query and as a form.
pub(crate) fn rows() -> Vec<Row> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("oracle/bodies");
    let mut rows: Vec<Row> = items(&folder.join("multipart.yaml")).iter().map(multipart).collect();
    rows.extend(items(&folder.join("pairs.yaml")).iter().flat_map(pairs));
    rows
}

fn multipart(node: &Node) -> Row {
    let text = |name: &str| node.get(name).and_then(Node::scalar_text);
    let note = known(node, &["note", "expect", "except", "type", "body", "head", "text"]);
    let body = match (text("body"), text("head")) {
        (Some(body), None) => lines(&body),
        (None, Some(head)) => {
            let head = lines(head.trim_end_matches('\n'));
            let text = bytes(&text("text").unwrap_or_else(|| "v".to_owned()));
            [b"--x\r\n", &head[..], b"\r\n\r\n", &text, b"\r\n--x--\r\n"].concat()
        }
        _ => panic!("{note}: either a body or a head"),
    };
    let content_type = text("type").unwrap_or_else(|| "multipart/form-data; boundary=x".to_owned());
    Row {
        note: format!("multipart, {note}"),
        passes: passes(node),
        except: text("except"),
        target: "/form".to_owned(),
        content_type: bytes(&content_type),
        body,
    }
}

fn pairs(node: &Node) -> Vec<Row> {
    let text = |name: &str| node.get(name).and_then(Node::scalar_text);
    let note = known(node, &["note", "expect", "except", "type", "pairs", "in", "query"]);
    let pairs = bytes(&text("pairs").expect("a row has pairs"));
    let passes = passes(node);
    let form = || Row {
        note: format!("form, {note}"),
        passes,
        except: text("except"),
        target: text("query").map_or("/form".to_owned(), |query| format!("/form?{query}")),
        content_type: bytes(&text("type").unwrap_or_else(|| FORM.to_owned())),
        body: pairs.clone(),
    };
    let query = || Row {
        note: format!("query, {note}"),
        passes,
        except: text("except"),
        target: format!("/query?{}", String::from_utf8(pairs.clone()).expect("a target is ASCII")),
        content_type: Vec::new(),
        body: Vec::new(),
    };
    match text("in").as_deref() {
        Some("form") => vec![form()],
        Some("query") => vec![query()],
        _ => vec![query(), form()],
    }
}

fn passes(node: &Node) -> bool {
    match node.get("expect").and_then(Node::scalar_text).as_deref() {
        Some("pass") => true,
        Some("reject") => false,
        other => panic!("{other:?} is neither pass nor reject"),
    }
}

/// The row's note; it has no other members than these.
fn known(node: &Node, members: &[&str]) -> String {
    let note = node.get("note").and_then(Node::scalar_text).expect("a row has a note");
    for (member, _) in node.as_map().expect("a row is a map") {
        assert!(members.contains(&member.name.as_str()), "{note}: `{}`", member.name);
    }
    note
}

/// Lines that end in CRLF, or as they say.
fn lines(text: &str) -> Vec<u8> {
    let mut made = String::new();
    for line in text.split_inclusive('\n') {
        let (line, end) = match line.strip_suffix('\n') {
            Some(line) if line.ends_with("<CR>") || line.ends_with("<LF>") => (line, ""),
            Some(line) => (line, "<CR><LF>"),
            None => (line, ""),
        };
        match line.strip_suffix("<->") {
            Some(line) => made.push_str(line),
            None => made.extend([line, end]),
        }
    }
    bytes(&made)
}

/// The bytes that a text encodes.
fn bytes(text: &str) -> Vec<u8> {
    let mut made = Vec::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        if let Some((count, piece, after)) = repetition(rest) {
            made.extend(bytes(piece).repeat(count));
            rest = after;
        } else if let Some((byte, after)) = named(rest) {
            made.push(byte);
            rest = after;
        } else {
            made.extend(c.to_string().bytes());
            rest = &rest[c.len_utf8()..];
        }
    }
    made
}

/// `{3*ab}`.
fn repetition(text: &str) -> Option<(usize, &str, &str)> {
    let (count, rest) = text.strip_prefix('{')?.split_once('*')?;
    let (piece, after) = rest.split_once('}')?;
    Some((count.parse().ok()?, piece, after))
}

/// `<NUL>`, `<x0a>`.
fn named(text: &str) -> Option<(u8, &str)> {
    let (name, after) = text.strip_prefix('<')?.split_once('>')?;
    let byte = match name {
        "CR" => b'\r',
        "LF" => b'\n',
        "NUL" => 0,
        "TAB" => b'\t',
        _ => u8::from_str_radix(name.strip_prefix('x')?, 16).ok()?,
    };
    Some((byte, after))
}
