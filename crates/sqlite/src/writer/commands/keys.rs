//! Commands about keys.

use std::time::Duration;

use demur_admission::{
    CommandFault, DirectoryChange, ImportedForm, ImportedKey, IssuedKey, KeyId, KeyRecord, KeyState,
    KeySummary, MAX_GRACE, NewKey, Reply, RotatedKey, Secret, check_label, is_prefix,
};
use jiff::Timestamp;

use super::outcome::CommandOutcome;
use crate::directory::{self, StoredSecret};
use crate::pepper::from_hex;
use crate::writer::ledger_tx::LedgerTx;
use crate::writer::shared::WriterShared;

fn fault_of(new: &NewKey<'_>, ledger: &LedgerTx<'_>) -> rusqlite::Result<Option<CommandFault>> {
    match new.check_metadata() {
        Ok(()) => super::accounts::fault(new.account, ledger),
        Err(fault) => Ok(Some(fault)),
    }
}

pub(super) fn create(
    new: NewKey<'_>,
    label: Option<&str>,
    at: Timestamp,
    ledger: &LedgerTx<'_>,
    shared: &WriterShared,
) -> CommandOutcome {
    if !is_prefix(new.prefix) {
        return Ok(Err(CommandFault::InvalidPrefix { prefix: new.prefix.to_owned() }));
    }
    if let Some(fault) = fault_of(&new, ledger)? {
        return Ok(Err(fault));
    }
    if let Err(fault) = check_label(label) {
        return Ok(Err(fault));
    }
    if let Some(fault) = pepper_fault(shared) {
        return Ok(Err(fault));
    }
    let Ok(secret) = Secret::generate(new.prefix) else {
        return Ok(Err(CommandFault::NoRandomness));
    };
    let stored = stored_secret(&secret, shared);
    let key = new.record(at);
    directory::insert_key(ledger.transaction, &key, label, &stored)?;
    let key = KeySummary { label: label.map(str::to_owned), ..KeySummary::at(key, at) };
    let reply = Reply::KeyCreated(IssuedKey { key, secret });
    Ok(Ok((reply, vec![DirectoryChange::Key(stored.digest)])))
}

