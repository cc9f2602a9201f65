//! A command for every documented error of the five, which the demo writes to a script.

/// A documented error, and how to get it from the demo.
#[derive(Debug, Clone, Copy)]
pub struct DocumentedError {
    /// The API.
    pub api: &'static str,
    /// The name of the error in the API's documentation, or of its case.
    pub name: &'static str,
    /// The command, as in [`TRY`](crate::TRY). Where only a repeated request is rejected, it names the URL several times.
    pub command: &'static str,
}

const fn error(api: &'static str, name: &'static str, command: &'static str) -> DocumentedError {
    DocumentedError { api, name, command }
}

/// The errors that a sound gateway answers.
pub const ERRORS: &[DocumentedError] = &[
    error("trakkr", "missing_authorization", r#"curl -i '{gateway}/trakkr/brands'"#),
    error(
        "trakkr",
        "invalid_api_key",
        r#"curl -i -H 'Authorization: Bearer trk_short' '{gateway}/trakkr/brands'"#,
    ),
    error(
        "trakkr",
        "api_key_revoked",
        r#"curl -i -H 'Authorization: Bearer {trakkr:revoked}' '{gateway}/trakkr/brands'"#,
    ),
    error(
        "trakkr",
        "api_key_expired",
        r#"curl -i -H 'Authorization: Bearer {trakkr:expired}' '{gateway}/trakkr/brands'"#,
    ),
    error(
        "trakkr",
        "missing_param",
        r#"curl -i -H 'Authorization: Bearer {trakkr:active}' '{gateway}/trakkr/scores'"#,
    ),
    error(
        "trakkr",
        "invalid_param",
        r#"curl -i -H 'Authorization: Bearer {trakkr:active}' '{gateway}/trakkr/brands?limit=1000'"#,
    ),
    error(
        "trakkr",
        "invalid_json",
        r#"curl -i -H 'Authorization: Bearer {trakkr:active}' -H 'Content-Type: application/json' -d '{"name":' '{gateway}/trakkr/brands'"#,
    ),
    error(
        "trakkr",
        "not_found",
        r#"curl -i -H 'Authorization: Bearer {trakkr:active}' '{gateway}/trakkr/brands/none'"#,
    ),
    error(
        "trakkr",
        "permission_denied",
        r#"curl -i -H 'Authorization: Bearer {trakkr:foreign}' '{gateway}/trakkr/brands/0000000000000x000000000000000000'"#,
    ),
    error(
        "trakkr",
        "rate_limit_exceeded",
        r#"curl -i -H 'Authorization: Bearer {trakkr:limited}' '{gateway}/trakkr/brands' '{gateway}/trakkr/brands' '{gateway}/trakkr/brands' '{gateway}/trakkr/brands'"#,
    ),
    error(
        "trakkr",
        "daily_limit_exceeded",
        r#"curl -i -H 'Authorization: Bearer {trakkr:daily}' '{gateway}/trakkr/brands' '{gateway}/trakkr/brands' '{gateway}/trakkr/brands'"#,
    ),
    error(
        "trakkr",
        "internal_error",
        r#"curl -i -H 'Authorization: Bearer {trakkr:active}' '{gateway}/trakkr/reports/corrupt-record'"#,
    ),
    error(
        "trakkr",
        "timeout",
        r#"curl -i -H 'Authorization: Bearer {trakkr:active}' '{gateway}/trakkr/reports/yearly'"#,
    ),
    error(
        "trakkr-get-scores",
        "missing_brand",
        r#"curl -i -H 'Authorization: Bearer {trakkr-get-scores:active}' -H 'Content-Type: application/json' -d '{}' '{gateway}/trakkr-get-scores/get-scores'"#,
    ),
    error(
        "trakkr-get-scores",
        "breakdown_not_an_array",
        r#"curl -i -H 'Authorization: Bearer {trakkr-get-scores:active}' -H 'Content-Type: application/json' -d '{"brand": "0000000000000x000000000000000000", "breakdown": "model"}' '{gateway}/trakkr-get-scores/get-scores'"#,
    ),
    error(
        "trakkr-get-scores",
        "breakdown_value",
        r#"curl -i -H 'Authorization: Bearer {trakkr-get-scores:active}' -H 'Content-Type: application/json' -d '{"brand": "0000000000000x000000000000000000", "breakdown": ["invalid"]}' '{gateway}/trakkr-get-scores/get-scores'"#,
    ),
    error(
        "trakkr-get-scores",
        "start_date_format",
        r#"curl -i -H 'Authorization: Bearer {trakkr-get-scores:active}' -H 'Content-Type: application/json' -d '{"brand": "0000000000000x000000000000000000", "start_date": "20-11-2026"}' '{gateway}/trakkr-get-scores/get-scores'"#,
    ),
    error(
        "trakkr-get-scores",
        "date_range_too_large",
        r#"curl -i -H 'Authorization: Bearer {trakkr-get-scores:active}' -H 'Content-Type: application/json' -d '{"brand": "0000000000000x000000000000000000", "start_date": "2026-01-01", "end_date": "2026-04-02"}' '{gateway}/trakkr-get-scores/get-scores'"#,
    ),
    error(
        "trakkr-get-scores",
        "missing_api_key",
        r#"curl -i -H 'Content-Type: application/json' -d '{"brand": "0000000000000x000000000000000000"}' '{gateway}/trakkr-get-scores/get-scores'"#,
    ),
    error(
        "trakkr-get-scores",
        "invalid_api_key",
        r#"curl -i -H 'Authorization: Bearer tgs_short' -H 'Content-Type: application/json' -d '{"brand": "0000000000000x000000000000000000"}' '{gateway}/trakkr-get-scores/get-scores'"#,
    ),
    error(
        "trakkr-get-scores",
        "brand_access_denied",
        r#"curl -i -H 'Authorization: Bearer {trakkr-get-scores:active}' -H 'Content-Type: application/json' -d '{"brand": "1718000000000x100000000000000001"}' '{gateway}/trakkr-get-scores/get-scores'"#,
    ),
    error(
        "trakkr-get-scores",
        "date_range_validation_error",
        r#"curl -i -H 'Authorization: Bearer {trakkr-get-scores:active}' -H 'Content-Type: application/json' -d '{"brand": "0000000000000x000000000000000000", "start_date": "2026-02-30"}' '{gateway}/trakkr-get-scores/get-scores'"#,
    ),
    error(
        "trakkr-get-scores",
        "internal_server_error",
        r#"curl -i -H 'Authorization: Bearer {trakkr-get-scores:active}' -H 'Content-Type: application/json' -d '{"brand": "corrupt-record"}' '{gateway}/trakkr-get-scores/get-scores'"#,
    ),
    error(
        "trakkr-get-scores",
        "bad_request",
        r#"curl -i -H 'Authorization: Bearer {trakkr-get-scores:active}' -H 'Content-Type: application/json' -d 'brand=x' '{gateway}/trakkr-get-scores/get-scores'"#,
    ),
    error(
        "trakkr-get-scores",
        "forbidden",
        r#"curl -i -H 'Authorization: Bearer {trakkr-get-scores:restricted}' -H 'Content-Type: application/json' -d '{"brand": "0000000000000x000000000000000000"}' '{gateway}/trakkr-get-scores/get-scores'"#,
    ),
    error(
        "trakkr-get-scores",
        "wrong_scheme",
        r#"curl -i -H 'Authorization: Basic x' -H 'Content-Type: application/json' -d '{"brand": "0000000000000x000000000000000000"}' '{gateway}/trakkr-get-scores/get-scores'"#,
    ),
    error(
        "trackyard",
        "invalid_parameters",
        r#"curl -i -H 'Authorization: Bearer {trackyard:active}' -H 'Content-Type: application/json' -d '{"query": "epic", "hit_point_seconds": 60}' '{gateway}/trackyard/api/external/v1/search'"#,
    ),
    error(
        "trackyard",
        "malformed_json",
        r#"curl -i -H 'Authorization: Bearer {trackyard:active}' -H 'Content-Type: application/json' -d '{query: epic}' '{gateway}/trackyard/api/external/v1/search'"#,
    ),
    error("trackyard", "unauthorized", r#"curl -i '{gateway}/trackyard/api/external/v1/me'"#),
    error(
        "trackyard",
        "out_of_credits",
        r#"curl -i -H 'Authorization: Bearer {trackyard:broke}' -H 'Content-Type: application/json' -d '{"query": "epic"}' '{gateway}/trackyard/api/external/v1/search' '{gateway}/trackyard/api/external/v1/search'"#,
    ),
    error(
        "trackyard",
        "forbidden",
        r#"curl -i -H 'Authorization: Bearer {trackyard:free}' -X POST '{gateway}/trackyard/api/external/v1/tracks/trk_001/similar'"#,
    ),
    error(
        "trackyard",
        "not_found",
        r#"curl -i -H 'Authorization: Bearer {trackyard:active}' '{gateway}/trackyard/api/external/v1/tracks/trk_999'"#,
    ),
    error(
        "trackyard",
        "too_many_requests",
        r#"curl -i -H 'Authorization: Bearer {trackyard:limited}' '{gateway}/trackyard/api/external/v1/me' '{gateway}/trackyard/api/external/v1/me' '{gateway}/trackyard/api/external/v1/me' '{gateway}/trackyard/api/external/v1/me'"#,
    ),
    error(
        "trackyard",
        "internal_server_error",
        r#"curl -i -H 'Authorization: Bearer {trackyard:active}' '{gateway}/trackyard/api/external/v1/tracks/corrupt-record'"#,
    ),
    error(
        "trackyard",
        "forbidden_admin",
        r#"curl -i -H 'Authorization: Bearer {trackyard:pro}' '{gateway}/trackyard/api/external/v1/admin/usage'"#,
    ),
    error(
        "trackbot-pro",
        "validation_failed",
        r#"curl -i -H 'Authorization: Bearer {trackbot-pro:active}' '{gateway}/trackbot-pro/shipments?limit=101&page=0'"#,
    ),
    error(
        "trackbot-pro",
        "invalid_courier",
        r#"curl -i -H 'Authorization: Bearer {trackbot-pro:active}' -H 'Content-Type: application/json' -d '{"tracking_code": "D-1", "courier": "pigeon"}' '{gateway}/trackbot-pro/shipments'"#,
    ),
    error(
        "trackbot-pro",
        "shipment_already_exists",
        r#"curl -i -H 'Authorization: Bearer {trackbot-pro:active}' -H 'Content-Type: application/json' -d '{"tracking_code": "D-2", "courier": "dhl"}' '{gateway}/trackbot-pro/shipments' '{gateway}/trackbot-pro/shipments'"#,
    ),
    error(
        "trackbot-pro",
        "bad_request",
        r#"curl -i -H 'Authorization: Bearer {trackbot-pro:active}' -H 'Content-Type: application/json' -d '<shipment/>' '{gateway}/trackbot-pro/shipments'"#,
    ),
    error("trackbot-pro", "unauthorized", r#"curl -i '{gateway}/trackbot-pro/shipments'"#),
    error(
        "trackbot-pro",
        "payment_required",
        r#"curl -i -H 'Authorization: Bearer {trackbot-pro:lapsed}' '{gateway}/trackbot-pro/shipments'"#,
    ),
    error(
        "trackbot-pro",
        "not_found",
        r#"curl -i -H 'Authorization: Bearer {trackbot-pro:active}' '{gateway}/trackbot-pro/shipments/dhl-none'"#,
    ),
    error(
        "trackbot-pro",
        "too_many_requests",
        r#"curl -i -H 'Authorization: Bearer {trackbot-pro:limited}' '{gateway}/trackbot-pro/shipments' '{gateway}/trackbot-pro/shipments' '{gateway}/trackbot-pro/shipments' '{gateway}/trackbot-pro/shipments'"#,
    ),
    error(
        "trackbot-pro",
        "internal_server_error",
        r#"curl -i -H 'Authorization: Bearer {trackbot-pro:active}' '{gateway}/trackbot-pro/shipments/corrupt-record'"#,
    ),
    error(
        "trackunit",
        "exactly_one_telematics_device_is_required",
        r#"curl -i -H 'Authorization: Bearer {trackunit:active}' -H 'Content-Type: application/json' -d '{"name": "Loader"}' '{gateway}/trackunit/assets'"#,
    ),
    error(
        "trackunit",
        "constraint_violation",
        r#"curl -i -H 'Authorization: Bearer {trackunit:active}' -H 'Content-Type: application/json' -d '{"name": ""}' '{gateway}/trackunit/groups'"#,
    ),
    error(
        "trackunit",
        "telematics_device_already_onboarded",
        r#"curl -i -H 'Authorization: Bearer {trackunit:active}' -H 'Content-Type: application/json' -d '{"name": "Loader", "telematics_devices": ["D-3"]}' '{gateway}/trackunit/assets' '{gateway}/trackunit/assets'"#,
    ),
    error("trackunit", "unauthorized", r#"curl -i '{gateway}/trackunit/devices'"#),
    error(
        "trackunit",
        "forbidden",
        r#"curl -i -H 'Authorization: Bearer {trackunit:restricted}' '{gateway}/trackunit/groups/group-1'"#,
    ),
    error(
        "trackunit",
        "not_found",
        r#"curl -i -H 'Authorization: Bearer {trackunit:active}' '{gateway}/trackunit/groups/none'"#,
    ),
    error(
        "trackunit",
        "internal_server_error",
        r#"curl -i -H 'Authorization: Bearer {trackunit:active}' '{gateway}/trackunit/groups/corrupt-record'"#,
    ),
    error(
        "trackunit",
        "bad_request",
        r#"curl -i -H 'Authorization: Bearer {trackunit:active}' -X PUT -H 'Content-Type: application/json' -d 'name: Cranes' '{gateway}/trackunit/groups/group-1'"#,
    ),
];

/// The errors that need a broken store: its files are overwritten first, with keys that no other command has used.
pub const STORE_ERRORS: &[DocumentedError] = &[
    error(
        "trakkr",
        "service_unavailable",
        r#"curl -i -H 'Authorization: Bearer {trakkr:owner}' '{gateway}/trakkr/brands'"#,
    ),
    error(
        "trakkr-get-scores",
        "authentication_error",
        r#"curl -i -H 'Authorization: Bearer {trakkr-get-scores:foreign}' -H 'Content-Type: application/json' -d '{"brand": "0000000000000x000000000000000000"}' '{gateway}/trakkr-get-scores/get-scores'"#,
    ),
];
