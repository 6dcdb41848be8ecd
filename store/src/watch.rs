//! The watch over the watch: what is due, heartbeats, and the gaps in which no worker was looking.
//!
//! A heartbeat is written after a *verified* cycle and never before. When the time since the last one is too long, the
//! stretch is kept as a gap, and the release duty of every running session is woken: the rules then tell the care team,
//! and what fell due in the gap is unknown, not missed.

use std::collections::BTreeSet;

use bedside_protocol::duty::Lane;
use bedside_protocol::id::{ClinicId, GapId, PersonId};
use bedside_protocol::time::Instant;
use bedside_protocol::watch::{Subject, WatchGap, WatchHealth};
use chrono::Duration;
use diesel::prelude::*;

use crate::clock::{from_ms, to_ms};
use crate::dialect;
use crate::error::{DatabaseError, Stop, StoreError};
use crate::records::parts::ClinicParts;
use crate::rows::{ClinicPartRow, GapRow};
use crate::schema::{
    duties, heartbeats, outbox, patients, postponements, sessions, standby, watch, watch_gaps,
};
use crate::scope::Scope;
use crate::sessions::subject_of;
use crate::store::Store;
use crate::transaction::Tx;

/// Silence of all workers that makes a gap, on the machine clock. A worker's cycle takes seconds.
const GAP_AFTER: Duration = Duration::seconds(120);

/// How far ahead of this machine's clock a heartbeat may be: two hosts' clocks are never the same.
const AHEAD_MAX: Duration = Duration::seconds(10);

/// How far back gaps are part of a record.
const GAPS_KNOWN_FOR: Duration = Duration::days(7);

/// The duty that has the worker look at a patient every morning, as it stands in the database.
const FOLLOWING: &str = "follow_course";

/// Ids in one statement; SQLite takes 32,766 parameters.
const IDS_AT_ONCE: usize = 500;

/// Orders grouped duties by their session's dose; those without one are last.
const LATEST_DOSE_FIRST: &str =
    "COALESCE((SELECT -sessions.dosed_at FROM sessions WHERE sessions.id = duties.subject_id), 0)";

/// States between dose and release, as they stand in the database.
const RUNNING: [&str; 3] = ["dosed", "monitoring", "emergency"];

/// What a worker finds when it begins a cycle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CycleStart {
    /// The stretch in which nobody watched, if it was too long. It grows until a cycle is verified.
    pub gap: Option<WatchGap>,
    /// The last verified cycle of any worker or standby (machine clock).
    pub last_at: Option<Instant>,
}

/// What a worker did in a verified cycle.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CycleStats {
    /// The program's version.
    pub version: String,
}

/// The last sign of life of one worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heartbeat {
    /// The worker.
    pub worker: String,
    /// When it started (machine clock).
    pub started_at: Instant,
    /// Its last verified cycle (machine clock).
    pub machine_at: Instant,
    /// How many it has verified.
    pub cycles: u64,
    /// The program's version.
    pub version: String,
}

/// What is known of the watch.
fn health(tx: &mut Tx<'_>) -> Result<WatchHealth, Stop> {
    let last: Option<i64> = watch::table
        .find(1)
        .select(watch::machine_at)
        .first(tx.connection)
        .optional()?;
    let gaps: Vec<GapRow> = watch_gaps::table
        .filter(watch_gaps::to_at.gt(gaps_known_from(tx.now)))
        .order(watch_gaps::from_at)
        .select(GapRow::as_select())
        .load(tx.connection)?;
    let gaps = gaps.iter().map(gap_value).collect::<Result<_, _>>()?;
    Ok(WatchHealth {
        silent_for: silent_for(last, tx.machine_now),
        gaps,
    })
}

/// The same, of rows that were loaded with those of a clinic.
pub(crate) fn health_in(tx: &Tx<'_>, parts: &ClinicParts) -> Result<WatchHealth, Stop> {
    let last = parts.of("watch").find_map(|row| row.from_at);
    let mut gaps: Vec<WatchGap> = parts.of("watch_gaps").map(gap_in).collect::<Result<_, _>>()?;
    gaps.sort_by_key(|gap| (gap.from, gap.id));
    Ok(WatchHealth {
        silent_for: silent_for(last, tx.machine_now),
        gaps,
    })
}

