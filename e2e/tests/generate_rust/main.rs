//! `demur generate rust` from the command line, for every built-in contract: the code compiles, all of it in this
//! one crate, and a caller's `match` meets each error that the contract renders.
//!
//! `UPDATE=1` writes the files anew; look at the difference as a reader of the code would.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what failed by failing")]

use std::fs;
use std::path::Path;

use demur_client::{ApiError, ClientBuilder, Error, ErrorIdentity, NetworkError, Policy, Transport};
use demur_contract::{Contract, EntrySource, Problem, builtin};
use demur_e2e::run;
use demur_source::Source;

/// Declares the generated modules of both sides, and what the tests ask of each.
macro_rules! built_ins {
    ($($module:ident $name:literal,)*) => {
        mod service {
            #![allow(dead_code, unreachable_pub, reason = "no service raises every error")]
            $(pub mod $module { include!(concat!("service/", $name, ".rs")); })*
        }

        mod client {
            #![allow(dead_code, unreachable_pub, reason = "no client reads every parameter")]
            $(pub mod $module { include!(concat!("client/", $name, ".rs")); })*
        }

        const NAMES: &[&str] = &[$($name),*];

        /// How the generated enum takes an error: by this name, `None` where it does not recognise it.
        fn taken(name: &str, error: Box<ApiError>) -> Option<String> {
            match name {
                $($name => match client::$module::Error::from(error) {
                    client::$module::Error::Unrecognized(_) => None,
                    known => known.details().name().map(str::to_owned),
                },)*
                _ => panic!("{name} has no module here"),
            }
        }

        fn carried(name: &str) -> &'static str {
            match name {
                $($name => client::$module::CONTRACT,)*
                _ => panic!("{name} has no module here"),
            }
        }
    };
}

built_ins! {
    aspnet "aspnet",
    google "google",
    json_api "json-api",
    odata "odata",
    openai "openai",
    problem "problem",
    rails "rails",
    stripe "stripe",
    trackbot_pro "trackbot-pro",
    trackunit "trackunit",
    trackyard "trackyard",
    trakkr_get_scores "trakkr-get-scores",
    trakkr "trakkr",
}

#[test]
fn every_built_in_contract_has_generated_code() {
    let mut names: Vec<&str> = NAMES.to_vec();
    let mut known: Vec<&str> = builtin::names().collect();
    names.sort_unstable();
    known.sort_unstable();
    assert_eq!(names, known);
}

#[test]
fn generate_writes_the_code_that_is_compiled_here() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/generate_rust");
    let mut others = Vec::new();
    for name in builtin::names() {
        for side in ["service", "client"] {
            let file = folder.join(side).join(format!("{name}.rs"));
            let made = tempfile::NamedTempFile::new().unwrap();
            let into = made.path().display().to_string();
            let outcome = run(&["generate", "rust", name, "--for", side, "--output", &into], &folder);
            assert_eq!(outcome.code, Some(0), "{name}: {}", outcome.stderr);
            let text = fs::read_to_string(made.path()).unwrap();
            if std::env::var_os("UPDATE").is_some() {
                fs::write(&file, &text).unwrap();
            }
            if fs::read_to_string(&file).unwrap_or_default() != text {
                others.push(format!("{side}/{name}.rs"));
            }
        }
    }
    assert!(others.is_empty(), "run this test with UPDATE=1 and look at the difference of {others:?}");
}

/// Responds with what a contract renders.
#[derive(Clone)]
struct Rendered {
    status: u16,
    body: Vec<u8>,
}

impl Transport for Rendered {
    async fn send(&mut self, _: reqwest::Request) -> Result<reqwest::Response, NetworkError> {
        let response = http::Response::builder().status(self.status).header("x-request-id", "req_1");
        Ok(response.body(self.body.clone()).unwrap().into())
    }
}

async fn received(text: &str, rendered: Rendered) -> Box<ApiError> {
    let policy = Policy { max_attempts: 1, ..Policy::default() };
    let client = ClientBuilder::new(rendered).contract_text(text).unwrap().policy(policy).build();
    let request = reqwest::Request::new(http::Method::GET, "http://api.example/".parse().unwrap());
    match client.execute(request, None).await {
        Err(Error::Api(error)) => error,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_match_meets_each_error_that_the_contract_renders() {
    for name in builtin::names() {
        let source = builtin::source(name).unwrap();
        assert_eq!(carried(name), source.text, "the contract that {name} carries");
        let contract = Contract::load(&Source::new("carried", carried(name))).unwrap().contract;
        let (mut met, mut ambiguous) = (0, 0);
        for (id, entry) in contract.entries().filter(|(_, entry)| entry.source == EntrySource::Declared) {
            let mut body = Vec::new();
            contract.render(&Problem::new(id, "req_1"), &mut body);
            let error = received(carried(name), Rendered { status: entry.status.as_u16(), body }).await;
            let identity = error.identity.clone();
            let taken = taken(name, error);
            match identity {
                ErrorIdentity::Exact(exact) => {
                    assert_eq!((&exact, taken.as_ref()), (&entry.name, Some(&exact)), "{name}");
                    met += 1;
                }
                // The contract says itself that these look alike: no arm but `Unrecognized` would be true.
                ErrorIdentity::Ambiguous(several) => {
                    assert!(several.contains(&entry.name), "{name}: {several:?}");
                    assert_eq!(taken, None, "{name}: {several:?}");
                    ambiguous += 1;
                }
                ErrorIdentity::Unknown => panic!("{name} does not recognise its own {}", entry.name),
            }
        }
        assert!(met > ambiguous, "{name}: {met} met, {ambiguous} ambiguous");
    }
}
