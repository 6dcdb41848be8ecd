//! The rule about PHQ-9 item 9, thoughts of death and self-harm, and the review that makes an answer a known one
//! (PROTOCOL 3.3).
//!
//! Without a baseline that a clinician has reviewed, most depressed patients would alarm every week, and the alarm would
//! die. So 1 unchanged from a reviewed baseline is the worklist's; 2, 3 and any rise are told this hour.

use serde::{Deserialize, Serialize};

use super::{Answers, InstrumentKey, Score, phq9};
use crate::case::Level;
use crate::document::InstrumentRules;
use crate::id::{PersonId, ScoreId, ScoreReviewId};
use crate::time::Instant;

/// A clinician has seen a score and says so. A reviewed PHQ-9 is the baseline of item 9; a reviewed "right now" opens the
/// patient's sessions again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScoreReview {
    /// The review.
    pub id: ScoreReviewId,
    /// What was seen.
    pub score: ScoreId,
    /// By whom.
    pub by: PersonId,
    /// When.
    pub at: Instant,
    /// What they made of it, for the chart.
    pub note: String,
}

/// The answer to item 9; 0 if there is none.
pub fn of(answers: &Answers) -> u32 {
    answers.get(phq9::ITEM_9).map_or(0, |answer| answer.number())
}

/// Item 9 of the newest PHQ-9 that a clinician has reviewed.
pub fn baseline(scores: &[Score], reviews: &[ScoreReview]) -> Option<u32> {
    newest_reviewed(scores, reviews, InstrumentKey::Phq9).map(|score| of(&score.answers))
}

/// The newest score of an instrument that a clinician has reviewed, whenever they did: an old one that is looked at later
/// says nothing new.
pub fn newest_reviewed<'s>(
    scores: &'s [Score],
    reviews: &[ScoreReview],
    key: InstrumentKey,
) -> Option<&'s Score> {
    let reviewed = |score: &&Score| reviews.iter().any(|review| review.score == score.id);
    let of_key = scores.iter().filter(|score| score.instrument == key);
    of_key.filter(reviewed).max_by_key(|score| score.observed_at)
}

/// How urgent an answer to item 9 is against the reviewed baseline; `None` for "not at all".
pub fn judge(item9: u32, baseline: Option<u32>, rules: &InstrumentRules) -> Option<Level> {
    match (item9, baseline) {
        (0, _) => None,
        (now, Some(known)) if now <= known && now < rules.item9_always_from => Some(rules.item9_known_level),
        _ => Some(rules.item9_level),
    }
}
