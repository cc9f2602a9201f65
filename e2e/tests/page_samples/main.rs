//! The code samples of the reference pages, run once in each language against the mock: each prints what its page says.
//!
//! Where an error is worth a retry, the mock answers the second request with a success. The Rust samples are compiled with
//! this test: `samples.rust` has them as the pages do; `DEMUR_UPDATE_GOLDENS=1` writes it anew.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on should stop and say where")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

use demur_e2e::{Outcome, Program, TestDir, installed, run};
use serde_json::{Value as Json, json};

/// The samples in Rust, each in a module named like the first page that has it.
mod samples {
    #![allow(
        clippy::all,
        clippy::pedantic,
        clippy::print_stdout,
        clippy::print_stderr,
        clippy::indexing_slicing,
        clippy::absolute_paths,
        missing_docs,
        unreachable_pub,
        reason = "code of the pages, as callers have it"
    )]
    include!("samples.rust");
}

const LANGUAGES: [&str; 5] = ["curl", "python", "javascript", "typescript", "rust"];

/// One sample, and what its page says that it prints.
struct Sample {
    api: String,
    /// The error, and whether the sample tries again after it; `None` for the samples that handle all errors.
    error: Option<(String, bool)>,
    language: String,
    code: String,
    prints: String,
}

impl Sample {
    /// The name of its module in Rust.
    fn module(&self) -> String {
        let error = self.error.as_ref().map_or("index", |(error, _)| error);
        format!("{}_{error}", self.api).replace('-', "_")
    }
}

/// Everything that `demur docs build` writes in Markdown, by its path.
fn pages(folder: &Path) -> BTreeMap<String, String> {
    let config = config();
    let outcome = run(&["docs", "build", "site", "--config", config.to_str().unwrap()], folder);
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    let site = folder.join("site");
    let mut pages = BTreeMap::new();
    for api in demur_examples::all() {
        for entry in fs::read_dir(site.join(api.name).join("errors")).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "md") {
                let name = path.file_stem().unwrap().to_str().unwrap();
                pages.insert(format!("{}/{name}", api.name), fs::read_to_string(&path).unwrap());
            }
        }
        let index = fs::read_to_string(site.join(api.name).join("index.md")).unwrap();
        pages.insert(format!("{}/", api.name), index);
    }
    pages
}

/// The distinct samples, each from the first page that has it.
fn samples_of(pages: &BTreeMap<String, String>) -> Vec<Sample> {
    let mut known = BTreeSet::new();
    let mut all = Vec::new();
    for (path, page) in pages {
        let (api, error) = path.split_once('/').unwrap();
        let is_retried = ["after a delay", "with backoff"]
            .iter()
            .any(|when| page.contains(&format!("May I retry?** Yes, {when}")));
        let prints = match (error, is_retried) {
            ("", _) | (_, true) => "ok".to_owned(),
            // A page without a response has no samples.
            _ => fenced(page, "text").next().map(|response| printed(&response)).unwrap_or_default(),
        };
        for language in LANGUAGES {
            for code in fenced(page, language).filter(|code| known.insert((language, code.clone()))) {
                let (api, language, prints) = (api.to_owned(), language.to_owned(), prints.clone());
                let error = Some((error.to_owned(), is_retried)).filter(|(name, _)| !name.is_empty());
                all.push(Sample { api, error, language, code, prints });
            }
        }
    }
    all
}

/// The blocks of a page in a language.
fn fenced(page: &str, language: &str) -> impl Iterator<Item = String> {
    let begin = format!("\n```{language}\n");
    let blocks: Vec<String> = page
        .match_indices(&begin)
        .map(|(at, found)| {
            let code = &page[at + found.len()..];
            code[..code.find("```\n").unwrap()].to_owned()
        })
        .collect();
    blocks.into_iter()
}

/// The status of the exact response on the page, and its code where it has one.
fn printed(response: &str) -> String {
    let status = response.split(' ').nth(1).unwrap();
    let body: Json = serde_json::from_str(response.split_once("\n\n").unwrap().1).unwrap();
    let code = body.pointer("/error/code").or(body.pointer("/code")).and_then(Json::as_str);
    format!("{status} {}", code.unwrap_or_default()).trim().to_owned()
}

