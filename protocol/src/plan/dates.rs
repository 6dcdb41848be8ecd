//! The dates of a plan, and what a day's clock change does to them.

use chrono::{Datelike as _, Days, NaiveDate, NaiveTime};
use serde::{Deserialize, Serialize};

use super::{Phase, PlanTerms};
use crate::time::{Planned, Zone};

/// One session of a plan and its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlannedSession {
    /// Which of the plan's sessions, from 1.
    pub ordinal: u32,
    /// The part of the course it belongs to.
    pub phase: Phase,
    /// When.
    pub planned: Planned,
}

impl PlanTerms {
    /// The times of these sessions of the plan: the first on the first day, each next one its interval later, moved on
    /// to a day of the week that is possible. Ends early where the calendar does.
    pub fn dates(&self, ordinals: &[u32], zone: Zone) -> Vec<PlannedSession> {
        let mut dates: Vec<PlannedSession> = Vec::with_capacity(ordinals.len());
        for &ordinal in ordinals {
            let phase = self.phase(ordinal);
            let on = match dates.last() {
                None => Some(self.first_on),
                Some(last) => {
                    let days = match (phase, self.maintenance) {
                        (Phase::Maintenance, Some(maintenance)) => maintenance.interval_days,
                        _ => self.interval_days,
                    };
                    let nominal = last.planned.on.checked_add_days(Days::new(u64::from(days)));
                    nominal.and_then(|on| self.possible_from(on))
                }
            };
            let Some(on) = on else { break };
            dates.push(PlannedSession {
                ordinal,
                phase,
                planned: Planned::new(on, self.time, zone),
            });
        }
        dates
    }

    /// Whether a session may be on this day of the week.
    pub(super) fn allows(&self, on: NaiveDate) -> bool {
        self.weekdays.is_empty() || self.weekdays.contains(&on.weekday())
    }

    fn possible_from(&self, on: NaiveDate) -> Option<NaiveDate> {
        on.iter_days().take(7).find(|on| self.allows(*on))
    }
}

/// What a clock change of the same day does to a planned time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "effect", rename_all = "snake_case")]
pub enum ClockEffect {
    /// Nothing.
    Unchanged,
    /// The time is skipped that day: the first valid minute after it stands.
    MovedTo {
        /// The local date.
        on: NaiveDate,
        /// The local time of day.
        time: NaiveTime,
    },
    /// The time comes twice that day: the first stands.
    FirstOfTwo,
}

impl ClockEffect {
    /// The effect on a planned time.
    pub fn of(planned: &Planned) -> Self {
        let zone = planned.zone;
        let (on, time) = (zone.date_of(planned.at), zone.time_of(planned.at));
        if (on, time) != (planned.on, planned.time) {
            Self::MovedTo { on, time }
        } else if zone.happens_twice(planned.on, planned.time) {
            Self::FirstOfTwo
        } else {
            Self::Unchanged
        }
    }

    /// The name in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unchanged => "unchanged",
            Self::MovedTo { .. } => "moved_to",
            Self::FirstOfTwo => "first_of_two",
        }
    }
}
