//! The documented successes: responses of the services, which the gateway must not change.

use demur_e2e::{MockResponse, Request, Response, sound_request};
use serde_json::json;

use crate::registry::Produced;
use crate::world::World;

const fn success(
    contract: &'static str,
    case: &'static str,
    produce: fn(&World) -> Vec<Response>,
) -> Produced {
    Produced { contract, case, alternative: 1, produce }
}

/// Each with its status, or `3xx`.
pub(crate) const SUCCESSES: &[Produced] = &[
    success("trakkr", "200", |w| {
        let get = |target: &str| w.send("trakkr", &Request::get(target).key(w.key("trakkr", "active")));
        vec![get("/brands"), get("/scores?brand=0000000000000x000000000000000000"), get("/reports/october")]
    }),
    success("trakkr", "201", |w| {
        let post = Request::post("/brands").key(w.key("trakkr", "active"));
        vec![w.send("trakkr", &post.json(&json!({ "name": "Slow Letters" })))]
    }),
    success("trakkr-get-scores", "200", |w| {
        vec![w.send(
            "trakkr-get-scores",
            &sound_request("trakkr-get-scores", w.key("trakkr-get-scores", "active")),
        )]
    }),
    success("trackunit", "200", |w| {
        let put = Request::put("/groups/group-2").key(w.key("trackunit", "active"));
        vec![w.send("trackunit", &put.json(&json!({ "name": "Platforms" })))]
    }),
    success("trackunit", "201", |w| {
        let post = Request::post("/groups").key(w.key("trackunit", "active"));
        vec![w.send("trackunit", &post.json(&json!({ "name": "Cranes" })))]
    }),
    success("trackunit", "204", |w| {
        let post = Request::post("/groups/group-2/assets").key(w.key("trackunit", "active"));
        let response = w.send("trackunit", &post.json(&json!({ "assets": ["asset-TU-100002"] })));
        assert!(response.body.is_empty(), "{response:?}");
        vec![response]
    }),
    success("trackunit", "3xx", |w| {
        let manual = Request::get("/assets/asset-TU-100001/manual").key(w.key("trackunit", "active"));
        let response = w.send("trackunit", &manual);
        assert_eq!(response.header("location"), "https://manuals.example/excavator.pdf");
        vec![response]
    }),
];

/// Whether the status is the one documented.
pub(crate) fn has_status(case: &str, response: &Response) -> bool {
    case == response.status.to_string() || (case == "3xx" && (300..400).contains(&response.status))
}

/// An upstream response with this status is forwarded unchanged: every byte and every header, once.
pub(crate) fn untouched(w: &World, api: &str, case: &str) {
    let statuses: &[u16] = match case {
        "3xx" => &[301, 302, 303, 307, 308],
        case => &[case.parse().unwrap()],
    };
    for status in statuses {
        // Not as a JSON serializer would write it.
        let body = if *status == 204 { "" } else { "{ \"a\" :1,\r\n  \"a\": 1.50, \"\\u00e9\":null }\n" };
        let location = format!("/elsewhere/{status}");
        let headers = [("Content-Type", "application/json"), ("Location", &location), ("X-Own", "a, b ;c")];
        let before = w.scripted.received().len();
        let response = w.scripted.response(api, MockResponse::response(*status, &headers, body));
        assert_eq!((response.status, response.text().as_str()), (*status, body));
        for (name, value) in headers {
            assert_eq!(response.header(name), value);
        }
        assert_eq!(w.scripted.received().len(), before + 1, "a redirect is not followed");
    }
}