pub(super) fn rotate(
    id: &KeyId,
    prefix: &str,
    grace_seconds: u64,
    at: Timestamp,
    ledger: &LedgerTx<'_>,
    shared: &WriterShared,
) -> CommandOutcome {
    if !is_prefix(prefix) {
        return Ok(Err(CommandFault::InvalidPrefix { prefix: prefix.to_owned() }));
    }
    let Some(key) = directory::key(ledger.transaction, id, at)? else {
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
    let before = directory::digests(ledger.transaction, id)?;
    directory::end_secrets(ledger.transaction, id, at, previous_until)?;
    let stored = stored_secret(&secret, shared);
    directory::insert_secret(ledger.transaction, id, &stored, at)?;
    directory::set_prefix(ledger.transaction, id, prefix)?;
    let changes = before.into_iter().chain([stored.digest]).map(DirectoryChange::Key).collect();
    Ok(Ok((Reply::KeyRotated(RotatedKey { key, secret, previous_until }), changes)))
}

/// Imports all keys or none, so that a rejected list can be corrected and imported again.
pub(super) fn import(
    form: &ImportedForm,
    hash_key: Option<&str>,
    keys: &[ImportedKey],
    at: Timestamp,
    ledger: &LedgerTx<'_>,
    shared: &WriterShared,
) -> CommandOutcome {
    let fault = |cause: &str| Ok(Err(CommandFault::InvalidImport { cause: cause.to_owned() }));
    if !form.is_valid() {
        return fault("keys must have 16 to 512 bytes, and their prefix at most 64 visible ASCII characters");
    }
    if let Some(fault) = pepper_fault(shared) {
        return Ok(Err(fault));
    }
    let mut records = Vec::with_capacity(keys.len());
    for (index, key) in keys.iter().enumerate() {
        let Some(hash) = from_hex(&key.hash).and_then(|bytes| <[u8; 32]>::try_from(bytes).ok()) else {
            return fault("each hash must have 64 hexadecimal digits");
        };
        let Some(digest) = shared.secrets.pepper().imported_digest(&hash) else {
            return fault("internal error: a hash has no digest");
        };
        if let Err(fault) = check_label(key.label.as_deref()) {
            return Ok(Err(fault));
        }
        let record = NewKey {
            api: &form.api,
            prefix: &form.prefix,
            account: &key.account,
            expires: key.expires,
            grants: &key.grants,
            metadata: key.metadata.clone(),
        };
        if let Some(fault) = fault_of(&record, ledger)? {
            return Ok(Err(fault));
        }
        let is_duplicate =
            records.iter().any(|(_, known): &(KeyRecord, StoredSecret)| known.digest == digest);
        if is_duplicate || directory::has_digest(ledger.transaction, &digest)? {
            return Ok(Err(CommandFault::KeyExists { account: key.account.clone(), index }));
        }
        records.push((record.record(at), StoredSecret { digest, pepper: shared.secrets.pepper_number() }));
    }
    let key = match hash_key.map(from_hex) {
        Some(None) => return fault("the hash key must have an even number of hexadecimal digits"),
        Some(Some(key)) => Some(key),
        None => None,
    };
    if let Err(fault) = shared.secrets.store_hash_key(&form.hash, key.as_deref()) {
        return Ok(Err(fault));
    }
    directory::insert_form(ledger.transaction, form)?;
    for ((record, secret), key) in records.iter().zip(keys) {
        directory::insert_key(ledger.transaction, record, key.label.as_deref(), secret)?;
    }
    // In effect before the commit: a form without keys authenticates nobody.
    shared.secrets.set_forms(directory::imported_forms(ledger.transaction)?);
    let keys = records.into_iter().map(|(key, _)| key.id).collect();
    Ok(Ok((Reply::KeysImported { keys }, vec![DirectoryChange::Everything])))
}

pub(super) fn show(
    id: &KeyId,
    at: Timestamp,
    ledger: &LedgerTx<'_>,
    shared: &WriterShared,
) -> CommandOutcome {
    let Some(mut key) = directory::key(ledger.transaction, id, at)? else {
        return Ok(Err(CommandFault::UnknownKey { key: id.clone() }));
    };
    key.last_used = key.last_used.max(shared.write_behind.last_used(id));
    Ok(Ok((Reply::KeyChanged(key), Vec::new())))
}

/// Shows the key with a secret, also where the secret has been replaced.
pub(super) fn find(
    secret: &Secret,
    at: Timestamp,
    ledger: &LedgerTx<'_>,
    shared: &WriterShared,
) -> CommandOutcome {
    let (pepper, secret) = (shared.secrets.pepper(), secret.expose());
    let mut digests = pepper.digests(secret);
    if let Some(imported) = shared.secrets.imported() {
        digests.extend(imported.candidates_of_any_api(secret, pepper));
    }
    match directory::find(ledger.transaction, &digests)? {
        Some(found) => show(&found.key.id, at, ledger, shared),
        None => Ok(Err(CommandFault::UnknownSecret)),
    }
}

/// Returns the reply for a key that was changed.
pub(super) fn changed(
    id: &KeyId,
    at: Timestamp,
    ledger: &LedgerTx<'_>,
    reply: impl FnOnce(KeySummary) -> Reply,
) -> CommandOutcome {
    let Some(key) = directory::key(ledger.transaction, id, at)? else {
        return Ok(Err(CommandFault::UnknownKey { key: id.clone() }));
    };
    let changes = directory::digests(ledger.transaction, id)?.into_iter().map(DirectoryChange::Key).collect();
    Ok(Ok((reply(key), changes)))
}

/// Returns why no secret can be stored now: the next start reads the pepper from its file, and the secret must be valid
/// then too.
fn pepper_fault(shared: &WriterShared) -> Option<CommandFault> {
    shared.secrets.pepper_problem().map(|cause| CommandFault::Store { cause })
}

fn stored_secret(secret: &Secret, shared: &WriterShared) -> StoredSecret {
    let digest = shared.secrets.pepper().digest(secret.expose());
    StoredSecret { digest, pepper: shared.secrets.pepper_number() }
}
