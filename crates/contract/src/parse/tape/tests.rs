//! What is read is what `serde_json` reads; what is beyond the bounds is refused.

use super::*;
use proptest::prelude::*;
use serde_json::Value as Json;

/// The value as a tree: what was read must be what `serde_json` reads.
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

fn agrees(content: &[u8]) {
    let mut tokens = Tokens::new();
    let read = Tape::read(content, &mut tokens);
    let expected = serde_json::from_slice::<Json>(content).ok();
    // serde_json also refuses numbers that no f64 can hold.
    if let (Some(tape), Some(expected)) = (&read, &expected) {
        assert_eq!(tree(tape, tape.root()), *expected, "{}", String::from_utf8_lossy(content));
    } else if expected.is_some() {
        panic!("refused: {}", String::from_utf8_lossy(content));
    }
}

#[test]
fn what_is_no_json_is_refused() {
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
fn what_is_json_is_read_as_it_is() {
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
        agrees(text.as_bytes());
    }
}

#[test]
fn depth_and_number_are_bounded_without_recursion() {
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
    fn every_json_is_read_as_serde_json_reads_it(json in json()) {
        agrees(json.to_string().as_bytes());
        agrees(serde_json::to_string_pretty(&json).unwrap().as_bytes());
    }

    #[test]
    fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        agrees(&bytes);
    }

    #[test]
    fn broken_json_is_judged_as_serde_json_judges_it(json in json(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut bytes = json.to_string().into_bytes();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        agrees(&bytes);
    }
}
