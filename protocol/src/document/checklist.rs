//! The preparation checklist: what is asked of whom, when, and what an answer does (PROTOCOL 4.2).

use serde::{Deserialize, Serialize};

use crate::case::Level;
use crate::checklist::Actor;

/// When an item may be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ItemPhase {
    /// The week before.
    WeekBefore,
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
            Self::WeekBefore => "week_before",
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
    /// In the first session, and whenever the sitter has not sat for this patient before.
    NewSitter,
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
        /// The care team is told of such an answer, at this level; absent where nobody is.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        tell: Option<Level>,
    },
    /// A whole number in a unit.
    Number {
        /// The unit, such as `lozenges`; an answer in another one is refused.
        unit: String,
        /// The least that can be meant …
        least: i64,
        /// … and the most.
        most: i64,
        /// From this number on it satisfies; absent where the least does.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        good_from: Option<i64>,
        /// Up to this number it satisfies; absent where the most does.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        good_to: Option<i64>,
        /// What a number that does not satisfy does.
        other: OtherAnswer,
    },
    /// Yes or no, both of which satisfy: what the person would like.
    Wish,
    /// "I am at the address that the clinic has", or where else: a yes, or another address as text.
    Address {
        /// Most characters.
        max_chars: usize,
        /// The care team is told of another address, at this level.
        tell: Level,
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
    /// Somebody is asked to sit and says yes; satisfied by the sitter's state.
    Sitter,
    /// The sitter's page was read and its questions answered; satisfied by the training.
    Training,
}

impl Asks {
    /// Whether it follows from something other than answers.
    pub fn is_answered_elsewhere(&self) -> bool {
        matches!(
            self,
            Self::Vitals | Self::Presence | Self::Sitter | Self::Training
        )
    }

    /// The kind's name in JSON: the `type` of an answer to it, but for those to which several are given.
    pub fn name(&self) -> &'static str {
        match self {
            Self::YesNo { .. } => "yes_no",
            Self::Time { .. } => "time",
            Self::Text { .. } => "text",
            Self::Choice { .. } => "choice",
            Self::Readback => "readback",
            Self::Vitals => "vitals",
            Self::Presence => "presence",
            Self::Number { .. } => "number",
            Self::Wish => "wish",
            Self::Address { .. } => "address",
            Self::Sitter => "sitter",
            Self::Training => "training",
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
    /// An answer is about the sitter of that moment, and open again with another one.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub about_sitter: bool,
}

/// The preparation beyond its items.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PreparationRules {
    /// The week before begins so many minutes before the planned time.
    pub week_opens_before_min: i64,
    /// Longest time for which a clinician may decide that an item need not be done, minutes; 0 where nobody may.
    pub override_max_min: i64,
    /// Keys of items that nobody may decide about. What [`Item::may_be_overridden`] rules out stays so without standing here.
    pub never_overridden: Vec<String>,
    /// The item by which a patient says whether their sitter may be called between sessions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sitter_calls_item: Option<String>,
}

impl Default for PreparationRules {
    fn default() -> Self {
        Self {
            week_opens_before_min: 7 * 24 * 60,
            override_max_min: 0,
            never_overridden: Vec::new(),
            sitter_calls_item: None,
        }
    }
}

/// The keys of the items about which no document lets anybody decide (PROTOCOL 4.2, Rules).
const FLOOR: [&str; 3] = ["sitter_here", "order_readback", "safety_now"];

impl Item {
    /// Whether a document may let a clinician decide that it need not be done. Never: that a sitter is in the home, that the
    /// order was read back, and a question that calls for help at once, whatever their keys; nor what says that there is a
    /// sitter at all.
    pub fn may_be_overridden(&self) -> bool {
        let acts_now = matches!(
            self.asks,
            Asks::YesNo {
                other: OtherAnswer::ActNow,
                ..
            } | Asks::Number {
                other: OtherAnswer::ActNow,
                ..
            }
        );
        let floor = matches!(self.asks, Asks::Presence | Asks::Readback | Asks::Sitter);
        !acts_now && !floor && !FLOOR.contains(&self.key.as_str())
    }
}
