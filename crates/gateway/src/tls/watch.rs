//! Replaces certificates while the gateway serves, as when they have been renewed.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::server::ListenerTls;
use crate::config::Listener;

/// How often the files are looked at.
const INTERVAL: Duration = Duration::from_secs(2);

/// The certificates of all listeners.
#[derive(Clone)]
pub(crate) struct Certificates(Arc<[Arc<ListenerTls>]>);

impl Certificates {
    pub(crate) fn of(listeners: &[Listener]) -> Self {
        Self(listeners.iter().filter_map(|listener| listener.tls.clone()).collect())
    }

    /// Looks for changed files until the future ends.
    pub(crate) async fn watch_while(self, serving: impl Future) {
        let watching = async {
            loop {
                tokio::time::sleep(INTERVAL).await;
                let certificates = self.clone();
                // A file system can hang, and connections are accepted meanwhile.
                let _ = tokio::task::spawn_blocking(move || certificates.reload()).await;
            }
        };
        if self.0.is_empty() {
            serving.await;
            return;
        }
        tokio::select! {
            _ = serving => {}
            () = watching => {}
        }
    }

    /// Reads the files that have changed.
    pub(crate) fn reload(&self) {
        for tls in &*self.0 {
            let path = tls.files().first().map(|files| files.certificate.display().to_string());
            let path = path.unwrap_or_default();
            match tls.reload(SystemTime::now()) {
                Ok(false) => {}
                Ok(true) => tracing::info!(certificate = path, "certificates reloaded"),
                Err(error) => tracing::error!(certificate = path, %error, "certificates not reloaded"),
            }
        }
    }
}
