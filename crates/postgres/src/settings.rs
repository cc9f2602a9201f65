//! What a store is opened with.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use demur_admission::Owner;
use jiff::{SignedDuration, Timestamp};
use tokio_postgres::config::{Host, SslMode};

use crate::error::OpenError;
use crate::pepper::PepperText;
use crate::tls::Tls;

/// How long a new connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// What a store is opened with. Its `Debug` output shows no secret.
#[derive(Clone)]
pub struct Settings {
    pub(crate) server: tokio_postgres::Config,
    pub(crate) tls: Tls,
    pub(crate) pepper: PepperText,
    pub(crate) owner: Owner,
    pub(crate) lease: Duration,
    clock_error: SignedDuration,
}

impl Settings {
    /// Creates settings from a connection string, a URL or `host=… user=…`, and the text of a pepper.
    ///
    /// A server that is not on this machine is only used with TLS, unless the connection string says `sslmode=disable`.
    /// `authorities` are the certificates, as PEM, that sign the server's; by default those of the system.
    pub fn new(url: &str, pepper: &str, authorities: Option<&str>) -> Result<Self, OpenError> {
        let invalid = |cause: String| OpenError::InvalidUrl { cause };
        let mut server: tokio_postgres::Config = url
            .trim()
            .parse()
            .map_err(|error: tokio_postgres::Error| invalid(crate::error::describe(&error)))?;
        if server.get_hosts().is_empty() {
            return Err(invalid("it has no host".to_owned()));
        }
        if server.get_dbname().is_none() {
            return Err(invalid("it has no database".to_owned()));
        }
        if server.get_ssl_mode() == SslMode::Prefer && !server.get_hosts().iter().all(is_local) {
            server.ssl_mode(SslMode::Require);
        }
        server.application_name("demur").connect_timeout(CONNECT_TIMEOUT);
        server.tcp_user_timeout(Duration::from_secs(10)).keepalives_idle(Duration::from_secs(10));
        let pepper = PepperText::parse(pepper).ok_or(OpenError::InvalidPepper)?;
        let (tls, owner) = (Tls::new(authorities)?, Owner::this_process());
        Ok(Self {
            server,
            tls,
            pepper,
            owner,
            lease: Duration::from_secs(15),
            clock_error: SignedDuration::ZERO,
        })
    }

    /// Sets the lease of this node: how long its open holds are kept if the node is gone. The default is 15 seconds.
    #[must_use]
    pub fn lease(mut self, lease: Duration) -> Self {
        self.lease = lease;
        self
    }

    /// Acts as another process with a clock that is wrong by `clock_error`, for tests.
    #[doc(hidden)]
    #[must_use]
    pub fn as_node(mut self, owner: Owner, clock_error: SignedDuration) -> Self {
        (self.owner, self.clock_error) = (owner, clock_error);
        self
    }

    /// Returns the clock of this node.
    pub(crate) fn clock(&self) -> Timestamp {
        Timestamp::now().saturating_add(self.clock_error).unwrap_or(Timestamp::MAX)
    }
}

fn is_local(host: &Host) -> bool {
    match host {
        Host::Tcp(name) => {
            name == "localhost" || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
        }
        #[cfg(unix)]
        Host::Unix(_) => true,
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings").field("hosts", &self.server.get_hosts()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requires_tls_for_servers_on_other_machines() {
        let pepper = "00".repeat(32);
        for (url, expected) in [
            ("postgres://demur:s@db.example/demur", Some(SslMode::Require)),
            ("postgres://demur:s@db.example/demur?sslmode=disable", Some(SslMode::Disable)),
            ("postgres://demur:s@localhost/demur", Some(SslMode::Prefer)),
            ("postgres://demur:s@127.0.0.1,db.example/demur", Some(SslMode::Require)),
            ("host=/run/postgresql user=demur dbname=demur", Some(SslMode::Prefer)),
            ("postgres:///demur", None),
            ("postgres://db.example", None),
            ("postgres://demur:s3cr3t@db.example/demur?unknown=1", None),
            ("mysql://db.example/demur", None),
            ("", None),
        ] {
            let settings = Settings::new(url, &pepper, None);
            assert_eq!(
                settings.as_ref().ok().map(|settings| settings.server.get_ssl_mode()),
                expected,
                "{url}"
            );
            let shown = format!(
                "{settings:?} {}",
                settings.as_ref().err().map(ToString::to_string).unwrap_or_default()
            );
            assert!(!shown.contains("s3cr3t"), "{shown}");
        }
        assert!(matches!(
            Settings::new("postgres://localhost/demur", "00", None),
            Err(OpenError::InvalidPepper)
        ));
    }
}
