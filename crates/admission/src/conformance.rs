//! What every store must do: one suite, mounted under each of them.
