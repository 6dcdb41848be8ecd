//! Enrolment: what must be settled before a session is planned, and by whom (PROTOCOL 4.2, phase `enrol`).
//!
//! What is asked and in which words is data of the protocol document. How far a patient is, is a pure function of their own
//! documents, their doses and the moment: nothing is stored as "done", so nothing can stay done that has run out. A consent is
//! the patient's own: dated, bound to a version of its text, and withdrawn as easily as given, but neither between a dose and the
//! release.

use chrono::Duration;
use serde::{Deserialize, Serialize};

use crate::course::Course;
use crate::document::{EnrolmentAsks, EnrolmentBlocks, EnrolmentItem, ProtocolDocument};
use crate::id::{ConsentId, ContactsId, PersonId, ScreeningId};
use crate::instruments::{InstrumentKey, latest};
use crate::ledger::{LedgerEntry, LedgerKind};
use crate::people::{Caller, EmergencyContact};
use crate::record::{PatientRecord, SessionRecord};
use crate::refusal::Fault;
use crate::time::Instant;

mod writing;

pub use writing::{
    ConsentSent, ContactsSent, ScreeningSent, answer_text, confirm_contacts, sign_screening, try_cuff,
};

/// Longest note of a finding or a screening, characters.
pub const SCREENING_NOTE_MAX_CHARS: usize = 500;

/// The patient's answer to a text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsentAnswer {
    /// The answer.
    pub id: ConsentId,
    /// The key of the item.
    pub text: String,
    /// The version of the words that were read.
    pub version: u32,
    /// Yes or no; a no after a yes withdraws it.
    pub agreed: bool,
    /// When.
    pub at: Instant,
    /// Who: the patient.
    pub by: Caller,
}

/// The nearest emergency room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EmergencyRoom {
    /// Its name.
    pub name: String,
    /// Where it is.
    pub address: String,
    /// Its telephone number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone: Option<String>,
}

/// Where a patient is and whom to call, as it was confirmed once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contacts {
    /// This confirmation.
    pub id: ContactsId,
    /// Their own telephone.
    pub phone: String,
    /// Where they take their lozenges.
    pub address: String,
    /// The state or region of that address (ISO 3166-2), such as `US-NY`.
    pub region: String,
    /// The language they want to be spoken to in (BCP 47), such as `en`.
    pub language: String,
    /// Another person to call.
    pub emergency_contact: EmergencyContact,
    /// The nearest emergency room.
    pub emergency_room: EmergencyRoom,
    /// When.
    pub at: Instant,
    /// By whom.
    pub by: Caller,
}

/// One point of a screening.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScreeningFinding {
    /// The point's key in the protocol.
    pub point: String,
    /// Whether it is there.
    pub present: bool,
    /// In a few words; why treatment is right all the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// A clinician's screening, signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Screening {
    /// The screening.
    pub id: ScreeningId,
    /// Every point of the list, in its order.
    pub findings: Vec<ScreeningFinding>,
    /// Whether the patient may be treated at home.
    pub cleared: bool,
    /// In a few words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Who signed.
    pub signed_by: PersonId,
    /// When.
    pub signed_at: Instant,
}

/// Whose move an item is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EnrolmentOwner {
    /// The patient's.
    Patient,
    /// A clinician's.
    Clinician,
}

impl EnrolmentOwner {
    /// The name in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Patient => "patient",
            Self::Clinician => "clinician",
        }
    }
}

/// How far an item is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ItemState {
    /// Settled.
    Done {
        /// Since when.
        since: Instant,
        /// Until when, as things are now; `None` while nothing ends it.
        until: Option<Instant>,
    },
    /// Not settled.
    Open {
        /// What is missing, in words for everybody.
        why: String,
    },
    /// Was settled, and too long ago.
    Expired {
        /// Since when it no longer counts.
        since: Instant,
    },
}

impl ItemState {
    /// The name in JSON.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Done { .. } => "done",
            Self::Open { .. } => "open",
            Self::Expired { .. } => "expired",
        }
    }

    fn open(why: impl Into<String>) -> Self {
        Self::Open { why: why.into() }
    }

    /// Good from `since` for so many days.
    fn good_for(since: Instant, days: i64, now: Instant) -> Self {
        let until = since + Duration::days(days);
        if now < until {
            Self::Done {
                since,
                until: Some(until),
            }
        } else {
            Self::Expired { since: until }
        }
    }
}

