//! The protocol document: everything the clinic knows, as one versioned piece of data.
//!
//! Numbers, texts, ladders and questions live here and nowhere in code. A document is parsed and checked as a whole;
//! a fault names the path inside it. Each session keeps the version it was planned with. [`ProtocolDocument::shipped`]
//! is the one in `protocol/documents/`, a default that a clinic's own clinician confirms.

use std::collections::BTreeMap;

use chrono::NaiveTime;
use serde::{Deserialize, Serialize};

use crate::case::Level;
use crate::checklist::Actor;
use crate::duty::{Duty, DutyKind, OwedBy};
use crate::ladder::Ladder;

mod check;

/// The document this program ships.
const SHIPPED: &str = include_str!("../documents/default-1.json");

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
    /// The version sessions are pinned to, such as `default-1`.
    pub version: String,
    /// What the document is called.
    pub title: String,
    /// Intervals, hours and windows of sessions.
    pub plan: PlanRules,
    /// The ranges an order must lie in.
    pub order_limits: OrderLimits,
    /// The preparation checklist.
    pub checklist: Vec<Item>,
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
    /// Texts for every screen.
    pub words: Words,
}

/// Intervals, hours and windows (PROTOCOL 4.1).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlanRules {
    /// Least hours from one dose to the next.
    pub min_interval_hours: i64,
    /// Most doses in seven days.
    pub max_doses_rolling_7d: usize,
    /// Local hours within which a dose may be planned.
    pub dosing_hours_local: LocalHours,
    /// Preparation opens so many minutes before the planned time.
    pub prep_opens_before_min: i64,
    /// The dose may be unlocked so many minutes before the planned time …
    pub unlock_before_min: i64,
    /// … and so many after it.
    pub unlock_after_min: i64,
    /// An unlocked screen locks again after so many minutes.
    pub unlocked_for_min: i64,
    /// How far back a dose may be reported, hours; earlier claims are bounded and kept.
    pub dose_report_back_h: i64,
    /// A second report of a dose within so many minutes is taken for the same dose.
    pub same_dose_within_min: i64,
}

/// Local hours of a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LocalHours {
    /// From.
    pub from: NaiveTime,
    /// To, included.
    pub to: NaiveTime,
}

/// The ranges of an order (PROTOCOL 4.1 `order_check`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OrderLimits {
    /// Lozenges for one session.
    pub lozenge_count: Range,
    /// Milligrams of one lozenge.
    pub strength_mg: Range,
    /// Milligrams of one session.
    pub total_mg_max: u32,
    /// Minutes under the tongue.
    pub hold_minutes: Range,
    /// Refills.
    pub refills_left: Range,
    /// Months an order is good for.
    pub valid_months: u32,
    /// A change of the total by this factor needs a second signature.
    pub second_signature_factor: f64,
}

/// When an item may be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ItemPhase {
    /// The day before.
    DayBefore,
    /// The day of the session.
    Day,
    /// The last hour.
    LastHour,
    /// The last quarter of an hour.
    LastQuarter,
}

impl ItemPhase {
    /// The phase's name in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::DayBefore => "day_before",
            Self::Day => "day",
            Self::LastHour => "last_hour",
            Self::LastQuarter => "last_quarter",
        }
    }
}

/// Whether an open item keeps the dose locked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Blocks {
    /// Always.
    Always,
    /// In the first session.
    FirstSession,
    /// Where the order says spit.
    WhenSpit,
    /// Never.
    Never,
}

/// What an answer that is not the good one does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OtherAnswer {
    /// The item stays open.
    StaysOpen,
    /// The session is held for a clinician, who is told.
    Hold,
    /// The session is cancelled, without penalty.
    Cancel,
    /// The care team is told to act now, and the session is held.
    ActNow,
}

/// What kind of answer an item takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Asks {
    /// Yes or no.
    YesNo {
        /// The answer that satisfies.
        good: bool,
        /// What the other one does.
        other: OtherAnswer,
    },
    /// A moment that must lie at least so long before the dose.
    Time {
        /// Minutes before the dose.
        at_least_before_min: i64,
    },
    /// A short text.
    Text {
        /// Most characters.
        max_chars: usize,
    },
    /// One of some choices, all of which satisfy.
    Choice {
        /// Their keys.
        options: Vec<String>,
    },
    /// The order, chosen from options.
    Readback,
    /// A blood-pressure and pulse reading within limits; satisfied by readings, not by answers.
    Vitals,
    /// "I am here", with the code on the patient's phone; satisfied by the sitter's state.
    Presence,
}

