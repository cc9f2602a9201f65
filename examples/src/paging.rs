//! The parameters `limit` and `page` of list operations.
//!
//! The gateway checks their limits; here, every value is safe.

use serde::Deserialize;

/// The query parameters of a list operation.
#[derive(Debug, Deserialize)]
pub(crate) struct Paging {
    /// The number of items per page.
    #[serde(default = "Paging::default_limit")]
    pub(crate) limit: usize,
    /// The page number, from 1.
    #[serde(default = "Paging::first_page")]
    pub(crate) page: usize,
}

impl Paging {
    fn default_limit() -> usize {
        20
    }

    fn first_page() -> usize {
        1
    }

    /// Returns the items of the page.
    pub(crate) fn of<T>(&self, all: Vec<T>) -> Vec<T> {
        let skipped = self.page.saturating_sub(1).saturating_mul(self.limit);
        all.into_iter().skip(skipped).take(self.limit).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_follow_one_another() {
        for (limit, page, expected) in [
            (2, 1, vec![1, 2]),
            (2, 2, vec![3]),
            (2, 3, vec![]),
            (20, 1, vec![1, 2, 3]),
            (2, usize::MAX, vec![]),
        ] {
            assert_eq!(Paging { limit, page }.of(vec![1, 2, 3]), expected, "{limit} {page}");
        }
    }
}
