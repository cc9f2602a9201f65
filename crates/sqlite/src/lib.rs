//! The embedded store: accounts, keys, quota and the credit ledger in one SQLite file.
