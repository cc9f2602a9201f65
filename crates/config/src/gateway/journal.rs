//! `journal:` what is kept of requests that were rejected or failed.

use std::num::NonZeroU32;
use std::time::Duration;

use demur_gateway::{JournalConfig, JournalFilter, StoreUrl};
use demur_source::{Fields, Node};

use crate::reader::ConfigReader;

const DEFAULT_AGE: Duration = Duration::from_secs(7 * 86_400);
const DEFAULT_BYTES: u64 = 256 << 20;
/// With less, entries would be deleted as soon as they are written.
const MIN_BYTES: u64 = 1 << 20;

/// A file, or a mapping with more.
pub(super) fn read_journal(
    node: &Node,
    store: Option<&StoreUrl>,
    reader: &mut ConfigReader<'_>,
) -> Option<JournalConfig> {
    let journal =
        |path, requests| JournalConfig { path, requests, max_age: DEFAULT_AGE, max_bytes: DEFAULT_BYTES };
    let journal = if let Some(path) = node.as_str() {
        journal(reader.folder.join(path), JournalFilter::Rejected)
    } else {
        let mut fields = Fields::of(node, reader.source, "`journal`", reader.found)?;
        let path = reader.required(&mut fields, "path");
        let one_in: Option<NonZeroU32> = reader.positive(&mut fields, "successes_one_in");
        let max_age = reader.duration(&mut fields, "max_age");
        let span = fields.node("max_size").map_or(node.span, |node| node.span);
        let max_bytes = reader.size(&mut fields, "max_size");
        fields.finish(reader.found);
        if max_bytes.is_some_and(|bytes| bytes < MIN_BYTES) {
            reader.error(span, "number", "`max_size` must be at least 1MiB".to_owned(), None);
        }
        let requests = one_in.map_or(JournalFilter::Rejected, JournalFilter::OneIn);
        let journal = journal(reader.folder.join(path?.0), requests);
        JournalConfig {
            max_age: max_age.unwrap_or(DEFAULT_AGE),
            max_bytes: max_bytes.unwrap_or(DEFAULT_BYTES),
            ..journal
        }
    };
    if let Some(StoreUrl::Sqlite(store)) = store
        && *store == journal.path
    {
        let message = "the journal has the file of the store".to_owned();
        let help = "use a file of its own, such as `journal.db`: it must never fill the disk of the ledger"
            .to_owned();
        reader.error(node.span, "journal", message, help);
    }
    Some(journal)
}
