//! What a roster must be to be taken: every fault of an edit at once, each by its path.

use std::collections::BTreeSet;

use chrono::{Duration, NaiveDate, NaiveTime, Timelike as _};

use super::{Cover, Hours, LocalMoment, PLACES, Roster, Rotation, Shift, Staff, Weekday};
use crate::id::PersonId;
use crate::people::OnCallPlace;
use crate::refusal::{Fault, Faults};
use crate::time::{Instant, Zone};

/// Most people of one rotation.
const PEOPLE_MAX: usize = 52;

/// Most shifts, covers or holidays.
const LIST_MAX: usize = 200;

/// The longest shift or cover; what lasts longer is a rotation of one.
pub(super) const TURN_MAX: Duration = Duration::days(92);

/// How far from now a date may lie.
const DATES_WITHIN: Duration = Duration::days(10 * 366);

/// Checks a whole roster before it is stored. `staff` are the clinic's active staff; that somebody of what is over has left
/// since is no fault.
pub fn check(roster: &Roster, zone: Zone, staff: &Staff, now: Instant) -> Result<(), Faults> {
    let mut check = Check {
        zone,
        staff,
        now,
        today: zone.date_of(now),
        faults: Faults::default(),
    };
    check.lengths(roster);
    for (index, rotation) in roster.rotations.iter().enumerate() {
        check.rotation(&format!("rotations[{index}]"), rotation);
    }
    check.no_place_twice(&roster.rotations);
    let shifts: Vec<_> = roster.shifts.iter().enumerate().collect();
    let spans: Vec<_> = shifts
        .into_iter()
        .map(|(index, shift)| (shift.place, check.shift(&format!("shifts[{index}]"), shift)))
        .collect();
    check.no_overlap("shifts", &spans);
    let covers: Vec<_> = roster.covers.iter().enumerate().collect();
    let spans: Vec<_> = covers
        .into_iter()
        .map(|(index, cover)| (cover.place, check.cover(&format!("covers[{index}]"), cover)))
        .collect();
    check.no_overlap("covers", &spans);
    let mut days = BTreeSet::new();
    for (index, holiday) in roster.holidays.iter().enumerate() {
        let path = format!("holidays[{index}]");
        check.place(&path, holiday.place);
        check.date(&format!("{path}.on"), holiday.on);
        if let Some(person) = holiday.person
            && holiday.on >= check.today
        {
            check.person(&format!("{path}.person"), person);
        }
        if !days.insert((holiday.on, holiday.place)) {
            check.fault(path, "this place has another entry on this day");
        }
    }
    check.faults.into_result()
}

/// From when until when; `None` where that cannot be.
type Span = Option<(Instant, Instant)>;

struct Check<'a> {
    zone: Zone,
    staff: &'a Staff,
    now: Instant,
    today: NaiveDate,
    faults: Faults,
}

