//! The rows this worker holds, and the renewing of their leases for as long as it works on them.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bedside_protocol::id::NoticeId;
use tokio::task::AbortHandle;

use super::{LEASE_MS, RENEW_EVERY};
use crate::cycle::{Worker, tell};

/// What is held of a row while its attempt runs, until its result is recorded.
struct Held {
    fence: i64,
    attempt: AbortHandle,
}

/// The rows that are held. Cheap to clone.
#[derive(Clone, Default)]
pub(super) struct Leases(Arc<Mutex<HashMap<NoticeId, Held>>>);

impl Leases {
    fn lock(&self) -> MutexGuard<'_, HashMap<NoticeId, Held>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn hold(&self, id: NoticeId, fence: i64, attempt: AbortHandle) {
        self.lock().insert(id, Held { fence, attempt });
    }

    /// Lets go of a row that was held under this fence. One that was claimed anew meanwhile is still held.
    pub(super) fn release(&self, id: NoticeId, fence: i64) {
        let mut held = self.lock();
        if held.get(&id).is_some_and(|row| row.fence == fence) {
            held.remove(&id);
        }
    }

    /// Renews the leases of all rows that are held, again and again. A row whose lease is lost belongs to another worker:
    /// its attempt is cut, so that the mail goes out once more at most.
    pub(super) async fn renew(self, worker: Worker) {
        loop {
            tokio::time::sleep(RENEW_EVERY).await;
            let rows: Vec<(NoticeId, i64)> = self.lock().iter().map(|(id, row)| (*id, row.fence)).collect();
            if rows.is_empty() {
                continue;
            }
            match worker.store().renew(rows.clone(), LEASE_MS).await {
                Ok(ours) => self.let_go_of_lost(rows, &ours.into_iter().collect()),
                Err(error) => tell(&error, "leases were not renewed"),
            }
        }
    }

    fn let_go_of_lost(&self, rows: Vec<(NoticeId, i64)>, ours: &HashSet<NoticeId>) {
        let mut held = self.lock();
        for (id, fence) in rows.into_iter().filter(|(id, _)| !ours.contains(id)) {
            // It may have ended, or have been claimed anew, while its lease was renewed.
            let goes_on = |row: &Held| row.fence == fence && !row.attempt.is_finished();
            if held.get(&id).is_some_and(goes_on)
                && let Some(row) = held.remove(&id)
            {
                tracing::warn!(notice = %id, "another worker took a message over");
                row.attempt.abort();
            }
        }
    }
}
