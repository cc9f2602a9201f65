//! The settings of an upstream: its endpoints, and how requests are sent to them.

use std::fmt;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use http::uri::Authority;

use crate::tls::client::UpstreamTls;

/// The upstream of an API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upstream {
    /// The servers that requests are forwarded to; at least one.
    pub endpoints: Vec<Endpoint>,
    /// TLS; `None` for plain HTTP.
    pub tls: Option<Arc<UpstreamTls>>,
    /// The value of `Host` in forwarded requests.
    pub host: HostHeader,
    /// The prefix of every path.
    pub path: String,
    /// The timeout of connecting, with the handshake of TLS.
    pub connect_timeout: Duration,
    /// The timeout from the request to the head of the response, and between two chunks of its body.
    pub timeout: Duration,
    /// Maximum number of headers of a response.
    pub max_headers: usize,
    /// Connections that are idle for longer are closed.
    pub idle_timeout: Duration,
    /// When an endpoint that fails is not used for a while; `None` for never.
    pub ejection: Option<Ejection>,
    /// Requests that find out whether endpoints are healthy.
    pub health_check: Option<HealthCheck>,
    /// How long a recovered endpoint takes to get its full share of requests; `None` for no time.
    pub slow_start: Option<Duration>,
}

/// When an endpoint that fails is not used for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ejection {
    /// After this many failures in a row.
    pub failures: NonZeroU32,
    /// For this time; twice as long each further time in a row.
    pub time: Duration,
}

impl Default for Ejection {
    /// After 5 failures, for 10 seconds.
    fn default() -> Self {
        Self { failures: NonZeroU32::MIN.saturating_add(4), time: Duration::from_secs(10) }
    }
}

/// Requests that find out whether an endpoint is healthy. It is if it responds with a 2xx status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthCheck {
    /// The path and the query.
    pub path: String,
    /// The time between two of them.
    pub interval: Duration,
    /// The time for the response.
    pub timeout: Duration,
    /// After this many failures in a row the endpoint is not used.
    pub failures: NonZeroU32,
    /// After this many successes in a row it is used again.
    pub successes: NonZeroU32,
}

impl HealthCheck {
    /// Checks of this path every 5 seconds, with a timeout of 2 seconds; 2 in a row count.
    pub fn new(path: String) -> Self {
        let two = NonZeroU32::MIN.saturating_add(1);
        let (interval, timeout) = (Duration::from_secs(5), Duration::from_secs(2));
        Self { path, interval, timeout, failures: two, successes: two }
    }
}

/// One server of an upstream.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Endpoint {
    /// Where to connect to.
    pub address: EndpointAddress,
    /// Its host and port, as in its URL.
    pub authority: Authority,
    /// Its share of the requests, compared with the others.
    pub weight: NonZeroU32,
}

/// Where to connect to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum EndpointAddress {
    /// Host and port.
    Tcp(String),
    /// A Unix socket.
    Unix(PathBuf),
}

/// The value of `Host` in forwarded requests.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum HostHeader {
    /// That of the endpoint's URL.
    #[default]
    Endpoint,
    /// The one that the client sent.
    Client,
    /// Always the same.
    Fixed(HeaderValue),
}

impl fmt::Display for EndpointAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => f.write_str(address),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl Endpoint {
    /// In place of one that is missing: nothing listens there.
    pub(crate) fn nowhere() -> Self {
        let address = EndpointAddress::Tcp("localhost:0".to_owned());
        Self { address, authority: Authority::from_static("localhost"), weight: NonZeroU32::MIN }
    }

    /// The port of its URL; that of its scheme without one.
    pub(crate) fn port(&self) -> u16 {
        match &self.address {
            EndpointAddress::Tcp(address) => {
                let port = address.rsplit_once(':').and_then(|(_, port)| port.parse().ok());
                port.unwrap_or(HTTP_PORT)
            }
            EndpointAddress::Unix(_) => HTTP_PORT,
        }
    }
}

/// Headers that the response of an upstream may have by default.
const DEFAULT_MAX_HEADERS: usize = 100;
/// Shorter than the idle timeout of common servers.
const DEFAULT_IDLE_TIMEOUT: Duration = Duration::from_secs(30);
const HTTP_PORT: u16 = 80;
const HTTPS_PORT: u16 = 443;

/// Parses `http://HOST[:PORT][/PATH]`, the same with `https`, or `unix:PATH`; the other settings have their defaults. With
/// `https` the root certificates of the system are trusted.
impl FromStr for Upstream {
    type Err = UpstreamUrlError;

    fn from_str(url: &str) -> Result<Self, UpstreamUrlError> {
        if let Some(path) = url.strip_prefix("unix:") {
            // `unix:/PATH`, or `unix:///PATH` as some servers write it.
            let path = path.strip_prefix("//").unwrap_or(path);
            if !path.starts_with('/') || path.contains('\0') {
                return Err(UpstreamUrlError::SocketPath);
            }
            let address = EndpointAddress::Unix(PathBuf::from(path));
            return Ok(Self::new(address, Authority::from_static("localhost"), String::new(), None));
        }
        let uri: http::Uri = url.parse().map_err(|_| UpstreamUrlError::NotAUrl)?;
        let authority = uri.authority().cloned().ok_or(UpstreamUrlError::NotAUrl)?;
        if authority.as_str().contains('@') || uri.query().is_some() {
            return Err(UpstreamUrlError::CredentialsOrQuery);
        }
        let (default_port, is_https) = match uri.scheme_str() {
            Some("http") => (HTTP_PORT, false),
            Some("https") => (HTTPS_PORT, true),
            _ => return Err(UpstreamUrlError::UnknownScheme),
        };
        let port = match authority.as_str().strip_prefix(authority.host()) {
            None | Some("") => Some(default_port),
            Some(port) => {
                port.strip_prefix(':').and_then(|port| port.parse::<u16>().ok()).filter(|port| *port > 0)
            }
        };
        let port = port.ok_or(UpstreamUrlError::Port)?;
        let address = EndpointAddress::Tcp(format!("{}:{port}", authority.host()));
        check_host(authority.host())?;
        let path = uri.path().trim_end_matches('/').to_owned();
        let tls = is_https.then(|| Arc::new(UpstreamTls::with_system_roots()));
        Ok(Self::new(address, authority, path, tls))
    }
}

