//! A certificate chain with its private key, read from files and checked.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use x509_cert::certificate::{CertificateInner, Raw};
use x509_cert::der::asn1::UintRef;
use x509_cert::der::oid::ObjectIdentifier;
use x509_cert::der::{Decode, Reader, SliceReader};
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

/// The smallest RSA key that clients accept (CA/Browser Forum, Baseline Requirements, section 6.1.5).
const MIN_RSA_BITS: usize = 2048;
/// The algorithm of RSA keys (RFC 8017, appendix A.1).
const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
/// Larger files are not read.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// The files of a certificate, in PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFiles {
    /// The certificate, followed by the intermediate certificates.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// A certificate that was checked.
#[derive(Debug, Clone)]
pub struct Certificate {
    pub(crate) key: Arc<CertifiedKey>,
    /// The host names that it is valid for, in lower case.
    pub(crate) names: Vec<String>,
    not_after: SystemTime,
}

/// Why a certificate cannot be used.
#[derive(Debug)]
#[non_exhaustive]
pub enum CertificateError {
    /// A file cannot be read.
    Unreadable(PathBuf, io::Error),
    /// A file is not in PEM, or has nothing in PEM of what it should contain.
    NotPem(PathBuf, &'static str),
    /// A certificate cannot be parsed.
    Malformed(PathBuf),
    /// The key cannot be parsed, or its algorithm is not supported.
    UnusableKey(PathBuf),
    /// The RSA key has too few bits.
    WeakKey(PathBuf, usize),
    /// The key is the key of another certificate.
    KeyMismatch(CertificateFiles),
    /// It is not valid yet.
    NotYetValid(PathBuf, SystemTime),
    /// It is not valid any more.
    Expired(PathBuf, SystemTime),
}

impl CertificateFiles {
    /// Reads and checks the files.
    pub fn load(&self, now: SystemTime) -> Result<Certificate, CertificateError> {
        let path = &self.certificate;
        let chain = read_certificates(path)?;
        let key = PrivateKeyDer::from_pem_slice(&read(&self.key)?)
            .map_err(|_| CertificateError::NotPem(self.key.clone(), "private key"))?;
        let malformed = || CertificateError::Malformed(path.clone());
        let leaf = chain.first().ok_or_else(malformed)?;
        // The lenient profile: what a certificate is used for is up to its clients.
        let leaf = CertificateInner::<Raw>::from_der(leaf).map_err(|_| malformed())?;
        let leaf = leaf.tbs_certificate();
        if let Some(bits) = rsa_bits(leaf).filter(|bits| *bits < MIN_RSA_BITS) {
            return Err(CertificateError::WeakKey(path.clone(), bits));
        }
        let (not_before, not_after) =
            (leaf.validity().not_before.to_system_time(), leaf.validity().not_after.to_system_time());
        if now < not_before {
            return Err(CertificateError::NotYetValid(path.clone(), not_before));
        }
        if now > not_after {
            return Err(CertificateError::Expired(path.clone(), not_after));
        }
        let names = dns_names(leaf);
        let key = default_provider()
            .key_provider
            .load_private_key(key)
            .map_err(|_| CertificateError::UnusableKey(self.key.clone()))?;
        let key = CertifiedKey::new(chain, key);
        match key.keys_match() {
            Ok(()) | Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::Unknown)) => {}
            Err(rustls::Error::InconsistentKeys(_)) => {
                return Err(CertificateError::KeyMismatch(self.clone()));
            }
            Err(_) => return Err(malformed()),
        }
        Ok(Certificate { key: Arc::new(key), names, not_after })
    }
}

impl Certificate {
    /// How long it is still valid.
    pub fn valid_for(&self, now: SystemTime) -> Duration {
        self.not_after.duration_since(now).unwrap_or_default()
    }
}

/// The certificates of a file in PEM, at least one.
pub(crate) fn read_certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, CertificateError> {
    let found: Result<Vec<_>, pem::Error> = CertificateDer::pem_slice_iter(&read(path)?).collect();
    let found = found.ok().filter(|found| !found.is_empty());
    found.ok_or_else(|| CertificateError::NotPem(path.to_owned(), "certificate"))
}

fn read(path: &Path) -> Result<Vec<u8>, CertificateError> {
    let unreadable = |error| CertificateError::Unreadable(path.to_owned(), error);
    let length = fs::metadata(path).map_err(unreadable)?.len();
    if length > MAX_FILE_BYTES {
        return Err(unreadable(io::Error::new(io::ErrorKind::FileTooLarge, "larger than 1 MiB")));
    }
    fs::read(path).map_err(unreadable)
}

