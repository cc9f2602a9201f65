//! The output of every command, on success and for its common failures (`golden/output/*.txt`).
//! Long because it has a scene for every command.
//!
//! A golden is a transcript: the command after `$`, its standard output, its standard error after `2>`, and its exit code
//! unless that is 0. IDs, secrets, times, ports and paths are masked. `DEMUR_UPDATE_GOLDENS=1` writes the goldens again:
//! read the difference.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what failed by failing")]

use std::fmt::Write;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use regex::Regex;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

const CONTRACT: &str = "\
demur: 1
name: shop
problem_json: off
formats: { default: { code: $code, message: $message } }
errors:
  internal: { status: 500, message: Ours., on: [internal, request] }
  invalid: { status: 400, message: Invalid., on: [param, body] }
  sold_out: { status: 409, message: Gone. }
";
const OPENAPI: &str = "\
{ openapi: 3.1.0, info: { title: shop, version: '1' },
  paths: { /teas: { get: { operationId: listTeas, responses: { '200': { description: ok } } } } } }
";
const CONFIGURATION: &str = "\
demur: 2
store: sqlite:demur.db
plans:
  free: { credits: { monthly: 100 } }
  pro: { credits: { monthly: 1000 } }
apis:
  - name: shop
    contract: problem
    openapi: openapi.yaml
    upstream: 'http://127.0.0.1:9'
    authentication: { prefix: shp }
";

/// The same configuration as a file of version 1, which is deprecated.
fn version_1(configuration: &str) -> String {
    configuration.replace("demur: 2", "demur: 1")
}

/// Commands in a folder, written down.
struct Transcript {
    name: &'static str,
    folder: TempDir,
    text: String,
}

impl Transcript {
    /// In a folder with a configuration.
    fn new(name: &'static str) -> Self {
        let transcript = Self::empty(name);
        transcript.file("contract.yaml", CONTRACT);
        transcript.file("openapi.yaml", OPENAPI);
        transcript.file("demur.yaml", CONFIGURATION);
        transcript
    }

