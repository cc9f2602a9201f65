//! Trakkr, the older version: one operation for the scores of a brand, and one for the time of the last update.
//!
//! Rules in `demur.yaml` check that the caller owns the brand and that the date range is not too long.
//!
//! To make it fail: `POST /get-scores` with `{"brand": "corrupt-record"}`.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, State};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};

use crate::MAX_BODY_BYTES;
use crate::failure::Failure;
use crate::store::Store;

pub(crate) const OPENAPI: &str = include_str!("openapi.yaml");

pub(crate) fn router() -> Router {
    Router::new()
        .route("/get-scores", post(scores_of_brand))
        .route("/get-last-update", get(last_update))
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .with_state(Arc::new(Store::seeded(SCORES)))
}

#[derive(Deserialize)]
struct Request {
    brand: String,
    #[serde(default)]
    breakdown: Vec<Breakdown>,
    start_date: Option<String>,
    end_date: Option<String>,
}

#[derive(Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Breakdown {
    Model,
    Prompt,
}

#[derive(Serialize, Deserialize)]
struct Score {
    date: String,
    model: String,
    prompt: String,
    score: f64,
}

#[derive(Serialize)]
struct Scores {
    brand: String,
    average: Option<f64>,
    scores: Vec<Score>,
    #[serde(skip_serializing_if = "Option::is_none")]
    by_model: Option<BTreeMap<String, f64>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    by_prompt: Option<BTreeMap<String, f64>>,
}

async fn scores_of_brand(
    State(store): State<Arc<Store>>,
    Json(request): Json<Request>,
) -> Result<Json<Scores>, Failure> {
    // A caller cannot distinguish an unknown brand from the brand of another account.
    let mut scores: Vec<Score> =
        store.read(&request.brand)?.ok_or(Failure::Declared("brand_access_denied"))?;
    // A single date means this day only. Dates in this format sort as text.
    if let Some(start) = request.start_date.as_ref().or(request.end_date.as_ref()) {
        let end = request.end_date.as_ref().unwrap_or(start);
        scores.retain(|score| (start..=end).contains(&&score.date));
    }
    let average_by = |asked: Breakdown, key: fn(&Score) -> &str| {
        request.breakdown.contains(&asked).then(|| averages_by(&scores, key))
    };
    Ok(Json(Scores {
        average: average(scores.iter()),
        by_model: average_by(Breakdown::Model, |score| &score.model),
        by_prompt: average_by(Breakdown::Prompt, |score| &score.prompt),
        brand: request.brand,
        scores,
    }))
}

fn averages_by(scores: &[Score], key: fn(&Score) -> &str) -> BTreeMap<String, f64> {
    let mut groups: BTreeMap<&str, Vec<&Score>> = BTreeMap::new();
    for score in scores {
        groups.entry(key(score)).or_default().push(score);
    }
    let averages = groups.into_iter().filter_map(|(name, group)| Some((name, average(group.into_iter())?)));
    averages.map(|(name, average)| (name.to_owned(), average)).collect()
}

/// The average, or `None` without values.
fn average<'s>(scores: impl Iterator<Item = &'s Score>) -> Option<f64> {
    let (sum, count) = scores.fold((0.0, 0_u32), |(sum, count), score| (sum + score.score, count + 1));
    (count > 0).then(|| sum / f64::from(count))
}

#[derive(Serialize)]
struct LastUpdate {
    last_update: Option<String>,
}

async fn last_update(State(store): State<Arc<Store>>) -> Json<LastUpdate> {
    let scores = store.list::<Vec<Score>>().into_iter().flatten();
    Json(LastUpdate { last_update: scores.map(|score| score.date).max() })
}

const SCORES: &[(&str, &str)] = &[
    (
        "0000000000000x000000000000000000",
        r#"[{"date":"2026-11-19","model":"large","prompt":"best coffee","score":72.0},
            {"date":"2026-11-19","model":"small","prompt":"best coffee","score":64.0},
            {"date":"2026-11-18","model":"large","prompt":"fair trade","score":70.0},
            {"date":"2026-08-30","model":"small","prompt":"fair trade","score":58.0}]"#,
    ),
    (
        "1718000000000x100000000000000001",
        r#"[{"date":"2026-11-19","model":"large","prompt":"city bicycle","score":48.0}]"#,
    ),
    // A truncated record.
    ("corrupt-record", r#"[{"date":"2026-11-19","model":"lar"#),
];
