//! An API on two listeners with a contract version each.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what failed by failing")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value as Json;

const CONTRACT: &str = "formats: { default: { MEMBER: $code } }\nerrors:\n  internal: { status: 500, message: Ours., \
                        on: [internal, request, resource] }\n";
const CONFIGURATION: &str = "demur: 2\nlisten: { public: 127.0.0.1:1, partners: 127.0.0.1:2 }\napis:\n  - name: shop\n    \
     contract: ./public.yaml\n    versions: [{ contract: ./partners.yaml, match: { listener: partners } }]\n    \
     openapi: openapi.yaml\n    upstream: 'http://127.0.0.1:9'\n    authentication: { prefix: shp }\n";

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    for name in ["public", "partners"] {
        let contract = format!("demur: 1\nname: shop-{name}\n{}", CONTRACT.replace("MEMBER", name));
        write(&format!("{name}.yaml"), &contract);
    }
    write("openapi.yaml", "{ openapi: 3.1.0, info: { title: shop, version: '1' }, paths: {} }");
    write("demur.yaml", CONFIGURATION);
    folder
}

fn serve(folder: &Path, listen: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_demur"));
    command.args(["serve", "--format", "json"]).current_dir(folder).env_remove("DEMUR_LISTEN");
    for address in listen {
        command.args(["--listen", address]);
    }
    command
}

/// Killed on drop.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn ask(url: &str, request: &str) -> String {
    let mut stream = TcpStream::connect(url.strip_prefix("http://").unwrap()).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn a_listener_selects_its_contract_version() {
    let folder = folder();
    let mut command = serve(folder.path(), &["public=127.0.0.1:0", "partners=127.0.0.1:0"]);
    let mut running = Running(command.stdout(Stdio::piped()).spawn().unwrap());
    let mut line = String::new();
    BufReader::new(running.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let ready: Json = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
    for name in ["public", "partners"] {
        let url = ready["listeners"][name].as_str().unwrap();
        // A valid request, and one that cannot be parsed.
        for request in [
            "GET /none HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n\r\n",
            "GET /none HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        ] {
            let answer = ask(url, request);
            let (_, content) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{name}: {answer:?}"));
            assert!(content.starts_with(&format!("{{\"{name}\":")), "{name}: {answer}");
        }
    }
}

#[test]
fn rejects_unknown_listeners() {
    let folder = folder();
    let stderr = |output: Output| (output.status.code(), String::from_utf8(output.stderr).unwrap());
    for (listen, message, help) in [
        ("127.0.0.1:0", "`--listen` must name one of several listeners", "--listen NAME=ADDRESS"),
        ("publc=127.0.0.1:0", "unknown listener `publc`", "did you mean `public`?"),
    ] {
        let (code, said) = stderr(serve(folder.path(), &[listen]).output().unwrap());
        assert_eq!(code, Some(2), "{said}");
        assert!(said.contains(message) && said.contains(help), "{said}");
    }
    for (listener, message) in
        [("partnrs", "did you mean `partners`?"), ("else", "listeners: public, partners")]
    {
        let wrong = CONFIGURATION.replace("listener: partners", &format!("listener: {listener}"));
        std::fs::write(folder.path().join("demur.yaml"), wrong).unwrap();
        let (code, said) = stderr(serve(folder.path(), &[]).output().unwrap());
        assert_eq!(code, Some(3), "{said}");
        assert!(said.contains(message), "{said}");
    }
}
