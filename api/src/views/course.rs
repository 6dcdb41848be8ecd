//! A course: its plan as laid out and as signed, holds, reviews, and the series of sessions a phone shows.

use bedside_protocol::id::SessionId;
use bedside_protocol::plan::{
    ClockEffect, CourseHold, Layout, Review, ReviewDue, SignedPlan, Slot, SlotChange, in_force, review_due,
};
use bedside_protocol::record::PatientRecord;
use bedside_protocol::session::Session;
use bedside_protocol::time::{ClockChange, Instant, Planned};
use chrono::{DateTime, NaiveDate, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::shared::{PlannedView, SessionRow};
use crate::error::FieldFault;

/// A plan as it would be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct LayoutView {
    /// Every session, by its number in the plan.
    pub sessions: Vec<SlotView>,
    /// Whether it can be signed as it is.
    pub can_be_signed: bool,
    /// All that speaks against it.
    pub faults: Vec<FieldFault>,
}

/// One session of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct SlotView {
    /// Its number in the plan, from 1.
    pub ordinal: u32,
    /// `induction` or `maintenance`.
    pub phase: String,
    /// When it is to be.
    pub planned: PlannedView,
    /// What would become of it: `new`, `same`, `moved`, `left` or `dropped`.
    pub change: String,
    /// Its time now, if it would be moved.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub moved_from: Option<PlannedView>,
    /// The session, if it is there already.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session: Option<Uuid>,
    /// Whether a clinician's review stands before it, if all before it take place.
    pub review_before: bool,
    /// The clocks of that day, if they change.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clock_change: Option<ClockChangeView>,
}

/// A clock change on the day of a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ClockChangeView {
    /// When.
    pub at: DateTime<Utc>,
    /// Minutes forward; negative when the clocks go back.
    pub by_minutes: i64,
    /// What it does to the session's time: `unchanged`, `moved_to` (the time is skipped that day) or `first_of_two`.
    pub effect: String,
    /// In words.
    pub text: String,
}

impl ClockChangeView {
    fn of(change: ClockChange, effect: ClockEffect, planned: &Planned) -> Self {
        let direction = if change.by_minutes > 0 { "forward" } else { "back" };
        let minutes = change.by_minutes.abs();
        let time = planned.time.format("%H:%M");
        let becomes = match effect {
            ClockEffect::Unchanged => format!("the session stays at {time}"),
            ClockEffect::MovedTo { on, time: valid } => {
                format!(
                    "{time} is skipped, the session is on {on} at {}",
                    valid.format("%H:%M")
                )
            }
            ClockEffect::FirstOfTwo => format!("{time} comes twice, the session is at the first"),
        };
        Self {
            at: change.at,
            by_minutes: change.by_minutes,
            effect: effect.name().to_owned(),
            text: format!("The clocks go {direction} by {minutes} minutes that day: {becomes}."),
        }
    }
}

impl SlotView {
    fn of(slot: &Slot) -> Self {
        let moved_from = match &slot.change {
            SlotChange::Moved { from } => Some(PlannedView::of(from)),
            _ => None,
        };
        Self {
            ordinal: slot.ordinal,
            phase: slot.phase.name().to_owned(),
            planned: PlannedView::of(&slot.planned),
            change: slot.change.name().to_owned(),
            moved_from,
            session: slot.session.map(SessionId::uuid),
            review_before: slot.review_before,
            clock_change: slot
                .clock
                .map(|(change, effect)| ClockChangeView::of(change, effect, &slot.planned)),
        }
    }
}

impl LayoutView {
    /// The view of a layout.
    pub fn of(layout: &Layout) -> Self {
        Self {
            sessions: layout.slots.iter().map(SlotView::of).collect(),
            can_be_signed: layout.faults.0.is_empty(),
            faults: layout.faults.0.iter().cloned().map(FieldFault::from).collect(),
        }
    }
}

