//! nginx and HAProxy in front of or behind a gateway, as separate processes.

use demur_e2e::installed;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// The header in which a proxy in front of the gateway names its client.
pub(crate) const PEER: &str = "x-chained-peer";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Nginx,
    Haproxy,
}

/// A running proxy, stopped on drop.
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    child: Child,
    folder: TempDir,
}

impl Proxy {
    pub(crate) fn start(kind: Kind, behind: SocketAddr) -> Self {
        let folder = tempfile::Builder::new().prefix("demur-chained-").tempdir().expect("a temporary folder");
        let address = free_port();
        let file = folder.path().join("configuration");
        let text = match kind {
            Kind::Nginx => NGINX,
            Kind::Haproxy => HAPROXY,
        };
        let text = text
            .replace("{folder}", &folder.path().display().to_string())
            .replace("{listen}", &address.to_string())
            .replace("{behind}", &behind.to_string());
        fs::write(&file, text).expect("the folder is ours");
        let mut command = match kind {
            Kind::Nginx => {
                let mut command = Command::new(installed("proxies.sh").join("nginx"));
                command.arg("-p").arg(folder.path()).arg("-e").arg(folder.path().join("errors")).arg("-c");
                command
            }
            Kind::Haproxy => {
                let mut command = Command::new(installed("proxies.sh").join("haproxy"));
                command.args(["-db", "-f"]);
                command
            }
        };
        let log = fs::File::create(folder.path().join("log")).expect("the folder is ours");
        command.arg(&file).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let begun = Instant::now();
        while TcpStream::connect(address).is_err() {
            assert!(child.try_wait().expect("our child").is_none(), "{kind:?} ended: {command:?}");
            assert!(begun.elapsed() < Duration::from_secs(30), "{kind:?} does not start");
            thread::sleep(Duration::from_millis(10));
        }
        Self { address, child, folder }
    }

    /// What it says of itself of responses that it could not get: with how the connection ended (`SD`, `SH`, ...), where it
    /// says so.
    pub(crate) fn troubles(&self) -> String {
        let log = fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
        log.lines().filter(|line| [" 502 ", " 504 "].iter().any(|status| line.contains(status))).collect()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // Fails only if the process has exited already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Neither proxy reports which port it has bound.
fn free_port() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.local_addr().expect("it is bound")
}

const NGINX: &str = r#"
daemon off;
master_process off;
pid {folder}/pid;
events { worker_connections 4096; }
http {
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  # The gateway's bounds should be the ones that speak.
  large_client_header_buffers 8 64k;
  client_header_buffer_size 64k;
  upstream behind { server {behind}; keepalive 32; }
  server {
    listen {listen};
    location / {
      proxy_pass http://behind;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $http_host;
      proxy_set_header X-Chained-Peer $remote_addr;
    }
  }
}
"#;

const HAPROXY: &str = r#"
global
  log stderr format raw local0
  maxconn 2000
  tune.bufsize 131072
  tune.http.maxhdr 256
defaults
  mode http
  log global
  option httplog
  timeout client 30s
  timeout server 30s
  timeout connect 2s
  http-reuse always
  # A kept connection may be closed at the moment at which it is used again, and who finds it so may ask once more (RFC
  # 9112, section 9.3.1). nginx does so unasked. A request that arrived twice would still be found.
  retry-on conn-failure empty-response
frontend front
  bind {listen}
  http-request set-header X-Chained-Peer %[src]
  default_backend behind
backend behind
  server behind {behind}
"#;
