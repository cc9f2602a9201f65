//! The condition and the error of an upstream's status, by what the contract claims.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on should stop")]

use demur_contract::Contract;
use demur_source::Source;

/// A contract with these errors beside the required ones.
fn contract(errors: &str) -> Contract {
    let text = format!(
        "demur: 1\nname: shop\nformats: {{ default: {{ code: $code, title: $title }} }}\nerrors:\n  \
         bad_request: {{ status: 400, title: Bad, on: [request] }}\n  \
         internal: {{ status: 500, title: Oops, on: [internal] }}\n{errors}"
    );
    Contract::load(&Source::new("shop.yaml", text)).unwrap_or_else(|found| panic!("{found}")).contract
}

/// `STATUS CONDITION → STATUS CODE TITLE` for each of these statuses.
fn rows(contract: &Contract, statuses: &[u16]) -> Vec<String> {
    let row = |status: &u16| {
        let condition = contract.upstream_condition(*status);
        let entry = contract.entry(contract.answer(condition));
        let code = entry.code.as_deref().unwrap_or("none");
        format!("{status} {condition} → {} {code}: {}", entry.status, entry.title)
    };
    statuses.iter().map(row).collect()
}

#[test]
fn unclaimed_statuses_keep_their_meaning() {
    let expected = [
        "400 upstream.refused.400 → 400 upstream_bad_request: Bad request",
        "401 upstream.failed → 500 upstream_failed: The service failed to process the request",
        "402 upstream.failed → 500 upstream_failed: The service failed to process the request",
        "403 upstream.refused.403 → 403 upstream_forbidden: Forbidden",
        "404 resource.not_found → 404 resource_not_found: Not found",
        "405 resource.method_not_allowed → 405 resource_method_not_allowed: Method not allowed",
        "407 upstream.failed → 500 upstream_failed: The service failed to process the request",
        "409 resource.conflict → 409 resource_conflict: Conflict",
        "410 resource.gone → 410 resource_gone: Gone",
        "412 precondition.failed → 412 precondition_failed: A precondition failed",
        "413 body.too_large → 413 body_too_large: The request body is too large",
        "415 body.unsupported_media_type → 415 body_unsupported_media_type: The content type is not supported",
        "422 upstream.refused.422 → 422 upstream_unprocessable_content: Unprocessable content",
        "426 upstream.refused.426 → 426 upstream_upgrade_required: Upgrade required",
        "429 upstream.refused.429 → 429 upstream_too_many_requests: Too many requests",
        "499 upstream.refused.499 → 499 upstream_refused: The service rejected the request",
        "500 upstream.failed → 500 upstream_failed: The service failed to process the request",
        "501 upstream.failed → 500 upstream_failed: The service failed to process the request",
        "502 upstream.unreachable → 502 upstream_unreachable: The service is temporarily unreachable",
        "503 upstream.unavailable → 503 upstream_unavailable: The service is temporarily unavailable",
        "504 upstream.timeout → 504 upstream_timeout: The service took too long to respond",
        "599 upstream.failed → 500 upstream_failed: The service failed to process the request",
    ];
    let statuses: Vec<u16> = expected.iter().map(|row| row[..3].parse().unwrap()).collect();
    assert_eq!(rows(&contract(""), &statuses), expected);
}

#[test]
fn claims_decide_from_the_most_specific_one() {
    for (errors, expected) in [
        // The claim on the status itself.
        (
            "  gone: { status: 404, title: Gone, on: [upstream.refused.410] }\n  \
             lost: { status: 404, title: Lost, same_as: [gone], on: [resource] }\n",
            &["404 resource.not_found → 404 lost: Lost", "410 upstream.refused.410 → 404 gone: Gone"][..],
        ),
        // A branch with one status for several conditions does not change the status of the others.
        (
            "  lost: { status: 404, title: Lost, on: [resource] }\n",
            &[
                "404 resource.not_found → 404 lost: Lost",
                "405 upstream.refused.405 → 405 upstream_method_not_allowed: Method not allowed",
                "409 upstream.refused.409 → 409 upstream_conflict: Conflict",
                "410 upstream.refused.410 → 410 upstream_gone: Gone",
            ],
        ),
        // A claim by name does.
        (
            "  lost: { status: 404, title: Lost, on: [resource.not_found, resource.gone] }\n",
            &["404 resource.not_found → 404 lost: Lost", "410 resource.gone → 404 lost: Lost"],
        ),
        // The equivalent condition goes before the catch-all.
        (
            "  lost: { status: 404, title: Lost, on: [resource.not_found] }\n  \
             refused: { status: 400, title: Refused, on: [upstream.refused] }\n",
            &[
                "403 upstream.refused.403 → 400 refused: Refused",
                "404 resource.not_found → 404 lost: Lost",
                "409 upstream.refused.409 → 400 refused: Refused",
                "429 upstream.refused.429 → 400 refused: Refused",
            ],
        ),
        // 422 means a violation where the contract answers violations with 422.
        (
            "  invalid: { status: 422, title: Invalid, on: [param] }\n",
            &["422 param.invalid.schema → 422 invalid: Invalid"],
        ),
        (
            "  invalid: { status: 400, title: Invalid, on: [param] }\n",
            &["422 upstream.refused.422 → 422 upstream_unprocessable_content: Unprocessable content"],
        ),
        // A message about one parameter needs one.
        (
            "  invalid: { status: 422, title: Invalid, message: '{param} is invalid', on: [param] }\n",
            &["422 upstream.refused.422 → 422 upstream_unprocessable_content: Unprocessable content"],
        ),
        // A failed service is another matter than one that rejects.
        (
            "  failed: { status: 500, title: Failed, retry: backoff, on: [upstream] }\n",
            &[
                "404 resource.not_found → 404 resource_not_found: Not found",
                "418 upstream.refused.418 → 418 upstream_refused: The service rejected the request",
                "429 upstream.refused.429 → 429 upstream_too_many_requests: Too many requests",
                "502 upstream.unreachable → 500 failed: Failed",
                "503 upstream.unavailable → 500 failed: Failed",
            ],
        ),
        // A rate of the gateway is another limit than the service's.
        (
            "  slow: { status: 429, title: Slow down, retry: after_delay, on: [rate, quota.exceeded] }\n",
            &["429 upstream.refused.429 → 429 upstream_too_many_requests: Too many requests"],
        ),
        // Where only the title tells errors apart, a derived one gets another title.
        (
            "  forbidden: { status: 403, title: Forbidden, on: [permission] }\n",
            &[
                "403 upstream.refused.403 → 403 upstream_forbidden: The service rejected the request: forbidden",
            ],
        ),
    ] {
        let contract = contract(errors);
        let statuses: Vec<u16> = expected.iter().map(|row| row[..3].parse().unwrap()).collect();
        assert_eq!(rows(&contract, &statuses), expected, "{errors}");
    }
}