/// A signed version of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct SignedPlanView {
    /// The plan, the same through all its versions.
    pub plan: Uuid,
    /// Counts up with each signature, from 1; what `If-Match` names.
    pub version: u32,
    /// Sessions of the induction.
    pub induction_sessions: u32,
    /// Days from one to the next.
    pub interval_days: u32,
    /// The local date of the first session it planned.
    pub first_on: NaiveDate,
    /// The local time of all, `HH:MM`.
    pub time: String,
    /// From which local time a single session may be moved to, `HH:MM` …
    pub hours_from: String,
    /// … and until which.
    pub hours_to: String,
    /// Days of the week that are possible, such as `monday`; none for all.
    pub weekdays: Vec<String>,
    /// Least hours from one dose to the next.
    pub min_interval_hours: i64,
    /// Most doses in seven days.
    pub max_doses_rolling_7d: usize,
    /// After which sessions a clinician reviews the course.
    pub review_after_sessions: Vec<u32>,
    /// Days from one maintenance session to the next; absent without maintenance.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub maintenance_interval_days: Option<u32>,
    /// Lozenges dispensed for the course.
    pub dispensed_lozenges: u32,
    /// Numbers of the sessions that this version gave their time.
    pub sessions: Vec<u32>,
    /// Why it was planned so.
    pub reason: String,
    /// The version of the order it was signed on.
    pub order_version: u32,
    /// Who signed.
    pub signed_by: Uuid,
    /// When.
    pub signed_at: DateTime<Utc>,
}

impl SignedPlanView {
    /// The view of a version.
    pub fn of(plan: &SignedPlan) -> Self {
        let terms = &plan.terms;
        let clock = |time: chrono::NaiveTime| time.format("%H:%M").to_string();
        Self {
            plan: plan.plan.uuid(),
            version: plan.version,
            induction_sessions: terms.induction_sessions,
            interval_days: terms.interval_days,
            first_on: terms.first_on,
            time: clock(terms.time),
            hours_from: clock(terms.hours.from),
            hours_to: clock(terms.hours.to),
            weekdays: terms
                .weekdays
                .iter()
                .map(|day| weekday_name(*day).to_owned())
                .collect(),
            min_interval_hours: terms.min_interval_hours,
            max_doses_rolling_7d: terms.max_doses_rolling_7d,
            review_after_sessions: terms.review_after_sessions.clone(),
            maintenance_interval_days: terms.maintenance.map(|maintenance| maintenance.interval_days),
            dispensed_lozenges: terms.dispensed_lozenges,
            sessions: plan.ordinals.clone(),
            reason: plan.reason.clone(),
            order_version: plan.order_version,
            signed_by: plan.signed_by.uuid(),
            signed_at: plan.signed_at,
        }
    }
}

fn weekday_name(day: chrono::Weekday) -> &'static str {
    match day {
        chrono::Weekday::Mon => "monday",
        chrono::Weekday::Tue => "tuesday",
        chrono::Weekday::Wed => "wednesday",
        chrono::Weekday::Thu => "thursday",
        chrono::Weekday::Fri => "friday",
        chrono::Weekday::Sat => "saturday",
        chrono::Weekday::Sun => "sunday",
    }
}

/// A hold of a course.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct CourseHoldView {
    /// The hold.
    pub id: Uuid,
    /// Whether it holds now.
    pub is_on: bool,
    /// Why.
    pub reason: String,
    /// Its last day, in the patient's zone.
    pub until: NaiveDate,
    /// Who may lift it: `nurse`, `prescriber`.
    pub may_lift: Vec<String>,
    /// When it was set.
    pub at: DateTime<Utc>,
    /// Who lifted it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lifted_by: Option<Uuid>,
    /// When.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lifted_at: Option<DateTime<Utc>>,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lifted_because: Option<String>,
}

impl CourseHoldView {
    fn of(hold: &CourseHold, record: &PatientRecord, now: Instant) -> Self {
        Self {
            id: hold.id.uuid(),
            is_on: hold.is_on(record.patient.zone, now),
            reason: hold.reason.clone(),
            until: hold.until,
            may_lift: hold.may_lift.iter().map(|role| role.name().to_owned()).collect(),
            at: hold.at,
            lifted_by: hold.lifted.as_ref().map(|lifted| lifted.by.uuid()),
            lifted_at: hold.lifted.as_ref().map(|lifted| lifted.at),
            lifted_because: hold.lifted.as_ref().map(|lifted| lifted.reason.clone()),
        }
    }
}

