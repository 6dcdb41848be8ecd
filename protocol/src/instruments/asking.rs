//! Asking for PHQ-9 and GAD-7 after certain sessions (PROTOCOL 4.3, C14): a duty of the session, opened with the rest of
//! its timetable when the dose is logged, reminded of by its ladder, and on the worklist when nothing comes.
//!
//! The answers belong to the patient, not to the session: the duty is met when the session is next looked at, before it
//! reminds or is missed.

use super::{InstrumentKey, latest};
use crate::draft::{Draft, NewDuty};
use crate::duty::{DutyKind, DutyState, Lane, OwedBy};
use crate::time::{Instant, minutes};

const DAY_MIN: i64 = 24 * 60;

/// Opens the duty if scores are asked for after this dose.
pub fn ask_after_dose(draft: &mut Draft<'_, '_>) {
    let rules = draft.record.around.protocol.instruments.clone();
    let t0 = draft.record.session.t0();
    let before = draft
        .record
        .around
        .other_doses
        .iter()
        .filter(|dose| **dose < t0)
        .count();
    let number = u32::try_from(before).unwrap_or(u32::MAX).saturating_add(1);
    if !rules.after_sessions.contains(&number) {
        return;
    }
    let due_at = t0 + minutes(rules.due_within_days.saturating_mul(DAY_MIN));
    draft.open(NewDuty {
        kind: DutyKind::AnswerScores,
        owed_by: OwedBy::Patient,
        lane: Lane::Reminder,
        opens_at: t0 + minutes(rules.opens_after_days.saturating_mul(DAY_MIN)),
        due_at,
        missed_after: Some(due_at + minutes(rules.missed_after_days.saturating_mul(DAY_MIN))),
        ladder: rules.reminders,
    });
}

/// Ends the duty when both were answered since the dose.
pub fn meet_answered(draft: &mut Draft<'_, '_>) {
    let Some((observed_at, received_at)) = answered_since(draft, draft.record.session.t0()) else {
        return;
    };
    let duties = draft.record.watch.duties.iter_mut();
    for duty in duties.filter(|duty| duty.is_open() && duty.kind == DutyKind::AnswerScores) {
        duty.end(DutyState::Met {
            observed_at,
            received_at,
        });
    }
}

/// When the later of the two was answered and heard of.
fn answered_since(draft: &Draft<'_, '_>, dose: Instant) -> Option<(Instant, Instant)> {
    let mut answered: Option<(Instant, Instant)> = None;
    for key in InstrumentKey::SCORED {
        let score = latest(&draft.record.course.scores, key).filter(|score| score.observed_at > dose)?;
        answered = answered.max(Some((score.observed_at, score.received_at)));
    }
    answered
}
