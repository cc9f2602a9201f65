//! Keys that another system made, of which only hashes are known: what they look like, and how a presented
//! one becomes the digest under which it is stored.
//!
//! The imported hash is stored under the pepper as every secret is, so that a copy of the database tells
//! nothing of it either. Before anything is hashed or looked up, the forms refuse what cannot be such a key.

use std::fmt;
use std::sync::Arc;

use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::{Candidates, Digest, Pepper};

/// The longest key that is ever hashed.
const MAX_LENGTH: u16 = 512;

/// What keys of another system look like.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImportedForm {
    /// For which API.
    pub api: String,
    /// With what they begin.
    pub prefix: String,
    /// How many bytes the shortest has, the prefix included.
    pub shortest: u16,
    /// How many the longest has.
    pub longest: u16,
    /// How they were hashed.
    pub hash: ImportedHash,
}

/// How another system hashed its keys: over the whole key, as it is presented.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum ImportedHash {
    /// SHA-256.
    Sha256,
    /// HMAC-SHA-256 under the other system's key, which goes by this name.
    HmacSha256(String),
}

impl ImportedForm {
    /// Whether the form is one: visible prefix, lengths in order and within bounds.
    pub fn is_sound(&self) -> bool {
        let prefix = self.prefix.len() <= 64 && self.prefix.bytes().all(|byte| byte.is_ascii_graphic());
        prefix && (16..=self.longest).contains(&self.shortest) && self.longest <= MAX_LENGTH
    }

    /// Whether a text has this form, whatever API it is for.
    pub fn fits(&self, secret: &str) -> bool {
        (usize::from(self.shortest)..=usize::from(self.longest)).contains(&secret.len())
            && secret.starts_with(&self.prefix)
            && secret.bytes().all(|byte| byte.is_ascii_graphic())
    }
}

/// The key of an importer's HMAC. Its `Debug` shows nothing of it.
#[derive(Clone)]
pub struct ForeignKey {
    name: Arc<str>,
    keyed: Hmac<Sha256>,
}

impl ForeignKey {
    /// A key by its name; `None` where it is empty.
    pub fn new(name: impl Into<Arc<str>>, key: &[u8]) -> Option<Self> {
        let keyed = Hmac::<Sha256>::new_from_slice(key).ok().filter(|_| !key.is_empty())?;
        Some(Self { name: name.into(), keyed })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl fmt::Debug for ForeignKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ForeignKey({}, ..)", self.name)
    }
}

/// All forms of foreign keys, with the keys of their hashes.
#[derive(Debug, Clone, Default)]
pub struct ImportedForms {
    /// The forms.
    pub forms: Vec<ImportedForm>,
    /// The keys.
    pub keys: Vec<ForeignKey>,
}

impl ImportedForms {
    /// Under which digests a presented key may be stored; none where it cannot be a foreign key at all.
    pub fn candidates(&self, secret: &str, api: &str, pepper: &Pepper) -> Candidates {
        let mut candidates = Candidates::new();
        for form in self.forms.iter().filter(|form| form.api == api && form.fits(secret)) {
            let Some(hash) = self.hash(&form.hash, secret) else { continue };
            let digests = pepper.imported(&hash);
            // Two forms with one hash have all of them in common.
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
                let mut mac = self.keys.iter().find(|key| key.name() == name)?.keyed.clone();
                mac.update(secret.as_bytes());
                Some(mac.finalize().into_bytes().into())
            }
        }
    }
}

impl Pepper {
    /// The digests of an imported hash, under the current pepper first. Another domain than that of
    /// secrets: no hash can be presented as if it were a key.
    pub fn imported(&self, hash: &[u8; 32]) -> Candidates {
        const DOMAIN: &[u8; 9] = b"imported\0";
        let mut message = [0_u8; DOMAIN.len() + 32];
        message[..DOMAIN.len()].copy_from_slice(DOMAIN);
        message[DOMAIN.len()..].copy_from_slice(hash);
        self.digests_of(&message)
    }

    /// Under which digest a secret belongs that was found under `stored`, one of its candidates: `None` where it is
    /// there already. Candidates come in groups, of a secret of our own one, of a foreign key one for each hash: in
    /// each the digest under the current pepper goes before those under older ones.
    pub(crate) fn newer(&self, stored: &Digest, candidates: &Candidates) -> Option<Digest> {
        let position = candidates.iter().position(|digest| digest == stored)?;
        let age = position % self.count();
        (age > 0).then(|| candidates.get(position - age).copied()).flatten()
    }

    /// The digest of an imported hash under the current pepper: what a store keeps.
    pub fn imported_digest(&self, hash: &[u8; 32]) -> Option<Digest> {
        self.imported(hash).first().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn forms(hash: ImportedHash) -> ImportedForms {
        let form = ImportedForm { api: "shop".into(), prefix: "sk_".into(), shortest: 20, longest: 24, hash };
        assert!(form.is_sound());
        ImportedForms { forms: vec![form], keys: ForeignKey::new("old", b"key").into_iter().collect() }
    }

    #[test]
    fn what_cannot_be_a_foreign_key_is_not_even_hashed() {
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
    fn a_hash_is_the_standard_one() {
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

    /// Whichever of its hashes it was imported by.
    #[test]
    fn a_foreign_key_belongs_under_the_current_pepper() {
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
            for (pepper, newer) in [(&first, now), (&second, now), (&third, None)] {
                let stored = Pepper::from_bytes(pepper).imported_digest(&hash).unwrap();
                assert_eq!(current.newer(&stored, &candidates), newer);
            }
        }
        let own = current.digests(secret);
        assert_eq!(current.newer(&own[2], &own), Some(own[0]));
        assert_eq!(current.newer(&own[0], &own), None);
        assert_eq!(current.newer(&candidates[0], &own), None, "not one of its candidates");
    }

    #[test]
    fn an_imported_hash_cannot_be_presented() {
        let pepper = Pepper::from_bytes(&[7; 32]);
        let hash = [b'a'; 32];
        let text = String::from_utf8(hash.to_vec()).unwrap();
        assert_ne!(pepper.imported_digest(&hash), Some(pepper.digest(&text)));
    }
}
