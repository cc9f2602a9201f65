//! Rust names for errors and parameters.

use std::collections::{BTreeSet, HashMap};

use demur_contract::ErrorEntry;

/// A unique type name for each error.
#[derive(Debug)]
pub(super) struct TypeNames(HashMap<String, String>);

/// Names that the generated module defines or uses.
const RESERVED: [&str; 12] = [
    "Unrecognized",
    "Error",
    "Self",
    "From",
    "String",
    "Option",
    "Some",
    "None",
    "Into",
    "Clone",
    "PartialEq",
    "CONTRACT",
];

impl TypeNames {
    pub(super) fn of(entries: &[&ErrorEntry]) -> Self {
        let mut used: BTreeSet<String> = RESERVED.iter().map(|name| (*name).to_owned()).collect();
        let mut names = HashMap::new();
        for entry in entries {
            let plain = pascal(&entry.name);
            // `not_found` and `not-found` have the same type name: the later one gets a number.
            let mut name = if used.contains(&plain) { format!("{plain}Error") } else { plain.clone() };
            let mut number = 2;
            while !used.insert(name.clone()) {
                name = format!("{plain}{number}");
                number += 1;
            }
            names.insert(entry.name.clone(), name);
        }
        Self(names)
    }

    pub(super) fn of_entry(&self, name: &str) -> &str {
        self.0.get(name).map_or("Unrecognized", String::as_str)
    }
}

fn pascal(name: &str) -> String {
    let mut out = String::new();
    let is_uppercase = !name.bytes().any(|byte| byte.is_ascii_lowercase());
    for word in name.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()) {
        let (first, rest) = word.split_at(1);
        out.push_str(&first.to_ascii_uppercase());
        out.push_str(&if is_uppercase { rest.to_ascii_lowercase() } else { rest.to_owned() });
    }
    if out.is_empty() || out.starts_with(|c: char| c.is_ascii_digit()) {
        out.insert(0, 'E');
    }
    out
}

/// The field name of a parameter: `type` becomes `r#type`.
pub(super) fn field(name: &str) -> String {
    /// Keywords of every edition; the four that cannot be raw get an underscore instead.
    const KEYWORDS: &[&str] = &[
        "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "do", "dyn",
        "else", "enum", "extern", "false", "final", "fn", "for", "gen", "if", "impl", "in", "let", "loop",
        "macro", "match", "mod", "move", "mut", "override", "priv", "pub", "ref", "return", "static",
        "struct", "trait", "true", "try", "type", "typeof", "unsafe", "unsized", "use", "virtual", "where",
        "while", "yield",
    ];
    let mut out = String::new();
    for c in name.chars() {
        if c.is_ascii_uppercase() {
            if !out.is_empty() && !out.ends_with('_') {
                out.push('_');
            }
            out.push(c.to_ascii_lowercase());
        } else {
            out.push(if c.is_ascii_alphanumeric() { c } else { '_' });
        }
    }
    if out.is_empty() || out.starts_with(|c: char| c.is_ascii_digit()) {
        out.insert(0, '_');
    }
    // `error` is the field with the whole error.
    if matches!(out.as_str(), "self" | "super" | "crate" | "error" | "_") {
        out.push('_');
    }
    if KEYWORDS.contains(&out.as_str()) { format!("r#{out}") } else { out }
}

/// A string literal.
pub(super) fn text(text: &str) -> String {
    // A raw string with enough hashes; text that a raw string cannot contain is escaped.
    if text.contains(['\n', '"', '\\']) && !text.contains('\r') {
        let longest =
            text.split('"').skip(1).map(|rest| rest.bytes().take_while(|b| *b == b'#').count()).max();
        let hashes = "#".repeat(longest.map_or(0, |longest| longest + 1));
        return format!("r{hashes}\"{text}\"{hashes}");
    }
    format!("\"{}\"", text.escape_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn derives_rust_names() {
        for (name, expected) in [
            ("out_of_stock", "OutOfStock"),
            ("out-of-stock", "OutOfStock"),
            ("OUT_OF_STOCK", "OutOfStock"),
            ("OutOfStock", "OutOfStock"),
            ("404_gone", "E404Gone"),
            ("self", "Self"),
            ("", "E"),
        ] {
            assert_eq!(pascal(name), expected, "{name}");
        }
        for (name, expected) in [
            ("item", "item"),
            ("maxBytes", "max_bytes"),
            ("type", "r#type"),
            ("self", "self_"),
            ("error", "error_"),
            ("2fa", "_2fa"),
            ("a-b", "a_b"),
        ] {
            assert_eq!(field(name), expected, "{name}");
        }
    }

    #[test]
    fn a_literal_can_contain_any_text() {
        for said in
            ["plain", "two\nlines", "a \"quote\"", "hashes \"## here", "back\\slash", "\u{7}bell", "cr\r\n"]
        {
            let literal = text(said);
            let raw = literal.starts_with('r');
            let inner = literal.trim_start_matches('r').trim_matches('#');
            let inner = &inner[1..inner.len() - 1];
            assert!(
                if raw { inner == said } else { inner == said.escape_default().to_string() },
                "{literal}"
            );
        }
    }
}
