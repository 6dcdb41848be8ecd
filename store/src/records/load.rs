//! Loading a record whole, in three statements whatever its size: the row that guards it, the rows that hang on it, and what
//! every record of the clinic knows.

use std::borrow::Cow;
use std::sync::Arc;

use bedside_protocol::case::{Case, Level};
use bedside_protocol::course::Course;
use bedside_protocol::duty::Duty;
use bedside_protocol::id::{ClinicId, PersonId, SessionId};
use bedside_protocol::ledger::{self, LedgerEntry};
use bedside_protocol::licence::Licence;
use bedside_protocol::order::Order;
use bedside_protocol::people::{Clinic, OnCallPerson, Patient};
use bedside_protocol::record::{Earlier, PatientRecord, SessionRecord, Surroundings};
use bedside_protocol::roster::OnCallPlan;
use bedside_protocol::session::Session;
use bedside_protocol::time::{Instant, Zone};
use bedside_protocol::watch::{Watch, WatchHealth};
use diesel::prelude::*;
use serde::de::DeserializeOwned;

use super::on_call;
use super::parts::{ClinicParts, Parts};
use crate::clock::from_ms;
use crate::dialect;
use crate::error::{DatabaseError, Stop};
use crate::protocols;
use crate::records::course;
use crate::rows::{CaseRow, ClinicRow, OrderRow, PatientRow, RecordRow, SessionRow};
use crate::schema::{clinics, orders, patients, sessions};
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

/// A session of a patient whose record was loaded in this transaction: what the two share is not opened twice. `None` when
/// it is not one of theirs.
pub(crate) fn session_of_patient(
    tx: &mut Tx<'_>,
    record: &PatientRecord,
    id: SessionId,
) -> Result<Option<SessionRecord>, Stop> {
    let Some(session) = record.sessions.iter().find(|session| session.id == id) else {
        return Ok(None);
    };
    let patient = record.patient.id.to_string();
    let parts = Parts::of_session(tx, &patient, &id.to_string())?;
    let others = Others::known(&parts, &patient, &record.sessions);
    let shared = Shares {
        patient: record.patient.clone(),
        order: record.order.clone(),
        course: record.course.clone(),
        common: Common::of(&record.around),
    };
    whole(tx, session.clone(), shared, &parts, &others).map(Some)
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
    let parts = Parts::of_session(tx, &row.patient_id, &row.id)?;
    let patient_row = parts
        .of(&row.patient_id, "patients")
        .next()
        .ok_or_else(|| DatabaseError::Corrupt {
            table: "patients",
            row: row.patient_id.clone(),
        })?;
    let mut patient: Patient = patient_row.open(tx.shared, "patients", "profile_sealed")?;
    patient.version = patient_row.version();
    let order = newest_order(tx.shared, &parts, &row.patient_id)?;
    let course = course::of_session(tx.shared, session.clinic, &parts, &row.patient_id)?;
    // A running session asks of the others only what was taken, and that only where somebody keeps the ledger.
    let (running, counts) = (session.state.is_running(), !course.ledger.is_empty());
    let others = Others::opened(tx.shared, session.clinic, &parts, &row.patient_id, |other| {
        other.id != row.id && (!running || (counts && other.at.is_some()))
    })?;
    let shared = Shares {
        patient,
        course,
        common: common(tx, session.clinic, order.as_ref())?,
        order,
    };
    whole(tx, session, shared, &parts, &others).map(Some)
}

/// What the records of a patient and of their sessions share.
struct Shares {
    patient: Patient,
    order: Option<Order>,
    course: Course,
    common: Common,
}

