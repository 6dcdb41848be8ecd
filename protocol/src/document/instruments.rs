//! When instruments are asked, whom their answers are told to, and the clinic's own lists (PROTOCOL 3, 4.3).
//!
//! A document without this section gets the defaults of PROTOCOL.md. The wording of PHQ-9, GAD-7 and the safety questions
//! is not here: it is their authors', and no clinic edits it.

use serde::{Deserialize, Serialize};

use super::Advice;
use super::check::{Found, check_order};
use crate::case::Level;
use crate::ladder::{Audience, Ladder, Rung};

/// When instruments are asked and what their answers mean.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InstrumentRules {
    /// PHQ-9 and GAD-7 are asked again after so many days at the earliest; both look back two weeks.
    pub ask_again_after_days: i64,
    /// How far back an answer may have been given on a phone without network, days.
    pub report_back_days: i64,
    /// How long an answer is good as the baseline before a first dose, days.
    pub baseline_valid_days: i64,
    /// PHQ-9 and GAD-7 are asked after these doses, counted from 1.
    pub after_sessions: Vec<u32>,
    /// … from so many days after the dose …
    pub opens_after_days: i64,
    /// … and due so many days after it, or before the next session.
    pub due_within_days: i64,
    /// … reminded of by this ladder …
    pub reminders: Ladder,
    /// … and on the worklist when they are so many days late.
    pub missed_after_days: i64,
    /// The monthly list comes every so many days.
    pub monthly_every_days: i64,
    /// PHQ-9 item 9 at or above this is always told at `item9_level`.
    pub item9_always_from: u32,
    /// Item 9 that is high, has risen, or was never reviewed.
    pub item9_level: Level,
    /// Item 9 that is low and no higher than a clinician has seen before.
    pub item9_known_level: Level,
    /// A yes to the safety questions that is not "right now", which is always P1.
    pub safety_positive_level: Level,
    /// A yes that a clinician has seen before.
    pub safety_known_level: Level,
    /// What counts as response, remission and meaningful change of a PHQ-9.
    pub change: ChangeRules,
    /// The clinic's own list of side effects.
    pub side_effects: OwnList,
    /// The clinic's own monthly list.
    pub monthly: OwnList,
}

/// What counts as response, remission and meaningful change of a PHQ-9 (PROTOCOL 3.1, after Hull et al. 2022).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChangeRules {
    /// A fall by this share of the baseline is a response, percent.
    pub response_percent: u32,
    /// A sum below this is remission …
    pub remission_below: u32,
    /// … from a baseline of at least this.
    pub remission_baseline_from: u32,
    /// So many points up or down mean something.
    pub meaningful_points: u32,
}

/// A list in the clinic's own words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OwnList {
    /// What it is called.
    pub title: String,
    /// What stands above the questions.
    pub stem: String,
    /// The questions.
    pub items: Vec<ListItem>,
}

/// One question of an own list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListItem {
    /// Its stable key.
    pub key: String,
    /// What the person reads.
    pub text: String,
    /// What it takes.
    pub asks: ListAsks,
    /// From which answer on the care team hears of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tell: Vec<Tell>,
}

/// What a question of an own list takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ListAsks {
    /// 0 none, 1 mild, 2 bothersome, 3 severe.
    Severity,
    /// Yes (1) or no (0).
    YesNo,
    /// How many times.
    Times,
}

/// From which answer on the care team hears of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tell {
    /// The least answer; yes is 1.
    pub from: u32,
    /// How urgent it is.
    pub level: Level,
    /// A red flag: what the screen says at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub advice: Option<Advice>,
}

impl Default for InstrumentRules {
    fn default() -> Self {
        Self {
            ask_again_after_days: 7,
            report_back_days: 7,
            baseline_valid_days: 14,
            after_sessions: vec![2, 4, 6],
            opens_after_days: 1,
            due_within_days: 7,
            reminders: default_reminders(),
            missed_after_days: 1,
            monthly_every_days: 30,
            item9_always_from: 2,
            item9_level: Level::P2,
            item9_known_level: Level::P3,
            safety_positive_level: Level::P2,
            safety_known_level: Level::P3,
            change: ChangeRules {
                response_percent: 50,
                remission_below: 5,
                remission_baseline_from: 10,
                meaningful_points: 5,
            },
            side_effects: default_side_effects(),
            monthly: default_monthly(),
        }
    }
}

/// When they open, two days before they are due, and then (PROTOCOL 4.3: "reminder").
fn default_reminders() -> Ladder {
    let rung = |days: i64| Rung {
        after_due_s: days * 24 * 3600,
        tell: vec![Audience::Patient],
        repeat_every_s: None,
    };
    Ladder(vec![rung(-6), rung(-2), rung(0)])
}

