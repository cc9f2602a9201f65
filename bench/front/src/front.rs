//! A front as a process of its own on a core of its own.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::site::Site;

/// Which front.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Bytes from here to there: the floor.
    Relay,
    /// nginx.
    Nginx,
    /// HAProxy.
    Haproxy,
    /// Envoy.
    Envoy,
    /// Demur.
    Demur,
    /// hyper with nothing around it; only for what a connection costs it.
    Hyper,
}

impl Kind {
    /// In the table's order.
    pub const ALL: [Kind; 5] = [Kind::Relay, Kind::Nginx, Kind::Haproxy, Kind::Envoy, Kind::Demur];

    /// As the table calls it.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Relay => "relay",
            Kind::Nginx => "nginx",
            Kind::Haproxy => "HAProxy",
            Kind::Envoy => "Envoy",
            Kind::Demur => "Demur",
            Kind::Hyper => "hyper",
        }
    }

    /// By its name in the table.
    pub fn named(name: &str) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| kind.name().eq_ignore_ascii_case(name))
    }
}

/// Where the programs are.
#[derive(Debug, Clone)]
pub struct Programs {
    /// A folder with nginx, haproxy and envoy.
    pub others: PathBuf,
    /// The binary `demur`.
    pub demur: PathBuf,
}

/// A front that serves. It is killed when this is dropped.
pub struct Front {
    /// Which it is.
    pub kind: Kind,
    /// Where it listens.
    pub address: SocketAddr,
    child: Child,
}

impl Front {
    /// Starts it on this core and waits until it listens. `wrapper` is put before its command line.
    pub fn start(
        kind: Kind,
        programs: &Programs,
        site: &Site,
        service: SocketAddr,
        core: usize,
        wrapper: &[&str],
    ) -> Self {
        let address = free_port();
        let mut line = vec!["taskset".to_owned(), "-c".to_owned(), core.to_string()];
        line.extend(wrapper.iter().map(|word| (*word).to_owned()));
        line.extend(command_line(kind, programs, site, address, service));
        let log = File::create(site.folder().join(format!("{}.log", kind.name()))).expect("a log");
        let child = Command::new(&line[0])
            .args(&line[1..])
            .current_dir(site.folder())
            .env("DEMUR_LOG", std::env::var("DEMUR_LOG").unwrap_or_else(|_| "warn".to_owned()))
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a log"))
            .stderr(log)
            .spawn()
            .unwrap_or_else(|error| panic!("{line:?}: {error}"));
        let mut front = Self { kind, address, child };
        front.wait(site.folder());
        front
    }

    /// The process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    fn wait(&mut self, folder: &Path) {
        let started = Instant::now();
        while TcpStream::connect(self.address).is_err() {
            let log =
                || fs::read_to_string(folder.join(format!("{}.log", self.kind.name()))).unwrap_or_default();
            let ended = self.child.try_wait().expect("it is our child");
            assert!(ended.is_none(), "{} ended: {}", self.kind.name(), log());
            assert!(
                started.elapsed() < Duration::from_secs(60),
                "{} does not start: {}",
                self.kind.name(),
                log()
            );
            thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        // An error says that it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A port that was free just now: not every front can be asked which one it was given.
fn free_port() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.local_addr().expect("it is bound")
}

fn command_line(
    kind: Kind,
    programs: &Programs,
    site: &Site,
    listen: SocketAddr,
    service: SocketAddr,
) -> Vec<String> {
    let other = |name: &str| programs.others.join(name).display().to_string();
    let shown = |path: PathBuf| path.display().to_string();
    match kind {
        Kind::Relay => {
            let own = std::env::current_exe().expect("this program is somewhere");
            vec![shown(own), "relay".to_owned(), listen.to_string(), service.to_string()]
        }
        Kind::Hyper => {
            let own = std::env::current_exe().expect("this program is somewhere");
            vec![shown(own), "hyper".to_owned(), listen.to_string()]
        }
        Kind::Nginx => {
            let map = site.map(|account, key| format!("\"Bearer {key}\" {account};"));
            fs::write(site.folder().join("nginx-keys.map"), map).expect("a map");
            let file = site.write("nginx.conf", include_str!("../site/nginx.conf"), listen, service);
            let folder = site.folder().display().to_string();
            let errors = format!("{folder}/nginx-error.log");
            [other("nginx"), "-p".into(), folder, "-e".into(), errors, "-c".into(), shown(file)].into()
        }
        Kind::Haproxy => {
            let map = site.map(|account, key| format!("{key} {account}"));
            fs::write(site.folder().join("haproxy-keys.map"), map).expect("a map");
            let file = site.write("haproxy.cfg", include_str!("../site/haproxy.cfg"), listen, service);
            vec![other("haproxy"), "-db".to_owned(), "-f".to_owned(), shown(file)]
        }
        Kind::Envoy => {
            let credentials = site.accounts().fold(String::new(), |mut text, (account, key)| {
                let _ = writeln!(text, "                        - {{ key: {key}, client: {account} }}");
                text
            });
            let text = include_str!("../site/envoy.yaml").replace("{credentials}\n", &credentials);
            let file = site.write("envoy.yaml", &text, listen, service);
            let words = ["--concurrency", "1", "--log-level", "error", "--disable-hot-restart"];
            let mut line = vec![other("envoy"), "-c".to_owned(), shown(file)];
            line.extend(words.map(str::to_owned));
            line
        }
        Kind::Demur => {
            site.write("openapi.yaml", include_str!("../site/openapi.yaml"), listen, service);
            let file = site.write("demur.yaml", include_str!("../site/demur.yaml"), listen, service);
            vec![
                shown(programs.demur.clone()),
                "serve".to_owned(),
                "-q".to_owned(),
                "-c".to_owned(),
                shown(file),
            ]
        }
    }
}
