//! The tape accepts what `serde_json` accepts, within its limits.

use super::*;
use proptest::prelude::*;
use serde_json::Value as Json;

/// The value as a tree, for comparison with `serde_json`.
fn tree(tape: &Tape<'_, '_>, at: At) -> Json {
    match tape.kind(at) {
        TokenKind::Plain | TokenKind::Escaped => Json::String(tape.string(at).unwrap().into_owned()),
        TokenKind::Array => tape.children(at).map(|item| tree(tape, item)).collect(),
        TokenKind::Object => {
            let mut children = tape.children(at);
            let mut members = serde_json::Map::new();
            while let (Some(name), Some(value)) = (children.next(), children.next()) {
                members.insert(tape.string(name).unwrap().into_owned(), tree(tape, value));
            }
            Json::Object(members)
        }
        TokenKind::Null | TokenKind::True | TokenKind::False | TokenKind::Number => {
            serde_json::from_str(tape.raw(at)).unwrap()
        }
    }
}

fn assert_agrees_with_serde(bytes: &[u8]) {
    let mut tokens = Tokens::new();
    let read = Tape::read(bytes, &mut tokens);
    let expected = serde_json::from_slice::<Json>(bytes).ok();
    // serde_json also rejects numbers that do not fit into an f64.
    if let (Some(tape), Some(expected)) = (&read, &expected) {
        assert_eq!(tree(tape, tape.root()), *expected, "{}", String::from_utf8_lossy(bytes));
    } else if expected.is_some() {
        panic!("rejected: {}", String::from_utf8_lossy(bytes));
    }
}

#[test]
fn rejects_invalid_json() {
    for text in [
        "",
        " ",
        "{",
        "}",
        "[",
        "[1,]",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{a:1}",
        "[1 2]",
        "[1}",
        "{\"a\":1]",
        "01",
        "-",
        "1.",
        ".5",
        "1e",
        "1e+",
        "+1",
        "nul",
        "nulll",
        "true false",
        "\"",
        "\"\\x\"",
        "\"\\u12\"",
        "\"\\ud800\"",
        "\"\\udc00\"",
        "\"\\ud800\\u0041\"",
        "\"\n\"",
        "\"\u{1}aaaaaaaaaa\"",
        "'a'",
        "1 1",
        "\u{feff}1",
    ] {
        assert!(Tape::read(text.as_bytes(), &mut Tokens::new()).is_none(), "{text}");
        assert!(serde_json::from_str::<Json>(text).is_err(), "{text}");
    }
    assert!(Tape::read(b"\"\xff\"", &mut Tokens::new()).is_none());
}

#[test]
fn parses_json_like_serde_json() {
    for text in [
        "null",
        " true ",
        "[]",
        "{}",
        "[[],{}]",
        "{\"a\":{\"b\":[1,-2.5e+3,0]},\"c\":\"d\"}",
        "\"\\ud83d\\ude00 \\u00e9\\/\\b\\f\\n\\r\\t\\\\\\\"\"",
        "\"abcdefgh\\\"ijklmnop\"",
        "{\"\\u0061\":1}",
        "\"é\u{7f}\u{2028}\"",
    ] {
        assert_agrees_with_serde(text.as_bytes());
    }
}

#[test]
fn limits_depth_and_number_of_values() {
    let deep = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
    assert!(Tape::read(deep(MAX_DEPTH).as_bytes(), &mut Tokens::new()).is_some());
    assert!(Tape::read(deep(MAX_DEPTH + 1).as_bytes(), &mut Tokens::new()).is_none());
    assert!(Tape::read("[".repeat(1 << 20).as_bytes(), &mut Tokens::new()).is_none());
    let many = format!("[{}0]", "0,".repeat(MAX_VALUES));
    assert!(Tape::read(many.as_bytes(), &mut Tokens::new()).is_none());
}

fn json() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::Bool),
        any::<i64>().prop_map(Json::from),
        ".*".prop_map(Json::String),
        "[\"\\\\\u{0}-\u{1f}a&#;é😀]*".prop_map(Json::String),
    ];
    leaf.prop_recursive(4, 32, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Json::Array),
            prop::collection::vec((".*", inner), 0..5)
                .prop_map(|members| Json::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn any_json_parses_like_serde_json(json in json()) {
        assert_agrees_with_serde(json.to_string().as_bytes());
        assert_agrees_with_serde(serde_json::to_string_pretty(&json).unwrap().as_bytes());
    }

    #[test]
    fn any_bytes_are_accepted_or_rejected_like_serde_json(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        assert_agrees_with_serde(&bytes);
    }

    #[test]
    fn corrupted_json_is_accepted_or_rejected_like_serde_json(json in json(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut bytes = json.to_string().into_bytes();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        assert_agrees_with_serde(&bytes);
    }
}
