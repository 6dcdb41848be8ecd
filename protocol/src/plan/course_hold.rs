//! The clinical hold of a course: until a day, lifted only by those it names. It stops sessions from opening and no
//! escalation (FEATURES row 11), and ends by itself.

use chrono::{Days, NaiveDate, NaiveTime};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::CourseDecision;
use crate::draft::Draft;
use crate::id::{CourseHoldId, PersonId};
use crate::people::{Caller, StaffRole};
use crate::planning::{ask_anew, reason_in_words};
use crate::record::{Decision, Fact, PatientRecord, RuleContext, SessionRecord};
use crate::refusal::{Fault, Faults, Refusal};
use crate::session::{Hold, SessionState};
use crate::time::{Instant, Zone, minutes};

/// How long a course may be held, days.
const LONGEST_DAYS: i64 = 366;

/// Who may be named to lift a hold.
const CLINICIANS: [StaffRole; 2] = [StaffRole::Nurse, StaffRole::Prescriber];

/// A clinical hold of a course.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CourseHold {
    /// The hold.
    pub id: CourseHoldId,
    /// Why.
    pub reason: String,
    /// Its last local day.
    pub until: NaiveDate,
    /// Who may lift it before: one of these roles.
    pub may_lift: Vec<StaffRole>,
    /// Who set it.
    pub by: Caller,
    /// When.
    pub at: Instant,
    /// Who lifted it, if somebody did.
    pub lifted: Option<Lifted>,
}

/// A hold was lifted before its day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lifted {
    /// By whom.
    pub by: PersonId,
    /// When.
    pub at: Instant,
    /// Why.
    pub reason: String,
}

impl CourseHold {
    /// Whether it holds at `now`, for a patient in `zone`.
    pub fn is_on(&self, zone: Zone, now: Instant) -> bool {
        let ends_at = self
            .until
            .checked_add_days(Days::new(1))
            .map(|day| zone.resolve(day, NaiveTime::MIN));
        self.lifted.is_none() && ends_at.is_none_or(|ends_at| now < ends_at)
    }
}

/// Holds a course until a day. A dose screen that is unlocked locks again.
pub fn hold_course(
    record: &PatientRecord,
    sessions: &[SessionRecord],
    until: NaiveDate,
    may_lift: &[StaffRole],
    reason: &str,
    context: &mut RuleContext<'_>,
) -> Result<(CourseDecision, CourseHoldId), Refusal> {
    let (zone, now) = (record.patient.zone, context.now);
    if record.course.holds.iter().any(|hold| hold.is_on(zone, now)) {
        return Err(Refusal::wrong_state(
            "already-held",
            "the course is on hold already; lift that hold first",
        ));
    }
    let (mut faults, today) = (Faults::default(), zone.date_of(now));
    if until < today {
        faults.push(Fault::new("until", "is in the past"));
    } else if (until - today).num_days() > LONGEST_DAYS {
        faults.push(Fault::new("until", "is more than a year ahead"));
    }
    if may_lift.is_empty() || may_lift.iter().any(|role| !CLINICIANS.contains(role)) {
        faults.push(Fault::new("may_lift", "must name nurse, prescriber or both"));
    }
    let reason = match reason_in_words(reason) {
        Ok(reason) => reason,
        Err(Refusal::Invalid(found)) => {
            faults.0.extend(found.0);
            String::new()
        }
        Err(other) => return Err(other),
    };
    faults.into_result()?;
    let hold = CourseHold {
        id: context.ids.fresh(),
        reason,
        until,
        may_lift: may_lift.to_vec(),
        by: context.caller.clone(),
        at: now,
        lifted: None,
    };
    let id = hold.id;
    let mut decision = Decision::unchanged(record);
    let detail = json!({"hold": id, "until": until, "may_lift": may_lift, "reason": &hold.reason});
    decision.facts.push(Fact::new("course.held", detail));
    decision.after.course.holds.push(hold);
    let to_come = sessions.iter().filter(|it| it.session.state.is_before_dose());
    let changed = to_come.map(|there| {
        let mut draft = Draft::of(there, context);
        draft.record.course = decision.after.course.clone();
        draft.fact("session.course_held", json!({ "hold": id }));
        draft.decide()
    });
    let changed = changed.collect();
    let held = CourseDecision {
        changed,
        ..CourseDecision::of_patient(decision)
    };
    Ok((held, id))
}

/// Lifts the hold that is on, if the caller is one of those it names. What it kept from being asked for a session that is near
/// is asked now.
pub fn lift_course(
    record: &PatientRecord,
    sessions: &[SessionRecord],
    reason: &str,
    context: &mut RuleContext<'_>,
) -> Result<CourseDecision, Refusal> {
    let reason = reason_in_words(reason)?;
    let (zone, now) = (record.patient.zone, context.now);
    let mut decision = Decision::unchanged(record);
    let hold = decision
        .after
        .course
        .holds
        .iter_mut()
        .find(|hold| hold.is_on(zone, now));
    let Some(hold) = hold else {
        return Err(Refusal::wrong_state("not-held", "the course is not on hold"));
    };
    let Caller::Staff { person, .. } = context.caller else {
        return Err(Refusal::NotFound);
    };
    if !context.caller.is_staff(&hold.may_lift) {
        let roles: Vec<&str> = hold.may_lift.iter().map(|role| role.name()).collect();
        return Err(Refusal::wrong_state(
            "not-yours-to-lift",
            format!("this hold is for a {} to lift", roles.join(" or a ")),
        ));
    }
    let detail = json!({"hold": hold.id, "reason": &reason});
    let held_at = hold.at;
    hold.lifted = Some(Lifted {
        by: person,
        at: now,
        reason,
    });
    decision.facts.push(Fact::new("course.lifted", detail));
    let near = sessions.iter().filter(|it| waited_for_the_hold(it, held_at, now));
    let changed = near.map(|there| {
        let mut draft = Draft::of(there, context);
        draft.record.course = decision.after.course.clone();
        ask_anew(&mut draft);
        draft.decide()
    });
    let changed = changed.collect();
    Ok(CourseDecision {
        changed,
        ..CourseDecision::of_patient(decision)
    })
}

/// Whether a session is being prepared, or was held for want of an answer that nobody was asked for.
fn waited_for_the_hold(record: &SessionRecord, held_at: Instant, now: Instant) -> bool {
    let planned_at = record.session.planned.at;
    let opens_at = planned_at - minutes(record.around.protocol.plan.prep_opens_before_min);
    let waits = match &record.session.state {
        SessionState::Scheduled | SessionState::PrepOpen | SessionState::Ready { unlocked_at: None } => true,
        SessionState::Held {
            hold: Hold::NotConfirmed,
            since,
        } => *since >= held_at,
        _ => false,
    };
    waits && opens_at <= now && now < planned_at
}
