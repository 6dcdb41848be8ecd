//! What a phone shows: all of it in one answer.

use bedside_protocol::checklist::Actor;
use bedside_protocol::gate;
use bedside_protocol::ledger;
use bedside_protocol::record::{PatientRecord, SessionRecord};
use bedside_protocol::sitter::Sitter;
use bedside_protocol::time::Instant;
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::course::OwnCourseView;
use super::enrolment::{EnrolmentItemView, open_items};
use super::running::{CheckInView, NextView, ReleaseView, check_ins, next_steps, release};
use super::shared::{
    DoseView, ItemView, OrderView, PlannedView, ReasonView, RedFlagView, WordsView, checklist, red_flags,
};
use super::sitting::CandidateView;

/// Everything a patient's phone needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct TodayView {
    /// The server's clock. Not part of the `ETag`, for which it stands first.
    pub now: DateTime<Utc>,
    /// Whose it is.
    pub patient: TodayPatient,
    /// The session they are busy with, or the next one.
    pub session: Option<OwnSessionView>,
    /// The whole series, if there is a plan.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub course: Option<OwnCourseView>,
    /// What of the enrolment is not done.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub enrolment: Vec<EnrolmentItemView>,
    /// Words and numbers, always shown.
    pub words: WordsView,
    /// The "something is wrong" list.
    pub red_flags: Vec<RedFlagView>,
}

/// Whose day it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct TodayPatient {
    /// First name.
    pub first_name: String,
    /// IANA zone of the times in words.
    pub zone: String,
    /// `active`, `paused`, `hospital`, `deceased` or `withdrawn`.
    pub comms: String,
    /// How many lozenges should be there; absent when nobody keeps the ledger.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lozenges_left: Option<i64>,
}

impl TodayPatient {
    fn of(record: &PatientRecord) -> Self {
        let patient = &record.patient;
        Self {
            first_name: patient.first_name.clone(),
            zone: patient.zone.name().to_owned(),
            comms: patient.comms.name().to_owned(),
            lozenges_left: ledger::balance(
                &record.course.ledger,
                ledger::taken(&record.course.ledger, &record.sessions),
            ),
        }
    }
}

/// Whether the dose may be unlocked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct GateView {
    /// It may.
    pub open: bool,
    /// Every reason why not.
    pub reasons: Vec<ReasonView>,
}

/// The sitter as the patient sees them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct OwnSitterView {
    /// The sitter.
    pub id: Uuid,
    /// What the patient called them.
    pub name: String,
    /// `invited`, `accepted`, `declined`, `withdrawn`, `present`, `lapsed`, `left` or `removed`.
    pub state: String,
    /// The four digits the sitter types; shown on the patient's own phone only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub presence_code: Option<String>,
}

impl OwnSitterView {
    fn of(sitter: &Sitter) -> Self {
        Self {
            id: sitter.id.uuid(),
            name: sitter.name.clone(),
            state: sitter.state.name().to_owned(),
            presence_code: sitter.state.is_committed().then(|| sitter.presence_code.clone()),
        }
    }
}

/// A session as its patient sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct OwnSessionView {
    /// The session.
    pub id: Uuid,
    /// Which of the course, from 1.
    pub ordinal: u32,
    /// `planned` or `unplanned`.
    pub kind: String,
    /// Its state, such as `ready` or `monitoring`.
    pub state: String,
    /// When it is planned.
    pub planned: PlannedView,
    /// The dose, once it was logged.
    pub dose: Option<DoseView>,
    /// Until when the dose screen is unlocked.
    pub unlocked_until: Option<DateTime<Utc>>,
    /// The signed order.
    pub order: Option<OrderView>,
    /// The order is another one than at the last dose: say so before it is read.
    pub order_changed: bool,
    /// The preparation, item by item, every actor's.
    pub checklist: Vec<ItemView>,
    /// The present sitter, or the last one.
    pub sitter: Option<OwnSitterView>,
    /// Who is asked to sit next, in this order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub candidates: Vec<CandidateView>,
    /// Whether the dose may be unlocked; absent from the dose on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gate: Option<GateView>,
    /// Check-ins that are still owed, by anybody.
    pub check_ins: Vec<CheckInView>,
    /// When the patient is released.
    pub release: Option<ReleaseView>,
    /// What happens next, soonest first.
    pub next: Vec<NextView>,
}

impl OwnSessionView {
    /// The view of a session.
    pub fn of(record: &SessionRecord, now: Instant) -> Self {
        let session = &record.session;
        let gate = session.state.is_before_dose().then(|| {
            let reasons: Vec<ReasonView> = gate::reasons(record, now).iter().map(ReasonView::of).collect();
            GateView {
                open: reasons.is_empty(),
                reasons,
            }
        });
        Self {
            id: session.id.uuid(),
            ordinal: session.ordinal,
            kind: session.kind.name().to_owned(),
            state: session.state.name().to_owned(),
            planned: PlannedView::of(&session.planned),
            dose: session.dose.as_ref().map(DoseView::of),
            unlocked_until: gate::unlocked_until(record, now),
            order: OrderView::for_reader(record, Actor::Patient),
            order_changed: record.order_changed(),
            checklist: checklist(record, None, now),
            candidates: session.candidates.iter().map(CandidateView::of).collect(),
            sitter: record
                .current_sitter()
                .or(record.sitters.last())
                .map(OwnSitterView::of),
            gate,
            check_ins: check_ins(record, None, now),
            release: release(record, now),
            next: next_steps(record, Actor::Patient, now),
        }
    }
}

impl TodayView {
    /// The view of a patient's day.
    pub fn of(patient: &PatientRecord, session: Option<&SessionRecord>, now: Instant) -> Self {
        // A session keeps the document it was planned with, and its words.
        let around = session.map_or(&patient.around, |session| &session.around);
        Self {
            now,
            patient: TodayPatient::of(patient),
            session: session.map(|session| OwnSessionView::of(session, now)),
            course: OwnCourseView::of(patient, now),
            enrolment: open_items(patient, now),
            words: WordsView::of(&around.protocol.words, &around.clinic.phone),
            red_flags: red_flags(&around.protocol),
        }
    }
}
