//! A session as the care team sees it: everything; what was answered and measured for nurses and prescribers only.

use std::collections::BTreeMap;

use bedside_protocol::check_in::CheckInAnswer;
use bedside_protocol::checklist::{Answer, AnswerValue};
use bedside_protocol::duty::{Duty, DutyKind, DutyState};
use bedside_protocol::gate;
use bedside_protocol::instruments::Answers;
use bedside_protocol::licence::missing_at_dose;
use bedside_protocol::record::SessionRecord;
use bedside_protocol::session::{Hold, Override, SessionMove, SessionState};
use bedside_protocol::sitter::Sitter;
use bedside_protocol::time::Instant;
use bedside_protocol::vitals::{Phase, Reading};
use bedside_store::RefusedAddresses;
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::running::{CheckInView, ReleaseView, check_ins, release};
use super::shared::{DoseView, ItemView, OrderView, PlannedView, ReasonView, SessionRow, checklist};
use super::sitting::CandidateView;

/// A session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct StaffSessionView {
    /// What a list shows of it.
    #[serde(flatten)]
    pub row: SessionRow,
    /// Before the dose: why who signed the order is not licensed where the patient is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub licence_warning: Option<String>,
    /// Its version; counts up with every change.
    pub version: u64,
    /// The patient.
    pub patient: Uuid,
    /// The patient's name.
    pub patient_name: String,
    /// The version of the protocol document it was planned with.
    pub protocol_version: String,
    /// Why it is on hold, in words.
    pub held_because: Option<String>,
    /// Whether a clinician put it on hold, rather than an answer.
    #[serde(skip)]
    pub(super) held_by_clinician: bool,
    /// How it was moved by hand, oldest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub moves: Vec<MoveView>,
    /// The dose.
    pub dose: Option<DoseView>,
    /// The signed order.
    pub order: Option<OrderView>,
    /// Every sitter that was asked, oldest first.
    pub sitters: Vec<StaffSitterView>,
    /// Who is asked to sit next, in this order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub candidates: Vec<CandidateView>,
    /// The patient asked not to have their sitter called between sessions.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub do_not_call_sitter: bool,
    /// Where the patient is today, by what they said last.
    pub address_today: String,
    /// What clinicians decided about items, oldest first; the last of an item counts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub overrides: Vec<OverrideView>,
    /// The preparation, item by item and actor by actor.
    pub checklist: Vec<ItemView>,
    /// Why the dose is not open; empty from the dose on.
    pub gate_reasons: Vec<ReasonView>,
    /// Every answer of the preparation, oldest first.
    pub answers: Vec<AnswerView>,
    /// Check-ins that are still owed.
    pub check_ins: Vec<CheckInView>,
    /// Check-ins that were answered, oldest first.
    pub check_in_answers: Vec<CheckInAnswerView>,
    /// Readings, oldest first.
    pub readings: Vec<ReadingView>,
    /// Everything that was or is owed.
    pub duties: Vec<DutyView>,
    /// Its cases, oldest first.
    pub cases: Vec<CaseBriefView>,
    /// When the patient is released.
    pub release: Option<ReleaseView>,
}

/// A session was moved by hand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct MoveView {
    /// From when.
    pub from: PlannedView,
    /// To when.
    pub to: PlannedView,
    /// `asked`, `sitter_dropped_out` or `clinical`.
    pub cause: String,
    /// Whether it was after the cut-off and not for want of a sitter.
    pub late: bool,
    /// In words.
    pub reason: String,
    /// By whom, as a kind and an id.
    pub by: String,
    /// When it was done.
    pub at: DateTime<Utc>,
}

impl MoveView {
    fn of(moved: &SessionMove) -> Self {
        Self {
            from: PlannedView::of(&moved.from),
            to: PlannedView::of(&moved.to),
            cause: moved.cause.name().to_owned(),
            late: moved.late,
            reason: moved.reason.clone(),
            by: moved.by.audit_name(),
            at: moved.at,
        }
    }
}

