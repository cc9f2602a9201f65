//! Finds the request that a pasted text is about.

use jiff::Timestamp;

use super::reader::Reader;
use crate::{Entry, PastedId, request_ids};

/// What the journal knows of the request in a text.
#[derive(Debug, Clone, PartialEq)]
pub enum Lookup {
    /// The entry.
    Found(Box<Entry>),
    /// There is no request ID in the text.
    NoId,
    /// The ID is not one of this gateway.
    Foreign(PastedId),
    /// The request was made before the oldest entry.
    Expired {
        /// Its ID.
        id: PastedId,
        /// When it was made.
        made_at: Timestamp,
        /// The time of the oldest entry.
        oldest: Timestamp,
    },
    /// The request is not kept, or went to another gateway.
    Unknown {
        /// Its ID.
        id: PastedId,
        /// When it was made.
        made_at: Timestamp,
        /// How many entries were lost in the time that the journal covers.
        lost: u64,
    },
}

impl Reader {
    /// The entry of the first request in a text that has one, or why there is none.
    pub fn look_up(&self, text: &str) -> rusqlite::Result<Lookup> {
        let ids = request_ids(text);
        for id in &ids {
            if let Some(entry) = self.find(&id.digits)? {
                return Ok(Lookup::Found(Box::new(entry)));
            }
        }
        let Some(id) = ids.into_iter().next() else { return Ok(Lookup::NoId) };
        let Some(made_at) = id.made_at else { return Ok(Lookup::Foreign(id)) };
        let span = self.span()?;
        Ok(match span.oldest {
            Some(oldest) if made_at < oldest => Lookup::Expired { id, made_at, oldest },
            _ => Lookup::Unknown { id, made_at, lost: span.lost },
        })
    }
}
