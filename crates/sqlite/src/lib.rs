//! The embedded store: accounts, keys, quota and the credit ledger in one SQLite file.
//!
//! [`Store`] is all three stores of `demur-admission` at once. What it promises:
//!
//! - **Acknowledged means durable.** One thread owns the writing connection. It takes what is queued, all
//!   at once and without lingering, into one transaction (WAL, `synchronous=FULL`), and wakes those who
//!   wait after the commit.
//! - **One owner.** A lock beside the database keeps a second process out. The command line reaches the
//!   owner through a [local socket](Client).
//! - **Trouble is told as trouble.** A database that cannot be read is never "no such key" or "no
//!   credits"; and when it can be read again, service returns.
//!
//! Rates and concurrency live in memory. Quotas do too, and are written behind within a second.

mod audit;
mod checkpoint;
mod client;
mod database;
mod directory;
mod error;
mod notes;
mod owner;
mod packed;
mod pepper;
mod quota;
mod reader;
mod schema;
mod secrets;
mod server;
mod store;
mod waiter;
mod writer;

pub use client::{Client, ClientError, execute_on};
pub use error::OpenError;
pub use store::Store;
