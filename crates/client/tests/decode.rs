//! What the error of a call says, by the contract and without one.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what failed by failing")]

use demur_client::{ApiError, Contract, ErrorClass, ErrorIdentity, FieldViolation, RetryClass, decode};
use demur_contract::Source;
use http::{HeaderMap, StatusCode};

/// The names of its members mean something else to those who guess.
const CONTRACT: &str = r#"
demur: 1
name: shop
request_id: { header: Shop-Trace, prefix: t_ }
formats:
  default: { what: $code, text: $message, message: Never read this., code: 7 }
  about: { what: $code, text: $detail, about?: $param, message: Never read this. }
  fields: { what: $code, text: $message, bad: [{ where: $violation.pointer, say: $violation.message }], errors: [nothing] }
  waiting: { what: $code, wait: $retry_after }
  texts: { title: $title, errors: [$detail] }
violations: { field: path }
locales:
  it:
    errors:
      not_here: Non c'è.
errors:
  bad: { status: 400, message: Bad., on: [request, body] }
  missing: { status: 400, format: about, message: "{param} is needed.", on: [param.missing] }
  invalid: { status: 422, format: fields, message: Some are wrong., on: [param] }
  locked_out: { status: 403, message: Wrong key., on: [credential] }
  unpaid: { status: 429, message: Pay first., on: [credits.exhausted] }
  dormant: { status: 402, message: No plan., on: [plan.inactive] }
  not_here: { status: 404, message: Not here., on: [resource.not_found] }
  later: { status: 503, format: waiting, on: [overloaded] }
  twin_a: { status: 409, code: twin, message: Twins., same_as: [twin_b], on: [resource.exists] }
  twin_b: { status: 409, code: twin, message: Twins., same_as: [twin_a], on: [resource.conflict] }
  plain: { status: 418, format: texts, title: Teapot, message: Short and stout. }
  listed: { status: 417, format: texts, title: Listed, message: "{param} is not expected.", on: [param.invalid.unknown] }
  broken: { status: 500, message: Broken., on: [internal] }
"#;

fn contract() -> Contract {
    match Contract::load(&Source::new("shop.yaml", CONTRACT)) {
        Ok(loaded) => loaded.contract,
        Err(found) => panic!("{found}"),
    }
}

fn decoded(status: u16, headers: &[(&'static str, &'static str)], body: &'static str) -> ApiError {
    let mut all = HeaderMap::new();
    for (name, value) in headers {
        all.append(*name, value.parse().unwrap());
    }
    decode(Some(&contract()), StatusCode::from_u16(status).unwrap(), all, body)
}

fn field(field: &str, message: &str) -> FieldViolation {
    FieldViolation { field: Some(field.to_owned()), message: Some(message.to_owned()) }
}

