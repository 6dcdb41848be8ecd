//! The preparation checklist: what is asked of whom, when, and what an answer does (PROTOCOL 4.2).

use serde::{Deserialize, Serialize};

use crate::checklist::Actor;

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
