//! Saving a decision: rows that differ are inserted or updated, none is ever deleted, and the subject's version moves on
//! under a guard whenever anything of the record did (invariant I11). If a decision changes nothing and says nothing,
//! nothing is written.

use bedside_protocol::id::SessionId;
use bedside_protocol::order::Order;
use bedside_protocol::people::Patient;
use bedside_protocol::plan::CourseDecision;
use bedside_protocol::planning;
use bedside_protocol::record::{Decision, PatientRecord, SessionRecord};
use bedside_protocol::session::Session;
use bedside_protocol::watch::{Subject, Watch};
use diesel::prelude::*;

use crate::audit::{self, Chain};
use crate::clock::to_ms;
use crate::dialect;
use crate::error::Stop;
use crate::records::changes::{Changes, Owner, changes, expect_one, number, sealed};
use crate::records::course::CourseChanges;
use crate::records::load;
use crate::records::save_watch::WatchChanges;
use crate::rows::{AnswerRow, CheckInRow, OrderRow, ReadingRow, SessionRow, SitterRow};
use crate::schema::{answers, check_ins, orders, patients, readings, sessions, sitters};
use crate::seal::{self, Place};
use crate::transaction::Tx;
use crate::{links, outbox, watch};

/// Saves what a rule decided about a session. Without `before` the session is new.
pub(crate) fn session(
    tx: &mut Tx<'_>,
    before: Option<&SessionRecord>,
    decision: &Decision<SessionRecord>,
) -> Result<(), Stop> {
    let after = &decision.after;
    let owner = Owner::new(after.session.clinic, after.session.patient, after.subject());
    let none = Watch::default();
    let watch_changes = WatchChanges::between(before.map_or(&none, |before| &before.watch), &after.watch)?;
    let sitter_changes = changes(
        "sitters",
        before.map_or(&[], |before| &before.sitters),
        &after.sitters,
        |row| row.id,
    )?;
    let answer_changes = changes(
        "answers",
        before.map_or(&[], |before| &before.answers),
        &after.answers,
        |row| row.id,
    )?;
    let check_in_changes = changes(
        "check_ins",
        before.map_or(&[], |before| &before.check_ins),
        &after.check_ins,
        |row| row.id,
    )?;
    let reading_changes = changes(
        "readings",
        before.map_or(&[], |before| &before.readings),
        &after.readings,
        |row| row.id,
    )?;

    let anything = before.is_none_or(|before| before.session != after.session)
        || !(watch_changes.is_empty()
            && sitter_changes.is_empty()
            && answer_changes.is_empty()
            && check_in_changes.is_empty()
            && reading_changes.is_empty())
        || says_something(decision);
    if !anything {
        return Ok(());
    }
    session_row(tx, before.map(|before| &before.session), &after.session)?;

    let (clinic_id, session_id) = (&owner.clinic_id, &owner.subject_id);
    macro_rules! save_rows {
        ($changes:ident, $table:ident, $insert:ident, $row:ident, $column:ident, |$value:ident| $copy:expr) => {{
            let mut new = Vec::with_capacity($changes.new.len());
            for (position, $value) in $changes.new {
                new.push($row {
                    id: $value.id.to_string(),
                    clinic_id: clinic_id.clone(),
                    session_id: session_id.clone(),
                    position,
                    $column: $copy,
                    doc_sealed: sealed(tx, stringify!($table), &$value.id, $value)?,
                });
            }
            dialect::$insert(tx.connection, &new)?;
            for (position, $value) in $changes.changed {
                let document = sealed(tx, stringify!($table), &$value.id, $value)?;
                let row = $table::table
                    .find($value.id.to_string())
                    .filter($table::session_id.eq(session_id));
                let updated = diesel::update(row)
                    .set((
                        $table::position.eq(position),
                        $table::$column.eq($copy),
                        $table::doc_sealed.eq(document),
                    ))
                    .execute(tx.connection)?;
                expect_one(updated)?;
            }
        }};
    }
    save_rows!(
        sitter_changes,
        sitters,
        insert_sitters,
        SitterRow,
        state,
        |sitter| sitter.state.name().to_owned()
    );
    save_rows!(
        answer_changes,
        answers,
        insert_answers,
        AnswerRow,
        item,
        |answer| answer.item.clone()
    );
    save_rows!(
        check_in_changes,
        check_ins,
        insert_check_ins,
        CheckInRow,
        duty_id,
        |answer| answer.duty.to_string()
    );
    save_readings(tx, &owner, reading_changes)?;
    watch_changes.save(tx, &owner)?;
    say(tx, &owner, decision)
}

