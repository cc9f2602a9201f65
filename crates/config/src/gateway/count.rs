//! Whole numbers of at least 1.

use std::num::NonZeroUsize;

use demur_source::Fields;

use crate::reader::ConfigReader;

/// A whole number of at least 1.
pub(super) fn read_count(
    fields: &mut Fields<'_>,
    name: &'static str,
    reader: &mut ConfigReader<'_>,
) -> Option<NonZeroUsize> {
    let (_, node) = fields.entry(name)?;
    let count = fields.int(name, reader.found)?;
    let read = usize::try_from(count).ok().and_then(NonZeroUsize::new);
    if read.is_none() {
        reader.error(node.span, "number", format!("`{name}` must be at least 1"), None);
    }
    read
}
