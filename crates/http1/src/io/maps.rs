//! Heads and trailers as the maps of the crate `http`.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use http_body::Frame;

use crate::Headers;

/// Headers that a proxy adds (who is calling, from where, under which ID), so that the map does not grow.
const HEADROOM: usize = 14;

/// The headers of a head, without a copy of their values.
pub(super) fn header_map(headers: &Headers, bytes: &Bytes) -> HeaderMap {
    let mut map = HeaderMap::with_capacity(headers.len() + HEADROOM);
    for (name, value) in headers.in_bytes(bytes).iter() {
        // They were checked when they were read.
        let Ok(name) = HeaderName::from_bytes(name) else { continue };
        let Ok(value) = HeaderValue::from_maybe_shared(bytes.slice_ref(value)) else { continue };
        map.append(name, value);
    }
    map
}

/// Trailers as a map; `None` where there are none.
pub(super) fn trailer_map<'t>(trailers: impl Iterator<Item = (&'t [u8], &'t [u8])>) -> Option<HeaderMap> {
    let mut map = HeaderMap::new();
    for (name, value) in trailers {
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name), HeaderValue::from_bytes(value)) {
            map.append(name, value);
        }
    }
    (!map.is_empty()).then_some(map)
}

/// The data of a frame, or the trailers with which a body ends: none without a frame.
pub(super) fn data_or_trailers(frame: Option<Frame<Bytes>>) -> Result<Bytes, HeaderMap> {
    let Some(frame) = frame else { return Err(HeaderMap::new()) };
    frame.into_data().map_err(|frame| frame.into_trailers().unwrap_or_default())
}

/// The headers of a map as bytes.
pub(super) fn pairs(map: &HeaderMap) -> impl Iterator<Item = (&[u8], &[u8])> {
    map.iter().map(|(name, value)| (name.as_str().as_bytes(), value.as_bytes()))
}
