//! `limit` and `page`, where a list is given page by page.
//!
//! That they are within their bounds is the gateway's to check; here no value can do harm.

use serde::Deserialize;

/// The query of an operation that lists.
#[derive(Debug, Deserialize)]
pub(crate) struct Paging {
    /// How many on a page.
    #[serde(default = "Paging::default_limit")]
    pub(crate) limit: usize,
    /// Which page, from 1.
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

    /// That page of the list.
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
