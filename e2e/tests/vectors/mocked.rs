//! The mock against the gateway: asked for the error that the gateway has just answered with, it answers with the same bytes.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;

use demur_contract::{ParseResult, Problem, RecoveredViolation, ResponseView, Value};
use demur_e2e::{Client, Program, Response, TestDir, contract, sound_request};
use serde_json::{Map, Value as Json, json};

/// `demur mock` with the configuration of the examples.
pub(crate) struct Mock {
    _program: Program,
    _folder: TestDir,
    address: String,
    control: String,
}

impl Mock {
    pub(crate) fn start() -> Self {
        let folder = TestDir::empty();
        let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/demur.yaml");
        let config = config.to_str().unwrap();
        let fixed = ["mock", "--config", config, "--listen", "127.0.0.1:0", "--control", "127.0.0.1:0"];
        let mut program = Program::start(&[&fixed[..], &["--format", "json"]].concat(), folder.path());
        let ready: Json = serde_json::from_str(&program.line()).unwrap();
        let address = |name: &str| ready[name].as_str().unwrap().trim_start_matches("http://").to_owned();
        Self { address: address("mock"), control: address("control"), _program: program, _folder: folder }
    }

    /// Every difference of the mock's answer from this one.
    pub(crate) fn differences(&self, api: &str, answer: &Response) -> Vec<String> {
        let contract = contract(api);
        let header = |name: &str| answer.headers.first(name);
        let view = ResponseView { headers: &header, ..ResponseView::new(answer.status, &answer.body) };
        let mut wanted = match contract.parse(&view) {
            ParseResult::Exact(parsed) => {
                let name = &contract.entry(parsed.problem.error).name;
                wanted(name, &parsed.problem, &parsed.violations)
            }
            ParseResult::Ambiguous { candidates } => {
                let problem = Problem::new(candidates[0], "");
                wanted(&contract.entry(candidates[0]).name, &problem, &[])
            }
            ParseResult::Unknown { .. } => return vec![format!("unknown: {answer:?}")],
        };
        if let Some(seconds) = header("retry-after") {
            wanted.insert("retry_after".to_owned(), format!("{seconds}s").into());
        }
        if let Some(allow) = header("allow") {
            wanted.insert("headers".to_owned(), json!({ "allow": allow }));
        }
        wanted.insert("times".to_owned(), 1.into());
        wanted.insert("api".to_owned(), api.into());
        let wanted = Json::Object(wanted);
        let accepted = self.post_next(&wanted);
        if accepted.status != 204 {
            return vec![format!("{}: {wanted}", accepted.text())];
        }
        let client = Client::new(self.address.parse().unwrap(), &format!("/{api}"), contract.clone());
        let mocked = client.send(&sound_request(api, "none"));
        let id = contract.request_id().header.clone();
        let (ours, theirs) = (comparable(&mocked, &id), comparable(answer, &id));
        if ours == theirs {
            Vec::new()
        } else {
            vec![format!("the mock has {ours:?}, the gateway {theirs:?}")]
        }
    }

    fn post_next(&self, rule: &Json) -> Response {
        let body = rule.to_string();
        let mut stream = TcpStream::connect(&self.control).unwrap();
        let head = format!(
            "POST /next HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            self.control,
            body.len()
        );
        stream.write_all((head + &body).as_bytes()).unwrap();
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).unwrap();
        Response::read(&bytes, "POST").unwrap()
    }
}

/// The problem, as the control endpoint takes it. Of violations, what the response shows.
fn wanted(name: &str, problem: &Problem<'_>, recovered: &[RecoveredViolation<'_>]) -> Map<String, Json> {
    let value = |value: &Value| match value {
        Value::Text(text) => json!(text),
        Value::Int(number) => json!(number),
        Value::List(texts) => json!(texts),
    };
    let params: Map<String, Json> =
        problem.params.iter().map(|(name, param)| (name.to_string(), value(param))).collect();
    let complete = problem.violations.iter().map(|violation| {
        json!({
            "rule": violation.condition.name(), "in": violation.location.as_str(), "param": violation.param,
            "pointer": violation.pointer, "value": violation.value, "limit": violation.limit.as_ref().map(value),
            "allowed": violation.allowed,
        })
    });
    let shown = recovered.iter().map(|violation| {
        let location = violation.location.map_or("query", |location| location.as_str());
        // As the contract quotes lists.
        let bare = |text: &str| text.trim_matches(['[', ']']).replace('\'', "");
        let value = violation.value.as_deref().map(bare);
        let allowed = violation.allowed.as_deref().map(bare).unwrap_or_default();
        let allowed: Vec<&str> = allowed.split(", ").filter(|value| !value.is_empty()).collect();
        let rule = violation.rules.first().map(|rule| rule.name());
        json!({
            "rule": rule, "in": location, "param": violation.field.as_ref().or(violation.param.as_ref()),
            "pointer": violation.pointer, "value": value, "limit": violation.limit, "allowed": allowed,
        })
    });
    let violations: Vec<Json> = match problem.violations.len() == recovered.len() {
        true => complete.map(without_null).collect(),
        false => shown.map(without_null).collect(),
    };
    let message = problem.message.as_ref().map(ToString::to_string);
    let all = json!({ "error": name, "params": params, "violations": violations, "message": message });
    let Json::Object(all) = without_null(all) else { unreachable!("it is an object") };
    all
}

fn without_null(value: Json) -> Json {
    match value {
        Json::Object(members) => {
            Json::Object(members.into_iter().filter(|(_, member)| !member.is_null()).collect())
        }
        other => other,
    }
}

/// Status, headers and body, without what is of one moment: the request ID, the date, and the state of an account.
fn comparable(answer: &Response, id_header: &str) -> (u16, Vec<(String, String)>, String) {
    let id = answer.header(id_header);
    let hidden = |text: &str| text.replace(id, "ID");
    let mut headers: Vec<(String, String)> = answer
        .headers
        .iter()
        .filter(|(name, _)| !name.eq_ignore_ascii_case("date"))
        .map(|(name, value)| {
            let name = name.to_ascii_lowercase();
            let is_state = name.contains("ratelimit");
            let value = if is_state { "STATE".to_owned() } else { hidden(value) };
            (name, value)
        })
        .collect();
    headers.sort();
    (answer.status, headers, hidden(&answer.text()))
}
