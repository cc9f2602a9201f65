//! The classified cases of the crate `http_desync_guardian`, read out of its published source.
//!
//! It classifies heads alone, so that body is added here as the head announces it. Its tiers are those of a proxy that
//! prefers to forward than to reject: Demur rejects what it calls ambiguous or severe, and rejects what it calls compliant by
//! no rule of HTTP's, but for the cases in which the RFCs say otherwise, which are listed.

use demur_e2e::installed;
use std::path::PathBuf;

use demur_e2e::hostile::items;
use demur_source::Node;

use crate::TIMEOUT;
use crate::site::{Document, Site};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tier {
    Compliant,
    Acceptable,
    Ambiguous,
    Severe,
}

struct Case {
    name: String,
    method: String,
    uri: String,
    version: String,
    headers: Vec<(String, String)>,
    tier: Tier,
    reason: String,
}

#[test]
fn rejects_or_forwards_whole_the_cases_of_http_desync_guardian() {
    let folder = installed("desync.sh");
    let files = std::fs::read_dir(&folder).unwrap().map(|file| file.unwrap().path());
    let mut files: Vec<PathBuf> =
        files.filter(|file| file.extension().is_some_and(|end| end == "yaml")).collect();
    files.sort();
    let cases: Vec<Case> = files.iter().flat_map(|file| items(file)).map(|node| case(&node)).collect();
    assert!(cases.len() >= 159, "{} cases", cases.len());
    let site = Site::start(Document::Desync);
    let found: Vec<String> =
        cases.iter().filter_map(|case| run(&site, case).inspect_err(|_| site.forget()).err()).collect();
    assert!(found.is_empty(), "{} of {} cases:\n{}", found.len(), cases.len(), found.join("\n"));
    let (total, expected) = site.seen_and_accounted_for();
    assert_eq!(total, expected);
}

fn run(site: &Site, case: &Case) -> Result<(), String> {
    let wrong = |what: String| format!("- {} ({:?}, {}): {what}", case.name, case.tier, case.reason);
    let (sent, body) = case.bytes();
    let mut connection = site.connect();
    connection.write(&sent);
    connection.finish_sending();
    let is_head = case.method == "HEAD";
    let response = connection.try_read(if is_head { "HEAD" } else { "GET" });
    let response = response.map_err(|error| wrong(format!("no answer: {error}")))?;
    let rest = connection.closed_within(TIMEOUT).map_err(|error| wrong(format!("it stays open: {error}")))?;
    if !rest.is_empty() {
        return Err(wrong(format!("and then: {}", String::from_utf8_lossy(&rest))));
    }
    let received = site.received();
    let seen: Vec<_> =
        received.iter().map(|request| (&*request.method, &*request.target, &*request.body)).collect();
    let (found, cause) = if response.status == 200 {
        if seen != [(&*case.method, &*case.uri, &*body)] {
            return Err(wrong(format!("the upstream saw {received:?}")));
        }
        ("admitted".to_owned(), String::new())
    } else {
        if !seen.is_empty() {
            return Err(wrong(format!("refused, and the upstream saw {received:?}")));
        }
        let logged = site.logged(response.header("x-request-id"));
        (logged["condition"].as_str().unwrap_or_default().to_owned(), logged["cause"].to_string())
    };
    if case.allows(&found) { Ok(()) } else { Err(wrong(format!("{found} ({cause})"))) }
}

/// Where the RFCs want another response than the tier does: the case, what we do, and why.
const OTHERWISE: &[(&str, &str, &str)] = &[
    ("Correct TE OK", "request.not_implemented", NOT_UNDERSTOOD),
    ("Transfer-Encoding: identity and chunked OK", "request.not_implemented", NOT_UNDERSTOOD),
    ("Multiple transfer encoding headers in a single request OK", "request.not_implemented", NOT_UNDERSTOOD),
    ("Different Transfer-Encoding headers", "request.not_implemented", NOT_UNDERSTOOD),
    ("Different Transfer-Encoding headers combined", "request.not_implemented", NOT_UNDERSTOOD),
    ("TE with custom parameters OK", "request.malformed", NO_PARAMETERS),
    ("Transfer-Encoding with a param: chunked;custom_param", "request.malformed", NO_PARAMETERS),
    ("Compliant URL", "request.malformed", "RFC 9112, 3.2: a target has no fragment"),
    ("International in URI", "request.malformed", "RFC 3986, 2: a URI is ASCII"),
    ("Empty URI", "request.malformed", "RFC 9112, 3.2: a target is not empty"),
    ("Transfer_Encoding with underscore.", "admitted", OTHER_NAME),
    ("Content_Length with underscore.", "admitted", OTHER_NAME),
    ("Transfer-Encoding with multiple hyphens", "admitted", OTHER_NAME),
    ("Transfer-Encoding with multiple delimiters", "admitted", OTHER_NAME),
    ("Get with a body and Content-Length", "admitted", BODY_WITH_GET),
    ("Get with a body and Transfer-Encoding", "admitted", BODY_WITH_GET),
    ("Head with a body and Content-Length", "admitted", BODY_WITH_GET),
    ("Head with a body and Transfer-Encoding", "admitted", BODY_WITH_GET),
    ("Has a CL in GET", "admitted", BODY_WITH_GET),
    ("Has a TE in GET", "admitted", BODY_WITH_GET),
];

