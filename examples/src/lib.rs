//! Five small services to put behind the gateway, each with its OpenAPI document, and the configuration
//! and sample accounts with which `demur demo` serves all five.
//!
//! Each service has a folder of its own beside `src/`: `openapi.yaml` says what may be asked, `service.rs`
//! answers it. What a service does *not* do is the point: it checks no key, counts no request, validates
//! no parameter and formats no error. The gateway does all that, and the service names an error when only
//! it can know (`src/answer.rs` has the one function for it).
//!
//! Not here: starting a gateway, or telling it at which ports the services really listen. That is the
//! demo's business.

mod answer;
mod paging;
mod store;

#[path = "../trackbot-pro/service.rs"]
mod trackbot_pro;
#[path = "../trackunit/service.rs"]
mod trackunit;
#[path = "../trackyard/service.rs"]
mod trackyard;
#[path = "../trakkr/service.rs"]
mod trakkr;
#[path = "../trakkr-get-scores/service.rs"]
mod trakkr_get_scores;

use axum::Router;

/// One service.
#[derive(Debug, Clone, Copy)]
pub struct Example {
    /// Its name: that of its API in [`CONFIGURATION`], of its contract and of its folder.
    pub name: &'static str,
    /// Its OpenAPI 3.1 document, YAML.
    pub openapi: &'static str,
    /// Makes the service with its records as they are at first. Two routers share nothing.
    pub router: fn() -> Router,
}

/// The configuration of a gateway in front of all five. The upstream URLs have the ports 9001 to 9005, in
/// the order of [`all`]; the demo puts the real ones in their place.
pub const CONFIGURATION: &str = include_str!("../demur.yaml");

/// Sample accounts, and sample keys in every state, which the demo makes at its first start.
pub const ACCOUNTS: &str = include_str!("../accounts.yaml");

/// Lines for a shell that show the gateway at work, each with what it shows. `{gateway}` stands for its URL,
/// `{API:LABEL}` for the sample key of that API and label.
pub const TRY: &[(&str, &str)] = &[
    ("no key", "curl -i {gateway}/trakkr/brands"),
    (
        "two mistakes: the most fundamental one is answered",
        "curl -i -H 'Authorization: Bearer {trakkr:active}' '{gateway}/trakkr/scores?limit=1000'",
    ),
    (
        "two mistakes in a contract that lists them all",
        "curl -i -H 'Authorization: Bearer {trackbot-pro:active}' '{gateway}/trackbot-pro/shipments?limit=101&page=0'",
    ),
    (
        "a paid feature on a free plan",
        "curl -i -H 'Authorization: Bearer {trackyard:free}' -X POST {gateway}/trackyard/api/external/v1/tracks/trk_001/similar",
    ),
    (
        "an API that answers too late",
        "curl -i -H 'Authorization: Bearer {trakkr:active}' {gateway}/trakkr/reports/yearly",
    ),
];

/// A service never reads more content than this: every record that it keeps came from a content.
const MAX_CONTENT_BYTES: usize = 16 * 1024;

const EXAMPLES: &[Example] = &[
    Example { name: "trakkr", openapi: trakkr::OPENAPI, router: trakkr::router },
    Example {
        name: "trakkr-get-scores",
        openapi: trakkr_get_scores::OPENAPI,
        router: trakkr_get_scores::router,
    },
    Example { name: "trackyard", openapi: trackyard::OPENAPI, router: trackyard::router },
    Example { name: "trackbot-pro", openapi: trackbot_pro::OPENAPI, router: trackbot_pro::router },
    Example { name: "trackunit", openapi: trackunit::OPENAPI, router: trackunit::router },
];

/// The five, in the order of their ports in [`CONFIGURATION`].
pub fn all() -> &'static [Example] {
    EXAMPLES
}

/// Every data file, as the path relative to the configuration's folder and its content: what the demo
/// writes into its folder, so that a person can read and change it there.
pub fn files() -> &'static [(&'static str, &'static str)] {
    &[
        ("demur.yaml", CONFIGURATION),
        ("accounts.yaml", ACCOUNTS),
        ("trakkr/openapi.yaml", trakkr::OPENAPI),
        ("trakkr-get-scores/openapi.yaml", trakkr_get_scores::OPENAPI),
        ("trackyard/openapi.yaml", trackyard::OPENAPI),
        ("trackbot-pro/openapi.yaml", trackbot_pro::OPENAPI),
        ("trackunit/openapi.yaml", trackunit::OPENAPI),
    ]
}
