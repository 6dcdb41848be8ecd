//! Duties: something one person owes by a time.
//!
//! Everything time-driven is one: confirm the plan, finish the day's list, answer the T+15 check, take case 7F3K, ring
//! the patient. The worker looks at a duty when its `wake_at` comes; `tick` decides what follows. A duty ends once:
//! met, excused, missed, or unknown because nobody was watching.

use serde::{Deserialize, Serialize};

use crate::id::{CaseId, DutyId, GapId, ReadingId};
use crate::ladder::Ladder;
use crate::time::Instant;

/// Whose duty it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OwedBy {
    /// The patient.
    Patient,
    /// The session's sitter.
    Sitter,
    /// Whoever of the care team is on call.
    OnCall,
}

impl OwedBy {
    /// The name in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Patient => "patient",
            Self::Sitter => "sitter",
            Self::OnCall => "on_call",
        }
    }
}

/// Which traffic a duty or a message belongs to; the smaller is the more urgent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lane {
    /// Mail to the care team about a case.
    Escalation,
    /// Prompts inside a running session.
    Session,
    /// Reminders between sessions.
    Reminder,
    /// What may wait for a daily mail.
    Digest,
}

impl Lane {
    /// Every lane, most urgent first.
    pub const ALL: [Self; 4] = [Self::Escalation, Self::Session, Self::Reminder, Self::Digest];

    /// The name in JSON and in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Escalation => "escalation",
            Self::Session => "session",
            Self::Reminder => "reminder",
            Self::Digest => "digest",
        }
    }

    /// The lane's rank in the database: 0 is the most urgent.
    pub fn rank(self) -> i32 {
        match self {
            Self::Escalation => 0,
            Self::Session => 1,
            Self::Reminder => 2,
            Self::Digest => 3,
        }
    }
}

/// What is owed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum DutyKind {
    /// Nothing is owed: the session is coming (R1). Ends by itself.
    HeadsUp,
    /// Accept or decline the invitation to sit.
    AnswerInvitation,
    /// Say the session is still on (C1).
    ConfirmPlan,
    /// Finish the day's list (C2).
    PrepareDay,
    /// Take the dose or say no: the end of a session's day when nothing happens.
    Start,
    /// Log the dose after the screen was unlocked (C3).
    LogDose,
    /// Answer one check-in of the timetable.
    CheckIn {
        /// The row of the protocol's timetable: `C4` … `C11`, `C10b`.
        rule: String,
        /// Which of a repeated row, from 0.
        ordinal: u32,
    },
    /// Send the blood pressure that an otherwise good check-in left out.
    SendVitals {
        /// The check-in it belongs to.
        for_check: DutyId,
    },
    /// Measure again after a reading over the limit.
    RecheckVitals {
        /// The reading over the limit.
        reading: ReadingId,
    },
    /// Release the patient. Open for as long as a session runs, so every running session has a duty that is awake.
    Release,
    /// Answer PHQ-9 and GAD-7 after a session after which they are asked (C14).
    AnswerScores,
    /// Answer the questionnaires before a first dose (C14).
    AnswerBaseline,
    /// Answer the monthly list (C15).
    AnswerMonthly,
    /// Look every morning at what a patient owes between sessions. Told to nobody.
    FollowCourse,
    /// Take a case.
    TakeCase {
        /// The case.
        case: CaseId,
    },
    /// Reach the patient or sitter after taking a case.
    ContactPatient {
        /// The case.
        case: CaseId,
    },
    /// Say how a case ended.
    RecordOutcome {
        /// The case.
        case: CaseId,
    },
    /// Accept a case that somebody else has and hands over, or say no.
    AcceptHandOver {
        /// The case.
        case: CaseId,
    },
}

impl DutyKind {
    /// The kind's name in the database and in documents.
    pub fn name(&self) -> &'static str {
        match self {
            Self::HeadsUp => "heads_up",
            Self::AnswerInvitation => "answer_invitation",
            Self::ConfirmPlan => "confirm_plan",
            Self::PrepareDay => "prepare_day",
            Self::Start => "start",
            Self::LogDose => "log_dose",
            Self::CheckIn { .. } => "check_in",
            Self::SendVitals { .. } => "send_vitals",
            Self::RecheckVitals { .. } => "recheck_vitals",
            Self::Release => "release",
            Self::AnswerScores => "answer_scores",
            Self::AnswerBaseline => "answer_baseline",
            Self::AnswerMonthly => "answer_monthly",
            Self::FollowCourse => "follow_course",
            Self::TakeCase { .. } => "take_case",
            Self::ContactPatient { .. } => "contact_patient",
            Self::RecordOutcome { .. } => "record_outcome",
            Self::AcceptHandOver { .. } => "accept_hand_over",
        }
    }

    /// Whether it is a questionnaire that a patient answers.
    pub fn is_form(&self) -> bool {
        matches!(
            self,
            Self::AnswerScores | Self::AnswerBaseline | Self::AnswerMonthly
        )
    }

    /// The case a duty of the care team is about.
    pub fn case(&self) -> Option<CaseId> {
        match self {
            Self::TakeCase { case }
            | Self::ContactPatient { case }
            | Self::RecordOutcome { case }
            | Self::AcceptHandOver { case } => Some(*case),
            _ => None,
        }
    }
}

