//! The secret of a key, its form and its digest.
//!
//! `<prefix>_` + 43 base-62 characters of randomness (256 bits) + 6 base-62 characters of the CRC-32 of everything before.
//! The checksum is no protection; it allows rejecting malformed keys before any lookup.

use std::fmt;
use std::sync::Arc;

use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use smallvec::SmallVec;
use subtle::ConstantTimeEq;

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const RANDOM_LENGTH: usize = 43;
const CHECKSUM_LENGTH: usize = 6;
const MAX_PREFIX_LENGTH: usize = 32;

/// The secret of a key. It has no `Display`, and its `Debug` output does not show it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

/// The text does not have the form of a key: wrong length, alphabet, prefix or checksum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed;

/// The operating system returned no randomness.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoRandomness;

impl fmt::Display for NoRandomness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the operating system returned no randomness")
    }
}

impl std::error::Error for NoRandomness {}

/// Whether the text is a valid key prefix: 1 to 32 letters or digits, with underscores and hyphens between them.
pub fn is_prefix(text: &str) -> bool {
    let joined = |byte: u8| matches!(byte, b'_' | b'-');
    (1..=MAX_PREFIX_LENGTH).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || joined(byte))
        && !text.starts_with(['_', '-'])
        && !text.ends_with(['_', '-'])
}

impl Secret {
    /// Generates a new secret. The prefix should satisfy [`is_prefix`].
    pub fn generate(prefix: &str) -> Result<Self, NoRandomness> {
        let mut text = String::with_capacity(prefix.len() + 1 + RANDOM_LENGTH + CHECKSUM_LENGTH);
        text.push_str(prefix);
        text.push('_');
        let wanted = text.len() + RANDOM_LENGTH;
        while text.len() < wanted {
            let mut bytes = [0_u8; 64];
            getrandom::fill(&mut bytes).map_err(|_| NoRandomness)?;
            // 248 is the largest multiple of 62 in a byte: larger values would favour some characters.
            let unbiased = bytes.iter().filter(|byte| **byte < 248);
            text.extend(
                unbiased.take(wanted - text.len()).map(|byte| char::from(ALPHABET[usize::from(byte % 62)])),
            );
        }
        let checksum = checksum(text.as_bytes());
        text.extend(checksum.map(char::from));
        Ok(Self(text))
    }

