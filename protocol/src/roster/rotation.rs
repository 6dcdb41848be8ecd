//! A weekly rotation: people in order, one a week, handed over at a local hour.

use chrono::{Datelike as _, Duration, NaiveDate, NaiveTime};
use serde::{Deserialize, Serialize};

use crate::id::PersonId;
use crate::people::OnCallPlace;
use crate::time::{Instant, Zone};

/// A day of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Weekday {
    /// Monday.
    Monday,
    /// Tuesday.
    Tuesday,
    /// Wednesday.
    Wednesday,
    /// Thursday.
    Thursday,
    /// Friday.
    Friday,
    /// Saturday.
    Saturday,
    /// Sunday.
    Sunday,
}

impl Weekday {
    /// Its name in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Monday => "monday",
            Self::Tuesday => "tuesday",
            Self::Wednesday => "wednesday",
            Self::Thursday => "thursday",
            Self::Friday => "friday",
            Self::Saturday => "saturday",
            Self::Sunday => "sunday",
        }
    }

    /// The day of the week of a date.
    pub fn of(on: NaiveDate) -> Self {
        match on.weekday() {
            chrono::Weekday::Mon => Self::Monday,
            chrono::Weekday::Tue => Self::Tuesday,
            chrono::Weekday::Wed => Self::Wednesday,
            chrono::Weekday::Thu => Self::Thursday,
            chrono::Weekday::Fri => Self::Friday,
            chrono::Weekday::Sat => Self::Saturday,
            chrono::Weekday::Sun => Self::Sunday,
        }
    }
}

/// One person a week, in order and then from the beginning again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rotation {
    /// The place.
    pub place: OnCallPlace,
    /// Who, in order. Never empty; somebody may stand in it twice.
    pub people: Vec<PersonId>,
    /// The day of the week on which it is handed over …
    pub weekday: Weekday,
    /// … and the local time of day.
    pub at: NaiveTime,
    /// The day of the first hand-over, which is such a day of the week. Before it the rotation says nothing.
    pub starts_on: NaiveDate,
    /// When the place is taken at all; always, if it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hours: Option<Hours>,
}

/// The hours of the clinic in which a place is taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hours {
    /// The days on which they begin.
    pub days: Vec<Weekday>,
    /// From this local time on …
    pub from: NaiveTime,
    /// … until this one, the next day's if it is not after `from`.
    pub until: NaiveTime,
}

impl Hours {
    /// The hours that begin on a local date, if some do.
    pub(super) fn of_day(&self, zone: Zone, on: NaiveDate) -> Option<(Instant, Instant)> {
        if !self.days.contains(&Weekday::of(on)) {
            return None;
        }
        let ends_on = if self.until > self.from {
            on
        } else {
            on.succ_opt()?
        };
        Some((zone.resolve(on, self.from), zone.resolve(ends_on, self.until)))
    }
}

impl Rotation {
    /// When the `week`-th week begins, the first being 0. `None` outside the calendar.
    pub(super) fn hand_over(&self, zone: Zone, week: i64) -> Option<Instant> {
        let days = Duration::try_days(week.checked_mul(7)?)?;
        let on = self.starts_on.checked_add_signed(days)?;
        Some(zone.resolve(on, self.at))
    }

    /// The week an instant lies in; negative before the first.
    pub(super) fn week_at(&self, zone: Zone, at: Instant) -> i64 {
        let mut week = (zone.date_of(at) - self.starts_on).num_days().div_euclid(7);
        // The date alone does not tell on which side of the hour of hand-over it is; a gap may push that past midnight.
        while self.hand_over(zone, week).is_some_and(|begins| begins > at) {
            week -= 1;
        }
        while self.hand_over(zone, week + 1).is_some_and(|begins| begins <= at) {
            week += 1;
        }
        week
    }

    /// Whose week it is. `None` before the first hand-over.
    pub(super) fn person_at(&self, zone: Zone, at: Instant) -> Option<PersonId> {
        let week = usize::try_from(self.week_at(zone, at)).ok()?;
        let turn = week.checked_rem(self.people.len())?;
        self.people.get(turn).copied()
    }

    pub(super) fn is_in_hours(&self, zone: Zone, at: Instant) -> bool {
        let Some(hours) = &self.hours else { return true };
        // A gap of a whole day may push the hours of a day into the next; a clock that goes back over midnight shows the
        // date before.
        let on = zone.date_of(at);
        let (first, last) = (on - Duration::days(2), on + Duration::days(1));
        let mut days = first.iter_days().take_while(|on| *on <= last);
        days.any(|on| {
            hours
                .of_day(zone, on)
                .is_some_and(|(from, until)| from <= at && at < until)
        })
    }
}
