//! Trackunit.

use demur_e2e::{NewKey, Request, Response, sound_request};
use serde_json::{Value as Json, json};

use crate::registry::Produced;
use crate::world::{World, failures};

const API: &str = "trackunit";

const fn case(case: &'static str, alternative: usize, produce: fn(&World) -> Vec<Response>) -> Produced {
    Produced { contract: API, case, alternative, produce }
}

fn one(w: &World, condition: &str, request: &Request) -> Vec<Response> {
    vec![w.assert_rejected(condition, API, request)]
}

fn post(w: &World, target: &str, body: &Json) -> Request {
    Request::post(target).key(w.key(API, "active")).json(body)
}

/// A key with these grants, on a new account.
fn key(w: &World, operations: &[&str], resources: &[&str]) -> String {
    let account = w.account("pro");
    w.demo
        .folder()
        .create_key(&NewKey { api: API, account: &account, operations, resources, ..NewKey::default() })
        .secret
}

pub(crate) const CASES: &[Produced] = &[
    case("exactly_one_telematics_device_is_required", 1, |w| {
        [json!({ "name": "Loader" }), json!({ "name": "Loader", "telematics_devices": [] })]
            .iter()
            .flat_map(|body| one(w, "-", &post(w, "/assets", body)))
            .collect()
    }),
    case("exactly_one_telematics_device_is_required", 2, |w| {
        one(w, "-", &post(w, "/assets", &json!({ "name": "Loader", "telematics_devices": ["V-1", "V-2"] })))
    }),
    case("constraint_violation", 1, |w| {
        one(w, "param.invalid.length.empty", &post(w, "/groups", &json!({ "name": "" })))
    }),
    case("telematics_device_already_onboarded", 1, |w| {
        let request = post(w, "/assets", &json!({ "name": "Loader", "telematics_devices": ["V-3"] }));
        let first = w.send(API, &request);
        assert_eq!(first.status, 201, "{first:?}");
        one(w, "-", &request)
    }),
    case("unauthorized", 1, |w| {
        let mut responses = one(w, "credential.missing", &Request::get("/devices"));
        responses.push(w.assert_rejected("credential.unknown", API, &sound_request(API, w.unknown_key(API))));
        responses.push(w.revoked(API));
        responses
    }),
    case("forbidden", 1, |w| {
        let key = key(w, &[], &["group-2"]);
        let covered = w.send(API, &Request::get("/groups/group-2").key(&key));
        assert_eq!(covered.status, 200, "{covered:?}");
        one(w, "permission.resource", &Request::get("/groups/group-1").key(&key))
    }),
    case("forbidden", 2, |w| {
        let key = key(w, &["listDevices"], &[]);
        let covered = w.send(API, &Request::get("/devices").key(&key));
        assert_eq!(covered.status, 200, "{covered:?}");
        one(w, "permission.operation", &Request::get("/groups/group-1").key(&key))
    }),
    case("not_found", 1, |w| one(w, "-", &Request::get("/groups/none").key(w.key(API, "active")))),
    case("internal_server_error", 1, |w| {
        let record = Request::get("/groups/corrupt-record").key(w.key(API, "active"));
        let mut responses = one(w, "upstream.failed", &record);
        responses.extend(w.failing("upstream.failed", API, failures()));
        responses
    }),
    case("bad_request", 1, |w| {
        let put = Request::put("/groups/group-1").key(w.key(API, "active"));
        one(w, "body.invalid_json", &put.body("application/json", "name: Cranes"))
    }),
];
