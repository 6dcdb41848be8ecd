//! The preparation checklist: typed answers, each signed by the person whose item it is (PROTOCOL 4.2).

use serde::{Deserialize, Serialize};

use crate::id::{AnswerId, SitterId};
use crate::order::Instruction;
use crate::people::Caller;
use crate::time::Instant;

/// Whose item it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Actor {
    /// The patient.
    Patient,
    /// The sitter.
    Sitter,
    /// A nurse.
    Nurse,
}

impl Actor {
    /// The actor's name in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Patient => "patient",
            Self::Sitter => "sitter",
            Self::Nurse => "nurse",
        }
    }
}

/// A typed answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", content = "value", rename_all = "snake_case")]
pub enum AnswerValue {
    /// Yes or no.
    YesNo(bool),
    /// A moment, such as the last meal.
    Time(Instant),
    /// A short text, such as an address.
    Text(String),
    /// One of the offered choices.
    Choice(String),
    /// A whole number in a unit.
    Number(Quantity),
    /// The order as the reader chose it from options.
    Readback(Instruction),
    /// Taken back; the item is open again.
    Cleared,
}

/// A whole number in a unit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quantity {
    /// How many.
    pub number: i64,
    /// Of what, such as `lozenges`.
    pub unit: String,
}

/// One answer to one item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The answer.
    pub id: AnswerId,
    /// The item's key.
    pub item: String,
    /// In which part the caller answered.
    pub actor: Actor,
    /// The answer.
    #[serde(flatten)]
    pub value: AnswerValue,
    /// Who exactly.
    pub by: Caller,
    /// For a read-back: the order's version it was read from.
    pub order_version: Option<u32>,
    /// Who was the sitter then, for an item that is about the sitter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub about_sitter: Option<SitterId>,
    /// When it happened, by the device, bounded by the server.
    pub observed_at: Instant,
    /// When the server heard of it.
    pub received_at: Instant,
}
