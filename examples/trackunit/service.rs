//! Trackunit: groups, the assets in them, and the telematics devices on the assets.
//!
//! To make it fail: `GET /groups/corrupt-record`.

use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::StatusCode;
use axum::http::header::LOCATION;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};

use crate::MAX_BODY_BYTES;
use crate::failure::Failure;
use crate::store::{Added, Store};

pub(crate) const OPENAPI: &str = include_str!("openapi.yaml");

struct Records {
    groups: Store,
    assets: Store,
}

pub(crate) fn router() -> Router {
    let records = Records { groups: Store::seeded(GROUPS), assets: Store::seeded(ASSETS) };
    Router::new()
        .route("/groups", post(create_group))
        .route("/groups/{id}", get(show_group).put(update_group))
        .route("/groups/{id}/assets", post(add_assets_to_group))
        .route("/assets", post(onboard_asset))
        .route("/assets/{id}/manual", get(asset_manual))
        .route("/devices", get(list_devices))
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .with_state(Arc::new(records))
}

#[derive(Serialize, Deserialize)]
struct Group {
    id: String,
    name: String,
    assets: Vec<String>,
}

#[derive(Deserialize)]
struct GroupName {
    name: String,
}

async fn create_group(
    State(records): State<Arc<Records>>,
    Json(new): Json<GroupName>,
) -> Result<(StatusCode, Json<Group>), Failure> {
    let id = format!("group-{}", records.groups.next_number());
    let group = Group { id, name: new.name, assets: Vec::new() };
    records.groups.add(&group.id, &group)?;
    Ok((StatusCode::CREATED, Json(group)))
}

async fn show_group(
    State(records): State<Arc<Records>>,
    Path(id): Path<String>,
) -> Result<Json<Group>, Failure> {
    records.groups.read(&id)?.map(Json).ok_or(Failure::Declared("not_found"))
}

async fn update_group(
    State(records): State<Arc<Records>>,
    Path(id): Path<String>,
    Json(new): Json<GroupName>,
) -> Result<Json<Group>, Failure> {
    let updated = records.groups.update(&id, |group: &mut Group| group.name = new.name)?;
    updated.map(Json).ok_or(Failure::Declared("not_found"))
}

#[derive(Deserialize)]
struct AddedAssets {
    assets: Vec<String>,
}

async fn add_assets_to_group(
    State(records): State<Arc<Records>>,
    Path(id): Path<String>,
    Json(added): Json<AddedAssets>,
) -> Result<StatusCode, Failure> {
    if !added.assets.iter().all(|asset| records.assets.contains(asset)) {
        return Err(Failure::Declared("not_found"));
    }
    let updated = records.groups.update(&id, |group: &mut Group| {
        // Also remove assets that the store has removed, so that the list stays bounded.
        group.assets.retain(|asset| records.assets.contains(asset));
        for asset in added.assets {
            if !group.assets.contains(&asset) {
                group.assets.push(asset);
            }
        }
    })?;
    updated.map(|_| StatusCode::NO_CONTENT).ok_or(Failure::Declared("not_found"))
}

#[derive(Serialize, Deserialize)]
struct Asset {
    id: String,
    name: String,
    telematics_device: String,
    manual: String,
}

#[derive(Deserialize)]
struct NewAsset {
    name: String,
    #[serde(default)]
    telematics_devices: Vec<String>,
}

async fn onboard_asset(
    State(records): State<Arc<Records>>,
    Json(new): Json<NewAsset>,
) -> Result<(StatusCode, Json<Asset>), Failure> {
    let [device] = new.telematics_devices.as_slice() else {
        return Err(Failure::Declared("exactly_one_telematics_device_is_required"));
    };
    // A device belongs to one asset, so its ID identifies the asset, and a second asset with it is a conflict.
    let asset = Asset {
        id: format!("asset-{device}"),
        name: new.name,
        telematics_device: device.clone(),
        manual: "https://manuals.example/any-machine.pdf".to_owned(),
    };
    match records.assets.add(&asset.id, &asset)? {
        Added::New => Ok((StatusCode::CREATED, Json(asset))),
        Added::AlreadyThere => Err(Failure::Declared("telematics_device_already_onboarded")),
    }
}

async fn asset_manual(
    State(records): State<Arc<Records>>,
    Path(id): Path<String>,
) -> Result<impl IntoResponse, Failure> {
    let asset: Asset = records.assets.read(&id)?.ok_or(Failure::Declared("not_found"))?;
    Ok((StatusCode::FOUND, [(LOCATION, asset.manual)]))
}

#[derive(Serialize)]
struct Device {
    serial: String,
    asset: String,
}

#[derive(Serialize)]
struct Devices {
    devices: Vec<Device>,
}

async fn list_devices(State(records): State<Arc<Records>>) -> Json<Devices> {
    let assets = records.assets.list::<Asset>().into_iter();
    let devices = assets.map(|asset| Device { serial: asset.telematics_device, asset: asset.id });
    Json(Devices { devices: devices.collect() })
}

const GROUPS: &[(&str, &str)] = &[
    ("group-1", r#"{"id":"group-1","name":"Excavators","assets":["asset-TU-100001"]}"#),
    ("group-2", r#"{"id":"group-2","name":"Lifts","assets":[]}"#),
    // A truncated record.
    ("corrupt-record", r#"{"id":"corrupt-record","name":"Cra"#),
];

const ASSETS: &[(&str, &str)] = &[
    (
        "asset-TU-100001",
        r#"{"id":"asset-TU-100001","name":"Excavator 7","telematics_device":"TU-100001",
            "manual":"https://manuals.example/excavator.pdf"}"#,
    ),
    (
        "asset-TU-100002",
        r#"{"id":"asset-TU-100002","name":"Scissor lift 2","telematics_device":"TU-100002",
            "manual":"https://manuals.example/lift.pdf"}"#,
    ),
];
