//! The generated modules compile, and what they make is what the contract says.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what failed by failing")]

use demur_client::{ClientBuilder, Error as ClientError, NetworkError, Transport};
use demur_tower::Raise;

/// What a service includes.
mod service {
    #![allow(dead_code, unreachable_pub, reason = "a service need not raise every error")]
    include!("generated/service.rs");
}

/// What a client includes.
mod client {
    #![allow(dead_code, unreachable_pub, reason = "a client need not read every parameter")]
    include!("generated/client.rs");
}

#[test]
fn what_is_raised_is_the_error_by_its_name_with_its_parameters() {
    let raise: Raise = service::OutOfStock { item: "Tea".into(), left: 2.into() }.into();
    assert_eq!(raise, Raise::error("out_of_stock").with("item", "Tea").with("left", 2));
    // What a violation would fill in, a handler fills in.
    let raise: Raise = service::MissingParam { param: "tea".into() }.into();
    assert_eq!(raise, Raise::error("missing_param").with("param", "tea"));
    let raise = service::Closed.saying("Back at nine.");
    assert_eq!(raise, Raise::error("closed").message("Back at nine."));
}

#[derive(Clone)]
struct Says(u16, &'static str);

impl Transport for Says {
    async fn send(&mut self, _: reqwest::Request) -> Result<reqwest::Response, NetworkError> {
        Ok(http::Response::builder().status(self.0).body(self.1).unwrap().into())
    }
}

async fn answered(status: u16, content: &'static str) -> client::Error {
    let caller = ClientBuilder::new(Says(status, content)).contract_text(client::CONTRACT).unwrap().build();
    let request = reqwest::Request::new(http::Method::GET, "http://shop.example/".parse().unwrap());
    match caller.execute(request, None).await {
        Err(ClientError::Api(error)) => error.into(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn what_is_read_is_the_error_with_its_parameters() {
    let error =
        answered(409, r#"{"error":{"code":"out_of_stock","message":"Tea is sold out.","left":2}}"#).await;
    let client::Error::OutOfStock { item, left: _, error } = error else { panic!("{error:?}") };
    assert_eq!((item.as_deref(), error.status.as_u16()), (Some("Tea"), 409));

    let error = answered(409, r#"{"error":{"code":"shop-closed","message":"Back at nine."}}"#).await;
    assert!(matches!(error, client::Error::Closed(_)), "{error:?}");

    let error = answered(404, "<html>nginx</html>").await;
    assert!(matches!(error, client::Error::Unrecognized(_)), "{error:?}");
    assert_eq!(error.details().status.as_u16(), 404);
}
