//! What is true of every answer of the gateway, whatever the test is about.
//!
//! DESIGN's invariants as far as one answer shows them: it is in the contract, it carries one fresh id, and
//! it tells nothing that only operators should know.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use demur_contract::{Contract, Decoded, ErrorId, builtin};

use crate::{MARKER, Response};

/// How much of the answer there is to check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// All of it.
    Whole,
    /// An answer to HEAD: the content is only announced.
    HeadOnly,
}

/// A built-in contract, read once.
pub fn contract(name: &str) -> Arc<Contract> {
    static READ: LazyLock<Mutex<HashMap<String, Arc<Contract>>>> = LazyLock::new(Mutex::default);
    let mut read = READ.lock().unwrap_or_else(PoisonError::into_inner);
    let load = || {
        let source = builtin::source(name).unwrap_or_else(|| panic!("no built-in contract `{name}`"));
        Arc::new(Contract::load(&source).unwrap_or_else(|found| panic!("{found}")).contract)
    };
    Arc::clone(read.entry(name.to_owned()).or_insert_with(load))
}

/// Text that only an upstream, a database or a crash would say.
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

/// Panics where the answer is not as every answer must be.
pub(crate) fn response(contract: &Contract, response: &Response, shape: Shape) {
    let id = one_fresh_id(contract, response);
    for (name, _) in response.fields.iter() {
        assert!(!name.starts_with("demur-"), "a field of the gateway's own reaches a client: {response:?}");
    }
    if response.status >= 400 {
        refusal(contract, response, &id, shape);
    }
}

/// 16 to 64 visible characters that no answer in this process had before.
fn one_fresh_id(contract: &Contract, response: &Response) -> String {
    static SEEN: LazyLock<Mutex<HashSet<String>>> = LazyLock::new(Mutex::default);
    let ids: Vec<&str> = response.fields.all(&contract.request_id().field).collect();
    let [id] = ids.as_slice() else { panic!("{} request ids: {response:?}", ids.len()) };
    assert!((16..=64).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic()), "{response:?}");
    let is_fresh = SEEN.lock().unwrap_or_else(PoisonError::into_inner).insert((*id).to_owned());
    assert!(is_fresh, "an id that another answer had: {response:?}");
    (*id).to_owned()
}

fn refusal(contract: &Contract, response: &Response, id: &str, shape: Shape) {
    let status = response.status;
    let about = contract.about();
    let is_documented = about.statuses.iter().any(|(known, _)| *known == status);
    assert!(
        is_documented || !about.statuses_closed,
        "{status} is none of the statuses of `{}`: {response:?}",
        contract.name()
    );
    for (name, expected) in [("content-type", contract.content_type()), ("cache-control", "no-store")] {
        let values: Vec<&str> = response.fields.all(name).collect();
        assert_eq!(values, [expected], "{name}: {response:?}");
    }
    for delay in response.fields.all("retry-after") {
        assert!(delay.parse::<u64>().is_ok_and(|seconds| seconds >= 1), "Retry-After: {response:?}");
    }
    let challenges = response.fields.all("www-authenticate").count();
    assert_eq!(challenges, usize::from(status == 401), "WWW-Authenticate: {response:?}");
    for (name, value) in response.fields.iter() {
        tells_nothing(value, &format!("the field {name}"), response);
    }
    if shape == Shape::HeadOnly {
        return;
    }
    tells_nothing(&response.text(), "the content", response);
    let errors = recognised(contract, response);
    // Where the format has a place for the id, it is the same id.
    if errors.iter().any(|error| contract.shows_request_id(*error)) {
        assert!(response.text().contains(id), "another id in the content: {response:?}");
    }
}

fn recognised(contract: &Contract, response: &Response) -> Vec<ErrorId> {
    match contract.decode(response.status, &response.content) {
        Decoded::Exact(read) => {
            assert_eq!(read.unknown_members, Vec::<String>::new(), "unknown members: {response:?}");
            vec![read.error]
        }
        Decoded::Ambiguous(errors) => errors,
        Decoded::Unknown => {
            panic!("nothing that `{}` declares: {response:?}: {}", contract.name(), response.text())
        }
    }
}

fn tells_nothing(text: &str, place: &str, response: &Response) {
    let text = text.to_ascii_lowercase();
    for foreign in FOREIGN {
        assert!(!text.contains(&foreign.to_ascii_lowercase()), "{place} tells `{foreign}`: {response:?}");
    }
}
