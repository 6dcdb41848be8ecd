//! A window of time cut where anybody's turn may begin or end.

use std::collections::BTreeSet;

use chrono::Duration;

use super::OnCallPlan;
use crate::id::PersonId;
use crate::people::OnCallPlace;
use crate::time::Instant;

/// Who has a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Holder {
    /// These; several only where the on-call list says so.
    People(Vec<PersonId>),
    /// Nobody, and somebody should.
    Nobody,
    /// Nobody, because it is outside the hours in which the clinic takes this place.
    OutsideHours,
}

impl Holder {
    /// The people; none when nobody has the place.
    pub fn people(&self) -> &[PersonId] {
        match self {
            Self::People(people) => people,
            Self::Nobody | Self::OutsideHours => &[],
        }
    }
}

/// A stretch of time in which something stays the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stretch<T> {
    /// Its first instant.
    pub from: Instant,
    /// The first instant after it.
    pub until: Instant,
    /// What stays the same.
    pub what: T,
}

impl OnCallPlan {
    /// A window cut into stretches in which `of` gives the same, each as long as it can be: they follow one another from
    /// `from` to `until` without a hole. `of` must look at these places only.
    pub(super) fn stretches<T: PartialEq>(
        &self,
        places: &[OnCallPlace],
        from: Instant,
        until: Instant,
        of: impl Fn(Instant) -> T,
    ) -> Vec<Stretch<T>> {
        let mut stretches: Vec<Stretch<T>> = Vec::new();
        if from >= until {
            return stretches;
        }
        let cuts = self.boundaries(places, from, until);
        for begins in std::iter::once(from).chain(cuts) {
            let what = of(begins);
            match stretches.last_mut() {
                Some(last) if last.what == what => {}
                last => {
                    if let Some(last) = last {
                        last.until = begins;
                    }
                    stretches.push(Stretch {
                        from: begins,
                        until,
                        what,
                    });
                }
            }
        }
        stretches
    }

    /// Who has a place in a window, stretch by stretch.
    pub fn holders(&self, place: OnCallPlace, from: Instant, until: Instant) -> Vec<Stretch<Holder>> {
        self.stretches(&[place], from, until, |at| self.holder(place, at))
    }

    /// Every instant between `from` and `until`, neither included, at which somebody's turn at one of these places may
    /// begin or end.
    pub(super) fn boundaries(
        &self,
        places: &[OnCallPlace],
        from: Instant,
        until: Instant,
    ) -> BTreeSet<Instant> {
        let (zone, roster) = (self.zone, &self.roster);
        let mut cuts = BTreeSet::new();
        let mut cut = |(begins, ends): (Instant, Instant)| {
            cuts.extend([begins, ends].into_iter().filter(|at| from < *at && *at < until));
        };
        for it in roster.covers.iter().filter(|it| places.contains(&it.place)) {
            cut((it.from, it.until));
        }
        for it in roster.shifts.iter().filter(|it| places.contains(&it.place)) {
            cut((it.from.resolve(zone), it.until.resolve(zone)));
        }
        for it in roster.holidays.iter().filter(|it| places.contains(&it.place)) {
            cut(self.day(it.on));
        }
        for rotation in roster.rotations.iter().filter(|it| places.contains(&it.place)) {
            let first = rotation.week_at(zone, from).max(-1) + 1;
            let weeks = (first..).map_while(|week| rotation.hand_over(zone, week));
            for begins in weeks.take_while(|begins| *begins < until) {
                cut((begins, begins));
            }
            if let Some(hours) = &rotation.hours {
                let first = zone.date_of(from) - Duration::days(2);
                let last = zone.date_of(until) + Duration::days(1);
                let days = first.iter_days().take_while(|on| *on <= last);
                days.filter_map(|on| hours.of_day(zone, on)).for_each(&mut cut);
            }
        }
        cuts
    }
}
