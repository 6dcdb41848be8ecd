//! How a course of sessions is planned, reviewed and moved (PROTOCOL 4.1).

use serde::{Deserialize, Serialize};

use super::Range;
use super::check::Found;

/// How a course of sessions is planned, reviewed and moved. The defaults are those of PROTOCOL 4.1; a plan is copied
/// from them when it is drafted and may differ.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CourseRules {
    /// Sessions of the induction: the range a plan must lie in …
    pub induction_sessions: Range,
    /// … and how many a plan has that does not say.
    pub induction_sessions_default: u32,
    /// Days from one session of the induction to the next, where a plan does not say.
    pub recommended_interval_days: u32,
    /// After which sessions a clinician reviews the course, where a plan does not say.
    pub review_after_sessions: Vec<u32>,
    /// Whether the next dose stays locked until that review is recorded.
    pub block_next_until_review: bool,
    /// Days from one maintenance session to the next.
    pub maintenance_interval_days: Range,
    /// A gap of so many days since the last dose asks for a review before the next.
    pub relapse_gap_days: i64,
    /// A session is moved freely until so many hours before it.
    pub move_cut_off_hours: i64,
}

impl Default for CourseRules {
    fn default() -> Self {
        Self {
            induction_sessions: Range { min: 4, max: 8 },
            induction_sessions_default: 6,
            recommended_interval_days: 7,
            review_after_sessions: vec![1, 2, 4, 6],
            block_next_until_review: true,
            maintenance_interval_days: Range { min: 7, max: 60 },
            relapse_gap_days: 84,
            move_cut_off_hours: 24,
        }
    }
}

impl CourseRules {
    /// Every fault, by its path.
    pub(super) fn check(&self, found: &mut Found) {
        let mut unless =
            |good: bool, path: &str, message: &str| found.unless(good, format!("course.{path}"), message);
        unless(
            self.induction_sessions.min >= 1 && self.induction_sessions.min <= self.induction_sessions.max,
            "induction_sessions",
            "must be a range from 1 up",
        );
        unless(
            self.induction_sessions.contains(self.induction_sessions_default),
            "induction_sessions_default",
            "must lie in induction_sessions",
        );
        unless(
            self.recommended_interval_days >= 1,
            "recommended_interval_days",
            "must be 1 or more",
        );
        unless(
            !self.review_after_sessions.contains(&0)
                && self.review_after_sessions.is_sorted_by(|one, next| one < next),
            "review_after_sessions",
            "must count up from 1 or more",
        );
        let maintenance = self.maintenance_interval_days;
        unless(
            maintenance.min >= 1 && maintenance.min <= maintenance.max,
            "maintenance_interval_days",
            "must be a range from 1 up",
        );
        for (path, value) in [
            ("relapse_gap_days", self.relapse_gap_days),
            ("move_cut_off_hours", self.move_cut_off_hours),
        ] {
            unless(value >= 1, path, "must be 1 or more");
        }
    }
}
