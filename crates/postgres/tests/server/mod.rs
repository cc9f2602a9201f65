//! A PostgreSQL server of a test's own, on a Unix socket in a temporary folder. It does not run as root, and ends with the
//! process that started it. Shared with the end-to-end tests.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    dead_code,
    unreachable_pub,
    reason = "for tests, each of which uses a part"
)]

use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// The user `nobody`, as whom the server runs where the tests run as root.
const NOBODY: u32 = 65534;

/// A running server. Its superuser is `demur`, without a password.
pub struct Server {
    folder: tempfile::TempDir,
    programs: PathBuf,
    settings: Vec<String>,
    child: Mutex<Child>,
}

impl Server {
    /// Starts a server with an empty cluster.
    pub fn start() -> Self {
        Self::start_with(|_| Vec::new())
    }

    /// The same with TLS, on a free TCP port of this machine too.
    pub fn start_tls(certificate: &str, key: &str) -> (Self, u16) {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let server = Self::start_with(|data| {
            for (name, text) in [("server.crt", certificate), ("server.key", key)] {
                let path = data.join(name);
                std::fs::write(&path, text).unwrap();
                std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
                if is_root() {
                    chown(&path, Some(NOBODY), Some(NOBODY)).unwrap();
                }
            }
            ["ssl=on".to_owned(), "listen_addresses=localhost".to_owned(), format!("port={port}")].into()
        });
        (server, port)
    }

    /// Starts a server with the settings that `prepare` returns for its folder of data.
    fn start_with(prepare: impl FnOnce(&Path) -> Vec<String>) -> Self {
        let installer = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().find_map(|folder| {
            let script = folder.join("e2e/postgres.sh");
            script.exists().then_some(script)
        });
        let output = Command::new(installer.unwrap()).stderr(Stdio::inherit()).output().unwrap();
        assert!(output.status.success(), "PostgreSQL is missing and cannot be installed");
        let programs = PathBuf::from(String::from_utf8(output.stdout).unwrap().trim());
        let folder = tempfile::Builder::new().prefix("demur-pg").tempdir_in("/tmp").unwrap();
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
        if is_root() {
            chown(folder.path(), Some(NOBODY), Some(NOBODY)).unwrap();
        }
        let made = unprivileged(&programs.join("initdb"))
            .args([
                "--auth=trust",
                "--username=demur",
                "--encoding=UTF8",
                "--no-locale",
                "--wal-segsize=4",
                "--no-sync",
                "-D",
            ])
            .arg(folder.path().join("data"))
            .current_dir("/tmp")
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let settings = prepare(&folder.path().join("data"));
        let child = Mutex::new(spawn(&programs, folder.path(), &settings));
        let server = Self { folder, programs, settings, child };
        server.await_ready();
        server
    }

    /// The folder with the programs.
    pub fn programs(&self) -> &Path {
        &self.programs
    }

    /// The folder of the socket.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The connection string of a database, for a user.
    pub fn url_for(&self, user: &str, database: &str) -> String {
        format!("host={} user={user} dbname={database}", self.folder.path().display())
    }

    /// The connection string of a database.
    pub fn url(&self, database: &str) -> String {
        self.url_for("demur", database)
    }

    /// Runs SQL on a database, and returns its output.
    pub fn sql(&self, database: &str, sql: &str) -> String {
        let output = self.psql(database, sql);
        assert!(output.status.success(), "{sql}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    fn psql(&self, database: &str, sql: &str) -> std::process::Output {
        Command::new(self.programs.join("psql"))
            .args([
                "--no-psqlrc",
                "-qAt",
                "-v",
                "ON_ERROR_STOP=1",
                "-U",
                "demur",
                "-d",
                database,
                "-c",
                sql,
                "-h",
            ])
            .arg(self.folder.path())
            .args(
                self.settings
                    .iter()
                    .filter_map(|setting| setting.strip_prefix("port="))
                    .flat_map(|port| ["-p", port]),
            )
            .output()
            .unwrap()
    }

    /// Ends the server at once, as a crash does.
    pub fn kill(&self) {
        let mut child = self.child.lock().unwrap();
        // To the postmaster alone: its children notice, and end by themselves.
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Starts the server again on the same data.
    pub fn restart(&self) {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            *self.child.lock().unwrap() = spawn(&self.programs, self.folder.path(), &self.settings);
            while self.child.lock().unwrap().try_wait().unwrap().is_none() {
                if self.psql("postgres", "SELECT 1").status.success() {
                    return;
                }
                std::thread::sleep(Duration::from_millis(50));
            }
            // The children of the killed server still have its memory.
            assert!(Instant::now() < deadline, "the server does not start again");
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    fn await_ready(&self) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while !self.psql("postgres", "SELECT 1").status.success() {
            assert!(self.child.lock().unwrap().try_wait().unwrap().is_none(), "the server has ended");
            assert!(Instant::now() < deadline, "the server does not start");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let mut child = self.child.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        // Immediate shutdown: all children end, and nothing is kept.
        let _ = Command::new("kill").args(["-QUIT", &child.id().to_string()]).status();
        let _ = child.wait();
    }
}

fn spawn(programs: &Path, folder: &Path, settings: &[String]) -> Child {
    let sockets = format!("unix_socket_directories={}", folder.display());
    unprivileged(&programs.join("postgres"))
        .args([
            "-c",
            "listen_addresses=",
            "-c",
            &sockets,
            "-c",
            "shared_buffers=64MB",
            "-c",
            "max_connections=60",
            "-D",
        ])
        .arg(folder.join("data"))
        .args(settings.iter().flat_map(|setting| ["-c", setting]))
        .current_dir("/tmp")
        .stdout(Stdio::null())
        .stderr(std::fs::File::create(folder.join("log")).unwrap())
        .spawn()
        .unwrap()
}

fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0)
}

/// A program that runs as an unprivileged user, and gets SIGQUIT when this process ends.
fn unprivileged(program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "QUIT"]);
    if is_root() {
        let id = NOBODY.to_string();
        command.args(["--reuid", &id, "--regid", &id, "--clear-groups"]);
    }
    command.arg("--").arg(program);
    command
}
