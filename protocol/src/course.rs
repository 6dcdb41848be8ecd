//! The course: a patient's own documents beside their sessions, what belongs to all sessions together.
//!
//! They are part of the patient's record and change only by a rule about the patient, under the patient's version. A rule
//! about a session reads them.

use crate::call::Call;
use crate::enrolment::{ConsentAnswer, Contacts, Screening};
use crate::import::Import;
use crate::instruments::Score;
use crate::instruments::external::ExternalResult;
use crate::instruments::item9::ScoreReview;
use crate::ledger::LedgerEntry;
use crate::limits::SignedLimits;
use crate::plan::{CourseHold, Review, SignedPlan};
use crate::vitals::Reading;

/// A patient's documents, each list oldest first. Nothing is ever taken out of a list.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Course {
    /// Something of it cannot be read. No dose opens then; a session that runs is watched all the same.
    pub unreadable: bool,
    /// Lozenges that came, went astray or were counted.
    pub ledger: Vec<LedgerEntry>,
    /// Every signed version of every plan.
    pub plans: Vec<SignedPlan>,
    /// Clinical holds of the course.
    pub holds: Vec<CourseHold>,
    /// Clinicians' reviews.
    pub reviews: Vec<Review>,
    /// Answered questionnaires.
    pub scores: Vec<Score>,
    /// Scores that clinicians have seen.
    pub score_reviews: Vec<ScoreReview>,
    /// Results of instruments that were asked elsewhere.
    pub external_results: Vec<ExternalResult>,
    /// Every answer to a text of the enrolment; the last of a text counts.
    pub consents: Vec<ConsentAnswer>,
    /// Addresses and numbers each time they were confirmed; the last counts.
    pub contacts: Vec<Contacts>,
    /// Clinicians' screenings; the last counts.
    pub screenings: Vec<Screening>,
    /// Readings by which a patient tried their cuff.
    pub trial_readings: Vec<Reading>,
    /// That they were brought over from elsewhere in mid-course, and with what.
    pub imports: Vec<Import>,
    /// Every version of their limits of vital signs.
    pub limits: Vec<SignedLimits>,
    /// Calls that the care team made.
    pub calls: Vec<Call>,
}
