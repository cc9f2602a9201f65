//! Decodes compressed request bodies, where the configuration asks for it.
//!
//! One coding is decoded: gzip or deflate. The decoded bytes count against the maximum body size and the memory for
//! buffered bodies, so a small body cannot become a large one. What was decoded is what is validated and forwarded.

use std::io::Read;

use bytes::Bytes;
use demur_contract::Condition;
use flate2::read::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue};

use crate::body_budget::{BodyBuffer, BodyReservation};
use crate::reject::rejection::Rejection;
use crate::request::body::BodyError;

/// How much is decoded at once.
const CHUNK: usize = 16 * 1024;

/// A coding that can be decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Coding {
    Gzip,
    /// The zlib format; some clients send the bare deflate data (RFC 9110, section 8.4.1.2).
    Deflate,
}

/// The coding of a body; `None` if it is not compressed. The error is the rejection of any other coding, or of several.
pub(crate) fn coding(headers: &HeaderMap, is_decoded: bool) -> Result<Option<Coding>, Rejection> {
    let Some(value) = headers.get(CONTENT_ENCODING) else { return Ok(None) };
    let name = value.to_str().unwrap_or_default().trim().to_ascii_lowercase();
    match name.as_str() {
        "" | "identity" => Ok(None),
        "gzip" | "x-gzip" if is_decoded => Ok(Some(Coding::Gzip)),
        "deflate" if is_decoded => Ok(Some(Coding::Deflate)),
        _ => {
            // RFC 9110, section 15.5.16: says that the coding is the problem, and which ones are accepted.
            let accepted = if is_decoded { "gzip, deflate" } else { "identity" };
            let rejection = Rejection::from(Condition::BodyUnsupportedMediaType)
                .header(ACCEPT_ENCODING, HeaderValue::from_static(accepted));
            let cause = match is_decoded {
                true => "the Content-Encoding is not one of gzip and deflate",
                false => "a compressed body cannot be validated",
            };
            Err(rejection.with_cause(cause))
        }
    }
}

/// Decodes a body up to a length.
pub(crate) fn decode(
    coding: Coding,
    body: &[u8],
    max_length: u64,
    reservation: BodyReservation,
) -> Result<Bytes, Rejection> {
    match coding {
        Coding::Gzip => read(MultiGzDecoder::new(body), max_length, reservation),
        Coding::Deflate if is_zlib(body) => read(ZlibDecoder::new(body), max_length, reservation),
        Coding::Deflate => read(DeflateDecoder::new(body), max_length, reservation),
    }
}

/// Whether the data begins with a header of zlib (RFC 1950, section 2.2).
fn is_zlib(body: &[u8]) -> bool {
    let [first, second, ..] = body else { return false };
    first & 0x0f == 8 && (u16::from(*first) << 8 | u16::from(*second)) % 31 == 0
}

fn read(mut decoder: impl Read, max_length: u64, reservation: BodyReservation) -> Result<Bytes, Rejection> {
    let mut decoded = BodyBuffer::new(reservation, max_length);
    let mut chunk = vec![0; CHUNK];
    loop {
        let length = decoder.read(&mut chunk).map_err(|_| {
            Rejection::from(Condition::BodyUnreadable).with_cause("the compressed body is broken")
        })?;
        if length == 0 {
            return Ok(decoded.into_bytes());
        }
        if decoded.len() as u64 + length as u64 > max_length {
            return Err(BodyError::TooLarge.into());
        }
        let bytes = Bytes::copy_from_slice(&chunk[..length]);
        decoded.push(&bytes).map_err(|exceeded| Rejection::from(BodyError::from(exceeded)))?;
    }
}

/// Removes the headers that describe the body as it was sent.
pub(crate) fn strip_headers(headers: &mut HeaderMap) {
    const DIGESTS: [HeaderName; 4] = [
        HeaderName::from_static("content-digest"),
        HeaderName::from_static("repr-digest"),
        HeaderName::from_static("digest"),
        HeaderName::from_static("content-md5"),
    ];
    for name in [CONTENT_ENCODING, CONTENT_LENGTH].into_iter().chain(DIGESTS) {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};

    use super::*;
    use crate::body_budget::{BodyBudget, BudgetClient};

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn zlib(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn bare(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    /// The decoded text, or the condition of the rejection.
    fn decoded(coding: Coding, body: &[u8], memory: usize) -> Result<String, String> {
        let reservation = BodyBudget::new(memory).reservation(BudgetClient::new(None, true));
        match decode(coding, body, 1_000_000, reservation) {
            Ok(bytes) => Ok(String::from_utf8(bytes.to_vec()).unwrap()),
            Err(rejection) => Err(rejection.condition().unwrap().to_string()),
        }
    }

    #[test]
    fn decodes_up_to_the_limits() {
        let text = b"{\"a\": 1}";
        let two = [gzip(text), gzip(b"2")].concat();
        let cut = &gzip(text)[..gzip(text).len() - 4];
        let bomb = gzip(&vec![b' '; 1_000_001]);
        assert!(bomb.len() < 2_000);
        const PLENTY: usize = 64 * 1024 * 1024;
        for (coding, body, memory, expected) in [
            (Coding::Gzip, &gzip(text)[..], PLENTY, Ok("{\"a\": 1}")),
            (Coding::Gzip, &gzip(b""), PLENTY, Ok("")),
            (Coding::Gzip, &two, PLENTY, Ok("{\"a\": 1}2")),
            (Coding::Deflate, &zlib(text), PLENTY, Ok("{\"a\": 1}")),
            (Coding::Deflate, &bare(text), PLENTY, Ok("{\"a\": 1}")),
            (Coding::Gzip, text, PLENTY, Err("body.unreadable")),
            (Coding::Gzip, cut, PLENTY, Err("body.unreadable")),
            (Coding::Deflate, b"x", PLENTY, Err("body.unreadable")),
            (Coding::Gzip, &bomb, PLENTY, Err("body.too_large")),
            (Coding::Gzip, &gzip(&vec![b' '; 900_000]), 400_000, Err("overloaded")),
        ] {
            let shown = decoded(coding, body, memory);
            assert_eq!(shown.as_deref().map_err(String::as_str), expected, "{coding:?} {}", body.len());
        }
    }

    #[test]
    fn other_codings_are_rejected_with_those_that_are_accepted() {
        for (value, is_decoded, expected) in [
            ("identity", true, Ok(None)),
            ("gzip", true, Ok(Some(Coding::Gzip))),
            ("X-GZIP", true, Ok(Some(Coding::Gzip))),
            ("deflate", true, Ok(Some(Coding::Deflate))),
            ("br", true, Err("gzip, deflate")),
            ("gzip, gzip", true, Err("gzip, deflate")),
            ("gzip", false, Err("identity")),
        ] {
            let headers = HeaderMap::from_iter([(CONTENT_ENCODING, HeaderValue::from_static(value))]);
            match coding(&headers, is_decoded) {
                Ok(found) => assert_eq!(Ok(found), expected, "{value}"),
                Err(rejection) => {
                    let header = rejection.detail.headers.iter().find(|(name, _)| *name == ACCEPT_ENCODING);
                    assert_eq!(Err(header.unwrap().1.to_str().unwrap()), expected, "{value}");
                }
            }
        }
    }
}
