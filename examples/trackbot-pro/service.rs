//! TrackBot Pro: couriers and their shipments.
//!
//! To make it fail: `GET /shipments/corrupt-record`.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, Path, Query, State};
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};

use crate::MAX_BODY_BYTES;
use crate::failure::Failure;
use crate::paging::Paging;
use crate::store::{Added, Store};

pub(crate) const OPENAPI: &str = include_str!("openapi.yaml");

struct Records {
    couriers: Store,
    shipments: Store,
}

pub(crate) fn router() -> Router {
    let records = Records { couriers: Store::seeded(COURIERS), shipments: Store::seeded(SHIPMENTS) };
    Router::new()
        .route("/couriers", get(list_couriers))
        .route("/shipments", get(list_shipments).post(create_shipment))
        .route("/shipments/{id}", get(show_shipment))
        .route("/analytics", get(analytics))
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .with_state(Arc::new(records))
}

#[derive(Serialize, Deserialize)]
struct Courier {
    slug: String,
    name: String,
}

#[derive(Serialize)]
struct Couriers {
    couriers: Vec<Courier>,
}

async fn list_couriers(State(records): State<Arc<Records>>) -> Json<Couriers> {
    Json(Couriers { couriers: records.couriers.list() })
}

#[derive(Serialize, Deserialize)]
struct Shipment {
    id: String,
    tracking_code: String,
    courier: String,
    status: Status,
}

#[derive(Serialize, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "snake_case")]
enum Status {
    Pending,
    InTransit,
    Delivered,
}

#[derive(Serialize)]
struct Shipments {
    limit: usize,
    page: usize,
    total: usize,
    shipments: Vec<Shipment>,
}

async fn list_shipments(
    State(records): State<Arc<Records>>,
    Query(paging): Query<Paging>,
) -> Json<Shipments> {
    let all = records.shipments.list();
    Json(Shipments { limit: paging.limit, page: paging.page, total: all.len(), shipments: paging.of(all) })
}

#[derive(Deserialize)]
struct NewShipment {
    tracking_code: String,
    courier: String,
}

async fn create_shipment(
    State(records): State<Arc<Records>>,
    Json(new): Json<NewShipment>,
) -> Result<(StatusCode, Json<Shipment>), Failure> {
    if !records.couriers.contains(&new.courier) {
        return Err(Failure::Declared("invalid_courier"));
    }
    // The ID contains the unique fields, so that one of two equal concurrent requests fails.
    let id = format!("{}-{}", new.courier, new.tracking_code);
    let shipment =
        Shipment { id, tracking_code: new.tracking_code, courier: new.courier, status: Status::Pending };
    match records.shipments.add(&shipment.id, &shipment)? {
        Added::New => Ok((StatusCode::CREATED, Json(shipment))),
        Added::AlreadyThere => Err(Failure::Declared("shipment_already_exists")),
    }
}

async fn show_shipment(
    State(records): State<Arc<Records>>,
    Path(id): Path<String>,
) -> Result<Json<Shipment>, Failure> {
    records.shipments.read(&id)?.map(Json).ok_or(Failure::Declared("not_found"))
}

#[derive(Serialize, Default)]
struct Analytics {
    by_courier: BTreeMap<String, u64>,
    by_status: BTreeMap<Status, u64>,
}

async fn analytics(State(records): State<Arc<Records>>) -> Json<Analytics> {
    let mut analytics = Analytics::default();
    for shipment in records.shipments.list::<Shipment>() {
        *analytics.by_courier.entry(shipment.courier).or_default() += 1;
        *analytics.by_status.entry(shipment.status).or_default() += 1;
    }
    Json(analytics)
}

const COURIERS: &[(&str, &str)] = &[
    ("dhl", r#"{"slug":"dhl","name":"DHL"}"#),
    ("gls", r#"{"slug":"gls","name":"GLS"}"#),
    ("poste-italiane", r#"{"slug":"poste-italiane","name":"Poste Italiane"}"#),
    ("ups", r#"{"slug":"ups","name":"UPS"}"#),
];

const SHIPMENTS: &[(&str, &str)] = &[
    (
        "dhl-JD0146000031",
        r#"{"id":"dhl-JD0146000031","tracking_code":"JD0146000031","courier":"dhl","status":"delivered"}"#,
    ),
    (
        "gls-00340434161",
        r#"{"id":"gls-00340434161","tracking_code":"00340434161","courier":"gls","status":"in_transit"}"#,
    ),
    (
        "ups-1Z999AA10123456784",
        r#"{"id":"ups-1Z999AA10123456784","tracking_code":"1Z999AA10123456784","courier":"ups",
            "status":"pending"}"#,
    ),
    // A truncated record.
    ("corrupt-record", r#"{"id":"corrupt-record","tracking_code":"JD01460"#),
];
