//! JSON Web Tokens beside keys: what is accepted, every attack of RFC 8725, faults of key sets, and whom a token is for.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on should stop and say where")]

mod accounts;
mod issuer;
mod key_sets;
mod layer;
mod shop;
mod table;