impl Upstream {
    /// Whether it can be known that no endpoint is healthy, or which one is.
    pub fn has_health(&self) -> bool {
        self.endpoints.len() > 1 || self.ejection.is_some() || self.health_check.is_some()
    }

    fn new(
        address: EndpointAddress,
        authority: Authority,
        path: String,
        tls: Option<Arc<UpstreamTls>>,
    ) -> Self {
        Self {
            endpoints: vec![Endpoint { address, authority, weight: NonZeroU32::MIN }],
            tls,
            host: HostHeader::default(),
            path,
            connect_timeout: Duration::from_secs(2),
            timeout: Duration::from_secs(30),
            max_headers: DEFAULT_MAX_HEADERS,
            idle_timeout: DEFAULT_IDLE_TIMEOUT,
            ejection: None,
            health_check: None,
            slow_start: None,
        }
    }
}

/// Why a text is not the URL of an upstream.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum UpstreamUrlError {
    /// It cannot be parsed, or has no host.
    NotAUrl,
    /// It has credentials or a query, neither of which is ever sent.
    CredentialsOrQuery,
    /// Its scheme is another than `http` and `https`.
    UnknownScheme,
    /// Its port is not between 1 and 65535.
    Port,
    /// The path of the Unix socket is not absolute.
    SocketPath,
    /// Its host is neither a name nor an address in its usual form.
    UnusualHost(String),
    /// Its host is a link-local address, where the metadata services of clouds are.
    LinkLocal(String),
}

impl fmt::Display for UpstreamUrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAUrl => f.write_str("not a URL"),
            Self::CredentialsOrQuery => {
                f.write_str("the URL of an upstream has a host, a port and a path only")
            }
            Self::UnknownScheme => {
                f.write_str("the URL of an upstream begins with `http://`, `https://` or `unix:`")
            }
            Self::Port => f.write_str("the port must be between 1 and 65535"),
            Self::SocketPath => f.write_str("the path of a Unix socket must be absolute"),
            Self::UnusualHost(host) => {
                write!(f, "`{host}` is neither a host name nor an address in its usual form")
            }
            Self::LinkLocal(host) => {
                write!(f, "`{host}` is a link-local address, where cloud metadata services are")
            }
        }
    }
}

impl std::error::Error for UpstreamUrlError {}

/// Link-local addresses lead to the metadata services of clouds, where credentials are. A name is checked when it is
/// resolved.
fn check_host(host: &str) -> Result<(), UpstreamUrlError> {
    let Ok(address) = host.trim_matches(['[', ']']).parse::<IpAddr>() else {
        // What ends in a number is an address in one of the forms that resolvers still accept: decimal, octal,
        // hexadecimal, or with fewer than four parts.
        let last = host.trim_end_matches('.').rsplit('.').next().unwrap_or_default();
        let is_number = last.strip_prefix("0x").unwrap_or(last).bytes().all(|byte| byte.is_ascii_hexdigit())
            && last.starts_with(|first: char| first.is_ascii_digit());
        return if is_number { Err(UpstreamUrlError::UnusualHost(host.to_owned())) } else { Ok(()) };
    };
    if is_link_local(address) { Err(UpstreamUrlError::LinkLocal(host.to_owned())) } else { Ok(()) }
}

/// Whether an address is link-local, however it is written.
pub(crate) fn is_link_local(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => (address.segments()[0] & 0xffc0) == 0xfe80,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test ends where its rule does not hold")]

    use super::*;

    #[test]
    fn urls_name_address_and_transport() {
        for (url, address, is_tls, path) in [
            ("http://shop", "shop:80", false, ""),
            ("http://shop:9000/v1/", "shop:9000", false, "/v1"),
            ("https://shop", "shop:443", true, ""),
            ("https://shop:8443/v1", "shop:8443", true, "/v1"),
            ("https://[2001:db8::1]", "[2001:db8::1]:443", true, ""),
            ("unix:/run/shop.sock", "unix:/run/shop.sock", false, ""),
            ("unix:///run/shop.sock", "unix:/run/shop.sock", false, ""),
        ] {
            let upstream: Upstream = url.parse().unwrap();
            assert_eq!(upstream.endpoints[0].address.to_string(), address, "{url}");
            assert_eq!((upstream.tls.is_some(), &*upstream.path), (is_tls, path), "{url}");
        }
        for (url, error) in [
            ("/shop", UpstreamUrlError::NotAUrl),
            ("shop:9000", UpstreamUrlError::UnknownScheme),
            ("ftp://shop", UpstreamUrlError::UnknownScheme),
            ("https://shop:0", UpstreamUrlError::Port),
            ("https://user@shop", UpstreamUrlError::CredentialsOrQuery),
            ("https://169.254.169.254", UpstreamUrlError::LinkLocal("169.254.169.254".to_owned())),
            ("unix:run/shop.sock", UpstreamUrlError::SocketPath),
            ("unix:", UpstreamUrlError::SocketPath),
        ] {
            assert_eq!(url.parse::<Upstream>().unwrap_err(), error, "{url}");
        }
    }
}
