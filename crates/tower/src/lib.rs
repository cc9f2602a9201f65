//! The error contract inside a service: the engine as a Tower layer, without a gateway.
//!
//! [`DemurLayer`] goes around any Tower, axum or hyper service. What a gateway would do in front of it
//! happens in the same process: request ids, keys, plans, rates, quota, credits, validation and rules. And
//! whatever goes wrong comes out in the API's contract: the layer's own refusals, errors that handlers
//! [`Raise`] by name, panics, what extractors reject, unknown paths and methods, time-outs, and the errors
//! of other layers.
//!
//! ```
//! use axum::{Router, routing::get};
//! use demur_tower::{DemurLayer, Raise, ServiceConfig};
//! use tower::ServiceExt;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/shop"));
//! // One file says who may call what; `listen`, `store` and `upstream` in it are for a gateway alone.
//! let (config, _warnings) = ServiceConfig::read(&folder.join("demur.yaml"))?;
//! let (layer, keys) = DemurLayer::in_memory(config)?;
//! let secret = keys.issue("shop", "acme", "free")?;
//!
//! let app = Router::new()
//!     .route("/items/{id}", get(|| async { Err::<(), _>(Raise::error("not_found")) }))
//!     .layer(layer);
//!
//! let request = http::Request::get("/items/7")
//!     .header("authorization", format!("Bearer {}", secret.expose()))
//!     .body(axum::body::Body::empty())?;
//! let response = app.oneshot(request).await?;
//! assert_eq!(response.status(), 404);
//! # Ok(())
//! # }
//! ```
//!
//! Keys live in memory, or in any store of [`demur_admission`]: `DemurLayer::with_stores` takes the embedded
//! one of `demur-sqlite`, which is compiled only by those who ask for it.
//!
//! Around a whole router the layer sees every request; with `Router::layer` it sees those that the router
//! has routed, its fallbacks included. Both work. Operators find an
//! [`Arc<RequestRecord>`](demur_engine::RequestRecord) among the extensions of every refusal.

mod body;
mod config;
mod error;
mod future;
mod keys;
mod layer;
mod peer;
mod raise;
mod rejection;

pub use body::{IncomingBody, RequestContent, ServiceBody};
pub use config::{ConfigError, ServiceConfig};
pub use demur_contract::{Condition, Location, Value, Violation};
pub use demur_engine::{Raised, RejectionRecord, RequestRecord, ResponseBody};
pub use keys::{InMemoryKeys, KeyError};
pub use layer::{DemurLayer, DemurService};
pub use raise::Raise;

/// Compiles the example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
