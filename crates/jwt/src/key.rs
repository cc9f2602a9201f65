//! One key of a JWK set (RFC 7517), ready to verify signatures.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{self, RsaParameters, RsaPublicKeyComponents, UnparsedPublicKey};
use ring::{digest, hmac};
use serde_json::{Map, Value};

use crate::{Algorithm, KeyKind};

/// A key that verifies signatures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct VerifyingKey {
    pub(crate) id: Option<String>,
    /// The only algorithm of the key, if it names one.
    algorithm: Option<Algorithm>,
    material: Material,
}

#[derive(Clone, PartialEq, Eq)]
enum Material {
    Rsa {
        modulus: Vec<u8>,
        exponent: Vec<u8>,
    },
    /// An uncompressed point.
    P256(Vec<u8>),
    /// An uncompressed point.
    P384(Vec<u8>),
    Ed25519(Vec<u8>),
    Secret(Vec<u8>),
}

/// Where a set comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyOrigin {
    /// A file, which may contain shared secrets.
    File,
    /// The network. Shared secrets in such a set are not used.
    Network,
}

/// Why a key of a set is not used.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyFault {
    /// `kty` or `crv` is unknown, or missing.
    UnknownType,
    /// `use` or `key_ops` say that it is not for verifying signatures.
    NotForSignatures,
    /// `alg` is unknown, or does not fit the type of the key.
    Algorithm,
    /// A member is missing or malformed.
    Malformed(&'static str),
    /// An RSA key with fewer than 2048 or more than 8192 bits.
    RsaSize,
    /// A shared secret that is shorter than its hash.
    ShortSecret,
    /// It has private members.
    Private,
    /// A shared secret in a set from the network, which others can read.
    PublishedSecret,
}

impl fmt::Display for KeyFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownType => f.write_str("`kty` or `crv` is not supported"),
            Self::NotForSignatures => f.write_str("`use` or `key_ops` is for something else than signatures"),
            Self::Algorithm => f.write_str("`alg` is not supported, or does not fit `kty`"),
            Self::Malformed(name) => write!(f, "`{name}` is missing or malformed"),
            Self::RsaSize => f.write_str("RSA keys must have 2048 to 8192 bits"),
            Self::ShortSecret => f.write_str("the shared secret is shorter than the hash of its algorithm"),
            Self::Private => f.write_str("it is a private key"),
            Self::PublishedSecret => f.write_str("a shared secret must not be published"),
        }
    }
}

impl VerifyingKey {
    pub(crate) fn parse(jwk: &Map<String, Value>, origin: KeyOrigin) -> Result<Self, KeyFault> {
        let text =
            |name: &'static str| jwk.get(name).map(|value| value.as_str().ok_or(KeyFault::Malformed(name)));
        let bytes = |name: &'static str| {
            let text = text(name).transpose()?.ok_or(KeyFault::Malformed(name))?;
            URL_SAFE_NO_PAD.decode(text).map_err(|_| KeyFault::Malformed(name))
        };
        if text("use").transpose()?.is_some_and(|purpose| purpose != "sig") {
            return Err(KeyFault::NotForSignatures);
        }
        if let Some(operations) = jwk.get("key_ops") {
            let operations = operations.as_array().ok_or(KeyFault::Malformed("key_ops"))?;
            if !operations.iter().any(|operation| operation == "verify") {
                return Err(KeyFault::NotForSignatures);
            }
        }
        let algorithm = text("alg").transpose()?;
        let algorithm =
            algorithm.map(|name| Algorithm::from_name(name).ok_or(KeyFault::Algorithm)).transpose()?;
        let curve = text("crv").transpose()?;
        let material = match (text("kty").transpose()?, curve) {
            (Some("oct"), _) => secret(bytes("k")?, algorithm, origin)?,
            _ if jwk.contains_key("d") => return Err(KeyFault::Private),
            (Some("RSA"), _) => rsa(&bytes("n")?, &bytes("e")?)?,
            (Some("EC"), Some("P-256")) => Material::P256(point(&bytes("x")?, &bytes("y")?, 32)?),
            (Some("EC"), Some("P-384")) => Material::P384(point(&bytes("x")?, &bytes("y")?, 48)?),
            (Some("OKP"), Some("Ed25519")) => Material::Ed25519(
                Some(bytes("x")?).filter(|x| x.len() == 32).ok_or(KeyFault::Malformed("x"))?,
            ),
            _ => return Err(KeyFault::UnknownType),
        };
        let id = text("kid").transpose()?.map(str::to_owned);
        let key = Self { id, algorithm, material };
        match algorithm {
            Some(algorithm) if algorithm.key_kind() != key.kind() => Err(KeyFault::Algorithm),
            _ => Ok(key),
        }
    }

    pub(crate) fn kind(&self) -> KeyKind {
        match self.material {
            Material::Rsa { .. } => KeyKind::Rsa,
            Material::P256(_) => KeyKind::P256,
            Material::P384(_) => KeyKind::P384,
            Material::Ed25519(_) => KeyKind::Ed25519,
            Material::Secret(_) => KeyKind::Secret,
        }
    }

    /// Whether tokens of this algorithm may be signed with the key.
    pub(crate) fn fits(&self, algorithm: Algorithm) -> bool {
        let is_long_enough = match &self.material {
            Material::Secret(secret) => secret.len() >= algorithm.min_secret(),
            _ => true,
        };
        self.kind() == algorithm.key_kind()
            && self.algorithm.is_none_or(|own| own == algorithm)
            && is_long_enough
    }

    /// Whether the signature of a message is valid. The algorithm must fit.
    pub(crate) fn verifies(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        let result =
            match &self.material {
                Material::Rsa { modulus, exponent } => {
                    let Some(parameters) = rsa_parameters(algorithm) else { return false };
                    let key = RsaPublicKeyComponents { n: modulus, e: exponent };
                    key.verify(parameters, message, signature)
                }
                Material::P256(point) => UnparsedPublicKey::new(&signature::ECDSA_P256_SHA256_FIXED, point)
                    .verify(message, signature),
                Material::P384(point) => UnparsedPublicKey::new(&signature::ECDSA_P384_SHA384_FIXED, point)
                    .verify(message, signature),
                Material::Ed25519(key) => {
                    UnparsedPublicKey::new(&signature::ED25519, key).verify(message, signature)
                }
                Material::Secret(secret) => {
                    let Some(algorithm) = hmac_algorithm(algorithm) else { return false };
                    hmac::verify(&hmac::Key::new(algorithm, secret), message, signature)
                }
            };
        result.is_ok()
    }
}

