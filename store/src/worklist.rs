//! The worklist: what waits for somebody of the care team today and calls for nobody now. Cases of the lowest levels, and what
//! patients owe between sessions and is late; oldest first, page by page.
//!
//! Guarantee: a row that cannot be read stands on its page as such and takes no other from it.

use bedside_protocol::case::Case;
use bedside_protocol::duty::{Duty, DutyKind, Lane};
use bedside_protocol::id::{DutyId, PersonId};
use bedside_protocol::time::Instant;
use bedside_protocol::watch::Subject;
use diesel::prelude::*;

use crate::clock::{from_ms, to_ms};
use crate::error::{DatabaseError, Stop, StoreError};
use crate::records::load;
use crate::rows::{CaseRow, DutyRow};
use crate::schema::{cases, duties, sessions};
use crate::scope::Scope;
use crate::sessions::{Unreadable, read_or_shown, subject_of};
use crate::store::Store;
use crate::transaction::Tx;

/// Most entries on one page.
pub const WORKLIST_MAX: u32 = 200;

/// The levels that wait on the worklist, as they stand in the database.
const LEVELS: [&str; 2] = ["P3", "info"];

/// The one open duty of a case that stands for it: to be taken, or to be closed.
const OF_CASES: [&str; 2] = ["take_case", "record_outcome"];

/// A duty of which nobody owes anything: it ends by itself.
const NOTHING_OWED: &str = "heads_up";

/// Where a page begins: after the entry with this due time and duty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorklistPlace {
    /// When the last entry before it was due.
    pub due_at: Instant,
    /// Its duty's id.
    pub duty: String,
}

/// A page.
#[derive(Debug, Clone, PartialEq)]
pub struct WorklistPage {
    /// Oldest due first.
    pub entries: Vec<WorklistEntry>,
    /// What cannot be read of it.
    pub unreadable: Vec<Unreadable>,
    /// Where the next page begins; `None` on the last.
    pub next: Option<WorklistPlace>,
}

/// One entry.
#[derive(Debug, Clone, PartialEq)]
pub struct WorklistEntry {
    /// Since when it is due.
    pub due_at: Instant,
    /// The duty.
    pub duty: DutyId,
    /// What is owed.
    pub owed: DutyKind,
    /// What it belongs to.
    pub subject: Subject,
    /// The patient it concerns.
    pub patient: PersonId,
    /// The case, where it is one.
    pub case: Option<Case>,
}

type Row = (DutyRow, Option<CaseRow>, Option<String>);

impl Store {
    /// A page of the worklist of the scope's clinic, oldest due first; at most `limit`, and never more than
    /// [`WORKLIST_MAX`]. One statement.
    pub async fn list_worklist(
        &self,
        scope: Scope,
        after: Option<WorklistPlace>,
        limit: u32,
    ) -> Result<WorklistPage, StoreError> {
        self.read_job(scope, move |tx| {
            let Some(clinic) = tx.clinic().map(|clinic| clinic.to_string()) else {
                return Ok(WorklistPage {
                    entries: Vec::new(),
                    unreadable: Vec::new(),
                    next: None,
                });
            };
            let limit = limit.min(WORKLIST_MAX);
            let (due_after, id_after) = after.map_or((i64::MIN, String::new()), |place| {
                (to_ms(place.due_at), place.duty)
            });
            let of_case = duties::kind
                .eq_any(OF_CASES)
                .and(cases::level.eq_any(LEVELS).assume_not_null());
            let late = duties::lane
                .eq(Lane::Reminder.rank())
                .and(duties::kind.ne(NOTHING_OWED))
                .and(duties::due_at.le(to_ms(tx.now)));
            let rows: Vec<Row> = duties::table
                .left_join(
                    cases::table.on(cases::subject_id
                        .eq(duties::subject_id)
                        .and(cases::state.ne("resolved"))
                        .and(duties::kind.eq_any(OF_CASES))),
                )
                .left_join(sessions::table.on(sessions::id.eq(duties::subject_id)))
                .filter(duties::clinic_id.eq(clinic).and(duties::state.eq("open")))
                .filter(of_case.or(late))
                .filter(
                    duties::due_at
                        .gt(due_after)
                        .or(duties::due_at.eq(due_after).and(duties::id.gt(id_after))),
                )
                .order((duties::due_at, duties::id))
                .limit(i64::from(limit))
                .select((
                    DutyRow::as_select(),
                    Option::<CaseRow>::as_select(),
                    sessions::patient_id.nullable(),
                ))
                .load(tx.connection)?;
            let full = u32::try_from(rows.len()).is_ok_and(|found| found >= limit);
            let next = rows.last().filter(|_| full).map(|(duty, ..)| WorklistPlace {
                due_at: from_ms(duty.due_at),
                duty: duty.id.clone(),
            });
            let (mut entries, mut unreadable) = (Vec::with_capacity(rows.len()), Vec::new());
            for row in &rows {
                match read_or_shown(entry(tx, row), || unreadable_row(row))? {
                    Ok(entry) => entries.push(entry),
                    Err(row) => unreadable.push(row),
                }
            }
            Ok(WorklistPage {
                entries,
                unreadable,
                next,
            })
        })
        .await
    }
}

/// A row that cannot be read: by its case, where it is about one.
fn unreadable_row((duty, case, _): &Row) -> Unreadable {
    Unreadable {
        kind: if case.is_some() { "case" } else { "duty" },
        id: case.as_ref().map_or(&duty.id, |case| &case.id).clone(),
        code: case.as_ref().map(|case| case.code.clone()),
        since: from_ms(duty.due_at),
    }
}

fn entry(tx: &Tx<'_>, (duty, case, patient): &Row) -> Result<WorklistEntry, Stop> {
    let corrupt = || DatabaseError::Corrupt {
        table: "duties",
        row: duty.id.clone(),
    };
    let subject = subject_of(&duty.subject_kind, &duty.subject_id).ok_or_else(corrupt)?;
    let patient = match subject {
        Subject::Patient(patient) => patient,
        Subject::Session(_) => patient
            .as_ref()
            .and_then(|patient| patient.parse().ok())
            .ok_or_else(corrupt)?,
        Subject::Clinic(_) => return Err(corrupt().into()),
    };
    let kept: Duty = serde_json::from_str(&duty.doc).map_err(|_| corrupt())?;
    let case = case
        .as_ref()
        .map(|case| load::case_value(tx.shared, case))
        .transpose()?;
    Ok(WorklistEntry {
        due_at: from_ms(duty.due_at),
        duty: duty.id.parse().map_err(|_| corrupt())?,
        owed: kept.kind,
        subject,
        patient,
        case,
    })
}
