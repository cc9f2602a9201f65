//! Five small services to run behind the gateway, each with its OpenAPI document, and the configuration and sample accounts
//! of `demur demo`.
//!
//! Each service has its own folder next to `src/`, with its document (`openapi.yaml`) and its handlers (`service.rs`). A
//! service does not check keys, count requests, validate parameters or format errors: the gateway does. It only names
//! errors that the gateway cannot detect (`src/failure.rs`).
//!
//! Starting a gateway and setting the ports of the services is the task of the demo.

mod errors;
mod failure;
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

pub use errors::{DocumentedError, ERRORS, STORE_ERRORS};

/// An example service.
#[derive(Debug, Clone, Copy)]
pub struct Example {
    /// The name of the service, its API in [`CONFIGURATION`], its contract and its folder.
    pub name: &'static str,
    /// The OpenAPI 3.1 document, in YAML.
    pub openapi: &'static str,
    /// Creates the service with its initial records. Two routers share nothing.
    pub router: fn() -> Router,
}

/// The configuration of a gateway in front of all five services. The upstream URLs have the ports 9001 to 9005, in the
/// order of [`all`]; the demo replaces them with the actual ports.
pub const CONFIGURATION: &str = include_str!("../demur.yaml");

/// Sample accounts and keys in every state, which the demo creates.
pub const ACCOUNTS: &str = include_str!("../accounts.yaml");

/// Shell commands to try, each with a description. `{gateway}` is the URL of the gateway, `{API:LABEL}` the sample key with
/// this API and label.
pub const TRY: &[(&str, &str)] = &[
    ("no key", "curl -i {gateway}/trakkr/brands"),
    (
        "two errors: the response has the more fundamental one",
        "curl -i -H 'Authorization: Bearer {trakkr:active}' '{gateway}/trakkr/scores?limit=1000'",
    ),
    (
        "two errors, in a contract that lists all of them",
        "curl -i -H 'Authorization: Bearer {trackbot-pro:active}' '{gateway}/trackbot-pro/shipments?limit=101&page=0'",
    ),
    (
        "a paid feature on a free plan",
        "curl -i -H 'Authorization: Bearer {trackyard:free}' -X POST {gateway}/trackyard/api/external/v1/tracks/trk_001/similar",
    ),
    (
        "an API that responds too late",
        "curl -i -H 'Authorization: Bearer {trakkr:active}' {gateway}/trakkr/reports/yearly",
    ),
];

/// Maximum size of a request body, and so of a record.
const MAX_BODY_BYTES: usize = 16 * 1024;

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

/// The five services, in the order of their ports in [`CONFIGURATION`].
pub fn all() -> &'static [Example] {
    EXAMPLES
}

/// All data files with their paths relative to the configuration. The demo writes them into its folder, for users to read
/// and change.
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
