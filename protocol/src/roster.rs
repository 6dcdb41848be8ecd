//! The roster: who is on call at which instant.
//!
//! A clinic's on-call list ([`crate::people::OnCallPlace`]) is its simplest roster: it stands at all times. A [`Roster`] lies
//! over it and speaks for [`PLACES`] only, so the fallback can never come to lack anybody by it. Of what speaks for one
//! place at one instant, the first of these counts: a cover ("cover me"), a single shift, a holiday, the weekly rotation
//! from its first hand-over on, the list.
//!
//! Guarantees: who is on call is a function of the [`OnCallPlan`] and the instant and of nothing else; under a roster one
//! person at most has a place at one instant; local times are those of the clinic's zone and mean the instant that
//! [`crate::time`] says, also on the days on which clocks change.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{Duration, NaiveDate, NaiveTime};
use serde::{Deserialize, Serialize};

use crate::id::PersonId;
use crate::people::{Contact, OnCallPerson, OnCallPlace};
use crate::time::{Instant, Zone};

mod check;
mod cover;
mod gaps;
mod rotation;
mod shift_change;
mod stretches;
mod tested;

pub use check::check;
pub use cover::{CoverRequest, cover};
pub use gaps::{
    Gap, Needed, Told, Unstaffed, gaps_ahead, lacks_anybody, missing_for_session, to_tell, unstaffed,
};
pub use rotation::{Hours, Rotation, Weekday};
pub use shift_change::next_on_duty;
pub use stretches::{Holder, Stretch};
pub use tested::{is_test_due, is_test_overdue, is_tested, untested_places};

/// The places a roster may speak for, in the order of the list. The others stand on the list alone.
pub const PLACES: [OnCallPlace; 6] = [
    OnCallPlace::Nurse,
    OnCallPlace::Backup,
    OnCallPlace::AfterHours,
    OnCallPlace::Prescriber,
    OnCallPlace::Manager,
    OnCallPlace::Coordinator,
];

/// How far back and ahead "since when" and "until when" are looked for.
const TURN_LOOKED_FOR: Duration = Duration::days(366);

/// Whether local times from one date to another may lie at an instant of a third, which is cheaper than asking the zone: a
/// gap of a whole day puts them off by two dates at most, a clock that goes back over midnight shows the date before.
fn near(first: NaiveDate, last: NaiveDate, on: NaiveDate) -> bool {
    (first - on).num_days() <= 1 && (on - last).num_days() <= 2
}

/// A clinic's roster. People stand in it by id only.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Roster {
    /// Weekly rotations, one for a place at most.
    pub rotations: Vec<Rotation>,
    /// Single shifts. Two of one place never overlap.
    pub shifts: Vec<Shift>,
    /// Overrides. Two of one place never overlap.
    pub covers: Vec<Cover>,
    /// Days on which a place is somebody else's or nobody's. One for a place and a day at most.
    pub holidays: Vec<Holiday>,
}

impl Roster {
    /// Everybody whom it puts on call some time.
    pub fn people(&self) -> impl Iterator<Item = PersonId> {
        let rotations = self.rotations.iter().flat_map(|it| it.people.iter().copied());
        let shifts = self.shifts.iter().map(|it| it.person);
        let covers = self.covers.iter().map(|it| it.by);
        let holidays = self.holidays.iter().filter_map(|it| it.person);
        rotations.chain(shifts).chain(covers).chain(holidays)
    }
}

/// A date and a time of day in the clinic's zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LocalMoment {
    /// The date.
    pub on: NaiveDate,
    /// The time of day.
    pub at: NaiveTime,
}

impl LocalMoment {
    /// The instant it means in a zone.
    pub fn resolve(self, zone: Zone) -> Instant {
        zone.resolve(self.on, self.at)
    }
}

/// One person has a place once, from a local time to a local time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shift {
    /// The place.
    pub place: OnCallPlace,
    /// Who has it.
    pub person: PersonId,
    /// From then on.
    pub from: LocalMoment,
    /// Until then; that instant is no part of it.
    pub until: LocalMoment,
}

impl Shift {
    fn is_at(&self, zone: Zone, at: Instant) -> bool {
        self.from.resolve(zone) <= at && at < self.until.resolve(zone)
    }

    /// Whether it may be on at some instant of a local date, as far as dates tell.
    fn is_near(&self, on: NaiveDate) -> bool {
        near(self.from.on, self.until.on, on)
    }
}

/// One person stands in for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cover {
    /// The place.
    pub place: OnCallPlace,
    /// Whose turn it was.
    pub instead_of: PersonId,
    /// Who has the place.
    pub by: PersonId,
    /// From then on.
    pub from: Instant,
    /// Until then; that instant is no part of it.
    pub until: Instant,
}

impl Cover {
    fn is_at(&self, at: Instant) -> bool {
        self.from <= at && at < self.until
    }
}

