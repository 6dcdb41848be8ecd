//! Who must be on call for a session, and when a gap of the roster is told (PROTOCOL 4.1, 4.5; FEATURES 53-55).

use serde::{Deserialize, Serialize};

use super::check::Found;

/// Who must be on call for a session, and when a gap of the roster is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RosterRules {
    /// A nurse and a backup are on call from so many minutes before the dose …
    pub staffed_from_before_min: i64,
    /// … until so many after it.
    pub staffed_until_after_min: i64,
    /// Somebody for urgent cases is on call until so many minutes after the dose.
    pub urgent_until_after_min: i64,
    /// Gaps are looked for so many days ahead.
    pub look_ahead_days: u32,
    /// A gap is told so many hours before it begins, the farthest first.
    pub gap_told_before_h: Vec<u32>,
    /// Hand-over of open cases.
    #[serde(default)]
    pub hand_over: HandOverRules,
    /// Whether who is on call must have shown that mail reaches them; nobody is asked, if it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tested: Option<TestedRules>,
}

/// Test messages to who is on call (PROTOCOL 4.1 `on_call_tested`, FEATURES 76). No dose opens unless nurse and backup were
/// reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TestedRules {
    /// An answer counts from so many minutes before the turn begins.
    pub before_turn_min: i64,
    /// An answer counts for so many hours.
    pub good_for_h: i64,
    /// Asked again so many hours after the last answer or question, before the last answer grows old.
    pub again_after_h: i64,
    /// Who keeps the list is told of a test without an answer after so many minutes.
    pub answer_within_min: i64,
}

/// Hand-over of open cases (PROTOCOL 4.5, "Shift change").
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HandOverRules {
    /// An offer is accepted within so many minutes; then the case stays where it is.
    pub accept_within_min: i64,
    /// Whether the roster offers a case to the next on duty when the shift of whoever has it is over.
    pub at_shift_change: bool,
}

impl Default for HandOverRules {
    /// A document without this: people hand over, the roster does not.
    fn default() -> Self {
        Self {
            accept_within_min: 15,
            at_shift_change: false,
        }
    }
}

impl Default for RosterRules {
    /// The numbers of PROTOCOL 4.1 `on_call_required` and FEATURES 55.
    fn default() -> Self {
        Self {
            staffed_from_before_min: 60,
            staffed_until_after_min: 6 * 60,
            urgent_until_after_min: 24 * 60,
            look_ahead_days: 14,
            gap_told_before_h: vec![7 * 24, 24],
            hand_over: HandOverRules::default(),
            tested: None,
        }
    }
}

impl RosterRules {
    /// The most days ahead; a rota is hardly known any farther.
    const AHEAD_MAX_DAYS: u32 = 92;

    /// The most hours that an answer to a test message counts: a month.
    const TESTED_MAX_H: i64 = 31 * 24;

    /// The most minutes that an offer of a case waits; a shift is hardly longer.
    const ACCEPT_MAX_MIN: i64 = 12 * 60;

    /// The most minutes around a dose.
    const AROUND_MAX_MIN: i64 = 7 * 24 * 60;

    pub(super) fn check(&self, found: &mut Found) {
        let mut fault = |field: &str, message: String| found.at(format!("roster.{field}"), message);
        let most = Self::AROUND_MAX_MIN;
        for (field, value, least) in [
            ("staffed_from_before_min", self.staffed_from_before_min, 0),
            ("staffed_until_after_min", self.staffed_until_after_min, 1),
            (
                "urgent_until_after_min",
                self.urgent_until_after_min,
                self.staffed_until_after_min,
            ),
        ] {
            if value < least || value > most {
                fault(field, format!("must be from {least} to {most}"));
            }
        }
        let most = Self::AHEAD_MAX_DAYS;
        if !(1..=most).contains(&self.look_ahead_days) {
            fault("look_ahead_days", format!("must be from 1 to {most}"));
            return;
        }
        if self.gap_told_before_h.is_empty() {
            fault("gap_told_before_h", "must not be empty".to_owned());
        }
        let mut farthest = self.look_ahead_days * 24;
        for (index, before_h) in self.gap_told_before_h.iter().enumerate() {
            if !(1..=farthest).contains(before_h) {
                let message = format!(
                    "must be from 1 to {farthest}: not before it is looked for, and nearer each time"
                );
                fault(&format!("gap_told_before_h[{index}]"), message);
                return;
            }
            farthest = before_h - 1;
        }
        if let Some(tested) = &self.tested {
            let most_h = Self::TESTED_MAX_H;
            for (field, value, least, most) in [
                ("before_turn_min", tested.before_turn_min, 0, 24 * 60),
                ("good_for_h", tested.good_for_h, 1, most_h),
                ("again_after_h", tested.again_after_h, 1, tested.good_for_h),
                ("answer_within_min", tested.answer_within_min, 1, 24 * 60),
            ] {
                if !(least..=most).contains(&value) {
                    let message = format!("must be from {least} to {most}");
                    fault(&format!("tested.{field}"), message);
                }
            }
        }
        let most = Self::ACCEPT_MAX_MIN;
        if !(1..=most).contains(&self.hand_over.accept_within_min) {
            fault("hand_over.accept_within_min", format!("must be from 1 to {most}"));
        }
    }
}
