//! Trakkr, the newer contract version.

use demur_e2e::{NewKey, Request, Response, sound_request};

use crate::registry::Produced;
use crate::world::{World, failures};

const API: &str = "trakkr";

const fn case(case: &'static str, alternative: usize, produce: fn(&World) -> Vec<Response>) -> Produced {
    Produced { contract: API, case, alternative, produce }
}

fn one(w: &World, condition: &str, request: &Request) -> Vec<Response> {
    vec![w.assert_rejected(condition, API, request)]
}

pub(crate) const CASES: &[Produced] = &[
    case("missing_authorization", 1, |w| one(w, "credential.missing", &Request::get("/brands"))),
    case("invalid_api_key", 1, |w| {
        ["trk", "trk_short", "tyd_0123456789"]
            .iter()
            .map(|key| w.assert_rejected("credential.malformed", API, &sound_request(API, key)))
            .collect()
    }),
    case("invalid_api_key", 2, |w| one(w, "credential.unknown", &sound_request(API, w.unknown_key(API)))),
    case("api_key_revoked", 1, |w| vec![w.revoked(API)]),
    case("api_key_expired", 1, |w| vec![w.expired(API)]),
    case("missing_param", 1, |w| one(w, "param.missing", &Request::get("/scores").key(w.key(API, "active")))),
    case("invalid_param", 1, |w| {
        let get = |limit: &str| Request::get(&format!("/brands?limit={limit}")).key(w.key(API, "active"));
        [
            ("1000", "param.invalid.maximum"),
            ("0", "param.invalid.minimum"),
            ("x", "param.invalid.type.integer"),
        ]
        .into_iter()
        .map(|(limit, condition)| w.assert_rejected(condition, API, &get(limit)))
        .collect()
    }),
    case("invalid_json", 1, |w| {
        let post = Request::post("/brands").key(w.key(API, "active"));
        one(w, "body.invalid_json", &post.body("application/json", "{\"name\":"))
    }),
    case("not_found", 1, |w| one(w, "-", &Request::get("/brands/none").key(w.key(API, "active")))),
    case("not_found", 2, |w| {
        one(w, "resource.not_found", &Request::get("/nowhere").key(w.key(API, "active")))
    }),
    case("permission_denied", 1, |w| {
        let account = w.account("pro");
        let resources = &["1718000000000x100000000000000001"];
        let new = NewKey { api: API, account: &account, resources, ..NewKey::default() };
        let key = w.demo.folder().create_key(&new).secret;
        let owned = w.send(API, &Request::get(&format!("/brands/{}", resources[0])).key(&key));
        assert_eq!(owned.status, 200, "{owned:?}");
        one(w, "permission.resource", &Request::get("/brands/0000000000000x000000000000000000").key(&key))
    }),
    case("rate_limit_exceeded", 1, |w| vec![w.hurried(API)]),
    case("daily_limit_exceeded", 1, |w| {
        let key = w.new_key(API, "daily");
        let request = sound_request(API, &key.secret);
        for _ in 0..2 {
            assert_eq!(w.send(API, &request).status, 200);
        }
        one(w, "quota.exceeded", &request)
    }),
    case("internal_error", 1, |w| {
        let record = Request::get("/reports/corrupt-record").key(w.key(API, "active"));
        let mut responses = one(w, "upstream.failed", &record);
        responses.extend(w.failing("upstream.failed", API, failures()));
        responses
    }),
    case("service_unavailable", 1, |w| vec![w.unreachable(API)]),
    case("timeout", 1, |w| {
        // The report takes ten seconds, and the configuration gives it two.
        one(w, "upstream.timeout", &Request::get("/reports/yearly").key(w.key(API, "active")))
    }),
];