/// A sitter, as the care team sees them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct StaffSitterView {
    /// The sitter.
    pub id: Uuid,
    /// Their name.
    pub name: String,
    /// Their address.
    pub email: String,
    /// Their number.
    pub phone: String,
    /// Since when mail to their address is refused; absent when it is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mail_refused_since: Option<DateTime<Utc>>,
    /// `invited`, `accepted`, `declined`, `withdrawn`, `present`, `lapsed`, `left` or `removed`.
    pub state: String,
    /// When they were asked.
    pub invited_at: DateTime<Utc>,
    /// When they said that they are of age and may be contacted.
    pub consented_at: Option<DateTime<Utc>>,
    /// When they read their page and answered its questions, for this session.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trained_at: Option<DateTime<Utc>>,
}

impl StaffSitterView {
    fn of(record: &SessionRecord, sitter: &Sitter) -> Self {
        let mut known = record.session.known_sitters.iter();
        let trained_at = known
            .find(|it| it.email == sitter.email)
            .and_then(|it| it.trained_at);
        Self {
            id: sitter.id.uuid(),
            name: sitter.name.clone(),
            email: sitter.email.clone(),
            phone: sitter.phone.clone(),
            mail_refused_since: None,
            state: sitter.state.name().to_owned(),
            invited_at: sitter.invited_at,
            consented_at: sitter.consented_at,
            trained_at,
        }
    }
}

/// A clinician decided that an item need not be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct OverrideView {
    /// The item.
    pub item: String,
    /// Why.
    pub reason: String,
    /// By whom, as a kind and an id.
    pub by: String,
    /// When.
    pub at: DateTime<Utc>,
    /// Until when.
    pub until: DateTime<Utc>,
}

impl OverrideView {
    fn of(decided: &Override) -> Self {
        Self {
            item: decided.item.clone(),
            reason: decided.reason.clone(),
            by: decided.by.audit_name(),
            at: decided.at,
            until: decided.until,
        }
    }
}

/// An answer of the preparation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct AnswerView {
    /// The item.
    pub item: String,
    /// In which part: `patient`, `sitter` or `nurse`.
    pub actor: String,
    /// The type of the answer.
    #[serde(rename = "type")]
    pub kind: String,
    /// The answer, for nurses and prescribers; `null` for others.
    #[schema(value_type = Object)]
    pub value: serde_json::Value,
    /// When it was given, by the device.
    pub observed_at: DateTime<Utc>,
    /// When the server heard of it.
    pub received_at: DateTime<Utc>,
}

impl AnswerView {
    fn of(answer: &Answer) -> Self {
        use serde_json::json;
        let (kind, value) = match &answer.value {
            AnswerValue::YesNo(yes) => ("yes_no", json!(yes)),
            AnswerValue::Time(at) => ("time", json!(at)),
            AnswerValue::Text(text) => ("text", json!(text)),
            AnswerValue::Number(given) => ("number", json!({"number": given.number, "unit": given.unit})),
            AnswerValue::Choice(choice) => ("choice", json!(choice)),
            AnswerValue::Readback(read) => (
                "readback",
                json!({
                    "lozenge_count": read.lozenge_count, "hold_minutes": read.hold_minutes,
                    "after_hold": read.after_hold.name(),
                }),
            ),
            AnswerValue::Cleared => ("cleared", serde_json::Value::Null),
        };
        Self {
            item: answer.item.clone(),
            actor: answer.actor.name().to_owned(),
            kind: kind.to_owned(),
            value,
            observed_at: answer.observed_at,
            received_at: answer.received_at,
        }
    }
}

