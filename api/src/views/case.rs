//! Cases as the care team sees them: what happened, who has it; names and numbers only for who took it.

use bedside_protocol::case::{Case, CaseState, Cause, Signal, Taken};
use bedside_protocol::id::PersonId;
use bedside_protocol::people::Patient;
use bedside_protocol::record::{PatientRecord, SessionRecord};
use bedside_protocol::watch::Subject;
use bedside_store::{OpenCase, Unreadable};
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::shared::SessionRow;

/// A case on the worklist. Nothing in it names a person but who took it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct CaseRowView {
    /// The case.
    pub id: Uuid,
    /// What people call it.
    pub code: String,
    /// `P1`, `P2`, `P3` or `info`.
    pub level: String,
    /// `open`, `acknowledged`, `contacted` or `resolved`.
    pub state: String,
    /// How often it came back; from 1.
    pub round: u32,
    /// Since when.
    pub opened_at: DateTime<Utc>,
    /// Whether it is about a running session.
    pub in_session: bool,
    /// The session it belongs to, where it does.
    pub session: Option<Uuid>,
    /// The patient it concerns.
    pub patient: Uuid,
    /// What it is about, such as `missed_check_in`.
    pub causes: Vec<String>,
    /// Who has it.
    pub taken_by: Option<Uuid>,
    /// Their name.
    pub taken_by_name: Option<String>,
    /// Since when they have it.
    pub taken_at: Option<DateTime<Utc>>,
    /// To whom it is offered; they have not accepted it yet.
    pub offered_to: Option<Uuid>,
    /// Their name.
    pub offered_to_name: Option<String>,
    /// By when they must accept it.
    pub offered_until: Option<DateTime<Utc>>,
}

/// The worklist, most urgent first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct CaseListView {
    /// The cases.
    pub cases: Vec<CaseRowView>,
    /// What cannot be read of them; absent where all can.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unreadable: Vec<UnreadableView>,
}

/// Something that waits for somebody and cannot be read. Whoever runs the program finds the reason in its log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct UnreadableView {
    /// `case` or `duty`.
    pub kind: String,
    /// Its id.
    pub id: String,
    /// What people call it, of a case.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// Since when it waits.
    pub since: DateTime<Utc>,
    /// `cannot be read`.
    pub fault: &'static str,
}

impl UnreadableView {
    /// The view of one.
    pub fn of(row: &Unreadable) -> Self {
        Self {
            kind: row.kind.to_owned(),
            id: row.id.clone(),
            code: row.code.clone(),
            since: row.since,
            fault: "cannot be read",
        }
    }
}

impl CaseRowView {
    /// The view of an open case.
    pub fn of(open: &OpenCase) -> Self {
        Self::row(&open.case, open.subject, open.patient)
    }

    pub(super) fn row(case: &Case, subject: Subject, patient: PersonId) -> Self {
        let taken = case.state.taken();
        let offer = taken.and_then(Taken::open_offer);
        Self {
            id: case.id.uuid(),
            code: case.code.clone(),
            level: case.level.name().to_owned(),
            state: case.state.name().to_owned(),
            round: case.round,
            opened_at: case.opened_at,
            in_session: case.in_session,
            session: match subject {
                Subject::Session(session) => Some(session.uuid()),
                Subject::Patient(_) | Subject::Clinic(_) => None,
            },
            patient: patient.uuid(),
            causes: causes(case),
            taken_by: taken.map(|taken| taken.by.uuid()),
            taken_by_name: taken.map(|taken| taken.by_name.clone()),
            taken_at: taken.map(|taken| taken.at),
            offered_to: offer.map(|offer| offer.to.uuid()),
            offered_to_name: offer.map(|offer| offer.to_name.clone()),
            offered_until: offer.map(|offer| offer.until),
        }
    }
}

