//! The protocol document: everything the clinic knows, as one versioned piece of data.
//!
//! Numbers, texts, ladders and questions live here and nowhere in code. A document is parsed and checked as a whole;
//! a fault names the path inside it. Each session keeps the version it was planned with. [`ProtocolDocument::shipped`]
//! is the one in `protocol/documents/`, a default that a clinic's own clinician confirms.

use serde::{Deserialize, Serialize};

use crate::duty::{Duty, DutyKind};
use crate::ladder::Ladder;

mod alarms;
mod check;
mod checklist;
mod course;
mod enrolment;
mod faults;
mod follow_up;
mod instruments;
mod ledger;
mod licence;
mod maxima;
mod plan;
mod roster;
mod sitter;
mod timetable;
mod training;
mod vitals;
mod words;

pub use alarms::{Advice, CaseRules, LevelRules, RedFlag, WatchRules};
pub use checklist::{Asks, Blocks, Item, ItemPhase, OtherAnswer, PreparationRules};
pub use course::CourseRules;
pub use enrolment::{Channel, EnrolmentAsks, EnrolmentBlocks, EnrolmentItem, EnrolmentRules, ScreeningPoint};
pub use faults::read;
pub use follow_up::FollowUpRules;
pub use instruments::{ChangeRules, InstrumentRules, ListAsks, ListItem, OwnList, Tell};
pub use ledger::LedgerRules;
pub use licence::{LicenceRules, Unlicensed};
pub use plan::{LocalHours, OrderLimits, PlanRules, QuietHours};
pub use roster::{HandOverRules, RosterRules, TestedRules};
pub use sitter::SitterRules;
pub use timetable::{
    CheckDue, CheckRule, ConfirmPlanRule, HeadsUpRule, LogDoseRule, PrepareDayRule, Question, ReleaseRule,
    Repeats, StartRule, Timetable, VitalsAsked, WordsAsked,
};
pub use training::{Training, TrainingOption, TrainingPart, TrainingQuestion};
pub use vitals::{
    DuringLimits, InputSanity, PatientRanges, PreDoseLimits, Pressures, PulseLimits, VitalsRules,
};
pub use words::Words;

/// The document this program ships.
const SHIPPED: &str = include_str!("../documents/default-2.json");

/// What is wrong with a document, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("protocol document, at {path}: {message}")]
pub struct DocumentFault {
    /// The path inside the document, such as `timetable.checks[3].grace_s`.
    pub path: String,
    /// What is wrong there.
    pub message: String,
}

impl DocumentFault {
    fn new(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            message: message.into(),
        }
    }
}

/// A range of whole numbers, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Range {
    /// The least.
    pub min: u32,
    /// The most.
    pub max: u32,
}

impl Range {
    /// Whether `value` is inside.
    pub fn contains(self, value: u32) -> bool {
        (self.min..=self.max).contains(&value)
    }
}

/// Everything the clinic knows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProtocolDocument {
    /// The version sessions are pinned to, such as `default-2`.
    pub version: String,
    /// What the document is called.
    pub title: String,
    /// Intervals, hours and windows of sessions.
    pub plan: PlanRules,
    /// The ranges an order must lie in.
    pub order_limits: OrderLimits,
    /// The preparation checklist.
    pub checklist: Vec<Item>,
    /// What else there is to know of the preparation.
    #[serde(default)]
    pub preparation: PreparationRules,
    /// What a sitter reads and is asked before they sit.
    #[serde(default)]
    pub training: Training,
    /// Reminders, preparation steps and check-ins.
    pub timetable: Timetable,
    /// The sitter's rules.
    pub sitter: SitterRules,
    /// Limits of vital signs.
    pub vitals: VitalsRules,
    /// The "something is wrong" list.
    pub red_flags: Vec<RedFlag>,
    /// How cases escalate, by level.
    pub cases: CaseRules,
    /// How alive the watch must be.
    pub watch: WatchRules,
    /// When patients are not disturbed between sessions.
    pub quiet_hours: QuietHours,
    /// What the lozenge ledger tells the care team.
    #[serde(default)]
    pub ledger: LedgerRules,
    /// Who must be on call for a session, and when a gap is told.
    #[serde(default)]
    pub roster: RosterRules,
    /// Texts for every screen.
    pub words: Words,
    /// How a course of sessions is planned.
    #[serde(default)]
    pub course: CourseRules,
    /// Questionnaires between sessions.
    #[serde(default)]
    pub instruments: InstrumentRules,
    /// What must be settled before a session is planned.
    #[serde(default)]
    pub enrolment: EnrolmentRules,
    /// What is asked between sessions.
    #[serde(default)]
    pub follow_up: FollowUpRules,
    /// What follows when the prescriber has no licence for the patient's state.
    #[serde(default)]
    pub licence: LicenceRules,
}

impl ProtocolDocument {
    /// The document this program ships.
    pub fn shipped() -> Result<Self, DocumentFault> {
        Self::parse(SHIPPED)
    }

    /// The text of the document this program ships.
    pub fn shipped_text() -> &'static str {
        SHIPPED
    }

    /// Reads and checks a document.
    pub fn parse(text: &str) -> Result<Self, DocumentFault> {
        let document = Self::parse_checked_before(text)?;
        document.check().into_iter().next().map_or(Ok(document), Err)
    }

    /// Reads a document that was checked when it was taken. A check that came with a later program keeps no session that is
    /// pinned to it from being watched.
    pub fn parse_checked_before(text: &str) -> Result<Self, DocumentFault> {
        let mut json = serde_json::Deserializer::from_str(text);
        let document: Self = serde_path_to_error::deserialize(&mut json)
            .map_err(|error| DocumentFault::new(error.path().to_string(), error.inner().to_string()))?;
        json.end()
            .map_err(|error| DocumentFault::new("", error.to_string()))?;
        Ok(document)
    }

    /// The item with this key.
    pub fn item(&self, key: &str) -> Option<&Item> {
        self.checklist.iter().find(|item| item.key == key)
    }

    /// The row of the timetable with this key.
    pub fn check_rule(&self, key: &str) -> Option<&CheckRule> {
        self.timetable.checks.iter().find(|rule| rule.key == key)
    }

    /// Whether a duty is part of the time between dose and release.
    pub fn is_in_session(&self, duty: &Duty) -> bool {
        match &duty.kind {
            DutyKind::CheckIn { rule, .. } => self.check_rule(rule).is_none_or(|rule| !rule.follow_up),
            DutyKind::SendVitals { .. } | DutyKind::RecheckVitals { .. } | DutyKind::Release => true,
            _ => false,
        }
    }

    /// Whether a duty is a check of the evening or the days after.
    pub fn is_follow_up(&self, duty: &Duty) -> bool {
        matches!(duty.kind, DutyKind::CheckIn { .. }) && !self.is_in_session(duty)
    }

    /// The red flag with this key.
    pub fn red_flag(&self, key: &str) -> Option<&RedFlag> {
        self.red_flags.iter().find(|flag| flag.key == key)
    }

    /// The reminder ladder with this name; empty if there is none, which [`Self::parse`] rules out.
    pub fn ladder(&self, name: &str) -> Ladder {
        self.timetable.ladders.get(name).cloned().unwrap_or_default()
    }
}
