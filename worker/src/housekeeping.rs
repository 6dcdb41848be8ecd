//! Housekeeping: what has served its time leaves the hot tables, the audit trail is verified, gaps of rosters are told, open
//! cases are handed over at a shift change, who is on call is tested, new patients are followed, planned sessions take the protocol in
//! force, the database is kept fit.
//!
//! Guarantees: every job can run twice or in two workers at once without harm; when each was begun last is in the
//! database, so neither a restart nor a second worker runs it again before its time; firings that were missed, also while
//! no worker ran, count as one; a job that fails is logged and comes again at its next firing; an audit trail that does
//! not hold is red in readiness until it verifies.

use std::collections::HashMap;
use std::error::Error;

use bedside_protocol::tick;
use bedside_protocol::time::{Instant, minutes};
use bedside_store::{DecideError, FindingPart, JobTurn, Scope, StoreError};
use tokio::sync::watch;

use crate::cycle::{Worker, sleep_or_stop, tell};
use crate::schedule::Timetable;
use crate::settings::SLEEP_MAX;

/// How long finished messages stay in the hot table, minutes: as long as somebody may ask what became of one.
const FINISHED_KEPT_MIN: i64 = 7 * 24 * 60;

/// New patients in one run: after an upgrade all are new, and nobody waits long for the writer.
const FOLLOWED_AT_ONCE: i64 = 1_000;

/// Faults of the audit trail that are logged in one run; one is bad enough.
const FAULTS_LOGGED: usize = 20;

/// A job of housekeeping. When it runs: [`Job::timetable`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Job {
    /// Lets the database fold its log away and look after its statistics.
    Optimize,
    /// Moves finished messages to the archive; drops old idempotency records, dead tokens and the heartbeats of processes that
    /// are gone.
    Retention,
    /// Tells clinics of gaps in their rosters that came near.
    RosterGaps,
    /// Begins to follow patients whom nobody follows between sessions yet.
    FollowPatients,
    /// Offers open cases of who went off duty to who came on.
    ShiftChanges,
    /// Asks who is on call whether messages reach them.
    OnCallTests,
    /// Has planned sessions take the protocol that is in force by now.
    Protocols,
    /// Verifies every audit chain.
    VerifyAudit,
    /// Lets each clinic's drill fall due, which proves the way from a due time to an accepted mail.
    Drill,
}

impl Job {
    /// Every job.
    pub const ALL: [Self; 9] = [
        Self::Optimize,
        Self::Retention,
        Self::RosterGaps,
        Self::FollowPatients,
        Self::ShiftChanges,
        Self::OnCallTests,
        Self::Protocols,
        Self::VerifyAudit,
        Self::Drill,
    ];

    /// The job's name in logs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Optimize => "optimize",
            Self::Retention => "retention",
            Self::RosterGaps => "roster_gaps",
            Self::FollowPatients => "follow_patients",
            Self::ShiftChanges => "shift_changes",
            Self::OnCallTests => "on_call_tests",
            Self::Protocols => "protocols",
            Self::VerifyAudit => "verify_audit",
            Self::Drill => "drill",
        }
    }
}

/// Runs the jobs when they are due. When each was begun last is remembered here too, so that the database is asked only
/// when one may be due.
pub(crate) struct Housekeeper {
    worker: Worker,
    timetables: Vec<(Job, Timetable)>,
    begun_at: HashMap<Job, Instant>,
    /// A worker that holds no drills has said so.
    drills_ended: bool,
}

impl Housekeeper {
    pub(crate) fn new(worker: Worker) -> Self {
        let drill = worker.settings().drill.as_ref();
        let timetables = Job::ALL
            .into_iter()
            .filter_map(|job| Some((job, job.timetable(drill)?)))
            .collect();
        let drills_ended = drill.is_some();
        Self {
            worker,
            timetables,
            begun_at: HashMap::new(),
            drills_ended,
        }
    }