/// Code, message, parameter and violations.
type Read = (Option<&'static str>, &'static str, Option<&'static str>, Vec<FieldViolation>);

#[test]
fn message_parameter_and_violations_come_from_the_contract() {
    let rows: Vec<(u16, &'static str, Read)> = vec![
        (
            404,
            r#"{"what":"not_here","text":"Not here.","message":"Never read this.","code":7}"#,
            (Some("not_here"), "Not here.", None, vec![]),
        ),
        (
            400,
            r#"{"what":"missing","text":"size is needed.","about":"size","message":"Never read this."}"#,
            (Some("missing"), "size is needed.", Some("size"), vec![field("size", "size is needed.")]),
        ),
        // The parameter is not shown by itself, and the text has it.
        (
            400,
            r#"{"what":"missing","text":"size is needed.","message":"Never read this."}"#,
            (Some("missing"), "size is needed.", Some("size"), vec![field("size", "size is needed.")]),
        ),
        (
            422,
            r#"{"what":"invalid","text":"Some are wrong.","bad":[{"where":"/a/0","say":"a[0] must not be empty"},{"where":"/b","say":"b must not be empty"}],"errors":["nothing"]}"#,
            (
                Some("invalid"),
                "Some are wrong.",
                None,
                vec![field("a[0]", "a[0] must not be empty"), field("b", "b must not be empty")],
            ),
        ),
        (503, r#"{"what":"later","wait":7}"#, (Some("later"), "", None, vec![])),
        // The same format has the message or a violation in its list.
        (
            418,
            r#"{"title":"Teapot","errors":["Short and stout."]}"#,
            (Some("plain"), "Short and stout.", None, vec![]),
        ),
        // What all candidates agree on.
        (
            409,
            r#"{"what":"twin","text":"Twins.","message":"Never read this.","code":7}"#,
            (Some("twin"), "Twins.", None, vec![]),
        ),
    ];
    for (status, body, (code, message, param, violations)) in rows {
        let error = decoded(status, &[], body);
        assert_ne!(error.identity, ErrorIdentity::Unknown, "{body}");
        assert_eq!(
            (error.code.as_deref(), error.message.as_str(), error.param.as_deref(), &error.violations),
            (code, message, param, &violations),
            "{body}"
        );
    }
    let italian = decoded(
        404,
        &[("content-language", "it")],
        r#"{"what":"not_here","text":"Non c'è.","message":"Never read this.","code":7}"#,
    );
    assert_eq!((italian.name(), italian.message.as_str()), (Some("not_here"), "Non c'è."));
    let unknown = decoded(404, &[], r#"{"code":"other","message":"From elsewhere."}"#);
    assert_eq!((unknown.identity, unknown.message.as_str()), (ErrorIdentity::Unknown, "From elsewhere."));
}

#[test]
fn the_class_is_that_of_the_conditions() {
    for (status, body, class) in [
        (
            403,
            r#"{"what":"locked_out","text":"Wrong key.","message":"Never read this.","code":7}"#,
            ErrorClass::Authentication,
        ),
        (
            429,
            r#"{"what":"unpaid","text":"Pay first.","message":"Never read this.","code":7}"#,
            ErrorClass::Payment,
        ),
        (
            402,
            r#"{"what":"dormant","text":"No plan.","message":"Never read this.","code":7}"#,
            ErrorClass::Payment,
        ),
        (
            409,
            r#"{"what":"twin","text":"Twins.","message":"Never read this.","code":7}"#,
            ErrorClass::Conflict,
        ),
        // No error of the contract: by the status.
        (403, "{}", ErrorClass::Permission),
    ] {
        assert_eq!(decoded(status, &[], body).class, class, "{body}");
    }
}

#[test]
fn delay_and_request_id_come_from_headers_or_the_body() {
    let later =
        decoded(503, &[("shop-trace", "t_1"), ("x-request-id", "other")], r#"{"what":"later","wait":7}"#);
    assert_eq!(later.retry.after.map(|delay| delay.as_secs()), Some(7));
    assert_eq!((later.retry.class, later.request_id.as_deref()), (RetryClass::AfterDelay, Some("t_1")));
    for header in ["x-ms-request-id", "x-amzn-requestid", "request-id", "x-github-request-id", "cf-ray"] {
        let mut headers = HeaderMap::new();
        headers.insert(header, "id".parse().unwrap());
        let error = decode(None, StatusCode::NOT_FOUND, headers, "");
        assert_eq!(error.request_id.as_deref(), Some("id"), "{header}");
    }
}

/// An event of a stream has no status of its own; its data has the format all the same.
#[test]
fn an_event_of_a_stream_is_decoded_like_a_response() {
    let data = r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#;
    let error = decode(None, StatusCode::SERVICE_UNAVAILABLE, HeaderMap::new(), data);
    assert_eq!((error.kind.as_deref(), error.message.as_str()), (Some("overloaded_error"), "Overloaded"));
}

#[test]
fn limits_the_size_of_stored_bodies() {
    let error = decode(None, StatusCode::BAD_GATEWAY, HeaderMap::new(), vec![b'x'; 1 << 20]);
    assert_eq!(error.body.len(), 64 * 1024);
}

#[test]
fn an_error_can_be_made_in_a_test() {
    let mut error = ApiError::new(StatusCode::PAYMENT_REQUIRED).with_user_message("it", "Ricarichi.");
    error.code = Some("out_of_credits".to_owned());
    assert_eq!((error.class, error.user_message("it-IT")), (ErrorClass::Payment, "Ricarichi."));
    assert_eq!(error.to_string(), "402 payment (out_of_credits)");
    let busy = ApiError::new(StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(
        (busy.retry.class, busy.user_message("fr")),
        (RetryClass::AfterDelay, ErrorClass::Limit.user_message("fr"))
    );
}
