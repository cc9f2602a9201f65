//! Spellings of paths: the rows of `e2e/oracle/spellings.yaml`, filled in for the operations.

use std::path::{Path, PathBuf};

use demur_e2e::hostile::{bytes, items};
use demur_source::Node;

/// An operation of `e2e/oracle/openapi.yaml`.
pub(crate) struct Operation {
    pub(crate) name: &'static str,
    path: &'static str,
    /// Whether it needs a scope that the poor key lacks.
    pub(crate) needs_scope: bool,
    /// Whether its item must be in the key's grants.
    pub(crate) needs_grant: bool,
    /// Whether another path differs from it only in spelling. Rows with placeholders are filled in with these.
    is_crossed: bool,
}

const fn operation(name: &'static str, path: &'static str, kind: &str) -> Operation {
    let (mut needs_scope, mut needs_grant, mut is_crossed) = (false, false, false);
    let mut index = 0;
    while index < kind.len() {
        match kind.as_bytes()[index] {
            b's' => needs_scope = true,
            b'g' => needs_grant = true,
            _ => is_crossed = true,
        }
        index += 1;
    }
    Operation { name, path, needs_scope, needs_grant, is_crossed }
}

pub(crate) const OPERATIONS: [Operation; 15] = [
    operation("listItems", "/items", ""),
    operation("exportItems", "/items/export", "s+"),
    operation("getItem", "/items/1", "g"),
    operation("getSecret", "/items/1/secret", "sg+"),
    operation("listNotes", "/items/1/notes", "g"),
    operation("latestNote", "/items/1/notes/latest", "sg+"),
    operation("getNote", "/items/1/notes/2", "g"),
    operation("purge", "/admin/purge", "s+"),
    operation("showAdmin", "/admin/stats", ""),
    operation("getFileJson", "/files/report.json", "s+"),
    operation("getFile", "/files/report", ""),
    operation("compareRefs", "/compare/main...dev", "s"),
    operation("ping", "/v2/ping", "s+"),
    operation("anyPair", "/shops/west", ""),
    operation("anyPage", "/about", ""),
];

/// A target, and what is special about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Spelling {
    /// With `{host}` for the host of the API.
    target: String,
    pub(crate) note: String,
}

impl Spelling {
    /// The target as sent to the API with this host.
    pub(crate) fn target(&self, host: &str) -> Vec<u8> {
        bytes(&self.target.replace("{host}", host), "")
    }
}

/// A target that must pass.
pub(crate) struct Ordinary {
    pub(crate) spelling: Spelling,
    pub(crate) runs: String,
    pub(crate) values: Option<Vec<String>>,
}

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("oracle").join(name)
}

fn text(node: &Node, name: &str) -> Option<String> {
    node.get(name).and_then(Node::scalar_text)
}

fn read(node: &Node) -> Spelling {
    let target = text(node, "send").expect("a row says what is sent");
    Spelling { target, note: text(node, "note").unwrap_or_default() }
}

/// How many rows the table has.
pub(crate) fn rows() -> usize {
    items(&file("spellings.yaml")).len()
}

/// The table, filled in for the operations.
pub(crate) fn all() -> Vec<Spelling> {
    let rows: Vec<Spelling> = items(&file("spellings.yaml")).iter().map(read).collect();
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let rounds = number("DEMUR_ORACLE_ROUNDS").unwrap_or_default();
    let mut made = Vec::new();
    for row in &rows {
        for operation in &OPERATIONS {
            // The long form fills in every operation.
            if !(operation.is_crossed || rounds > 0) {
                continue;
            }
            let target = filled(&row.target, operation.path);
            if target == row.target {
                made.push(row.clone());
                break;
            }
            made.push(Spelling { target, note: format!("{} ({})", row.note, operation.name) });
        }
    }
    made.dedup_by(|one, other| one.target == other.target);
    // Two rows at once: the second is applied to what the first makes of an operation's path.
    let mut random = Random(number("DEMUR_ORACLE_SEED").unwrap_or(1).max(1));
    for _ in 0..rounds {
        let (one, other) = (random.of(&rows), random.of(&rows));
        let path = filled(&one.target, random.of(&OPERATIONS).path);
        if path.starts_with('/') && path.len() < 200 {
            made.push(Spelling {
                target: filled(&other.target, &path),
                note: format!("{}; {}", one.note, other.note),
            });
        }
    }
    made
}

/// The ordinary ones.
pub(crate) fn ordinary() -> Vec<Ordinary> {
    let row = |node: &Node| {
        let values = node.get("values").and_then(Node::as_seq);
        let values = values.map(|values| values.iter().filter_map(Node::scalar_text).collect());
        Ordinary { spelling: read(node), runs: text(node, "runs").expect("it runs something"), values }
    };
    items(&file("ordinary.yaml")).iter().map(row).collect()
}

/// xorshift64.
struct Random(u64);

