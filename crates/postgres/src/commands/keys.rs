//! Commands about keys.

use std::time::Duration;

use demur_admission::{
    CommandFault, DirectoryChange, ImportedForm, ImportedHash, ImportedKey, IssuedKey, KeyId, KeyRecord,
    KeyState, KeySummary, MAX_GRACE, NewKey, Reply, RotatedKey, Secret, check_label, is_prefix,
};
use jiff::Timestamp;

use super::transaction::{CommandResult, CommandTx};
use crate::directory::{self, StoredSecret};
use crate::error::DbError;
use crate::pepper::from_hex;

impl CommandTx<'_> {
    async fn fault_of(&mut self, new: &NewKey<'_>) -> Result<Option<CommandFault>, DbError> {
        if let Err(fault) = new.check_metadata() {
            return Ok(Some(fault));
        }
        self.lock_account(new.account).await
    }

    pub(super) async fn create_key(&mut self, new: NewKey<'_>, label: Option<&str>) -> CommandResult {
        if !is_prefix(new.prefix) {
            return Ok(Err(CommandFault::InvalidPrefix { prefix: new.prefix.to_owned() }));
        }
        if let Some(fault) = self.fault_of(&new).await? {
            return Ok(Err(fault));
        }
        if let Err(fault) = check_label(label) {
            return Ok(Err(fault));
        }
        let Ok(secret) = Secret::generate(new.prefix) else { return Ok(Err(CommandFault::NoRandomness)) };
        let stored = self.stored_secret(&secret);
        let key = new.record(self.at);
        directory::insert_key(self.client, &key, label, &stored).await?;
        let key = KeySummary { label: label.map(str::to_owned), ..KeySummary::at(key, self.at) };
        let reply = Reply::KeyCreated(IssuedKey { key, secret });
        Ok(Ok((reply, vec![DirectoryChange::Key(stored.digest)])))
    }

    pub(super) async fn rotate_key(&mut self, id: &KeyId, prefix: &str, grace_seconds: u64) -> CommandResult {
        if !is_prefix(prefix) {
            return Ok(Err(CommandFault::InvalidPrefix { prefix: prefix.to_owned() }));
        }
        let Some(key) = directory::key(self.client, id, self.at).await? else {
            return Ok(Err(CommandFault::UnknownKey { key: id.clone() }));
        };
        if key.state != KeyState::Active {
            return Ok(Err(CommandFault::KeyNotActive { key: id.clone(), state: key.state }));
        }
        let Ok(secret) = Secret::generate(prefix) else { return Ok(Err(CommandFault::NoRandomness)) };
        let grace = Duration::from_secs(grace_seconds).min(MAX_GRACE);
        let previous_until = self.at.checked_add(grace).unwrap_or(Timestamp::MAX);
        let before = directory::digests(self.client, id).await?;
        // The current secret ends at the end of the grace period, and older ones, which were in theirs, now.
        let sql = "UPDATE demur.secret SET ends = CASE WHEN ends IS NULL THEN $3 ELSE least(ends, $2) END WHERE key = $1";
        let (now, until) = (self.at.as_microsecond(), previous_until.as_microsecond());
        self.client.execute(sql, &[&id.as_str(), &now, &until]).await?;
        let stored = self.stored_secret(&secret);
        directory::insert_secret(self.client, id, &stored, self.at).await?;
        self.client
            .execute("UPDATE demur.key SET prefix = $2 WHERE id = $1", &[&id.as_str(), &prefix])
            .await?;
        let changes = before.into_iter().chain([stored.digest]).map(DirectoryChange::Key).collect();
        Ok(Ok((Reply::KeyRotated(RotatedKey { key, secret, previous_until }), changes)))
    }

    /// Imports all keys or none, so that a rejected list can be corrected and imported again.
    pub(super) async fn import_keys(
        &mut self,
        form: &ImportedForm,
        hash_key: Option<&str>,
        keys: &[ImportedKey],
    ) -> CommandResult {
        let fault = |cause: &str| Ok(Err(CommandFault::InvalidImport { cause: cause.to_owned() }));
        if !form.is_valid() {
            return fault(
                "keys must have 16 to 512 bytes, and their prefix at most 64 visible ASCII characters",
            );
        }
        let mut records: Vec<(KeyRecord, StoredSecret)> = Vec::with_capacity(keys.len());
        for (index, key) in keys.iter().enumerate() {
            let Some(hash) = from_hex(&key.hash).and_then(|bytes| <[u8; 32]>::try_from(bytes).ok()) else {
                return fault("each hash must have 64 hexadecimal digits");
            };
            let Some(digest) = self.shared.pepper.imported_digest(&hash) else {
                return fault("internal error: a hash has no digest");
            };
            let record = NewKey {
                api: &form.api,
                prefix: &form.prefix,
                account: &key.account,
                expires: key.expires,
                grants: &key.grants,
                metadata: key.metadata.clone(),
            };
            if let Some(fault) = self.fault_of(&record).await? {
                return Ok(Err(fault));
            }
            if let Err(fault) = check_label(key.label.as_deref()) {
                return Ok(Err(fault));
            }
            let is_duplicate = records.iter().any(|(_, known)| known.digest == digest);
            if is_duplicate || directory::has_digest(self.client, &digest).await? {
                return Ok(Err(CommandFault::KeyExists { account: key.account.clone(), index }));
            }
            records
                .push((record.record(self.at), StoredSecret { digest, pepper: self.shared.pepper_number }));
        }
        if let Some(cause) = self.hash_key_fault(&form.hash, hash_key) {
            return fault(cause);
        }
        directory::insert_form(self.client, form).await?;
        for ((record, secret), key) in records.iter().zip(keys) {
            directory::insert_key(self.client, record, key.label.as_deref(), secret).await?;
        }
        // In effect before the commit: a form without keys authenticates nobody.
        self.shared.set_forms(directory::imported_forms(self.client).await?);
        let keys = records.into_iter().map(|(key, _)| key.id).collect();
        Ok(Ok((Reply::KeysImported { keys }, vec![DirectoryChange::Everything])))
    }

    /// Returns what is wrong with the hash key of an import: every node needs it, so an operator adds it to the pepper.
    fn hash_key_fault(&self, hash: &ImportedHash, given: Option<&str>) -> Option<&'static str> {
        let ImportedHash::HmacSha256(name) = hash else {
            return given.map(|_| "SHA-256 has no hash key; remove it");
        };
        let missing = "the hash key is missing; add the line `hmac NAME HEX` to the pepper of every node, and restart them";
        let Some(known) = self.shared.settings.pepper.hash_key(name) else { return Some(missing) };
        let is_other = given.is_some_and(|given| from_hex(given).as_deref() != Some(known));
        is_other.then_some("the name of the hash key is already used for another hash key")
    }

    pub(super) async fn show_key(&mut self, id: &KeyId) -> CommandResult {
        let Some(mut key) = directory::key(self.client, id, self.at).await? else {
            return Ok(Err(CommandFault::UnknownKey { key: id.clone() }));
        };
        key.last_used = key.last_used.max(self.shared.write_behind.last_used(id));
        Ok(Ok((Reply::KeyChanged(key), Vec::new())))
    }

    /// Shows the key with a secret, also where the secret has been replaced.
    pub(super) async fn find_key(&mut self, secret: &Secret) -> CommandResult {
        let (pepper, secret) = (&self.shared.pepper, secret.expose());
        let mut digests = pepper.digests(secret);
        if let Some(imported) = self.shared.imported() {
            digests.extend(imported.candidates_of_any_api(secret, pepper));
        }
        match directory::find(self.client, &digests).await? {
            Some(found) => self.show_key(&found.key.id).await,
            None => Ok(Err(CommandFault::UnknownSecret)),
        }
    }

    /// Returns the reply for a key that was changed.
    pub(super) async fn changed_key(
        &mut self,
        id: &KeyId,
        reply: impl FnOnce(KeySummary) -> Reply,
    ) -> CommandResult {
        let Some(key) = directory::key(self.client, id, self.at).await? else {
            return Ok(Err(CommandFault::UnknownKey { key: id.clone() }));
        };
        let digests = directory::digests(self.client, id).await?;
        Ok(Ok((reply(key), digests.into_iter().map(DirectoryChange::Key).collect())))
    }

    fn stored_secret(&self, secret: &Secret) -> StoredSecret {
        let digest = self.shared.pepper.digest(secret.expose());
        StoredSecret { digest, pepper: self.shared.pepper_number }
    }
}
