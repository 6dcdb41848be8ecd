//! How far apart doses are: least hours from one to the next, and most in seven days. A patient's plan may be stricter than
//! the clinic's document, never laxer.

use chrono::Duration;

use super::{INTERVAL_HOURS_MAX, PlanTerms};
use crate::course::Course;
use crate::document::PlanRules;
use crate::time::{Instant, Zone, minutes};

/// How far apart doses are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spacing {
    /// Least hours from one dose to the next, by the clock.
    pub hours: i64,
    /// Most doses in seven days, by the patient's calendar and wall clock: a weekly dose stays one over a clock change.
    pub most_in_week: usize,
}

impl Spacing {
    /// The stricter of document and plan.
    pub fn of(rules: &PlanRules, terms: Option<&PlanTerms>) -> Self {
        let (hours, most) = (rules.min_interval_hours, rules.max_doses_rolling_7d);
        Self {
            hours: terms.map_or(hours, |terms| {
                terms.min_interval_hours.min(INTERVAL_HOURS_MAX).max(hours)
            }),
            most_in_week: terms.map_or(most, |terms| terms.max_doses_rolling_7d.clamp(1, most.max(1))),
        }
    }

    /// The same, or stricter where the patient came with limits of their own.
    pub fn for_patient(self, course: &Course) -> Self {
        let Some(import) = course.imports.last() else {
            return self;
        };
        let limits = import.limits;
        Self {
            hours: limits
                .min_interval_hours
                .map_or(self.hours, |hours| hours.min(INTERVAL_HOURS_MAX).max(self.hours)),
            most_in_week: limits
                .max_doses_rolling_7d
                .map_or(self.most_in_week, |most| most.clamp(1, self.most_in_week.max(1))),
        }
    }

    /// Whether two doses are too near to each other.
    pub fn is_near(self, one: Instant, other: Instant) -> bool {
        (one - other).abs() < self.interval()
    }

    /// Least time from one dose to the next.
    pub fn interval(self) -> Duration {
        minutes(self.hours.saturating_mul(60))
    }

    /// Whether a dose at `at` belongs to the seven days that end at `end`.
    pub fn is_in_week(zone: Zone, at: Instant, end: Instant) -> bool {
        at <= end && zone.by_the_wall(at, end) < minutes(7 * 24 * 60)
    }

    /// Whether some seven days around `at` hold too many of `doses`, of which `at` is one.
    pub fn is_crowded(self, zone: Zone, doses: &[Instant], at: Instant) -> bool {
        let in_week = |end: Instant| {
            doses
                .iter()
                .filter(|dose| Self::is_in_week(zone, **dose, end))
                .count()
        };
        let ends = doses.iter().filter(|end| Self::is_in_week(zone, at, **end));
        ends.into_iter().any(|end| in_week(*end) > self.most_in_week)
    }

    /// What a fault of distance says.
    pub(crate) fn near_in_words(self) -> String {
        format!("is less than {} hours from another session or dose", self.hours)
    }

    /// What a fault of seven days says.
    pub(crate) fn crowded_in_words(self) -> String {
        format!("would be more than {} doses in seven days", self.most_in_week)
    }
}
