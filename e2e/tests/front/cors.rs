//! Browsers: preflights, and what a script may read.

use demur_e2e::{MockResponse, Request, Upstream};
use serde_json::json;

use crate::shop::serve;

const APP: &str = "https://app.example";

fn preflight(origin: &str) -> Request {
    let request = Request::new("OPTIONS", "/items").field("Origin", origin);
    let request = request.field("Access-Control-Request-Method", "GET");
    request.field("Access-Control-Request-Headers", "authorization,x-trace")
}

#[test]
fn responds_to_preflights_before_authentication() {
    let upstream = Upstream::always(MockResponse::answer(
        200,
        &[("Access-Control-Allow-Origin", "*"), ("Content-Type", "application/json")],
        json!([]).to_string(),
    ));
    let shop = serve(&upstream, "", &format!("cors: {{ origins: [\"{APP}\"], expose: [X-Total] }}"));
    let allowed = shop.client.send(&preflight(APP));
    assert_eq!(allowed.status, 204);
    assert_eq!(allowed.field("access-control-allow-origin"), APP);
    assert_eq!(allowed.field("access-control-allow-methods"), "GET");
    assert_eq!(allowed.field("access-control-allow-headers"), "authorization,x-trace");
    assert_eq!(allowed.field("access-control-max-age"), "600");

    // An origin that is not allowed gets no CORS headers.
    let stranger = shop.client.send(&preflight("https://other.example"));
    assert_eq!(stranger.status, 204);
    assert_eq!(stranger.fields.first("access-control-allow-origin"), None);
    assert_eq!(stranger.fields.first("access-control-allow-methods"), None);
    assert!(upstream.received().is_empty());

    // Successes and rejections alike; CORS headers of the service are replaced.
    for (request, status) in [
        (Request::get("/items").key(&shop.key), 200),
        (Request::get("/items"), 401),
        (Request::get("/nowhere").key(&shop.key), 404),
        (Request::new("DELETE", "/items").key(&shop.key), 405),
    ] {
        let answer = shop.client.send(&request.clone().field("Origin", APP));
        assert_eq!(answer.status, status);
        let origins: Vec<&str> = answer.fields.all("access-control-allow-origin").collect();
        assert_eq!(origins, [APP], "{answer:?}");
        let exposed = answer.field("access-control-expose-headers");
        for field in ["x-request-id", "retry-after", "ratelimit", "x-total"] {
            assert!(exposed.split(", ").any(|exposed| exposed == field), "{exposed}");
        }
        assert!(answer.fields.all("vary").any(|vary| vary.contains("origin")), "{answer:?}");
        let stranger = shop.client.send(&request.field("Origin", "https://other.example"));
        assert_eq!(stranger.fields.first("access-control-allow-origin"), None);
    }
}

#[test]
fn allows_any_origin_only_when_configured() {
    let upstream = Upstream::always(MockResponse::json(200, &json!([])));
    let shop = serve(&upstream, "", "cors: { origins: ['*'], headers: [Authorization], max_age: 1h }");
    let answer = shop.client.send(&preflight("https://any.example"));
    assert_eq!(answer.field("access-control-allow-origin"), "*");
    assert_eq!(answer.field("access-control-allow-headers"), "authorization");
    assert_eq!(answer.field("access-control-max-age"), "3600");

    let shop = serve(&upstream, "", "");
    let answer = shop.client.send(&preflight(APP));
    assert_eq!(answer.status, 405);
    assert_eq!(answer.fields.first("access-control-allow-origin"), None);
}
