//! The pepper and the keys of other systems' hashes, as the running process knows them.

use std::io;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use demur_admission::{CommandFault, ForeignKey, ImportedForm, ImportedForms, ImportedHash, Pepper};

use crate::pepper::PepperFile;

/// Secrets of the store, none of which is in the database.
pub(crate) struct StoreSecrets {
    /// As it was when the process began: another one takes effect at the next start.
    pepper: Pepper,
    number: u32,
    /// How many there were in the file.
    peppers: usize,
    file: Mutex<PepperFile>,
    foreign: RwLock<Option<Arc<ImportedForms>>>,
}

impl StoreSecrets {
    /// With the number that the pepper has in the database.
    pub(crate) fn new(file: PepperFile, number: u32, forms: Vec<ImportedForm>) -> Self {
        let foreign =
            (!forms.is_empty()).then(|| Arc::new(ImportedForms { forms, keys: file.foreign_keys() }));
        Self {
            pepper: file.pepper(),
            number,
            peppers: file.count(),
            file: Mutex::new(file),
            foreign: RwLock::new(foreign),
        }
    }

    pub(crate) fn pepper(&self) -> &Pepper {
        &self.pepper
    }

    /// The number of the pepper in use.
    pub(crate) fn pepper_number(&self) -> u32 {
        self.number
    }

    /// What is wrong with the pepper's file: at the next start no key would open, or not those that are made now.
    pub(crate) fn pepper_trouble(&self) -> Option<String> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner).trouble()
    }

    pub(crate) fn foreign(&self) -> Option<Arc<ImportedForms>> {
        self.foreign.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Makes another pepper, for the next start, unless one is waiting for it already.
    pub(crate) fn renew_pepper(&self) -> io::Result<()> {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        if file.count() == self.peppers {
            *file = file.renewed()?;
        }
        Ok(())
    }

    /// Keeps the key of another system's hash, where it has one. A name means one key for ever.
    pub(crate) fn keep_hash_key(&self, hash: &ImportedHash, key: Option<&[u8]>) -> Result<(), CommandFault> {
        let fault = |cause: &str| Err(CommandFault::InvalidImport { cause: cause.to_owned() });
        let ImportedHash::HmacSha256(name) = hash else {
            return if key.is_some() { fault("SHA-256 has no key") } else { Ok(()) };
        };
        let is_name = |text: &str| {
            (1..=64).contains(&text.len())
                && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
        };
        if !is_name(name) {
            return fault("the name of the hash's key has 1 to 64 letters, digits, `-`, `_` and `.`");
        }
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        match (file.foreign_key(name), key) {
            (Some(known), Some(key)) if known != key => fault("another key of the hash goes by that name"),
            (Some(_), _) => Ok(()),
            (None, None) => fault("the key of the hash is not known yet, and must be given"),
            (None, Some(key)) if ForeignKey::new("", key).is_none() => fault("the key of the hash is empty"),
            (None, Some(key)) => match file.with_foreign_key(name, key) {
                Ok(written) => {
                    *file = written;
                    Ok(())
                }
                Err(error) => Err(CommandFault::Store { cause: format!("the pepper's file: {error}") }),
            },
        }
    }

    /// Puts another list of forms in force.
    pub(crate) fn set_forms(&self, forms: Vec<ImportedForm>) {
        let keys = self.file.lock().unwrap_or_else(PoisonError::into_inner).foreign_keys();
        let forms = Arc::new(ImportedForms { forms, keys });
        *self.foreign.write().unwrap_or_else(PoisonError::into_inner) = Some(forms);
    }
}
