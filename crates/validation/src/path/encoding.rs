//! Percent-encoding in paths (RFC 3986, section 2.1).

/// The maximum number of decoding passes. Some servers, and the proxies in front of them, decode more than once.
pub(super) const MAX_LAYERS: usize = 4;

/// The byte that two hexadecimal digits encode.
pub(super) fn octet(high: u8, low: u8) -> Option<u8> {
    let digit = |digit: u8| char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok());
    Some(digit(high)? * 16 + digit(low)?)
}

pub(super) fn has_encoding(bytes: &[u8]) -> bool {
    bytes.windows(3).any(|triple| triple[0] == b'%' && octet(triple[1], triple[2]).is_some())
}

pub(super) fn decode_once(bytes: &[u8]) -> Vec<u8> {
    percent_encoding::percent_decode(bytes).collect()
}
