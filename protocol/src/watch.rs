//! What is owed about one subject and the cases from it; and what is known of the watch itself.

use chrono::Duration;
use serde::{Deserialize, Serialize};

use crate::case::Case;
use crate::duty::Duty;
use crate::id::{CaseId, ClinicId, DutyId, GapId, PersonId, SessionId};
use crate::time::Instant;

/// What duties, cases and messages are about: a session, or a patient between sessions. A clinic has the duty of its drill and
/// never a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(tag = "subject", content = "id", rename_all = "snake_case")]
pub enum Subject {
    /// One session.
    Session(SessionId),
    /// A patient between sessions.
    Patient(PersonId),
    /// A clinic itself.
    Clinic(ClinicId),
}

impl Subject {
    /// `session`, `patient` or `clinic`.
    pub fn kind(self) -> &'static str {
        match self {
            Self::Session(_) => "session",
            Self::Patient(_) => "patient",
            Self::Clinic(_) => "clinic",
        }
    }

    /// The id as text.
    pub fn id(self) -> String {
        match self {
            Self::Session(id) => id.to_string(),
            Self::Patient(id) => id.to_string(),
            Self::Clinic(id) => id.to_string(),
        }
    }
}

/// What is owed about a subject, and the cases from it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Watch {
    /// Every duty, in the order they were opened.
    pub duties: Vec<Duty>,
    /// Every case, in the order they were opened.
    pub cases: Vec<Case>,
}

impl Watch {
    /// The duty with this id.
    pub fn duty(&self, id: DutyId) -> Option<&Duty> {
        self.duties.iter().find(|duty| duty.id == id)
    }

    /// The duties still owed.
    pub fn open_duties(&self) -> impl Iterator<Item = &Duty> {
        self.duties.iter().filter(|duty| duty.is_open())
    }

    /// The case with this id.
    pub fn case(&self, id: CaseId) -> Option<&Case> {
        self.cases.iter().find(|case| case.id == id)
    }

    /// The one open case.
    pub fn open_case(&self) -> Option<&Case> {
        self.cases.iter().find(|case| case.is_open())
    }
}

/// A stretch in which no worker completed a verified cycle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct WatchGap {
    /// The gap.
    pub id: GapId,
    /// The last verified cycle before it, on the clinical clock.
    pub from: Instant,
    /// The first cycle after it, on the clinical clock.
    pub to: Instant,
}

impl WatchGap {
    /// Whether `at` lies inside.
    pub fn contains(&self, at: Instant) -> bool {
        self.from <= at && at <= self.to
    }
}

/// Whether anybody is watching.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct WatchHealth {
    /// How long ago, on the machine clock, any worker completed a verified cycle. `None` if none ever did.
    pub silent_for: Option<Duration>,
    /// The gaps of the last days, oldest first.
    pub gaps: Vec<WatchGap>,
}