fn save_readings(
    tx: &mut Tx<'_>,
    owner: &Owner,
    found: Changes<'_, bedside_protocol::vitals::Reading>,
) -> Result<(), Stop> {
    let mut new = Vec::with_capacity(found.new.len());
    for (position, reading) in found.new {
        new.push(ReadingRow {
            id: reading.id.to_string(),
            clinic_id: owner.clinic_id.clone(),
            session_id: owner.subject_id.clone(),
            position,
            doc_sealed: sealed(tx, "readings", &reading.id, reading)?,
        });
    }
    dialect::insert_readings(tx.connection, &new)?;
    for (position, reading) in found.changed {
        let document = sealed(tx, "readings", &reading.id, reading)?;
        let row = readings::table
            .find(reading.id.to_string())
            .filter(readings::session_id.eq(&owner.subject_id));
        let updated = diesel::update(row)
            .set((readings::position.eq(position), readings::doc_sealed.eq(document)))
            .execute(tx.connection)?;
        expect_one(updated)?;
    }
    Ok(())
}

/// Inserts a new session's row, or moves an old one on under its guard.
fn session_row(tx: &mut Tx<'_>, before: Option<&Session>, after: &Session) -> Result<(), Stop> {
    let version = before.map_or(0, |before| before.version) + 1;
    let mut kept = after.clone();
    kept.version = version;
    let id = kept.id.to_string();
    let row = SessionRow {
        clinic_id: kept.clinic.to_string(),
        patient_id: kept.patient.to_string(),
        ordinal: i32::try_from(kept.ordinal).unwrap_or(i32::MAX),
        kind: kept.kind.name().to_owned(),
        state: kept.state.name().to_owned(),
        version: number(version),
        planned_on: kept.planned.on.to_string(),
        planned_time: kept.planned.time.to_string(),
        zone: kept.planned.zone.name().to_owned(),
        planned_at: to_ms(kept.planned.at),
        dosed_at: kept.dose.as_ref().map(|dose| to_ms(dose.taken_at)),
        protocol_version: kept.protocol_version.clone(),
        doc_sealed: sealed(tx, "sessions", &kept.id, &kept)?,
        created_at: to_ms(tx.now),
        id,
    };
    let Some(before) = before else {
        diesel::insert_into(sessions::table)
            .values(&row)
            .execute(tx.connection)?;
        return Ok(());
    };
    let guarded = sessions::table
        .find(&row.id)
        .filter(sessions::version.eq(number(before.version)));
    let updated = diesel::update(guarded)
        .set((
            sessions::state.eq(&row.state),
            sessions::version.eq(row.version),
            sessions::planned_on.eq(&row.planned_on),
            sessions::planned_time.eq(&row.planned_time),
            sessions::zone.eq(&row.zone),
            sessions::planned_at.eq(row.planned_at),
            sessions::dosed_at.eq(row.dosed_at),
            sessions::protocol_version.eq(&row.protocol_version),
            sessions::doc_sealed.eq(&row.doc_sealed),
        ))
        .execute(tx.connection)?;
    expect_one(updated)
}

/// Saves what a rule decided about a patient, with the sessions it created. A new order reaches every session that has not
/// begun; a change of whether messages make sense, an answered questionnaire and its review, a consent and a screening have the
/// worker look at what is owed: a reminder may be over, a dose may have to lock.
pub(crate) fn patient(
    tx: &mut Tx<'_>,
    before: &PatientRecord,
    decision: &Decision<PatientRecord>,
    new_sessions: &[Decision<SessionRecord>],
) -> Result<(), Stop> {
    let after = &decision.after;
    let owner = Owner::new(
        before.patient.clinic,
        before.patient.id,
        Subject::Patient(before.patient.id),
    );
    let watch_changes = WatchChanges::between(&before.watch, &after.watch)?;
    let course_changes = CourseChanges::between(tx, &owner, &before.course, &after.course)?;
    let ordered = before.order != after.order;
    let anything = before.patient != after.patient
        || ordered
        || !course_changes.is_empty()
        || !watch_changes.is_empty()
        || !new_sessions.is_empty()
        || says_something(decision);
    if !anything {
        return Ok(());
    }
    patient_row(tx, &before.patient, &after.patient)?;
    let answered = before.course.scores != after.course.scores
        || before.course.score_reviews != after.course.score_reviews
        || before.course.consents != after.course.consents
        || before.course.screenings != after.course.screenings;
    if before.patient.comms != after.patient.comms || answered {
        watch::wake_patient(tx, before.patient.id)?;
    }
    let mut told = Vec::new();
    if let Some(order) = after.order.as_ref().filter(|_| ordered) {
        insert_order(tx, &owner, order)?;
        told = sessions_to_change(tx, before)?;
    }
    course_changes.save(tx)?;
    watch_changes.save(tx, &owner)?;
    say(tx, &owner, decision)?;
    for record in &told {
        let decided = tx.with_rule(|context| planning::order_changed(record, context));
        session(tx, Some(record), &decided)?;
    }
    for new in new_sessions {
        session(tx, None, new)?;
    }
    Ok(())
}

