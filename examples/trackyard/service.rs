//! Trackyard: search in a music catalogue, similar tracks, and the remaining credits of the account.
//!
//! The gateway passes plan and credits in request headers, which `GET /me` returns.
//!
//! To make it fail: `GET /api/external/v1/tracks/corrupt-record`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::extract::{DefaultBodyLimit, Path, Query, State};
use axum::http::HeaderMap;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};

use crate::MAX_BODY_BYTES;
use crate::failure::Failure;
use crate::store::Store;

pub(crate) const OPENAPI: &str = include_str!("openapi.yaml");

struct Catalogue {
    tracks: Store,
    searches: AtomicU64,
}

pub(crate) fn router() -> Router {
    let catalogue = Catalogue { tracks: Store::seeded(TRACKS), searches: AtomicU64::new(0) };
    let routes = Router::new()
        .route("/search", post(search))
        .route("/tracks/{id}", get(show_track))
        .route("/tracks/{id}/similar", post(similar_tracks))
        .route("/admin/usage", get(usage))
        .route("/me", get(me));
    Router::new()
        .nest("/api/external/v1", routes)
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .with_state(Arc::new(catalogue))
}

#[derive(Serialize, Deserialize)]
struct Track {
    id: String,
    title: String,
    artist: String,
    genre: String,
    mood: String,
    bpm: u32,
    duration_seconds: f64,
    /// The position of the peak.
    hit_seconds: f64,
}

#[derive(Deserialize)]
struct Search {
    query: String,
    /// The length of the cut.
    duration_seconds: Option<f64>,
    /// The position in the cut where the peak should be.
    hit_point_seconds: Option<f64>,
    limit: Option<usize>,
    #[serde(default)]
    filters: Filters,
}

#[derive(Deserialize, Default)]
struct Filters {
    genre: Option<String>,
    bpm_min: Option<u32>,
    bpm_max: Option<u32>,
}

#[derive(Serialize)]
struct Found {
    #[serde(flatten)]
    track: Track,
    /// The start position that puts the peak at the hit point.
    #[serde(skip_serializing_if = "Option::is_none")]
    start_seconds: Option<f64>,
}

#[derive(Serialize)]
struct Results<T> {
    tracks: Vec<T>,
}

async fn search(State(catalogue): State<Arc<Catalogue>>, Json(search): Json<Search>) -> Json<Results<Found>> {
    catalogue.searches.fetch_add(1, Ordering::Relaxed);
    let tracks = catalogue.tracks.list().into_iter().filter(|track| search.matches(track));
    let found = tracks.map(|track: Track| {
        let start_seconds =
            search.hit_point_seconds.map(|hit_point| (track.hit_seconds - hit_point).max(0.0));
        Found { track, start_seconds }
    });
    Json(Results { tracks: found.take(search.limit.unwrap_or(20)).collect() })
}

impl Search {
    /// Whether a track matches any word of the query and every filter.
    fn matches(&self, track: &Track) -> bool {
        let text = format!("{} {} {} {}", track.title, track.artist, track.genre, track.mood).to_lowercase();
        let filters = &self.filters;
        self.query.to_lowercase().split_whitespace().any(|word| text.contains(word))
            && self.duration_seconds.is_none_or(|least| track.duration_seconds >= least)
            && filters.genre.as_ref().is_none_or(|genre| *genre == track.genre)
            && filters.bpm_min.is_none_or(|least| track.bpm >= least)
            && filters.bpm_max.is_none_or(|most| track.bpm <= most)
    }
}

async fn show_track(
    State(catalogue): State<Arc<Catalogue>>,
    Path(id): Path<String>,
) -> Result<Json<Track>, Failure> {
    catalogue.tracks.read(&id)?.map(Json).ok_or(Failure::Declared("track_not_found"))
}

#[derive(Deserialize)]
struct SimilarQuery {
    limit: Option<usize>,
}

async fn similar_tracks(
    State(catalogue): State<Arc<Catalogue>>,
    Path(id): Path<String>,
    Query(query): Query<SimilarQuery>,
) -> Result<Json<Results<Track>>, Failure> {
    let like: Track = catalogue.tracks.read(&id)?.ok_or(Failure::Declared("track_not_found"))?;
    let mut tracks: Vec<Track> = catalogue.tracks.list();
    tracks.retain(|track| track.id != like.id && (track.genre == like.genre || track.mood == like.mood));
    tracks.sort_by_key(|track| track.bpm.abs_diff(like.bpm));
    tracks.truncate(query.limit.unwrap_or(20));
    Ok(Json(Results { tracks }))
}

#[derive(Serialize)]
struct Usage {
    searches: u64,
}

/// The gateway ensures that only administrators call this.
async fn usage(State(catalogue): State<Arc<Catalogue>>) -> Json<Usage> {
    Json(Usage { searches: catalogue.searches.load(Ordering::Relaxed) })
}

#[derive(Serialize)]
struct Me {
    account: Option<String>,
    tier: Option<String>,
    credits_left: Option<u64>,
    credits_reset_at: Option<String>,
}

async fn me(headers: HeaderMap) -> Json<Me> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    Json(Me {
        account: text("demur-account"),
        tier: text("demur-plan"),
        credits_left: text("demur-credits-remaining").and_then(|credits| credits.parse().ok()),
        credits_reset_at: text("demur-credits-reset"),
    })
}

const TRACKS: &[(&str, &str)] = &[
    (
        "trk_001",
        r#"{"id":"trk_001","title":"First Light","artist":"Mara Lind","genre":"cinematic","mood":"epic",
            "bpm":92,"duration_seconds":184.0,"hit_seconds":121.5}"#,
    ),
    (
        "trk_002",
        r#"{"id":"trk_002","title":"Over the Ridge","artist":"Mara Lind","genre":"cinematic","mood":"tense",
            "bpm":118,"duration_seconds":96.0,"hit_seconds":64.0}"#,
    ),
    (
        "trk_003",
        r#"{"id":"trk_003","title":"Paper Boats","artist":"The Orchard","genre":"acoustic","mood":"upbeat",
            "bpm":104,"duration_seconds":142.0,"hit_seconds":38.0}"#,
    ),
    (
        "trk_004",
        r#"{"id":"trk_004","title":"Neon Mile","artist":"Kilo Voss","genre":"electronic","mood":"upbeat",
            "bpm":126,"duration_seconds":203.0,"hit_seconds":60.5}"#,
    ),
    // A truncated record.
    ("corrupt-record", r#"{"id":"corrupt-record","title":"Lost Tap"#),
];