/// Gaps that ended then or earlier are no part of a record any more, milliseconds.
pub(crate) fn gaps_known_from(now: Instant) -> i64 {
    to_ms(now - GAPS_KNOWN_FOR)
}

fn gap_in(row: &ClinicPartRow) -> Result<WatchGap, Stop> {
    gap_of(
        &row.id,
        row.from_at.unwrap_or_default(),
        row.to_at.unwrap_or_default(),
    )
}

/// How long ago the last verified cycle was. A heartbeat well ahead of the clock tells nothing: after a clock was set
/// back, a dead watch must not look alive.
fn silent_for(last: Option<i64>, machine_now: Instant) -> Option<Duration> {
    last.map(|last| machine_now - from_ms(last))
        .filter(|silent_for| *silent_for >= -AHEAD_MAX)
        .map(|silent_for| silent_for.max(Duration::zero()))
}

/// The health of a record that was kept, as it is now: `last` was read anew, and a gap that has become old is left out.
pub(crate) fn renew(health: &mut WatchHealth, last: Option<i64>, now: Instant, machine_now: Instant) {
    health.silent_for = silent_for(last, machine_now);
    let known_from = gaps_known_from(now);
    health.gaps.retain(|gap| to_ms(gap.to) > known_from);
}

fn gap_value(row: &GapRow) -> Result<WatchGap, Stop> {
    gap_of(&row.id, row.from_at, row.to_at)
}

fn gap_of(id: &str, from_at: i64, to_at: i64) -> Result<WatchGap, Stop> {
    let corrupt = |_| DatabaseError::Corrupt {
        table: "watch_gaps",
        row: id.to_owned(),
    };
    Ok(WatchGap {
        id: id.parse().map_err(corrupt)?,
        from: from_ms(from_at),
        to: from_ms(to_at),
    })
}

/// Has the worker look at what a clinic's people of one lane owe.
pub(crate) fn wake_clinic(tx: &mut Tx<'_>, clinic: ClinicId, lane: Lane) -> Result<(), Stop> {
    let of_lane = duties::table
        .filter(
            duties::clinic_id
                .eq(clinic.to_string())
                .and(duties::lane.eq(lane.rank())),
        )
        .filter(duties::wake_at.is_not_null())
        .select(duties::id);
    let ids: Vec<String> = of_lane.load(tx.connection)?;
    wake(tx, &ids)
}

/// Has the worker look at what is owed about a patient and their sessions.
pub(crate) fn wake_patient(tx: &mut Tx<'_>, patient: PersonId) -> Result<(), Stop> {
    let patient = patient.to_string();
    let of_patient = sessions::table
        .filter(sessions::patient_id.eq(&patient))
        .select(sessions::id);
    let ids: Vec<String> = duties::table
        .filter(duties::wake_at.is_not_null())
        .filter(
            duties::subject_id
                .eq(&patient)
                .or(duties::subject_id.eq_any(of_patient)),
        )
        .select(duties::id)
        .load(tx.connection)?;
    wake(tx, &ids)
}

/// Wakes duties, and moves the version of everything they belong to on: a phone that looked must look again.
///
/// Subjects first, in the order of their ids, then duties: whoever changes a record holds its subject's row, so two who
/// meet wait for each other and never in a circle.
fn wake(tx: &mut Tx<'_>, ids: &[String]) -> Result<(), Stop> {
    let mut subjects: BTreeSet<(String, String)> = BTreeSet::new();
    for ids in ids.chunks(IDS_AT_ONCE) {
        let some: Vec<(String, String)> = duties::table
            .filter(duties::id.eq_any(ids))
            .select((duties::subject_kind, duties::subject_id))
            .distinct()
            .load(tx.connection)?;
        subjects.extend(some);
    }
    for (kind, id) in &subjects {
        if kind == "session" {
            diesel::update(sessions::table.find(id))
                .set(sessions::version.eq(sessions::version + 1))
                .execute(tx.connection)?;
        } else {
            diesel::update(patients::table.find(id))
                .set(patients::version.eq(patients::version + 1))
                .execute(tx.connection)?;
        }
    }
    for ids in ids.chunks(IDS_AT_ONCE) {
        let awake = duties::table.filter(duties::id.eq_any(ids).and(duties::wake_at.is_not_null()));
        diesel::update(awake)
            .set(duties::wake_at.eq(to_ms(tx.now)))
            .execute(tx.connection)?;
    }
    Ok(())
}

