//! Check-ins: the questions of the timetable and the answers to them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::id::{CheckInId, DutyId, ReadingId};
use crate::people::Caller;
use crate::time::Instant;

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