/// An answer to a check-in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct CheckInAnswerView {
    /// The duty it answers.
    pub duty_id: Uuid,
    /// The row of the timetable.
    pub rule: String,
    /// Yes or no to each question; for nurses and prescribers, as all that follows to `words`.
    pub answers: BTreeMap<String, bool>,
    /// The questions whose answer is not the good one.
    pub bad: Vec<String>,
    /// The clinic's list of side effects, by item.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schema(value_type = Object)]
    pub side_effects: Answers,
    /// Lozenges that were left, as counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lozenges_left: Option<u32>,
    /// In their own words.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub words: BTreeMap<String, String>,
    /// Who answered: `patient`, `sitter` or `staff`.
    pub by: String,
    /// When, by the device.
    pub observed_at: DateTime<Utc>,
    /// When the server heard of it.
    pub received_at: DateTime<Utc>,
    /// Whether the check was over already.
    pub late: bool,
}

impl CheckInAnswerView {
    fn of(answer: &CheckInAnswer) -> Self {
        Self {
            duty_id: answer.duty.uuid(),
            rule: answer.rule.clone(),
            answers: answer.answers.clone(),
            bad: answer.bad.clone(),
            side_effects: answer.besides.side_effects.clone(),
            lozenges_left: answer.besides.lozenges_left,
            words: answer.besides.words.clone(),
            by: answer.by.kind().to_owned(),
            observed_at: answer.observed_at,
            received_at: answer.received_at,
            late: answer.late,
        }
    }
}

/// A reading. Its numbers are for nurses and prescribers, and `null` for others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ReadingView {
    /// Systolic, mmHg.
    pub sbp: Option<u32>,
    /// Diastolic, mmHg.
    pub dbp: Option<u32>,
    /// Pulse, beats a minute.
    pub hr: Option<u32>,
    /// Oxygen, percent.
    pub spo2: Option<u32>,
    /// With a symptom.
    pub with_symptom: Option<bool>,
    /// `before_dose`, `in_session` or `after_release`.
    pub phase: String,
    /// Who sent it.
    pub by: String,
    /// When, by the device.
    pub observed_at: DateTime<Utc>,
    /// When the server heard of it.
    pub received_at: DateTime<Utc>,
}

impl ReadingView {
    fn of(reading: &Reading) -> Self {
        let phase = match reading.phase {
            Phase::BeforeDose => "before_dose",
            Phase::InSession => "in_session",
            Phase::AfterRelease => "after_release",
        };
        Self {
            sbp: Some(reading.vitals.sbp),
            dbp: Some(reading.vitals.dbp),
            hr: Some(reading.vitals.hr),
            spo2: reading.vitals.spo2,
            with_symptom: Some(reading.with_symptom),
            phase: phase.to_owned(),
            by: reading.by.kind().to_owned(),
            observed_at: reading.observed_at,
            received_at: reading.received_at,
        }
    }
}

/// Something that was or is owed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct DutyView {
    /// The duty.
    pub id: Uuid,
    /// What, such as `check_in` or `take_case`.
    pub kind: String,
    /// For a check-in: the row of the timetable.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// `patient`, `sitter` or `on_call`.
    pub owed_by: String,
    /// From when it can be done.
    pub opens_at: DateTime<Utc>,
    /// By when.
    pub due_at: DateTime<Utc>,
    /// When it is missed.
    pub missed_after: Option<DateTime<Utc>>,
    /// `open`, `met`, `excused`, `missed` or `unknown`.
    pub state: String,
    /// When it was done, in time or too late, by the device; absent as long as it was not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_at: Option<DateTime<Utc>>,
    /// When the server heard of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub received_at: Option<DateTime<Utc>>,
}

impl DutyView {
    fn of(duty: &Duty) -> Self {
        let rule = match &duty.kind {
            DutyKind::CheckIn { rule, .. } => Some(rule.clone()),
            _ => None,
        };
        let done = done_at(&duty.state);
        Self {
            id: duty.id.uuid(),
            kind: duty.kind.name().to_owned(),
            rule,
            owed_by: duty.owed_by.name().to_owned(),
            opens_at: duty.opens_at,
            due_at: duty.due_at,
            missed_after: duty.missed_after,
            state: duty.state.name().to_owned(),
            observed_at: done.map(|(observed_at, _)| observed_at),
            received_at: done.map(|(_, received_at)| received_at),
        }
    }
}

