//! Keeping the hot tables small. Nothing that anybody may still ask for is deleted: finished messages move to a table of the
//! same form (without the mail itself), and only keys, tokens and signs of life that are of no use any more go.

use bedside_protocol::time::Instant;
use chrono::Duration;
use diesel::prelude::*;

use crate::clock::{from_ms, to_ms};
use crate::dialect;
use crate::error::StoreError;
use crate::schema::{heartbeats, housekeeping, idempotency, outbox, refresh_tokens};
use crate::scope::Scope;
use crate::store::Store;

/// How long the answer to a request is kept for its repetition. A phone gives up long before.
const ANSWERS_KEPT_FOR: Duration = Duration::days(7);

/// How long the last sign of life of a process that is gone is kept. Each process has a row of its own, so restarts leave many;
/// a clock that was wrong for hours must not remove one that lives.
const HEARTBEATS_KEPT_FOR: Duration = Duration::days(7);

/// Rows moved in one transaction, so that nobody waits long for the writer.
const AT_ONCE: i64 = 500;

/// Whether a job of housekeeping is ours to run now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobTurn {
    /// It is due and nobody has begun it: it counts as begun now.
    Ours,
    /// It was begun at this time (machine clock) and is not due again.
    BegunAt(Instant),
}

/// What housekeeping moved or removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Moved {
    /// Finished messages that left the outbox.
    pub messages: usize,
    /// Answers to requests that nobody repeats any more.
    pub answers: usize,
    /// Refresh tokens that expired.
    pub tokens: usize,
    /// Heartbeats of processes that are gone.
    pub heartbeats: usize,
}

impl Store {
    /// Begins a job of housekeeping if it is due, for one worker only: `is_due` is given when it was begun last and
    /// the machine clock. One that was never begun is due.
    pub async fn begin_job(
        &self,
        job: &'static str,
        is_due: impl Fn(Instant, Instant) -> bool + Send + 'static,
    ) -> Result<JobTurn, StoreError> {
        let begun = self.write_job(Scope::system(), move |tx| {
            dialect::lock_named(tx.connection, "housekeeping")?;
            tx.read_clocks();
            let last: Option<i64> = housekeeping::table
                .find(job)
                .select(housekeeping::ran_at)
                .first(tx.connection)
                .optional()?;
            if let Some(last) = last.map(from_ms)
                && !is_due(last, tx.machine_now)
            {
                return Ok(JobTurn::BegunAt(last));
            }
            let now = housekeeping::ran_at.eq(to_ms(tx.machine_now));
            if last.is_some() {
                diesel::update(housekeeping::table.find(job))
                    .set(now)
                    .execute(tx.connection)?;
            } else {
                diesel::insert_into(housekeeping::table)
                    .values((housekeeping::job.eq(job), now))
                    .execute(tx.connection)?;
            }
            Ok(JobTurn::Ours)
        });
        Ok(begun.await?)
    }

    /// Moves messages that were finished before `before` (clinical clock) out of the outbox; removes old answers to
    /// requests, expired tokens and the heartbeats of processes that are gone. In small transactions; may be stopped and run again at any time.
    pub async fn move_finished(&self, before: Instant) -> Result<Moved, StoreError> {
        let mut moved = Moved::default();
        loop {
            let some = self.move_some(before).await?;
            moved.messages += some;
            if some == 0 {
                break;
            }
        }
        let (answers, tokens, heartbeats) = self
            .write_job(Scope::system(), |tx| {
                let old = to_ms(tx.machine_now - ANSWERS_KEPT_FOR);
                let answers = diesel::delete(idempotency::table.filter(idempotency::created_at.lt(old)))
                    .execute(tx.connection)?;
                // A used token is kept until it expires: its return is what shows that it was stolen.
                let expired =
                    refresh_tokens::table.filter(refresh_tokens::expires_at.lt(to_ms(tx.machine_now)));
                let tokens = diesel::delete(expired).execute(tx.connection)?;
                // Nothing is judged by these: the last verified cycle of all stands in a table of its own.
                let gone = to_ms(tx.machine_now - HEARTBEATS_KEPT_FOR);
                let gone = heartbeats::table.filter(heartbeats::machine_at.lt(gone));
                let heartbeats = diesel::delete(gone).execute(tx.connection)?;
                Ok((answers, tokens, heartbeats))
            })
            .await?;
        moved.answers = answers;
        moved.tokens = tokens;
        moved.heartbeats = heartbeats;
        Ok(moved)
    }

    async fn move_some(&self, before: Instant) -> Result<usize, StoreError> {
        let moved = self.write_job(Scope::system(), move |tx| {
            let ids: Vec<String> = outbox::table
                .filter(outbox::finished_at.lt(to_ms(before)))
                .order(outbox::finished_at)
                .limit(AT_ONCE)
                .select(outbox::id)
                .load(tx.connection)?;
            dialect::archive_outbox(tx.connection, &ids)?;
            Ok(ids.len())
        });
        Ok(moved.await?)
    }
}
