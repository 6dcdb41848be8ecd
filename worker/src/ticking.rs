//! The tick: looks at every subject with a duty whose time has come and lets the rule decide.
//!
//! Guarantees: most urgent first; a subject that fails is logged by its id, set aside for half a minute and stops
//! nobody else (FAILURES F8); the number of looks in one tick is bounded, and the report says whether everything that
//! was due was looked at, which is what the heartbeat stands for.

use std::collections::HashMap;
use std::error::Error;

use bedside_protocol::tick;
use bedside_protocol::time::seconds;
use bedside_protocol::watch::Subject;
use bedside_store::{DecideError, Scope};
use tokio::task::JoinSet;

use crate::cycle::Worker;

/// Subjects looked for at once.
const BATCH: u32 = 100;

/// Batches in one tick: at 100 subjects each more than a clinic group has, and an end in any case.
const BATCHES_MAX: usize = 1_000;

/// Decisions at once: SQLite writes one after the other anyway, PostgreSQL has 8 connections.
const AT_ONCE: usize = 8;

/// Looks at one subject in one tick. An outage may leave several steps; a subject that is still due after them is at fault.
const LOOKS_MAX: u32 = 5;

/// How long a subject at fault is left alone, seconds.
const SET_ASIDE_S: i64 = 30;

/// How long a subject is left alone that others changed again and again just now, seconds.
const SET_ASIDE_BUSY_S: i64 = 1;

/// What one tick did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TickReport {
    /// Decisions taken.
    pub decided: u64,
    /// Subjects that failed and were set aside.
    pub failed: u64,
    /// Whether everything that was due was looked at: the list came to its end, and it was not so that all of it failed.
    pub verified: bool,
}

impl Worker {
    /// Looks at everything that is due.
    pub async fn tick(&self) -> TickReport {
        let mut report = TickReport::default();
        let mut looks: HashMap<Subject, u32> = HashMap::new();
        // If it cannot be told, forgetting is for the next tick.
        let some_set_aside = self.store().count_postponed().await.is_ok_and(|count| count > 0);
        for _ in 0..BATCHES_MAX {
            let due = match self.store().list_due(BATCH).await {
                Ok(due) => due,
                Err(error) => {
                    tracing::error!(error = &error as &dyn Error, "what is due cannot be listed");
                    return report;
                }
            };
            if due.is_empty() {
                report.verified = report.failed == 0 || report.decided > 0;
                break;
            }
            let (tired, due): (Vec<_>, Vec<_>) = due.into_iter().partition(|subject| {
                let looks = looks.entry(*subject).or_default();
                *looks += 1;
                *looks > LOOKS_MAX
            });
            for subject in tired {
                tracing::error!(
                    kind = subject.kind(),
                    id = subject.id(),
                    "a subject stays due whatever is decided"
                );
                report.failed += 1;
                if !self.set_aside(subject, SET_ASIDE_S).await {
                    return report;
                }
            }
            if !self.decide_all(due, some_set_aside, &mut report).await {
                return report;
            }
        }
        if report.decided > 0 {
            self.nudge();
        }
        report
    }

    /// Decides about each subject, a few at once. False when one that failed could not be set aside: the same ones
    /// would be listed again.
    async fn decide_all(&self, due: Vec<Subject>, some_set_aside: bool, report: &mut TickReport) -> bool {
        let mut due = due.into_iter();
        let mut deciding = JoinSet::new();
        let mut which = HashMap::new();
        let mut begin = |deciding: &mut JoinSet<_>, subject: Subject| {
            let worker = self.clone();
            let task = deciding.spawn(async move { worker.decide(subject, some_set_aside).await });
            which.insert(task.id(), subject);
        };
        for subject in due.by_ref().take(AT_ONCE) {
            begin(&mut deciding, subject);
        }
        let mut failed = Vec::new();
        while let Some(joined) = deciding.join_next_with_id().await {
            match joined {
                Ok((_, Ok(()))) => report.decided += 1,
                Ok((task, Err(error))) => {
                    let pause_s = match error {
                        DecideError::Busy => SET_ASIDE_BUSY_S,
                        _ => SET_ASIDE_S,
                    };
                    failed.push((task, pause_s, Box::new(error) as Box<dyn Error + Send + Sync>));
                }
                Err(panic) => failed.push((panic.id(), SET_ASIDE_S, Box::new(panic))),
            }
            if let Some(subject) = due.next() {
                begin(&mut deciding, subject);
            }
        }
        for (task, pause_s, error) in failed {
            let Some(subject) = which.get(&task).copied() else {
                continue;
            };
            tracing::error!(
                kind = subject.kind(),
                id = subject.id(),
                error = &*error as &dyn Error,
                "a due subject failed"
            );
            report.failed += 1;
            if !self.set_aside(subject, pause_s).await {
                return false;
            }
        }
        true
    }

    async fn decide(&self, subject: Subject, some_set_aside: bool) -> Result<(), DecideError> {
        let scope = Scope::system();
        let decided = match subject {
            Subject::Session(id) => {
                let decided = self.store().decide_session(scope, id, None, |record, context| {
                    Ok((tick::session(record, context), ()))
                });
                decided.await.map(|_| ())
            }
            Subject::Patient(id) => {
                let decided = self.store().decide_patient(scope, id, None, |record, context| {
                    Ok((tick::patient(record, context), ()))
                });
                decided.await.map(|_| ())
            }
            Subject::Clinic(id) => self.store().run_drill(id).await.map_err(DecideError::from),
        };
        if decided.is_ok() && some_set_aside {
            // It may have been this one. If it cannot be forgotten now, the next success forgets it.
            let _forgotten = self.store().forget_postponed(subject).await;
        }
        decided
    }

    async fn set_aside(&self, subject: Subject, pause_s: i64) -> bool {
        let until = self.store().clocks().machine_now() + seconds(pause_s);
        match self.store().postpone(subject, until).await {
            Ok(_) => true,
            Err(error) => {
                tracing::error!(error = &error as &dyn Error, "a subject could not be set aside");
                false
            }
        }
    }
}
