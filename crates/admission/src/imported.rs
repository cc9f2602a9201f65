//! Imported keys: keys of another system of which only hashes are known. This module defines their form, and how a
//! presented key becomes the digest under which it is stored.
//!
//! The imported hash is stored under the pepper like every secret, so that a copy of the database does not reveal it. The
//! forms reject other texts before anything is hashed or looked up.

use std::fmt;
use std::sync::Arc;

use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::{Candidates, Digest, Pepper};

/// The maximum length of a key, in bytes.
const MAX_LENGTH: u16 = 512;

/// The form of imported keys.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImportedForm {
    /// The name of the API.
    pub api: String,
    /// The prefix of the keys.
    pub prefix: String,
    /// The minimum length in bytes, including the prefix.
    pub shortest: u16,
    /// The maximum length in bytes, including the prefix.
    pub longest: u16,
    /// How the keys were hashed.
    pub hash: ImportedHash,
}

/// How another system hashed its keys: the whole key, as it is presented.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum ImportedHash {
    /// SHA-256.
    Sha256,
    /// HMAC-SHA-256 with the hash key of this name.
    HmacSha256(String),
}

impl ImportedForm {
    /// Whether the form is valid: a visible prefix, and lengths in order and within bounds.
    pub fn is_valid(&self) -> bool {
        let prefix = self.prefix.len() <= 64 && self.prefix.bytes().all(|byte| byte.is_ascii_graphic());
        prefix && (16..=self.longest).contains(&self.shortest) && self.longest <= MAX_LENGTH
    }

    /// Whether a text has this form.
    pub fn matches(&self, secret: &str) -> bool {
        (usize::from(self.shortest)..=usize::from(self.longest)).contains(&secret.len())
            && secret.starts_with(&self.prefix)
            && secret.bytes().all(|byte| byte.is_ascii_graphic())
    }
}

/// The HMAC key with which another system hashed its keys. Its `Debug` output does not show the key.
#[derive(Clone)]
pub struct ImportedHashKey {
    name: Arc<str>,
    hmac: Hmac<Sha256>,
}

impl ImportedHashKey {
    /// Creates a hash key with a name; `None` if the key is empty.
    pub fn new(name: impl Into<Arc<str>>, key: &[u8]) -> Option<Self> {
        let hmac = Hmac::<Sha256>::new_from_slice(key).ok().filter(|_| !key.is_empty())?;
        Some(Self { name: name.into(), hmac })
    }

    /// Returns the name.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl fmt::Debug for ImportedHashKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ImportedHashKey({}, ..)", self.name)
    }
}

/// All forms of imported keys, with their hash keys.
#[derive(Debug, Clone, Default)]
pub struct ImportedForms {
    /// The forms.
    pub forms: Vec<ImportedForm>,
    /// The hash keys.
    pub keys: Vec<ImportedHashKey>,
}

impl ImportedForms {
    /// Returns the digests under which a presented key may be stored; none if it matches no form.
    pub fn candidates(&self, secret: &str, api: &str, pepper: &Pepper) -> Candidates {
        self.candidates_of(self.forms.iter().filter(|form| form.api == api), secret, pepper)
    }

    /// The same for a key of any API.
    pub fn candidates_of_any_api(&self, secret: &str, pepper: &Pepper) -> Candidates {
        self.candidates_of(self.forms.iter(), secret, pepper)
    }

    fn candidates_of<'f>(
        &self,
        forms: impl Iterator<Item = &'f ImportedForm>,
        secret: &str,
        pepper: &Pepper,
    ) -> Candidates {
        let mut candidates = Candidates::new();
        for form in forms.filter(|form| form.matches(secret)) {
            let Some(hash) = self.hash(&form.hash, secret) else { continue };
            let digests = pepper.imported(&hash);
            // Forms with the same hash have the same digests.
            if digests.first().is_some_and(|digest| !candidates.contains(digest)) {
                candidates.extend(digests);
            }
        }
        candidates
    }

    fn hash(&self, hash: &ImportedHash, secret: &str) -> Option<[u8; 32]> {
        match hash {
            ImportedHash::Sha256 => Some(Sha256::digest(secret.as_bytes()).into()),
            ImportedHash::HmacSha256(name) => {
                let mut mac = self.keys.iter().find(|key| key.name() == name)?.hmac.clone();
                mac.update(secret.as_bytes());
                Some(mac.finalize().into_bytes().into())
            }
        }
    }
}

impl Pepper {
    /// Returns the digests of an imported hash, under the current pepper first. Their domain differs from that of secrets, so
    /// that a hash cannot be presented as a key.
    pub fn imported(&self, hash: &[u8; 32]) -> Candidates {
        const DOMAIN: &[u8; 9] = b"imported\0";
        let mut message = [0_u8; DOMAIN.len() + 32];
        message[..DOMAIN.len()].copy_from_slice(DOMAIN);
        message[DOMAIN.len()..].copy_from_slice(hash);
        self.digests_of(&message)
    }

