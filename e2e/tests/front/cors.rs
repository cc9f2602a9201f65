//! Browsers: preflights, and what a script may read.

use demur_e2e::{MockResponse, Request, Upstream};
use serde_json::json;

use crate::shop::serve;

const APP: &str = "https://app.example";

fn preflight(origin: &str) -> Request {
    let request = Request::new("OPTIONS", "/items").header("Origin", origin);
    let request = request.header("Access-Control-Request-Method", "GET");
    request.header("Access-Control-Request-Headers", "authorization,x-trace")
}

#[test]
fn responds_to_preflights_before_authentication() {
    let upstream = Upstream::always(MockResponse::response(
        200,
        &[("Access-Control-Allow-Origin", "*"), ("Content-Type", "application/json")],
        json!([]).to_string(),
    ));
    let shop = serve(&upstream, "", &format!("cors: {{ origins: [\"{APP}\"], expose: [X-Total] }}"));
    let allowed = shop.client.send(&preflight(APP));
    assert_eq!(allowed.status, 204);
    assert_eq!(allowed.header("access-control-allow-origin"), APP);
    assert_eq!(allowed.header("access-control-allow-methods"), "GET");
    assert_eq!(allowed.header("access-control-allow-headers"), "authorization,x-trace");
    assert_eq!(allowed.header("access-control-max-age"), "600");

    // An origin that is not allowed gets no CORS headers.
    let stranger = shop.client.send(&preflight("https://other.example"));
    assert_eq!(stranger.status, 204);
    assert_eq!(stranger.headers.first("access-control-allow-origin"), None);
    assert_eq!(stranger.headers.first("access-control-allow-methods"), None);
    assert!(upstream.received().is_empty());

    // Successes and rejections alike; CORS headers of the service are replaced.
    for (request, status) in [
        (Request::get("/items").key(&shop.key), 200),
        (Request::get("/items"), 401),
        (Request::get("/nowhere").key(&shop.key), 404),
        (Request::new("DELETE", "/items").key(&shop.key), 405),
    ] {
        let response = shop.client.send(&request.clone().header("Origin", APP));
        assert_eq!(response.status, status);
        let origins: Vec<&str> = response.headers.all("access-control-allow-origin").collect();
        assert_eq!(origins, [APP], "{response:?}");
        let exposed = response.header("access-control-expose-headers");
        for header in ["x-request-id", "retry-after", "ratelimit", "x-total"] {
            assert!(exposed.split(", ").any(|exposed| exposed == header), "{exposed}");
        }
        assert!(response.headers.all("vary").any(|vary| vary.contains("origin")), "{response:?}");
        let stranger = shop.client.send(&request.header("Origin", "https://other.example"));
        assert_eq!(stranger.headers.first("access-control-allow-origin"), None);
    }
}

#[test]
fn allows_any_origin_only_when_configured() {
    let upstream = Upstream::always(MockResponse::json(200, &json!([])));
    let shop = serve(&upstream, "", "cors: { origins: ['*'], headers: [Authorization], max_age: 1h }");
    let response = shop.client.send(&preflight("https://any.example"));
    assert_eq!(response.header("access-control-allow-origin"), "*");
    assert_eq!(response.header("access-control-allow-headers"), "authorization");
    assert_eq!(response.header("access-control-max-age"), "3600");

    let shop = serve(&upstream, "", "");
    let response = shop.client.send(&preflight(APP));
    assert_eq!(response.status, 405);
    assert_eq!(response.headers.first("access-control-allow-origin"), None);
}