fn config() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/demur.yaml")
}

/// Where a mock of the examples listens.
struct Mock {
    url: String,
    control: String,
}

impl Mock {
    fn start(folder: &Path) -> (Program, Self) {
        let config = config();
        let fixed = ["mock", "--config", config.to_str().unwrap(), "--listen", "127.0.0.1:0"];
        let more = ["--control", "127.0.0.1:0", "--format", "json"];
        let mut program = Program::start(&[&fixed[..], &more].concat(), folder);
        let about: Json = serde_json::from_str(&program.line()).unwrap();
        let url = about["mock"].as_str().unwrap().to_owned();
        let control = about["control"].as_str().unwrap().trim_start_matches("http://").to_owned();
        (program, Self { url, control })
    }

    /// The API's next request is answered with an error, after which a client waits for a second.
    fn fail_next(&self, api: &str, error: &str) {
        let rule = json!({ "api": api, "steps": [{ "error": error, "retry_after": "1s" }] }).to_string();
        let head = format!(
            "POST /next HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            self.control,
            rule.len()
        );
        let mut stream = TcpStream::connect(&self.control).unwrap();
        stream.write_all((head + &rule).as_bytes()).unwrap();
        let mut response = String::new();
        stream.read_to_string(&mut response).unwrap();
        assert!(response.starts_with("HTTP/1.1 2"), "{response}");
    }

    /// Runs a sample, and returns what it prints.
    fn run(&self, sample: &Sample, folder: &Path) -> String {
        if let Some((error, _)) = &sample.error {
            self.fail_next(&sample.api, error);
        }
        let file = |name: &str| {
            let path = folder.join(format!("{}.{name}", sample.module()));
            fs::write(&path, &sample.code).unwrap();
            path
        };
        let mut command = match sample.language.as_str() {
            "curl" => {
                let mut bash = Command::new("bash");
                bash.args(["-c", &sample.code]);
                bash
            }
            "python" => {
                let mut python = Command::new(installed("python.sh"));
                python.arg(file("py"));
                python
            }
            "javascript" => {
                let mut node = Command::new("node");
                node.arg(file("cjs"));
                node
            }
            "typescript" => {
                let mut node = Command::new("node");
                node.arg(folder.join(format!("{}.js", sample.module())));
                node
            }
            _ => {
                let mut own = Command::new(std::env::current_exe().unwrap());
                own.args(["one_sample_in_rust", "--exact", "--nocapture", "--test-threads=1"]);
                own.env(MODULE, sample.module());
                own
            }
        };
        command.env("API_URL", format!("{}/{}", self.url, sample.api)).env("API_KEY", "any");
        let outcome = said(command);
        match sample.language.as_str() {
            "curl" => last_response(&outcome),
            // Between the lines of the test harness.
            "rust" => {
                let mut lines = outcome.stdout.lines().map(|line| line.trim_start_matches(HARNESS));
                let is_printed =
                    |line: &&str| *line == "ok" || line.starts_with(|char: char| char.is_ascii_digit());
                lines.find(is_printed).unwrap_or_else(|| panic!("{outcome:?}")).to_owned()
            }
            _ => {
                assert_eq!(outcome.code, Some(0), "{outcome:?}");
                outcome.stdout.trim_end().to_owned()
            }
        }
    }
}

/// What the harness of the tests writes before the output of a test.
const HARNESS: &str = "test one_sample_in_rust ... ";