/// A session's record, of its rows.
fn whole(
    tx: &mut Tx<'_>,
    session: Session,
    shared: Shares,
    parts: &Parts,
    others: &Others<'_>,
) -> Result<SessionRecord, Stop> {
    let id = session.id.to_string();
    let mut around = surroundings(
        tx,
        shared.common,
        &session.protocol_version,
        (&shared.patient.id.to_string(), &id),
        parts,
        others,
        &shared.course.ledger,
    )?;
    // What is asked of a running session follows from its own people.
    if !session.state.is_running() {
        around.earlier = others.earlier(&id);
    }
    Ok(SessionRecord {
        sitters: parts.open(tx.shared, &id, "sitters")?,
        answers: parts.open(tx.shared, &id, "answers")?,
        check_ins: parts.open(tx.shared, &id, "check_ins")?,
        readings: parts.open(tx.shared, &id, "readings")?,
        watch: watch_of(tx.shared, parts, &id)?,
        session,
        patient: shared.patient,
        order: shared.order,
        course: shared.course,
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

/// Brings what a patient's record says of their sessions up to date, after other writers of these were waited for.
pub(crate) fn renew_sessions(tx: &mut Tx<'_>, record: &mut PatientRecord) -> Result<(), Stop> {
    let id = record.patient.id.to_string();
    let parts = Parts::of_patient(tx, &id)?;
    record.sessions = sessions_in(tx.shared, &parts, &id)?;
    let (common, version) = (Common::of(&record.around), record.around.protocol.version.clone());
    let others = Others::known(&parts, &id, &record.sessions);
    record.around = surroundings(
        tx,
        common,
        &version,
        (&id, &id),
        &parts,
        &others,
        &record.course.ledger,
    )?;
    Ok(())
}

fn patient_of(tx: &mut Tx<'_>, row: &PatientRow) -> Result<Option<PatientRecord>, Stop> {
    let patient = patient_value(tx.shared, row)?;
    if !tx.scope.sees_patient(patient.clinic, patient.id) {
        return Ok(None);
    }
    let version = protocols::in_force(tx.connection, patient.clinic)?;
    let parts = Parts::of_patient(tx, &row.id)?;
    let order = newest_order(tx.shared, &parts, &row.id)?;
    let common = common(tx, patient.clinic, order.as_ref())?;
    let course = course::of_patient(tx.shared, &parts, &row.id)?;
    let sessions = sessions_in(tx.shared, &parts, &row.id)?;
    let others = Others::known(&parts, &row.id, &sessions);
    let around = surroundings(
        tx,
        common,
        &version,
        (&row.id, &row.id),
        &parts,
        &others,
        &course.ledger,
    )?;
    Ok(Some(PatientRecord {
        order,
        course,
        sessions,
        watch: watch_of(tx.shared, &parts, &row.id)?,
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

/// A patient's sessions, by ordinal.
fn sessions_in(shared: &Shared, parts: &Parts, patient: &str) -> Result<Vec<Session>, Stop> {
    parts
        .of(patient, "sessions")
        .map(|row| session_in(shared, row))
        .collect()
}

fn session_in(shared: &Shared, row: &RecordRow) -> Result<Session, Stop> {
    let mut session: Session = row.open(shared, "sessions", "doc_sealed")?;
    session.version = row.version();
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

fn newest_order(shared: &Shared, parts: &Parts, patient: &str) -> Result<Option<Order>, Stop> {
    let newest = parts.of(patient, "orders").last();
    newest
        .map(|row| row.open(shared, "orders", "doc_sealed"))
        .transpose()
}

/// A subject's duties and cases.
fn watch_of(shared: &Shared, parts: &Parts, subject: &str) -> Result<Watch, Stop> {
    let duties = parts.of(subject, "duties").map(duty_in);
    Ok(Watch {
        duties: duties.collect::<Result<_, _>>()?,
        cases: parts.open(shared, subject, "cases")?,
    })
}

fn duty_in(row: &RecordRow) -> Result<Duty, Stop> {
    let corrupt = |_| DatabaseError::Corrupt {
        table: "duties",
        row: row.id.clone(),
    };
    let doc = row.doc.as_deref().unwrap_or_default();
    let mut duty: Duty = serde_json::from_str(doc).map_err(corrupt)?;
    duty.wake_at = row.at.map(from_ms);
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
    let ClinicRow {
        slug,
        name,
        zone,
        phone,
        ..
    } = row;
    clinic_of(&row.id, [slug, name, zone, phone])
}

/// A clinic of its texts.
pub(super) fn clinic_of(id: &str, [slug, name, zone, phone]: [&str; 4]) -> Result<Clinic, Stop> {
    let corrupt = || DatabaseError::Corrupt {
        table: "clinics",
        row: id.to_owned(),
    };
    Ok(Clinic {
        id: id.parse().map_err(|_| corrupt())?,
        slug: slug.to_owned(),
        name: name.to_owned(),
        zone: Zone::named(zone).map_err(|_| corrupt())?,
        phone: phone.to_owned(),
    })
}

impl RecordRow {
    /// The version of a patient or a session.
    fn version(&self) -> u64 {
        self.number.unwrap_or_default().unsigned_abs()
    }
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
    prescriber_licences: Vec<Licence>,
}

impl Common {
    fn of(around: &Surroundings) -> Self {
        Self {
            clinic: around.clinic.clone(),
            on_call: around.on_call.clone(),
            roster: around.roster.clone(),
            watch_health: around.watch_health.clone(),
            prescriber_licences: around.prescriber_licences.clone(),
        }
    }
}

fn common(tx: &mut Tx<'_>, clinic: ClinicId, order: Option<&Order>) -> Result<Common, Stop> {
    let parts = ClinicParts::of_clinic(tx, clinic)?;
    let prescriber_licences = match order {
        None => Vec::new(),
        Some(order) => on_call::licences(tx, clinic, &parts, order.signed_by)?,
    };
    let on_call = on_call::of(tx, clinic, &parts)?;
    Ok(Common {
        clinic: on_call.clinic,
        on_call: on_call.people,
        roster: on_call.plan,
        watch_health: watch::health_in(tx, &parts)?,
        prescriber_licences,
    })
}

/// A patient's sessions as far as a record asks of those that are not its own; each is opened once.
struct Others<'s> {
    /// Each with the id of its row and whether it had a dose; without its value where it cannot be read.
    sessions: Vec<(&'s str, bool, Option<Cow<'s, Session>>)>,
}

impl<'s> Others<'s> {
    /// They were opened already.
    fn known(parts: &'s Parts, patient: &'s str, sessions: &'s [Session]) -> Self {
        let with_value = |row: &'s RecordRow| {
            let mut known = sessions.iter();
            let value = known.find(|session| session.id.to_string() == row.id);
            (row.id.as_str(), row.at.is_some(), value.map(Cow::Borrowed))
        };
        Self {
            sessions: parts.of(patient, "sessions").map(with_value).collect(),
        }
    }

    /// Opens those that are wanted. One that cannot be read keeps nobody from being watched, and the damage is logged.
    fn opened(
        shared: &Shared,
        clinic: ClinicId,
        parts: &'s Parts,
        patient: &'s str,
        wanted: impl Fn(&RecordRow) -> bool,
    ) -> Result<Self, Stop> {
        let rows = parts.of(patient, "sessions").filter(|row| wanted(row));
        let opened = rows.map(|row| {
            let value = or_nothing(clinic, session_in(shared, row).map(Some))?;
            Ok((row.id.as_str(), row.at.is_some(), value.map(Cow::Owned)))
        });
        Ok(Self {
            sessions: opened.collect::<Result<_, Stop>>()?,
        })
    }

    /// Lozenges of the doses of all but `subject`. Nobody knows where one of those cannot be read, which shuts the gate.
    fn lozenges_taken(&self, subject: &str, ledger: &[LedgerEntry]) -> Option<u32> {
        if ledger.is_empty() {
            return Some(0);
        }
        let others = self.sessions.iter();
        let dosed: Option<Vec<&Session>> = others
            .filter(|(id, dosed, _)| *dosed && *id != subject)
            .map(|(_, _, session)| session.as_deref())
            .collect();
        Some(ledger::taken(ledger, dosed?))
    }

    /// What all but `subject` say about their sitters and their order. Where one of them cannot be read nothing is known, so the
    /// sitter reads again and a nurse rings them again.
    fn earlier(&self, subject: &str) -> Earlier {
        let others = self.sessions.iter().filter(|(id, _, _)| *id != subject);
        let all: Option<Vec<&Session>> = others.map(|(_, _, session)| session.as_deref()).collect();
        all.map(Earlier::of).unwrap_or_default()
    }
}

/// What a record knows besides its own subject.
fn surroundings(
    tx: &mut Tx<'_>,
    common: Common,
    protocol_version: &str,
    (patient, subject): (&str, &str),
    parts: &Parts,
    others: &Others<'_>,
    ledger: &[LedgerEntry],
) -> Result<Surroundings, Stop> {
    let protocol = tx.shared.protocol(tx.connection, protocol_version)?;
    let mut dosed: Vec<&RecordRow> = parts
        .of(patient, "sessions")
        .filter(|row| row.at.is_some() && row.id != subject)
        .collect();
    dosed.sort_by_key(|row| row.at);
    let other_doses: Vec<Instant> = dosed.iter().filter_map(|row| row.at).map(from_ms).collect();
    let of_sessions = parts.of(patient, "open_cases").filter(|row| row.id != subject);
    let of_patient = parts.of(patient, "cases").filter(|_| patient != subject);
    let other_open_cases: Vec<Level> = of_sessions
        .chain(of_patient)
        .filter_map(|row| named(row.level.as_deref()?))
        .collect();
    Ok(Surroundings {
        clinic: common.clinic,
        protocol,
        on_call: common.on_call,
        roster: common.roster,
        watch_health: common.watch_health,
        other_doses,
        lozenges_taken_elsewhere: others.lozenges_taken(subject, ledger),
        other_open_cases,
        earlier: Earlier::default(),
        prescriber_licences: common.prescriber_licences,
    })
}