fn rsa(modulus: &[u8], exponent: &[u8]) -> Result<Material, KeyFault> {
    let without_zeros =
        |bytes: &[u8]| -> Vec<u8> { bytes.iter().copied().skip_while(|byte| *byte == 0).collect() };
    let (modulus, exponent) = (without_zeros(modulus), without_zeros(exponent));
    let bits = modulus.len() * 8 - modulus.first().map_or(0, |first| first.leading_zeros() as usize);
    if !(2048..=8192).contains(&bits) {
        return Err(KeyFault::RsaSize);
    }
    // The cryptography takes exponents of up to 33 bits. Even ones, and 1, are no exponents.
    let is_exponent = (1..=4).contains(&exponent.len()) && exponent.last().is_some_and(|last| last % 2 == 1);
    if !is_exponent || exponent == [1] {
        return Err(KeyFault::Malformed("e"));
    }
    Ok(Material::Rsa { modulus, exponent })
}

/// An uncompressed point. Whether it is on the curve is checked with each signature.
fn point(x: &[u8], y: &[u8], length: usize) -> Result<Vec<u8>, KeyFault> {
    for (coordinate, name) in [(x, "x"), (y, "y")] {
        if coordinate.len() != length {
            return Err(KeyFault::Malformed(name));
        }
    }
    Ok([&[4], x, y].concat())
}

fn secret(secret: Vec<u8>, algorithm: Option<Algorithm>, origin: KeyOrigin) -> Result<Material, KeyFault> {
    if origin == KeyOrigin::Network {
        return Err(KeyFault::PublishedSecret);
    }
    if secret.len() < algorithm.unwrap_or(Algorithm::Hs256).min_secret() {
        return Err(KeyFault::ShortSecret);
    }
    Ok(Material::Secret(secret))
}

fn rsa_parameters(algorithm: Algorithm) -> Option<&'static RsaParameters> {
    Some(match algorithm {
        Algorithm::Rs256 => &signature::RSA_PKCS1_2048_8192_SHA256,
        Algorithm::Rs384 => &signature::RSA_PKCS1_2048_8192_SHA384,
        Algorithm::Rs512 => &signature::RSA_PKCS1_2048_8192_SHA512,
        Algorithm::Ps256 => &signature::RSA_PSS_2048_8192_SHA256,
        Algorithm::Ps384 => &signature::RSA_PSS_2048_8192_SHA384,
        Algorithm::Ps512 => &signature::RSA_PSS_2048_8192_SHA512,
        _ => return None,
    })
}

fn hmac_algorithm(algorithm: Algorithm) -> Option<hmac::Algorithm> {
    Some(match algorithm {
        Algorithm::Hs256 => hmac::HMAC_SHA256,
        Algorithm::Hs384 => hmac::HMAC_SHA384,
        Algorithm::Hs512 => hmac::HMAC_SHA512,
        _ => return None,
    })
}

impl fmt::Debug for Material {
    /// Public keys by the beginning of their hash; nothing of a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, bytes) = match self {
            Self::Rsa { modulus, .. } => ("Rsa", modulus),
            Self::P256(point) => ("P256", point),
            Self::P384(point) => ("P384", point),
            Self::Ed25519(key) => ("Ed25519", key),
            Self::Secret(_) => return f.write_str("Secret(..)"),
        };
        let hash = digest::digest(&digest::SHA256, bytes);
        let shown: String = hash.as_ref().iter().take(4).map(|byte| format!("{byte:02x}")).collect();
        f.debug_tuple(name).field(&shown).finish()
    }
}
