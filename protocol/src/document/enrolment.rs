//! What must be settled before a patient's first session is planned (PROTOCOL 4.2, phase `enrol`; FEATURES 26).
//!
//! The texts a patient consents to stand here with a version: a new version makes the consent open again. A document without
//! this section asks nothing.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::check::Found;
use crate::instruments::InstrumentKey;

/// What must be settled before a session is planned.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EnrolmentRules {
    /// The items, in the order in which they are shown.
    pub items: Vec<EnrolmentItem>,
}

/// One thing to be settled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EnrolmentItem {
    /// Its stable key.
    pub key: String,
    /// What it is, for patient and care team.
    pub text: String,
    /// What it takes.
    pub asks: EnrolmentAsks,
    /// What it keeps from happening while it is open.
    pub blocks: EnrolmentBlocks,
}

/// What an item takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum EnrolmentAsks {
    /// Address, own telephone, another person to call, the nearest emergency room.
    Contacts {
        /// For how many days they are good.
        valid_days: i64,
    },
    /// The patient's own yes to a text, good until it is withdrawn or the text changes.
    Consent {
        /// Counts up with each change of the words.
        version: u32,
        /// What the patient reads.
        words: String,
        /// The way of reaching them that it is about.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        channel: Option<Channel>,
    },
    /// The patient's own yes or no to a question: an answer is needed, not a yes.
    Answer {
        /// Counts up with each change of the words.
        version: u32,
        /// What the patient reads.
        words: String,
    },
    /// How things stand before the first dose; good for `instruments.baseline_valid_days`.
    Scores {
        /// Which questionnaires.
        instruments: Vec<InstrumentKey>,
    },
    /// One reading of the cuff at home.
    TrialReading,
    /// A clinician's look at what speaks against treatment; good for the course, until a gap of `course.relapse_gap_days`.
    Screening {
        /// What is looked at.
        list: Vec<ScreeningPoint>,
    },
    /// The last package of lozenges came, sealed, and stands in a locked place.
    Package,
}

/// A way of reaching a patient.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Channel {
    /// E-mail.
    Email,
}

/// Something that speaks against treatment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScreeningPoint {
    /// Its stable key.
    pub key: String,
    /// What it is.
    pub text: String,
}

/// What an open item keeps from happening.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EnrolmentBlocks {
    /// Nothing.
    Nothing,
    /// Planning, until the first dose.
    PlanningOfFirst,
    /// Planning.
    Planning,
    /// Planning, and the dose of a session that is planned.
    PlanningAndDose,
}

impl EnrolmentBlocks {
    /// The name in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::PlanningOfFirst => "planning_of_first",
            Self::Planning => "planning",
            Self::PlanningAndDose => "planning_and_dose",
        }
    }
}

impl EnrolmentRules {
    /// The item with this key.
    pub fn item(&self, key: &str) -> Option<&EnrolmentItem> {
        self.items.iter().find(|item| item.key == key)
    }

    /// What a clinician looks at; empty where nothing is asked.
    pub fn screening_list(&self) -> &[ScreeningPoint] {
        let mut items = self.items.iter();
        let list = items.find_map(|item| match &item.asks {
            EnrolmentAsks::Screening { list } => Some(list.as_slice()),
            _ => None,
        });
        list.unwrap_or_default()
    }

    /// Every fault, by its path.
    pub(super) fn check(&self, found: &mut Found) {
        let mut keys = BTreeSet::new();
        let mut only_once = BTreeSet::new();
        for (index, item) in self.items.iter().enumerate() {
            let mut fault = |field: &str, message: &str| {
                found.at(format!("enrolment.items[{index}].{field}"), message);
            };
            if item.key.is_empty() || !keys.insert(&item.key) {
                fault("key", "is empty or stands twice");
            }
            if item.text.trim().is_empty() {
                fault("text", "must not be empty");
            }
            let kind = match &item.asks {
                EnrolmentAsks::Contacts { valid_days } => {
                    if !(1..=3650).contains(valid_days) {
                        fault("asks.valid_days", "must be from 1 to 3650");
                    }
                    "contacts"
                }
                EnrolmentAsks::Consent { version, words, .. } | EnrolmentAsks::Answer { version, words } => {
                    if *version < 1 {
                        fault("asks.version", "must be 1 or more");
                    }
                    if words.trim().is_empty() {
                        fault("asks.words", "must not be empty");
                    }
                    continue;
                }
                EnrolmentAsks::Scores { instruments } => {
                    if instruments.is_empty() {
                        fault("asks.instruments", "must not be empty");
                    }
                    "scores"
                }
                EnrolmentAsks::TrialReading => "trial_reading",
                EnrolmentAsks::Screening { list } => {
                    let mut points = BTreeSet::new();
                    let twice = list
                        .iter()
                        .position(|point| point.key.is_empty() || !points.insert(&point.key));
                    if let Some(point) = twice {
                        fault(&format!("asks.list[{point}].key"), "is empty or stands twice");
                    }
                    if list.is_empty() {
                        fault("asks.list", "must not be empty");
                    }
                    "screening"
                }
                EnrolmentAsks::Package => "package",
            };
            if !only_once.insert(kind) {
                fault("asks.type", "is asked by another item already");
            }
        }
    }
}