    /// A secret that somebody presents, in any form.
    pub fn presented(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Returns the whole secret, to be shown to its owner once.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether `text` has the form of a key with any prefix.
    pub fn has_form(text: &str) -> bool {
        let prefix = text.rsplit_once('_').map(|(prefix, _)| prefix);
        prefix.is_some_and(|prefix| is_prefix(prefix) && Self::check(text, prefix).is_ok())
    }

    /// Whether a word of `text` has the form of a key.
    pub fn is_within(text: &str) -> bool {
        let joins = |char: char| char.is_ascii_alphanumeric() || matches!(char, '_' | '-');
        text.split(|char| !joins(char)).any(Self::has_form)
    }

    /// Whether `text` has the form of a key with this prefix.
    pub fn check(text: &str, prefix: &str) -> Result<(), Malformed> {
        let bytes = text.as_bytes();
        let payload = bytes
            .strip_prefix(prefix.as_bytes())
            .and_then(|rest| rest.strip_prefix(b"_"))
            .filter(|rest| rest.len() == RANDOM_LENGTH + CHECKSUM_LENGTH)
            .ok_or(Malformed)?;
        let (before, stated) = bytes.split_at(bytes.len() - CHECKSUM_LENGTH);
        // No early exit, so that the compiler can vectorize the loop.
        let alphanumeric = payload.iter().fold(true, |all, byte| all & byte.is_ascii_alphanumeric());
        let well_formed = alphanumeric && stated == checksum(before);
        if well_formed { Ok(()) } else { Err(Malformed) }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

fn checksum(bytes: &[u8]) -> [u8; CHECKSUM_LENGTH] {
    let mut rest = crc32fast::hash(bytes);
    let mut text = [b'0'; CHECKSUM_LENGTH];
    for digit in text.iter_mut().rev() {
        *digit = ALPHABET[(rest % 62) as usize];
        rest /= 62;
    }
    text
}

/// The digest of a secret, as a store keeps it: its HMAC-SHA-256 under the pepper.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    /// Creates a digest that was read from a store.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Returns the bytes to be written to a store.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Compares in constant time, so that the duration reveals nothing about the stored digest.
    pub fn matches(&self, other: &Digest) -> bool {
        // All words without an early exit; byte by byte would take ten times as long.
        let differences = self.words().into_iter().zip(other.words()).map(|(one, other)| one ^ other);
        differences.fold(0, |all, one| all | one).ct_eq(&0).into()
    }

    pub(crate) fn words(&self) -> [u64; 4] {
        let (words, _) = self.0.as_chunks::<8>();
        std::array::from_fn(|at| words.get(at).map_or(0, |word| u64::from_le_bytes(*word)))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Digest(..)")
    }
}

/// The digests under which a secret may be stored, under the current pepper first.
pub type Candidates = SmallVec<[Digest; 2]>;

/// The key under which secrets are digested, with the older ones. It is kept apart from the database, so that a copy of the
/// database alone reveals nothing about any secret.
#[derive(Clone)]
pub struct Pepper {
    /// Keyed once, which saves two compressions per digest.
    current: Hmac<Sha256>,
    older: Arc<[Hmac<Sha256>]>,
}

impl Pepper {
    /// Creates a pepper from its 32 bytes.
    pub fn from_bytes(bytes: &[u8; 32]) -> Self {
        Self { current: keyed(bytes), older: Arc::new([]) }
    }

    /// Adds an older pepper, under which some secrets may still be stored.
    #[must_use]
    pub fn with_older(self, bytes: &[u8; 32]) -> Self {
        let older = self.older.iter().cloned().chain([keyed(bytes)]).collect();
        Self { current: self.current, older }
    }

    /// Returns the digest of a secret under the current pepper.
    pub fn digest(&self, secret: &str) -> Digest {
        digest(&self.current, secret.as_bytes())
    }

    /// Returns the digest of a token that was verified with the key set of this revision. It is never that of a secret, which
    /// has no zero byte.
    pub(crate) fn token_digest(&self, revision: u64, token: &str) -> Digest {
        let mut mac = self.current.clone();
        mac.update(b"\0token\0");
        mac.update(&revision.to_le_bytes());
        mac.update(token.as_bytes());
        Digest(mac.finalize().into_bytes().into())
    }

    /// Returns the digests of a secret under this pepper and all older ones.
    pub fn digests(&self, secret: &str) -> Candidates {
        self.digests_of(secret.as_bytes())
    }

    /// Returns a mark of this pepper and of each older one, the current one first: the digest of a text that cannot be a
    /// secret. Marks identify peppers without revealing them; a store keeps them to notice a pepper that is not its own.
    pub fn marks(&self) -> Candidates {
        self.digests_of(b"\0mark of a pepper\0")
    }

    /// Returns the number of peppers, including this one.
    pub(crate) fn count(&self) -> usize {
        1 + self.older.len()
    }

    pub(crate) fn digests_of(&self, message: &[u8]) -> Candidates {
        std::iter::once(&self.current).chain(self.older.iter()).map(|keyed| digest(keyed, message)).collect()
    }
}

fn keyed(bytes: &[u8; 32]) -> Hmac<Sha256> {
    let mut block = hmac::digest::Key::<Hmac<Sha256>>::default();
    block[..bytes.len()].copy_from_slice(bytes);
    Hmac::new(&block)
}

fn digest(keyed: &Hmac<Sha256>, message: &[u8]) -> Digest {
    let mut mac = keyed.clone();
    mac.update(message);
    Digest(mac.finalize().into_bytes().into())
}

impl fmt::Debug for Pepper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pepper(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generates_well_formed_secrets() {
        let secret = Secret::generate("cat").unwrap();
        assert_eq!(secret.expose().len(), "cat_".len() + 49);
        assert_eq!(Secret::check(secret.expose(), "cat"), Ok(()));
        assert_ne!(secret, Secret::generate("cat").unwrap());
    }

    #[test]
    fn rejects_malformed_secrets() {
        let secret = Secret::generate("cat").unwrap().expose().to_owned();
        let flipped = {
            let mut bytes = secret.clone().into_bytes();
            bytes[10] = if bytes[10] == b'a' { b'b' } else { b'a' };
            String::from_utf8(bytes).unwrap()
        };
        for text in [
            "",
            "cat",
            "cat_",
            "dog_x",
            &secret[..52],
            &format!("{secret}0"),
            &flipped,
            &secret[1..],
            "cat_é",
        ] {
            assert_eq!(Secret::check(text, "cat"), Err(Malformed), "{text}");
        }
        assert_eq!(Secret::check(&secret, "dog"), Err(Malformed));
        // A valid checksum, and one character outside the alphabet.
        let mut invalid = secret[..secret.len() - CHECKSUM_LENGTH].replacen(&secret[10..11], "-", 1);
        invalid.extend(checksum(invalid.as_bytes()).map(char::from));
        assert_eq!(Secret::check(&invalid, "cat"), Err(Malformed), "{invalid}");
    }

    #[test]
    fn digests_match_hmac_sha_256_of_rfc_4231() {
        // Test case 1 of the RFC has a key of 20 bytes; HMAC pads it with zeros, as 32 bytes would be.
        let mut key = [0_u8; 32];
        key[..20].fill(0x0b);
        let expected = "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7";
        let digest = Pepper::from_bytes(&key).digest("Hi There");
        let shown: String = digest.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(shown, expected);
    }

    #[test]
    fn digests_match_only_if_every_byte_is_equal() {
        let digest = Digest::from_bytes([7; 32]);
        assert!(digest.matches(&Digest::from_bytes([7; 32])));
        for at in 0..32 {
            let mut other = [7; 32];
            other[at] = 8;
            assert!(!digest.matches(&Digest::from_bytes(other)), "byte {at}");
        }
    }

    #[test]
    fn debug_output_shows_no_secret() {
        let secret = Secret::generate("cat").unwrap();
        let pepper = Pepper::from_bytes(&[7; 32]);
        let shown = format!("{secret:?} {pepper:?} {:?}", pepper.digest(secret.expose()));
        assert_eq!(shown, "Secret(..) Pepper(..) Digest(..)");
    }

    #[test]
    fn accepts_only_valid_prefixes() {
        for (text, is_valid) in [
            ("cat", true),
            ("cat_live", true),
            ("", false),
            ("_cat", false),
            ("cat_", false),
            ("c t", false),
            ("ü", false),
        ] {
            assert_eq!(is_prefix(text), is_valid, "{text:?}");
        }
    }
}
