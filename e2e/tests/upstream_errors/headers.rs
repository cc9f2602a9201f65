//! Headers that the configuration sets and removes.

use demur_e2e::{MockResponse, Request};

use crate::shop::Shop;

const SETTINGS: &str = r#"    headers:
      request: { set: { X-Tenant: acme, X-Tea: earl grey }, remove: [Cookie, X-Debug] }
      response:
        set: { Strict-Transport-Security: max-age=63072000, Cache-Control: public }
        remove: [X-Powered-By]
    operations:
      login:
        anonymous: true
        headers: { request: { set: { X-Tenant: guests } }, response: { remove: [X-Own], keep: [Server] } }
"#;

/// graphql-hive/router#1088, TykTechnologies/tyk#6658: header rules ran for successes only.
#[test]
fn sets_and_removes_headers_per_api_and_operation() {
    let shop = Shop::open("", SETTINGS);
    let headers =
        [("X-Powered-By", "own/1.0"), ("X-Own", "1"), ("Server", "own/1.0"), ("Cache-Control", "private")];
    shop.upstream_does(MockResponse::response(200, &headers, "{}"));
    let request =
        |target: &str| Request::get(target).header("Cookie", "a=b").header("X-Tea", "mint").key(&shop.key);
    let response = shop.send(&request("/items"));
    let sent = shop.last().headers;
    let all = |name: &str| sent.all(name).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!((all("x-tenant"), all("x-tea")), (vec!["acme".to_owned()], vec!["earl grey".to_owned()]));
    assert_eq!(all("cookie"), Vec::<String>::new());
    let header = |name: &str| response.headers.first(name);
    assert_eq!(header("strict-transport-security"), Some("max-age=63072000"));
    assert_eq!((header("cache-control"), header("x-own")), (Some("public"), Some("1")));
    assert_eq!((header("x-powered-by"), header("server")), (None, None));

    let response = shop.send(&request("/login"));
    assert_eq!(shop.last().headers.first("x-tenant"), Some("guests"));
    assert_eq!((response.headers.first("x-own"), response.headers.first("server")), (None, Some("own/1.0")));

    // Errors of the gateway too, whose own headers stay.
    for response in [shop.response(MockResponse::html(500)), shop.send(&Request::get("/items"))] {
        assert_eq!(
            response.headers.first("strict-transport-security"),
            Some("max-age=63072000"),
            "{response:?}"
        );
        assert_eq!(response.headers.all("cache-control").collect::<Vec<_>>(), ["no-store"]);
    }
}
