//! The embedded store: accounts, keys, quota and the credit ledger in one SQLite file.
//!
//! [`Store`] is all three stores of `demur-admission` at once. What it promises:
//!
//! - **Acknowledged means durable.** One thread owns the writing connection. It takes what is queued, all
//!   at once and without lingering, into one transaction (WAL, `synchronous=FULL`), and wakes those who
//!   wait after the commit.
//! - **One owner.** A lock beside the database keeps a second process out. The command line reaches the
//!   owner through a [local socket](ControlClient).
//! - **Trouble is told as trouble.** A database that cannot be read is never "no such key" or "no
//!   credits"; and when it can be read again, service returns.
//!
//! Rates and concurrency live in memory. Quotas do too, and are written behind within a second.
//!
//! ```
//! use std::sync::Arc;
//!
//! use demur_admission::*;
//! use demur_sqlite::Store;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # let folder = folder.path();
//! let plans = Arc::new(Plans::new([Plan::named("free")]));
//! let store = Store::open(&folder.join("books.db"), Arc::clone(&plans))?;
//! let admission = Admission::new(store.stores(), store.pepper(), plans, CacheConfig::default());
//!
//! // What operators do are commands, the same as those of the command line.
//! let now = Clock::start().now();
//! let account: AccountId = "acme".parse()?;
//! let (name, plan) = ("Acme".to_owned(), "free".to_owned());
//! store.execute(Command::CreateAccount { account: Some(account.clone()), name, plan }, now.wall);
//! let create = Command::CreateKey {
//!     api: "shop".into(),
//!     prefix: "shop".into(),
//!     account,
//!     expires: None,
//!     grants: Grants::default(),
//!     metadata: Default::default(),
//! };
//! let Reply::KeyCreated(issued) = store.execute(create, now.wall) else { panic!() };
//!
//! let caller = admission.authenticate(issued.secret.expose(), "shop", "shop", now).block().unwrap();
//! assert_eq!(caller.account().name, "Acme");
//! store.close(); // Whatever is under way is written.
//! # Ok(())
//! # }
//! ```

mod audit;
mod batch_codec;
mod checkpoint;
mod client;
mod connections;
mod database;
mod directory;
mod error;
mod mark;
mod modes;
mod owner;
mod pepper;
mod provenance;
mod quota;
mod reader;
mod reply;
mod schema;
mod secrets;
mod server;
mod socket;
mod store;
mod survey;
mod sync;
mod watcher;
mod write_behind;
mod writer;

pub use client::{ControlClient, ControlError, execute_or_open};
pub use error::OpenError;
pub use modes::{Exposed, GROUP_READABLE, PRIVATE, exposed, exposed_files};
pub use server::MAX_COMMAND;
pub use store::Store;
pub use survey::Survey;

/// Compiles the example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
