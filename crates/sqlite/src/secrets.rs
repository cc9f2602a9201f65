//! The pepper and the hash keys of imported keys, as the running process knows them.

use std::io;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use demur_admission::{CommandFault, ImportedForm, ImportedForms, ImportedHash, ImportedHashKey, Pepper};

use crate::pepper::PepperFile;

/// The secrets of the store. None of them is in the database.
pub(crate) struct StoreSecrets {
    /// The pepper at the start of the process: a new one takes effect at the next start.
    pepper: Pepper,
    number: u32,
    /// The number of peppers in the file at the start.
    peppers: usize,
    file: Mutex<PepperFile>,
    imported: RwLock<Option<Arc<ImportedForms>>>,
}

impl StoreSecrets {
    /// Creates the secrets from the pepper file; `number` is the pepper's number in the database.
    pub(crate) fn new(file: PepperFile, number: u32, forms: Vec<ImportedForm>) -> Self {
        let imported = (!forms.is_empty()).then(|| Arc::new(ImportedForms { forms, keys: file.hash_keys() }));
        Self {
            pepper: file.pepper(),
            number,
            peppers: file.count(),
            file: Mutex::new(file),
            imported: RwLock::new(imported),
        }
    }

    pub(crate) fn pepper(&self) -> &Pepper {
        &self.pepper
    }

    /// Returns the number of the pepper in use.
    pub(crate) fn pepper_number(&self) -> u32 {
        self.number
    }

    /// Returns what is wrong with the pepper file: after the next start keys would not be valid, or at least new ones.
    pub(crate) fn pepper_problem(&self) -> Option<String> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner).problem()
    }

    pub(crate) fn imported(&self) -> Option<Arc<ImportedForms>> {
        self.imported.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Creates a new pepper for the next start, unless there is one already.
    pub(crate) fn renew_pepper(&self) -> io::Result<()> {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        if file.count() == self.peppers {
            *file = file.with_new_pepper()?;
        }
        Ok(())
    }

    /// Stores the hash key of imported keys, if their hash has one. A name refers to one key forever.
    pub(crate) fn store_hash_key(&self, hash: &ImportedHash, key: Option<&[u8]>) -> Result<(), CommandFault> {
        let fault = |cause: &str| Err(CommandFault::InvalidImport { cause: cause.to_owned() });
        let ImportedHash::HmacSha256(name) = hash else {
            return if key.is_some() { fault("SHA-256 has no hash key; remove it") } else { Ok(()) };
        };
        let is_name = |text: &str| {
            (1..=64).contains(&text.len())
                && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
        };
        if !is_name(name) {
            return fault("the name of the hash key must have 1 to 64 letters, digits, `-`, `_` or `.`");
        }
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        match (file.hash_key(name), key) {
            (Some(known), Some(key)) if known != key => {
                fault("the name of the hash key is already used for another hash key")
            }
            (Some(_), _) => Ok(()),
            (None, None) => fault("the hash key is missing; pass it with the first import"),
            (None, Some(key)) if ImportedHashKey::new("", key).is_none() => fault("the hash key is empty"),
            (None, Some(key)) => match file.with_hash_key(name, key) {
                Ok(updated) => {
                    *file = updated;
                    Ok(())
                }
                Err(error) => {
                    Err(CommandFault::Store { cause: format!("cannot write the pepper file: {error}") })
                }
            },
        }
    }

    /// Replaces the forms of imported keys.
    pub(crate) fn set_forms(&self, forms: Vec<ImportedForm>) {
        let keys = self.file.lock().unwrap_or_else(PoisonError::into_inner).hash_keys();
        let forms = Arc::new(ImportedForms { forms, keys });
        *self.imported.write().unwrap_or_else(PoisonError::into_inner) = Some(forms);
    }
}
