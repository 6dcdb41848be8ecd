//! How far a patient's enrolment is: every item, the texts they consent to, and what was written down.

use bedside_protocol::course::Course;
use bedside_protocol::document::{Channel, EnrolmentAsks};
use bedside_protocol::enrolment::{
    Contacts, EnrolmentStanding, ItemState, Screening, ScreeningFinding, answer_to, contacts_of, standings,
};
use bedside_protocol::import::Import;
use bedside_protocol::record::PatientRecord;
use bedside_protocol::time::Instant;
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::patient::EmergencyContactView;
use super::shared::PlannedView;

/// One item of the enrolment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct EnrolmentItemView {
    /// Its stable key.
    pub key: String,
    /// What it is.
    pub text: String,
    /// `done`, `open` or `expired`.
    pub state: String,
    /// `patient` or `clinician`.
    pub owed_by: String,
    /// `nothing`, `planning_of_first`, `planning` or `planning_and_dose`.
    pub blocks: String,
    /// What is missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Since when it is done, or has expired.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<DateTime<Utc>>,
    /// Until when it is good, as things are now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<DateTime<Utc>>,
}

impl EnrolmentItemView {
    fn of(standing: &EnrolmentStanding<'_>) -> Self {
        let (since, until) = match &standing.state {
            ItemState::Done { since, until } => (Some(*since), *until),
            ItemState::Open { .. } => (None, None),
            ItemState::Expired { since } => (Some(*since), None),
        };
        Self {
            key: standing.item.key.clone(),
            text: standing.item.text.clone(),
            state: standing.state.name().to_owned(),
            owed_by: standing.owed_by.name().to_owned(),
            blocks: standing.item.blocks.name().to_owned(),
            reason: standing.reason(),
            since,
            until,
        }
    }
}

/// What of the enrolment is not done, for the phone. Empty when all is.
pub fn open_items(record: &PatientRecord, now: Instant) -> Vec<EnrolmentItemView> {
    let standings = standings(record, now);
    let open = standings
        .iter()
        .filter(|standing| !matches!(standing.state, ItemState::Done { .. }));
    open.map(EnrolmentItemView::of).collect()
}

/// A text that the patient answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ConsentTextView {
    /// The key of the item.
    pub key: String,
    /// The version of the words.
    pub version: u32,
    /// What the patient reads.
    pub words: String,
    /// `email` where it is about a way of reaching them.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub channel: Option<Channel>,
    /// The last answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agreed: Option<bool>,
    /// The version that was answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answered_version: Option<u32>,
    /// When.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answered_at: Option<DateTime<Utc>>,
}

/// The nearest emergency room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct EmergencyRoomView {
    /// Its name.
    pub name: String,
    /// Where it is.
    pub address: String,
    /// Its telephone number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phone: Option<String>,
}

/// Where the patient is and whom to call, as confirmed last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ContactsView {
    /// Their own telephone.
    pub phone: String,
    /// Where they take their lozenges.
    pub address: String,
    /// The state or region of that address, such as `US-NY`.
    pub region: String,
    /// The language they want to be spoken to in, such as `en`.
    pub language: String,
    /// Another person to call.
    pub emergency_contact: EmergencyContactView,
    /// The nearest emergency room.
    pub emergency_room: EmergencyRoomView,
    /// When it was confirmed.
    pub at: DateTime<Utc>,
    /// `patient` or `staff`.
    pub by: String,
}

impl ContactsView {
    fn of(contacts: &Contacts) -> Self {
        let room = &contacts.emergency_room;
        Self {
            phone: contacts.phone.clone(),
            address: contacts.address.clone(),
            region: contacts.region.clone(),
            language: contacts.language.clone(),
            emergency_contact: EmergencyContactView {
                name: contacts.emergency_contact.name.clone(),
                phone: contacts.emergency_contact.phone.clone(),
            },
            emergency_room: EmergencyRoomView {
                name: room.name.clone(),
                address: room.address.clone(),
                phone: room.phone.clone(),
            },
            at: contacts.at,
            by: contacts.by.kind().to_owned(),
        }
    }
}

/// How far an enrolment is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct EnrolmentView {
    /// The patient's version: what `If-Match` names.
    pub version: u64,
    /// Whether a session may be planned, as far as the enrolment goes.
    pub may_be_planned: bool,
    /// Every item, in order.
    pub items: Vec<EnrolmentItemView>,
    /// The texts that the patient answers.
    pub texts: Vec<ConsentTextView>,
    /// Addresses and numbers, once they were confirmed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contacts: Option<ContactsView>,
}

