//! Commands about keys.

use std::collections::BTreeMap;
use std::time::Duration;

use demur_admission::{
    AccountId, CommandFault, DirectoryChange, Grants, ImportedForm, ImportedKey, IssuedKey, KeyId, KeyRecord,
    KeyState, KeySummary, Reply, RotatedKey, Secret, is_prefix,
};
use jiff::Timestamp;

use super::CommandOutcome;
use crate::directory::{self, StoredSecret};
use crate::pepper::from_hex;
use crate::writer::WriterShared;
use crate::writer::ledger_tx::LedgerTx;

/// The longest grace of a rotated secret.
const MAX_GRACE: Duration = Duration::from_secs(366 * 24 * 3600);

/// What a key's owner may write on it, in bytes.
const MAX_METADATA: usize = 4096;

/// A key that is to be made.
pub(super) struct NewKey<'a> {
    pub(super) api: &'a str,
    pub(super) prefix: &'a str,
    pub(super) account: &'a AccountId,
    pub(super) expires: Option<Timestamp>,
    pub(super) grants: &'a Grants,
    pub(super) metadata: BTreeMap<String, String>,
}

impl NewKey<'_> {
    fn record(self, at: Timestamp) -> KeyRecord {
        KeyRecord {
            id: KeyId::generate(),
            account: self.account.clone(),
            api: self.api.to_owned(),
            prefix: self.prefix.to_owned(),
            created: at,
            expires: self.expires,
            revoked: None,
            disabled: None,
            grants: self.grants.clone(),
            metadata: self.metadata,
        }
    }

    fn fault(&self, books: &LedgerTx<'_>) -> rusqlite::Result<Option<CommandFault>> {
        let written: usize = self.metadata.iter().map(|(name, value)| name.len() + value.len()).sum();
        if written > MAX_METADATA {
            let cause = format!("metadata has {MAX_METADATA} bytes at most");
            return Ok(Some(CommandFault::Unreadable { cause }));
        }
        let known = directory::account(books.transaction, self.account)?.is_some();
        Ok((!known).then(|| CommandFault::UnknownAccount { account: self.account.clone() }))
    }
}

pub(super) fn create(
    wanted: NewKey<'_>,
    at: Timestamp,
    books: &LedgerTx<'_>,
    shared: &WriterShared,
) -> CommandOutcome {
    if !is_prefix(wanted.prefix) {
        return Ok(Err(CommandFault::InvalidPrefix { prefix: wanted.prefix.to_owned() }));
    }
    if let Some(fault) = wanted.fault(books)? {
        return Ok(Err(fault));
    }
    if let Some(fault) = pepper_fault(shared) {
        return Ok(Err(fault));
    }
    let Ok(secret) = Secret::generate(wanted.prefix) else {
        return Ok(Err(CommandFault::NoRandomness));
    };
    let stored = stored(&secret, shared);
    let key = wanted.record(at);
    directory::insert_key(books.transaction, &key, &stored)?;
    let reply = Reply::KeyCreated(IssuedKey { key: KeySummary::at(key, at), secret });
    Ok(Ok((reply, vec![DirectoryChange::Key(stored.digest)])))
}

pub(super) fn rotate(
    id: &KeyId,
    prefix: &str,
    grace_seconds: u64,
    at: Timestamp,
    books: &LedgerTx<'_>,
    shared: &WriterShared,
) -> CommandOutcome {
    if !is_prefix(prefix) {
        return Ok(Err(CommandFault::InvalidPrefix { prefix: prefix.to_owned() }));
    }
    let Some(key) = directory::key(books.transaction, id, at)? else {
        return Ok(Err(CommandFault::UnknownKey { key: id.clone() }));
    };
    if key.state != KeyState::Active {
        return Ok(Err(CommandFault::KeyNotActive { key: id.clone(), state: key.state }));
    }
    if let Some(fault) = pepper_fault(shared) {
        return Ok(Err(fault));
    }
    let Ok(secret) = Secret::generate(prefix) else {
        return Ok(Err(CommandFault::NoRandomness));
    };
    let grace = Duration::from_secs(grace_seconds).min(MAX_GRACE);
    let previous_until = at.checked_add(grace).unwrap_or(Timestamp::MAX);
    let before = directory::digests(books.transaction, id)?;
    directory::end_secrets(books.transaction, id, at, previous_until)?;
    let stored = stored(&secret, shared);
    directory::insert_secret(books.transaction, id, &stored, at)?;
    directory::set_hint(books.transaction, id, prefix)?;
    let changes = before.into_iter().chain([stored.digest]).map(DirectoryChange::Key).collect();
    Ok(Ok((Reply::KeyRotated(RotatedKey { key, secret, previous_until }), changes)))
}

