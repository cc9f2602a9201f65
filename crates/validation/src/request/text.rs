//! Decodes the text of a parameter to a scalar.

use std::borrow::Cow;

use serde_json::{Number, Value};

use crate::schema::Types;

/// Invalid percent-encoding, or percent-encoded bytes that are not UTF-8.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct EncodingError;

/// Decodes percent-encoding. A lone `%` is an error.
pub(super) fn decode(text: &str) -> Result<Cow<'_, str>, EncodingError> {
    if !text.contains('%') {
        return Ok(Cow::Borrowed(text));
    }
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut rest = bytes.iter();
    while let Some(byte) = rest.next() {
        match byte {
            b'%' => {
                let high = rest.next().and_then(|digit| hex(*digit)).ok_or(EncodingError)?;
                let low = rest.next().and_then(|digit| hex(*digit)).ok_or(EncodingError)?;
                decoded.push(high * 16 + low);
            }
            other => decoded.push(*other),
        }
    }
    String::from_utf8(decoded).map(Cow::Owned).map_err(|_| EncodingError)
}

/// Like [`decode`], with `+` for a space (HTML forms).
pub(super) fn decode_form(text: &str) -> Result<Cow<'_, str>, EncodingError> {
    if !text.contains('+') {
        return decode(text);
    }
    decode(&text.replace('+', " ")).map(|decoded| Cow::Owned(decoded.into_owned()))
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

/// Parses text as one of the types. Other text stays a string, which the schema rejects.
pub(super) fn scalar(text: &str, types: Types) -> Value {
    let number = || {
        if types.contains(Types::NUMBER) {
            return float(text);
        }
        types.contains(Types::INTEGER).then(|| integer(text)).flatten()
    };
    let boolean = || match text {
        "true" if types.contains(Types::BOOLEAN) => Some(Value::Bool(true)),
        "false" if types.contains(Types::BOOLEAN) => Some(Value::Bool(false)),
        _ => None,
    };
    let is_null =
        types.contains(Types::NULL) && !types.contains(Types::STRING) && matches!(text, "" | "null");
    let null = || is_null.then_some(Value::Null);
    number().or_else(boolean).or_else(null).unwrap_or_else(|| Value::String(text.to_owned()))
}

/// Parses a JSON integer: no plus sign, no leading zero, no fraction.
fn integer(text: &str) -> Option<Value> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let is_plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let has_leading_zero = digits.len() > 1 && digits.starts_with('0');
    if !is_plain || has_leading_zero {
        return None;
    }
    float(text)
}

/// Parses a JSON number. A whole number stays an integer.
fn float(text: &str) -> Option<Value> {
    let is_start = |byte: &u8| byte.is_ascii_digit() || *byte == b'-';
    // The parser would accept surrounding whitespace.
    if !text.as_bytes().first().is_some_and(is_start)
        || !text.as_bytes().last().is_some_and(u8::is_ascii_digit)
    {
        return None;
    }
    serde_json::from_str::<Number>(text).ok().map(Value::Number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decodes_percent_encoding_strictly() {
        for (text, decoded) in [
            ("a", Ok("a")),
            ("a%20b", Ok("a b")),
            ("%C3%A9", Ok("é")),
            ("%2F%2f", Ok("//")),
            ("%", Err(EncodingError)),
            ("%2", Err(EncodingError)),
            ("%zz", Err(EncodingError)),
            ("%+1", Err(EncodingError)),
            ("%ff", Err(EncodingError)),
        ] {
            assert_eq!(decode(text).as_deref(), decoded.as_ref().map(|text| *text), "{text}");
        }
        assert_eq!(decode_form("a+b%2Bc").unwrap(), "a b+c");
        assert_eq!(decode("a+b").unwrap(), "a+b");
    }
}
