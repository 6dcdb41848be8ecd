//! Loading a record whole, in a bounded number of statements whatever its size.

use std::sync::Arc;

use bedside_protocol::case::{Case, Level};
use bedside_protocol::course::Course;
use bedside_protocol::duty::Duty;
use bedside_protocol::id::{ClinicId, PersonId, SessionId};
use bedside_protocol::ledger::{self, LedgerEntry};
use bedside_protocol::order::Order;
use bedside_protocol::people::{Clinic, OnCallPerson, Patient};
use bedside_protocol::record::{PatientRecord, SessionRecord, Surroundings};
use bedside_protocol::roster::OnCallPlan;
use bedside_protocol::session::Session;
use bedside_protocol::time::{Instant, Zone};
use bedside_protocol::watch::{Watch, WatchHealth};
use diesel::prelude::*;
use serde::de::DeserializeOwned;

use super::on_call;
use crate::clock::from_ms;
use crate::dialect;
use crate::error::{DatabaseError, Stop};
use crate::records::course;
use crate::rows::{CaseRow, ClinicRow, DutyRow, OrderRow, PatientRow, SessionRow};
use crate::schema::{
    answers, cases, check_ins, clinics, duties, orders, patients, readings, sessions, sitters,
};
use crate::seal::{self, Place};
use crate::store::Shared;
use crate::transaction::Tx;
use crate::watch;

/// A session as it stands.
pub(crate) fn session(tx: &mut Tx<'_>, id: SessionId) -> Result<Option<SessionRecord>, Stop> {
    let row = sessions::table
        .find(id.to_string())
        .select(SessionRow::as_select())
        .first(tx.connection)
        .optional()?;
    row.map_or(Ok(None), |row| session_of(tx, &row))
}

/// A session of a patient whose record was loaded in this transaction: what the two share is not loaded twice. `None` when
/// it is not one of theirs.
pub(crate) fn session_of_patient(
    tx: &mut Tx<'_>,
    record: &PatientRecord,
    id: SessionId,
) -> Result<Option<SessionRecord>, Stop> {
    let Some(session) = record.sessions.iter().find(|session| session.id == id) else {
        return Ok(None);
    };
    let around = surroundings(
        tx,
        Common::of(&record.around),
        &session.protocol_version,
        (&record.patient.id.to_string(), &id.to_string()),
        &record.course.ledger,
    )?;
    whole(
        tx,
        session.clone(),
        record.patient.clone(),
        record.order.clone(),
        record.course.clone(),
        around,
    )
    .map(Some)
}

/// A session that is about to change: other writers wait, and the clock is read after our own wait.
pub(crate) fn session_to_change(tx: &mut Tx<'_>, id: SessionId) -> Result<Option<SessionRecord>, Stop> {
    let row = dialect::lock_session(tx.connection, &id.to_string())?;
    tx.read_clocks();
    row.map_or(Ok(None), |row| session_of(tx, &row))
}

fn session_of(tx: &mut Tx<'_>, row: &SessionRow) -> Result<Option<SessionRecord>, Stop> {
    let session = session_value(tx.shared, row)?;
    if !tx.scope.sees_session(session.clinic, session.patient, session.id) {
        return Ok(None);
    }
    let patient_row = patients::table
        .find(&row.patient_id)
        .select(PatientRow::as_select())
        .first(tx.connection)
        .optional()?
        .ok_or_else(|| DatabaseError::Corrupt {
            table: "patients",
            row: row.patient_id.clone(),
        })?;
    let patient = patient_value(tx.shared, &patient_row)?;
    let order = order_in_force(tx, &row.patient_id)?;
    let common = common(tx, session.clinic)?;
    let course = course::load_for_session(tx, session.clinic, &row.patient_id)?;
    let subject = (row.patient_id.as_str(), row.id.as_str());
    let around = surroundings(tx, common, &row.protocol_version, subject, &course.ledger)?;
    whole(tx, session, patient, order, course, around).map(Some)
}

/// The rest of a session's record: the rows that hang on it.
fn whole(
    tx: &mut Tx<'_>,
    session: Session,
    patient: Patient,
    order: Option<Order>,
    course: Course,
    around: Surroundings,
) -> Result<SessionRecord, Stop> {
    let id = session.id.to_string();
    macro_rules! documents {
        ($table:ident) => {{
            let rows: Vec<(String, Vec<u8>)> = $table::table
                .filter($table::session_id.eq(&id))
                .order($table::position)
                .select(($table::id, $table::doc_sealed))
                .load(tx.connection)?;
            open_all(tx.shared, stringify!($table), &rows)?
        }};
    }
    Ok(SessionRecord {
        sitters: documents!(sitters),
        answers: documents!(answers),
        check_ins: documents!(check_ins),
        readings: documents!(readings),
        watch: watch_of(tx, &id)?,
        session,
        patient,
        order,
        course,
        around,
    })
}