impl Store {
    /// Subjects with a duty to be looked at, most urgent lane first, then by the time since the dose, then by the time
    /// they have waited; at most `limit`. After an outage many are due at once, and whoever has taken the medicine last is in
    /// the greatest danger. One that is postponed is left out.
    pub async fn list_due(&self, limit: u32) -> Result<Vec<Subject>, StoreError> {
        self.read_job(Scope::system(), move |tx| {
            let postponed = postponements::table
                .filter(postponements::until_at.gt(to_ms(tx.machine_now)))
                .select(postponements::subject_id);
            let rows: Vec<(String, String, Option<i32>, Option<i64>)> = duties::table
                .filter(duties::wake_at.le(to_ms(tx.now)))
                .filter(duties::subject_id.ne_all(postponed))
                .group_by((duties::subject_kind, duties::subject_id))
                .order((
                    diesel::dsl::min(duties::lane),
                    diesel::dsl::sql::<diesel::sql_types::BigInt>(LATEST_DOSE_FIRST),
                    diesel::dsl::min(duties::wake_at),
                ))
                .select((
                    duties::subject_kind,
                    duties::subject_id,
                    diesel::dsl::min(duties::lane),
                    diesel::dsl::min(duties::wake_at),
                ))
                .limit(i64::from(limit))
                .load(tx.connection)?;
            Ok(rows
                .iter()
                .filter_map(|(kind, id, _, _)| subject_of(kind, id))
                .collect())
        })
        .await
    }

    /// Patients for whom no look is to come; at most `limit`. They are new, or from before anybody was followed.
    pub async fn list_unfollowed(&self, limit: i64) -> Result<Vec<PersonId>, StoreError> {
        self.read_job(Scope::system(), move |tx| {
            let followed = duties::table
                .filter(duties::kind.eq(FOLLOWING).and(duties::state.eq("open")))
                .select(duties::subject_id);
            let ids: Vec<String> = patients::table
                .filter(patients::id.ne_all(followed))
                .order(patients::id.desc())
                .limit(limit)
                .select(patients::id)
                .load(tx.connection)?;
            Ok(ids.iter().filter_map(|id| id.parse().ok()).collect())
        })
        .await
    }

    /// Leaves a subject alone until `until` (machine clock), because its rule failed or its rows cannot be read: it must
    /// not block the rest. Gives how often that happened in a row.
    pub async fn postpone(&self, subject: Subject, until: Instant) -> Result<u32, StoreError> {
        let postponed = self.write_job(Scope::system(), move |tx| {
            let id = subject.id();
            let earlier: Option<i32> = postponements::table
                .find(&id)
                .select(postponements::failures)
                .first(tx.connection)
                .optional()?;
            let failures = earlier.unwrap_or(0) + 1;
            let columns = (
                postponements::until_at.eq(to_ms(until)),
                postponements::failures.eq(failures),
            );
            if earlier.is_some() {
                diesel::update(postponements::table.find(&id))
                    .set(columns)
                    .execute(tx.connection)?;
            } else {
                diesel::insert_into(postponements::table)
                    .values((
                        postponements::subject_id.eq(&id),
                        postponements::subject_kind.eq(subject.kind()),
                        postponements::until_at.eq(to_ms(until)),
                        postponements::failures.eq(failures),
                    ))
                    .execute(tx.connection)?;
            }
            Ok(failures.unsigned_abs())
        });
        Ok(postponed.await?)
    }

    /// Forgets that a subject was postponed, after its rule worked.
    pub async fn forget_postponed(&self, subject: Subject) -> Result<(), StoreError> {
        let forgotten = self.write_job(Scope::system(), move |tx| {
            diesel::delete(postponements::table.find(subject.id())).execute(tx.connection)?;
            Ok(())
        });
        Ok(forgotten.await?)
    }

    /// How many subjects are postponed now: rows that cannot be worked on. For readiness.
    pub async fn count_postponed(&self) -> Result<u64, StoreError> {
        self.read_job(Scope::system(), |tx| {
            let count: i64 = postponements::table.count().get_result(tx.connection)?;
            Ok(count.unsigned_abs())
        })
        .await
    }

