//! Search for literals in short texts.

/// Whether two slices of the same length are equal.
///
/// This does not use `memcmp`, because many literals are empty and an empty slice has a dangling pointer. The masked vector
/// load in glibc 2.36 (AVX-512) accesses that address all the same, and takes about 100 ns to find that no byte is needed: a
/// third of the time to parse a response.
pub(super) fn is_equal(one: &[u8], other: &[u8]) -> bool {
    let ((ones, rest), (others, others_rest)) = (one.as_chunks::<8>(), other.as_chunks::<8>());
    ones.iter().zip(others).all(|(one, other)| u64::from_ne_bytes(*one) == u64::from_ne_bytes(*other))
        && rest.iter().zip(others_rest).all(|(one, other)| one == other)
}

/// The maximum length of texts that are searched byte by byte, because preparing a faster search costs more than it saves.
const SHORT: usize = 256;

/// The first position of a literal, which is not empty. Comparing bytes is correct, since UTF-8 is self-synchronizing.
pub(super) fn find(text: &[u8], literal: &str) -> Option<usize> {
    let needle = literal.as_bytes();
    if text.len() > SHORT {
        return memchr::memmem::find(text, needle);
    }
    positions(text, needle)?.find(|at| occurs_at(text, *at, needle))
}

/// The last position of a literal.
pub(super) fn rfind(text: &[u8], literal: &str) -> Option<usize> {
    let needle = literal.as_bytes();
    if text.len() > SHORT {
        return memchr::memmem::rfind(text, needle);
    }
    positions(text, needle)?.rfind(|at| occurs_at(text, *at, needle))
}

fn positions(text: &[u8], needle: &[u8]) -> Option<std::ops::RangeInclusive<usize>> {
    Some(0..=text.len().checked_sub(needle.len())?)
}

/// Compares both ends first, because most literals start with a space, as most words do.
fn occurs_at(text: &[u8], at: usize, needle: &[u8]) -> bool {
    let part = &text[at..at + needle.len()];
    part.first() == needle.first() && part.last() == needle.last() && is_equal(part, needle)
}
