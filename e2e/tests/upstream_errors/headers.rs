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
    let fields =
        [("X-Powered-By", "own/1.0"), ("X-Own", "1"), ("Server", "own/1.0"), ("Cache-Control", "private")];
    shop.upstream_does(MockResponse::answer(200, &fields, "{}"));
    let request =
        |target: &str| Request::get(target).field("Cookie", "a=b").field("X-Tea", "mint").key(&shop.key);
    let answer = shop.send(&request("/items"));
    let sent = shop.last().fields;
    let all = |name: &str| sent.all(name).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!((all("x-tenant"), all("x-tea")), (vec!["acme".to_owned()], vec!["earl grey".to_owned()]));
    assert_eq!(all("cookie"), Vec::<String>::new());
    let field = |name: &str| answer.fields.first(name);
    assert_eq!(field("strict-transport-security"), Some("max-age=63072000"));
    assert_eq!((field("cache-control"), field("x-own")), (Some("public"), Some("1")));
    assert_eq!((field("x-powered-by"), field("server")), (None, None));

    let answer = shop.send(&request("/login"));
    assert_eq!(shop.last().fields.first("x-tenant"), Some("guests"));
    assert_eq!((answer.fields.first("x-own"), answer.fields.first("server")), (None, Some("own/1.0")));

    // Errors of the gateway too, whose own headers stay.
    for answer in [shop.answer(MockResponse::html(500)), shop.send(&Request::get("/items"))] {
        assert_eq!(answer.fields.first("strict-transport-security"), Some("max-age=63072000"), "{answer:?}");
        assert_eq!(answer.fields.all("cache-control").collect::<Vec<_>>(), ["no-store"]);
    }
}