fn default_side_effects() -> OwnList {
    OwnList {
        title: "Side effects".to_owned(),
        stem: "How much has each of these bothered you since the last session?".to_owned(),
        items: vec![
            severity("nausea", "Nausea"),
            item("vomiting", "Vomiting: how many times?", ListAsks::Times, &[]),
            severity("dizzy", "Dizzy or unsteady"),
            severity("headache", "Headache"),
            severity("vision", "Double or blurred vision"),
            severity("sleepy", "Very sleepy"),
            severity("confused", "Confused"),
            severity("anxious", "Anxious or frightened"),
            severity("palpitations", "Palpitations"),
            item(
                "chest_tightness",
                "Chest tightness",
                ListAsks::Severity,
                &[RED_FLAG],
            ),
            item(
                "trouble_breathing",
                "Trouble breathing",
                ListAsks::Severity,
                &[RED_FLAG],
            ),
            item("fall", "A fall or an injury?", ListAsks::YesNo, &[this_hour(1)]),
            severity("tired", "Tired"),
            severity("low_mood", "Low mood"),
            severity("sleep", "Poor sleep"),
            severity("not_myself", "Still not feeling like myself"),
        ],
    }
}

fn default_monthly() -> OwnList {
    OwnList {
        title: "Monthly questions".to_owned(),
        stem: "How has it been in the last month?".to_owned(),
        items: vec![
            severity("water_often", "Going to pass water often"),
            severity("urgency", "Having to go at once"),
            severity("water_pain", "Pain when passing water, or in the bladder"),
            item(
                "blood_in_urine",
                "Blood in the urine?",
                ListAsks::YesNo,
                &[this_hour(1)],
            ),
            severity("thinking_about_it", "Thinking about the medicine between doses"),
            severity("wanting_more", "Wanting more than is prescribed"),
            severity("alcohol_or_drugs", "Alcohol, cannabis or other drugs"),
        ],
    }
}

const RED_FLAG: Tell = Tell {
    from: 1,
    level: Level::P1,
    advice: Some(Advice::Emergency),
};

const fn this_hour(from: u32) -> Tell {
    Tell {
        from,
        level: Level::P2,
        advice: None,
    }
}

fn item(key: &str, text: &str, asks: ListAsks, tell: &[Tell]) -> ListItem {
    ListItem {
        key: key.to_owned(),
        text: text.to_owned(),
        asks,
        tell: tell.to_vec(),
    }
}

/// A question of severity; "severe" goes on the worklist.
fn severity(key: &str, text: &str) -> ListItem {
    let worklist = Tell {
        from: 3,
        level: Level::P3,
        advice: None,
    };
    item(key, text, ListAsks::Severity, &[worklist])
}

impl InstrumentRules {
    /// Checks the section; every fault is named by its path.
    pub(super) fn check(&self, found: &mut Found) {
        check_order(found, "instruments.reminders", &self.reminders);
        let mut unless = |good: bool, field: &str, message: &str| {
            found.unless(good, format!("instruments.{field}"), message);
        };
        for (field, value) in [
            ("ask_again_after_days", self.ask_again_after_days),
            ("report_back_days", self.report_back_days),
            ("baseline_valid_days", self.baseline_valid_days),
            ("due_within_days", self.due_within_days),
            ("missed_after_days", self.missed_after_days),
            ("monthly_every_days", self.monthly_every_days),
        ] {
            unless((1..=3650).contains(&value), field, "must be from 1 to 3650");
        }
        unless(
            (0..self.due_within_days).contains(&self.opens_after_days),
            "opens_after_days",
            "must be 0 or more and less than `due_within_days`",
        );
        let to_others = |rung: &Rung| rung.tell.iter().any(|who| *who != Audience::Patient);
        if let Some(index) = self.reminders.0.iter().position(to_others) {
            let field = format!("reminders[{index}].tell");
            unless(false, &field, "these reminders are for the patient");
        }
        for (index, number) in self.after_sessions.iter().enumerate() {
            let field = format!("after_sessions[{index}]");
            unless(*number > 0, &field, "sessions count from 1");
        }
        let always_from = self.item9_always_from;
        unless(
            (1..=2).contains(&always_from),
            "item9_always_from",
            "must be 1 or 2",
        );
        for (field, level, least) in [
            ("item9_level", self.item9_level, Level::P2),
            ("item9_known_level", self.item9_known_level, Level::P3),
            ("safety_positive_level", self.safety_positive_level, Level::P2),
            ("safety_known_level", self.safety_known_level, Level::P3),
        ] {
            let message = format!("must be {} or more urgent", least.name());
            unless(level >= least, field, &message);
        }
        unless(
            (1..=100).contains(&self.change.response_percent),
            "change.response_percent",
            "must be from 1 to 100",
        );
        check_list(found, "side_effects", &self.side_effects);
        check_list(found, "monthly", &self.monthly);
    }
}

fn check_list(found: &mut Found, name: &str, list: &OwnList) {
    let path = format!("instruments.{name}.items");
    found.unless(!list.items.is_empty(), path.as_str(), "must not be empty");
    let mut seen = std::collections::BTreeSet::new();
    for (index, item) in list.items.iter().enumerate() {
        let good = !item.key.is_empty() && seen.insert(&item.key);
        found.unless(good, format!("{path}[{index}].key"), "is empty or stands twice");
        // An answer of 0 or "no" is no news.
        for (tell, rule) in item.tell.iter().enumerate() {
            let path = format!("{path}[{index}].tell[{tell}].from");
            found.unless(rule.from > 0, path, "must be 1 or more");
        }
    }
}
