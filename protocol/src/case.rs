//! Cases: what the care team must take. One is open per session (between sessions one per patient); signals join it.

use serde::{Deserialize, Serialize};

use crate::id::{CaseId, CheckInId, DutyId, GapId, NoticeId, PersonId, ReadingId, ScoreId, SessionId};
use crate::instruments::{Answers, InstrumentKey};
use crate::people::Caller;
use crate::time::Instant;

/// How urgent a case is. `P1` is the most urgent; the order of the variants is from least to most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Level {
    /// For the daily digest.
    #[serde(rename = "info")]
    Info,
    /// Today, on the worklist.
    P3,
    /// In a session now, else this hour.
    P2,
    /// Act now.
    P1,
}

impl Level {
    /// `P1`, `P2`, `P3` or `info`.
    pub fn name(self) -> &'static str {
        match self {
            Self::P1 => "P1",
            Self::P2 => "P2",
            Self::P3 => "P3",
            Self::Info => "info",
        }
    }
}

/// Why a case was opened or raised, or what joined it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "cause", rename_all = "snake_case")]
pub enum Cause {
    /// A check-in was missed.
    MissedCheckIn {
        /// The duty.
        duty: DutyId,
        /// The row of the timetable.
        rule: String,
        /// How many in a row, this one included.
        in_a_row: u32,
    },
    /// What a person owes after sessions was missed again.
    LateTwice {
        /// The last duty.
        duty: DutyId,
        /// What was owed: the row of the timetable, or a questionnaire.
        owed: String,
        /// How many in a row.
        in_a_row: u32,
    },
    /// An answer to a check-in was not good.
    BadAnswer {
        /// The answer.
        check_in: CheckInId,
        /// The keys of the questions with a bad answer.
        questions: Vec<String>,
    },
    /// A red flag was pressed.
    RedFlag {
        /// Its key in the protocol.
        flag: String,
    },
    /// Somebody asked for help without saying what it is.
    Help,
    /// A dose outside a ready session.
    UnplannedDose {
        /// The codes of the reasons for which it was not open.
        reasons: Vec<String>,
    },
    /// The dose was taken by an order that is no longer the signed one.
    OutdatedOrder {
        /// The version that was shown, if the phone said.
        shown: Option<u32>,
        /// The version that is signed.
        signed: Option<u32>,
    },
    /// The sitter must leave, or has left.
    SitterLeft,
    /// The sitter withdrew, or was removed, while the session runs.
    SitterGone,
    /// A reading over a limit.
    Vitals {
        /// The reading.
        reading: ReadingId,
        /// Names of the limits, such as `sbp`.
        over: Vec<String>,
    },
    /// A blood pressure that was asked for did not come.
    VitalsMissing {
        /// The duty.
        duty: DutyId,
    },
    /// The patient is not released long after the dose.
    NotReleased {
        /// Minutes since the dose.
        after_minutes: i64,
    },
    /// The screen was unlocked and no dose was logged.
    TakenAndNotLogged,
    /// No worker was watching for a while: somebody should call.
    WatchDown {
        /// The stretch.
        gap: GapId,
        /// From when.
        from: Instant,
        /// To when.
        to: Instant,
    },
    /// An answer in the preparation that the clinic wants to hear of at once.
    UnsafeAnswer {
        /// The checklist item.
        item: String,
    },
    /// The patient is at another address today than the one the clinic has.
    AddressChanged,
    /// The patient wrote something that is for the clinic only.
    PrivateWord {
        /// The checklist item.
        item: String,
    },
    /// A reminder step ended without an answer: nobody said the session is on, nobody accepted the invitation.
    NoAnswer {
        /// The duty.
        duty: DutyId,
        /// What was owed.
        owed: String,
    },
    /// The patient is in another time zone now: sessions keep their local time.
    ZoneChanged {
        /// Sessions that stayed as they were, because their preparation has begun.
        left: Vec<SessionId>,
        /// Sessions that are too near to another session or dose now.
        too_near: Vec<SessionId>,
        /// Sessions for whose new time somebody is missing on call.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        unstaffed: Vec<SessionId>,
    },
    /// The patient took back a consent: their planned sessions do not open.
    ConsentWithdrawn {
        /// The key of the text.
        text: String,
    },
    /// A session is being prepared, and a clinician's review must be recorded before its dose.
    ReviewDue,
    /// A session is being prepared that falls into a hold of the course.
    CourseHeld,
    /// A sitter's tap came from the patient's own device.
    SitterOnPatientsDevice,
    /// An answer to a missed check-in arrived. Joins; never opens, raises or closes.
    LateAnswer {
        /// The duty.
        duty: DutyId,
        /// When it was answered, by the device.
        observed_at: Instant,
        /// Whether all was well.
        all_well: bool,
    },
    /// A count of the lozenges that differs from the ledger.
    CountDiffers {
        /// What the ledger says.
        expected: i64,
        /// What was counted.
        counted: u32,
    },
    /// Lozenges are lost or stolen.
    LozengesLost {
        /// How many.
        count: u32,
    },
    /// PHQ-9 item 9, thoughts of death and self-harm, was not 0.
    Item9 {
        /// The PHQ-9.
        score: ScoreId,
        /// The answer, 1 to 3.
        answer: u32,
        /// The answer that a clinician reviewed last.
        baseline: Option<u32>,
    },
    /// The safety questions were answered.
    SafetyAnswer {
        /// The answers.
        score: ScoreId,
        /// The questions with a yes; none joins an open case and opens none.
        questions: Vec<String>,
    },
    /// An answer on one of the clinic's own lists that it wants to hear of.
    ListAnswer {
        /// The answers.
        score: ScoreId,
        /// Which list.
        list: InstrumentKey,
        /// The items.
        items: Vec<String>,
    },
    /// A questionnaire could not be taken, and something in it calls for a person.
    UnkeptAnswer {
        /// Which.
        instrument: InstrumentKey,
        /// The answers that call for one, by item.
        answers: Answers,
    },
    /// A message to a contact cannot be delivered.
    Undeliverable {
        /// The message.
        notice: NoticeId,
        /// Whom it was for.
        contact: PersonId,
    },
}

