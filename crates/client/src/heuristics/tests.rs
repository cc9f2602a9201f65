use super::found::MAX_VIOLATIONS;
use super::*;

/// Type, code, message, and parameter or field.
#[test]
fn reads_common_formats() {
    let rows = [
        (
            r#"{"type":"https://a.example/e/out-of-credit","title":"No credit","detail":"Balance is 30."}"#,
            ["https://a.example/e/out-of-credit", "out-of-credit", "Balance is 30.", ""],
        ),
        (r#"{"type":"about:blank","title":"Not Found","status":404}"#, ["", "", "Not Found", ""]),
        (
            r#"{"error":{"type":"invalid_request_error","code":"missing","message":"m","param":"p"}}"#,
            ["invalid_request_error", "missing", "m", "p"],
        ),
        (
            r#"{"error":{"status":"INVALID_ARGUMENT","code":400,"message":"m"}}"#,
            ["INVALID_ARGUMENT", "INVALID_ARGUMENT", "m", ""],
        ),
        (r#"{"error":"Missing brand","errors":["brand is required"]}"#, ["", "", "brand is required", ""]),
        (r#"{"error":"unauthorized","message":"No key."}"#, ["", "unauthorized", "No key.", ""]),
        (
            r#"{"status":400,"code":"x","message":"m","violations":[{"field":"f","message":"n"}]}"#,
            ["", "x", "m", "f"],
        ),
        (
            r#"{"message":"The given data was invalid.","errors":{"name":["must not be empty"]}}"#,
            ["", "", "The given data was invalid.", "name"],
        ),
        (
            r#"{"errors":[{"code":"c","title":"t","detail":"d","source":{"pointer":"/data/name"}}]}"#,
            ["", "c", "d", "/data/name"],
        ),
        ("too many requests\n", ["", "", "too many requests", ""]),
        ("<html><body>502</body></html>", ["", "", "", ""]),
        ("", ["", "", "", ""]),
        ("[1]", ["", "", "[1]", ""]),
        (r#"{"error":{}}"#, ["", "", "", ""]),
        (r#"{"error":null}"#, ["", "", "", ""]),
    ];
    for (body, parts) in rows {
        assert_eq!(parts_of(recognize(&HeaderMap::new(), body.as_bytes())), parts, "{body}");
    }
}

/// Type, code, message, and parameter or field.
fn parts_of(found: HeuristicMatch) -> [String; 4] {
    let location = found.param.or_else(|| found.violations.first().and_then(|first| first.field.clone()));
    [
        found.kind.unwrap_or_default(),
        found.code.unwrap_or_default(),
        found.message,
        location.unwrap_or_default(),
    ]
}

/// The formats of providers and frameworks, as their documentation or their servers show them. Each name says whose.
#[test]
#[rustfmt::skip]
fn reads_the_formats_of_providers_and_frameworks() {
    let rows = [
        ("google, AIP-193", r#"{"error":{"code":400,"message":"API key not valid.","status":"INVALID_ARGUMENT","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"API_KEY_INVALID","domain":"googleapis.com"}]}}"#, ["INVALID_ARGUMENT", "API_KEY_INVALID", "API key not valid.", ""]),
        ("google, field violations", r#"{"error":{"code":400,"message":"m","status":"INVALID_ARGUMENT","details":[{"@type":"type.googleapis.com/google.rpc.BadRequest","fieldViolations":[{"field":"contents[0].role","description":"unknown"}]}]}}"#, ["INVALID_ARGUMENT", "INVALID_ARGUMENT", "m", "contents[0].role"]),
        ("google, quota failure", r#"{"error":{"code":429,"message":"m","status":"RESOURCE_EXHAUSTED","details":[{"@type":"type.googleapis.com/google.rpc.QuotaFailure","violations":[{"subject":"project:1","description":"d"}]}]}}"#, ["RESOURCE_EXHAUSTED", "RESOURCE_EXHAUSTED", "m", "project:1"]),
        ("google, older APIs", r#"{"error":{"errors":[{"domain":"usageLimits","reason":"rateLimitExceeded","message":"m"}],"code":403,"message":"m"}}"#, ["", "rateLimitExceeded", "m", ""]),
        ("google, a stream", r#"[{"error":{"code":503,"message":"m","status":"UNAVAILABLE"}}]"#, ["UNAVAILABLE", "UNAVAILABLE", "m", ""]),
        ("odata and azure", r#"{"error":{"code":"BadArgument","message":"Previous passwords may not be reused","target":"password","details":[{"code":"PasswordError","target":"password","message":"m"}],"innererror":{"code":"x"}}}"#, ["", "BadArgument", "Previous passwords may not be reused", "password"]),
        ("azure, targets in details", r#"{"error":{"code":"InvalidArgument","message":"m","details":[{"code":"NullValue","target":"PhoneNumber","message":"n"}]}}"#, ["", "InvalidArgument", "m", "PhoneNumber"]),
        ("odata 3", r#"{"odata.error":{"code":"ResourceNotFound","message":{"lang":"en-US","value":"The specified resource does not exist."}}}"#, ["", "ResourceNotFound", "The specified resource does not exist.", ""]),
        ("oauth, RFC 6749", r#"{"error":"invalid_grant","error_description":"The refresh token has expired."}"#, ["", "invalid_grant", "The refresh token has expired.", ""]),
        ("oauth without a description", r#"{"error":"invalid_client"}"#, ["", "invalid_client", "invalid_client", ""]),
        ("aws json", r#"{"__type":"com.amazonaws.dynamodb.v20120810#ValidationException","message":"One or more parameter values were invalid"}"#, ["", "ValidationException", "One or more parameter values were invalid", ""]),
        ("aws json, other case", r#"{"__type":"AccessDeniedException","Message":"no"}"#, ["", "AccessDeniedException", "no", ""]),
        ("aws xml", r#"<?xml version="1.0"?><ErrorResponse xmlns="x"><Error><Type>Sender</Type><Code>InvalidClientTokenId</Code><Message>It &amp; more</Message></Error><RequestId>r</RequestId></ErrorResponse>"#, ["Sender", "InvalidClientTokenId", "It & more", ""]),
        ("s3", r#"<?xml version="1.0" encoding="UTF-8"?>
<Error><Code>NoSuchKey</Code><Message>The specified key does not exist.</Message><Key>k</Key><RequestId>r</RequestId></Error>"#, ["", "NoSuchKey", "The specified key does not exist.", ""]),
        ("graphql", r#"{"data":null,"errors":[{"message":"Cannot query field","locations":[{"line":1,"column":3}],"path":["user",0,"name"],"extensions":{"code":"GRAPHQL_VALIDATION_FAILED"}}]}"#, ["", "GRAPHQL_VALIDATION_FAILED", "Cannot query field", "user.0.name"]),
        ("fastapi", r#"{"detail":"Item not found"}"#, ["", "", "Item not found", ""]),
        ("fastapi, 422", r#"{"detail":[{"type":"missing","loc":["body","items",0,"price"],"msg":"Field required","input":{}}]}"#, ["", "", "Field required", "items.0.price"]),
        ("fastapi, an object", r#"{"detail":{"code":"no_stock","message":"Sold out"}}"#, ["", "no_stock", "Sold out", ""]),
        ("django rest", r#"{"detail":"Authentication credentials were not provided."}"#, ["", "", "Authentication credentials were not provided.", ""]),
        ("django rest, fields", r#"{"email":["Enter a valid email address."],"non_field_errors":["No."]}"#, ["", "", "Enter a valid email address.", "email"]),
        ("django rest, nested", r#"{"items":[{},{"price":["A valid number is required."]}]}"#, ["", "", "A valid number is required.", "items.1.price"]),
        ("salesforce", r#"[{"message":"No such column 'x'","errorCode":"INVALID_FIELD","fields":["Name"]}]"#, ["", "INVALID_FIELD", "No such column 'x'", "Name"]),
        ("kubernetes", r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"Deployment.apps \"d\" is invalid","reason":"Invalid","details":{"name":"d","causes":[{"reason":"FieldValueInvalid","message":"bad","field":"spec.replicas"}]},"code":422}"#, ["", "Invalid", "Deployment.apps \"d\" is invalid", "spec.replicas"]),
        ("rails", r#"{"errors":{"title":["can't be blank"]}}"#, ["", "", "can't be blank", "title"]),
        ("shopify", r#"{"errors":"Not Found"}"#, ["", "", "Not Found", ""]),
        ("discord", r#"{"code":50035,"message":"Invalid Form Body","errors":{"embed":{"title":{"_errors":[{"code":"BASE_TYPE_MAX_LENGTH","message":"Too long"}]}}}}"#, ["", "50035", "Invalid Form Body", "embed.title"]),
        ("github", r#"{"message":"Validation Failed","errors":[{"resource":"Issue","field":"title","code":"missing_field"}],"documentation_url":"u"}"#, ["", "", "Validation Failed", "title"]),
        ("twilio", r#"{"code":20404,"message":"The requested resource was not found","more_info":"u","status":404}"#, ["", "20404", "The requested resource was not found", ""]),
        ("spring boot", r#"{"timestamp":"t","status":404,"error":"Not Found","path":"/x"}"#, ["", "", "Not Found", ""]),
        ("nest", r#"{"statusCode":404,"message":"Cannot GET /x","error":"Not Found"}"#, ["", "", "Cannot GET /x", ""]),
        ("elasticsearch", r#"{"error":{"root_cause":[],"type":"index_not_found_exception","reason":"no such index [x]"},"status":404}"#, ["index_not_found_exception", "", "no such index [x]", ""]),
        ("couchdb", r#"{"error":"not_found","reason":"missing"}"#, ["", "not_found", "missing", ""]),
        ("slack", r#"{"ok":false,"error":"invalid_auth"}"#, ["", "invalid_auth", "invalid_auth", ""]),
        ("jira", r#"{"errorMessages":["Issue does not exist"],"errors":{}}"#, ["", "", "Issue does not exist", ""]),
        ("cloudflare", r#"{"success":false,"errors":[{"code":9109,"message":"Invalid access token"}],"messages":[],"result":null}"#, ["", "9109", "Invalid access token", ""]),
        ("scim, RFC 7644", r#"{"schemas":["urn:ietf:params:scim:api:messages:2.0:Error"],"scimType":"mutability","detail":"Attribute 'id' is readOnly","status":"400"}"#, ["", "mutability", "Attribute 'id' is readOnly", ""]),
        ("anthropic", r#"{"type":"error","error":{"type":"rate_limit_error","message":"m"},"request_id":"req_1"}"#, ["rate_limit_error", "", "m", ""]),
        ("json-rpc", r#"{"jsonrpc":"2.0","error":{"code":-32601,"message":"Method not found"},"id":1}"#, ["", "-32601", "Method not found", ""]),
        ("asp.net", r#"{"type":"https://tools.ietf.org/html/rfc9110#section-15.5.1","title":"One or more validation errors occurred.","status":400,"errors":{"Name":["The Name field is required."]},"traceId":"00-a"}"#, ["https://tools.ietf.org/html/rfc9110#section-15.5.1", "section-15.5.1", "One or more validation errors occurred.", "Name"]),
        ("a text as JSON", r#""Not found""#, ["", "", "Not found", ""]),
    ];
    for (whose, body, parts) in rows {
        assert_eq!(parts_of(recognize(&HeaderMap::new(), body.as_bytes())), parts, "{whose}: {body}");
    }
}

/// Where the body says nothing, headers may. The code and the message.
#[test]
fn reads_headers_where_the_body_says_nothing() {
    for (name, value, body, expected) in [
        (
            "x-amzn-errortype",
            "ResourceNotFoundException:http://internal.amazon.com/x/",
            r#"{"message":"m"}"#,
            ["ResourceNotFoundException", "m"],
        ),
        ("x-ms-error-code", "BlobNotFound", "", ["BlobNotFound", ""]),
        (
            "x-error-code",
            "RepoNotFound",
            r#"{"error":"Repository not found"}"#,
            ["RepoNotFound", "Repository not found"],
        ),
        ("x-error-message", "Repository not found", "", ["", "Repository not found"]),
        (
            "www-authenticate",
            r#"Bearer realm="x, error=no", error="invalid_token", error_description="The \"token\" expired""#,
            "",
            ["invalid_token", "The \"token\" expired"],
        ),
        ("www-authenticate", "Bearer error=invalid_token", "", ["invalid_token", ""]),
        ("www-authenticate", "Bearer", "", ["", ""]),
        ("www-authenticate", r#"Bearer error="unterminated"#, "", ["", ""]),
        // The body comes first.
        ("x-error-code", "Other", r#"{"code":"own","message":"m"}"#, ["own", "m"]),
    ] {
        let mut headers = HeaderMap::new();
        headers.insert(name, value.parse().unwrap());
        let found = recognize(&headers, body.as_bytes());
        assert_eq!([found.code.unwrap_or_default(), found.message], expected, "{name}: {value}");
    }
}

#[test]
fn reads_delays_and_request_ids_in_bodies() {
    for (body, delay, id) in [
        (r#"{"message":"You are being rate limited.","retry_after":0.65,"global":false}"#, Some(650), None),
        (
            r#"{"ok":false,"error_code":429,"description":"Too Many Requests","parameters":{"retry_after":35}}"#,
            Some(35_000),
            None,
        ),
        (
            r#"{"error":{"code":429,"status":"RESOURCE_EXHAUSTED","message":"m","details":[{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"30.5s"},{"@type":"type.googleapis.com/google.rpc.RequestInfo","requestId":"r1"}]}}"#,
            Some(30_500),
            Some("r1"),
        ),
        (
            r#"{"kind":"Status","apiVersion":"v1","reason":"TooManyRequests","details":{"retryAfterSeconds":1}}"#,
            Some(1000),
            None,
        ),
        (
            r#"{"error":{"code":"x","message":"m","innerError":{"request-id":"r2","date":"d"}}}"#,
            None,
            Some("r2"),
        ),
        (
            r#"{"error":{"message":"m","type":"OAuthException","code":190,"fbtrace_id":"r3"}}"#,
            None,
            Some("r3"),
        ),
        (
            r#"{"type":"error","error":{"type":"overloaded_error","message":"m"},"request_id":"r4"}"#,
            None,
            Some("r4"),
        ),
        (
            "<ErrorResponse><Error><Code>Throttling</Code></Error><RequestId>r5</RequestId></ErrorResponse>",
            None,
            Some("r5"),
        ),
        (r#"{"message":"m","retry_after":"soon"}"#, None, None),
        (r#"{"message":"m","retry_after":-1}"#, None, None),
    ] {
        let found = recognize(&HeaderMap::new(), body.as_bytes());
        assert_eq!(found.retry_after, delay.map(std::time::Duration::from_millis), "{body}");
        assert_eq!(found.request_id.as_deref(), id, "{body}");
    }
}

/// No body makes it slow or large: deep, wide, and with many messages in one field.
#[test]
fn hostile_bodies_are_bounded() {
    let deep = format!("{}{}{}", r#"{"errors":"#, r#"{"a":"#.repeat(120), "1") + &"}".repeat(121);
    let wide = format!(
        r#"{{"errors":{{"{}":{{{}}}}}}}"#,
        "k".repeat(20_000),
        (0..4000).map(|n| format!(r#""{n}":1"#)).collect::<Vec<_>>().join(",")
    );
    let many = format!(r#"{{"errors":{{"a":[{}]}}}}"#, vec![r#""x""#; 20_000].join(","));
    let path = format!(r#"{{"detail":[{{"loc":[{}],"msg":"m"}}]}}"#, vec!["\"x\""; 20_000].join(","));
    for body in [deep, wide, many, path] {
        let found = recognize(&HeaderMap::new(), body.as_bytes());
        assert!(found.violations.len() <= MAX_VIOLATIONS, "{}", &body[..40]);
        let longest =
            found.violations.iter().filter_map(|violation| violation.field.as_ref()).map(String::len).max();
        assert!(longest.unwrap_or(0) <= 2 * body.len());
    }
}

#[test]
fn messages_and_violations_are_limited() {
    let long = "x".repeat(1_000_000);
    assert_eq!(recognize(&HeaderMap::new(), long.as_bytes()).message.chars().count(), MAX_TEXT_CHARS);
    let many = format!(r#"{{"message":"m","violations":[{}]}}"#, vec![r#"{"field":"f"}"#; 5000].join(","));
    assert_eq!(recognize(&HeaderMap::new(), many.as_bytes()).violations.len(), MAX_VIOLATIONS);
}
