//! Check-ins: the questions of the timetable and the answers to them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::id::{CheckInId, DutyId, ReadingId};
use crate::instruments::Answers;
use crate::people::Caller;
use crate::time::Instant;

/// What a check-in says besides yes and no: side effects, what is left of the lozenges, and words.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Besides {
    /// The clinic's own list of side effects, by item.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub side_effects: Answers,
    /// Lozenges that are left, as counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lozenges_left: Option<u32>,
    /// In their own words, by what was asked for.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub words: BTreeMap<String, String>,
}

impl Besides {
    /// Whether nothing is said.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// An answer to one check-in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckInAnswer {
    /// The answer.
    pub id: CheckInId,
    /// The duty the form was for; it never meets another.
    pub duty: DutyId,
    /// The row of the timetable.
    pub rule: String,
    /// Yes or no to each question, by its key.
    pub answers: BTreeMap<String, bool>,
    /// The keys of questions whose answer is not the good one.
    pub bad: Vec<String>,
    /// What it says besides.
    #[serde(default, skip_serializing_if = "Besides::is_empty")]
    pub besides: Besides,
    /// The reading that came with it.
    pub reading: Option<ReadingId>,
    /// When it happened, by the device, bounded by the server.
    pub observed_at: Instant,
    /// What the device said, where it had to be bounded.
    pub claimed_at: Option<Instant>,
    /// When the server heard of it.
    pub received_at: Instant,
    /// Who answered.
    pub by: Caller,
    /// Whether the duty was over already.
    pub late: bool,
}