impl Cause {
    /// Whether this is only worth telling whoever has the case already: it opens none and starts no round.
    pub fn only_joins(&self) -> bool {
        match self {
            Self::LateAnswer { .. } => true,
            Self::SafetyAnswer { questions, .. } => questions.is_empty(),
            _ => false,
        }
    }

    /// Whether who has the case already hears of it again, whatever its level.
    pub fn is_told_again(&self) -> bool {
        matches!(self, Self::LateTwice { .. })
    }

    /// The cause's name in documents and mails.
    pub fn name(&self) -> &'static str {
        match self {
            Self::MissedCheckIn { .. } => "missed_check_in",
            Self::LateTwice { .. } => "late_twice",
            Self::BadAnswer { .. } => "bad_answer",
            Self::RedFlag { .. } => "red_flag",
            Self::Help => "help",
            Self::UnplannedDose { .. } => "unplanned_dose",
            Self::OutdatedOrder { .. } => "outdated_order",
            Self::SitterLeft => "sitter_left",
            Self::SitterGone => "sitter_gone",
            Self::Vitals { .. } => "vitals",
            Self::VitalsMissing { .. } => "vitals_missing",
            Self::NotReleased { .. } => "not_released",
            Self::TakenAndNotLogged => "taken_and_not_logged",
            Self::WatchDown { .. } => "watch_down",
            Self::UnsafeAnswer { .. } => "unsafe_answer",
            Self::AddressChanged => "address_changed",
            Self::PrivateWord { .. } => "private_word",
            Self::NoAnswer { .. } => "no_answer",
            Self::ZoneChanged { .. } => "zone_changed",
            Self::ConsentWithdrawn { .. } => "consent_withdrawn",
            Self::ReviewDue => "review_due",
            Self::CourseHeld => "course_held",
            Self::SitterOnPatientsDevice => "sitter_on_patients_device",
            Self::LateAnswer { .. } => "late_answer",
            Self::CountDiffers { .. } => "count_differs",
            Self::LozengesLost { .. } => "lozenges_lost",
            Self::Item9 { .. } => "item9",
            Self::SafetyAnswer { .. } => "safety_answer",
            Self::ListAnswer { .. } => "list_answer",
            Self::UnkeptAnswer { .. } => "unkept_answer",
            Self::Undeliverable { .. } => "undeliverable",
        }
    }
}

/// One thing that happened and concerns a case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signal {
    /// When the server heard of it.
    pub at: Instant,
    /// What happened.
    #[serde(flatten)]
    pub what: Cause,
    /// How urgent it is by itself.
    pub level: Level,
    /// Who reported it; the program itself for what the worker found.
    pub by: Caller,
    /// What the reporter typed, if anything. Shown on the case's page only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

impl Signal {
    /// Whether it says what a patient answered, which is for nurses and prescribers. What a sitter saw is for whoever has the
    /// case.
    pub fn tells_answers(&self) -> bool {
        match self.what {
            Cause::BadAnswer { .. } => matches!(self.by, Caller::Patient { .. }),
            Cause::UnsafeAnswer { .. }
            | Cause::Item9 { .. }
            | Cause::SafetyAnswer { .. }
            | Cause::ListAnswer { .. }
            | Cause::UnkeptAnswer { .. } => true,
            _ => false,
        }
    }
}

