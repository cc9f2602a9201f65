//! Checks the invariants of every response of the gateway, whatever the test is about.
//!
//! The invariants that a single response can show: it conforms to the contract, has one fresh request ID, and contains
//! nothing that only operators may see.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use demur_contract::{Contract, ErrorId, ParseResult, ResponseView, builtin};

use crate::{MARKER, Response};

/// Which part of the response there is to check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// The head and the body.
    Whole,
    /// A response to HEAD, which has no body.
    HeadOnly,
}

/// Loads a contract from text.
pub fn read_contract(name: &str, text: &str) -> Arc<Contract> {
    let source = demur_source::Source::new(name, text);
    Arc::new(Contract::load(&source).unwrap_or_else(|found| panic!("{found}")).contract)
}

/// A built-in contract, loaded once.
pub fn contract(name: &str) -> Arc<Contract> {
    static READ: LazyLock<Mutex<HashMap<String, Arc<Contract>>>> = LazyLock::new(Mutex::default);
    let mut read = READ.lock().unwrap_or_else(PoisonError::into_inner);
    let load = || {
        let source = builtin::source(name).unwrap_or_else(|| panic!("no built-in contract `{name}`"));
        Arc::new(Contract::load(&source).unwrap_or_else(|found| panic!("{found}")).contract)
    };
    Arc::clone(read.entry(name.to_owned()).or_insert_with(load))
}

/// Text that only an upstream, a database or a panic produces.
const FOREIGN: [&str; 12] = [
    MARKER,
    "<html",
    "<!doctype",
    "traceback",
    "stack backtrace",
    "panicked at",
    "at store::",
    "db-internal",
    "select ",
    "sqlite",
    "127.0.0.1",
    "os error",
];

/// Panics if the response breaks an invariant.
pub(crate) fn response(contract: &Contract, response: &Response, shape: Shape) {
    // A final response with a valid status: 101 would end HTTP on the connection.
    assert!((200..600).contains(&response.status), "no status of a final answer: {response:?}");
    let id = one_fresh_id(contract, response);
    for (name, _) in response.headers.iter() {
        assert!(!name.starts_with("demur-"), "a field of the gateway's own reaches a client: {response:?}");
    }
    if response.status >= 400 {
        rejection(contract, response, &id, shape);
    }
}

/// The request ID: 16 to 64 visible characters that no response in this process had before.
fn one_fresh_id(contract: &Contract, response: &Response) -> String {
    static SEEN: LazyLock<Mutex<HashSet<String>>> = LazyLock::new(Mutex::default);
    let ids: Vec<&str> = response.headers.all(&contract.request_id().header).collect();
    let [id] = ids.as_slice() else { panic!("{} request ids: {response:?}", ids.len()) };
    assert!((16..=64).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic()), "{response:?}");
    let is_fresh = SEEN.lock().unwrap_or_else(PoisonError::into_inner).insert((*id).to_owned());
    assert!(is_fresh, "an id that another answer had: {response:?}");
    (*id).to_owned()
}

fn rejection(contract: &Contract, response: &Response, id: &str, shape: Shape) {
    let status = response.status;
    let about = contract.about();
    let is_documented = about.statuses.iter().any(|(known, _)| *known == status);
    assert!(
        is_documented || !about.statuses_closed,
        "{status} is none of the statuses of `{}`: {response:?}",
        contract.name()
    );
    for (name, expected) in [("content-type", contract.content_type()), ("cache-control", "no-store")] {
        let values: Vec<&str> = response.headers.all(name).collect();
        assert_eq!(values, [expected], "{name}: {response:?}");
    }
    for delay in response.headers.all("retry-after") {
        assert!(delay.parse::<u64>().is_ok_and(|seconds| seconds >= 1), "Retry-After: {response:?}");
    }
    let challenges = response.headers.all("www-authenticate").count();
    assert_eq!(challenges, usize::from(status == 401), "WWW-Authenticate: {response:?}");
    for (name, value) in response.headers.iter() {
        reveals_nothing(value, &format!("the field {name}"), response);
    }
    if shape == Shape::HeadOnly {
        return;
    }
    reveals_nothing(&response.text(), "the content", response);
    let errors = recognised(contract, response);
    // A format that shows the request ID shows the same one.
    if errors.iter().any(|error| contract.shows_request_id(*error)) {
        assert!(response.text().contains(id), "another id in the content: {response:?}");
    }
}