/// A patient as they stand.
pub(crate) fn patient(tx: &mut Tx<'_>, id: PersonId) -> Result<Option<PatientRecord>, Stop> {
    let row = patients::table
        .find(id.to_string())
        .select(PatientRow::as_select())
        .first(tx.connection)
        .optional()?;
    row.map_or(Ok(None), |row| patient_of(tx, &row))
}

/// A patient who is about to change: other writers wait, and the clock is read after our own wait.
pub(crate) fn patient_to_change(tx: &mut Tx<'_>, id: PersonId) -> Result<Option<PatientRecord>, Stop> {
    let row = dialect::lock_patient(tx.connection, &id.to_string())?;
    tx.read_clocks();
    row.map_or(Ok(None), |row| patient_of(tx, &row))
}

fn patient_of(tx: &mut Tx<'_>, row: &PatientRow) -> Result<Option<PatientRecord>, Stop> {
    let patient = patient_value(tx.shared, row)?;
    if !tx.scope.sees_patient(patient.clinic, patient.id) {
        return Ok(None);
    }
    let version = Shared::protocol_in_force(tx.connection)?;
    let common = common(tx, patient.clinic)?;
    let course = course::load(tx, &row.id)?;
    let around = surroundings(tx, common, &version, (&row.id, &row.id), &course.ledger)?;
    Ok(Some(PatientRecord {
        order: order_in_force(tx, &row.id)?,
        course,
        sessions: sessions_of(tx, &row.id)?,
        watch: watch_of(tx, &row.id)?,
        around,
        patient,
    }))
}

/// A patient's sessions, by ordinal.
pub(crate) fn sessions_of(tx: &mut Tx<'_>, patient: &str) -> Result<Vec<Session>, Stop> {
    let rows: Vec<SessionRow> = sessions::table
        .filter(sessions::patient_id.eq(patient))
        .order(sessions::ordinal)
        .select(SessionRow::as_select())
        .load(tx.connection)?;
    rows.iter().map(|row| session_value(tx.shared, row)).collect()
}

/// The row's version is the truth; the document's copy is as old as the last change of the session itself.
fn session_value(shared: &Shared, row: &SessionRow) -> Result<Session, Stop> {
    let place = Place {
        table: "sessions",
        column: "doc_sealed",
        row: &row.id,
    };
    let mut session: Session = seal::open_json(&shared.keys, place, &row.doc_sealed)?;
    session.version = row.version.unsigned_abs();
    Ok(session)
}

pub(crate) fn patient_value(shared: &Shared, row: &PatientRow) -> Result<Patient, Stop> {
    let place = Place {
        table: "patients",
        column: "profile_sealed",
        row: &row.id,
    };
    let mut patient: Patient = seal::open_json(&shared.keys, place, &row.profile_sealed)?;
    patient.version = row.version.unsigned_abs();
    Ok(patient)
}

/// A patient's newest order.
pub(crate) fn order_in_force(tx: &mut Tx<'_>, patient: &str) -> Result<Option<Order>, Stop> {
    let row: Option<OrderRow> = orders::table
        .filter(orders::patient_id.eq(patient))
        .order(orders::order_version.desc())
        .select(OrderRow::as_select())
        .first(tx.connection)
        .optional()?;
    row.map(|row| {
        let place = Place {
            table: "orders",
            column: "doc_sealed",
            row: &row.id,
        };
        Ok(seal::open_json(&tx.shared.keys, place, &row.doc_sealed)?)
    })
    .transpose()
}

fn open_all<T: DeserializeOwned>(
    shared: &Shared,
    table: &'static str,
    rows: &[(String, Vec<u8>)],
) -> Result<Vec<T>, Stop> {
    rows.iter()
        .map(|(id, sealed)| {
            let place = Place {
                table,
                column: "doc_sealed",
                row: id,
            };
            Ok(seal::open_json(&shared.keys, place, sealed)?)
        })
        .collect()
}

/// A subject's duties and cases.
fn watch_of(tx: &mut Tx<'_>, subject: &str) -> Result<Watch, Stop> {
    let rows: Vec<DutyRow> = duties::table
        .filter(duties::subject_id.eq(subject))
        .order(duties::position)
        .select(DutyRow::as_select())
        .load(tx.connection)?;
    let duties = rows.iter().map(duty_value).collect::<Result<_, _>>()?;
    let rows: Vec<CaseRow> = cases::table
        .filter(cases::subject_id.eq(subject))
        .order(cases::position)
        .select(CaseRow::as_select())
        .load(tx.connection)?;
    let cases = rows
        .iter()
        .map(|row| case_value(tx.shared, row))
        .collect::<Result<_, _>>()?;
    Ok(Watch { duties, cases })
}

fn duty_value(row: &DutyRow) -> Result<Duty, Stop> {
    let corrupt = |_| DatabaseError::Corrupt {
        table: "duties",
        row: row.id.clone(),
    };
    let mut duty: Duty = serde_json::from_str(&row.doc).map_err(corrupt)?;
    duty.wake_at = row.wake_at.map(from_ms);
    Ok(duty)
}

