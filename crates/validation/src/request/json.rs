//! Parses JSON strictly: with a limit on nesting, and without duplicate members.
//!
//! Of two members with the same name, some parsers take the first and some the last. If the gateway validated one and
//! the upstream used the other, every check could be bypassed.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// Why a body is not accepted as JSON.
#[derive(Debug)]
pub(super) enum JsonError {
    /// The nesting exceeds the limit.
    TooDeep,
    /// Not JSON, or a duplicate member; with line and column.
    Invalid(String),
}

pub(super) fn read(bytes: &[u8], max_depth: usize) -> Result<Value, JsonError> {
    // Checked first, since parsing recurses.
    let opened = memchr::memchr2_iter(b'[', b'{', bytes).take(max_depth + 1).count();
    if opened > max_depth && depth(bytes) > max_depth {
        return Err(JsonError::TooDeep);
    }
    match serde_json::from_slice::<StrictValue>(bytes) {
        Ok(StrictValue(value)) => Ok(value),
        Err(error) => Err(JsonError::Invalid(cause(&error))),
    }
}

/// The value of a body, or of a part of one that is known to be JSON.
pub(crate) fn read_value(bytes: &[u8], max_depth: usize) -> Option<Value> {
    read(bytes, max_depth).ok()
}

/// The kind and position of an error. Its text is omitted, since it could quote the body.
fn cause(error: &serde_json::Error) -> String {
    let kind = match error.classify() {
        serde_json::error::Category::Eof => "the body ends too early",
        serde_json::error::Category::Syntax => "the body is not valid JSON",
        serde_json::error::Category::Data => "duplicate member in an object",
        serde_json::error::Category::Io => "the body could not be read",
    };
    format!("{kind} (line {}, column {})", error.line(), error.column())
}

/// The nesting depth of arrays and objects.
fn depth(bytes: &[u8]) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    let (mut in_string, mut is_escaped) = (false, false);
    for byte in bytes {
        if in_string {
            match byte {
                _ if is_escaped => is_escaped = false,
                b'\\' => is_escaped = true,
                b'"' => in_string = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => in_string = true,
            b'[' | b'{' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

/// A value without duplicate members.
struct StrictValue(Value);

impl<'de> Deserialize<'de> for StrictValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StrictVisitor).map(StrictValue)
    }
}

struct StrictVisitor;

impl<'de> Visitor<'de> for StrictVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("not finite"))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E: Error>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(StrictValue(item)) = seq.next_element()? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut members = Map::new();
        while let Some(name) = map.next_key::<String>()? {
            let StrictValue(value) = map.next_value()?;
            if members.insert(name, value).is_some() {
                return Err(A::Error::custom("duplicate member"));
            }
        }
        Ok(Value::Object(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_depth_outside_of_strings() {
        for (text, expected) in [
            ("1", 0),
            ("[]", 1),
            (r#"{"a":[{}]}"#, 3),
            (r#"["[[[["]"#, 1),
            (r#"["\"[[", [1]]"#, 2),
            (r#"["\\", [1]]"#, 2),
            ("]]]][", 1),
        ] {
            assert_eq!(depth(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn enforces_the_maximum_depth() {
        let nested = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
        assert!(read(nested(64).as_bytes(), 64).is_ok());
        let most = crate::DocumentOptions::MAX_DEPTH;
        assert!(read(nested(most).as_bytes(), most).is_ok());
        assert!(matches!(read(nested(65).as_bytes(), 64), Err(JsonError::TooDeep)));
        assert!(matches!(read("[".repeat(1_000_000).as_bytes(), 64), Err(JsonError::TooDeep)));
    }

    #[test]
    fn rejects_json_that_parsers_read_differently() {
        for text in [
            "",
            "{",
            "{\"a\":1}x",
            "{\"a\":1,\"a\":2}",
            "{\"b\":[{\"a\":1,\"\\u0061\":2}]}",
            "NaN",
            "1e999",
            "\u{feff}{}",
            "{'a':1}",
            "[1,]",
            "// no\n1",
            "\"a\u{1}\"",
        ] {
            assert!(matches!(read(text.as_bytes(), 64), Err(JsonError::Invalid(_))), "{text:?}");
        }
        assert!(matches!(read(b"\"\xff\"", 64), Err(JsonError::Invalid(_))));
        assert!(matches!(read(br#""\ud800""#, 64), Err(JsonError::Invalid(_))));
    }

    #[test]
    fn keeps_the_order_of_members() {
        let value = read(br#"{"z":1,"a":{"y":1.5,"b":null}}"#, 64).unwrap();
        assert_eq!(value.to_string(), r#"{"z":1,"a":{"y":1.5,"b":null}}"#);
    }
}
