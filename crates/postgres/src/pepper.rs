//! The pepper: the same on every node, and never in the database.
//!
//! Its text has the form of the embedded store's pepper file. The first line is the current pepper. Further lines are
//! `older HEX`, a pepper under which some secrets are still stored, and `hmac NAME HEX`, the key with which another system
//! hashed imported keys. Nodes do not change it: an operator does, on all nodes.

use demur_admission::{ImportedHashKey, Pepper};
use tokio_postgres::Client;

use crate::error::OpenError;

const LENGTH: usize = 32;

/// The pepper and the hash keys.
#[derive(Clone)]
pub(crate) struct PepperText {
    current: [u8; LENGTH],
    older: Vec<[u8; LENGTH]>,
    keys: Vec<(String, Vec<u8>)>,
}

impl PepperText {
    /// Parses the text.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        let mut parsed = Self { current: pepper(lines.next()?)?, older: Vec::new(), keys: Vec::new() };
        for line in lines {
            let words: Vec<&str> = line.split_ascii_whitespace().collect();
            match words[..] {
                ["older", digits] => parsed.older.push(pepper(digits)?),
                ["hmac", name, digits] => parsed.keys.push((name.to_owned(), from_hex(digits)?)),
                _ => return None,
            }
        }
        Some(parsed)
    }

    /// Returns the current pepper with the older ones.
    pub(crate) fn pepper(&self) -> Pepper {
        self.older.iter().fold(Pepper::from_bytes(&self.current), Pepper::with_older)
    }

    /// Returns the hash keys of imported keys.
    pub(crate) fn hash_keys(&self) -> Vec<ImportedHashKey> {
        self.keys.iter().filter_map(|(name, key)| ImportedHashKey::new(name.as_str(), key)).collect()
    }

    /// Returns a hash key by its name.
    pub(crate) fn hash_key(&self, name: &str) -> Option<&[u8]> {
        self.keys.iter().find(|(known, _)| known == name).map(|(_, key)| key.as_slice())
    }
}

fn pepper(digits: &str) -> Option<[u8; LENGTH]> {
    from_hex(digits)?.try_into().ok()
}

/// Decodes hexadecimal digits.
pub(crate) fn from_hex(text: &str) -> Option<Vec<u8>> {
    let is_hex = text.bytes().all(|digit| digit.is_ascii_hexdigit());
    if text.is_empty() || !text.len().is_multiple_of(2) || !is_hex {
        return None;
    }
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    text.as_bytes().chunks(2).map(byte).collect()
}

/// Returns the number by which secrets refer to the current pepper. Fails if secrets are stored under a pepper that is not
/// in the text: their keys would be unknown.
pub(crate) async fn pepper_number(client: &Client, pepper: &Pepper) -> Result<i32, OpenError> {
    client
        .batch_execute("BEGIN; LOCK TABLE demur.pepper IN EXCLUSIVE MODE")
        .await
        .map_err(OpenError::query)?;
    let found = find_number(client, pepper).await;
    let end = if matches!(found, Ok(Ok(_))) { "COMMIT" } else { "ROLLBACK" };
    client.batch_execute(end).await.map_err(OpenError::query)?;
    match found {
        Ok(Ok(number)) => Ok(number),
        Ok(Err(secrets)) => Err(OpenError::PepperMismatch { secrets }),
        Err(error) => Err(OpenError::query(error)),
    }
}

async fn find_number(client: &Client, pepper: &Pepper) -> Result<Result<i32, u64>, tokio_postgres::Error> {
    let marks: Vec<Vec<u8>> = pepper.marks().iter().map(|mark| mark.as_bytes().to_vec()).collect();
    let sql = "SELECT count(*) FROM demur.secret JOIN demur.pepper ON pepper.number = secret.pepper
               WHERE NOT pepper.mark = ANY($1)";
    let unknown: i64 = client.query_one(sql, &[&marks]).await?.try_get(0)?;
    if unknown > 0 {
        return Ok(Err(unknown.cast_unsigned()));
    }
    // The newest comes first; a new database learns all of them, so that numbers increase with their age.
    for mark in marks.iter().rev() {
        let sql = "INSERT INTO demur.pepper (number, mark) SELECT coalesce(max(number), 0) + 1, $1 FROM demur.pepper
                   ON CONFLICT (mark) DO NOTHING";
        client.execute(sql, &[mark]).await?;
    }
    let current = marks.first().cloned().unwrap_or_default();
    let row = client.query_one("SELECT number FROM demur.pepper WHERE mark = $1", &[&current]).await?;
    Ok(Ok(row.try_get(0)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rejects_malformed_peppers() {
        let digits = "0a".repeat(32);
        for (text, is_valid) in [
            (digits.clone(), true),
            (format!("{digits}\nolder {digits}\nhmac a 00\n"), true),
            (String::new(), false),
            ("0".repeat(62), false),
            (format!("{digits}\nolder 00"), false),
            (format!("{digits}\n{digits}"), false),
            (format!("{digits}\nhmac a xyz"), false),
        ] {
            assert_eq!(PepperText::parse(&text).is_some(), is_valid, "{text}");
        }
    }
}
