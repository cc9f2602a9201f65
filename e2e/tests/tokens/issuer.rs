//! An issuer of tokens: its keys, and tokens that are signed with them, or with anything else.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair,
    RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PSS_SHA256, RsaKeyPair,
};
use ring::{hmac, rsa};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject;
use serde_json::{Value as Json, json};

pub(crate) const ISSUER: &str = "https://id.example";
pub(crate) const AUDIENCE: &str = "https://api.example";

/// A private key for tests only.
const RSA_PEM: &[u8] = include_bytes!("rsa.pem");

/// The keys of an issuer: `rsa`, `ec` and `ed`.
pub(crate) struct Issuer {
    rsa: RsaKeyPair,
    ec: EcdsaKeyPair,
    /// The same key, for signatures in DER.
    ec_der: EcdsaKeyPair,
    ed: Ed25519KeyPair,
    random: SystemRandom,
}

impl Issuer {
    /// Its RSA key is always the same, the others are new.
    pub(crate) fn new() -> Self {
        let random = SystemRandom::new();
        let rsa = PrivatePkcs8KeyDer::from_pem_slice(RSA_PEM).unwrap();
        let ec = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        let of_ec = |algorithm| EcdsaKeyPair::from_pkcs8(algorithm, ec.as_ref(), &random).unwrap();
        let ed = Ed25519KeyPair::generate_pkcs8(&random).unwrap();
        Self {
            rsa: RsaKeyPair::from_pkcs8(rsa.secret_pkcs8_der()).unwrap(),
            ec_der: of_ec(&ECDSA_P256_SHA256_ASN1_SIGNING),
            ec: of_ec(&ECDSA_P256_SHA256_FIXED_SIGNING),
            ed: Ed25519KeyPair::from_pkcs8(ed.as_ref()).unwrap(),
            random,
        }
    }

    /// Its public keys, with `suffix` behind their IDs.
    pub(crate) fn key_set(&self, suffix: &str) -> Json {
        let [rsa, ec, ed] = ["rsa", "ec", "ed"].map(|id| format!("{id}{suffix}"));
        let jwk = |mut jwk: Json, id: String| {
            jwk["kid"] = id.into();
            jwk["use"] = "sig".into();
            jwk
        };
        let (x, y) = self.ec.public_key().as_ref()[1..].split_at(32);
        json!({ "keys": [
            jwk(self.rsa_jwk(), rsa),
            jwk(json!({ "kty": "EC", "crv": "P-256", "x": encoded(x), "y": encoded(y) }), ec),
            jwk(json!({ "kty": "OKP", "crv": "Ed25519", "x": encoded(self.ed.public_key()) }), ed),
        ] })
    }

    pub(crate) fn rsa_jwk(&self) -> Json {
        let rsa::PublicKeyComponents { n, e } =
            rsa::PublicKeyComponents::<Vec<u8>>::from(self.rsa.public_key());
        json!({ "kty": "RSA", "n": encoded(n), "e": encoded(e) })
    }

    /// The RSA public key in DER, as an attacker has it.
    pub(crate) fn rsa_public_der(&self) -> &[u8] {
        self.rsa.public_key().as_ref()
    }

    /// A token with a valid signature of the kind that `alg` names.
    pub(crate) fn sign(&self, header: &Json, claims: &Json) -> String {
        self.sign_raw(&header.to_string(), claims.to_string().as_bytes())
    }

    /// The same for parts that need not be JSON. The header must contain the name of its algorithm.
    pub(crate) fn sign_raw(&self, header: &str, claims: &[u8]) -> String {
        let message = format!("{}.{}", encoded(header), encoded(claims));
        let has = |names: &[&str]| names.iter().any(|name| header.contains(name));
        let signature = if has(&["ES256"]) {
            self.ec.sign(&self.random, message.as_bytes()).unwrap().as_ref().to_vec()
        } else if has(&["EdDSA", "Ed25519"]) {
            self.ed.sign(message.as_bytes()).as_ref().to_vec()
        } else {
            let mut signature = vec![0; self.rsa.public().modulus_len()];
            let padding: &dyn ring::signature::RsaEncoding = match header {
                header if header.contains("PS256") => &RSA_PSS_SHA256,
                header if header.contains("RS384") => &RSA_PKCS1_SHA384,
                _ => &RSA_PKCS1_SHA256,
            };
            self.rsa.sign(padding, &self.random, message.as_bytes(), &mut signature).unwrap();
            signature
        };
        format!("{message}.{}", encoded(signature))
    }

    /// An ECDSA signature in DER, which JWS does not use.
    pub(crate) fn sign_in_der(&self, claims: &Json) -> String {
        let header = json!({ "alg": "ES256", "kid": "ec" }).to_string();
        let message = format!("{}.{}", encoded(header), encoded(claims.to_string()));
        let signature = self.ec_der.sign(&self.random, message.as_bytes()).unwrap();
        format!("{message}.{}", encoded(signature))
    }
}

/// A token that is signed with a shared secret.
pub(crate) fn sign_with_secret(header: &Json, claims: &Json, secret: &[u8]) -> String {
    let message = format!("{}.{}", encoded(header.to_string()), encoded(claims.to_string()));
    let signature = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), message.as_bytes());
    format!("{message}.{}", encoded(signature))
}

pub(crate) fn encoded(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The current time, in seconds since 1970.
pub(crate) fn now() -> i64 {
    jiff::Timestamp::now().as_second()
}

/// Claims that are accepted, with changes; `null` removes a claim.
pub(crate) fn claims(changes: Json) -> Json {
    let now = now();
    let mut claims = json!({
        "iss": ISSUER, "aud": AUDIENCE, "sub": "acme", "exp": now + 600, "nbf": now - 10, "iat": now - 10,
        "tenant": "north", "scope": "read",
    });
    for (name, value) in changes.as_object().unwrap() {
        match value {
            Json::Null => drop(claims.as_object_mut().unwrap().remove(name)),
            value => claims[name] = value.clone(),
        }
    }
    claims
}
