//! The key `store`: the embedded database of one gateway, or a PostgreSQL database that several share.

use demur_gateway::{PostgresStore, StoreUrl};
use demur_source::{Fields, Node};

use crate::reader::ConfigReader;
use crate::secret::read_secret;

pub(super) fn read_store(fields: &mut Fields<'_>, reader: &mut ConfigReader<'_>) -> Option<StoreUrl> {
    let Some(node) = fields.node("store") else {
        return Some(StoreUrl::Sqlite(reader.folder.join("demur.db")));
    };
    let Some(text) = node.scalar_text() else { return read_postgres(node, reader) };
    match text.split_once(':') {
        Some(("sqlite", path)) if !path.is_empty() => {
            Some(StoreUrl::Sqlite(reader.folder.join(path.strip_prefix("//").unwrap_or(path))))
        }
        // The text is not repeated: it may contain a password.
        Some(("postgres" | "postgresql", _)) => {
            let help = "write `store: { postgres: { env: NAME }, pepper: { file: PATH } }`".to_owned();
            reader.error(node.span, "store", "the connection string of a PostgreSQL store is a secret", help);
            None
        }
        _ => {
            let help = "write `sqlite:demur.db`, a path relative to this file".to_owned();
            reader.error(node.span, "store", format!("unknown store `{text}`"), help);
            None
        }
    }
}

fn read_postgres(node: &Node, reader: &mut ConfigReader<'_>) -> Option<StoreUrl> {
    let mut fields = Fields::of(node, reader.source, "a store", reader.found)?;
    let [url, pepper] = ["postgres", "pepper"].map(|name| {
        let node = fields.node(name);
        if node.is_none() {
            fields.missing(name, reader.found);
        }
        node.and_then(|node| read_secret(node, reader))
    });
    let authorities = fields.node("authorities").map(|node| {
        let name = node.scalar_text().unwrap_or_default();
        reader.file(&name, node.span).map(|source| source.text.clone())
    });
    fields.finish(reader.found);
    // A file that cannot be read is an error, and not the authorities of the system.
    let authorities = match authorities {
        Some(read) => Some(read?),
        None => None,
    };
    Some(StoreUrl::Postgres(Box::new(PostgresStore { url: url?, pepper: pepper?, authorities })))
}
