//! Intervals, hours and windows of sessions, the ranges of an order, and quiet hours (PROTOCOL 4.1).

use chrono::{Days, NaiveTime};
use serde::{Deserialize, Serialize};

use super::Range;
use crate::time::{Instant, Zone};

/// Intervals, hours and windows (PROTOCOL 4.1).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlanRules {
    /// Least hours from one dose to the next.
    pub min_interval_hours: i64,
    /// Most doses in seven days.
    pub max_doses_rolling_7d: usize,
    /// Local hours within which a dose may be planned.
    pub dosing_hours_local: LocalHours,
    /// Preparation opens so many minutes before the planned time.
    pub prep_opens_before_min: i64,
    /// The dose may be unlocked so many minutes before the planned time …
    pub unlock_before_min: i64,
    /// … and so many after it.
    pub unlock_after_min: i64,
    /// An unlocked screen locks again after so many minutes.
    pub unlocked_for_min: i64,
    /// How far back a dose may be reported, hours; earlier claims are bounded and kept.
    pub dose_report_back_h: i64,
    /// A second report of a dose within so many minutes is taken for the same dose.
    pub same_dose_within_min: i64,
}

/// Local hours of a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LocalHours {
    /// From.
    pub from: NaiveTime,
    /// To, included.
    pub to: NaiveTime,
}

impl LocalHours {
    /// Whether a time of day lies within.
    pub fn contains(self, time: NaiveTime) -> bool {
        (self.from..=self.to).contains(&time)
    }

    /// What a fault says.
    pub(crate) fn in_words(self) -> String {
        let (from, to) = (self.from.format("%H:%M"), self.to.format("%H:%M"));
        format!("must be from {from} to {to}")
    }
}

/// The ranges of an order (PROTOCOL 4.1 `order_check`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OrderLimits {
    /// Lozenges for one session.
    pub lozenge_count: Range,
    /// Milligrams of one lozenge.
    pub strength_mg: Range,
    /// Milligrams of one session.
    pub total_mg_max: u32,
    /// Minutes under the tongue.
    pub hold_minutes: Range,
    /// Refills.
    pub refills_left: Range,
    /// Months an order is good for.
    pub valid_months: u32,
    /// A change of the total by this factor needs a second signature.
    pub second_signature_factor: f64,
}

/// When patients are not disturbed between sessions, local time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QuietHours {
    /// From, in the evening.
    pub from: NaiveTime,
    /// To, in the morning.
    pub to: NaiveTime,
}

impl QuietHours {
    /// `at`, or the end of the quiet hours it falls into in `zone`.
    pub fn after(self, zone: Zone, at: Instant) -> Instant {
        let (on, time) = (zone.date_of(at), zone.time_of(at));
        if time >= self.from {
            self.end_after(zone, at)
        } else if time < self.to {
            zone.resolve(on, self.to)
        } else {
            at
        }
    }

    /// The end of the night that follows the day of `at`.
    pub fn end_after(self, zone: Zone, at: Instant) -> Instant {
        let on = zone.date_of(at);
        zone.resolve(on.checked_add_days(Days::new(1)).unwrap_or(on), self.to)
    }
}