/// The length of an RSA key; `None` for keys of other kinds.
fn rsa_bits(certificate: &x509_cert::certificate::TbsCertificateInner<Raw>) -> Option<usize> {
    let key = certificate.subject_public_key_info();
    if key.algorithm.oid != RSA {
        return None;
    }
    let modulus = key.subject_public_key.as_bytes().and_then(|bytes| {
        let mut reader = SliceReader::new(bytes).ok()?;
        let read = reader.sequence(|reader| {
            let modulus = UintRef::decode(reader)?;
            let _exponent = UintRef::decode(reader)?;
            Ok::<_, x509_cert::der::Error>(modulus)
        });
        read.ok()
    });
    let bytes = modulus.map(|modulus| modulus.as_bytes()).unwrap_or_default();
    let leading = bytes.first().map_or(0, |first| first.leading_zeros() as usize);
    Some(bytes.len() * 8 - leading)
}

fn dns_names(certificate: &x509_cert::certificate::TbsCertificateInner<Raw>) -> Vec<String> {
    let names = certificate.get_extension::<SubjectAltName>().ok().flatten();
    let names = names.map(|(_, names)| names.0).unwrap_or_default();
    names
        .into_iter()
        .filter_map(|name| match name {
            GeneralName::DnsName(name) => Some(name.as_str().to_ascii_lowercase()),
            _ => None,
        })
        .collect()
}

impl fmt::Display for CertificateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let date = |time: &SystemTime| {
            Timestamp::try_from(*time)
                .map_or_else(|_| "a date that is out of range".to_owned(), |it| it.to_string())
        };
        match self {
            Self::Unreadable(path, error) => write!(f, "cannot read `{}`: {error}", path.display()),
            Self::NotPem(path, what) => write!(f, "`{}` contains no {what} in PEM", path.display()),
            Self::Malformed(path) => write!(f, "the certificate in `{}` is malformed", path.display()),
            Self::UnusableKey(path) => {
                write!(
                    f,
                    "the private key in `{}` is malformed or of a kind that is not supported",
                    path.display()
                )
            }
            Self::WeakKey(path, bits) => write!(
                f,
                "the certificate in `{}` has an RSA key of {bits} bits; clients require {MIN_RSA_BITS}",
                path.display()
            ),
            Self::KeyMismatch(files) => write!(
                f,
                "the private key in `{}` does not match the certificate in `{}`",
                files.key.display(),
                files.certificate.display()
            ),
            Self::NotYetValid(path, time) => {
                write!(f, "the certificate in `{}` is not valid before {}", path.display(), date(time))
            }
            Self::Expired(path, time) => {
                write!(f, "the certificate in `{}` expired at {}", path.display(), date(time))
            }
        }
    }
}

impl std::error::Error for CertificateError {}

impl CertificateError {
    /// Whether the trouble is with the file of the key; otherwise it is with that of the certificate.
    pub fn concerns_key(&self, files: &CertificateFiles) -> bool {
        match self {
            Self::UnusableKey(_) | Self::KeyMismatch(_) => true,
            Self::Unreadable(path, _) | Self::NotPem(path, _) => *path == files.key,
            Self::Malformed(_) | Self::WeakKey(..) | Self::NotYetValid(..) | Self::Expired(..) => false,
        }
    }

    /// How to fix it.
    pub fn help(&self) -> &'static str {
        match self {
            Self::Unreadable(..) => {
                "paths are relative to this file, and the user that runs Demur must be able to read it"
            }
            Self::NotPem(_, "private key") => {
                "write the path of a file that has a line `-----BEGIN PRIVATE KEY-----`"
            }
            Self::NotPem(..) => "write the path of a file that has a line `-----BEGIN CERTIFICATE-----`",
            Self::Malformed(_) => "export the certificate again, as X.509 in PEM",
            Self::UnusableKey(_) => {
                "use an ECDSA key (P-256 or P-384), an Ed25519 key, or an RSA key of 2048 to 8192 bits, without a passphrase"
            }
            Self::WeakKey(..) => "create a new key, and have it certified",
            Self::KeyMismatch(_) => "name the key that the certificate was issued for",
            Self::NotYetValid(..) => {
                "check the clock of this machine, or use a certificate that is valid now"
            }
            Self::Expired(..) => "renew the certificate",
        }
    }
}
