//! TLS to an upstream: which servers are trusted, and how the gateway identifies itself to them.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

use demur_http1::io::Transport;
use rustls::client::ResolvesClientCert;
use rustls::crypto::ring;
use rustls::pki_types::ServerName;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::certificate::{CertificateError, CertificateFiles, read_certificates};
use super::stream::{Prefixed, TlsSocket};

/// How connections to an upstream use TLS.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UpstreamTlsSettings {
    /// A file with the certificates to trust, in PEM, in place of the root certificates of the system.
    pub roots: Option<PathBuf>,
    /// The name that the upstream's certificate must have; otherwise the host of its URL.
    pub server_name: Option<String>,
    /// The certificate with which the gateway identifies itself.
    pub certificate: Option<CertificateFiles>,
}

/// TLS to an upstream.
pub struct UpstreamTls {
    settings: UpstreamTlsSettings,
    server_name: Option<ServerName<'static>>,
    /// An error only where the cryptography has no version of TLS, which is never.
    config: Result<Arc<ClientConfig>, rustls::Error>,
}

/// Why TLS to an upstream cannot be used.
#[derive(Debug)]
#[non_exhaustive]
pub enum UpstreamTlsError {
    /// The file of roots cannot be used.
    Roots(CertificateError),
    /// The system has no root certificates.
    NoSystemRoots,
    /// The name is not a host name.
    ServerName(String),
    /// The certificate or its key cannot be used.
    Certificate(CertificateError),
}

impl UpstreamTls {
    /// Loads the files that the settings name.
    pub fn load(settings: UpstreamTlsSettings, now: SystemTime) -> Result<Self, UpstreamTlsError> {
        let roots = match &settings.roots {
            None if system_roots().is_empty() => return Err(UpstreamTlsError::NoSystemRoots),
            None => Arc::clone(system_roots()),
            Some(path) => {
                let certificates = read_certificates(path).map_err(UpstreamTlsError::Roots)?;
                let mut roots = RootCertStore::empty();
                let (added, _) = roots.add_parsable_certificates(certificates);
                if added == 0 {
                    return Err(UpstreamTlsError::Roots(CertificateError::Malformed(path.clone())));
                }
                Arc::new(roots)
            }
        };
        let own = settings.certificate.as_ref().map(|files| files.load(now)).transpose();
        let own = own.map_err(UpstreamTlsError::Certificate)?.map(|own| own.key);
        let server_name = settings.server_name.as_ref().map(|name| {
            ServerName::try_from(name.clone()).map_err(|_| UpstreamTlsError::ServerName(name.clone()))
        });
        Ok(Self { server_name: server_name.transpose()?, config: client_config(roots, own), settings })
    }

    /// TLS to servers that the system trusts.
    pub fn with_system_roots() -> Self {
        let config = client_config(Arc::clone(system_roots()), None);
        Self { settings: UpstreamTlsSettings::default(), server_name: None, config }
    }

    /// Performs the handshake with the server of this host.
    pub(crate) async fn connect(&self, tcp: TcpStream, host: &str) -> io::Result<Transport> {
        let name = match &self.server_name {
            Some(name) => name.clone(),
            None => {
                ServerName::try_from(host.trim_matches(['[', ']']).to_owned()).map_err(io::Error::other)?
            }
        };
        let connector = TlsConnector::from(self.config.clone().map_err(io::Error::other)?);
        let stream = connector.connect(name, Prefixed::new(tcp, Vec::new())).await;
        let stream =
            stream.map_err(|error| io::Error::new(error.kind(), format!("TLS handshake failed: {error}")))?;
        Ok(Transport::Other(Box::new(TlsSocket::server(stream))))
    }
}

fn client_config(
    roots: Arc<RootCertStore>,
    own: Option<Arc<CertifiedKey>>,
) -> Result<Arc<ClientConfig>, rustls::Error> {
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions()?.with_root_certificates(roots);
    let mut config = match own {
        None => builder.with_no_client_auth(),
        Some(key) => {
            let resolver = Arc::new(SingleCertAndKey::from(key.as_ref().clone()));
            builder.with_client_cert_resolver(resolver as Arc<dyn ResolvesClientCert>)
        }
    };
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// The root certificates of the system, which are read once.
fn system_roots() -> &'static Arc<RootCertStore> {
    static ROOTS: OnceLock<Arc<RootCertStore>> = OnceLock::new();
    ROOTS.get_or_init(|| {
        let mut roots = RootCertStore::empty();
        // Systems have certificates that cannot be parsed; the others are of use without them.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        Arc::new(roots)
    })
}

impl fmt::Debug for UpstreamTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UpstreamTls").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// By their settings.
impl PartialEq for UpstreamTls {
    fn eq(&self, other: &Self) -> bool {
        self.settings == other.settings
    }
}

impl Eq for UpstreamTls {}

impl fmt::Display for UpstreamTlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Roots(error) | Self::Certificate(error) => error.fmt(f),
            Self::NoSystemRoots => f.write_str("this system has no root certificates"),
            Self::ServerName(name) => write!(f, "`{name}` is not a host name"),
        }
    }
}

impl std::error::Error for UpstreamTlsError {}