impl Asks {
    /// The kind's name in JSON: the `type` of an answer to it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::YesNo { .. } => "yes_no",
            Self::Time { .. } => "time",
            Self::Text { .. } => "text",
            Self::Choice { .. } => "choice",
            Self::Readback => "readback",
            Self::Vitals => "vitals",
            Self::Presence => "presence",
        }
    }
}

/// One item of the checklist.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Item {
    /// Its stable key.
    pub key: String,
    /// What the person reads.
    pub text: String,
    /// When it opens.
    pub phase: ItemPhase,
    /// Whose it is; with several, each answers for themselves.
    pub actors: Vec<Actor>,
    /// Any one of the actors is enough.
    #[serde(default)]
    pub any_actor: bool,
    /// What it asks.
    pub asks: Asks,
    /// Whether it keeps the dose locked.
    pub blocks: Blocks,
    /// An answer older than so many minutes is open again; absent for the whole session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_for_min: Option<i64>,
}

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
    /// C4 to C11.
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

/// The sitter's rules (PROTOCOL 4.2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SitterRules {
    /// "I am here" counts from so many minutes before the planned time; how long it is good for is the item's own.
    pub presence_opens_before_min: i64,
    /// So many wrong codes in a row …
    pub wrong_codes_max: u32,
    /// … block the code for so many minutes.
    pub code_block_min: i64,
    /// An invitation should be answered within so many minutes …
    pub answer_within_min: i64,
    /// … and its link is good until so many minutes after the planned time.
    pub link_good_after_min: i64,
    /// The sitter stays so many minutes after the dose …
    pub stays_after_dose_min: i64,
    /// … and so many after that of a first session.
    pub stays_after_first_dose_min: i64,
    /// The reminder ladder of the invitation.
    pub ladder: String,
}

/// Limits of vital signs (PROTOCOL 4.4).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VitalsRules {
    /// What a cuff can show at all.
    pub input_sanity: InputSanity,
    /// Before the dose.
    pub pre_dose: PreDoseLimits,
    /// In the session.
    pub during: DuringLimits,
}

/// What a cuff can show at all; outside, it is asked again and nobody is alarmed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InputSanity {
    /// Systolic, mmHg.
    pub sbp: Range,
    /// Diastolic, mmHg.
    pub dbp: Range,
    /// Pulse, beats a minute.
    pub hr: Range,
    /// Oxygen, percent.
    pub spo2: Range,
    /// Systolic is more than diastolic by at least this.
    pub sbp_over_dbp_by: u32,
}

/// Before the dose: over a limit the dose stays locked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PreDoseLimits {
    /// Systolic at most, mmHg.
    pub sbp_max: u32,
    /// Diastolic at most, mmHg.
    pub dbp_max: u32,
    /// Pulse at most.
    pub hr_max: u32,
    /// Pulse at least.
    pub hr_min: u32,
    /// Systolic at least, mmHg.
    pub sbp_min: u32,
    /// So many tries over a limit hold the session.
    pub tries: u32,
    /// Minutes between tries.
    pub retry_after_min: i64,
    /// At this level the care team is told of the hold.
    pub hold_level: Level,
}

/// A pair of pressures, mmHg.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pressures {
    /// Systolic.
    pub sbp: u32,
    /// Diastolic.
    pub dbp: u32,
}

/// Pulse limits, beats a minute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PulseLimits {
    /// Over this.
    pub hr_over: u32,
    /// Under this.
    pub hr_under: u32,
}