/// An item and how far it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnrolmentStanding<'d> {
    /// The item.
    pub item: &'d EnrolmentItem,
    /// Whose move it is.
    pub owed_by: EnrolmentOwner,
    /// How far it is.
    pub state: ItemState,
    /// Whether planning waits for it.
    pub keeps_from_planning: bool,
    /// Whether the dose of a planned session waits for it.
    pub keeps_from_dose: bool,
}

impl EnrolmentStanding<'_> {
    /// What is missing, in words for everybody; `None` when nothing is.
    pub fn reason(&self) -> Option<String> {
        match &self.state {
            ItemState::Done { .. } => None,
            ItemState::Open { why } => Some(why.clone()),
            ItemState::Expired { .. } => Some("was settled too long ago and is asked again".to_owned()),
        }
    }
}

/// What the answer depends on.
#[derive(Debug, Clone, Copy)]
pub struct Enrolled<'a> {
    /// The patient's documents.
    pub course: &'a Course,
    /// Their doses, earliest first.
    pub doses: &'a [Instant],
    /// The protocol.
    pub protocol: &'a ProtocolDocument,
}

impl<'a> From<&'a PatientRecord> for Enrolled<'a> {
    fn from(record: &'a PatientRecord) -> Self {
        Self {
            course: &record.course,
            doses: &record.around.other_doses,
            protocol: &record.around.protocol,
        }
    }
}

impl<'a> From<&'a SessionRecord> for Enrolled<'a> {
    fn from(record: &'a SessionRecord) -> Self {
        Self {
            course: &record.course,
            doses: &record.around.other_doses,
            protocol: &record.around.protocol,
        }
    }
}

/// Every item and how far it is at `now`, in the protocol's order.
pub fn standings<'a>(so_far: impl Into<Enrolled<'a>>, now: Instant) -> Vec<EnrolmentStanding<'a>> {
    let so_far = so_far.into();
    let before_first = !so_far.doses.iter().any(|dose| *dose <= now);
    let items = so_far.protocol.enrolment.items.iter();
    items
        .map(|item| {
            let state = state_of(so_far, item, before_first, now);
            let done = matches!(state, ItemState::Done { .. });
            let blocks = match item.blocks {
                EnrolmentBlocks::Nothing => false,
                EnrolmentBlocks::PlanningOfFirst => before_first,
                EnrolmentBlocks::Planning | EnrolmentBlocks::PlanningAndDose => true,
            };
            EnrolmentStanding {
                item,
                owed_by: match item.asks {
                    EnrolmentAsks::Screening { .. } => EnrolmentOwner::Clinician,
                    _ => EnrolmentOwner::Patient,
                },
                keeps_from_planning: blocks && !done,
                keeps_from_dose: item.blocks == EnrolmentBlocks::PlanningAndDose && !done,
                state,
            }
        })
        .collect()
}

/// What keeps a session from being planned: every open item, by its path.
pub fn planning_faults(record: &PatientRecord, now: Instant) -> Vec<Fault> {
    let standings = standings(record, now);
    let blocking = standings.iter().filter(|standing| standing.keeps_from_planning);
    blocking
        .filter_map(|standing| {
            let reason = standing.reason()?;
            Some(Fault::new(format!("enrolment.{}", standing.item.key), reason))
        })
        .collect()
}

/// The patient's last answer to a text.
pub fn answer_to<'c>(course: &'c Course, text: &str) -> Option<&'c ConsentAnswer> {
    course.consents.iter().rfind(|answer| answer.text == text)
}

/// Addresses and numbers as they were confirmed last.
pub fn contacts_of(course: &Course) -> Option<&Contacts> {
    course.contacts.last()
}

