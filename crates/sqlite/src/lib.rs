//! The embedded store: accounts, keys, quota and the credit ledger in one SQLite file.
//!
//! [`Store`] implements all three store traits of `demur-admission`. Its guarantees:
//!
//! - **Acknowledged means durable.** One thread owns the writing connection. It puts all queued jobs into one transaction
//!   (WAL, `synchronous=FULL`) without waiting for more, and replies after the commit.
//! - **One owner.** A lock beside the database keeps a second process out. The command line reaches the owner through the
//!   [control socket](ControlClient).
//! - **A failure is reported as a failure.** An unreadable database is never "unknown key" or "insufficient credits", and
//!   when it is readable again, service resumes.
//! - **Migrations keep a backup.** A database of an older schema version is copied to a file such as `demur.db.v4.bak`
//!   before it is migrated.
//!
//! Rates and concurrency are in memory only. Quota counts are in memory too, and are written within a second.
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
//! let store = Store::open(&folder.join("demur.db"), Arc::clone(&plans))?;
//! let admission = Admission::new(store.stores(), store.pepper(), plans, CacheConfig::default());
//!
//! // Operators' actions are commands, the same as on the command line.
//! let now = Clock::start().now();
//! let account: AccountId = "acme".parse()?;
//! let (name, plan) = ("Acme".to_owned(), "free".to_owned());
//! store.execute(Command::CreateAccount { account: Some(account.clone()), name, plan, grant_day: None }, now.wall);
//! let create = Command::CreateKey {
//!     api: "shop".into(),
//!     prefix: "shop".into(),
//!     account,
//!     expires: None,
//!     grants: Grants::default(),
//!     metadata: Default::default(),
//!     label: None,
//! };
//! let Reply::KeyCreated(issued) = store.execute(create, now.wall) else { panic!() };
//!
//! let caller = admission.authenticate(issued.secret.expose(), "shop", "shop", now).block().unwrap();
//! assert_eq!(caller.account().name, "Acme");
//! store.close(); // Writes everything that is queued.
//! # Ok(())
//! # }
//! ```

mod audit;
mod backup;
mod batch_codec;
mod checkpoint;
mod control;
mod database;
mod directory;
mod error;
mod execute;
mod mark;
mod modes;
mod owner;
mod paths;
mod pepper;
mod provenance;
mod quota;
mod reader;
mod reply;
mod schema;
mod secrets;
mod store;
mod survey;
mod sync;
mod watcher;
mod write_behind;
mod writer;

pub use control::{ControlClient, ControlError, MAX_COMMAND};
pub use error::OpenError;
pub use execute::execute_or_open;
pub use modes::{GROUP_READABLE, InsecureFile, PRIVATE, exposed, exposed_files};
pub use store::Store;
pub use survey::Survey;

/// Compiles the example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