/// In the session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DuringLimits {
    /// Oxygen below this is P1.
    pub spo2_p1_below: u32,
    /// At or over: measure again.
    pub recheck: Pressures,
    /// … after so many minutes …
    pub recheck_after_min: i64,
    /// … and missed so many minutes later.
    pub recheck_grace_min: i64,
    /// The reminder ladder of a reading that is asked for.
    pub ladder: String,
    /// At or over after measuring again, or at once with a symptom: P1.
    pub p1_confirmed: Pressures,
    /// At or over once: P1.
    pub p1_single: Pressures,
    /// Pulse: P2.
    pub p2: PulseLimits,
    /// Risen by so much since before the dose: P3.
    pub p3_rise: Pressures,
}

/// What the screen says at once when a red flag is pressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Advice {
    /// Call the emergency number now.
    Emergency,
    /// Call the emergency number or the suicide line now.
    EmergencyOrCrisis,
    /// Call the emergency number if drowsy.
    EmergencyIfDrowsy,
}

/// A line of the "something is wrong" list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RedFlag {
    /// Its stable key.
    pub key: String,
    /// What the person reads.
    pub text: String,
    /// How urgent.
    pub level: Level,
    /// What the screen says.
    pub advice: Advice,
}

/// Times of one level (PROTOCOL 4.5).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LevelRules {
    /// Minutes within which the case should be taken; what the mail's "by" says.
    pub ack_within_min: i64,
    /// Minutes from taking to contact.
    pub contacted_within_min: i64,
    /// Minutes from taking to an outcome.
    pub outcome_within_min: i64,
    /// Who is told until somebody takes it.
    pub ladder: Ladder,
}

/// How cases escalate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CaseRules {
    /// Act now (ladder A from +4 min, ladder C).
    pub p1: LevelRules,
    /// In a running session.
    pub p2_in_session: LevelRules,
    /// This hour.
    pub p2: LevelRules,
    /// Today, the worklist.
    pub p3: LevelRules,
}

impl CaseRules {
    /// The rules of a level.
    pub fn of(&self, level: Level, in_session: bool) -> &LevelRules {
        match (level, in_session) {
            (Level::P1, _) => &self.p1,
            (Level::P2, true) => &self.p2_in_session,
            (Level::P2, false) => &self.p2,
            (Level::P3 | Level::Info, _) => &self.p3,
        }
    }
}

/// How alive the watch must be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WatchRules {
    /// The dose is not unlocked when the worker's last verified cycle is older, seconds.
    pub alive_within_s: i64,
}

/// When patients are not disturbed between sessions, local time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QuietHours {
    /// From, in the evening.
    pub from: NaiveTime,
    /// To, in the morning.
    pub to: NaiveTime,
}

/// Texts for every screen (PROTOCOL 4.8).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Words {
    /// On every page.
    pub not_watched: String,
    /// With an emergency red flag.
    pub emergency: String,
    /// With thoughts of suicide.
    pub crisis: String,
    /// To a patient who asks for help for themselves.
    pub patient_emergency: String,
    /// With what is an emergency only if the patient is drowsy.
    pub emergency_if_drowsy: String,
    /// The number to call, such as `911`.
    pub emergency_number: String,
    /// The number for thoughts of suicide, such as `988`.
    pub crisis_number: String,
    /// What the sitter does while waiting.
    pub recovery_position: String,
    /// What is expected and no alarm.
    pub expected_effects: String,
}

impl Words {
    /// What the screen says with some advice.
    pub fn of_advice(&self, advice: Advice) -> &str {
        match advice {
            Advice::Emergency => &self.emergency,
            Advice::EmergencyOrCrisis => &self.crisis,
            Advice::EmergencyIfDrowsy => &self.emergency_if_drowsy,
        }
    }
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
        let mut json = serde_json::Deserializer::from_str(text);
        let document: Self = serde_path_to_error::deserialize(&mut json)
            .map_err(|error| DocumentFault::new(error.path().to_string(), error.inner().to_string()))?;
        json.end()
            .map_err(|error| DocumentFault::new("", error.to_string()))?;
        document.check()?;
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

    /// The red flag with this key.
    pub fn red_flag(&self, key: &str) -> Option<&RedFlag> {
        self.red_flags.iter().find(|flag| flag.key == key)
    }

    /// The reminder ladder with this name; empty if there is none, which [`Self::parse`] rules out.
    pub fn ladder(&self, name: &str) -> Ladder {
        self.timetable.ladders.get(name).cloned().unwrap_or_default()
    }
}
