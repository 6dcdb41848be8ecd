//! Drills: the synthetic duty of each clinic that proves every day that alarms leave (FAILURES F7).
//!
//! Guarantees: a drill is a row among all duties, found by the same index, looked at by the same tick and watched by the same
//! auditor, and its mails are decided in one transaction with it; a clinic has one drill at a time, so none is begun while
//! the last one's mail still waits; only an accepted mail proves a drill.

use std::collections::HashMap;

use bedside_protocol::drill;
use bedside_protocol::duty::Lane;
use bedside_protocol::id::{ClinicId, DutyId};
use bedside_protocol::people::keepers;
use bedside_protocol::time::AHEAD_MAX;
use bedside_protocol::watch::Subject;
use chrono::Duration;
use diesel::prelude::*;
use serde::{Deserialize, Serialize};

use crate::clock::{from_ms, to_ms};
use crate::dialect;
use crate::error::{DatabaseError, Stop, StoreError};
use crate::outbox;
use crate::records::{load, on_call};
use crate::rows::DutyRow;
use crate::schema::{clinics, duties, outbox as messages, outbox_done as done};
use crate::scope::Scope;
use crate::store::Store;
use crate::transaction::Tx;

/// The kind of the duty.
const KIND: &str = "drill";

/// When the next is expected after one that does not say so, milliseconds: drills are held daily where nothing else is set.
const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// What is kept with the duty.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Drill {
    /// How long after this one the next is to be, milliseconds.
    every_ms: i64,
}

/// How far the drills of all clinics are proven. Each is of the clinic where it is longest; `None` where there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DrillStanding {
    /// How long ago a drill's mail was last accepted, or the first drill fell due where none ever was.
    pub proven_ago: Option<Duration>,
    /// How long a mail of a drill has been waited for, or the drill itself, whichever is longer.
    pub overdue_for: Option<Duration>,
}

/// Times after this one were written by a clock that was wrong, and count for nothing.
fn believed_until(tx: &Tx<'_>) -> i64 {
    to_ms(tx.now + AHEAD_MAX)
}

fn open_drills_of(tx: &mut Tx<'_>, clinic: &str) -> Result<Vec<String>, Stop> {
    let open = duties::kind.eq(KIND).and(duties::state.eq("open"));
    Ok(duties::table
        .filter(duties::subject_id.eq(clinic).and(open))
        .select(duties::id)
        .load(tx.connection)?)
}

fn open_drill(tx: &mut Tx<'_>, clinic: ClinicId, every: Duration) -> Result<bool, Stop> {
    let id = clinic.to_string();
    let open = duties::kind.eq(KIND).and(duties::state.eq("open"));
    let unfinished: i64 = duties::table
        .filter(duties::subject_id.eq(&id).and(open))
        .filter(duties::due_at.le(believed_until(tx)))
        .count()
        .get_result(tx.connection)?;
    let waiting: i64 = messages::table
        .filter(messages::subject_id.eq(&id).and(messages::finished_at.is_null()))
        .count()
        .get_result(tx.connection)?;
    if unfinished > 0 || waiting > 0 {
        return Ok(false);
    }
    let on_call = load::or_nothing(clinic, on_call::people(tx, clinic))?;
    if keepers(&on_call).is_empty() {
        return Ok(false);
    }
    let duty: DutyId = tx.new_id();
    let drill = Drill {
        every_ms: every.num_milliseconds(),
    };
    let corrupt = |_| DatabaseError::Corrupt {
        table: "duties",
        row: duty.to_string(),
    };
    let row = DutyRow {
        id: duty.to_string(),
        clinic_id: id.clone(),
        subject_kind: Subject::Clinic(clinic).kind().to_owned(),
        subject_id: id,
        position: 0,
        kind: KIND.to_owned(),
        lane: Lane::Escalation.rank(),
        state: "open".to_owned(),
        due_at: to_ms(tx.now),
        wake_at: Some(to_ms(tx.now)),
        doc: serde_json::to_string(&drill).map_err(corrupt)?,
    };
    dialect::insert_duties(tx.connection, &[row])?;
    Ok(true)
}

/// When a drill's mail was last accepted, by clinic, milliseconds.
fn accepted(tx: &mut Tx<'_>, clinics: &[String]) -> Result<HashMap<String, i64>, Stop> {
    let mut accepted: HashMap<String, i64> = HashMap::new();
    let until = believed_until(tx);
    macro_rules! add {
        ($table:ident) => {
            let rows: Vec<(Option<String>, Option<i64>)> = $table::table
                .filter(
                    $table::subject_id
                        .eq_any(clinics)
                        .and($table::state.eq("sent"))
                        .and($table::finished_at.le(until)),
                )
                .group_by($table::subject_id)
                .select(($table::subject_id, diesel::dsl::max($table::finished_at)))
                .load(tx.connection)?;
            for (clinic, at) in rows {
                let (Some(clinic), Some(at)) = (clinic, at) else {
                    continue;
                };
                let known = accepted.entry(clinic).or_insert(at);
                *known = at.max(*known);
            }
        };
    }
    add!(messages);
    add!(done);
    Ok(accepted)
}