fn causes(case: &Case) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for signal in &case.signals {
        let name = signal.what.name().to_owned();
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct SignalView {
    /// When the server heard of it.
    pub at: DateTime<Utc>,
    /// `P1`, `P2`, `P3` or `info`.
    pub level: String,
    /// What, such as `missed_check_in`.
    pub cause: String,
    /// What exactly: the row, the red flag, the reasons.
    #[schema(value_type = Object)]
    pub detail: serde_json::Value,
    /// Who reported it: `patient`, `sitter`, `staff`, `system` or `unverified`.
    pub by: String,
    /// What they typed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

impl SignalView {
    /// What a patient answered is for nurses and prescribers; everybody else who works on cases sees that it happened.
    fn of(signal: &Signal, sees_answers: bool) -> Self {
        let shown = sees_answers || !signal.tells_answers();
        Self {
            at: signal.at,
            level: signal.level.name().to_owned(),
            cause: signal.what.name().to_owned(),
            detail: if shown {
                detail_of(&signal.what)
            } else {
                serde_json::Value::Object(serde_json::Map::new())
            },
            by: signal.by.kind().to_owned(),
            note: signal.note.clone().filter(|_| shown),
        }
    }
}

fn detail_of(cause: &Cause) -> serde_json::Value {
    let mut detail = serde_json::to_value(cause).unwrap_or_default();
    if let Some(fields) = detail.as_object_mut() {
        fields.remove("cause");
    }
    detail
}

/// Whom to call, for who took the case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ContactView {
    /// The patient's name.
    pub patient_name: String,
    /// The patient's number.
    pub patient_phone: String,
    /// Where they are.
    pub address: String,
    /// The patient asked not to have their sitter called between sessions: nobody's name and number stand here then.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub do_not_call_sitter: bool,
    /// The sitter's name.
    pub sitter_name: Option<String>,
    /// The sitter's number.
    pub sitter_phone: Option<String>,
    /// The second person's name.
    pub contact_name: String,
    /// The second person's number.
    pub contact_phone: String,
}

impl ContactView {
    /// The numbers of a session's people.
    pub fn of(patient: &Patient, record: Option<&SessionRecord>) -> Self {
        let sitter = record.and_then(SessionRecord::sitter_to_call);
        Self {
            do_not_call_sitter: record.is_some_and(SessionRecord::sitter_is_not_called),
            patient_name: patient.name.clone(),
            patient_phone: patient.phone.clone(),
            address: record
                .map_or(patient.address.as_str(), SessionRecord::address_today)
                .to_owned(),
            sitter_name: sitter.map(|sitter| sitter.name.clone()),
            sitter_phone: sitter.map(|sitter| sitter.phone.clone()),
            contact_name: patient.emergency_contact.name.clone(),
            contact_phone: patient.emergency_contact.phone.clone(),
        }
    }
}

/// Who looks at a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CaseReader {
    /// Who.
    pub person: PersonId,
    /// Whether what patients answered is theirs to see.
    pub sees_answers: bool,
}

/// A case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct CaseView {
    /// What the worklist shows of it.
    #[serde(flatten)]
    pub row: CaseRowView,
    /// What it is about, in order of arrival.
    pub signals: Vec<SignalView>,
    /// The session it belongs to.
    pub about: Option<SessionRow>,
    /// Whom to call; only for who has taken it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contact: Option<ContactView>,
    /// How it ended: `reached_well`, `reached_care_arranged`, `emergency_services`, `not_reached` or `false_alarm`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<String>,
    /// In words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

impl CaseView {
    /// A session's case, for one reader.
    pub fn of_session(record: &SessionRecord, case: &Case, reader: CaseReader) -> Self {
        let about = Some(SessionRow::of(&record.session));
        Self::of(
            case,
            record.subject(),
            &record.patient,
            Some(record),
            about,
            reader,
        )
    }

    /// A patient's case between sessions, for one reader.
    pub fn of_patient(record: &PatientRecord, case: &Case, reader: CaseReader) -> Self {
        Self::of(
            case,
            Subject::Patient(record.patient.id),
            &record.patient,
            None,
            None,
            reader,
        )
    }

    fn of(
        case: &Case,
        subject: Subject,
        patient: &Patient,
        record: Option<&SessionRecord>,
        about: Option<SessionRow>,
        reader: CaseReader,
    ) -> Self {
        let has_it = case.state.taken().is_some_and(|taken| taken.by == reader.person);
        let (outcome, note) = match &case.state {
            CaseState::Resolved { outcome, note, .. } => {
                (Some(outcome.name().to_owned()), Some(note.clone()))
            }
            _ => (None, None),
        };
        Self {
            row: CaseRowView::row(case, subject, patient.id),
            signals: case
                .signals
                .iter()
                .map(|signal| SignalView::of(signal, reader.sees_answers))
                .collect(),
            about,
            contact: has_it.then(|| ContactView::of(patient, record)),
            outcome,
            note,
        }
    }
}
