//! Why a rule said no. The API turns each into one HTTP answer; nothing here quotes what a person typed.

use serde::{Deserialize, Serialize};

use crate::gate::Reason;
use crate::id::PersonId;
use crate::time::Instant;

/// One thing wrong with one field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// The field's name or path in what was sent, such as `answers[2].value`.
    pub field: String,
    /// What is wrong, in words for the person who sent it. Never quotes the value.
    pub message: String,
}

impl Fault {
    /// A fault of `field`.
    pub fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            message: message.into(),
        }
    }
}

/// Everything wrong with what was sent, at once.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Faults(pub Vec<Fault>);

impl Faults {
    /// Adds one.
    pub fn push(&mut self, fault: Fault) {
        self.0.push(fault);
    }

    /// `Ok` when nothing is wrong.
    pub fn into_result(self) -> Result<(), Self> {
        if self.0.is_empty() { Ok(()) } else { Err(self) }
    }
}

impl std::fmt::Display for Faults {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (index, fault) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            write!(f, "{separator}{}: {}", fault.field, fault.message)?;
        }
        Ok(())
    }
}

impl std::error::Error for Faults {}

/// One field that was changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// The field.
    pub field: String,
    /// What it was, as JSON.
    pub was: serde_json::Value,
    /// What it is, as JSON.
    pub is: serde_json::Value,
}

/// A rule's no.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There is no such thing, or the caller may not know of it: the two look alike on purpose.
    #[error("not found")]
    NotFound,
    /// What was sent is not acceptable.
    #[error("{0}")]
    Invalid(#[from] Faults),
    /// The dose may not open yet; every reason is listed.
    #[error("the dose is not open yet")]
    Locked(Vec<Reason>),
    /// The thing is in a state in which this cannot be done.
    #[error("{message}")]
    WrongState {
        /// Stable name of the situation, such as `session-closed`.
        code: &'static str,
        /// What the person should know.
        message: String,
    },
    /// Somebody else took the case first.
    #[error("the case is already taken")]
    AlreadyTaken {
        /// Who.
        by: PersonId,
        /// Their name, for the caller who came second.
        by_name: String,
        /// When.
        at: Instant,
    },
    /// Somebody else changed the thing since the version that the caller read.
    #[error("it was changed meanwhile")]
    Outdated {
        /// The version in force.
        version: u32,
        /// Who signed it.
        by: PersonId,
        /// When.
        at: Instant,
        /// What is different from what the caller read.
        changes: Vec<Change>,
    },
    /// A measured value cannot be right: ask again, raise no alarm (PROTOCOL 4.4 `input_sanity`).
    #[error("please measure again")]
    MeasureAgain(Faults),
}

impl Refusal {
    /// One fault of one field.
    pub fn invalid(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Invalid(Faults(vec![Fault::new(field, message)]))
    }

    /// A state that does not allow what was asked.
    pub fn wrong_state(code: &'static str, message: impl Into<String>) -> Self {
        Self::WrongState {
            code,
            message: message.into(),
        }
    }
}
