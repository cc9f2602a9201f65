//! Which request produces which documented case. The files under `vectors/` are the measure: a case without
//! a request, or a request without a case, is a failure.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use demur_e2e::Response;
use serde_json::Value as Json;

use crate::world::World;

/// How one alternative of a documented case is produced.
#[derive(Clone, Copy)]
pub(crate) struct Produced {
    /// The contract, which is the file's name and the API's.
    pub(crate) contract: &'static str,
    /// The case's id; of a success, its status.
    pub(crate) case: &'static str,
    /// Which of the alternatives that the case lists, from 1 on.
    pub(crate) alternative: usize,
    /// Causes the condition and returns the responses: each must be as documented.
    pub(crate) produce: fn(&World) -> Vec<Response>,
}

impl Produced {
    /// Whether this is the case's request.
    pub(crate) fn produces(&self, case: &Documented) -> bool {
        (self.contract, self.case, self.alternative) == (&case.contract, &case.case, case.alternative)
    }
}

/// A documented case, one alternative of it.
#[derive(Debug, Clone)]
pub(crate) struct Documented {
    pub(crate) contract: String,
    pub(crate) case: String,
    pub(crate) alternative: usize,
    /// The case as written in the file.
    pub(crate) expected: Json,
}

/// The values of this member in the files (`cases`, `successes`), with a name from `id`.
pub(crate) fn documented(member: &str, id: impl Fn(&Json) -> String) -> Vec<Documented> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors");
    let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let mut found = Vec::new();
    for path in paths {
        let file: Json = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        let contract = file["contract"].as_str().unwrap();
        assert_eq!(path.file_stem().unwrap(), contract, "a file is called as its contract");
        for expected in file[member].as_array().into_iter().flatten() {
            for alternative in 1..=alternatives(expected["when"].as_str().unwrap()) {
                let (contract, case) = (contract.to_owned(), id(expected));
                found.push(Documented { contract, case, alternative, expected: expected.clone() });
            }
        }
    }
    found
}

/// How many alternatives a `when` lists: `each of: A; B; C`, and one otherwise.
pub(crate) fn alternatives(when: &str) -> usize {
    when.strip_prefix("each of:").map_or(1, |list| list.split(';').count())
}

/// Every case without exactly one request, and every request without a case.
pub(crate) fn unmatched(documented: &[Documented], produced: &[Produced]) -> Vec<String> {
    let mut counts: BTreeMap<(&str, &str, usize), (usize, usize)> = BTreeMap::new();
    for one in documented {
        counts.entry((&one.contract, &one.case, one.alternative)).or_default().0 += 1;
    }
    for one in produced {
        counts.entry((one.contract, one.case, one.alternative)).or_default().1 += 1;
    }
    let reported = |((contract, case, alternative), (documented, produced))| {
        format!("{contract} {case} {alternative}: {documented} times documented, {produced} times produced")
    };
    counts.into_iter().filter(|(_, counts)| *counts != (1, 1)).map(reported).collect()
}