impl Random {
    fn of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        &all[usize::try_from(self.0 % all.len() as u64).unwrap()]
    }
}

/// A row with a path for its placeholders; unknown ones stay.
fn filled(row: &str, path: &str) -> String {
    let mut made = String::with_capacity(row.len() + path.len());
    let mut rest = row;
    while let Some((before, after)) = rest.split_once('{') {
        made.push_str(before);
        match after.split_once('}').and_then(|(name, after)| Some((value(name, path)?, after))) {
            Some((value, after)) => {
                made.push_str(&value);
                rest = after;
            }
            None => {
                made.push('{');
                rest = after;
            }
        }
    }
    made.push_str(rest);
    made
}

/// What a placeholder stands for (see the head of the table).
fn value(name: &str, path: &str) -> Option<String> {
    let rel = path.strip_prefix('/')?;
    if let Some(slash) = name.strip_prefix("rel-") {
        return Some(rel.replace('/', slash));
    }
    let (up, last) = path.rsplit_once('/')?;
    let (first, tail) = rel.split_once('/').map_or((rel, ""), |(first, _)| (first, &rel[first.len()..]));
    let cut = |text: &str| {
        let at = text.chars().next().map_or(0, char::len_utf8);
        let (head, rest) = text.split_at(at);
        (head.to_owned(), rest.to_owned())
    };
    let ((a, b), (f, g)) = (cut(last), cut(first));
    let z = last.chars().next_back().map(String::from).unwrap_or_default();
    let y = last[..last.len() - z.len()].to_owned();
    let at = name.find(['%', '-']).unwrap_or(name.len());
    let (name, suffix) = name.split_at(at);
    let plain = match name {
        "path" => path.to_owned(),
        "rel" => rel.to_owned(),
        "up" => up.to_owned(),
        "dir" => format!("{up}/"),
        "last" => last.to_owned(),
        "LAST" => last.to_uppercase(),
        "first" => first.to_owned(),
        "FIRST" => first.to_uppercase(),
        "tail" => tail.to_owned(),
        "a" => a,
        "A" => a.to_uppercase(),
        "b" => b,
        "f" => f,
        "g" => g,
        "y" => y,
        "z" => z,
        "hex" => a.bytes().map(|byte| format!("{byte:02x}")).collect(),
        _ => return None,
    };
    let encoded = |encode: &dyn Fn(u8) -> String| -> String {
        plain.bytes().map(|byte| if byte == b'/' { "/".to_owned() } else { encode(byte) }).collect()
    };
    Some(match suffix {
        "" => plain,
        "%" => encoded(&|byte| format!("%{byte:02x}")),
        "%^" => encoded(&|byte| format!("%{byte:02X}")),
        "%%" => encoded(&|byte| format!("%25{byte:02x}")),
        "%%%" => encoded(&|byte| format!("%2525{byte:02x}")),
        "%%%%" => encoded(&|byte| format!("%252525{byte:02x}")),
        "%u" => encoded(&|byte| format!("%u00{byte:02x}")),
        "%u^" => encoded(&|byte| format!("%U00{byte:02X}")),
        // U+FF01 to U+FF5E are the full-width forms of U+0021 to U+007E.
        "-wide" => encoded(&|byte| {
            let wide = char::from_u32(u32::from(byte) + 0xfee0).unwrap();
            wide.to_string().bytes().map(|byte| format!("%{byte:02x}")).collect()
        }),
        "-over2" => encoded(&|byte| format!("%{:02x}%{:02x}", 0xc0 | byte >> 6, 0x80 | byte & 0x3f)),
        "-over3" => encoded(&|byte| format!("%e0%{:02x}%{:02x}", 0x80 | byte >> 6, 0x80 | byte & 0x3f)),
        "-high" => encoded(&|byte| format!("%{:02x}", 0x80 | byte)),
        _ => return None,
    })
}

#[test]
fn placeholders_expand_to_path_segments() {
    for (row, expected) in [
        ("{path}|{rel}|{up}|{dir}|{last}", "/items/export|items/export|/items|/items/|export"),
        ("{first}|{FIRST}|{tail}|{f}|{g}|{LAST}", "items|ITEMS|/export|i|tems|EXPORT"),
        ("{a}|{A}|{b}|{y}|{z}|{hex}", "e|E|xport|expor|t|65"),
        ("{a%}|{z%^}|{a%%}|{a%%%}|{a%u}|{a%u^}", "%65|%74|%2565|%252565|%u0065|%U0065"),
        ("{a-wide}|{a-over2}|{a-over3}|{a-high}", "%ef%bd%85|%c1%a5|%e0%81%a5|%e5"),
        ("{rel-%2f}|{rel-\\}|{host}|{3*x}", "items%2fexport|items\\export|{host}|{3*x}"),
    ] {
        assert_eq!(filled(row, "/items/export"), expected);
    }
}
