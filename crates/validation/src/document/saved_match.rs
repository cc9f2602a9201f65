//! A route match that is kept while its request waits.

use smallvec::SmallVec;

use super::Operation;
use super::routes::RouteMatch;

/// A [`RouteMatch`] without the path that it borrows, to be kept while the request waits:
/// [`ApiDocument::restore`](super::ApiDocument::restore) makes the same match again without another look-up.
#[derive(Debug, Clone)]
pub struct SavedMatch {
    operation: usize,
    other: Option<usize>,
    /// Start and end of each path parameter, in bytes.
    values: SmallVec<[(u32, u32); 4]>,
}

impl RouteMatch<'_, '_> {
    /// The same without the path, which must be the one that was looked up.
    pub fn save(&self, path: &str) -> SavedMatch {
        let offset = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        let span = |value: &&str| {
            // The values are parts of the path, so this is where they begin in it.
            let start = (value.as_ptr() as usize).saturating_sub(path.as_ptr() as usize);
            (offset(start), offset(start + value.len()))
        };
        let values = self.path.iter().map(span).collect();
        SavedMatch {
            operation: self.operation.index(),
            other: self.lenient_match.map(Operation::index),
            values,
        }
    }
}

impl SavedMatch {
    /// The operation's index in its document.
    pub fn operation(&self) -> usize {
        self.operation
    }

    /// The match again; `None` for another document's.
    pub(super) fn restore<'d, 'p>(
        &self,
        operations: &'d [Operation],
        path: &'p str,
    ) -> Option<RouteMatch<'d, 'p>> {
        let value = |(start, end): &(u32, u32)| path.get(*start as usize..*end as usize).unwrap_or_default();
        let operation = operations.get(self.operation)?;
        let other = self.other.and_then(|other| operations.get(other));
        Some(RouteMatch { operation, path: self.values.iter().map(value).collect(), lenient_match: other })
    }
}