pub(crate) fn case_value(shared: &Shared, row: &CaseRow) -> Result<Case, Stop> {
    let place = Place {
        table: "cases",
        column: "doc_sealed",
        row: &row.id,
    };
    Ok(seal::open_json(&shared.keys, place, &row.doc_sealed)?)
}

/// Nothing in place of what cannot be read: who is to be told of something must not keep it from being written down. The
/// damage is logged.
pub(crate) fn or_nothing<T: Default>(clinic: ClinicId, read: Result<T, Stop>) -> Result<T, Stop> {
    match read {
        Err(Stop::Database(error @ DatabaseError::Corrupt { .. })) => {
            let error = &error as &dyn std::error::Error;
            tracing::error!(%clinic, error, "somebody of the clinic cannot be told");
            Ok(T::default())
        }
        read => read,
    }
}

/// A clinic.
pub(crate) fn clinic(tx: &mut Tx<'_>, id: ClinicId) -> Result<Option<Clinic>, Stop> {
    let row: Option<ClinicRow> = clinics::table
        .find(id.to_string())
        .select(ClinicRow::as_select())
        .first(tx.connection)
        .optional()?;
    row.map(|row| clinic_value(&row)).transpose()
}

pub(crate) fn clinic_value(row: &ClinicRow) -> Result<Clinic, Stop> {
    let corrupt = || DatabaseError::Corrupt {
        table: "clinics",
        row: row.id.clone(),
    };
    Ok(Clinic {
        id: row.id.parse().map_err(|_| corrupt())?,
        slug: row.slug.clone(),
        name: row.name.clone(),
        zone: Zone::named(&row.zone).map_err(|_| corrupt())?,
        phone: row.phone.clone(),
    })
}

/// The value of an enum by its name in documents.
pub(crate) fn named<T: DeserializeOwned>(name: &str) -> Option<T> {
    serde_json::from_value(serde_json::Value::String(name.to_owned())).ok()
}

/// What every record of a clinic knows, whatever its subject.
struct Common {
    clinic: Clinic,
    on_call: Vec<OnCallPerson>,
    roster: Option<Arc<OnCallPlan>>,
    watch_health: WatchHealth,
}

impl Common {
    fn of(around: &Surroundings) -> Self {
        Self {
            clinic: around.clinic.clone(),
            on_call: around.on_call.clone(),
            roster: around.roster.clone(),
            watch_health: around.watch_health.clone(),
        }
    }
}

fn common(tx: &mut Tx<'_>, clinic_id: ClinicId) -> Result<Common, Stop> {
    let on_call = on_call::of(tx, clinic_id)?;
    Ok(Common {
        clinic: on_call.clinic,
        on_call: on_call.people,
        roster: on_call.plan,
        watch_health: watch::health(tx)?,
    })
}

/// Lozenges of other sessions' doses. No session is opened where nobody keeps the ledger; one that cannot be read shuts the
/// gate and keeps nobody from being watched.
fn lozenges_of(
    tx: &Tx<'_>,
    clinic: ClinicId,
    dosed: &[SessionRow],
    ledger: &[LedgerEntry],
) -> Result<Option<u32>, Stop> {
    if ledger.is_empty() {
        return Ok(Some(0));
    }
    let read: Result<Vec<Session>, Stop> = dosed.iter().map(|row| session_value(tx.shared, row)).collect();
    or_nothing(clinic, read.map(|dosed| Some(ledger::taken(ledger, &dosed))))
}

/// What a record knows besides its own subject.
fn surroundings(
    tx: &mut Tx<'_>,
    common: Common,
    protocol_version: &str,
    (patient, subject): (&str, &str),
    ledger: &[LedgerEntry],
) -> Result<Surroundings, Stop> {
    let protocol = tx.shared.protocol(tx.connection, protocol_version)?;
    let dosed: Vec<SessionRow> = sessions::table
        .filter(sessions::patient_id.eq(patient))
        .filter(sessions::dosed_at.is_not_null().and(sessions::id.ne(subject)))
        .order(sessions::dosed_at)
        .select(SessionRow::as_select())
        .load(tx.connection)?;
    let other_doses: Vec<Instant> = dosed.iter().filter_map(|row| row.dosed_at).map(from_ms).collect();
    let lozenges_taken_elsewhere = lozenges_of(tx, common.clinic.id, &dosed, ledger)?;
    let of_patient = sessions::table
        .filter(sessions::patient_id.eq(patient))
        .select(sessions::id);
    let levels: Vec<String> = cases::table
        .filter(cases::state.ne("resolved").and(cases::subject_id.ne(subject)))
        .filter(
            cases::subject_id
                .eq(patient)
                .or(cases::subject_id.eq_any(of_patient)),
        )
        .select(cases::level)
        .load(tx.connection)?;
    let other_open_cases: Vec<Level> = levels.iter().filter_map(|level| named(level)).collect();
    Ok(Surroundings {
        clinic: common.clinic,
        protocol,
        on_call: common.on_call,
        roster: common.roster,
        watch_health: common.watch_health,
        other_doses,
        lozenges_taken_elsewhere,
        other_open_cases,
    })
}