impl EnrolmentView {
    /// The enrolment of a record.
    pub fn of(record: &PatientRecord, now: Instant) -> Self {
        let standings = standings(record, now);
        let texts = record.around.protocol.enrolment.items.iter().filter_map(|item| {
            let (version, words, channel) = match &item.asks {
                EnrolmentAsks::Consent {
                    version,
                    words,
                    channel,
                } => (*version, words, *channel),
                EnrolmentAsks::Answer { version, words } => (*version, words, None),
                _ => return None,
            };
            let answer = answer_to(&record.course, &item.key);
            Some(ConsentTextView {
                key: item.key.clone(),
                version,
                words: words.clone(),
                channel,
                agreed: answer.map(|answer| answer.agreed),
                answered_version: answer.map(|answer| answer.version),
                answered_at: answer.map(|answer| answer.at),
            })
        });
        Self {
            version: record.patient.version,
            may_be_planned: !standings.iter().any(|standing| standing.keeps_from_planning),
            items: standings.iter().map(EnrolmentItemView::of).collect(),
            texts: texts.collect(),
            contacts: contacts_of(&record.course).map(ContactsView::of),
        }
    }
}

/// One point of a screening.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ScreeningFindingView {
    /// The point's key.
    pub point: String,
    /// Whether it is there.
    pub present: bool,
    /// In a few words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

impl ScreeningFindingView {
    fn of(finding: &ScreeningFinding) -> Self {
        Self {
            point: finding.point.clone(),
            present: finding.present,
            note: finding.note.clone(),
        }
    }
}

/// A signed screening.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ScreeningView {
    /// The screening.
    pub id: Uuid,
    /// Every point.
    pub findings: Vec<ScreeningFindingView>,
    /// Whether the patient may be treated at home.
    pub cleared: bool,
    /// In a few words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Who signed.
    pub signed_by: Uuid,
    /// When.
    pub signed_at: DateTime<Utc>,
}

impl ScreeningView {
    fn of(screening: &Screening) -> Self {
        Self {
            id: screening.id.uuid(),
            findings: screening.findings.iter().map(ScreeningFindingView::of).collect(),
            cleared: screening.cleared,
            note: screening.note.clone(),
            signed_by: screening.signed_by.uuid(),
            signed_at: screening.signed_at,
        }
    }
}

/// A point that a clinician looks at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ScreeningPointView {
    /// Its key.
    pub key: String,
    /// What it is.
    pub text: String,
}

/// A reading by which the patient tried their cuff.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct TrialReadingView {
    /// Systolic, mmHg.
    pub sbp: u32,
    /// Diastolic, mmHg.
    pub dbp: u32,
    /// Beats a minute.
    pub hr: u32,
    /// When.
    pub observed_at: DateTime<Utc>,
}

/// That the patient was brought over in mid-course, and with what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct BroughtOverView {
    /// How many doses came with them.
    pub doses: usize,
    /// Lozenges they held.
    pub lozenges_held: u32,
    /// Least hours from one dose to the next, where it is their own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_interval_hours: Option<i64>,
    /// Most doses in seven days, where it is their own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_doses_7d: Option<usize>,
    /// When the next session was to be; it is planned like any other.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_session: Option<PlannedView>,
    /// When it was done.
    pub at: DateTime<Utc>,
}

impl BroughtOverView {
    fn of(import: &Import) -> Self {
        Self {
            doses: import.doses,
            lozenges_held: import.lozenges_held,
            min_interval_hours: import.limits.min_interval_hours,
            max_doses_7d: import.limits.max_doses_rolling_7d,
            next_session: import.next_session.as_ref().map(PlannedView::of),
            at: import.at,
        }
    }
}

/// A patient's enrolment as the care team sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct StaffEnrolmentView {
    /// The same as the patient sees.
    #[serde(flatten)]
    pub enrolment: EnrolmentView,
    /// What a clinician looks at.
    pub screening_list: Vec<ScreeningPointView>,
    /// Every screening, oldest first, for a clinician; the last counts.
    pub screenings: Vec<ScreeningView>,
    /// Every trial reading, oldest first, for a clinician.
    pub trial_readings: Vec<TrialReadingView>,
    /// What came with a patient in mid-course.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub brought_over: Option<BroughtOverView>,
}

impl StaffEnrolmentView {
    /// The enrolment of a record; findings and readings for clinicians only.
    pub fn of(record: &PatientRecord, clinician: bool, now: Instant) -> Self {
        let list = record.around.protocol.enrolment.screening_list();
        let nothing = Course::default();
        let course = if clinician { &record.course } else { &nothing };
        Self {
            brought_over: record.course.imports.last().map(BroughtOverView::of),
            enrolment: EnrolmentView::of(record, now),
            screening_list: list
                .iter()
                .map(|point| ScreeningPointView {
                    key: point.key.clone(),
                    text: point.text.clone(),
                })
                .collect(),
            screenings: course.screenings.iter().map(ScreeningView::of).collect(),
            trial_readings: course
                .trial_readings
                .iter()
                .map(|reading| TrialReadingView {
                    sbp: reading.vitals.sbp,
                    dbp: reading.vitals.dbp,
                    hr: reading.vitals.hr,
                    observed_at: reading.observed_at,
                })
                .collect(),
        }
    }
}
