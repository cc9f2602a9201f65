//! Each service sends its documented successes, raises the errors that only it can know, and really
//! fails. Without the gateway: what the gateway adds is tested where the gateway is.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on should stop, in its functions that carry no #[test] too"
)]

mod checking;

use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;

use checking::Expected::{Fails, Raises, Redirects, Success};
use checking::{check, example, row, send};

const BRAND: &str = "0000000000000x000000000000000000";

#[tokio::test(start_paused = true)]
async fn trakkr() {
    let new_brand = || Some(json!({"name": "New", "domain": "new.example"}));
    check(
        "trakkr",
        vec![
            row("listBrands", "GET /brands", None, Success(200, vec![("/brands/0/id", json!(BRAND))])),
            row(
                "listBrands",
                "GET /brands?limit=1&page=3",
                None,
                Success(200, vec![("/brands/1", Value::Null)]),
            ),
            row("createBrand", "POST /brands", new_brand(), Success(201, vec![("/name", json!("New"))])),
            row(
                "listBrands",
                "GET /brands?limit=1&page=4",
                None,
                Success(200, vec![("/brands/0/name", json!("New"))]),
            ),
            row("showBrand", "GET /brands/0000000000000x000000000000000000", None, Success(200, vec![])),
            row("showBrand", "GET /brands/none", None, Raises("not_found")),
            row(
                "listScores",
                "GET /scores?brand=0000000000000x000000000000000000&limit=2",
                None,
                Success(200, vec![("/scores/1/score", json!(64.0)), ("/scores/2", Value::Null)]),
            ),
            row(
                "listScores",
                "GET /scores?brand=1718000000000x100000000000000002",
                None,
                Success(200, vec![("/scores", json!([]))]),
            ),
            row("listScores", "GET /scores?brand=none", None, Raises("not_found")),
            row("showReport", "GET /reports/october", None, Success(200, vec![])),
            row("showReport", "GET /reports/yearly", None, Success(200, vec![])),
            row("showReport", "GET /reports/none", None, Raises("not_found")),
            row("showReport", "GET /reports/corrupt-record", None, Fails),
        ],
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn the_yearly_report_takes_longer_than_a_gateway_waits() {
    let start = tokio::time::Instant::now();
    send((example("trakkr").router)(), "GET /reports/yearly", None).await;
    assert_eq!(start.elapsed(), Duration::from_secs(10));
}

#[tokio::test]
async fn trakkr_get_scores() {
    let dates = |start, end| Some(json!({"brand": BRAND, "start_date": start, "end_date": end}));
    check(
        "trakkr-get-scores",
        vec![
            row(
                "getScores",
                "POST /get-scores",
                Some(json!({"brand": BRAND})),
                Success(
                    200,
                    vec![
                        ("/average", json!(66.0)),
                        ("/scores/3/score", json!(58.0)),
                        ("/by_model", Value::Null),
                    ],
                ),
            ),
            row(
                "getScores",
                "POST /get-scores",
                Some(json!({"brand": BRAND, "breakdown": ["model"], "start_date": "2026-11-19"})),
                Success(
                    200,
                    vec![
                        ("/by_model", json!({"large": 72.0, "small": 64.0})),
                        ("/by_prompt", Value::Null),
                        ("/scores/2", Value::Null),
                    ],
                ),
            ),
            row(
                "getScores",
                "POST /get-scores",
                dates("2026-08-30", "2026-11-18"),
                Success(200, vec![("/average", json!(64.0))]),
            ),
            // The end before the start: no day at all.
            row(
                "getScores",
                "POST /get-scores",
                dates("2026-11-19", "2026-11-01"),
                Success(200, vec![("/scores", json!([])), ("/average", Value::Null)]),
            ),
            row(
                "getScores",
                "POST /get-scores",
                Some(json!({"brand": "none"})),
                Raises("brand_access_denied"),
            ),
            row("getScores", "POST /get-scores", Some(json!({"brand": "corrupt-record"})), Fails),
            row(
                "getLastUpdate",
                "GET /get-last-update",
                None,
                Success(200, vec![("/last_update", json!("2026-11-19"))]),
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn trackyard() {
    let search = "POST /api/external/v1/search";
    check(
        "trackyard",
        vec![
            row(
                "searchTracks",
                search,
                Some(json!({"query": "epic strings"})),
                Success(
                    200,
                    vec![
                        ("/tracks/0/id", json!("trk_001")),
                        ("/tracks/0/start_seconds", Value::Null),
                        ("/tracks/1", Value::Null),
                    ],
                ),
            ),
            row(
                "searchTracks",
                search,
                Some(json!({"query": "cinematic", "duration_seconds": 90, "hit_point_seconds": 60, "limit": 1})),
                Success(200, vec![("/tracks/0/start_seconds", json!(61.5)), ("/tracks/1", Value::Null)]),
            ),
            row(
                "searchTracks",
                search,
                Some(json!({"query": "UPBEAT", "filters": {"genre": "electronic", "bpm_min": 120}})),
                Success(200, vec![("/tracks/0/id", json!("trk_004")), ("/tracks/1", Value::Null)]),
            ),
            row("showTrack", "GET /api/external/v1/tracks/trk_002", None, Success(200, vec![])),
            row("showTrack", "GET /api/external/v1/tracks/none", None, Raises("track_not_found")),
            row("showTrack", "GET /api/external/v1/tracks/corrupt-record", None, Fails),
            row(
                "similarTracks",
                "POST /api/external/v1/tracks/trk_001/similar?limit=5",
                None,
                Success(200, vec![("/tracks/0/id", json!("trk_002")), ("/tracks/1", Value::Null)]),
            ),
            row("similarTracks", "POST /api/external/v1/tracks/none/similar", None, Raises("track_not_found")),
            row("showUsage", "GET /api/external/v1/admin/usage", None, Success(200, vec![("/searches", json!(3))])),
            // There is no gateway in front of the service here, so there are no headers about the caller.
            row("showMe", "GET /api/external/v1/me", None, Success(200, vec![("/credits_left", Value::Null)])),
        ],
    )
    .await;
}

#[tokio::test]
async fn me_shows_what_the_gateway_passes() {
    let request = Request::get("/api/external/v1/me")
        .header("Demur-Account", "acme")
        .header("Demur-Plan", "free")
        .header("Demur-Credits-Remaining", "97")
        .header("Demur-Credits-Reset", "2026-12-01T00:00:00Z")
        .body(Body::empty())
        .unwrap();
    let response = (example("trackyard").router)().oneshot(request).await.unwrap();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(
        serde_json::from_slice::<Value>(&body).unwrap(),
        json!({
            "account": "acme",
            "tier": "free",
            "credits_left": 97,
            "credits_reset_at": "2026-12-01T00:00:00Z",
        })
    );
}

#[tokio::test]
async fn trackbot_pro() {
    let shipment = |courier| Some(json!({"tracking_code": "JD0146000032", "courier": courier}));
    check(
        "trackbot-pro",
        vec![
            row(
                "listCouriers",
                "GET /couriers",
                None,
                Success(200, vec![("/couriers/0/slug", json!("dhl"))]),
            ),
            row(
                "showAnalytics",
                "GET /analytics",
                None,
                Success(200, vec![("/by_status/delivered", json!(1))]),
            ),
            row(
                "createShipment",
                "POST /shipments",
                shipment("dhl"),
                Success(201, vec![("/status", json!("pending"))]),
            ),
            row("createShipment", "POST /shipments", shipment("dhl"), Raises("shipment_already_exists")),
            row("createShipment", "POST /shipments", shipment("ups"), Success(201, vec![])),
            row("createShipment", "POST /shipments", shipment("owl"), Raises("invalid_courier")),
            row(
                "listShipments",
                "GET /shipments",
                None,
                Success(200, vec![("/total", json!(5)), ("/limit", json!(20))]),
            ),
            row(
                "listShipments",
                "GET /shipments?limit=2&page=3",
                None,
                Success(200, vec![("/shipments/0/courier", json!("ups")), ("/shipments/1", Value::Null)]),
            ),
            row("showShipment", "GET /shipments/dhl-JD0146000032", None, Success(200, vec![])),
            row("showShipment", "GET /shipments/none", None, Raises("not_found")),
            row("showShipment", "GET /shipments/corrupt-record", None, Fails),
        ],
    )
    .await;
}

#[tokio::test]
async fn trackunit() {
    let asset = |devices: Value| Some(json!({"name": "Loader", "telematics_devices": devices}));
    let assets = |id| Some(json!({"assets": [id]}));
    check(
        "trackunit",
        vec![
            row(
                "createGroup",
                "POST /groups",
                Some(json!({"name": "Cranes"})),
                Success(201, vec![("/id", json!("group-4"))]),
            ),
            row("showGroup", "GET /groups/group-4", None, Success(200, vec![("/name", json!("Cranes"))])),
            row("showGroup", "GET /groups/none", None, Raises("not_found")),
            row("showGroup", "GET /groups/corrupt-record", None, Fails),
            row(
                "updateGroup",
                "PUT /groups/group-4",
                Some(json!({"name": "C"})),
                Success(200, vec![("/name", json!("C"))]),
            ),
            row("updateGroup", "PUT /groups/none", Some(json!({"name": "C"})), Raises("not_found")),
            row("updateGroup", "PUT /groups/corrupt-record", Some(json!({"name": "C"})), Fails),
            row(
                "onboardAsset",
                "POST /assets",
                asset(json!(["T1"])),
                Success(201, vec![("/id", json!("asset-T1"))]),
            ),
            row(
                "onboardAsset",
                "POST /assets",
                asset(json!(["T1"])),
                Raises("telematics_device_already_onboarded"),
            ),
            row(
                "onboardAsset",
                "POST /assets",
                asset(json!([])),
                Raises("exactly_one_telematics_device_is_required"),
            ),
            row(
                "onboardAsset",
                "POST /assets",
                asset(json!(["T2", "T3"])),
                Raises("exactly_one_telematics_device_is_required"),
            ),
            row(
                "onboardAsset",
                "POST /assets",
                Some(json!({"name": "L"})),
                Raises("exactly_one_telematics_device_is_required"),
            ),
            row("addAssetsToGroup", "POST /groups/group-4/assets", assets("asset-T1"), Success(204, vec![])),
            // Once more: it is there already.
            row("addAssetsToGroup", "POST /groups/group-4/assets", assets("asset-T1"), Success(204, vec![])),
            row("addAssetsToGroup", "POST /groups/group-4/assets", assets("none"), Raises("not_found")),
            row("addAssetsToGroup", "POST /groups/none/assets", assets("asset-T1"), Raises("not_found")),
            row(
                "showGroup",
                "GET /groups/group-4",
                None,
                Success(200, vec![("/assets", json!(["asset-T1"]))]),
            ),
            row(
                "showAssetManual",
                "GET /assets/asset-TU-100001/manual",
                None,
                Redirects("https://manuals.example/excavator.pdf"),
            ),
            row("showAssetManual", "GET /assets/none/manual", None, Raises("not_found")),
            row("listDevices", "GET /devices", None, Success(200, vec![("/devices/2/serial", json!("T1"))])),
        ],
    )
    .await;
}
