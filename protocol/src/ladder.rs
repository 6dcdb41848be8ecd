//! Ladders: who is told, and when, as long as something is owed. A duty keeps its own frozen copy.

use serde::{Deserialize, Serialize};

use crate::time::{Instant, seconds};

/// Whom a rung tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Audience {
    /// The patient.
    Patient,
    /// The session's sitter.
    Sitter,
    /// The nurse on call.
    OnCallNurse,
    /// The backup nurse.
    BackupNurse,
    /// Everybody on the rota: nurse, backup and the others.
    AllOnCall,
    /// The prescriber on the list.
    Prescriber,
    /// The clinic's manager.
    Manager,
    /// The clinic's administrator.
    Administrator,
    /// Who works the worklist.
    Coordinator,
    /// The clinic's fallback list.
    Fallback,
}

/// One step of a ladder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rung {
    /// Seconds after the duty is due; negative for a reminder before it.
    pub after_due_s: i64,
    /// Who is told.
    pub tell: Vec<Audience>,
    /// Told again every so many seconds for as long as the duty is open; only on a last rung.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repeat_every_s: Option<u32>,
}

/// The steps of a ladder, in time order.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Ladder(pub Vec<Rung>);

impl Ladder {
    /// When rung `index` is told for a duty due at `due_at`, for the `repeat`-th time. `None` past the end, and for
    /// a repeat of a rung that does not repeat.
    pub fn told_at(&self, index: usize, repeat: u32, due_at: Instant) -> Option<Instant> {
        let rung = self.0.get(index)?;
        let first = due_at + seconds(rung.after_due_s);
        match (repeat, rung.repeat_every_s) {
            (0, _) => Some(first),
            (_, Some(every)) => Some(first + seconds(i64::from(every) * i64::from(repeat))),
            (_, None) => None,
        }
    }

    /// The last rung's index; 0 for an empty ladder.
    pub fn last(&self) -> usize {
        self.0.len().saturating_sub(1)
    }
}
