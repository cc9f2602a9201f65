//! The five APIs in other voices: as problem documents, and in Italian where the contract speaks it. What each
//! says without being asked for another voice, the vectors hold.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on should stop and say where"
)]

use std::sync::Arc;

use demur_contract::Contract;
use demur_e2e::{Client, Gateway, Request, contract};
use serde_json::Value as Json;

/// A client that expects this view of the API's contract: every response is checked and decoded under it.
fn client(gateway: &Gateway, api: &str, view: &Contract) -> Client {
    Client::new(gateway.address(), &format!("/{api}"), Arc::new(view.clone()))
}

#[test]
fn every_api_responds_with_problem_json_when_accepted() {
    let demo = Gateway::demo();
    for example in demur_examples::all() {
        let own = contract(example.name);
        let client = client(&demo, example.name, own.as_problem().expect("none of them rules it out"));
        let usual = demo.client(example.name).send(&Request::get("/nothing/here"));
        let wish = "application/problem+json, application/json;q=0.5";
        let response = client.send(&Request::get("/nothing/here").header("Accept", wish));
        assert_eq!(response.status, usual.status, "{response:?}");
        let problem: Json = serde_json::from_slice(&response.body).unwrap();
        assert_eq!(problem["status"], response.status, "{problem}");
        for member in ["type", "title", "detail", "instance"] {
            assert!(problem[member].is_string(), "{member}: {problem}");
        }
        assert!(
            response.headers.all("vary").next().is_some_and(|vary| vary.starts_with("accept")),
            "{response:?}"
        );
        // Neither of these prefers problem+json.
        for accept in ["*/*", "application/json, application/problem+json"] {
            demo.client(example.name).send(&Request::get("/nothing/here").header("Accept", accept));
        }
    }
}

#[test]
fn responds_in_the_language_of_the_client() {
    let demo = Gateway::demo();
    let mut heard = 0;
    for example in demur_examples::all() {
        let own = contract(example.name);
        for locale in own.locales().skip(1) {
            let view = own.in_locale(locale).unwrap();
            let request =
                Request::get("/nothing/here").header("Accept-Language", &format!("xx, {locale};q=0.5"));
            let response = client(&demo, example.name, view).send(&request);
            assert_eq!(
                response.headers.all("content-language").collect::<Vec<_>>(),
                [locale],
                "{response:?}"
            );
            let usual = demo.client(example.name).send(&Request::get("/nothing/here"));
            assert_eq!(
                usual.headers.all("content-language").collect::<Vec<_>>(),
                [own.locale()],
                "{usual:?}"
            );
            assert_ne!(usual.text(), response.text());
            heard += 1;
        }
    }
    assert!(heard >= 1);
}
