//! Sessions, which single-use secrets begin.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use subtle::ConstantTimeEq;

/// The cookie of a session.
pub(crate) const COOKIE_NAME: &str = "demur-console";
/// How long a session lasts.
const SESSION: Duration = Duration::from_secs(12 * 3_600);
/// Sessions and secrets at once. The oldest ones end first.
const MAX: usize = 32;

#[derive(Default)]
pub(crate) struct Login {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Secrets that were not used yet.
    secrets: Vec<(String, Instant)>,
    sessions: Vec<(String, Instant)>,
}

impl Login {
    /// A new secret.
    pub(crate) fn secret(&self, valid_for: Duration) -> Option<String> {
        let secret = random()?;
        add(&mut self.state().secrets, secret.clone(), valid_for);
        Some(secret)
    }

    /// Begins a session, if the secret is valid; it is not afterwards.
    pub(crate) fn begin(&self, secret: &str) -> Option<String> {
        let mut state = self.state();
        let at = position(&state.secrets, secret)?;
        state.secrets.swap_remove(at);
        let session = random()?;
        add(&mut state.sessions, session.clone(), SESSION);
        Some(session)
    }

    pub(crate) fn is_session(&self, session: &str) -> bool {
        position(&self.state().sessions, session).is_some()
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn add(list: &mut Vec<(String, Instant)>, text: String, valid_for: Duration) {
    let now = Instant::now();
    list.retain(|(_, until)| *until > now);
    if list.len() == MAX {
        list.remove(0);
    }
    list.push((text, now + valid_for));
}

/// The place of a text that is still valid, compared without telling by time how much of it is right.
fn position(list: &[(String, Instant)], text: &str) -> Option<usize> {
    let now = Instant::now();
    let is_it = |known: &str| bool::from(known.as_bytes().ct_eq(text.as_bytes()));
    list.iter().position(|(known, until)| is_it(known) && *until > now)
}

/// 256 bits in hexadecimal digits.
fn random() -> Option<String> {
    let mut bytes = [0_u8; 32];
    getrandom::fill(&mut bytes).ok()?;
    Some(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
