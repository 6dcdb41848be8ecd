//! Recording what became of a claimed row, under its fence.

use std::collections::HashSet;

use bedside_protocol::id::NoticeId;
use bedside_protocol::notice::DroppedBecause;
use bedside_protocol::time::Instant;

use crate::clock::to_ms;
use crate::dialect::{self, Finish};
use crate::error::StoreError;
use crate::outbox::bundling;
use crate::refused;
use crate::scope::Scope;
use crate::store::Store;

/// What became of a claimed row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Completion {
    /// The row.
    pub id: NoticeId,
    /// The fence it was claimed with.
    pub fence: i64,
    /// What became of it.
    pub result: CompletionResult,
}

/// What became of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CompletionResult {
    /// Accepted.
    Sent {
        /// The server's reply code, such as 250.
        reply_code: u16,
    },
    /// Not accepted for now.
    Retry {
        /// Not before then (machine clock).
        at_machine: Instant,
        /// What kind of failure, such as `temporary` or `connect`.
        class: String,
        /// The server's reply code, where there was one.
        reply_code: Option<u16>,
    },
    /// Refused for good.
    Failed {
        /// What kind of failure, such as `address`.
        class: String,
        /// The server's reply code, where there was one.
        reply_code: Option<u16>,
    },
    /// Not sent, because it is of no use any more.
    Dropped(DroppedBecause),
    /// The connection was lost after the final dot: it may have been accepted.
    Ambiguous {
        /// Sent again then (machine clock); `None` for what is rather lost than sent twice.
        retry_at_machine: Option<Instant>,
        /// What kind of failure.
        class: String,
    },
}

/// Whether a result was recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recorded {
    /// It was.
    Recorded,
    /// The lease had passed to another worker, or the row was finished: nothing was changed.
    LeaseLost,
}

fn finish_of(completion: &Completion, clinical_now: i64, machine_now: i64) -> Finish {
    let mut finish = Finish {
        id: completion.id.to_string(),
        fence: completion.fence,
        state: "pending",
        retry_at: machine_now,
        class: None,
        code: None,
        ambiguous: false,
        finished_at: None,
        why: None,
    };
    let mut over = |state: &'static str, why: Option<String>| {
        finish.state = state;
        finish.finished_at = Some(clinical_now);
        finish.why = why;
    };
    match &completion.result {
        CompletionResult::Sent { reply_code } => {
            over("sent", None);
            finish.code = Some(i32::from(*reply_code));
        }
        CompletionResult::Retry {
            at_machine,
            class,
            reply_code,
        } => {
            finish.retry_at = to_ms(*at_machine);
            finish.class = Some(class.clone());
            finish.code = reply_code.map(i32::from);
        }
        CompletionResult::Failed { class, reply_code } => {
            over("failed", Some(class.clone()));
            finish.class = Some(class.clone());
            finish.code = reply_code.map(i32::from);
        }
        CompletionResult::Dropped(because) => over("dropped", Some(because.name().to_owned())),
        CompletionResult::Ambiguous {
            retry_at_machine,
            class,
        } => {
            match retry_at_machine {
                Some(at) => finish.retry_at = to_ms(*at),
                None => over("failed", Some("ambiguous".to_owned())),
            }
            finish.class = Some(class.clone());
            finish.ambiguous = true;
        }
    }
    finish
}

impl Store {
    /// Records what became of claimed rows, in one transaction; the answers are in the order of the completions.
    pub async fn record(&self, completions: Vec<Completion>) -> Result<Vec<Recorded>, StoreError> {
        if completions.is_empty() {
            return Ok(Vec::new());
        }
        let recorded = self.write_job(Scope::system(), move |tx| {
            let (now, machine_now) = (to_ms(tx.now), to_ms(tx.machine_now));
            let results: Vec<Finish> = completions
                .iter()
                .map(|completion| finish_of(completion, now, machine_now))
                .collect();
            let recorded: HashSet<String> = dialect::finish(tx.connection, &results)?.into_iter().collect();
            bundling::note_results(tx, &results, &recorded)?;
            refused::note_results(tx, &results, &recorded)?;
            let outcome = |finish: &Finish| {
                if recorded.contains(&finish.id) {
                    Recorded::Recorded
                } else {
                    Recorded::LeaseLost
                }
            };
            Ok(results.iter().map(outcome).collect())
        });
        Ok(recorded.await?)
    }

    /// Ends up to `limit` messages that wait and whose use is over, as dropped. After an outage these are many, and claiming
    /// each only to drop it would take long. What belongs to a case never grows stale, and what is claimed is its holder's.
    /// How many there were.
    pub async fn drop_stale(&self, limit: u32) -> Result<u64, StoreError> {
        let dropped = self.write_job(Scope::system(), move |tx| {
            Ok(dialect::drop_stale(
                tx.connection,
                i64::from(limit),
                to_ms(tx.now),
            )?)
        });
        Ok(u64::try_from(dropped.await?).unwrap_or(u64::MAX))
    }
}