/// Saves what a rule decided about a patient together with their sessions.
pub(crate) fn course(
    tx: &mut Tx<'_>,
    before: &PatientRecord,
    sessions: &[SessionRecord],
    decision: &CourseDecision,
) -> Result<(), Stop> {
    patient(tx, before, &decision.patient, &decision.new)?;
    for changed in &decision.changed {
        let id = changed.after.session.id;
        let there = sessions.iter().find(|there| there.session.id == id);
        session(tx, there, changed)?;
    }
    Ok(())
}

/// The patient's sessions that have not begun, as they stand now.
///
/// All are locked here, in the order of their ids and before the audit chain is: whoever changes one session holds its
/// row and then waits for the chain, and two who wait for each other would cost a second and a retry.
pub(crate) fn sessions_to_change(
    tx: &mut Tx<'_>,
    patient: &PatientRecord,
) -> Result<Vec<SessionRecord>, Stop> {
    let mut ids: Vec<SessionId> = patient
        .sessions
        .iter()
        .filter(|session| session.state.is_before_dose())
        .map(|session| session.id)
        .collect();
    ids.sort();
    let mut records = Vec::with_capacity(ids.len());
    for id in ids {
        records.extend(load::session_to_change(tx, id)?);
    }
    Ok(records)
}

fn patient_row(tx: &mut Tx<'_>, before: &Patient, after: &Patient) -> Result<(), Stop> {
    let mut kept = after.clone();
    kept.version = before.version + 1;
    let place = Place {
        table: "patients",
        column: "profile_sealed",
        row: &before.id.to_string(),
    };
    let profile = seal::seal_json(&tx.shared.keys, place, &kept)?;
    let guarded = patients::table
        .find(before.id.to_string())
        .filter(patients::version.eq(number(before.version)));
    let updated = diesel::update(guarded)
        .set((
            patients::version.eq(number(kept.version)),
            patients::zone.eq(kept.zone.name()),
            patients::comms.eq(kept.comms.name()),
            patients::mail_declined.eq(kept.mail_declined),
            patients::profile_sealed.eq(profile),
        ))
        .execute(tx.connection)?;
    expect_one(updated)
}

fn insert_order(tx: &mut Tx<'_>, owner: &Owner, order: &Order) -> Result<(), Stop> {
    let row = OrderRow {
        id: order.id.to_string(),
        clinic_id: owner.clinic_id.clone(),
        patient_id: owner.patient.to_string(),
        order_version: i32::try_from(order.version).unwrap_or(i32::MAX),
        doc_sealed: sealed(tx, "orders", &order.id, order)?,
        signed_at: to_ms(order.signed_at),
    };
    diesel::insert_into(orders::table)
        .values(&row)
        .execute(tx.connection)?;
    Ok(())
}

/// Whether a decision holds anything besides the record.
fn says_something<R>(decision: &Decision<R>) -> bool {
    !(decision.facts.is_empty() && decision.notices.is_empty() && decision.links.is_empty())
}

/// Links, messages and audit facts.
fn say<R>(tx: &mut Tx<'_>, owner: &Owner, decision: &Decision<R>) -> Result<(), Stop> {
    links::insert(tx, owner.clinic, &decision.links)?;
    outbox::insert(tx, owner.clinic, Some(owner.subject), &decision.notices)?;
    audit::append(
        tx,
        &Chain::Patient(owner.clinic, owner.patient),
        Some(owner.subject),
        &decision.facts,
    )
}