/// A day, midnight to midnight in the clinic's zone, on which a place is somebody else's or nobody's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Holiday {
    /// The day.
    pub on: NaiveDate,
    /// The place.
    pub place: OnCallPlace,
    /// Who has it that day; nobody, if it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person: Option<PersonId>,
}

/// All that says who is on call in a clinic.
#[derive(Debug, Clone, PartialEq)]
pub struct OnCallPlan {
    /// The clinic's zone.
    pub zone: Zone,
    /// The on-call list, in its order: who has a place for which the roster says nothing.
    pub list: Vec<(OnCallPlace, PersonId)>,
    /// The roster.
    pub roster: Arc<Roster>,
    /// The active staff of the clinic, at least who stands in list and roster. Whoever is not among them has no place.
    pub staff: Staff,
}

/// Members of staff by id.
pub type Staff = BTreeMap<PersonId, Contact>;

/// Somebody's turn at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Turn {
    /// The place.
    pub place: OnCallPlace,
    /// Who has it.
    pub person: PersonId,
    /// Since when; `None` when it is a year or more.
    pub since: Option<Instant>,
    /// Until when; `None` when no change is known within a year.
    pub until: Option<Instant>,
}

/// Who is on call at an instant, by place, with since when and until when.
pub fn on_call_at(plan: &OnCallPlan, at: Instant) -> Vec<Turn> {
    let (first, last) = (at - TURN_LOOKED_FOR, at + TURN_LOOKED_FOR);
    let mut turns = Vec::new();
    for place in OnCallPlace::ALL {
        let stretches = plan.holders(place, first, last);
        let Some(now) = stretches.iter().find(|it| it.from <= at && at < it.until) else {
            continue;
        };
        turns.extend(now.what.people().iter().map(|person| Turn {
            place,
            person: *person,
            since: Some(now.from).filter(|since| *since > first),
            until: Some(now.until).filter(|until| *until < last),
        }));
    }
    turns
}

impl OnCallPlan {
    /// Who is on call at an instant, with how to reach them, by place and then in the order of the list.
    pub fn contacts_at(&self, at: Instant) -> Vec<OnCallPerson> {
        let people = self.people_at(at).into_iter();
        people
            .filter_map(|(place, person)| {
                let contact = self.staff.get(&person)?.clone();
                Some(OnCallPerson {
                    place,
                    person,
                    name: contact.name,
                    email: contact.email,
                    reached_at: contact.reached_at,
                })
            })
            .collect()
    }

    /// Who is on call at an instant, by place and then in the order of the list.
    pub fn people_at(&self, at: Instant) -> Vec<(OnCallPlace, PersonId)> {
        let of = |place| {
            let holder = self.holder(place, at);
            let people = holder.people().to_vec();
            people.into_iter().map(move |person| (place, person))
        };
        OnCallPlace::ALL.into_iter().flat_map(of).collect()
    }

    /// Who has a place at an instant.
    pub fn holder(&self, place: OnCallPlace, at: Instant) -> Holder {
        let roster = &self.roster;
        let covered = roster.covers.iter().find(|it| it.place == place && it.is_at(at));
        if let Some(cover) = covered {
            return self.one(cover.by);
        }
        let on = self.zone.date_of(at);
        let in_shift =
            |shift: &&Shift| shift.place == place && shift.is_near(on) && shift.is_at(self.zone, at);
        if let Some(shift) = roster.shifts.iter().find(in_shift) {
            return self.one(shift.person);
        }
        let on_day = |holiday: &&Holiday| {
            holiday.place == place && near(holiday.on, holiday.on, on) && {
                let (from, until) = self.day(holiday.on);
                from <= at && at < until
            }
        };
        if let Some(holiday) = roster.holidays.iter().find(on_day) {
            return holiday.person.map_or(Holder::Nobody, |person| self.one(person));
        }
        let rotation = roster.rotations.iter().find(|it| it.place == place);
        if let Some(rotation) = rotation
            && let Some(person) = rotation.person_at(self.zone, at)
        {
            return if rotation.is_in_hours(self.zone, at) {
                self.one(person)
            } else {
                Holder::OutsideHours
            };
        }
        let listed = self.list.iter().filter(|(it, _)| *it == place);
        let people: Vec<PersonId> = listed
            .map(|(_, person)| *person)
            .filter(|person| self.staff.contains_key(person))
            .collect();
        if people.is_empty() {
            Holder::Nobody
        } else {
            Holder::People(people)
        }
    }

    fn one(&self, person: PersonId) -> Holder {
        if self.staff.contains_key(&person) {
            Holder::People(vec![person])
        } else {
            Holder::Nobody
        }
    }

    /// A local day: its first instant, and the first instant of the next.
    fn day(&self, on: NaiveDate) -> (Instant, Instant) {
        let from = self.zone.resolve(on, NaiveTime::MIN);
        let until = on
            .succ_opt()
            .map_or(from, |next| self.zone.resolve(next, NaiveTime::MIN));
        (from, until)
    }
}