    /// Runs what is due until told to stop.
    pub(crate) async fn until_stopped(mut self, mut stop: watch::Receiver<bool>) {
        while !*stop.borrow() {
            self.run_due().await;
            if sleep_or_stop(SLEEP_MAX, &mut stop).await {
                break;
            }
        }
    }

    /// Runs what is due now. The jobs that ran.
    async fn run_due(&mut self) -> Vec<Job> {
        let now = self.worker.store().clocks().machine_now();
        if !self.drills_ended {
            match self.worker.store().end_drills().await {
                Ok(()) => self.drills_ended = true,
                Err(error) => tell(&error, "drills could not be switched off"),
            }
        }
        let due: Vec<(Job, Timetable)> = self
            .timetables
            .iter()
            .filter(|(job, timetable)| {
                let begun_at = self.begun_at.get(job);
                begun_at.is_none_or(|begun_at| timetable.is_due(*begun_at, now))
            })
            .cloned()
            .collect();
        let mut ran = Vec::new();
        for (job, timetable) in due {
            let store = self.worker.store();
            match store
                .begin_job(job.name(), move |last, now| timetable.is_due(last, now))
                .await
            {
                Ok(JobTurn::Ours) => self.begun_at.insert(job, now),
                Ok(JobTurn::BegunAt(at)) => {
                    self.begun_at.insert(job, at);
                    continue;
                }
                Err(error) => {
                    tell(&error, "a job of housekeeping could not begin");
                    continue;
                }
            };
            ran.push(job);
            if let Err(error) = self.worker.keep_house(job).await {
                tracing::error!(
                    job = job.name(),
                    error = &error as &dyn Error,
                    "a job of housekeeping failed"
                );
            }
        }
        ran
    }
}

impl Worker {
    /// Runs one job now.
    pub async fn keep_house(&self, job: Job) -> Result<(), DecideError> {
        let store = self.store();
        match job {
            Job::Optimize => store.tidy().await?,
            Job::Retention => {
                let before = store.clocks().clinical_now() - minutes(FINISHED_KEPT_MIN);
                store.move_finished(before).await?;
            }
            Job::RosterGaps => {
                store.tell_roster_gaps().await?;
            }
            Job::ShiftChanges => {
                store.offer_at_shift_changes().await?;
            }
            Job::FollowPatients => self.follow_patients().await?,
            Job::OnCallTests => {
                store.test_on_call().await?;
            }
            Job::Protocols => {
                store.take_protocols_in_force(None).await?;
            }
            Job::VerifyAudit => {
                let report = store.verify_audit(None).await?;
                for fault in report.faults.iter().take(FAULTS_LOGGED) {
                    tracing::error!(
                        chain = fault.chain,
                        seq = fault.seq,
                        what = fault.what,
                        "the audit trail does not hold"
                    );
                }
                store
                    .keep_findings(FindingPart::Audit, report.faults.len() as u64)
                    .await?;
            }
            Job::Drill => {
                let now = store.clocks().machine_now();
                let timetable = self.settings().drill.as_ref();
                let next = timetable.and_then(|timetable| timetable.next_after(now));
                if let Some(next) = next {
                    store.open_drills(next - now).await?;
                }
            }
        }
        Ok(())
    }

    /// Looks at patients who have no look to come. From then on each has one every morning.
    async fn follow_patients(&self) -> Result<(), StoreError> {
        for patient in self.store().list_unfollowed(FOLLOWED_AT_ONCE).await? {
            let looked = self
                .store()
                .decide_patient(Scope::system(), patient, None, |record, context| {
                    Ok((tick::patient(record, context), ()))
                });
            if let Err(error) = looked.await {
                let error = &error as &dyn Error;
                tracing::error!(%patient, error, "a patient cannot be followed");
            }
        }
        Ok(())
    }

    /// Runs the jobs that are due and that nobody has begun, as a worker that has just started does.
    pub async fn keep_house_if_due(&self) -> Vec<Job> {
        Housekeeper::new(self.clone()).run_due().await
    }
}