/// How a case ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Spoke to patient or sitter; all is well.
    ReachedWell,
    /// Spoke to patient or sitter; further care was arranged.
    ReachedCareArranged,
    /// Emergency services were called.
    EmergencyServices,
    /// Nobody could be reached; the note says what was done.
    NotReached,
    /// It was not what it looked like.
    FalseAlarm,
}

impl Outcome {
    /// Every outcome, in the order pages list them.
    pub const ALL: [Self; 5] = [
        Self::ReachedWell,
        Self::ReachedCareArranged,
        Self::EmergencyServices,
        Self::NotReached,
        Self::FalseAlarm,
    ];

    /// The outcome's name in JSON and forms.
    pub fn name(self) -> &'static str {
        match self {
            Self::ReachedWell => "reached_well",
            Self::ReachedCareArranged => "reached_care_arranged",
            Self::EmergencyServices => "emergency_services",
            Self::NotReached => "not_reached",
            Self::FalseAlarm => "false_alarm",
        }
    }
}

/// Somebody's hand on a case, and since when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Taken {
    /// Who.
    pub by: PersonId,
    /// Their name, for the second nurse and the others who were told.
    pub by_name: String,
    /// When.
    pub at: Instant,
    /// The last offer of it to somebody else, as it stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offer: Option<Offer>,
}

impl Taken {
    /// The offer that waits for an answer.
    pub fn open_offer(&self) -> Option<&Offer> {
        self.offer.as_ref().filter(|offer| offer.ended.is_none())
    }
}

/// Somebody who has a case offers it to somebody else. Until it is accepted, the case stays where it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    /// To whom.
    pub to: PersonId,
    /// Their name.
    pub to_name: String,
    /// Whether the roster offered it, because the shift of whoever has the case is over.
    pub at_shift_change: bool,
    /// When.
    pub at: Instant,
    /// By when it is to be accepted.
    pub until: Instant,
    /// How it ended, if it was not accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<OfferEnd>,
}

/// How an offer ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OfferEnd {
    /// The next person has the case.
    Accepted,
    /// They said no.
    Declined,
    /// Whoever has the case keeps it after all.
    Withdrawn,
    /// Nobody answered in time.
    RanOut,
}

impl OfferEnd {
    /// Its name in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Declined => "declined",
            Self::Withdrawn => "withdrawn",
            Self::RanOut => "ran_out",
        }
    }
}

/// How a case stands. Every state short of `Resolved` has an open duty, so nothing acknowledged can be forgotten.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum CaseState {
    /// Nobody has it.
    Open,
    /// Somebody said "I am calling".
    Acknowledged {
        /// Who and when.
        taken: Taken,
    },
    /// Patient or sitter was reached.
    Contacted {
        /// Who took it and when.
        taken: Taken,
        /// When they were reached.
        at: Instant,
    },
    /// Over.
    Resolved {
        /// Who closed it.
        by: PersonId,
        /// When.
        at: Instant,
        /// How it ended.
        outcome: Outcome,
        /// In words, for the chart.
        note: String,
    },
}

impl CaseState {
    /// The state's name in the database.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Acknowledged { .. } => "acknowledged",
            Self::Contacted { .. } => "contacted",
            Self::Resolved { .. } => "resolved",
        }
    }

    /// Who has it now.
    pub fn taken(&self) -> Option<&Taken> {
        match self {
            Self::Acknowledged { taken } | Self::Contacted { taken, .. } => Some(taken),
            Self::Open | Self::Resolved { .. } => None,
        }
    }
}

/// What the care team must take.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Case {
    /// The case.
    pub id: CaseId,
    /// What people call it, such as `7F3K`; unique within the clinic.
    pub code: String,
    /// How urgent; rises, never falls.
    pub level: Level,
    /// How it stands.
    #[serde(flatten)]
    pub state: CaseState,
    /// Counts up with every new P1 signal on a taken case, every give-back, every acknowledgement that ran out.
    pub round: u32,
    /// When it was opened.
    pub opened_at: Instant,
    /// Whether its ladder is the one for a running session.
    pub in_session: bool,
    /// What it is about, in order of arrival.
    pub signals: Vec<Signal>,
    /// Everyone who was mailed about it, in order; they hear when it is taken and when it is over.
    pub told: Vec<PersonId>,
    /// The last round in which a rung was found empty and whoever keeps the on-call list was told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nobody_in_round: Option<u32>,
}

impl Case {
    /// Whether somebody still has to act.
    pub fn is_open(&self) -> bool {
        !matches!(self.state, CaseState::Resolved { .. })
    }
}
