//! A store on PostgreSQL 15 or later that several gateways share: accounts, keys, the credit ledger and idempotency keys.
//!
//! [`Store`] implements all three store traits of `demur-admission`. Its guarantees:
//!
//! - **Acknowledged means durable.** One writer per node puts all queued jobs into one transaction, with one statement per
//!   table, and replies after the commit. `synchronous_commit` is on, whatever the default of the database is.
//! - **One authority.** A batch locks its accounts in the order of their IDs, and computes their balances with admission's
//!   rules. No node ever spends from a balance that it has not locked. An account that cannot pay fails alone.
//! - **A hold belongs to a node.** A node has an epoch and a lease, which it renews; only the clock of the database counts.
//!   Other nodes resolve its holds when the lease has ended: they count as posted, with an unknown outcome. From then on
//!   the node cannot write in that epoch, even if it was only paused.
//! - **A commit without a reply is examined.** A hold that nobody was told of is released; a settlement that is missing is
//!   written again.
//! - **A change of a key reaches every node** by `NOTIFY`, and otherwise by reading the numbered changes once a second.
//! - **A failure is reported as a failure.** A server that cannot be reached is never "unknown key" or "insufficient
//!   credits", and every wait is bounded.
//!
//! Rates, concurrency and quota counts are those of each node. A node begins with the count that the database has of an
//! account's quota, and adds what it has counted, so that a restart forgets nothing.
//!
//! It uses `tokio-postgres`, which sends several statements without waiting for each (a batch takes three round trips) and
//! needs no macros that ask a database at compile time, as `sqlx` does; and rustls, as all of Demur. Each node has three
//! connections, and a fourth for a statement or a verification. They live on a thread of their own, so that a worker never
//! runs a future of the database.

mod audit;
mod batch;
mod books;
mod changes;
mod claims;
mod commands;
mod connection;
mod directory;
mod error;
mod feed;
mod job;
mod pepper;
mod quota;
mod reader;
mod recovery;
mod rows;
mod schema;
mod session;
mod settings;
mod shared;
mod store;
mod tls;
mod write_behind;
mod writer;

pub use error::OpenError;
pub use settings::Settings;
pub use store::{Store, execute};