impl Check<'_> {
    fn fault(&mut self, field: impl Into<String>, message: impl Into<String>) {
        self.faults.push(Fault::new(field, message));
    }

    fn lengths(&mut self, roster: &Roster) {
        for (field, length) in [
            ("shifts", roster.shifts.len()),
            ("covers", roster.covers.len()),
            ("holidays", roster.holidays.len()),
        ] {
            if length > LIST_MAX {
                let message = format!("at most {LIST_MAX}; take out what is over");
                self.fault(field, message);
            }
        }
    }

    fn place(&mut self, path: &str, place: OnCallPlace) {
        if !PLACES.contains(&place) {
            self.fault(format!("{path}.place"), "stands on the on-call list alone");
        }
    }

    fn person(&mut self, path: &str, person: PersonId) {
        if !self.staff.contains_key(&person) {
            self.fault(path, "is not an active member of this clinic's staff");
        }
    }

    fn date(&mut self, path: &str, on: NaiveDate) -> bool {
        let good = (on - self.today).abs() <= DATES_WITHIN;
        if !good {
            self.fault(path, "is more than ten years away");
        }
        good
    }

    fn whole_minute(&mut self, path: &str, at: NaiveTime) {
        if at.second() != 0 || at.nanosecond() != 0 {
            self.fault(path, "must be a whole minute");
        }
    }

    fn rotation(&mut self, path: &str, rotation: &Rotation) {
        self.place(path, rotation.place);
        let length = rotation.people.len();
        if !(1..=PEOPLE_MAX).contains(&length) {
            let message = format!("needs from 1 to {PEOPLE_MAX} people");
            self.fault(format!("{path}.people"), message);
        }
        for (index, person) in rotation.people.iter().take(PEOPLE_MAX).enumerate() {
            self.person(&format!("{path}.people[{index}]"), *person);
        }
        self.whole_minute(&format!("{path}.at"), rotation.at);
        let starts = format!("{path}.starts_on");
        if self.date(&starts, rotation.starts_on) && Weekday::of(rotation.starts_on) != rotation.weekday {
            self.fault(starts, "is not the day of the week on which it is handed over");
        }
        if let Some(hours) = &rotation.hours {
            self.hours(&format!("{path}.hours"), hours);
        }
    }

    fn hours(&mut self, path: &str, hours: &Hours) {
        let days: BTreeSet<Weekday> = hours.days.iter().copied().collect();
        if days.is_empty() || days.len() != hours.days.len() {
            self.fault(format!("{path}.days"), "needs at least one day, each once");
        }
        self.whole_minute(&format!("{path}.from"), hours.from);
        self.whole_minute(&format!("{path}.until"), hours.until);
        if hours.from == hours.until {
            let message = "is the same as `from`; without hours a place is always taken";
            self.fault(format!("{path}.until"), message);
        }
    }

    fn no_place_twice(&mut self, rotations: &[Rotation]) {
        let mut places = BTreeSet::new();
        for (index, rotation) in rotations.iter().enumerate() {
            if !places.insert(rotation.place) {
                let path = format!("rotations[{index}].place");
                self.fault(path, "has another rotation already");
            }
        }
    }

    fn moment(&mut self, path: &str, moment: LocalMoment) -> Option<Instant> {
        self.whole_minute(&format!("{path}.at"), moment.at);
        self.date(&format!("{path}.on"), moment.on)
            .then(|| moment.resolve(self.zone))
    }

    fn shift(&mut self, path: &str, shift: &Shift) -> Span {
        self.place(path, shift.place);
        let from = self.moment(&format!("{path}.from"), shift.from);
        let until = self.moment(&format!("{path}.until"), shift.until);
        let span = from.zip(until).and_then(|span| self.span(path, span));
        if span.is_none_or(|(_, until)| until > self.now) {
            self.person(&format!("{path}.person"), shift.person);
        }
        span
    }

    fn cover(&mut self, path: &str, cover: &Cover) -> Span {
        self.place(path, cover.place);
        let dates = [("from", cover.from), ("until", cover.until)];
        let good = dates.map(|(field, at)| {
            let near = (at - self.now).abs() <= DATES_WITHIN;
            if !near {
                self.fault(format!("{path}.{field}"), "is more than ten years away");
            }
            near
        });
        let span = good
            .iter()
            .all(|it| *it)
            .then_some((cover.from, cover.until))
            .and_then(|span| self.span(path, span));
        if span.is_none_or(|(_, until)| until > self.now) {
            self.person(&format!("{path}.by"), cover.by);
        }
        if cover.by == cover.instead_of {
            self.fault(format!("{path}.by"), "is the same person as `instead_of`");
        }
        span
    }

    fn span(&mut self, path: &str, (from, until): (Instant, Instant)) -> Span {
        let path = format!("{path}.until");
        if until <= from {
            self.fault(path, "is not after `from`");
        } else if until - from > TURN_MAX {
            let message = format!("is more than {} days after `from`", TURN_MAX.num_days());
            self.fault(path, message);
        } else {
            return Some((from, until));
        }
        None
    }

    /// Of two that overlap, the later in the list is at fault.
    fn no_overlap(&mut self, list: &str, spans: &[(OnCallPlace, Span)]) {
        for (index, (place, span)) in spans.iter().enumerate().take(LIST_MAX) {
            let Some((from, until)) = span else { continue };
            let earlier = spans[..index].iter().position(|(other, span)| {
                other == place && span.is_some_and(|(begins, ends)| begins < *until && *from < ends)
            });
            if let Some(earlier) = earlier {
                let message = format!("overlaps {list}[{earlier}] of the same place");
                self.fault(format!("{list}[{index}]"), message);
            }
        }
    }
}