fn recognised(contract: &Contract, response: &Response) -> Vec<ErrorId> {
    match contract.parse(&ResponseView::new(response.status, &response.body)) {
        ParseResult::Exact(read) => {
            assert!(read.unknown_members.is_empty(), "{:?}: {response:?}", read.unknown_members);
            vec![read.problem.error]
        }
        ParseResult::Ambiguous { candidates } => candidates,
        ParseResult::Unknown { .. } => {
            panic!("nothing that `{}` declares: {response:?}: {}", contract.name(), response.text())
        }
    }
}

fn reveals_nothing(text: &str, place: &str, response: &Response) {
    let text = text.to_ascii_lowercase();
    for foreign in FOREIGN {
        assert!(!text.contains(&foreign.to_ascii_lowercase()), "{place} tells `{foreign}`: {response:?}");
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    /// A rejection of the contract `trakkr-get-scores` with nothing wrong with it, but for these changes.
    fn passes(changes: &[(&str, &str)], shape: Shape) -> bool {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let id = format!("req_of_a_test_{:08}", COUNT.fetch_add(1, Ordering::Relaxed));
        let mut head = "HTTP/1.1 500 S\r\nContent-Type: application/json\r\nCache-Control: no-store\r\n\
                        Retry-After: 5\r\nX-Request-Id: ID\r\n"
            .to_owned();
        let mut body =
            r#"{"error":"Internal server error","errors":["An unexpected error occurred: ID"]}"#.to_owned();
        for (old, new) in changes {
            assert!(head.contains(old) || body.contains(old), "{old}");
            (head, body) = (head.replace(old, new), body.replace(old, new));
        }
        let (head, body) = (head.replace("ID", &id), body.replace("ID", &id));
        let message = format!("{head}Content-Length: {}\r\n\r\n{body}", body.len());
        let read = Response::read(message.as_bytes(), "GET").unwrap();
        let contract = contract("trakkr-get-scores");
        catch_unwind(AssertUnwindSafe(|| response(&contract, &read, shape))).is_ok()
    }

    #[test]
    fn rejects_responses_that_break_an_invariant() {
        assert!(passes(&[], Shape::Whole));
        assert!(passes(&[("Retry-After: 5\r\n", "")], Shape::Whole));
        assert!(passes(&[("500", "200"), ("{\"error\"", "anything")], Shape::Whole));
        let rows: [&[(&str, &str)]; 19] = [
            &[("500", "600")],
            &[("500", "101")],
            &[("500", "429")],
            &[("500", "400")],
            &[("500 S", "401 S")],
            &[("X-Request-Id", "X-Other-Id")],
            &[("X-Request-Id: ID", "X-Request-Id: short")],
            &[("X-Request-Id: ID", "X-Request-Id: ID\r\nX-Request-Id: another-id-of-sixteen")],
            &[("X-Request-Id: ID", "X-Request-Id: another-id-of-sixteen")],
            &[("application/json", "text/html")],
            &[("no-store", "no-cache")],
            &[("Retry-After: 5", "Retry-After: 0")],
            &[("Retry-After: 5", "Retry-After: soon")],
            &[("Retry-After: 5", "WWW-Authenticate: Bearer")],
            &[("Retry-After: 5", "Demur-Account: acme")],
            &[("Retry-After: 5", "Server: db-internal-3.example")],
            &[("Internal server error", "Something else")],
            &[("occurred: ID\"]", "occurred: ID\"],\"trace\":1")],
            &[("occurred: ID", "occurred: ID <html>")],
        ];
        for changes in rows {
            assert!(!passes(changes, Shape::Whole), "{changes:?}");
        }
    }

    #[test]
    fn rejects_a_repeated_request_id() {
        let same = [("X-Request-Id: ID", "X-Request-Id: the-same-id-of-sixteen"), ("500", "200")];
        assert!(passes(&same, Shape::Whole));
        assert!(!passes(&same, Shape::Whole));
    }

    #[test]
    fn checks_only_the_head_of_a_response_to_head() {
        assert!(passes(&[("{\"error\"", "anything")], Shape::HeadOnly));
        assert!(!passes(&[("no-store", "no-cache")], Shape::HeadOnly));
    }
}