const NOT_UNDERSTOOD: &str = "RFC 9112, 6.1: 501 for a transfer coding that is not understood";
const NO_PARAMETERS: &str = "RFC 9112, 7.1: parameters of chunked are an error";
const OTHER_NAME: &str = "RFC 9110, 5.1: the name of another field; the content is framed anew";
const BODY_WITH_GET: &str = "RFC 9110, 9.3.1: it has no meaning, and is framed all the same";

impl Case {
    /// Whether this may come of it: `admitted`, or the condition of a rejection.
    fn allows(&self, found: &str) -> bool {
        if let Some((_, ours, _)) = OTHERWISE.iter().find(|(name, ..)| *name == self.name) {
            return found == *ours;
        }
        let is_of_http = found.starts_with("request.") || found == "body.unreadable";
        match self.tier {
            // Paths that the document does not have are still rejected, for that.
            Tier::Compliant => !is_of_http,
            Tier::Acceptable => true,
            Tier::Ambiguous | Tier::Severe => is_of_http,
        }
    }
}

impl Case {
    /// The request, and its body alone.
    fn bytes(&self) -> (Vec<u8>, Vec<u8>) {
        let mut head = format!("{} {}", self.method, self.uri);
        if !self.version.is_empty() {
            head.push(' ');
            head.push_str(&self.version);
        }
        head.push_str("\r\n");
        let has =
            |wanted: &str| self.headers.iter().find(|(name, _)| name.trim().eq_ignore_ascii_case(wanted));
        // The cases are about other headers, and leave out what every request needs.
        if has("host").is_none() {
            head.push_str("Host: a\r\n");
        }
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        let length = has("content-length").and_then(|(_, length)| length.trim().parse().ok()).unwrap_or(0);
        let (body, framed) = match has("transfer-encoding") {
            Some(_) => (b"x".to_vec(), b"1\r\nx\r\n0\r\n\r\n".to_vec()),
            None => (vec![b'x'; length], vec![b'x'; length]),
        };
        (latin(&head).into_iter().chain(framed).collect(), body)
    }
}

/// A character up to 255 is a byte, as in our own cases; any other one is as UTF-8 has it.
fn latin(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    for character in text.chars() {
        match u8::try_from(u32::from(character)) {
            Ok(byte) => bytes.push(byte),
            Err(_) => bytes.extend(character.to_string().bytes()),
        }
    }
    bytes
}

fn case(node: &Node) -> Case {
    let text =
        |node: &Node, name: &str| unescaped(&node.get(name).and_then(Node::scalar_text).unwrap_or_default());
    let headers = node.get("headers").and_then(Node::as_seq).unwrap_or_default();
    let expected = node.get("expected").unwrap();
    Case {
        name: text(node, "name"),
        method: text(node, "method"),
        uri: text(node, "uri"),
        version: text(node, "version"),
        headers: headers.iter().map(|header| (text(header, "name"), text(header, "value"))).collect(),
        tier: match text(expected, "tier").as_str() {
            "Compliant" => Tier::Compliant,
            "Acceptable" => Tier::Acceptable,
            "Ambiguous" => Tier::Ambiguous,
            "Severe" => Tier::Severe,
            other => panic!("no tier: {other}"),
        },
        reason: text(expected, "reason"),
    }
}

/// A second layer of escapes, on top of YAML's.
fn unescaped(text: &str) -> String {
    let mut made = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        if character != '\\' {
            made.push(character);
            continue;
        }
        match characters.next() {
            Some('x') => {
                let digits: String = characters.by_ref().take(2).collect();
                made.push(char::from(u8::from_str_radix(&digits, 16).unwrap()));
            }
            Some('b') => made.push('\u{8}'),
            Some('f') => made.push('\u{c}'),
            Some('n') => made.push('\n'),
            Some('r') => made.push('\r'),
            Some('t') => made.push('\t'),
            Some(other) => made.push(other),
            None => panic!("half an escape: {text}"),
        }
    }
    made
}
