//! Which pairs of bytes a text has, as the bits of one number.
//!
//! A text that lacks a pair of a template's literals cannot have come from that template. That is known in one
//! operation for each template, where trying it means to search; of twenty texts of rules mostly one is left. Two pairs
//! can share a bit: then a template is tried in vain, and nothing is wrong.

/// The pairs of a text, or those that a template needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct TextSignature(u64);

/// Texts of rules are shorter. Beyond it nearly every bit is set, so that looking would be for nothing.
const LONGEST: usize = 256;

impl TextSignature {
    /// Of a text that is tried whatever it has.
    pub(super) const ANY: Self = Self(u64::MAX);

    /// That of a received text.
    pub(super) fn of(text: &str) -> Self {
        if text.len() > LONGEST {
            return Self::ANY;
        }
        let mut signature = Self::default();
        signature.add(text);
        signature
    }

    /// Adds the pairs of a literal.
    pub(super) fn add(&mut self, literal: &str) {
        for pair in literal.as_bytes().windows(2) {
            // An odd factor spreads neighbouring letters over the upper six bits.
            let hash = (u32::from(pair[0]) << 8 | u32::from(pair[1])).wrapping_mul(0x9e37_79b1) >> 26;
            self.0 |= 1 << hash;
        }
    }

    /// Whether every pair of `needed` is here.
    pub(super) fn covers(self, needed: Self) -> bool {
        needed.0 & !self.0 == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_covers_the_literals_in_it_and_rarely_others() {
        let mut needed = TextSignature::default();
        needed.add(" must be at most ");
        assert!(TextSignature::of("limit must be at most 100").covers(needed));
        assert!(!TextSignature::of("limit must be at least 100").covers(needed));
        assert!(!TextSignature::of("").covers(needed));
        assert!(TextSignature::of("").covers(TextSignature::default()));
        assert!(
            TextSignature::of(&"x".repeat(LONGEST + 1)).covers(needed),
            "long texts are tried, not judged"
        );
    }
}
