//! The certificates of one listener: which of them a client gets, and how they are replaced while the listener serves.

use std::collections::HashMap;
use std::fmt;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::certificate::{Certificate, CertificateError, CertificateFiles};

/// TLS on one listener.
pub struct ListenerTls {
    files: Vec<CertificateFiles>,
    certificates: Arc<ByName>,
    pub(crate) config: Arc<ServerConfig>,
    /// The state of the files when they were last read.
    seen: Mutex<Vec<Option<FileState>>>,
}

/// The certificates by the names that clients ask for.
struct ByName(ArcSwap<Names>);

struct Names {
    exact: HashMap<String, Arc<CertifiedKey>>,
    /// By the part after `*.`, which stands for one label (RFC 6125, section 6.4.3).
    wildcard: HashMap<String, Arc<CertifiedKey>>,
    /// For clients that name no host, or one that no certificate has.
    default: Arc<CertifiedKey>,
}

/// What changes when a file is replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct FileState {
    inode: u64,
    length: u64,
    modified: (i64, i64),
}

impl ListenerTls {
    /// TLS with these certificates, which have been loaded from their files. The first one is for clients that name no host,
    /// or one that no certificate has. `None` without a certificate.
    pub fn new(loaded: Vec<(CertificateFiles, Certificate)>) -> Option<Self> {
        let (files, certificates): (Vec<_>, Vec<_>) = loaded.into_iter().unzip();
        let certificates = Arc::new(ByName(ArcSwap::from_pointee(Names::of(certificates)?)));
        let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let builder = builder.with_safe_default_protocol_versions().ok()?.with_no_client_auth();
        let mut config = builder.with_cert_resolver(Arc::clone(&certificates) as Arc<dyn ResolvesServerCert>);
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        config.ticketer = ring::Ticketer::new().ok()?;
        let seen = Mutex::new(states(&files));
        Some(Self { files, certificates, config: Arc::new(config), seen })
    }

    /// Reads the files again if one of them has changed, and uses the certificates for new connections. If one cannot be
    /// used, all are kept as they were. Returns whether they were replaced.
    pub fn reload(&self, now: SystemTime) -> Result<bool, CertificateError> {
        let states = states(&self.files);
        {
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            if *seen == states {
                return Ok(false);
            }
            // One that cannot be used is reported once.
            *seen = states;
        }
        let loaded = self.files.iter().map(|files| files.load(now)).collect::<Result<_, _>>()?;
        let Some(names) = Names::of(loaded) else { return Ok(false) };
        self.certificates.0.store(Arc::new(names));
        Ok(true)
    }

    /// The files of the certificates.
    pub fn files(&self) -> &[CertificateFiles] {
        &self.files
    }
}

impl Names {
    /// Of several certificates with one name the first one counts.
    fn of(certificates: Vec<Certificate>) -> Option<Self> {
        let default = Arc::clone(&certificates.first()?.key);
        let (mut exact, mut wildcard) = (HashMap::new(), HashMap::new());
        for Certificate { key, names, .. } in certificates {
            for name in names {
                let (map, name) = match name.strip_prefix("*.") {
                    Some(parent) => (&mut wildcard, parent.to_owned()),
                    None => (&mut exact, name),
                };
                map.entry(name).or_insert_with(|| Arc::clone(&key));
            }
        }
        Some(Self { exact, wildcard, default })
    }

    fn find(&self, name: &str) -> &Arc<CertifiedKey> {
        let name = name.to_ascii_lowercase();
        let parent = name.split_once('.').map_or("", |(_, parent)| parent);
        self.exact.get(&name).or_else(|| self.wildcard.get(parent)).unwrap_or(&self.default)
    }
}

impl ResolvesServerCert for ByName {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let names = self.0.load();
        Some(Arc::clone(hello.server_name().map_or(&names.default, |name| names.find(name))))
    }
}

fn states(files: &[CertificateFiles]) -> Vec<Option<FileState>> {
    let state = |path: &PathBuf| {
        let metadata = fs::metadata(path).ok()?;
        let modified = (metadata.mtime(), metadata.mtime_nsec());
        Some(FileState { inode: metadata.ino(), length: metadata.len(), modified })
    };
    files.iter().flat_map(|files| [state(&files.certificate), state(&files.key)]).collect()
}

impl fmt::Debug for ByName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ByName(..)")
    }
}

impl fmt::Debug for ListenerTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ListenerTls").field("files", &self.files).finish_non_exhaustive()
    }
}

/// By their files.
impl PartialEq for ListenerTls {
    fn eq(&self, other: &Self) -> bool {
        self.files == other.files
    }
}

impl Eq for ListenerTls {}
