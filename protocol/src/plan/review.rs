//! Reviews of a course by a clinician: after the sessions the plan names, and after a long gap (PROTOCOL 4.1).

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{REVIEW_MAX_CHARS, SignedPlan};
use crate::document::CourseRules;
use crate::id::{PersonId, ReviewId};
use crate::people::Caller;
use crate::record::{Decision, Fact, PatientRecord, RuleContext};
use crate::refusal::Refusal;
use crate::time::{Instant, minutes};

/// A clinician looked at the course and says it goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Review {
    /// The review.
    pub id: ReviewId,
    /// Who.
    pub by: PersonId,
    /// When.
    pub at: Instant,
    /// What they found, for the chart.
    pub note: String,
}

/// Why a review is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "why", rename_all = "snake_case")]
pub enum ReviewDue {
    /// So many sessions of the plan took place.
    AfterSession {
        /// How many.
        session: usize,
    },
    /// The last dose was long ago.
    AfterGap {
        /// Whole days since.
        days: i64,
    },
}

/// Whether a review is due before another dose. `doses` are the patient's, oldest first.
pub fn review_due(
    plan: Option<&SignedPlan>,
    reviews: &[Review],
    doses: &[Instant],
    rules: &CourseRules,
    now: Instant,
) -> Option<ReviewDue> {
    let taken: Vec<Instant> = doses.iter().copied().filter(|dose| *dose <= now).collect();
    let reviewed_since = |at: Instant| reviews.iter().any(|review| review.at >= at);
    if let Some(last) = taken.last() {
        let gap = minutes(rules.relapse_gap_days * 24 * 60);
        if now - *last >= gap && !reviewed_since(*last + gap) {
            let days = (now - *last).num_days();
            return Some(ReviewDue::AfterGap { days });
        }
    }
    let plan = plan?;
    let of_plan: Vec<Instant> = taken.into_iter().filter(|dose| *dose >= plan.began_at).collect();
    let named = plan.terms.review_after_sessions.iter().rev();
    let due = named
        .filter_map(|after| usize::try_from(*after).ok())
        .find_map(|after| Some((after, *of_plan.get(after.checked_sub(1)?)?)));
    due.filter(|(_, dose)| !reviewed_since(*dose))
        .map(|(session, _)| ReviewDue::AfterSession { session })
}

/// Records a clinician's review.
pub fn record_review(
    record: &PatientRecord,
    note: &str,
    context: &mut RuleContext<'_>,
) -> Result<(Decision<PatientRecord>, ReviewId), Refusal> {
    let Caller::Staff { person, .. } = context.caller else {
        return Err(Refusal::NotFound);
    };
    let note = note.trim();
    if note.is_empty() || note.chars().count() > REVIEW_MAX_CHARS {
        return Err(Refusal::invalid(
            "note",
            format!("must have 1 to {REVIEW_MAX_CHARS} characters"),
        ));
    }
    let review = Review {
        id: context.ids.fresh(),
        by: person,
        at: context.now,
        note: note.to_owned(),
    };
    let id = review.id;
    let mut decision = Decision::unchanged(record);
    let doses = record.around.other_doses.len();
    decision.facts.push(Fact::new(
        "course.reviewed",
        json!({"review": id, "doses": doses}),
    ));
    decision.after.course.reviews.push(review);
    Ok((decision, id))
}
