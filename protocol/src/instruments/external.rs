//! Results of instruments that are asked elsewhere, such as the C-SSRS, whose wording needs a licence and is not in this
//! program: what was used, what came out, who rated, and when (PROTOCOL 3).

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use crate::id::{ExternalResultId, PersonId};
use crate::refusal::{Fault, Faults};
use crate::time::Instant;

/// Longest name or level, characters.
pub const TEXT_MAX_CHARS: usize = 80;

/// A result as it is recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExternalDraft {
    /// The instrument's name, such as `C-SSRS`.
    pub instrument: String,
    /// The level it gave, such as `moderate risk`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level: Option<String>,
    /// The score it gave.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub score: Option<i32>,
    /// Who rated.
    pub rater: String,
    /// On which day.
    pub rated_on: NaiveDate,
}

/// A recorded result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExternalResult {
    /// The result.
    pub id: ExternalResultId,
    /// What was recorded.
    #[serde(flatten)]
    pub content: ExternalDraft,
    /// Who recorded it.
    pub by: PersonId,
    /// When.
    pub at: Instant,
}

/// Everything wrong with a result. `today` is the clinic's.
pub fn check(draft: &ExternalDraft, today: NaiveDate) -> Result<(), Faults> {
    let mut faults = Faults::default();
    let texts = [
        ("instrument", Some(&draft.instrument)),
        ("level", draft.level.as_ref()),
        ("rater", Some(&draft.rater)),
    ];
    for (field, text) in texts {
        let Some(text) = text else { continue };
        if text.trim().is_empty() {
            faults.push(Fault::new(field, "must not be empty"));
        } else if text.chars().count() > TEXT_MAX_CHARS {
            faults.push(Fault::new(field, format!("at most {TEXT_MAX_CHARS} characters")));
        } else if text.chars().any(char::is_control) {
            faults.push(Fault::new(
                field,
                "must not hold line breaks or control characters",
            ));
        }
    }
    if draft.level.is_none() && draft.score.is_none() {
        faults.push(Fault::new("level", "give a level or a score"));
    }
    if draft.rated_on > today {
        faults.push(Fault::new("rated_on", "must not lie in the future"));
    }
    faults.into_result()
}