/// All keys or none: whoever imports a list twice would otherwise not know where it stopped.
pub(super) fn import(
    form: &ImportedForm,
    hash_key: Option<&str>,
    keys: &[ImportedKey],
    at: Timestamp,
    books: &LedgerTx<'_>,
    shared: &WriterShared,
) -> CommandOutcome {
    let fault = |cause: &str| Ok(Err(CommandFault::InvalidImport { cause: cause.to_owned() }));
    if !form.is_sound() {
        return fault("keys have 16 to 512 bytes, and begin with up to 64 visible ASCII characters");
    }
    if let Some(fault) = pepper_fault(shared) {
        return Ok(Err(fault));
    }
    let mut wanted = Vec::with_capacity(keys.len());
    for key in keys {
        let Some(hash) = from_hex(&key.hash).and_then(|bytes| <[u8; 32]>::try_from(bytes).ok()) else {
            return fault("a hash has 64 hexadecimal digits");
        };
        let Some(digest) = shared.secrets.pepper().imported_digest(&hash) else {
            return fault("a hash cannot be stored");
        };
        let record = NewKey {
            api: &form.api,
            prefix: &form.prefix,
            account: &key.account,
            expires: key.expires,
            grants: &key.grants,
            metadata: key.metadata.clone(),
        };
        if let Some(fault) = record.fault(books)? {
            return Ok(Err(fault));
        }
        let twice = wanted.iter().any(|(_, known): &(KeyRecord, StoredSecret)| known.digest == digest);
        if twice || directory::has_digest(books.transaction, &digest)? {
            return Ok(Err(CommandFault::KeyExists { account: key.account.clone() }));
        }
        wanted.push((record.record(at), StoredSecret { digest, pepper: shared.secrets.pepper_number() }));
    }
    let key = match hash_key.map(from_hex) {
        Some(None) => return fault("the key of the hash has pairs of hexadecimal digits"),
        Some(Some(key)) => Some(key),
        None => None,
    };
    if let Err(fault) = shared.secrets.keep_hash_key(&form.hash, key.as_deref()) {
        return Ok(Err(fault));
    }
    directory::insert_form(books.transaction, form)?;
    for (key, secret) in &wanted {
        directory::insert_key(books.transaction, key, secret)?;
    }
    // In force before it is committed: a form alone opens for nobody.
    shared.secrets.set_forms(directory::foreign_forms(books.transaction)?);
    let keys = wanted.into_iter().map(|(key, _)| key.id).collect();
    Ok(Ok((Reply::KeysImported { keys }, vec![DirectoryChange::Everything])))
}

pub(super) fn show(id: &KeyId, at: Timestamp, books: &LedgerTx<'_>) -> CommandOutcome {
    let found = directory::key(books.transaction, id, at)?.map(|key| (Reply::KeyChanged(key), Vec::new()));
    Ok(found.ok_or_else(|| CommandFault::UnknownKey { key: id.clone() }))
}

/// Tells of a key after it was changed.
pub(super) fn changed(
    id: &KeyId,
    at: Timestamp,
    books: &LedgerTx<'_>,
    reply: impl FnOnce(KeySummary) -> Reply,
) -> CommandOutcome {
    let Some(key) = directory::key(books.transaction, id, at)? else {
        return Ok(Err(CommandFault::UnknownKey { key: id.clone() }));
    };
    let changes = directory::digests(books.transaction, id)?.into_iter().map(DirectoryChange::Key).collect();
    Ok(Ok((reply(key), changes)))
}

/// A secret that is stored now must open after the next start too, which reads the pepper from its file.
fn pepper_fault(shared: &WriterShared) -> Option<CommandFault> {
    shared.secrets.pepper_trouble().map(|cause| CommandFault::Store { cause })
}

fn stored(secret: &Secret, shared: &WriterShared) -> StoredSecret {
    let digest = shared.secrets.pepper().digest(secret.expose());
    StoredSecret { digest, pepper: shared.secrets.pepper_number() }
}