/// When a duty was done: by the device, and when the server heard of it.
fn done_at(state: &DutyState) -> Option<(DateTime<Utc>, DateTime<Utc>)> {
    match state {
        DutyState::Met {
            observed_at,
            received_at,
        } => Some((*observed_at, *received_at)),
        DutyState::Missed { answered, .. } | DutyState::Unknown { answered, .. } => {
            answered.map(|answer| (answer.observed_at, answer.received_at))
        }
        DutyState::Open | DutyState::Excused { .. } => None,
    }
}

/// A case in short.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct CaseBriefView {
    /// The case.
    pub id: Uuid,
    /// What people call it.
    pub code: String,
    /// `P1`, `P2`, `P3` or `info`.
    pub level: String,
    /// `open`, `acknowledged`, `contacted` or `resolved`.
    pub state: String,
}

fn held_because(state: &SessionState) -> Option<String> {
    let SessionState::Held { hold, .. } = state else {
        return None;
    };
    Some(match hold {
        Hold::Answer { item } => format!("the answer to {item}"),
        Hold::Vitals => "blood pressure or pulse over the limit".to_owned(),
        Hold::NotConfirmed => "nobody confirmed that the session is on".to_owned(),
        Hold::Clinician { reason } => reason.clone(),
    })
}

impl StaffSessionView {
    /// The same, saying of each sitter whether mail to their address is refused.
    pub fn with_refusals(mut self, refused: &RefusedAddresses) -> Self {
        for sitter in &mut self.sitters {
            sitter.mail_refused_since = refused.since(&sitter.email);
        }
        self
    }

    /// The view of a session.
    pub fn of(record: &SessionRecord, now: Instant) -> Self {
        let session = &record.session;
        let reasons = if session.state.is_before_dose() {
            gate::reasons(record, now)
        } else {
            Vec::new()
        };
        let licence = missing_at_dose(record, now).filter(|_| session.state.is_before_dose());
        let cases = record.watch.cases.iter().map(|case| CaseBriefView {
            id: case.id.uuid(),
            code: case.code.clone(),
            level: case.level.name().to_owned(),
            state: case.state.name().to_owned(),
        });
        Self {
            row: SessionRow::of(session),
            licence_warning: licence.map(|(_, found)| found),
            version: session.version,
            patient: record.patient.id.uuid(),
            patient_name: record.patient.name.clone(),
            protocol_version: session.protocol_version.clone(),
            held_because: held_because(&session.state),
            held_by_clinician: matches!(
                session.state,
                SessionState::Held {
                    hold: Hold::Clinician { .. } | Hold::NotConfirmed,
                    ..
                }
            ),
            moves: session.moves.iter().map(MoveView::of).collect(),
            dose: session.dose.as_ref().map(DoseView::of),
            order: record.order.as_ref().map(OrderView::of),
            sitters: record
                .sitters
                .iter()
                .map(|sitter| StaffSitterView::of(record, sitter))
                .collect(),
            candidates: session.candidates.iter().map(CandidateView::of).collect(),
            do_not_call_sitter: record.sitter_is_not_called(),
            address_today: record.address_today().to_owned(),
            overrides: session.overrides.iter().map(OverrideView::of).collect(),
            checklist: checklist(record, None, now),
            gate_reasons: reasons.iter().map(ReasonView::of).collect(),
            answers: record.answers.iter().map(AnswerView::of).collect(),
            check_ins: check_ins(record, None, now),
            check_in_answers: record.check_ins.iter().map(CheckInAnswerView::of).collect(),
            readings: record.readings.iter().map(ReadingView::of).collect(),
            duties: record.watch.duties.iter().map(DutyView::of).collect(),
            cases: cases.collect(),
            release: release(record, now),
        }
    }
}