/// How a duty stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum DutyState {
    /// Still owed.
    Open,
    /// Done in time.
    Met {
        /// When it happened, by the device, bounded by the server.
        observed_at: Instant,
        /// When the server heard of it.
        received_at: Instant,
    },
    /// No longer owed.
    Excused {
        /// Why.
        why: Excuse,
        /// Since when.
        at: Instant,
    },
    /// Not done in time. An answer that comes later annotates this and does not change it.
    Missed {
        /// When the server decided so.
        at: Instant,
        /// The late answer, if one came.
        answered: Option<LateAnswer>,
    },
    /// It fell due while no worker was watching: our outage, not the person's miss.
    Unknown {
        /// The stretch without a watch.
        gap: GapId,
        /// When the server noticed.
        at: Instant,
        /// The late answer, if one came.
        answered: Option<LateAnswer>,
    },
}

impl DutyState {
    /// The state's name in the database.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Met { .. } => "met",
            Self::Excused { .. } => "excused",
            Self::Missed { .. } => "missed",
            Self::Unknown { .. } => "unknown",
        }
    }
}

/// Both times of an answer that came after the duty was over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LateAnswer {
    /// When it happened, by the device, bounded by the server.
    pub observed_at: Instant,
    /// When the server heard of it.
    pub received_at: Instant,
}

/// Why a duty is no longer owed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Excuse {
    /// It was information only and its time is over.
    Informed,
    /// The patient was released.
    Released,
    /// The session was cancelled, held, or ended otherwise.
    SessionOver,
    /// The session was moved to another time; what is owed for it was made anew.
    SessionMoved,
    /// The session took another version of the protocol; what is owed for it was made anew.
    ProtocolChanged,
    /// The session moved on without it: the dose was logged.
    DoseLogged,
    /// Its time had passed when the dose was reported; one check now stands for it.
    MergedIntoCheckNow,
    /// The dose time was corrected; the timetable was made anew.
    DoseTimeCorrected,
    /// The sitter who owed it is no longer the sitter.
    SitterChanged,
    /// The hold of the course was lifted; what it kept from being asked is asked anew.
    CourseLifted,
    /// It is asked no more: the course is paused, the patient is in hospital or gone, or the occasion has passed.
    NotFollowed,
    /// The case is over, given back, or entered a new round.
    CaseMovedOn,
}

/// Something one person owes by a time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Duty {
    /// The duty.
    pub id: DutyId,
    /// What is owed.
    #[serde(flatten)]
    pub kind: DutyKind,
    /// By whom.
    pub owed_by: OwedBy,
    /// Which traffic its messages belong to.
    pub lane: Lane,
    /// From when it can be done.
    pub opens_at: Instant,
    /// From when it is shown as asked.
    pub asked_at: Instant,
    /// By when.
    pub due_at: Instant,
    /// When it is missed; `None` for what stays owed until somebody does it.
    pub missed_after: Option<Instant>,
    /// The frozen steps of telling.
    pub ladder: Ladder,
    /// The next rung to tell.
    pub rung: usize,
    /// The case's round, from 1; 1 for everything else.
    pub round: u32,
    /// How often the present rung was told already.
    pub repeat_no: u32,
    /// Look at it again then; `None` once it is over.
    pub wake_at: Option<Instant>,
    /// How it stands.
    pub state: DutyState,
}

/// A duty as a rule asks for it; the rest follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewDuty {
    /// What is owed.
    pub kind: DutyKind,
    /// By whom.
    pub owed_by: OwedBy,
    /// Which traffic its messages belong to.
    pub lane: Lane,
    /// From when it can be done.
    pub opens_at: Instant,
    /// By when.
    pub due_at: Instant,
    /// When it is missed.
    pub missed_after: Option<Instant>,
    /// The steps of telling.
    pub ladder: Ladder,
}

impl Duty {
    /// A duty that opens: asked from when it can be done, nobody told yet.
    pub fn opened(id: DutyId, new: NewDuty) -> Self {
        let mut duty = Self {
            id,
            kind: new.kind,
            owed_by: new.owed_by,
            lane: new.lane,
            opens_at: new.opens_at,
            asked_at: new.opens_at,
            due_at: new.due_at,
            missed_after: new.missed_after,
            ladder: new.ladder,
            rung: 0,
            round: 1,
            repeat_no: 0,
            wake_at: None,
            state: DutyState::Open,
        };
        duty.wake_at = duty.next_wake();
        duty
    }

    /// Whether it is still owed.
    pub fn is_open(&self) -> bool {
        matches!(self.state, DutyState::Open)
    }

    /// When the worker must look again: the next rung or the miss, whichever is first.
    pub fn next_wake(&self) -> Option<Instant> {
        if !self.is_open() {
            return None;
        }
        let rung_at = self.ladder.told_at(self.rung, self.repeat_no, self.due_at);
        match (rung_at, self.missed_after) {
            (Some(rung_at), Some(missed_after)) => Some(rung_at.min(missed_after)),
            (at, None) | (None, at) => at,
        }
    }

    /// Ends the duty.
    pub fn end(&mut self, state: DutyState) {
        self.state = state;
        self.wake_at = None;
    }
}