    /// Returns the digest under the current pepper for a secret that is stored under `stored`, one of its candidates;
    /// `None` if it is already current. Candidates are in groups: one for a secret of Demur, one per hash for an imported
    /// key. In each group the digest under the current pepper comes first.
    pub(crate) fn current_digest(&self, stored: &Digest, candidates: &Candidates) -> Option<Digest> {
        let position = candidates.iter().position(|digest| digest == stored)?;
        let age = position % self.count();
        (age > 0).then(|| candidates.get(position - age).copied()).flatten()
    }

    /// Returns the digest of an imported hash under the current pepper, as a store keeps it.
    pub fn imported_digest(&self, hash: &[u8; 32]) -> Option<Digest> {
        self.imported(hash).first().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn forms(hash: ImportedHash) -> ImportedForms {
        let form = ImportedForm { api: "shop".into(), prefix: "sk_".into(), shortest: 20, longest: 24, hash };
        assert!(form.is_valid());
        ImportedForms { forms: vec![form], keys: ImportedHashKey::new("old", b"key").into_iter().collect() }
    }

    #[test]
    fn returns_no_candidates_for_other_forms() {
        let pepper = Pepper::from_bytes(&[7; 32]);
        let forms = forms(ImportedHash::Sha256);
        for (secret, api, admitted) in [
            ("sk_12345678901234567", "shop", true),
            ("sk_12345678901234567", "depot", false),
            ("pk_12345678901234567", "shop", false),
            ("sk_1234567890123456", "shop", false),
            ("sk_1234567890123456789012", "shop", false),
            ("sk_1234567890123456 ", "shop", false),
            ("sk_123456789012345é", "shop", false),
        ] {
            assert_eq!(!forms.candidates(secret, api, &pepper).is_empty(), admitted, "{secret}");
        }
    }

    #[test]
    fn hashes_match_published_test_vectors() {
        let hex = |bytes: [u8; 32]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let forms = forms(ImportedHash::Sha256);
        let sha = forms.hash(&ImportedHash::Sha256, "abc").map(hex);
        // FIPS 180-4, and the well-known pair of HMAC.
        assert_eq!(sha.as_deref(), Some("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"));
        let text = "The quick brown fox jumps over the lazy dog";
        let hmac = forms.hash(&ImportedHash::HmacSha256("old".into()), text).map(hex);
        assert_eq!(hmac.as_deref(), Some("f7bc83f430538424b13298e6aa6fb143ef4d59a14946175997479dbc2d1a3cd8"));
        assert_eq!(forms.hash(&ImportedHash::HmacSha256("unknown".into()), text), None);
    }

    /// With each of the hashes that it may have been imported by.
    #[test]
    fn an_imported_key_moves_to_the_current_pepper() {
        let mut forms = forms(ImportedHash::Sha256);
        let of_hmac = ImportedForm { hash: ImportedHash::HmacSha256("old".into()), ..forms.forms[0].clone() };
        let longer = ImportedForm { longest: 30, ..forms.forms[0].clone() };
        forms.forms.extend([longer, of_hmac]);
        let secret = "sk_12345678901234567";
        let [first, second, third] = [[1; 32], [2; 32], [3; 32]];
        let current = Pepper::from_bytes(&third).with_older(&second).with_older(&first);
        let candidates = forms.candidates(secret, "shop", &current);
        assert_eq!(candidates.len(), 2 * 3, "two hashes, three peppers");
        for hash in [ImportedHash::Sha256, ImportedHash::HmacSha256("old".into())] {
            let hash = forms.hash(&hash, secret).unwrap();
            let now = current.imported_digest(&hash);
            for (pepper, current_digest) in [(&first, now), (&second, now), (&third, None)] {
                let stored = Pepper::from_bytes(pepper).imported_digest(&hash).unwrap();
                assert_eq!(current.current_digest(&stored, &candidates), current_digest);
            }
        }
        let own = current.digests(secret);
        assert_eq!(current.current_digest(&own[2], &own), Some(own[0]));
        assert_eq!(current.current_digest(&own[0], &own), None);
        assert_eq!(current.current_digest(&candidates[0], &own), None, "not one of its candidates");
    }

    #[test]
    fn an_imported_hash_cannot_be_presented_as_a_key() {
        let pepper = Pepper::from_bytes(&[7; 32]);
        let hash = [b'a'; 32];
        let text = String::from_utf8(hash.to_vec()).unwrap();
        assert_ne!(pepper.imported_digest(&hash), Some(pepper.digest(&text)));
    }
}