    /// How many subjects failed more than once in a row and are still due. For readiness: one that has nothing due any
    /// more was dealt with by somebody else, or is over.
    pub async fn count_failing_subjects(&self) -> Result<u64, StoreError> {
        self.read_job(Scope::system(), |tx| {
            let due = duties::table
                .filter(duties::wake_at.le(to_ms(tx.now)))
                .select(duties::subject_id);
            let count: i64 = postponements::table
                .filter(postponements::failures.gt(1))
                .filter(postponements::subject_id.eq_any(due))
                .count()
                .get_result(tx.connection)?;
            Ok(count.unsigned_abs())
        })
        .await
    }

    /// Begins a cycle of a worker or of a standby. If no cycle of any was verified for too long, keeps the gap and wakes the
    /// release duty of every running session, in one transaction.
    pub async fn open_cycle(&self, worker: &str) -> Result<CycleStart, StoreError> {
        let worker = worker.to_owned();
        let opened = self.write_job(Scope::system(), move |tx| {
            dialect::lock_named(tx.connection, "watch")?;
            tx.read_clocks();
            let beat: Option<(i64, i64)> = watch::table
                .find(1)
                .select((watch::clinical_at, watch::machine_at))
                .first(tx.connection)
                .optional()?;
            let stood_in: Option<(i64, i64)> = standby::table
                .find(1)
                .select((standby::clinical_at, standby::machine_at))
                .first(tx.connection)
                .optional()?;
            // Written by a clock that was ahead, it would hide an outage, and no worker writes it anew.
            let stood_in = stood_in.filter(|(_, at)| tx.machine_now - from_ms(*at) >= -AHEAD_MAX);
            let last = beat.into_iter().chain(stood_in).max_by_key(|(_, at)| *at);
            let last_at = last.map(|(_, machine_at)| from_ms(machine_at));
            let Some((clinical_at, machine_at)) = last else {
                return Ok(CycleStart { gap: None, last_at });
            };
            if tx.machine_now - from_ms(machine_at) <= GAP_AFTER {
                return Ok(CycleStart { gap: None, last_at });
            }
            let gap = keep_gap(tx, clinical_at)?;
            let running: Vec<String> = duties::table
                .inner_join(sessions::table.on(sessions::id.eq(duties::subject_id)))
                .filter(sessions::state.eq_any(RUNNING))
                .filter(duties::kind.eq("release").and(duties::state.eq("open")))
                .select(duties::id)
                .load(tx.connection)?;
            wake(tx, &running)?;
            let sessions = running.len();
            tracing::warn!(worker, gap = %gap.id, sessions, "no worker was watching for a while");
            Ok(CycleStart {
                gap: Some(gap),
                last_at,
            })
        });
        Ok(opened.await?)
    }

    /// Ends a worker's cycle that was verified: the heartbeat.
    pub async fn close_cycle(&self, worker: &str, stats: CycleStats) -> Result<(), StoreError> {
        let worker = worker.to_owned();
        let closed = self.write_job(Scope::system(), move |tx| {
            dialect::lock_named(tx.connection, "watch")?;
            tx.read_clocks();
            let (clinical_at, machine_at) = (to_ms(tx.now), to_ms(tx.machine_now));
            let both = (
                watch::clinical_at.eq(clinical_at),
                watch::machine_at.eq(machine_at),
            );
            if diesel::update(watch::table.find(1))
                .set(both)
                .execute(tx.connection)?
                == 0
            {
                diesel::insert_into(watch::table)
                    .values((
                        watch::id.eq(1),
                        watch::clinical_at.eq(clinical_at),
                        watch::machine_at.eq(machine_at),
                    ))
                    .execute(tx.connection)?;
            }
            let beat = diesel::update(heartbeats::table.find(&worker))
                .set((
                    heartbeats::clinical_at.eq(clinical_at),
                    heartbeats::machine_at.eq(machine_at),
                    heartbeats::cycles.eq(heartbeats::cycles + 1),
                    heartbeats::version.eq(&stats.version),
                ))
                .execute(tx.connection)?;
            if beat == 0 {
                diesel::insert_into(heartbeats::table)
                    .values((
                        heartbeats::worker.eq(&worker),
                        heartbeats::started_at.eq(machine_at),
                        heartbeats::clinical_at.eq(clinical_at),
                        heartbeats::machine_at.eq(machine_at),
                        heartbeats::cycles.eq(1_i64),
                        heartbeats::version.eq(&stats.version),
                    ))
                    .execute(tx.connection)?;
            }
            Ok(())
        });
        Ok(closed.await?)
    }