    fn empty(name: &'static str) -> Self {
        Self { name, folder: TempDir::new().unwrap(), text: String::new() }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn file(&self, name: &str, text: &str) {
        fs::write(self.path().join(name), text).unwrap();
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_demur"));
        command.env_clear().env("DEMUR_LOG", "error").args(arguments).current_dir(self.path());
        command
    }

    /// Runs a command to its end.
    fn run(&mut self, arguments: &[&str]) -> String {
        let output = self.command(arguments).output().unwrap();
        let (stdout, stderr) =
            (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
        self.write(arguments, &stdout, &stderr, output.status.code());
        stdout
    }

    /// Runs a command with text on its standard input, which is not written down.
    fn pipe(&mut self, arguments: &[&str], text: &str) {
        let mut command = self.command(arguments);
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        let (stdout, stderr) =
            (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
        assert!(text.len() < 9 || !format!("{stdout}{stderr}").contains(text.trim()), "the secret is shown");
        self.write(arguments, &stdout, &stderr, output.status.code());
    }

    /// Runs a command until it has printed `ready`, and interrupts it.
    fn interrupt(&mut self, arguments: &[&str], ready: &str) {
        let mut child =
            self.command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut stdout = String::new();
        while !stdout.contains(ready) && output.read_line(&mut stdout).unwrap() > 0 {}
        kill_process(Pid::from_child(&child), Signal::INT).unwrap();
        output.read_to_string(&mut stdout).unwrap();
        let mut stderr = String::new();
        child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
        self.write(arguments, &stdout, &stderr, child.wait().unwrap().code());
    }

    fn write(&mut self, arguments: &[&str], stdout: &str, stderr: &str, code: Option<i32>) {
        let quoted = |argument: &&str| match argument.contains([' ', '=']) || argument.is_empty() {
            true => format!("'{argument}'"),
            false => (*argument).to_owned(),
        };
        let arguments: Vec<String> = arguments.iter().map(quoted).collect();
        writeln!(self.text, "$ demur {}", mask(&arguments.join(" "), &CREDENTIALS)).unwrap();
        for line in self.masked(stdout).lines() {
            writeln!(self.text, "{}", line.trim_end()).unwrap();
        }
        for line in self.masked(stderr).lines() {
            writeln!(self.text, "{}", format!("2> {line}").trim_end()).unwrap();
        }
        if code != Some(0) {
            writeln!(self.text, "exit code {}", code.unwrap()).unwrap();
        }
        self.text.push('\n');
    }

    /// The text without what differs from run to run.
    fn masked(&self, text: &str) -> String {
        let program = Path::new(env!("CARGO_BIN_EXE_demur")).canonicalize().unwrap();
        let folder = self.path().canonicalize().unwrap();
        let text =
            text.replace(program.to_str().unwrap(), "demur").replace(folder.to_str().unwrap(), "<folder>");
        mask(&mask(&text, &CREDENTIALS), &VARIABLE)
    }

    /// Compares the transcript with its golden.
    fn check(self) {
        let golden: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/golden/output")
            .join(format!("{}.txt", self.name));
        if std::env::var_os("DEMUR_UPDATE_GOLDENS").is_some() {
            fs::write(&golden, &self.text).unwrap();
        }
        assert_eq!(self.text, fs::read_to_string(&golden).unwrap_or_default(), "{}", golden.display());
    }
}

const CREDENTIALS: [(&str, &str); 2] = [
    (r"\b(key|op)_[0-9a-f]{32}\b", "${1}_<id>"),
    (r"\b([a-z]+(?:_[a-z]+)*_)[0-9A-Za-z]{40,}\b", "${1}<secret>"),
];
const VARIABLE: [(&str, &str); 6] = [
    (r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z", "<time>"),
    (r"\b\d{4}-\d\d-01\b", "<month>"),
    (r"127\.0\.0\.1:[1-9]\d+", "127.0.0.1:<port>"),
    (r"\b\d+ bytes", "<count> bytes"),
    (r"\(\d+ examined\)", "(<count> examined)"),
    (r"demur-demo-\w+", "demur-demo-<random>"),
];

/// Replaces what the patterns match. In a table, a mask is as wide as what it replaces.
fn mask(text: &str, masks: &[(&str, &str)]) -> String {
    let mut text = text.to_owned();
    for (pattern, mask) in masks {
        let mut masked = String::new();
        let mut end = 0;
        for found in Regex::new(pattern).unwrap().captures_iter(&text) {
            let whole = found.get(0).unwrap();
            masked.push_str(&text[end..whole.start()]);
            let start = masked.len();
            found.expand(mask, &mut masked);
            end = whole.end();
            if text[end..].starts_with("  ") {
                let missing = whole.len().saturating_sub(masked.len() - start);
                masked.extend(std::iter::repeat_n(' ', missing));
            }
        }
        masked.push_str(&text[end..]);
        text = masked;
    }
    text
}

/// The first word that starts like this.
fn word(text: &str, start: &str) -> String {
    let mut words = text.split_whitespace();
    words.find(|word| word.starts_with(start)).unwrap_or_else(|| panic!("{text}")).to_owned()
}

#[test]
fn init() {
    let mut transcript = Transcript::empty("init");
    transcript.run(&["init"]);
    transcript.run(&["check", "contract.yaml"]);
    transcript.run(&["init"]);
    transcript.run(&["init", "nowhere/contract.yaml"]);
    transcript.run(&["init", "shop.yaml", "--format", "json"]);
    transcript.check();
}

#[test]
fn check_of_contracts() {
    let mut transcript = Transcript::new("check-contract");
    transcript.run(&["check", "contract.yaml"]);
    let guessing = "  bad_key: { status: 401, message: Not a key., on: [credential.malformed] }\n";
    transcript.file("warnings.yaml", &format!("{CONTRACT}{guessing}"));
    transcript.run(&["check", "warnings.yaml"]);
    transcript.file(
        "errors.yaml",
        &CONTRACT.replace("status: 409", "status: 200").replace("on: [param", "on: [parm"),
    );
    transcript.run(&["check", "errors.yaml"]);
    transcript.run(&["check", "errors.yaml", "--format", "json"]);
    transcript.file("syntax.yaml", "demur: 1\nformats: [\n");
    transcript.run(&["check", "syntax.yaml"]);
    transcript.run(&["check", "nowhere.yaml"]);
    transcript.check();
}

#[test]
fn check_of_configurations() {
    let mut transcript = Transcript::new("check-configuration");
    transcript.run(&["check"]);
    transcript.run(&["check", "--format", "json"]);
    transcript.file("old.yaml", &version_1(CONFIGURATION));
    transcript.run(&["check", "old.yaml"]);
    transcript.run(&["check", "old.yaml", "--format", "json"]);
    transcript.file(
        "errors.yaml",
        &CONFIGURATION.replace("plans:", "palns:").replace("openapi.yaml", "nowhere.yaml"),
    );
    transcript.run(&["check", "errors.yaml"]);
    transcript.run(&["accounts", "create", "--id", "acme", "--name", "Acme", "--plan", "free"]);
    transcript.run(&["keys", "create", "--api", "shop", "--account", "acme"]);
    transcript.file("demur.yaml", &CONFIGURATION.replace("free:", "basic:"));
    transcript.run(&["check"]);
    transcript.run(&["check", "--allow-lockout"]);
    // A warning of the file and an error of the store, in one list.
    transcript.file("demur.yaml", &version_1(&CONFIGURATION.replace("free:", "basic:")));
    transcript.run(&["serve"]);
    transcript.check();
}

#[test]
fn versions() {
    let mut transcript = Transcript::new("check-versions");
    let old = CONTRACT.replace("name: shop", "name: shop-old").replace("status: 409", "status: 410");
    transcript.file("old.yaml", &old);
    let versions =
        "contract: ./contract.yaml\n    versions: [{ contract: ./old.yaml, match: { path: /v1 } }]";
    transcript.file("demur.yaml", &CONFIGURATION.replace("contract: problem", versions));
    transcript.run(&["check"]);
    transcript.check();
}

#[test]
fn schema() {
    let mut transcript = Transcript::empty("schema");
    transcript.run(&["schema", "contracts"]);
    transcript.run(&["schema"]);
    transcript.check();
}

#[test]
fn generate() {
    let mut transcript = Transcript::new("generate");
    transcript.run(&["generate", "rust", "contract.yaml", "--for", "client", "--output", "errors.rs"]);
    transcript.run(&[
        "generate",
        "rust",
        "contract.yaml",
        "--for",
        "client",
        "--output",
        "nowhere/errors.rs",
    ]);
    transcript.run(&["generate", "rust", "shp", "--for", "service"]);
    transcript.run(&["generate", "rust", "contract.yaml", "--for", "browser"]);
    transcript.check();
}

#[test]
fn keys() {
    let mut transcript = Transcript::new("keys");
    transcript.run(&["keys", "list"]);
    transcript.run(&["keys", "create", "--api", "shop", "--account", "acme"]);
    transcript.run(&["accounts", "create", "--id", "acme", "--name", "Acme", "--plan", "free"]);
    let created = transcript.run(&["keys", "create", "--api", "shop", "--account", "acme"]);
    let key = word(&created, "key_");
    transcript.run(&["keys", "create", "--api", "shp", "--account", "acme"]);
    transcript.run(&["keys", "create", "--api", "shop", "--account", "acme", "--operation", "listTea"]);
    transcript.run(&["keys", "create", "--api", "shop", "--account", "acme", "--environment", "test"]);
    transcript.run(&["keys", "create", "--api", "shop", "--account", "acme", "--metadata", "tier"]);
    transcript.run(&[
        "keys",
        "create",
        "--api",
        "shop",
        "--account",
        "acme",
        "--expires",
        "2020-01-01T00:00:00Z",
    ]);
    transcript.run(&["keys", "list", "--limit", "1"]);
    transcript.run(&["keys", "show", &key]);
    transcript.run(&["keys", "show", "key_1"]);
    transcript.run(&["keys", "rotate", &key]);
    transcript.run(&["keys", "rotate", &key, "--grace", "0"]);
    transcript.run(&["keys", "rotate", &key, "--grace", "soon"]);
    transcript.run(&["keys", "disable", &key]);
    transcript.run(&["keys", "rotate", &key]);
    transcript.run(&["keys", "enable", &key]);
    transcript.run(&["keys", "expire", &key, "--at", "2027-01-01T00:00:00Z"]);
    transcript.run(&["keys", "expire", &key, "--at", "soon"]);
    transcript.run(&["keys", "revoke", &key]);
    transcript.run(&["keys", "revoke", &key]);
    transcript.run(&["keys", "revoke", "key_1"]);
    transcript.run(&["keys", "revoke", created.lines().next().unwrap()]);
    transcript.run(&["keys", "rotate-pepper"]);
    transcript.run(&["keys", "list", "--format", "json"]);
    transcript.check();
}

/// Labels, and keys that are found by a secret on standard input.
#[test]
fn keys_by_label_and_secret() {
    let mut transcript = Transcript::new("keys-show");
    transcript.run(&["accounts", "create", "--id", "acme", "--name", "Acme", "--plan", "free"]);
    let create = ["keys", "create", "--api", "shop", "--account", "acme", "--label"];
    let created = transcript.run(&[&create[..], &["billing service"]].concat());
    let (secret, key) = (created.lines().next().unwrap().to_owned(), word(&created, "key_"));
    transcript.run(&[&create[..], &["  "]].concat());
    transcript.run(&[&create[..], &["two\nlines"]].concat());
    transcript.run(&[&create[..], &["x".repeat(201).as_str()]].concat());
    transcript.run(&[&create[..], &[&format!("for {secret}")]].concat());
    transcript.run(&["keys", "list"]);
    transcript.run(&["keys", "list", "--format", "json"]);
    let show = ["keys", "show", "-"];
    transcript.pipe(&show, &format!("{secret}\n"));
    transcript.pipe(&["keys", "show", "-", "-q"], &secret);
    transcript.pipe(&show, &format!("Bearer {secret}"));
    transcript.pipe(&["keys", "show", "-", "--format", "json"], &secret);
    // The old secret of a rotated key leads to it, too.
    transcript.run(&["keys", "rotate", &key, "--grace", "0"]);
    transcript.pipe(&["keys", "show", "-", "-q"], &secret);
    transcript.run(&["keys", "revoke", &key]);
    transcript.pipe(&show, &secret);
    transcript.pipe(&show, "");
    transcript.pipe(&show, "two words");
    transcript.pipe(&show, "shp_unknown");
    transcript.pipe(&show, "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl");
    // A secret as an argument is not repeated.
    transcript.run(&["keys", "show", &secret]);
    transcript.check();
}

#[test]
fn keys_with_environments() {
    let mut transcript = Transcript::new("keys-environments");
    let environments = "prefix: { live: shp_live, test: shp_test }";
    transcript.file("demur.yaml", &CONFIGURATION.replace("prefix: shp", environments));
    transcript.run(&["accounts", "create", "--id", "acme", "--name", "Acme", "--plan", "free"]);
    transcript.run(&["keys", "create", "--api", "shop", "--account", "acme"]);
    transcript.run(&["keys", "create", "--api", "shop", "--account", "acme", "--environment", "tset"]);
    transcript.run(&["keys", "create", "--api", "shop", "--account", "acme", "--environment", "test"]);
    transcript.check();
}

#[test]
fn keys_import() {
    let mut transcript = Transcript::new("keys-import");
    transcript.run(&["accounts", "create", "--id", "acme", "--name", "Acme", "--plan", "free"]);
    let line = |digit: &str| format!("{{\"account\": \"acme\", \"hash\": \"{}\"}}\n", digit.repeat(64));
    transcript.file("keys.jsonl", &[line("1"), line("2")].concat());
    let import = ["keys", "import", "--api", "shop", "--hash", "sha256", "--length", "40", "keys.jsonl"];
    transcript.run(&import);
    transcript.run(&import);
    transcript.run(&[
        "keys",
        "import",
        "--api",
        "shop",
        "--hash",
        "sha256",
        "--length",
        "long",
        "keys.jsonl",
    ]);
    transcript.run(&[
        "keys",
        "import",
        "--api",
        "shop",
        "--hash",
        "hmac-sha256",
        "--length",
        "40",
        "keys.jsonl",
    ]);
    transcript.file("keys.jsonl", &[&line("3"), "{\"account\": \"acme\"}\n"].concat());
    transcript.run(&import);
    let labelled = |label: &str| line("6").replace('}', &format!(", \"label\": \"{label}\"}}"));
    transcript.file("keys.jsonl", &[line("3"), labelled("two\\nlines")].concat());
    transcript.run(&import);
    transcript.file("keys.jsonl", &labelled("the old shop"));
    transcript.run(&import);
    transcript.file("keys.jsonl", &line("4").replace("acme", "acne"));
    transcript.run(&import);
    // More than fits into one command, with an unknown account at the end.
    let many: String =
        (10..1200).map(|number| line("0").replacen("0000", &format!("{number:04}"), 1)).collect();
    transcript.file("keys.jsonl", &[many, line("5").replace("acme", "acne")].concat());
    transcript.run(&import);
    transcript.run(&[
        "keys",
        "import",
        "--api",
        "shop",
        "--hash",
        "sha256",
        "--length",
        "40",
        "nowhere.jsonl",
    ]);
    transcript.check();
}

#[test]
fn accounts() {
    let mut transcript = Transcript::new("accounts");
    transcript.run(&["accounts", "list"]);
    transcript.run(&["accounts", "create", "--id", "acme", "--name", "Acme", "--plan", "golden"]);
    transcript.run(&["accounts", "create", "--id", "acme", "--name", "Acme", "--plan", "free"]);
    transcript.run(&["accounts", "create", "--id", "acme", "--name", "Acme", "--plan", "free"]);
    transcript.run(&["accounts", "create", "--id", "no id at all", "--name", "Acme", "--plan", "free"]);
    transcript.run(&["accounts", "create", "--id", "bravo", "--name", "Bravo", "--plan", "pro"]);
    transcript.run(&["accounts", "list"]);
    transcript.run(&["accounts", "list", "--limit", "1"]);
    transcript.run(&["accounts", "show", "acme"]);
    transcript.run(&["accounts", "show", "acne"]);
    transcript.run(&["accounts", "set-plan", "acme", "pro"]);
    let top_up = ["accounts", "top-up", "acme", "50", "--reason", "gift", "--idempotency-key", "order-1"];
    transcript.run(&top_up);
    transcript.run(&top_up);
    transcript.run(&["accounts", "top-up", "acme", "50", "--reason", ""]);
    transcript.run(&["accounts", "withdraw", "acme", "20", "--reason", "mistake"]);
    transcript.run(&["accounts", "withdraw", "acme", "9999", "--reason", "mistake"]);
    transcript.run(&["accounts", "refund", "acme", "order-1", "--reason", "complaint"]);
    transcript.run(&["accounts", "refund", "acme", "order-2", "--reason", "complaint"]);
    transcript.run(&["accounts", "statement", "acme"]);
    transcript.run(&["accounts", "statement", "acme", "--limit", "1"]);
    transcript.run(&["accounts", "statement", "acme", "--since", "2100-01-01T00:00:00Z"]);
    transcript.run(&["accounts", "verify"]);
    transcript.run(&["accounts", "backup", "backup.db"]);
    transcript.run(&["accounts", "backup", "backup.db"]);
    transcript.run(&["accounts", "prune", "--before", "2020-01-01T00:00:00Z"]);
    transcript.check();
}

#[test]
fn accounts_with_limits() {
    let mut transcript = Transcript::new("accounts-limits");
    let limits = "  free:
    rates:
      - { name: minute, requests: 60, per: 1m }
      - { name: burst, requests: 90, per: 90s, burst: 5, shadow: true }
      - { name: key, requests: 3, per: 500ms, limit_by: key }
      - { name: address, requests: 1, per: 2h, limit_by: address }
    concurrency: 4
    quota: { requests: 1000, time_zone: UTC }
    credits: { monthly: 100 }
";
    transcript.file("demur.yaml", &CONFIGURATION.replace("  free: { credits: { monthly: 100 } }\n", limits));
    transcript.run(&["accounts", "create", "--id", "acme", "--name", "Acme", "--plan", "free"]);
    transcript.run(&["accounts", "show", "acme"]);
    transcript.run(&["accounts", "show", "acme", "--format", "json"]);
    transcript.check();
}

/// The ledger of a deleted account stays, and its ID is not used again.
#[test]
fn accounts_delete() {
    let mut transcript = Transcript::new("accounts-delete");
    transcript.run(&["accounts", "delete", "acme"]);
    transcript.run(&["accounts", "create", "--id", "acme", "--name", "Acme", "--plan", "free"]);
    transcript.run(&["accounts", "create", "--id", "bravo", "--name", "Bravo", "--plan", "pro"]);
    let create = ["keys", "create", "--api", "shop", "--account", "acme"];
    let secret = transcript.run(&create).lines().next().unwrap().to_owned();
    transcript.run(&["accounts", "delete", "acme"]);
    transcript.run(&["accounts", "delete", "acme", "--revoke-keys"]);
    transcript.run(&["accounts", "delete", "acme"]);
    transcript.run(&["accounts", "list"]);
    transcript.run(&["accounts", "show", "acme"]);
    transcript.run(&["accounts", "statement", "acme"]);
    transcript.run(&["accounts", "verify"]);
    transcript.pipe(&["keys", "show", "-"], &secret);
    transcript.run(&create);
    transcript.run(&["accounts", "create", "--id", "acme", "--name", "Acme", "--plan", "free"]);
    transcript.run(&["accounts", "set-plan", "acme", "pro"]);
    transcript.run(&["accounts", "top-up", "acme", "5", "--reason", "gift"]);
    transcript.run(&["accounts", "withdraw", "acme", "5", "--reason", "gift"]);
    transcript.run(&["accounts", "refund", "acme", "order", "--reason", "gift"]);
    // A deleted account on a plan that is gone is no lockout.
    transcript.file("demur.yaml", &CONFIGURATION.replace("free:", "basic:"));
    transcript.run(&["check", "-q"]);
    transcript.check();
}

/// A configuration without plans needs none for its accounts; one with plans does.
#[test]
fn accounts_without_plans() {
    let mut transcript = Transcript::new("accounts-without-plans");
    let start = CONFIGURATION.find("plans:").unwrap();
    let end = CONFIGURATION.find("apis:").unwrap();
    let without = [&CONFIGURATION[..start], &CONFIGURATION[end..]].concat();
    transcript.run(&["accounts", "create", "--id", "acme", "--name", "Acme"]);
    transcript.file("demur.yaml", &without);
    transcript.run(&["accounts", "create", "--id", "acme", "--name", "Acme", "--plan", "free"]);
    transcript.run(&["accounts", "create", "--id", "acme", "--name", "Acme"]);
    transcript.run(&["accounts", "list"]);
    transcript.run(&["keys", "create", "--api", "shop", "--account", "acme"]);
    transcript.run(&["keys", "list"]);
    transcript.run(&["check"]);
    // Plans that are added later.
    transcript.file("demur.yaml", CONFIGURATION);
    transcript.run(&["check"]);
    transcript.run(&["accounts", "set-plan", "acme", "free"]);
    transcript.run(&["check"]);
    // And taken away again: the account is locked out, not without limits.
    transcript.file("demur.yaml", &without);
    transcript.run(&["check"]);
    transcript.check();
}

#[test]
fn apply() {
    let mut transcript = Transcript::new("apply");
    transcript.file(
        "accounts.yaml",
        "accounts:\n  - { id: acme, name: Acme, plan: free }\n  - { id: penny, plan: pro }\n",
    );
    let apply = ["apply", "--file", "accounts.yaml"];
    transcript.run(&[&apply[..], &["--dry-run"]].concat());
    transcript.run(&["accounts", "list"]);
    transcript.run(&apply);
    transcript.run(&apply);
    transcript.file("accounts.yaml", "accounts: [{ id: acme, name: Acme AG, plan: pro }]\n");
    transcript.run(&apply);
    transcript.run(&[&apply[..], &["--format", "json"]].concat());
    transcript.file(
        "accounts.yaml",
        "accounts:\n  - { id: acme, plan: free, grant_day: 31 }\n  - { id: late, plan: free, grant_day: 15 }\n",
    );
    transcript.run(&[&apply[..], &["--dry-run"]].concat());
    transcript.run(&apply);
    transcript.run(&["accounts", "show", "acme"]);
    transcript.run(&[&apply[..], &["--format", "json"]].concat());
    transcript.file(
        "accounts.yaml",
        "accounts:\n  - { id: 'no spaces', plan: fre }\n  - { plan: pro, nam: x }\n  - { id: acme, plan: pro, grant_day: 32 }\n  - { id: acme, plan: free }\n",
    );
    transcript.run(&apply);
    transcript.file("accounts.yaml", "");
    transcript.run(&apply);
    transcript.run(&["apply", "--file", "nowhere.yaml"]);
    transcript.check();
}

#[test]
fn explain() {
    let mut transcript = Transcript::new("explain");
    transcript.run(&["explain", "req_01a2309e6c007d5a9c1f0b8e2d3c4b5a"]);
    transcript.file("demur.yaml", &format!("{CONFIGURATION}journal: journal.db\n"));
    transcript.run(&["explain", "req_01a2309e6c007d5a9c1f0b8e2d3c4b5a"]);
    transcript
        .file("journal.db", "no journal, but a text that is long enough to be taken for a database, nearly");
    transcript.run(&["tail"]);
    transcript.run(&["explain", "quota_exceeded"]);
    transcript.run(&["explain", "quota_exceedd"]);
    transcript.run(&["explain", "the customer says that nothing works"]);
    transcript.file(
        "demur.yaml",
        &CONFIGURATION.replace("demur.yaml", "").replace(
            "sqlite:demur.db\n",
            "sqlite:demur.db\njournal: { path: demur.db, max_size: 5, max_age: 7, every: 1 }\n",
        ),
    );
    transcript.run(&["check"]);
    transcript.run(&["console", "--listen", "0.0.0.0:80"]);
    transcript.check();
}

#[test]
fn admin() {
    let mut transcript = Transcript::new("admin");
    transcript.run(&["admin", "token", "list"]);
    transcript.file("demur.yaml", &format!("{CONFIGURATION}admin: 127.0.0.1:0\n"));
    transcript.run(&["admin", "token", "list"]);
    transcript.run(&["admin", "audit"]);
    transcript.run(&["admin", "token", "create", "--name", "x", "--role", "root"]);
    transcript.run(&["admin", "token", "create", "--name", " ", "--role", "viewer"]);
    transcript.run(&["admin", "token", "create", "--name", "x", "--role", "viewer", "--expires-in", "soon"]);
    transcript.run(&["admin", "token", "revoke", "tok_none"]);
    transcript.file(
        "demur.yaml",
        &format!(
            "{CONFIGURATION}admin: {{ address: '0.0.0.0:1', hosts: ['a:b'], path: demur.db, age: 1d }}\n"
        ),
    );
    transcript.run(&["check"]);
    transcript.file(
        "demur.yaml",
        &format!("{CONFIGURATION}admin: {{ address: '127.0.0.1:0', path: openapi.yaml }}\n"),
    );
    transcript.run(&["admin", "audit"]);
    transcript.check();
}

#[test]
fn serve() {
    let mut transcript = Transcript::new("serve");
    transcript.interrupt(&["serve", "--listen", "127.0.0.1:0"], "shop");
    transcript.interrupt(&["serve", "--listen", "127.0.0.1:0", "--format", "json"], "}\n");
    transcript.run(&["serve", "--listen", "192.0.2.1:0"]);
    transcript.run(&["serve", "--listen", "public=127.0.0.1:0"]);
    transcript.run(&["serve", "--listen", "nowhere"]);
    transcript.run(&["serve", "--config", "nowhere.yaml"]);
    let listeners = "listen: { public: '127.0.0.1:0', partners: '127.0.0.1:0' }\n";
    transcript.file("demur.yaml", &CONFIGURATION.replace("store:", &format!("{listeners}store:")));
    transcript.interrupt(&["serve"], "shop");
    transcript.run(&["serve", "--listen", "127.0.0.1:0"]);
    transcript.run(&["serve", "--listen", "parnters=127.0.0.1:0"]);
    transcript.file("demur.yaml", &CONFIGURATION.replace("sqlite:demur.db", "sqlite:nowhere/demur.db"));
    transcript.run(&["serve", "--listen", "127.0.0.1:0"]);
    transcript.check();
}

#[test]
fn demo() {
    let mut transcript = Transcript::empty("demo");
    let run = ["demo", "--listen", "127.0.0.1:0", "--folder", "demo"];
    transcript.interrupt(&run, "Ctrl-C");
    transcript.file("demo/demur.yaml", "demur: 1\n");
    transcript.run(&run);
    fs::remove_file(transcript.path().join("demo/demur.yaml")).unwrap();
    std::os::unix::fs::symlink("elsewhere", transcript.path().join("demo/link")).unwrap();
    transcript.run(&run);
    transcript.check();
}

#[test]
fn deprecated_spellings() {
    let mut transcript = Transcript::new("deprecated");
    transcript.file("demur.yaml", &version_1(CONFIGURATION));
    transcript.run(&["accounts", "create", "--id", "acme", "--name", "Acme", "--plan", "free"]);
    transcript.run(&["accounts", "top-up", "acme", "50", "--reason", "gift", "--operation", "order-1"]);
    transcript.run(&["accounts", "withdraw", "acme", "5", "--reason", "gift", "--operation", "order-2"]);
    transcript.run(&["keys", "new-pepper"]);
    transcript.run(&["generate", "rust", "contract.yaml", "--for", "client", "--into", "errors.rs"]);
    transcript.run(&["generate", "rust", "contract.yaml", "--for", "client", "-i", "errors.rs", "--quiet"]);
    assert!(transcript.path().join("errors.rs").is_file());
    transcript.check();
}

#[test]
fn reads_the_variable_of_output_under_its_old_name() {
    let transcript = Transcript::new("none");
    let run = |variables: &[(&str, &str)], more: &[&str]| {
        let mut command = transcript.command(&["generate", "rust", "contract.yaml", "--for", "client"]);
        let output = command.envs(variables.iter().copied()).args(more).output().unwrap();
        (output.status.success(), String::from_utf8(output.stderr).unwrap())
    };
    let deprecated = "warning: `DEMUR_INTO` is deprecated: use `DEMUR_OUTPUT`\nwrote old.rs\n";
    for (variables, more, expected) in [
        (&[("DEMUR_OUTPUT", "new.rs")][..], &[][..], "wrote new.rs\n"),
        (&[("DEMUR_INTO", "old.rs")], &[], deprecated),
        (&[("DEMUR_INTO", "old.rs"), ("DEMUR_OUTPUT", "new.rs")], &[], "wrote new.rs\n"),
        (&[("DEMUR_INTO", "old.rs")], &["--output", "new.rs"], "wrote new.rs\n"),
        (&[("DEMUR_INTO", "")], &["--output", "new.rs"], "wrote new.rs\n"),
    ] {
        assert_eq!(run(variables, more), (true, expected.to_owned()), "{variables:?} {more:?}");
    }
}