/// A clinician's review.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ReviewView {
    /// The review.
    pub id: Uuid,
    /// Who.
    pub by: Uuid,
    /// When.
    pub at: DateTime<Utc>,
    /// What they found.
    pub note: String,
}

impl ReviewView {
    fn of(review: &Review) -> Self {
        Self {
            id: review.id.uuid(),
            by: review.by.uuid(),
            at: review.at,
            note: review.note.clone(),
        }
    }
}

/// A patient's course, for the care team.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct CourseView {
    /// The plan in force.
    pub plan: Option<SignedPlanView>,
    /// Every signed version of every plan, oldest first.
    pub versions: Vec<SignedPlanView>,
    /// The patient's sessions.
    pub sessions: Vec<SessionRow>,
    /// Every hold, oldest first.
    pub holds: Vec<CourseHoldView>,
    /// Why a review is due before the next dose: `after_session` or `after_gap`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub review_due: Option<String>,
    /// Every review, oldest first.
    pub reviews: Vec<ReviewView>,
}

impl CourseView {
    /// The view of a patient's course.
    pub fn of(record: &PatientRecord, now: Instant) -> Self {
        let course = &record.course;
        let plan = in_force(&course.plans, &record.sessions);
        Self {
            plan: plan.map(SignedPlanView::of),
            versions: course.plans.iter().map(SignedPlanView::of).collect(),
            sessions: record.sessions.iter().map(SessionRow::of).collect(),
            holds: course
                .holds
                .iter()
                .map(|hold| CourseHoldView::of(hold, record, now))
                .collect(),
            review_due: due(record, plan, now).map(|due| {
                let name = match due {
                    ReviewDue::AfterSession { .. } => "after_session",
                    ReviewDue::AfterGap { .. } => "after_gap",
                };
                name.to_owned()
            }),
            reviews: course.reviews.iter().map(ReviewView::of).collect(),
        }
    }
}

fn due(record: &PatientRecord, plan: Option<&SignedPlan>, now: Instant) -> Option<ReviewDue> {
    let (rules, doses) = (&record.around.protocol.course, &record.around.other_doses);
    review_due(plan, &record.course.reviews, doses, rules, now)
}

/// The series of sessions, as its patient sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct OwnCourseView {
    /// The version of the plan.
    pub plan_version: u32,
    /// The plan's sessions, by number.
    pub sessions: Vec<OwnCourseSession>,
    /// The last day of a hold that is on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub held_until: Option<NaiveDate>,
    /// Whether the next dose waits for the clinic's review.
    pub review_due: bool,
}

/// One session of the series.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct OwnCourseSession {
    /// The session.
    pub id: Uuid,
    /// Its number in the plan, from 1.
    pub ordinal: u32,
    /// When it is planned.
    pub planned: PlannedView,
    /// Its state, such as `scheduled`.
    pub state: String,
    /// Whether it was left out.
    pub skipped: bool,
}

impl OwnCourseView {
    /// The series of the plan in force, or of the last one.
    pub fn of(record: &PatientRecord, now: Instant) -> Option<Self> {
        let plans = &record.course.plans;
        let plan = in_force(plans, &record.sessions).or(plans.last())?;
        let of_plan = |session: &Session| {
            let slot = session.slot.filter(|slot| slot.plan == plan.plan)?;
            Some(OwnCourseSession {
                id: session.id.uuid(),
                ordinal: slot.ordinal,
                planned: PlannedView::of(&session.planned),
                state: session.state.name().to_owned(),
                skipped: slot.skipped,
            })
        };
        let mut sessions: Vec<OwnCourseSession> = record.sessions.iter().filter_map(of_plan).collect();
        sessions.sort_by_key(|session| session.ordinal);
        let zone = record.patient.zone;
        let hold = record.course.holds.iter().find(|hold| hold.is_on(zone, now));
        Some(Self {
            plan_version: plan.version,
            sessions,
            held_until: hold.map(|hold| hold.until),
            review_due: due(record, Some(plan), now).is_some(),
        })
    }
}
