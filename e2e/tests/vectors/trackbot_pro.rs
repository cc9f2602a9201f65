//! TrackBot Pro.

use demur_e2e::{Request, Response, sound_request};
use serde_json::json;

use crate::registry::Produced;
use crate::world::{World, failures};

const API: &str = "trackbot-pro";

const fn case(case: &'static str, alternative: usize, produce: fn(&World) -> Vec<Response>) -> Produced {
    Produced { contract: API, case, alternative, produce }
}

fn one(w: &World, condition: &str, request: &Request) -> Vec<Response> {
    vec![w.assert_rejected(condition, API, request)]
}

fn create(w: &World, courier: &str, code: &str) -> Request {
    let body = json!({ "tracking_code": code, "courier": courier });
    Request::post("/shipments").key(w.key(API, "active")).json(&body)
}

pub(crate) const CASES: &[Produced] = &[
    case("validation_failed", 1, |w| {
        let get = Request::get("/shipments?limit=101&page=0").key(w.key(API, "active"));
        one(w, "param.invalid.maximum", &get)
    }),
    case("invalid_courier", 1, |w| one(w, "-", &create(w, "pigeon", "V-1"))),
    case("shipment_already_exists", 1, |w| {
        let request = create(w, "dhl", "V-2");
        let first = w.send(API, &request);
        assert_eq!(first.status, 201, "{first:?}");
        one(w, "-", &request)
    }),
    case("bad_request", 1, |w| {
        let post = Request::post("/shipments").key(w.key(API, "active"));
        one(w, "body.invalid_json", &post.body("application/json", "<shipment/>"))
    }),
    case("unauthorized", 1, |w| one(w, "credential.missing", &Request::get("/shipments"))),
    case("unauthorized", 2, |w| {
        [("nonsense", "credential.malformed"), (w.unknown_key(API), "credential.unknown")]
            .into_iter()
            .map(|(key, condition)| w.assert_rejected(condition, API, &sound_request(API, key)))
            .collect()
    }),
    case("payment_required", 1, |w| {
        one(w, "plan.inactive", &sound_request(API, &w.new_key(API, "lapsed").secret))
    }),
    case("payment_required", 2, |w| {
        let key = w.new_key(API, "basic").secret;
        let other = w.send(API, &sound_request(API, &key));
        assert_eq!(other.status, 200, "the plan has the rest: {other:?}");
        one(w, "plan.required", &Request::get("/analytics").key(&key))
    }),
    case("not_found", 1, |w| one(w, "-", &Request::get("/shipments/dhl-none").key(w.key(API, "active")))),
    case("too_many_requests", 1, |w| vec![w.hurried(API)]),
    case("internal_server_error", 1, |w| {
        let record = Request::get("/shipments/corrupt-record").key(w.key(API, "active"));
        let mut responses = one(w, "upstream.failed", &record);
        responses.extend(w.failing("upstream.failed", API, failures()));
        responses.push(w.unreachable(API));
        responses
    }),
];
