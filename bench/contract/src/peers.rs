//! The same problem document, with and without a violation, by the crates that do the like.
//!
//! Each answers the document of `contracts/problem.yaml`: built and rendered, and parsed. None of them says which error
//! it is, which rule is broken or what the bound was: that is left to whoever uses them.

use std::hint::black_box;

use demur_contract::{Condition, Contract, Problem};
use http_api_problem::HttpApiProblem;
use problem_details::ProblemDetails;
use serde::{Deserialize, Serialize};

use crate::{Case, REQUEST_ID, violation};

/// Something to be timed.
pub struct Work {
    /// What is compared.
    pub peer: &'static str,
    /// Builds the value and renders it.
    pub render: Box<dyn Fn(&mut Vec<u8>) -> usize>,
    /// Parses the content.
    pub parse: Box<dyn Fn() -> usize>,
}

const TITLE: &str = "The API key is invalid";
const TITLE_OF_VIOLATION: &str = "Parameters are missing or invalid";
const DETAIL_OF_VIOLATION: &str = "limit must be at most 100";

/// What `contracts/problem.yaml` shows, as a struct that borrows.
#[derive(Serialize, Deserialize)]
struct Plain<'a> {
    r#type: &'a str,
    title: &'a str,
    status: u16,
    detail: &'a str,
    code: &'a str,
    request_id: &'a str,
    #[serde(borrow, default, skip_serializing_if = "Vec::is_empty")]
    errors: Vec<Item<'a>>,
}

#[derive(Serialize, Deserialize, Clone, Copy)]
struct Item<'a> {
    detail: &'a str,
    pointer: &'a str,
    location: &'a str,
    rule: &'a str,
}

#[derive(Default, Serialize, Deserialize)]
struct Extensions {
    code: String,
    request_id: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    errors: Vec<OwnedItem>,
}

#[derive(Serialize, Deserialize)]
struct OwnedItem {
    detail: String,
    pointer: String,
    location: String,
    rule: String,
}

const ITEM: Item<'static> =
    Item { detail: DETAIL_OF_VIOLATION, pointer: "/limit", location: "query", rule: "maximum" };

impl Plain<'static> {
    fn new(with_violation: bool) -> Self {
        let (status, title, code) = said(with_violation);
        let errors = if with_violation { vec![ITEM] } else { Vec::new() };
        Self { r#type: "about:blank", title, status, detail: title, code, request_id: REQUEST_ID, errors }
    }
}

fn said(with_violation: bool) -> (u16, &'static str, &'static str) {
    match with_violation {
        true => (400, TITLE_OF_VIOLATION, "invalid_parameters"),
        false => (401, TITLE, "credential_unknown"),
    }
}

/// All of them, Demur first.
pub fn works(with_violation: bool) -> Vec<Work> {
    vec![demur(with_violation), plain(with_violation), value(with_violation), details(with_violation), http(with_violation)]
}

fn content(with_violation: bool) -> String {
    serde_json::to_string(&Plain::new(with_violation)).unwrap()
}

fn demur(with_violation: bool) -> Work {
    let condition = if with_violation { Condition::ParamMaximum } else { Condition::CredentialUnknown };
    let contract = std::rc::Rc::new(crate::contract("problem"));
    let case = Case::new(&contract, contract.answer(condition), Some(condition));
    let renderer: std::rc::Rc<Contract> = contract.clone();
    Work {
        peer: "demur",
        render: Box::new(move |out| {
            out.clear();
            let mut problem = Problem::new(renderer.answer(black_box(condition)), REQUEST_ID);
            if with_violation {
                problem.violations = vec![violation(condition)].into();
            }
            renderer.render(&problem, out);
            out.len()
        }),
        parse: Box::new(move || case.parse(&contract)),
    }
}

fn plain(with_violation: bool) -> Work {
    let content = content(with_violation);
    Work {
        peer: "serde_json, a struct that borrows",
        render: Box::new(move |out| {
            out.clear();
            serde_json::to_writer(&mut *out, &Plain::new(black_box(with_violation))).unwrap();
            out.len()
        }),
        parse: Box::new(move || serde_json::from_str::<Plain<'_>>(black_box(&content)).unwrap().title.len()),
    }
}

fn value(with_violation: bool) -> Work {
    let content = content(with_violation);
    Work {
        peer: "serde_json, Value",
        render: Box::new(move |out| {
            out.clear();
            let value = serde_json::to_value(Plain::new(black_box(with_violation))).unwrap();
            serde_json::to_writer(&mut *out, &value).unwrap();
            out.len()
        }),
        parse: Box::new(move || {
            serde_json::from_str::<serde_json::Value>(black_box(&content)).unwrap().as_object().unwrap().len()
        }),
    }
}

fn owned_items(with_violation: bool) -> Vec<OwnedItem> {
    let items = if with_violation { &[ITEM][..] } else { &[] };
    let owned = items.iter().map(|item| OwnedItem {
        detail: item.detail.into(),
        pointer: item.pointer.into(),
        location: item.location.into(),
        rule: item.rule.into(),
    });
    owned.collect()
}

fn details(with_violation: bool) -> Work {
    let content = content(with_violation);
    Work {
        peer: "problem_details",
        render: Box::new(move |out| {
            out.clear();
            let (status, title, code) = said(black_box(with_violation));
            let errors = owned_items(with_violation);
            let problem = ProblemDetails::from_status_code(http::StatusCode::from_u16(status).unwrap())
                .with_title(title)
                .with_detail(title)
                .with_extensions(Extensions { code: code.into(), request_id: REQUEST_ID.into(), errors });
            serde_json::to_writer(&mut *out, &problem).unwrap();
            out.len()
        }),
        parse: Box::new(move || {
            let read: ProblemDetails<Extensions> = serde_json::from_str(black_box(&content)).unwrap();
            read.title.map_or(0, |title| title.len())
        }),
    }
}

fn http(with_violation: bool) -> Work {
    let content = content(with_violation);
    Work {
        peer: "http-api-problem",
        render: Box::new(move |out| {
            out.clear();
            let (status, title, code) = said(black_box(with_violation));
            let status = http_api_problem::StatusCode::from_u16(status).unwrap();
            let mut problem = HttpApiProblem::new(status).title(title).detail(title);
            problem.set_value("code", &code);
            problem.set_value("request_id", &REQUEST_ID);
            if with_violation {
                problem.set_value("errors", &owned_items(with_violation));
            }
            serde_json::to_writer(&mut *out, &problem).unwrap();
            out.len()
        }),
        parse: Box::new(move || {
            let read: HttpApiProblem = serde_json::from_str(black_box(&content)).unwrap();
            read.title.map_or(0, |title| title.len())
        }),
    }
}
