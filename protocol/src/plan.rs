//! The plan of a patient's course: what a prescriber signs, and the sessions that follow from it (PROTOCOL 4.1).
//!
//! A plan keeps its id through all its versions, and every version is kept. A session of it is keyed by the plan and an
//! ordinal, so that planning anew moves a session and never makes it twice; what has begun or is over is never touched.
//! The dates are a function of the signed terms and the zone alone ([`PlanTerms::dates`]).

use chrono::{NaiveDate, NaiveTime, Weekday};
use serde::{Deserialize, Serialize};

use crate::document::LocalHours;
use crate::id::{PersonId, PlanId, SignedPlanId};
use crate::record::PatientRecord;
use crate::session::{Session, SessionState};
use crate::time::{Instant, Planned, Zone, minutes};

mod course_hold;
mod dates;
mod layout;
mod moving;
mod replan;
mod review;
mod spacing;

pub use course_hold::{CourseHold, Lifted, hold_course, lift_course};
pub use dates::{ClockEffect, PlannedSession};
pub use layout::{Layout, Slot, SlotChange, lay_out};
pub use moving::{NewTime, move_session, skip};
pub use replan::{CourseDecision, change_zone, sign};
pub use review::{Review, ReviewDue, record_review, review_due};
pub use spacing::Spacing;

/// The most sessions one plan may have, maintenance included.
pub const SESSIONS_MAX: u32 = 60;

/// Most hours from one dose to the next that a plan may ask for: a year.
pub const INTERVAL_HOURS_MAX: i64 = 366 * 24;

/// Longest words of a review, characters.
pub const REVIEW_MAX_CHARS: usize = 4000;

/// Which part of a course a session belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// The series at the beginning.
    Induction,
    /// The sessions further apart that follow it.
    Maintenance,
}

impl Phase {
    /// The name in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Induction => "induction",
            Self::Maintenance => "maintenance",
        }
    }
}

/// Sessions after the induction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Maintenance {
    /// Days from one to the next.
    pub interval_days: u32,
    /// How many; `None` for as many as the dispensed lozenges last, while the order is good.
    pub sessions: Option<u32>,
}

/// What is signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanTerms {
    /// Sessions of the induction, those that took place included.
    pub induction_sessions: u32,
    /// Days from one to the next.
    pub interval_days: u32,
    /// The local date of the first session that these terms plan.
    pub first_on: NaiveDate,
    /// The local time of all.
    pub time: NaiveTime,
    /// Local hours within which a single session may be moved.
    pub hours: LocalHours,
    /// Days of the week that are possible; none for all. A date that falls on another moves to the next of them.
    pub weekdays: Vec<Weekday>,
    /// Least hours from one dose to the next; the clinic's own if that is more.
    pub min_interval_hours: i64,
    /// Most doses in seven days; the clinic's own if that is fewer.
    pub max_doses_rolling_7d: usize,
    /// After which sessions with a dose a clinician reviews the course before the next.
    pub review_after_sessions: Vec<u32>,
    /// What follows the induction.
    pub maintenance: Option<Maintenance>,
    /// Lozenges dispensed for the whole course; it ends with them.
    pub dispensed_lozenges: u32,
}

impl PlanTerms {
    /// The part of the course to which a session of this plan belongs.
    pub fn phase(&self, ordinal: u32) -> Phase {
        if ordinal <= self.induction_sessions {
            Phase::Induction
        } else {
            Phase::Maintenance
        }
    }
}

/// A plan before it is signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanDraft {
    /// What is to be signed.
    pub terms: PlanTerms,
    /// Why it is planned so.
    pub reason: String,
    /// The version it was made from: a change of the plan in force. `None` for a first plan.
    pub changes: Option<u32>,
}

/// A signed version of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedPlan {
    /// This version.
    pub id: SignedPlanId,
    /// The plan.
    pub plan: PlanId,
    /// Counts up with each signature, from 1.
    pub version: u32,
    /// What was signed.
    pub terms: PlanTerms,
    /// Which places of the plan this version gave a time; a session that was moved by hand keeps its own.
    pub ordinals: Vec<u32>,
    /// When the plan's first version was signed: doses from then on belong to it.
    pub began_at: Instant,
    /// Why it was planned so.
    pub reason: String,
    /// The version of the order it was signed on.
    pub order_version: u32,
    /// Who signed.
    pub signed_by: PersonId,
    /// When.
    pub signed_at: Instant,
}

impl SignedPlan {
    /// The times this version gives its sessions.
    pub fn dates(&self, zone: Zone) -> Vec<PlannedSession> {
        self.terms.dates(&self.ordinals, zone)
    }
}

/// The newest version of a plan.
pub fn newest(plans: &[SignedPlan], plan: PlanId) -> Option<&SignedPlan> {
    let versions = plans.iter().filter(|signed| signed.plan == plan);
    versions.max_by_key(|signed| signed.version)
}

/// The plan in force: the newest version of the one that has sessions to come.
pub fn in_force<'p>(plans: &'p [SignedPlan], sessions: &[Session]) -> Option<&'p SignedPlan> {
    let to_come = sessions.iter().filter(|session| session.state.is_before_dose());
    let slot = to_come.filter_map(|session| session.slot).next_back()?;
    newest(plans, slot.plan)
}

/// Whether a session may be given another time by a change of plan: nobody moved it by hand, its preparation has not begun,
/// and nobody decides about it.
pub fn may_be_replanned(session: &Session, prep_opens_before_min: i64, now: Instant) -> bool {
    session.moves.is_empty() && may_be_moved(session, prep_opens_before_min, now)
}

/// Whether a session may be given another time without anybody being asked: its preparation has not begun, and nobody
/// decides about it.
fn may_be_moved(session: &Session, prep_opens_before_min: i64, now: Instant) -> bool {
    matches!(session.state, SessionState::Scheduled)
        && !is_preparing(&session.planned, prep_opens_before_min, now)
}

/// Whether the preparation of a session at that time has begun.
fn is_preparing(planned: &Planned, prep_opens_before_min: i64, now: Instant) -> bool {
    planned.at - minutes(prep_opens_before_min) <= now
}

/// The doses that belong to a plan.
fn doses_of(record: &PatientRecord, began_at: Instant) -> usize {
    let doses = &record.around.other_doses;
    doses.iter().filter(|dose| **dose >= began_at).count()
}
