//! Whose export is under way: a user has one at a time.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use actix_web::http::StatusCode;
use firemode_web::Problem;
use uuid::Uuid;

/// Whoever is refused may try again after this time.
const RETRY_SECONDS: u32 = 10;

/// The users whose exports are under way in this process. Requests are bounded elsewhere, and so is this.
#[derive(Debug, Clone, Default)]
pub(crate) struct Turns(Arc<Mutex<HashSet<Uuid>>>);

/// A user's turn, until it is dropped.
#[derive(Debug)]
pub(super) struct Turn {
    of: Turns,
    user_id: Uuid,
}

impl Turns {
    /// # Errors
    /// 429 where the user has one.
    pub(super) fn take(&self, user_id: Uuid) -> Result<Turn, Problem> {
        if self.users().insert(user_id) {
            return Ok(Turn { of: self.clone(), user_id });
        }
        let detail = "You have an export under way. Send this again when it has ended.";
        Err(Problem::new(StatusCode::TOO_MANY_REQUESTS, detail).retry_after(RETRY_SECONDS))
    }

    fn users(&self) -> MutexGuard<'_, HashSet<Uuid>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.of.users().remove(&self.user_id);
    }
}
