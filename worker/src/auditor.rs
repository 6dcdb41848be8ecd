//! The auditor: proves each minute that nothing which is owed will be forgotten (FAILURES F5 to F7).
//!
//! Guarantees: it cannot be off silently, because the heartbeat is written only while its last run is young and went
//! well; what it finds is mended by a rule, logged, shown in readiness until a later run finds nothing, and mailed to the
//! clinic's administrator; a finding is believed only if it is still there after another look at everything that is
//! due, so that what was decided in the meantime is no false alarm.

use std::collections::BTreeSet;
use std::error::Error;
use std::sync::PoisonError;

use bedside_protocol::mending;
use bedside_protocol::time::{Instant, seconds};
use bedside_protocol::watch::Subject;
use bedside_store::{DecideError, Scope, StoreError, Unwatched};

use crate::cycle::{Worker, tell};

/// How often it runs, on whichever clock is the faster, seconds.
const EVERY_S: i64 = 60;

/// Without a good run for so long, on the machine clock, no heartbeat is written, seconds.
const GOOD_FOR_S: i64 = 90;

/// Findings logged one by one in one run; the number of all of them is logged too.
const LOGGED_MAX: usize = 20;

/// What one run found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AuditorReport {
    /// What would have been forgotten.
    pub found: u64,
    /// Subjects that were mended.
    pub mended: u64,
}

/// The clocks at the last run that went well.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LastRun {
    clinical_at: Instant,
    machine_at: Instant,
}

impl Worker {
    /// Runs the auditor if it is its time. Whether its last run was lately and went well.
    pub(crate) async fn is_proven(&self) -> bool {
        let clocks = self.store().clocks();
        let is_due = self.last_proof().is_none_or(|last| {
            let passed = [
                clocks.clinical_now() - last.clinical_at,
                clocks.machine_now() - last.machine_at,
            ];
            // A clock that was set back makes it run, too.
            passed.iter().any(|passed| passed.abs() >= seconds(EVERY_S))
        });
        if is_due {
            match self.prove().await {
                Ok(_) => self.set_last_proof(LastRun {
                    clinical_at: clocks.clinical_now(),
                    machine_at: clocks.machine_now(),
                }),
                Err(error) => {
                    tell(&error, "the auditor failed");
                    // Tried again in the next cycle.
                    return false;
                }
            }
        }
        let now = clocks.machine_now();
        self.last_proof()
            .is_some_and(|last| (now - last.machine_at).abs() <= seconds(GOOD_FOR_S))
    }

    /// One run of the auditor: finds, mends and tells.
    pub async fn prove(&self) -> Result<AuditorReport, StoreError> {
        let store = self.store();
        let mut found = store.list_unwatched().await?;
        if !found.is_empty() {
            self.tick().await;
            let still: BTreeSet<Unwatched> = store.list_unwatched().await?.into_iter().collect();
            found.retain(|unwatched| still.contains(unwatched));
        }
        let mut report = AuditorReport {
            found: found.len() as u64,
            mended: 0,
        };
        for unwatched in found.iter().take(LOGGED_MAX) {
            tracing::error!(
                wrong = unwatched.wrong.name(),
                id = unwatched.id,
                "something that is owed would have been forgotten"
            );
        }
        let subjects: BTreeSet<Subject> = found.iter().filter_map(|unwatched| unwatched.subject).collect();
        for subject in subjects {
            match self.mend(subject).await {
                Ok(()) => report.mended += 1,
                Err(error) => tracing::error!(
                    kind = subject.kind(),
                    id = subject.id(),
                    error = &error as &dyn Error,
                    "what a subject is owed could not be mended"
                ),
            }
        }
        if report.found > 0 {
            let (found, mended) = (report.found, report.mended);
            tracing::error!(found, mended, "the watch was incomplete");
        }
        store.keep_proof(found).await?;
        if report.found > 0 {
            self.nudge();
        }
        Ok(report)
    }

    async fn mend(&self, subject: Subject) -> Result<(), DecideError> {
        let (store, scope) = (self.store(), Scope::system());
        match subject {
            Subject::Session(id) => {
                let mended = store.decide_session(scope, id, None, |record, context| {
                    Ok((mending::session(record, context), ()))
                });
                mended.await.map(|_| ())
            }
            Subject::Patient(id) => {
                let mended = store.decide_patient(scope, id, None, |record, context| {
                    Ok((mending::patient(record, context), ()))
                });
                mended.await.map(|_| ())
            }
            Subject::Clinic(id) => Ok(store.run_drill(id).await?),
        }
    }

    fn last_proof(&self) -> Option<LastRun> {
        *self.proof().lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set_last_proof(&self, run: LastRun) {
        *self.proof().lock().unwrap_or_else(PoisonError::into_inner) = Some(run);
    }
}
