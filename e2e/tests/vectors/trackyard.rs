//! Trackyard.

use demur_e2e::{NewKey, Request, Response, sound_request};
use serde_json::{Value as Json, json};

use crate::registry::Produced;
use crate::world::{World, failures};

const API: &str = "trackyard";

const fn case(case: &'static str, alternative: usize, produce: fn(&World) -> Vec<Response>) -> Produced {
    Produced { contract: API, case, alternative, produce }
}

fn one(w: &World, condition: &str, request: &Request) -> Vec<Response> {
    vec![w.assert_rejected(condition, API, request)]
}

fn search(key: &str, body: &Json) -> Request {
    Request::post("/api/external/v1/search").key(key).json(body)
}

pub(crate) const CASES: &[Produced] = &[
    case("invalid_parameters", 1, |w| {
        let body = json!({ "query": "epic", "hit_point_seconds": 60 });
        one(w, "param.requires", &search(w.key(API, "active"), &body))
    }),
    case("malformed_json", 1, |w| {
        let post = Request::post("/api/external/v1/search").key(w.key(API, "active"));
        one(w, "body.invalid_json", &post.body("application/json", "{query: epic}"))
    }),
    case("unauthorized", 1, |w| one(w, "credential.missing", &Request::get("/api/external/v1/me"))),
    case("unauthorized", 2, |w| {
        [("nonsense", "credential.malformed"), (w.unknown_key(API), "credential.unknown")]
            .into_iter()
            .map(|(key, condition)| w.assert_rejected(condition, API, &sound_request(API, key)))
            .collect()
    }),
    case("unauthorized", 3, |w| vec![w.revoked(API)]),
    case("unauthorized", 4, |w| vec![w.expired(API)]),
    case("out_of_credits", 1, |w| {
        // One search per month.
        let key = w.new_key(API, "broke").secret;
        let request = search(&key, &json!({ "query": "epic" }));
        let before = w.send(API, &request);
        assert_eq!(before.status, 200, "there is one credit: {before:?}");
        one(w, "credits.exhausted", &request)
    }),
    case("forbidden", 1, |w| {
        let key = w.new_key(API, "free").secret;
        let similar = Request::post("/api/external/v1/tracks/trk_001/similar");
        let paid = w.send(API, &similar.clone().key(&w.new_key(API, "pro").secret));
        assert_eq!(paid.status, 200, "a paid plan has the feature: {paid:?}");
        one(w, "plan.required", &similar.key(&key))
    }),
    case("not_found", 1, |w| {
        let track = Request::get("/api/external/v1/tracks/trk_999").key(w.key(API, "active"));
        one(w, "-", &track)
    }),
    case("too_many_requests", 1, |w| vec![w.hurried(API)]),
    case("internal_server_error", 1, |w| {
        let record = Request::get("/api/external/v1/tracks/corrupt-record").key(w.key(API, "active"));
        let mut responses = one(w, "upstream.failed", &record);
        responses.extend(w.failing("upstream.failed", API, failures()));
        responses.push(w.unreachable(API));
        responses
    }),
    case("forbidden_admin", 1, |w| {
        let account = w.account("pro");
        let usage = |scopes: &[&str]| {
            let new = NewKey { api: API, account: &account, scopes, ..NewKey::default() };
            let key = w.demo.folder().create_key(&new).secret;
            Request::get("/api/external/v1/admin/usage").key(&key)
        };
        let admin = w.send(API, &usage(&["admin"]));
        assert_eq!(admin.status, 200, "{admin:?}");
        one(w, "permission.operation", &usage(&[]))
    }),
];
