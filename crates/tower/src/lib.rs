//! A Tower layer that applies an error contract inside a service, without a gateway.
//!
//! [`DemurLayer`] wraps any Tower, axum or hyper service, and does in the same process what the gateway does in front of
//! it: request IDs, keys, plans, rates, quotas, credits, validation and rules. Every failure follows the contract of the
//! API: rejections of the layer, errors that handlers [`Raise`] by name, panics, extractor rejections, unknown paths and
//! methods, timeouts, and the errors of other layers.
//!
//! ```
//! use axum::{Router, routing::get};
//! use demur_tower::{DemurLayer, Raise, ServiceConfig};
//! use tower::ServiceExt;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/shop"));
//! // `listen`, `store` and `upstream` in the file are for the gateway, and are ignored here.
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
//! Keys are stored in memory, or in any store of [`demur_admission`]: [`DemurLayer::with_stores`] accepts the embedded
//! store of the separate crate `demur-sqlite`.
//!
//! The layer is ready when the inner service is, so that a limit inside reaches the callers outside: a layer that sheds load
//! belongs around this one. The future of a call is fused.
//!
//! Around a whole router, the layer sees every request; with `Router::layer`, it sees the routed requests and the
//! fallbacks. Both work. The extensions of every rejection contain an
//! [`Arc<RequestRecord>`](demur_engine::RequestRecord) for logs.

mod body;
mod config;
mod error;
mod error_chain;
mod future;
mod keys;
mod layer;
mod peer;
mod raise;
mod rejection;

pub use body::{IncomingBody, LimitedBody, ServiceBody};
pub use config::{ConfigError, ServiceConfig};
pub use demur_contract::{Condition, Location, Value, Violation};
pub use demur_engine::{Raised, RejectionRecord, RequestRecord, ResponseBody};
pub use future::ResponseFuture;
pub use keys::{InMemoryKeys, KeyError};
pub use layer::{DemurLayer, DemurService};
pub use raise::Raise;

/// Compiles the example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
