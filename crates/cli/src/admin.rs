//! The admin API of a running gateway: what it administers, and the listener that serves it.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use demur_admin::{AdminApi, AdminDatabase, ApiInfo, Configuration, Host, MAX_BODY_BYTES, Reloaded};
use demur_admission::{Command, Plan, Reply};
use demur_gateway::{AdminConfig, BoundService, HttpService, Listener, RunningService};
use http::request::Parts;
use http::{Response, StatusCode};
use jiff::Timestamp;

use crate::exit::CommandFailure;
use crate::reload::{ProcessReply, Reloader, Trigger};
use crate::serving::{OpenStore, not_bound};

/// The admin API before the gateway serves: its address is bound, and its database is open.
pub(crate) struct PreparedAdmin {
    bound: BoundService,
    database: AdminDatabase,
    /// The names of the configuration under which it is served.
    hosts: Vec<String>,
}

/// The admin API while it serves.
pub(crate) struct ServedAdmin {
    pub(crate) service: RunningService,
    pub(crate) url: String,
    /// The file with the first token, if there has never been one before.
    pub(crate) token_file: Option<PathBuf>,
}

impl PreparedAdmin {
    /// Fails early: nothing serves yet.
    pub(crate) fn new(config: &AdminConfig) -> Result<Self, CommandFailure> {
        let bound = BoundService::bind(&config.listener).map_err(not_bound)?;
        let database = database(&config.path)?.with_audit_max_age(config.audit_max_age);
        Ok(Self { bound, database, hosts: config.hosts.clone() })
    }

    /// Serves the API. Of several nodes with one store, each has a database of its own.
    pub(crate) fn serve(
        self,
        journal: Option<PathBuf>,
        store: &OpenStore,
        reloader: &Arc<Reloader>,
    ) -> Result<ServedAdmin, CommandFailure> {
        let Self { bound, database, hosts } = self;
        let failure = |error: &dyn std::fmt::Display| {
            CommandFailure::unavailable(format!("the admin API cannot be served: {error}"), None)
        };
        database.interrupt_requests().map_err(|error| failure(&error))?;
        let token_file = first_token(&database)?;
        let hosts = names(bound.listener(), hosts);
        let host = GatewayHost { store: store.clone(), reloader: Arc::clone(reloader) };
        let api = AdminApi::new(Arc::new(database), Box::new(host), journal, hosts);
        let api = AdminService(api.map_err(|error| failure(&error))?);
        let service = bound.serve("demur-admin", Arc::new(api)).map_err(|error| failure(&error))?;
        let url = format!("{}://{}", service.listener().scheme(), service.address());
        Ok(ServedAdmin { service, url, token_file })
    }
}

/// Where there has never been a token, writes the first one to a file beside the database, and returns its path.
fn first_token(database: &AdminDatabase) -> Result<Option<PathBuf>, CommandFailure> {
    let first = database.create_first_token().map_err(|error| {
        CommandFailure::unavailable(format!("the first token cannot be made: {error}"), None)
    })?;
    let Some(issued) = first else { return Ok(None) };
    let mut path = database.path().as_os_str().to_owned();
    path.push(".token");
    let path = PathBuf::from(path);
    write_secret(&path, issued.secret.expose()).map_err(|error| {
        let help = "make a token with `demur admin token create`".to_owned();
        CommandFailure::unavailable(format!("cannot write `{}`: {error}", path.display()), help)
    })?;
    Ok(Some(path))
}

/// Opens the database of the API.
pub(crate) fn database(path: &Path) -> Result<AdminDatabase, CommandFailure> {
    AdminDatabase::open(path).map_err(|error| {
        CommandFailure::unavailable(
            format!("the database of the admin API cannot be used: {error}"),
            "name a file of its own under `admin.path`".to_owned(),
        )
    })
}

/// Writes a file that only its owner can read, from its first byte on. What an earlier start has left is replaced.
fn write_secret(path: &Path, secret: &str) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    writeln!(file, "{secret}")?;
    file.sync_all()
}

/// The names under which the API is served: those of this machine if only it can reach the address.
fn names(listener: &Listener, configured: Vec<String>) -> Vec<String> {
    let address = listener.address.ip();
    let own = match address.is_loopback() {
        true => vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "[::1]".to_owned(), address.to_string()],
        false => Vec::new(),
    };
    own.into_iter().chain(configured).collect()
}

struct AdminService(AdminApi);

impl HttpService for AdminService {
    fn respond(&self, head: &Parts, body: &[u8]) -> Response<Bytes> {
        self.0.respond(head, body)
    }

    fn reject(&self, status: StatusCode) -> Response<Bytes> {
        self.0.reject(status)
    }

    fn max_body_bytes(&self) -> usize {
        MAX_BODY_BYTES
    }
}

/// The gateway of this process.
struct GatewayHost {
    store: OpenStore,
    reloader: Arc<Reloader>,
}

impl Host for GatewayHost {
    fn execute(&self, command: Command) -> Reply {
        self.store.execute(command, Timestamp::now())
    }

    fn plans(&self) -> Vec<Plan> {
        self.reloader.served().plans
    }

    fn api(&self, name: &str) -> Option<ApiInfo> {
        self.reloader.served().apis.remove(name)
    }

    fn configuration(&self) -> Result<Configuration, String> {
        self.reloader.configuration()
    }

    fn reload(&self) -> Result<Reloaded, Vec<String>> {
        match self.reloader.reload(Trigger::Admin) {
            ProcessReply::Reloaded { generation, changes, warnings, .. } => {
                Ok(Reloaded { generation, changes, warnings })
            }
            ProcessReply::Unchanged { generation, .. } => {
                Ok(Reloaded { generation, changes: Vec::new(), warnings: 0 })
            }
            ProcessReply::Rejected { reasons, .. } => Err(reasons),
            ProcessReply::Compared { .. } => Err(vec!["the configuration was only compared".to_owned()]),
        }
    }
}
