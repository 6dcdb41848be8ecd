//! Why the course does not let a dose open: a hold, a review that is due, lozenges that are used up, a consent or screening
//! that does not stand.

use super::{Reason, ReasonCode};
use crate::document::Unlicensed;
use crate::enrolment::{ItemState, standings};
use crate::licence::missing_at_dose;
use crate::plan::{ReviewDue, SignedPlan, newest, review_due};
use crate::record::SessionRecord;
use crate::time::Instant;

/// The plan a session belongs to, in its newest version.
pub fn plan_of(record: &SessionRecord) -> Option<&SignedPlan> {
    let slot = record.session.slot?;
    newest(&record.course.plans, slot.plan)
}

/// Whether the course is on hold.
pub fn is_held(record: &SessionRecord, now: Instant) -> bool {
    let zone = record.patient.zone;
    record.course.holds.iter().any(|hold| hold.is_on(zone, now))
}

/// The review that must be recorded before this session's dose.
pub fn review_before(record: &SessionRecord, now: Instant) -> Option<ReviewDue> {
    let rules = &record.around.protocol.course;
    let doses = &record.around.other_doses;
    review_due(plan_of(record), &record.course.reviews, doses, rules, now)
}

/// Whether that review keeps the dose locked; a clinic may have it recorded when it suits.
pub fn review_blocks(record: &SessionRecord, now: Instant) -> bool {
    record.around.protocol.course.block_next_until_review && review_before(record, now).is_some()
}

pub(super) fn course_reasons(record: &SessionRecord, now: Instant) -> Vec<Reason> {
    let mut reasons = Vec::new();
    if let Some((Unlicensed::Block, _)) = missing_at_dose(record, now) {
        reasons.push(Reason::new(
            ReasonCode::Licence,
            "Your clinic has to settle something first. Please talk to your clinic.",
        ));
    }
    if record.course.unreadable || is_held(record, now) {
        reasons.push(Reason::new(
            ReasonCode::CourseHeld,
            "Your clinic has put your sessions on hold. Please talk to your clinic.",
        ));
    }
    if review_blocks(record, now) {
        reasons.push(Reason::new(
            ReasonCode::ReviewDue,
            "Your clinic wants to review how you are doing before the next dose.",
        ));
    }
    if let (Some(plan), Some(order)) = (plan_of(record), &record.order) {
        let doses = record
            .around
            .other_doses
            .iter()
            .filter(|dose| **dose >= plan.began_at)
            .count();
        let sessions = u32::try_from(doses).unwrap_or(u32::MAX).saturating_add(1);
        if sessions.saturating_mul(order.content.instruction.lozenge_count) > plan.terms.dispensed_lozenges {
            reasons.push(Reason::new(
                ReasonCode::CourseOver,
                "The lozenges of this course are used up. Please talk to your clinic.",
            ));
        }
    }
    reasons
}

/// What of the enrolment a dose waits for. Where the course cannot be read nothing is known of it, and `course-held` says so.
pub(super) fn enrolment_reasons(record: &SessionRecord, now: Instant) -> Vec<Reason> {
    if record.course.unreadable {
        return Vec::new();
    }
    let standings = standings(record, now);
    let waiting = standings.iter().filter(|standing| standing.keeps_from_dose);
    waiting
        .map(|standing| {
            let text = &standing.item.text;
            let (code, message) = match standing.state {
                ItemState::Expired { .. } => (ReasonCode::EnrolmentExpired, format!("Too long ago: {text}")),
                _ => (ReasonCode::EnrolmentOpen, format!("Open: {text}")),
            };
            Reason {
                item: Some(standing.item.key.clone()),
                ..Reason::new(code, message)
            }
        })
        .collect()
}