fn standing(tx: &mut Tx<'_>) -> Result<DrillStanding, Stop> {
    let clinics: Vec<String> = clinics::table.select(clinics::id).load(tx.connection)?;
    let until = believed_until(tx);
    let drills = || {
        duties::table.filter(
            duties::subject_id
                .eq_any(&clinics)
                .and(duties::kind.eq(KIND))
                .and(duties::state.ne("excused"))
                .and(duties::due_at.le(until)),
        )
    };
    let latest: Vec<(String, Option<i64>, Option<i64>)> = drills()
        .group_by(duties::subject_id)
        .select((
            duties::subject_id,
            diesel::dsl::min(duties::due_at),
            diesel::dsl::max(duties::due_at),
        ))
        .load(tx.connection)?;
    let accepted = accepted(tx, &clinics)?;
    let mut standing = DrillStanding::default();
    for (clinic, first, last) in latest {
        let (Some(first), Some(last)) = (first, last) else {
            continue;
        };
        let accepted = accepted.get(&clinic).copied();
        let ours = || drills().filter(duties::subject_id.eq(clinic.clone()));
        let owed: Option<i64> = ours()
            .filter(duties::due_at.gt(accepted.unwrap_or(i64::MIN)))
            .select(diesel::dsl::min(duties::due_at))
            .first(tx.connection)?;
        let doc: String = ours()
            .filter(duties::due_at.eq(last))
            .select(duties::doc)
            .first(tx.connection)?;
        let drill: Drill = serde_json::from_str(&doc).unwrap_or_else(|_| {
            tracing::error!(clinic, "a drill cannot be read; the next is waited for in a day");
            Drill { every_ms: DAY_MS }
        });
        let next = last.max(accepted.unwrap_or(last)) + drill.every_ms;
        let since = |at: i64| tx.now - from_ms(at);
        let overdue = owed.map(since).max(Some(since(next)));
        standing.overdue_for = standing.overdue_for.max(overdue);
        standing.proven_ago = standing.proven_ago.max(Some(since(accepted.unwrap_or(first))));
    }
    standing.overdue_for = standing.overdue_for.filter(|overdue| *overdue > Duration::zero());
    Ok(standing)
}

impl Store {
    /// Lets the drill of each clinic fall due now that has somebody to tell and whose last drill is over; the next is to
    /// follow in `every`. How many there are.
    pub async fn open_drills(&self, every: Duration) -> Result<u64, StoreError> {
        let opened = self.write_job(Scope::system(), move |tx| {
            dialect::lock_named(tx.connection, "drills")?;
            let ids: Vec<String> = clinics::table.select(clinics::id).load(tx.connection)?;
            let mut opened = 0;
            for clinic in ids.iter().filter_map(|id| id.parse().ok()) {
                opened += u64::from(open_drill(tx, clinic, every)?);
            }
            Ok(opened)
        });
        Ok(opened.await?)
    }

    /// Ends what drills are known: none is waited for any more. For a program that holds no drills.
    pub async fn end_drills(&self) -> Result<(), StoreError> {
        let ended = self.write_job(Scope::system(), |tx| {
            let ids: Vec<String> = clinics::table.select(clinics::id).load(tx.connection)?;
            let drills = duties::subject_id
                .eq_any(ids)
                .and(duties::kind.eq(KIND))
                .and(duties::state.ne("excused"));
            diesel::update(duties::table.filter(drills))
                .set((duties::state.eq("excused"), duties::wake_at.eq(None::<i64>)))
                .execute(tx.connection)?;
            Ok(())
        });
        Ok(ended.await?)
    }

    /// The rule of a clinic's drill that has fallen due: its mails, in one transaction with its end. Twice changes nothing.
    pub async fn run_drill(&self, clinic: ClinicId) -> Result<(), StoreError> {
        let ran = self.write_job(Scope::system(), move |tx| {
            for duty in open_drills_of(tx, &clinic.to_string())? {
                let open = duties::table.find(&duty).filter(duties::state.eq("open"));
                let ours = diesel::update(open)
                    .set((duties::state.eq("met"), duties::wake_at.eq(None::<i64>)))
                    .execute(tx.connection)?;
                if ours == 0 {
                    continue;
                }
                let corrupt = || DatabaseError::Corrupt {
                    table: "duties",
                    row: duty.clone(),
                };
                let duty: DutyId = duty.parse().map_err(|_| corrupt())?;
                let place = load::clinic(tx, clinic)?.ok_or_else(corrupt)?;
                let on_call = load::or_nothing(clinic, on_call::people(tx, clinic))?;
                let notices = tx.with_rule(|context| drill::run(duty, place.zone, &on_call, context));
                outbox::insert(tx, clinic, Some(Subject::Clinic(clinic)), &notices)?;
            }
            Ok(())
        });
        Ok(ran.await?)
    }

    /// How far the drills are proven. For readiness; nothing where none were held.
    pub async fn drill_standing(&self) -> Result<DrillStanding, StoreError> {
        self.read_job(Scope::system(), standing).await
    }
}
