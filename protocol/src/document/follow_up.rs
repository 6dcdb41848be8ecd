//! What a patient is asked between sessions, and when the care team gets what may wait (PROTOCOL 4.3, C14 and C15; 4.5,
//! ladder B and INFO).

use chrono::NaiveTime;
use serde::{Deserialize, Serialize};

use super::check::{Found, check_order};
use super::{EnrolmentAsks, EnrolmentRules, InstrumentRules};
use crate::ladder::{Audience, Ladder, Rung};

/// What a patient is asked between sessions. A document without this section asks for scores after sessions and for nothing
/// else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FollowUpRules {
    /// Whether the scores before a first dose are asked for and reminded of.
    pub baseline: bool,
    /// Whether the monthly list is.
    pub monthly: bool,
    /// The reminders of a questionnaire, by when it is due; as the instruments have them where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reminders: Option<Ladder>,
    /// On the worklist so many minutes after it was due; as the instruments have it where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missed_after_min: Option<i64>,
    /// The item of the enrolment by which a patient allows that their sitter hears of a check that is late; nobody does where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sharing_item: Option<String>,
    /// At this time of the clinic's day the care team gets what is for information only.
    pub digest_at: NaiveTime,
}

impl Default for FollowUpRules {
    fn default() -> Self {
        Self {
            baseline: false,
            monthly: false,
            reminders: None,
            missed_after_min: None,
            sharing_item: None,
            digest_at: NaiveTime::from_hms_opt(8, 0, 0).unwrap_or_default(),
        }
    }
}

impl FollowUpRules {
    /// The reminders of a questionnaire.
    pub fn reminders(&self, rules: &InstrumentRules) -> Ladder {
        self.reminders.clone().unwrap_or_else(|| rules.reminders.clone())
    }

    /// Minutes after which one that is late is on the worklist.
    pub fn missed_after_min(&self, rules: &InstrumentRules) -> i64 {
        let of_instruments = rules.missed_after_days.saturating_mul(24 * 60);
        self.missed_after_min.unwrap_or(of_instruments)
    }

    /// Checks the section; each fault is named by its path.
    pub(super) fn check(&self, enrolment: &EnrolmentRules, found: &mut Found) {
        if let Some(key) = &self.sharing_item {
            let item = enrolment.item(key);
            if !item.is_some_and(|item| matches!(item.asks, EnrolmentAsks::Answer { .. })) {
                found.at(
                    "follow_up.sharing_item",
                    format!("there is no item `{key}` in the enrolment that asks for a yes or a no"),
                );
            }
        }
        if let Some(reminders) = &self.reminders {
            check_order(found, "follow_up.reminders", reminders);
            let to_others = |rung: &Rung| rung.tell.iter().any(|who| *who != Audience::Patient);
            if let Some(index) = reminders.0.iter().position(to_others) {
                found.at(
                    format!("follow_up.reminders[{index}].tell"),
                    "these reminders are for the patient",
                );
            }
        }
        if self
            .missed_after_min
            .is_some_and(|after| !(60..=43_200).contains(&after))
        {
            found.at("follow_up.missed_after_min", "must be from 60 to 43200");
        }
    }
}
