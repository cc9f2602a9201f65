//! The generated modules compile and agree with the contract.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what failed by failing")]

use demur_client::{ClientBuilder, Error as ClientError, NetworkError, Transport};
use demur_tower::Raise;

/// The module of a service.
mod service {
    #![allow(dead_code, unreachable_pub, reason = "a service need not raise every error")]
    include!("generated/service.rs");
}

/// The module of a client.
mod client {
    #![allow(dead_code, unreachable_pub, reason = "a client need not read every parameter")]
    include!("generated/client.rs");
}

#[test]
fn a_service_error_converts_to_raise_with_its_parameters() {
    let raise: Raise = service::OutOfStock { item: "Tea".into(), left: 2.into() }.into();
    assert_eq!(raise, Raise::error("out_of_stock").with("item", "Tea").with("left", 2));
    // The handler sets the parameter of a violation.
    let raise: Raise = service::MissingParam { param: "tea".into() }.into();
    assert_eq!(raise, Raise::error("missing_param").with("param", "tea"));
    let raise = service::Closed.with_message("Back at nine.");
    assert_eq!(raise, Raise::error("closed").message("Back at nine."));
}

#[derive(Clone)]
struct FixedResponse(u16, &'static str);

impl Transport for FixedResponse {
    async fn send(&mut self, _: reqwest::Request) -> Result<reqwest::Response, NetworkError> {
        Ok(http::Response::builder().status(self.0).body(self.1).unwrap().into())
    }
}

async fn response_error(status: u16, body: &'static str) -> client::Error {
    let caller =
        ClientBuilder::new(FixedResponse(status, body)).contract_text(client::CONTRACT).unwrap().build();
    let request = reqwest::Request::new(http::Method::GET, "http://shop.example/".parse().unwrap());
    match caller.execute(request, None).await {
        Err(ClientError::Api(error)) => error.into(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_client_error_has_its_parameters() {
    let error =
        response_error(409, r#"{"error":{"code":"out_of_stock","message":"Tea is sold out.","left":2}}"#)
            .await;
    let client::Error::OutOfStock { item, left: _, error } = error else { panic!("{error:?}") };
    assert_eq!((item.as_deref(), error.status.as_u16()), (Some("Tea"), 409));

    let error = response_error(409, r#"{"error":{"code":"shop-closed","message":"Back at nine."}}"#).await;
    assert!(matches!(error, client::Error::Closed(_)), "{error:?}");

    let error = response_error(404, "<html>nginx</html>").await;
    assert!(matches!(error, client::Error::Unrecognized(_)), "{error:?}");
    assert_eq!(error.details().status.as_u16(), 404);
}
