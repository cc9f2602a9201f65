//! What was read from a request, in a comparable form.
//!
//! Servers give nested names back in shapes of their own. Compared are the values of each name up to its first bracket,
//! in their order, with PHP's underscores for dots and blanks.

use std::collections::{BTreeMap, BTreeSet};

use demur_e2e::Received;
use demur_validation::{ApiDocument, CheckedBody, Find};
use http::{HeaderMap, HeaderValue, Method, header::CONTENT_TYPE};
use serde_json::Value as Json;

/// What a parser read, as far as it reads it.
pub(crate) struct Reading {
    pub(crate) query: Option<Fields>,
    pub(crate) fields: Option<Fields>,
    pub(crate) files: Option<Vec<File>>,
}

/// A name, the file's name, and its body.
pub(crate) type File = (String, String, String);

/// Values by name. Those of files are among them.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Fields(BTreeMap<String, Vec<String>>);

/// What Demur's validator read.
pub(crate) struct Judged {
    pub(crate) query: Fields,
    pub(crate) fields: Fields,
}

impl Reading {
    /// Reads the output of a parser; `Err` if it rejected the request.
    pub(crate) fn of(response: &Json) -> Result<Self, String> {
        if let Some(error) = response.get("error") {
            return Err(error.to_string());
        }
        let list = |name: &str| response.get(name).and_then(Json::as_array);
        let texts = |row: &Json| -> Vec<String> {
            row.as_array().into_iter().flatten().map(|text| decoded(text.as_str().expect("a text"))).collect()
        };
        let pairs = |rows: &[Json]| {
            let mut fields = Fields::default();
            for row in rows {
                let [name, value] = texts(row).try_into().expect("a name and a value");
                fields.add(&name, value);
            }
            fields
        };
        let files = list("files").map(|rows| {
            let files = rows.iter().map(|row| {
                let [name, filename, content] = texts(row).try_into().expect("a file");
                (base(&name), plain(&filename), content)
            });
            files.collect::<Vec<File>>()
        });
        let mut fields = list("form").map(|rows| pairs(rows));
        for (name, _, content) in files.iter().flatten() {
            fields.get_or_insert_default().add(name, content.clone());
        }
        Ok(Self { query: list("query").map(|rows| pairs(rows)), fields, files })
    }
}

/// Bytes, of which each came as a character, as text.
fn decoded(text: &str) -> String {
    let bytes: Vec<u8> = text.chars().map(|c| u8::try_from(u32::from(c)).expect("a byte")).collect();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A file's name without its folders, which PHP and busboy leave out; without encodings that browsers, Go and .NET use
/// and only some servers undo.
fn plain(filename: &str) -> String {
    let name = filename.replace("\\\"", "\"").replace("%22", "\"").replace("%20", " ");
    let name = name.rsplit(['/', '\\']).next().unwrap_or_default().to_owned();
    match name.as_str() {
        "=?utf-8?B?bmHDr3ZlLnR4dA==?=" => "na\u{ef}ve.txt".to_owned(),
        _ => name,
    }
}

fn base(name: &str) -> String {
    let base = name.trim_start_matches(' ').split('[').next().unwrap_or_default();
    base.replace(['.', ' '], "_")
}

impl Fields {
    fn add(&mut self, name: &str, value: String) {
        self.0.entry(base(name)).or_default().push(value);
    }

    pub(crate) fn only(&self, names: &BTreeSet<String>) -> Self {
        let known = self.0.iter().filter(|(name, _)| names.contains(*name));
        Self(known.map(|(name, values)| (name.clone(), values.clone())).collect())
    }

    /// What a parser read instead of this.
    pub(crate) fn difference(&self, read: &Fields, parser: &str) -> Option<String> {
        let names: BTreeSet<&String> = self.0.keys().chain(read.0.keys()).collect();
        // PHP takes no field without a name.
        let differs =
            |name: &&&String| !name.is_empty() && !same(self.0.get(**name), read.0.get(**name), parser);
        let name = names.iter().find(differs)?;
        Some(format!("`{name}` is {:?}, and was judged as {:?}", read.0.get(*name), self.0.get(*name)))
    }
}

fn same(judged: Option<&Vec<String>>, read: Option<&Vec<String>>, parser: &str) -> bool {
    let (Some(judged), Some(read)) = (judged, read) else {
        // `tags=` is an empty list.
        return judged == read || judged.is_none() && read.is_some_and(|read| read == &[""]);
    };
    if judged == read {
        return true;
    }
    // An object that came as JSON.
    let members = |text: &str| {
        let value = serde_json::from_str::<Json>(text).ok().filter(Json::is_object)?;
        let mut all = Fields::default();
        flat("", &value, &mut all);
        all.0.remove("")
    };
    match (judged.as_slice(), read.as_slice()) {
        (_, [one]) if members(one).is_some_and(|members| members == *judged) => true,
        // A list of one text.
        (_, [one]) if judged.join(",") == *one => true,
        // Of a name that is repeated without brackets PHP takes the last.
        ([.., last], [one]) => parser == "php" && last == one,
        _ => false,
    }
}

/// What the validator reads from a request.
pub(crate) fn judged(document: &ApiDocument, arrived: &Received) -> Result<Judged, String> {
    let (path, query) =
        arrived.target.split_once('?').map_or((&*arrived.target, None), |(path, query)| (path, Some(query)));
    let content_type = arrived.headers.first("content-type");
    let mut headers = HeaderMap::new();
    if let Some(content_type) = content_type {
        headers.insert(CONTENT_TYPE, HeaderValue::from_str(content_type).expect("a header"));
    }
    let Find::Found(found) = document.find(&Method::POST, path) else { panic!("no operation for {path}") };
    let parameters = document.check_parameters(&found, query, &headers);
    if !parameters.violations.is_empty() {
        return Err(format!("{:?}", parameters.violations));
    }
    let operation =
        document.operation(if path == "/form" { "form" } else { "query" }).expect("it is declared");
    let body = match document.check_body(operation, content_type, &arrived.body) {
        CheckedBody::Checked { value, violations } if violations.is_empty() => value.unwrap_or_default(),
        other => return Err(format!("{other:?}")),
    };
    Ok(Judged { query: fields(&Json::Object(parameters.values)), fields: fields(&body) })
}

fn fields(value: &Json) -> Fields {
    let mut all = Fields::default();
    for (name, value) in value.as_object().into_iter().flatten() {
        flat(name, value, &mut all);
    }
    all
}

fn flat(name: &str, value: &Json, all: &mut Fields) {
    match value {
        Json::Object(members) => members.values().for_each(|value| flat(name, value, all)),
        Json::Array(items) => items.iter().for_each(|value| flat(name, value, all)),
        Json::String(text) => all.add(name, text.clone()),
        other => all.add(name, other.to_string()),
    }
}
