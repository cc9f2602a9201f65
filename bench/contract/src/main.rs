//! One table in one run: rendering and parsing beside the crates that do the like, interleaved.
//!
//! `demur-bench-contract` prints medians; `demur-bench-contract count CASE render|parse N` does that one thing N times,
//! for `valgrind --tool=callgrind`.

use std::hint::black_box;
use std::time::Instant;

use demur_bench_contract::cases;
use http_api_problem::HttpApiProblem;
use problem_details::ProblemDetails;
use serde::{Deserialize, Serialize};

/// What `contracts/problem.yaml` shows, as a struct.
#[derive(Serialize, Deserialize)]
struct Plain<'a> {
    r#type: &'a str,
    title: &'a str,
    status: u16,
    detail: &'a str,
    code: &'a str,
    request_id: &'a str,
}

#[derive(Default, Serialize, Deserialize, Clone)]
struct Extensions {
    code: String,
    request_id: String,
}

const CONTENT: &str = r#"{"type":"about:blank","title":"The API key is invalid","status":401,"detail":"The API key is invalid","code":"credential_unknown","request_id":"req_0123456789abcdef0123456789abcdef"}"#;

type Work = (String, Box<dyn Fn(&mut Vec<u8>) -> usize>);

fn works() -> Vec<Work> {
    let mut works: Vec<Work> = Vec::new();
    for case in cases() {
        let case = std::rc::Rc::new(case);
        let other = case.clone();
        works.push((format!("{} render", case.name), Box::new(move |out| case.render(out))));
        works.push((format!("{} parse", other.name), Box::new(move |_| other.parse())));
    }
    let plain: Plain<'static> = serde_json::from_str(CONTENT).unwrap();
    works.push(("serde_json struct render".into(), Box::new(move |out| {
        out.clear();
        serde_json::to_writer(&mut *out, &plain).unwrap();
        out.len()
    })));
    works.push(("serde_json struct parse".into(), Box::new(|_| {
        serde_json::from_str::<Plain<'_>>(black_box(CONTENT)).unwrap().title.len()
    })));
    works.push(("serde_json Value parse".into(), Box::new(|_| {
        serde_json::from_str::<serde_json::Value>(black_box(CONTENT)).unwrap().as_object().unwrap().len()
    })));
    // Both build their value for each answer, as a service that answers with them does.
    works.push(("problem_details render".into(), Box::new(|out| {
        out.clear();
        let extensions = Extensions { code: "credential_unknown".into(), request_id: "req_0123456789abcdef0123456789abcdef".into() };
        let problem = ProblemDetails::from_status_code(http::StatusCode::UNAUTHORIZED)
            .with_title("The API key is invalid")
            .with_detail("The API key is invalid")
            .with_extensions(extensions);
        serde_json::to_writer(&mut *out, &problem).unwrap();
        out.len()
    })));
    works.push(("problem_details parse".into(), Box::new(|_| {
        serde_json::from_str::<ProblemDetails<Extensions>>(black_box(CONTENT)).unwrap().title.map_or(0, |title| title.len())
    })));
    works.push(("http-api-problem render".into(), Box::new(|out| {
        out.clear();
        let mut problem = HttpApiProblem::new(http_api_problem::StatusCode::UNAUTHORIZED)
            .title("The API key is invalid")
            .detail("The API key is invalid");
        problem.set_value("code", &"credential_unknown");
        problem.set_value("request_id", &"req_0123456789abcdef0123456789abcdef");
        serde_json::to_writer(&mut *out, &problem).unwrap();
        out.len()
    })));
    works.push(("http-api-problem parse".into(), Box::new(|_| {
        serde_json::from_str::<HttpApiProblem>(black_box(CONTENT)).unwrap().title.map_or(0, |title| title.len())
    })));
    works
}

fn main() {
    let works = works();
    let mut out = Vec::with_capacity(4096);
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [count, name, times] = arguments.as_slice()
        && count == "count"
    {
        let (_, work) = works.iter().find(|(known, _)| known == name).expect("a row of the table");
        for _ in 0..times.parse::<u64>().expect("a number") {
            black_box(work(&mut out));
        }
        return;
    }
    const ROUNDS: usize = 301;
    const TIMES: u32 = 200;
    let mut nanos: Vec<Vec<f64>> = vec![Vec::with_capacity(ROUNDS); works.len()];
    for _ in 0..ROUNDS {
        for (index, (_, work)) in works.iter().enumerate() {
            let start = Instant::now();
            for _ in 0..TIMES {
                black_box(work(&mut out));
            }
            nanos[index].push(start.elapsed().as_nanos() as f64 / f64::from(TIMES));
        }
    }
    println!("| work | median ns | p10 | p90 |\n|---|---|---|---|");
    for ((name, _), mut nanos) in works.iter().zip(nanos) {
        nanos.sort_by(f64::total_cmp);
        let at = |part: usize| nanos[ROUNDS * part / 100];
        println!("| {name} | {:.0} | {:.0} | {:.0} |", at(50), at(10), at(90));
    }
}
