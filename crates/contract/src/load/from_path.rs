//! A contract from a file on disk.

use std::path::Path;
use std::{error, fmt, io};

use demur_source::{Diagnostics, Source};

use super::Loaded;
use crate::Contract;

/// Why a contract file could not be loaded.
#[derive(Debug)]
#[non_exhaustive]
pub enum LoadError {
    /// The file could not be read.
    File(io::Error),
    /// The file is not a valid contract.
    Invalid(Diagnostics),
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LoadError::File(error) => write!(f, "cannot read the contract: {error}"),
            LoadError::Invalid(found) => found.fmt(f),
        }
    }
}

impl error::Error for LoadError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            LoadError::File(error) => Some(error),
            LoadError::Invalid(_) => None,
        }
    }
}

impl Contract {
    /// Reads and loads a contract file. See [`Contract::load`].
    ///
    /// ```no_run
    /// use demur_contract::Contract;
    ///
    /// let contract = Contract::from_path("shop.yaml")?.contract;
    /// # Ok::<(), demur_contract::LoadError>(())
    /// ```
    pub fn from_path(path: impl AsRef<Path>) -> Result<Loaded, LoadError> {
        let source = Source::read(path.as_ref()).map_err(LoadError::File)?;
        Contract::load(&source).map_err(LoadError::Invalid)
    }
}