fn said(mut command: Command) -> Outcome {
    command.stdin(Stdio::null()).env("NO_PROXY", "*").env("no_proxy", "*");
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    Outcome {
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// curl prints each response: what counts is the last one.
fn last_response(outcome: &Outcome) -> String {
    let responses = outcome.stdout.replace("\r\n", "\n");
    let last = &responses[responses.rfind("HTTP/1.1 ").unwrap_or_else(|| panic!("{outcome:?}"))..];
    match outcome.code {
        Some(0) => "ok".to_owned(),
        // The request failed, and the body was printed.
        Some(22) => printed(last),
        _ => panic!("{outcome:?}"),
    }
}

/// Checks the types of all samples in TypeScript strictly, and writes them as JavaScript beside them.
fn compile_typescript(samples: &[Sample], folder: &Path) {
    let mut compiler = Command::new(installed("generators/install.sh").join("node_modules/.bin/tsc"));
    compiler.args(["--strict", "--target", "es2022", "--module", "commonjs", "--lib", "es2022,dom"]);
    // Each file is a module: they all declare the same names.
    compiler.args(["--moduleDetection", "force"]).current_dir(folder);
    for sample in samples.iter().filter(|sample| sample.language == "typescript") {
        let name = format!("{}.ts", sample.module());
        fs::write(folder.join(&name), &sample.code).unwrap();
        compiler.arg(name);
    }
    let outcome = said(compiler);
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
}

/// The module that this process runs, in the environment.
const MODULE: &str = "PAGE_SAMPLE";

/// Runs one sample in a process of its own: it reads the environment and prints. Without a name it has nothing to do.
#[test]
fn one_sample_in_rust() {
    if let Some(module) = std::env::var_os(MODULE) {
        samples::run(module.to_str().unwrap()).unwrap();
    }
}

#[test]
fn samples_print_what_their_pages_say() {
    let folder = TestDir::empty();
    let all = samples_of(&pages(folder.path()));
    let rust: Vec<&Sample> = all.iter().filter(|sample| sample.language == "rust").collect();
    check_golden(&rust);
    compile_typescript(&all, folder.path());
    let check = |mock: &Mock, sample: &Sample| {
        let printed = mock.run(sample, folder.path());
        let (module, language, prints) = (sample.module(), &sample.language, &sample.prints);
        (printed != *prints).then(|| format!("{module} in {language} prints {printed}, not {prints}"))
    };
    // A rule of a mock counts the requests of one API.
    let check_all = |mock: &Mock, language: &str, api: &str| -> Vec<String> {
        let samples = all.iter().filter(|sample| sample.api == api && sample.language == language);
        samples.filter_map(|sample| check(mock, sample)).collect()
    };
    let mocks = LANGUAGES.map(|language| (language, Mock::start(folder.path())));
    let wrong: Vec<String> = thread::scope(|scope| {
        let check_all = &check_all;
        let mut running = Vec::new();
        for (language, (_, mock)) in &mocks {
            let apis = demur_examples::all().iter();
            running.extend(apis.map(|api| scope.spawn(move || check_all(mock, language, api.name))));
        }
        running.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    assert!(wrong.is_empty(), "{wrong:#?}");
    let retried =
        all.iter().filter(|sample| sample.error.as_ref().is_some_and(|(_, is_retried)| *is_retried));
    let count = |language: &str| all.iter().filter(|sample| sample.language == language).count();
    assert!(retried.count() >= 20 && count("curl") >= 15 && count("python") >= 20, "little is shown");
    assert_eq!(count("python"), count("rust"));
}

/// The samples that are compiled are those of the pages.
fn check_golden(samples: &[&Sample]) {
    let modules: String = samples
        .iter()
        .map(|sample| {
            let run = "pub fn run() -> Result<(), Box<dyn std::error::Error>> {\n    main()\n}\n";
            format!("mod {} {{\n{}{run}}}\n\n", sample.module(), sample.code)
        })
        .collect();
    let arms: String =
        samples.iter().map(|sample| format!("        \"{0}\" => {0}::run(),\n", sample.module())).collect();
    let text = format!(
        "{modules}pub fn run(module: &str) -> Result<(), Box<dyn std::error::Error>> {{\n    match module {{\n{arms}        \
         other => Err(format!(\"no sample {{other}}\").into()),\n    }}\n}}\n"
    );
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/page_samples/samples.rust");
    if std::env::var_os("DEMUR_UPDATE_GOLDENS").is_some() {
        fs::write(&file, &text).unwrap();
    }
    assert!(fs::read_to_string(&file).unwrap() == text, "DEMUR_UPDATE_GOLDENS=1 writes {}", file.display());
}
