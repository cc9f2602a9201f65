//! Signatures: the set of byte pairs in a text, as a 64-bit Bloom filter.
//!
//! A text without a byte pair of a template's literals cannot have come from that template. One operation checks this,
//! where matching would have to search; of twenty templates usually one remains. A collision only costs a needless match.

/// The byte pairs of a text or of the literals of a template.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct TextSignature(u64);

/// The maximum length of a text; in longer ones nearly every bit is set. Texts for violations are shorter.
const MAX_LENGTH: usize = 256;

impl TextSignature {
    /// The signature of a text that is matched against every template.
    pub(super) const ANY: Self = Self(u64::MAX);

    /// The signature of a received text.
    pub(super) fn of(text: &str) -> Self {
        if text.len() > MAX_LENGTH {
            return Self::ANY;
        }
        let mut signature = Self::default();
        signature.add(text);
        signature
    }

    /// Adds the byte pairs of a literal.
    pub(super) fn add(&mut self, literal: &str) {
        for pair in literal.as_bytes().windows(2) {
            // Multiplicative hashing spreads neighbouring letters over the upper six bits.
            let hash = (u32::from(pair[0]) << 8 | u32::from(pair[1])).wrapping_mul(0x9e37_79b1) >> 26;
            self.0 |= 1 << hash;
        }
    }

    /// Whether it has every pair of `needed`.
    pub(super) fn covers(self, needed: Self) -> bool {
        needed.0 & !self.0 == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn covers_the_literals_of_a_text() {
        let mut needed = TextSignature::default();
        needed.add(" must be at most ");
        assert!(TextSignature::of("limit must be at most 100").covers(needed));
        assert!(!TextSignature::of("limit must be at least 100").covers(needed));
        assert!(!TextSignature::of("").covers(needed));
        assert!(TextSignature::of("").covers(TextSignature::default()));
        assert!(
            TextSignature::of(&"x".repeat(MAX_LENGTH + 1)).covers(needed),
            "long texts match every template"
        );
    }
}
