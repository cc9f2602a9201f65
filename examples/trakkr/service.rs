//! Trakkr, the newer version: brands, scores and reports.
//!
//! To make it fail: `GET /reports/corrupt-record`. To make it slow: `GET /reports/yearly`.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::extract::{DefaultBodyLimit, Path, Query, State};
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};

use crate::MAX_BODY_BYTES;
use crate::failure::Failure;
use crate::paging::Paging;
use crate::store::Store;

pub(crate) const OPENAPI: &str = include_str!("openapi.yaml");

struct Records {
    brands: Store,
    scores: Store,
    reports: Store,
}

pub(crate) fn router() -> Router {
    let records = Records {
        brands: Store::seeded(BRANDS),
        scores: Store::seeded(SCORES),
        reports: Store::seeded(REPORTS),
    };
    Router::new()
        .route("/brands", get(list_brands).post(create_brand))
        .route("/brands/{brand}", get(show_brand))
        .route("/scores", get(list_scores))
        .route("/reports/{id}", get(show_report))
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .with_state(Arc::new(records))
}

#[derive(Serialize, Deserialize)]
struct Brand {
    id: String,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    domain: Option<String>,
}

#[derive(Serialize)]
struct Brands {
    brands: Vec<Brand>,
}

async fn list_brands(State(records): State<Arc<Records>>, Query(paging): Query<Paging>) -> Json<Brands> {
    Json(Brands { brands: paging.of(records.brands.list()) })
}

#[derive(Deserialize)]
struct NewBrand {
    name: String,
    domain: Option<String>,
}

async fn create_brand(
    State(records): State<Arc<Records>>,
    Json(new): Json<NewBrand>,
) -> Result<(StatusCode, Json<Brand>), Failure> {
    let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let id = format!("{:013}x{:018}", since_1970.as_millis(), records.brands.next_number());
    let brand = Brand { id, name: new.name, domain: new.domain };
    records.brands.add(&brand.id, &brand)?;
    Ok((StatusCode::CREATED, Json(brand)))
}

async fn show_brand(
    State(records): State<Arc<Records>>,
    Path(brand): Path<String>,
) -> Result<Json<Brand>, Failure> {
    records.brands.read(&brand)?.map(Json).ok_or(Failure::Declared("not_found"))
}

#[derive(Serialize, Deserialize)]
struct Score {
    date: String,
    model: String,
    score: f64,
}

#[derive(Deserialize)]
struct ScoresQuery {
    brand: String,
    limit: Option<usize>,
}

#[derive(Serialize)]
struct Scores {
    brand: String,
    scores: Vec<Score>,
}

async fn list_scores(
    State(records): State<Arc<Records>>,
    Query(query): Query<ScoresQuery>,
) -> Result<Json<Scores>, Failure> {
    if !records.brands.contains(&query.brand) {
        return Err(Failure::Declared("not_found"));
    }
    // A new brand has no scores yet.
    let mut scores: Vec<Score> = records.scores.read(&query.brand)?.unwrap_or_default();
    scores.truncate(query.limit.unwrap_or(20));
    Ok(Json(Scores { brand: query.brand, scores }))
}

#[derive(Serialize, Deserialize)]
struct Report {
    id: String,
    title: String,
    period: Period,
    average: f64,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Period {
    Month,
    Year,
}

/// The duration of a slow query.
const YEAR_TAKES: Duration = Duration::from_secs(10);

async fn show_report(
    State(records): State<Arc<Records>>,
    Path(id): Path<String>,
) -> Result<Json<Report>, Failure> {
    let report: Report = records.reports.read(&id)?.ok_or(Failure::Declared("not_found"))?;
    if matches!(report.period, Period::Year) {
        tokio::time::sleep(YEAR_TAKES).await;
    }
    Ok(Json(report))
}

const BRANDS: &[(&str, &str)] = &[
    (
        "0000000000000x000000000000000000",
        r#"{"id":"0000000000000x000000000000000000","name":"Northern Coffee","domain":"coffee.example"}"#,
    ),
    (
        "1718000000000x100000000000000001",
        r#"{"id":"1718000000000x100000000000000001","name":"Halden Bicycles","domain":"bicycles.example"}"#,
    ),
    (
        "1718000000000x100000000000000002",
        r#"{"id":"1718000000000x100000000000000002","name":"Quiet Keyboards"}"#,
    ),
];

/// By brand, newest first.
const SCORES: &[(&str, &str)] = &[
    (
        "0000000000000x000000000000000000",
        r#"[{"date":"2026-11-19","model":"large","score":71.5},
            {"date":"2026-11-19","model":"small","score":64.0},
            {"date":"2026-11-18","model":"large","score":70.2},
            {"date":"2026-11-18","model":"small","score":63.1}]"#,
    ),
    ("1718000000000x100000000000000001", r#"[{"date":"2026-11-19","model":"large","score":48.9}]"#),
];

const REPORTS: &[(&str, &str)] = &[
    ("october", r#"{"id":"october","title":"October 2026","period":"month","average":66.8}"#),
    ("yearly", r#"{"id":"yearly","title":"The year to date","period":"year","average":61.3}"#),
    // A truncated record.
    ("corrupt-record", r#"{"id":"corrupt-record","title":"Septem"#),
];
