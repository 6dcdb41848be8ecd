//! The sitter: a trusted adult who is present, answers the checks and releases the patient. No account, one link.

use serde::{Deserialize, Serialize};

use crate::id::{LinkId, SitterId};
use crate::time::Instant;

/// How a sitter stands. `Present` is what they reported, never a proof.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum SitterState {
    /// Asked, no answer yet.
    Invited,
    /// Said yes on their own device.
    Accepted {
        /// When.
        at: Instant,
    },
    /// Said no.
    Declined {
        /// When.
        at: Instant,
    },
    /// Said yes and then no, before being present.
    Withdrawn {
        /// When.
        at: Instant,
    },
    /// Said "I am here" with the code from the patient's phone.
    Present {
        /// The last time they said so.
        at: Instant,
    },
    /// Did not answer by their deadline, and the next on the patient's list was asked.
    Lapsed {
        /// When.
        at: Instant,
    },
    /// Had to leave, or left.
    Left {
        /// When.
        at: Instant,
    },
    /// The patient or the clinic removed them.
    Removed {
        /// When.
        at: Instant,
    },
}

impl SitterState {
    /// The state's name in documents and in the database.
    pub fn name(self) -> &'static str {
        match self {
            Self::Invited => "invited",
            Self::Accepted { .. } => "accepted",
            Self::Declined { .. } => "declined",
            Self::Withdrawn { .. } => "withdrawn",
            Self::Present { .. } => "present",
            Self::Lapsed { .. } => "lapsed",
            Self::Left { .. } => "left",
            Self::Removed { .. } => "removed",
        }
    }

    /// Whether they may still act as this session's sitter.
    pub fn is_current(self) -> bool {
        matches!(self, Self::Invited | Self::Accepted { .. } | Self::Present { .. })
    }

    /// Whether they said yes and have not gone.
    pub fn is_committed(self) -> bool {
        matches!(self, Self::Accepted { .. } | Self::Present { .. })
    }
}

/// A sitter of one session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sitter {
    /// The sitter.
    pub id: SitterId,
    /// What the patient called them.
    pub name: String,
    /// Their address.
    pub email: String,
    /// Their telephone number.
    pub phone: String,
    /// How they stand.
    #[serde(flatten)]
    pub state: SitterState,
    /// When they were asked.
    pub invited_at: Instant,
    /// The link in their mails.
    pub link: LinkId,
    /// The four digits on the patient's phone that prove the two are together.
    pub presence_code: String,
    /// Wrong codes in a row.
    pub wrong_codes: u32,
    /// No code is taken before then, after too many wrong ones.
    pub code_blocked_until: Option<Instant>,
    /// Said "I am 18 or older" and agreed to be contacted.
    pub consented_at: Option<Instant>,
    /// The questions that were answered wrong at the last try; empty once all were right.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub read_again: Vec<String>,
    /// Tries of the questions with a wrong answer among them.
    #[serde(default)]
    pub wrong_tries: u32,
}
