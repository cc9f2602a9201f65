//! Messages for end users in their language, with parameters from the response; and what logs contain.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test response what failed by failing")]

use demur_client::{ApiError, ClientBuilder, Error, NetworkError, Transport};

const CONTRACT: &str = r#"
demur: 1
name: shop
formats:
  default: { error: { code: $code, message: $message, item?: $params.item } }
locales:
  it:
    errors:
      sold_out:
        message: "{item}: esaurito."
        user_message: "{item} è esaurito. Ne vuole un altro?"
errors:
  invalid: { status: 400, message: Invalid., on: [request, param, body] }
  sold_out: { status: 409, message: "{item} is gone.", params: [item], user_message: "{item} is sold out. Would another one do?" }
  hidden: { status: 409, message: No., params: [stock], user_message: "Only {stock} are left." }
  busy: { status: 429, message: Slow down., on: [rate], user_message: "Please come back in {retry_after, plural, one {# second} other {# seconds}}." }
  plain: { status: 403, message: No., user_message: This is for members. }
  internal: { status: 500, message: Broken., on: [internal] }
"#;

#[derive(Clone)]
struct FixedResponse(u16, &'static [(&'static str, &'static str)], &'static str);

impl Transport for FixedResponse {
    async fn send(&mut self, _: reqwest::Request) -> Result<reqwest::Response, NetworkError> {
        let mut response = http::Response::builder().status(self.0);
        for (name, value) in self.1 {
            response = response.header(*name, *value);
        }
        Ok(response.body(self.2).unwrap().into())
    }
}

async fn error(response: FixedResponse) -> ApiError {
    let policy = demur_client::Policy { max_attempts: 1, ..demur_client::Policy::default() };
    let client = ClientBuilder::new(response).contract_text(CONTRACT).unwrap().policy(policy).build();
    let request = reqwest::Request::new(http::Method::GET, "http://shop.example/".parse().unwrap());
    match client.execute(request, None).await {
        Err(Error::Api(error)) => *error,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn user_messages_come_from_the_contract_in_the_language_of_the_user() {
    const GONE: &str = r#"{"error":{"code":"sold_out","message":"Tea is gone.","item":"Tea"}}"#;
    const NO: &str = r#"{"error":{"code":"plain","message":"No."}}"#;
    const HIDDEN: &str = r#"{"error":{"code":"hidden","message":"No."}}"#;
    const BUSY: &str = r#"{"error":{"code":"busy","message":"Slow down."}}"#;
    for (response, locale, expected) in [
        (FixedResponse(409, &[], GONE), "en", "Tea is sold out. Would another one do?"),
        (FixedResponse(409, &[], GONE), "it", "Tea è esaurito. Ne vuole un altro?"),
        (FixedResponse(409, &[], GONE), "it-CH", "Tea è esaurito. Ne vuole un altro?"),
        (FixedResponse(409, &[], GONE), "IT_it", "Tea è esaurito. Ne vuole un altro?"),
        // Without a translation, the default language of the contract.
        (FixedResponse(409, &[], GONE), "de", "Tea is sold out. Would another one do?"),
        (FixedResponse(403, &[], NO), "it", "This is for members."),
        (FixedResponse(429, &[("retry-after", "1")], BUSY), "en", "Please come back in 1 second."),
        (FixedResponse(429, &[("retry-after", "30")], BUSY), "en", "Please come back in 30 seconds."),
        // A parameter is missing in the response: the message of the error class.
        (
            FixedResponse(409, &[], HIDDEN),
            "de",
            "Das widerspricht einer anderen Änderung. Bitte laden Sie neu und versuchen Sie es noch einmal.",
        ),
        (FixedResponse(429, &[], BUSY), "en", "That was too much at once. Please try again later."),
        // Not an error of the contract: the message of the error class, never the raw message.
        (
            FixedResponse(500, &[], "panicked at src/main.rs"),
            "en",
            "The service is having trouble. Please try again later.",
        ),
    ] {
        let body = response.2;
        let error = error(response).await;
        assert_eq!(error.user_message(locale), expected, "{locale}: {body}");
    }
}

#[tokio::test]
async fn debug_and_display_contain_neither_cookies_nor_body() {
    let response =
        FixedResponse(404, &[("set-cookie", "session=s3cret")], r#"{"balance":"s3cret","message":"No."}"#);
    let error = error(response).await;
    for text in [format!("{error:?}"), error.to_string(), format!("{:?}", Error::Api(Box::new(error)))] {
        assert!(!text.contains("s3cret"), "{text}");
    }
}