    /// Ends a cycle of a standby that was verified. It counts as watched, and is no heartbeat: the dose stays locked.
    pub async fn close_standby_cycle(&self) -> Result<(), StoreError> {
        let closed = self.write_job(Scope::system(), |tx| {
            dialect::lock_named(tx.connection, "watch")?;
            tx.read_clocks();
            let both = (
                standby::clinical_at.eq(to_ms(tx.now)),
                standby::machine_at.eq(to_ms(tx.machine_now)),
            );
            let known = diesel::update(standby::table.find(1))
                .set(both)
                .execute(tx.connection)?;
            if known == 0 {
                diesel::insert_into(standby::table)
                    .values((standby::id.eq(1), both.0, both.1))
                    .execute(tx.connection)?;
            }
            Ok(())
        });
        Ok(closed.await?)
    }

    /// How long ago, on the machine clock, a standby completed a cycle. `None` if none ever did, or in the future.
    pub async fn standby_silent_for(&self) -> Result<Option<Duration>, StoreError> {
        self.read_job(Scope::system(), |tx| {
            let last: Option<i64> = standby::table
                .find(1)
                .select(standby::machine_at)
                .first(tx.connection)
                .optional()?;
            let silent_for = last.map(|last| tx.machine_now - from_ms(last));
            Ok(silent_for.filter(|silent_for| *silent_for >= -AHEAD_MAX))
        })
        .await
    }

    /// What is known of the watch: for readiness, and for the gate of the dose.
    pub async fn watch_health(&self) -> Result<WatchHealth, StoreError> {
        self.read_job(Scope::system(), health).await
    }

    /// Every worker that ever verified a cycle, latest first.
    pub async fn list_heartbeats(&self) -> Result<Vec<Heartbeat>, StoreError> {
        self.read_job(Scope::system(), |tx| {
            let rows: Vec<(String, i64, i64, i64, String)> = heartbeats::table
                .order(heartbeats::machine_at.desc())
                .select((
                    heartbeats::worker,
                    heartbeats::started_at,
                    heartbeats::machine_at,
                    heartbeats::cycles,
                    heartbeats::version,
                ))
                .load(tx.connection)?;
            let beat =
                |(worker, started_at, machine_at, cycles, version): (String, i64, i64, i64, String)| {
                    Heartbeat {
                        worker,
                        started_at: from_ms(started_at),
                        machine_at: from_ms(machine_at),
                        cycles: cycles.unsigned_abs(),
                        version,
                    }
                };
            Ok(rows.into_iter().map(beat).collect())
        })
        .await
    }

    /// When the next thing happens by itself, past or to come: a duty to be looked at, a message to be sent. `None` when
    /// nothing is owed.
    pub async fn next_wake_at(&self) -> Result<Option<Instant>, StoreError> {
        self.read_job(Scope::system(), |tx| {
            let duty: Option<i64> = duties::table
                .select(diesel::dsl::min(duties::wake_at))
                .first(tx.connection)?;
            let message: Option<i64> = outbox::table
                .filter(outbox::state.eq_any(["pending", "leased"]))
                .select(diesel::dsl::min(outbox::not_before))
                .first(tx.connection)?;
            Ok(duty.into_iter().chain(message).min().map(from_ms))
        })
        .await
    }
}

/// Keeps the gap since the last verified cycle; the same gap grows for as long as none follows.
fn keep_gap(tx: &mut Tx<'_>, from_at: i64) -> Result<WatchGap, Stop> {
    // The clinical clock may have been set back meanwhile.
    let to_at = to_ms(tx.now).max(from_at);
    let known: Option<GapRow> = watch_gaps::table
        .filter(watch_gaps::from_at.eq(from_at))
        .select(GapRow::as_select())
        .first(tx.connection)
        .optional()?;
    if let Some(mut known) = known {
        known.to_at = known.to_at.max(to_at);
        diesel::update(watch_gaps::table.find(&known.id))
            .set(watch_gaps::to_at.eq(known.to_at))
            .execute(tx.connection)?;
        return gap_value(&known);
    }
    let id: GapId = tx.new_id();
    let row = GapRow {
        id: id.to_string(),
        from_at,
        to_at,
        noticed_at: to_ms(tx.now),
    };
    diesel::insert_into(watch_gaps::table)
        .values(&row)
        .execute(tx.connection)?;
    gap_value(&row)
}
