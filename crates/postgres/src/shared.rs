//! What the writer, the reader and the feed of a store share.

use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use demur_admission::{
    DirectoryChange, ImportedForm, ImportedForms, InvalidationListener, LocalCounters, Pepper, Plans,
};
use jiff::{SignedDuration, Timestamp};

use crate::quota::SavedQuotas;
use crate::settings::Settings;
use crate::write_behind::WriteBehind;

/// What the writer has done.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) commits: AtomicUsize,
    pub(crate) failed: AtomicUsize,
    pub(crate) jobs: AtomicUsize,
    pub(crate) open_holds: AtomicUsize,
    /// How far the clock of the database is ahead of that of this node, in microseconds.
    pub(crate) clock_offset: AtomicI64,
}

pub(crate) struct Shared {
    pub(crate) settings: Arc<Settings>,
    pub(crate) pepper: Pepper,
    /// The number of the pepper in the database.
    pub(crate) pepper_number: i32,
    pub(crate) plans: Arc<Plans>,
    pub(crate) counters: LocalCounters,
    pub(crate) quota: SavedQuotas,
    pub(crate) write_behind: WriteBehind,
    pub(crate) counts: Counts,
    /// The number of jobs that wait.
    pub(crate) waiting: AtomicUsize,
    pub(crate) listeners: Mutex<Vec<Arc<dyn InvalidationListener>>>,
    imported: RwLock<Option<Arc<ImportedForms>>>,
    problem: Mutex<Option<String>>,
}

impl Shared {
    pub(crate) fn new(settings: Arc<Settings>, pepper_number: i32, plans: Arc<Plans>) -> Self {
        Self {
            pepper: settings.pepper.pepper(),
            settings,
            pepper_number,
            plans,
            counters: LocalCounters::new(),
            quota: SavedQuotas::default(),
            write_behind: WriteBehind::default(),
            counts: Counts::default(),
            waiting: AtomicUsize::new(0),
            listeners: Mutex::default(),
            imported: RwLock::default(),
            problem: Mutex::default(),
        }
    }

    /// Notifies the caches of this node.
    pub(crate) fn announce(&self, changes: &[DirectoryChange]) {
        if changes.is_empty() {
            return;
        }
        let listeners = self.listeners.lock().unwrap_or_else(PoisonError::into_inner);
        for listener in listeners.iter() {
            changes.iter().for_each(|change| listener.invalidate(change));
        }
    }

    /// Converts a time of this node's clock: where that is wrong, the clock of the database is used.
    pub(crate) fn correct(&self, at: Timestamp) -> Timestamp {
        match self.counts.clock_offset.load(Ordering::Relaxed) {
            0 => at,
            offset => at.saturating_add(SignedDuration::from_micros(offset)).unwrap_or(at),
        }
    }

    /// The current time, by the clock of the database where that of this node is wrong.
    pub(crate) fn now(&self) -> Timestamp {
        self.correct(self.settings.clock())
    }

    pub(crate) fn imported(&self) -> Option<Arc<ImportedForms>> {
        self.imported.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Replaces the forms of imported keys.
    pub(crate) fn set_forms(&self, forms: Vec<ImportedForm>) {
        let keys = self.settings.pepper.hash_keys();
        let forms = (!forms.is_empty()).then(|| Arc::new(ImportedForms { forms, keys }));
        *self.imported.write().unwrap_or_else(PoisonError::into_inner) = forms;
    }

    /// Returns why the database cannot be used, as the feed has found at its latest attempt.
    pub(crate) fn problem(&self) -> Option<String> {
        self.problem.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn set_problem(&self, problem: Option<String>) {
        *self.problem.lock().unwrap_or_else(PoisonError::into_inner) = problem;
    }
}
