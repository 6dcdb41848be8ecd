//! Reminders, preparation steps, check-ins and release (PROTOCOL 4.3).

use std::collections::BTreeMap;

use chrono::NaiveTime;
use serde::{Deserialize, Serialize};

use crate::case::Level;
use crate::duty::OwedBy;
use crate::ladder::Ladder;

/// Reminders, preparation steps and check-ins (PROTOCOL 4.3).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Timetable {
    /// R1: the session is coming.
    pub heads_up: HeadsUpRule,
    /// C1: is it still on?
    pub confirm_plan: ConfirmPlanRule,
    /// C2: the day's list.
    pub prepare_day: PrepareDayRule,
    /// The end of a session's day when nothing happens.
    pub start: StartRule,
    /// C3: unlocked, and then?
    pub log_dose: LogDoseRule,
    /// C4 to C13.
    pub checks: Vec<CheckRule>,
    /// When a patient is released, and what happens when not.
    pub release: ReleaseRule,
    /// Minutes in which a blood pressure left out of a check-in may follow.
    pub vitals_follow_within_min: i64,
    /// Reminder ladders by name.
    pub ladders: BTreeMap<String, Ladder>,
}

/// R1.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeadsUpRule {
    /// Minutes before the planned time.
    pub before_min: i64,
    /// The reminder ladder.
    pub ladder: String,
}

/// C1.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConfirmPlanRule {
    /// Asked so many minutes before.
    pub asked_before_min: i64,
    /// Without an answer by then, the worklist.
    pub worklist_before_min: i64,
    /// Without an answer by then, the session is held.
    pub hold_before_min: i64,
    /// The items that together are the answer.
    pub items: Vec<String>,
    /// The reminder ladder.
    pub ladder: String,
}

/// C2.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PrepareDayRule {
    /// Due so many minutes before.
    pub due_before_min: i64,
    /// Not done so many minutes after the planned time: asked whether it is still on.
    pub missed_after_min: i64,
    /// The reminder ladder.
    pub ladder: String,
}

/// The end of a session's day when nothing happens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StartRule {
    /// No dose so many minutes after the planned time: a no-show.
    pub no_show_after_min: i64,
    /// The reminder ladder.
    pub ladder: String,
}

/// C3.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogDoseRule {
    /// Both are asked so many minutes after unlocking.
    pub ask_after_min: i64,
    /// A nurse is told so many minutes after unlocking.
    pub missed_after_min: i64,
    /// At this level.
    pub level: Level,
    /// The reminder ladder.
    pub ladder: String,
}

/// When a check is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum CheckDue {
    /// When the hold is over.
    AfterHold,
    /// So many minutes after the dose.
    AfterMinutes(i64),
}

/// Whether a check asks for blood pressure and pulse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum VitalsAsked {
    /// No.
    #[default]
    No,
    /// Yes.
    Yes,
    /// If an earlier reading of this session was over a limit.
    IfOverBefore,
}

/// A question of a check-in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Question {
    /// Its stable key.
    pub key: String,
    /// What the person reads.
    pub text: String,
    /// The answer that is well.
    pub good: bool,
    /// How urgent the other answer is; absent where it is only noted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bad_level: Option<Level>,
    /// Whether the other answer asks for the clinic's own list of side effects, which then says how urgent it is.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub side_effects: bool,
}

/// Something a check-in asks for in the person's own words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WordsAsked {
    /// Its stable key.
    pub key: String,
    /// What the person reads.
    pub text: String,
    /// At most so many characters.
    pub max_chars: usize,
}

/// How a row repeats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Repeats {
    /// Every so many minutes …
    pub every_min: i64,
    /// … up to so many minutes after the dose.
    pub until_min: i64,
}

/// One row of the timetable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CheckRule {
    /// `C4`, `C5`, …
    pub key: String,
    /// What the person reads.
    pub text: String,
    /// Whose it is.
    pub owed_by: OwedBy,
    /// When it is due.
    pub due: CheckDue,
    /// Whether it repeats.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repeats: Option<Repeats>,
    /// Not later than this local time on the day of the dose.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_after_local: Option<NaiveTime>,
    /// It may be answered so many seconds before it is due.
    pub opens_before_s: i64,
    /// It is missed so many seconds after it was due.
    pub grace_s: i64,
    /// The reminder ladder.
    pub ladder: String,
    /// How urgent a single miss is.
    pub miss_level: Level,
    /// How urgent a second miss in a row is.
    pub second_miss_level: Level,
    /// Whether blood pressure and pulse belong to it.
    #[serde(default)]
    pub vitals: VitalsAsked,
    /// Whether all good answers release the patient.
    #[serde(default)]
    pub releases: bool,
    /// Whether it belongs to the time after the release.
    #[serde(default)]
    pub follow_up: bool,
    /// What is asked.
    pub questions: Vec<Question>,
    /// What is asked for in words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub words: Vec<WordsAsked>,
    /// Whether the lozenges that are left are counted with it, where the ledger is kept.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub counts_lozenges: bool,
}

/// Release (PROTOCOL 4.3, C10 and C10b).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReleaseRule {
    /// Not before so many minutes after the dose.
    pub not_before_min: i64,
    /// Not released by then: a nurse is told …
    pub nurse_after_min: i64,
    /// … at this level.
    pub nurse_level: Level,
    /// Not released by then: a clinician acts …
    pub clinician_after_min: i64,
    /// … at this level, and again …
    pub clinician_level: Level,
    /// … every so many minutes until somebody disposes of the session.
    pub again_every_min: i64,
}
