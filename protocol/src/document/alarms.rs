//! What alarms whom: red flags, the levels of cases with their ladders, and how alive the watch must be (PROTOCOL 4.4, 4.5).

use serde::{Deserialize, Serialize};

use crate::case::Level;
use crate::ladder::Ladder;

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
