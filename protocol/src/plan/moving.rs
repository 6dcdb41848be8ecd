//! Moving or leaving out one session by hand, with a reason and an author (FEATURES row 9).

use chrono::{NaiveDate, NaiveTime};
use serde_json::json;

use super::{Spacing, newest};
use crate::draft::Draft;
use crate::duty::DutyKind;
use crate::people::StaffRole;
use crate::planning::{call_off, check_planned, on_call_faults, reason_in_words, retime};
use crate::record::{Decision, PatientRecord, RuleContext, SessionRecord};
use crate::refusal::{Fault, Refusal};
use crate::session::{MoveCause, SessionMove, SessionState};
use crate::time::{Planned, minutes};

/// Another time for one session, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewTime {
    /// The local date.
    pub on: NaiveDate,
    /// The local time of day.
    pub time: NaiveTime,
    /// What made it necessary.
    pub cause: MoveCause,
    /// In words.
    pub reason: String,
}

/// Moves one session. Free until the cut-off; after it only because the sitter dropped out, which is never counted as late,
/// or because a clinician says so. All faults come back at once.
pub fn move_session(
    patient: &PatientRecord,
    record: &SessionRecord,
    to: &NewTime,
    context: &mut RuleContext<'_>,
) -> Result<Decision<SessionRecord>, Refusal> {
    let (session, now) = (&record.session, context.now);
    if !is_untouched(record) {
        return Err(Refusal::wrong_state(
            "session-started",
            "the session was unlocked, has begun or is over; it cannot be moved",
        ));
    }
    let planned = Planned::new(to.on, to.time, patient.patient.zone);
    let plan = session
        .slot
        .and_then(|slot| newest(&patient.course.plans, slot.plan));
    let spacing =
        Spacing::of(&patient.around.protocol.plan, plan.map(|plan| &plan.terms)).for_patient(&patient.course);
    let mut faults = check_planned(patient, &planned, spacing, Some(session.id), now);
    for message in on_call_faults(patient, &planned, now) {
        faults.push(Fault::new("on_call", message));
    }
    if let Some(plan) = plan {
        if !plan.terms.hours.contains(to.time) && faults.0.iter().all(|fault| fault.field != "time") {
            faults.push(Fault::new("time", plan.terms.hours.in_words()));
        }
        if !plan.terms.allows(to.on) {
            faults.push(Fault::new("on", "is not on one of the plan's weekdays"));
        }
    }
    let cut_off = session.planned.at - minutes(record.around.protocol.course.move_cut_off_hours * 60);
    let late = now > cut_off;
    match to.cause {
        MoveCause::Asked if late => {
            let hours = record.around.protocol.course.move_cut_off_hours;
            faults.push(Fault::new(
                "cause",
                format!("it is less than {hours} hours to the session: skip it, or let a clinician move it"),
            ));
        }
        MoveCause::SitterDroppedOut if record.current_sitter().is_some_and(|it| it.state.is_committed()) => {
            faults.push(Fault::new("cause", "the sitter is still there"));
        }
        MoveCause::Clinical
            if !context
                .caller
                .is_staff(&[StaffRole::Nurse, StaffRole::Prescriber]) =>
        {
            faults.push(Fault::new("cause", "is for a nurse or a prescriber to say"));
        }
        _ => {}
    }
    let reason = match reason_in_words(&to.reason) {
        Ok(reason) => reason,
        Err(Refusal::Invalid(found)) => {
            faults.0.extend(found.0);
            String::new()
        }
        Err(other) => return Err(other),
    };
    faults.into_result()?;
    let moved = SessionMove {
        from: session.planned,
        to: planned,
        cause: to.cause,
        late: late && to.cause == MoveCause::Clinical,
        reason,
        by: context.caller.clone(),
        at: now,
    };
    let mut draft = Draft::of(record, context);
    draft.fact(
        "session.moved",
        json!({"from": &moved.from, "to": &moved.to, "cause": moved.cause, "reason": &moved.reason}),
    );
    draft.record.session.moves.push(moved);
    retime(&mut draft, planned);
    Ok(draft.decide())
}

/// Whether nothing of the session can have been taken: it is to come, and no screen that was unlocked waits for its dose.
fn is_untouched(record: &SessionRecord) -> bool {
    let to_come = matches!(
        record.session.state,
        SessionState::Scheduled
            | SessionState::PrepOpen
            | SessionState::Ready { unlocked_at: None }
            | SessionState::Held { .. }
    );
    let mut open = record.watch.open_duties();
    to_come && open.all(|duty| duty.kind != DutyKind::LogDose)
}

/// Leaves one session of a plan out; the others stay where they are.
pub fn skip(
    record: &SessionRecord,
    reason: &str,
    context: &mut RuleContext<'_>,
) -> Result<Decision<SessionRecord>, Refusal> {
    let reason = reason_in_words(reason)?;
    if record.session.slot.is_none() {
        return Err(Refusal::wrong_state(
            "not-of-a-plan",
            "the session belongs to no plan; cancel it instead",
        ));
    }
    if !is_untouched(record) {
        return Err(Refusal::wrong_state(
            "session-started",
            "the session was unlocked, has begun or is over; it cannot be left out",
        ));
    }
    let mut draft = Draft::of(record, context);
    if let Some(slot) = &mut draft.record.session.slot {
        slot.skipped = true;
    }
    draft.fact("session.skipped", json!({ "reason": &reason }));
    call_off(&mut draft, reason);
    Ok(draft.decide())
}