fn state_of(so_far: Enrolled<'_>, item: &EnrolmentItem, before_first: bool, now: Instant) -> ItemState {
    let course = so_far.course;
    match &item.asks {
        EnrolmentAsks::Contacts { valid_days } => match contacts_of(course) {
            None => ItemState::open("is to be given and confirmed"),
            Some(contacts) => ItemState::good_for(contacts.at, *valid_days, now),
        },
        EnrolmentAsks::Consent { version, .. } => text_state(course, &item.key, *version, true),
        EnrolmentAsks::Answer { version, .. } => text_state(course, &item.key, *version, false),
        EnrolmentAsks::Scores { instruments } => scores_state(so_far, instruments, before_first, now),
        EnrolmentAsks::TrialReading => match course.trial_readings.last() {
            None => ItemState::open("no trial reading was sent"),
            Some(reading) => ItemState::Done {
                since: reading.received_at,
                until: None,
            },
        },
        EnrolmentAsks::Screening { .. } => screening_state(so_far, now),
        EnrolmentAsks::Package => package_state(&course.ledger),
    }
}

/// A newer version than the one asked for counts: a session keeps the protocol that it was planned with.
fn text_state(course: &Course, text: &str, version: u32, must_agree: bool) -> ItemState {
    match answer_to(course, text) {
        None => ItemState::open("is not answered"),
        Some(answer) if must_agree && !answer.agreed => {
            let before = course.consents.iter().any(|it| it.text == text && it.agreed);
            ItemState::open(if before { "was withdrawn" } else { "was declined" })
        }
        Some(answer) if answer.version < version => {
            ItemState::open("the text has changed since it was answered")
        }
        Some(answer) => ItemState::Done {
            since: answer.at,
            until: None,
        },
    }
}

/// After the first dose a baseline stays what it is.
fn scores_state(
    so_far: Enrolled<'_>,
    instruments: &[InstrumentKey],
    before_first: bool,
    now: Instant,
) -> ItemState {
    let answered = |key: InstrumentKey| latest(&so_far.course.scores, key).map(|score| score.observed_at);
    let missing: Vec<&str> = instruments
        .iter()
        .filter(|key| answered(**key).is_none())
        .map(|key| key.name())
        .collect();
    let oldest = instruments.iter().filter_map(|key| answered(*key)).min();
    match oldest {
        Some(since) if missing.is_empty() && before_first => {
            ItemState::good_for(since, so_far.protocol.instruments.baseline_valid_days, now)
        }
        Some(since) if missing.is_empty() => ItemState::Done { since, until: None },
        _ => ItemState::open(format!("not answered: {}", missing.join(", "))),
    }
}

/// Good for the course: from dose to dose, until so long a gap that the patient is looked at anew.
fn screening_state(so_far: Enrolled<'_>, now: Instant) -> ItemState {
    let Some(screening) = so_far.course.screenings.last() else {
        return ItemState::open("no clinician has signed a screening");
    };
    if !screening.cleared {
        return ItemState::open("the clinician who looked has not cleared treatment at home");
    }
    let gap = Duration::days(so_far.protocol.course.relapse_gap_days);
    let doses = so_far.doses.iter().copied();
    let since = doses.filter(|dose| *dose > screening.signed_at && *dose <= now);
    let mut until = screening.signed_at + gap;
    for dose in since {
        if dose >= until {
            break;
        }
        until = dose + gap;
    }
    if now < until {
        ItemState::Done {
            since: screening.signed_at,
            until: Some(until),
        }
    } else {
        ItemState::Expired { since: until }
    }
}

fn package_state(ledger: &[LedgerEntry]) -> ItemState {
    // A package, or a later count that says how it came and where it stands.
    let said =
        |entry: &&LedgerEntry| matches!(entry.kind, LedgerKind::Received { .. }) || entry.storage.is_some();
    let kept = ledger.iter().any(LedgerEntry::starts);
    let Some(package) = ledger.iter().rfind(said).filter(|_| kept) else {
        return ItemState::open("no package was counted in");
    };
    match package.storage {
        None => ItemState::open("say whether the last package came sealed and stands in a locked place"),
        Some(storage) if !storage.sealed => {
            ItemState::open("the last package did not come sealed; the clinic decides")
        }
        Some(storage) if !storage.locked => {
            ItemState::open("the last package does not stand in a locked place")
        }
        Some(_) => ItemState::Done {
            since: package.received_at,
            until: None,
        },
    }
}
