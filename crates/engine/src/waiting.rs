//! How stores are waited for.

/// A store's answer, awaited only where it is not there yet: nearly always it is, and no future is made.
macro_rules! wait {
    ($answer:expr) => {
        match $answer {
            Answer::Ready(value) => value,
            Answer::Ask(asked) => asked.await,
        }
    };
}
