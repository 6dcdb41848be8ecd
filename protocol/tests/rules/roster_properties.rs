//! Any roster at any instant, against a plain painting of the same roster; every zone on its switch days.

use std::sync::Arc;

use bedside_protocol::document::RosterRules;
use bedside_protocol::id::PersonId;
use bedside_protocol::people::{Contact, OnCallPlace};
use bedside_protocol::roster::{
    Cover, CoverRequest, Holder, Holiday, Hours, LocalMoment, Needed, OnCallPlan, PLACES, Roster, Rotation,
    Shift, Staff, Weekday, check, cover, gaps_ahead, on_call_at,
};
use bedside_protocol::time::{Instant, Zone, minutes};
use chrono::{Datelike as _, Days, Duration, NaiveDate, NaiveTime};
use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any, proptest};
use proptest::sample::select;
use proptest::test_runner::{Config as ProptestConfig, RngSeed};
use proptest::{option, prop_assert, prop_assert_eq, prop_oneof};

use crate::support::person;

/// The rosters lie around the switch days of autumn 2026.
const FIRST_DAY: &str = "2026-10-20";
const DAYS: u64 = 30;

fn first_day() -> NaiveDate {
    FIRST_DAY.parse().unwrap()
}

fn day() -> impl Strategy<Value = NaiveDate> {
    (0..DAYS).prop_map(|days| first_day() + Days::new(days))
}

/// Hours at which clocks change, and others.
fn time() -> impl Strategy<Value = NaiveTime> {
    let hours = select(vec![0_u32, 1, 2, 3, 8, 20, 23]);
    (hours, select(vec![0_u32, 15, 30]))
        .prop_map(|(hour, minute)| NaiveTime::from_hms_opt(hour, minute, 0).unwrap())
}

fn somebody() -> impl Strategy<Value = PersonId> {
    // The last has left the clinic.
    (1_u128..7).prop_map(person)
}

fn staff() -> Staff {
    everybody().into_iter().take(5).collect()
}

/// Also who has left since.
fn everybody() -> Staff {
    let contact = |number| {
        let name = format!("{number}");
        let email = format!("{number}@elm.example");
        let reached_at = Some(crate::support::always_reached());
        let contact = Contact {
            name,
            email,
            reached_at,
        };
        (person(number), contact)
    };
    (1_u128..7).map(contact).collect()
}

fn place() -> impl Strategy<Value = OnCallPlace> {
    select(PLACES[..3].to_vec())
}

fn hours() -> impl Strategy<Value = Hours> {
    let days = [
        Weekday::Monday,
        Weekday::Wednesday,
        Weekday::Saturday,
        Weekday::Sunday,
    ];
    let days = proptest::sample::subsequence(days.to_vec(), 1..=4);
    (days, time(), time())
        .prop_filter("as long as no time", |(_, from, until)| from != until)
        .prop_map(|(days, from, until)| Hours { days, from, until })
}

fn rotation(place: OnCallPlace) -> impl Strategy<Value = Rotation> {
    (vec(somebody(), 1..4), time(), day(), option::of(hours())).prop_map(
        move |(people, at, starts_on, hours)| Rotation {
            place,
            people,
            weekday: Weekday::of(starts_on),
            at,
            starts_on,
            hours,
        },
    )
}

fn shift() -> impl Strategy<Value = Shift> {
    (place(), somebody(), day(), time(), 0_u64..3, time()).prop_map(|(place, person, on, at, days, until)| {
        Shift {
            place,
            person,
            from: LocalMoment { on, at },
            until: LocalMoment {
                on: on + Days::new(days),
                at: until,
            },
        }
    })
}

fn one_cover() -> impl Strategy<Value = Cover> {
    let begins = 0..DAYS * 24 * 4;
    (place(), somebody(), somebody(), begins, 1_u64..400).prop_map(|(place, instead_of, by, from, length)| {
        let start: Instant = format!("{FIRST_DAY}T00:00:00Z").parse().unwrap();
        let quarters = |number: u64| minutes(15 * i64::try_from(number).unwrap());
        Cover {
            place,
            instead_of,
            by,
            from: start + quarters(from),
            until: start + quarters(from + length),
        }
    })
}

fn holiday() -> impl Strategy<Value = Holiday> {
    (day(), place(), option::of(somebody())).prop_map(|(on, place, person)| Holiday { on, place, person })
}

fn zone() -> impl Strategy<Value = Zone> {
    let names = vec![
        "America/New_York",
        "Europe/Berlin",
        "Australia/Lord_Howe",
        "America/Havana",
        "Asia/Beirut",
        "Pacific/Chatham",
        "UTC",
    ];
    select(names).prop_map(|name| Zone::named(name).unwrap())
}

/// A plan whose roster may be stored: overlapping turns are left out.
fn plan() -> impl Strategy<Value = OnCallPlan> {
    let rotations = (
        option::of(rotation(PLACES[0])),
        option::of(rotation(PLACES[1])),
        option::of(rotation(PLACES[2])),
    );
    let list = vec(
        (prop_oneof![place(), Just(OnCallPlace::Fallback)], somebody()),
        0..4,
    );
    let roster = (
        rotations,
        vec(shift(), 0..8),
        vec(one_cover(), 0..8),
        vec(holiday(), 0..6),
    );
    (zone(), list, roster).prop_map(|(zone, list, ((a, b, c), shifts, covers, holidays))| {
        let mut roster = Roster {
            rotations: [a, b, c].into_iter().flatten().collect(),
            ..Roster::default()
        };
        let now: Instant = format!("{FIRST_DAY}T00:00:00Z").parse().unwrap();
        // Also who has left may stand in a stored roster: they left afterwards.
        let staff_then = everybody();
        let good = |roster: &Roster| check(roster, zone, &staff_then, now).is_ok();
        for shift in shifts {
            roster.shifts.push(shift);
            if !good(&roster) {
                roster.shifts.pop();
            }
        }
        for cover in covers {
            roster.covers.push(cover);
            if !good(&roster) {
                roster.covers.pop();
            }
        }
        for holiday in holidays {
            roster.holidays.push(holiday);
            if !good(&roster) {
                roster.holidays.pop();
            }
        }
        OnCallPlan {
            zone,
            list,
            roster: Arc::new(roster),
            staff: staff(),
        }
    })
}

/// What one layer of the roster says of a stretch of time. The last that was painted over an instant counts.
type Paint = (Instant, Instant, Holder);

/// The roster painted from the bottom up: the list, the weeks of the rotation one by one and what is outside its hours,
/// holidays, shifts, covers.
fn painted(plan: &OnCallPlan, place: OnCallPlace) -> Vec<Paint> {
    let zone = plan.zone;
    let (first, last) = (first_day() - Days::new(60), first_day() + Days::new(120));
    let begin = zone.resolve(first, NaiveTime::MIN);
    let end = zone.resolve(last, NaiveTime::MIN);
    let here = |people: Vec<PersonId>| {
        let people: Vec<PersonId> = people
            .into_iter()
            .filter(|it| plan.staff.contains_key(it))
            .collect();
        if people.is_empty() {
            Holder::Nobody
        } else {
            Holder::People(people)
        }
    };
    let listed = plan.list.iter().filter(|it| it.0 == place).map(|it| it.1);
    let mut paint = vec![(begin, end, here(listed.collect()))];
    let roster = &plan.roster;
    for rotation in roster.rotations.iter().filter(|it| it.place == place) {
        let mut on = rotation.starts_on;
        for who in rotation.people.iter().cycle() {
            let next = on + Days::new(7);
            paint.push((
                zone.resolve(on, rotation.at),
                zone.resolve(next, rotation.at),
                here(vec![*who]),
            ));
            on = next;
            if on > last {
                break;
            }
        }
        let begins = zone.resolve(rotation.starts_on, rotation.at);
        if let Some(hours) = &rotation.hours {
            let mut outside_from = begins;
            let days = (first.iter_days()).take_while(|on| *on <= last);
            for on in days.filter(|on| hours.days.contains(&Weekday::of(*on))) {
                let ends_on = if hours.until > hours.from {
                    on
                } else {
                    on + Days::new(1)
                };
                let (from, until) = (zone.resolve(on, hours.from), zone.resolve(ends_on, hours.until));
                if from > outside_from && from != until {
                    paint.push((outside_from, from, Holder::OutsideHours));
                }
                outside_from = outside_from.max(until);
            }
        }
    }
    for holiday in roster.holidays.iter().filter(|it| it.place == place) {
        let from = zone.resolve(holiday.on, NaiveTime::MIN);
        let until = zone.resolve(holiday.on + Days::new(1), NaiveTime::MIN);
        let who = holiday.person.map_or(Holder::Nobody, |person| here(vec![person]));
        paint.push((from, until, who));
    }
    for shift in roster.shifts.iter().filter(|it| it.place == place) {
        let (from, until) = (shift.from.resolve(zone), shift.until.resolve(zone));
        paint.push((from, until, here(vec![shift.person])));
    }
    for cover in roster.covers.iter().filter(|it| it.place == place) {
        paint.push((cover.from, cover.until, here(vec![cover.by])));
    }
    paint
}

fn expected(paint: &[Paint], at: Instant) -> &Holder {
    let last = paint
        .iter()
        .rev()
        .find(|(from, until, _)| *from <= at && at < *until);
    &last.unwrap().2
}

/// Every edge of the painting and the milliseconds around it, and some instants between.
fn moments(paint: &[Paint], around: Instant) -> Vec<Instant> {
    let edges = paint.iter().flat_map(|(from, until, _)| [*from, *until]);
    let near = (around - Duration::days(2), around + Duration::days(50));
    edges
        .flat_map(|at| [at - Duration::milliseconds(1), at, at + Duration::minutes(7)])
        .filter(|at| near.0 < *at && *at < near.1)
        .collect()
}

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig {
        cases,
        rng_seed: RngSeed::Fixed(20_261_121),
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config(40))]

    #[test]
    fn at_every_instant_of_any_roster_exactly_the_expected_person_has_the_place(plan in plan()) {
        let start: Instant = format!("{FIRST_DAY}T00:00:00Z").parse().unwrap();
        for place in PLACES {
            let paint = painted(&plan, place);
            for at in moments(&paint, start) {
                prop_assert_eq!(&plan.holder(place, at), expected(&paint, at), "{:?} {}", place, at);
                let people = plan.people_at(at).into_iter().filter(|it| it.0 == place).map(|it| it.1);
                let people: Vec<PersonId> = people.collect();
                prop_assert_eq!(people.as_slice(), expected(&paint, at).people());
            }
        }
    }

    #[test]
    fn stretches_follow_one_another_without_a_hole_and_gaps_are_those_in_which_nobody_is(plan in plan()) {
        let from: Instant = format!("{FIRST_DAY}T00:00:00Z").parse().unwrap();
        let until = from + Duration::days(50);
        for place in PLACES {
            let stretches = plan.holders(place, from, until);
            prop_assert_eq!(stretches[0].from, from);
            prop_assert_eq!(stretches[stretches.len() - 1].until, until);
            for pair in stretches.windows(2) {
                prop_assert_eq!(pair[0].until, pair[1].from);
                prop_assert!(pair[0].what != pair[1].what);
            }
            for stretch in &stretches {
                prop_assert!(stretch.from < stretch.until);
                let middle = stretch.from + (stretch.until - stretch.from) / 2;
                for at in [stretch.from, middle, stretch.until - Duration::milliseconds(1)] {
                    prop_assert_eq!(&plan.holder(place, at), &stretch.what);
                }
            }
        }
        let rules = RosterRules::default();
        let now = from + Duration::days(14);
        let gaps = gaps_ahead(&plan, now, &rules);
        let places = [(Needed::Nurse, OnCallPlace::Nurse), (Needed::Backup, OnCallPlace::Backup)];
        for hour in 0..14 * 24 {
            let at = now + Duration::hours(hour);
            let gap = |needed| gaps.iter().filter(|gap| gap.needed == needed && gap.from <= at && at < gap.until).count();
            for (needed, place) in places {
                prop_assert_eq!(gap(needed), usize::from(plan.holder(place, at) == Holder::Nobody), "{:?} {}", needed, at);
            }
            let anybody = PLACES[..3].iter().any(|place| !plan.holder(*place, at).people().is_empty());
            prop_assert_eq!(gap(Needed::Urgent), usize::from(!anybody), "{}", at);
        }
    }

    #[test]
    fn a_turn_lasts_as_long_as_it_says(plan in plan(), quarter in 0_i64..4_000) {
        let start: Instant = format!("{FIRST_DAY}T00:00:00Z").parse().unwrap();
        let at = start + minutes(15 * quarter);
        let turns = on_call_at(&plan, at);
        let who: Vec<_> = turns.iter().map(|turn| (turn.place, turn.person)).collect();
        prop_assert_eq!(&who, &plan.people_at(at));
        for turn in &turns {
            let has_it = |at| plan.holder(turn.place, at).people().contains(&turn.person);
            if let Some(until) = turn.until {
                prop_assert!(until > at && has_it(until - Duration::milliseconds(1)));
                prop_assert!(plan.holder(turn.place, until) != plan.holder(turn.place, at));
            }
            if let Some(since) = turn.since {
                prop_assert!(since <= at && has_it(since));
                prop_assert!(plan.holder(turn.place, since - Duration::milliseconds(1)) != plan.holder(turn.place, at));
            }
        }
    }

    #[test]
    fn a_cover_changes_the_covered_turns_of_its_time_and_nothing_else(
        plan in plan(), instead_of in somebody(), by in somebody(), first in 0_i64..2_000, length in 1_i64..800, asked in any::<bool>(),
    ) {
        let start: Instant = format!("{FIRST_DAY}T00:00:00Z").parse().unwrap();
        let from = start + minutes(15 * first);
        let until = from + minutes(15 * length);
        let now = if asked { from + minutes(15) } else { start };
        let request = CoverRequest { instead_of, by, from, until };
        let Ok(roster) = cover(&plan, request, now) else { return Ok(()) };
        let after = OnCallPlan { roster: Arc::new(roster), ..plan.clone() };
        prop_assert!(check(&after.roster, plan.zone, &everybody(), start).is_ok());
        for place in PLACES {
            let paint = painted(&plan, place);
            for at in moments(&paint, start).into_iter().chain([from, until, now, until - minutes(1)]) {
                let (was, is) = (plan.holder(place, at), after.holder(place, at));
                let covered = now.max(from) <= at && at < until && was.people().contains(&instead_of);
                let expected = if covered { Holder::People(vec![by]) } else { was };
                prop_assert_eq!(is, expected, "{:?} {}", place, at);
            }
        }
    }
}

/// The dates of 2026 on which a zone's clocks change, by the length of the local day.
fn switch_days(zone: Zone) -> Vec<NaiveDate> {
    let days = NaiveDate::from_ymd_opt(2026, 1, 1).unwrap().iter_days();
    let noon = NaiveTime::from_hms_opt(12, 0, 0).unwrap();
    days.take_while(|on| on.year() == 2026)
        .filter(|on| zone.resolve(*on, noon) - zone.resolve(*on - Days::new(1), noon) != Duration::hours(24))
        .collect()
}

#[test]
fn on_every_switch_day_of_every_zone_a_rotation_is_handed_over_once_at_its_hour() {
    let mut switches = 0;
    for zone in chrono_tz::TZ_VARIANTS {
        let zone = Zone::named(zone.name()).unwrap();
        for switch_on in switch_days(zone) {
            switches += 1;
            for quarter in 0..24 * 4 {
                let at = NaiveTime::from_num_seconds_from_midnight_opt(quarter * 900, 0).unwrap();
                let starts_on = switch_on - Days::new(7);
                let rotation = Rotation {
                    place: OnCallPlace::Nurse,
                    people: vec![person(1), person(2), person(3)],
                    weekday: Weekday::of(starts_on),
                    at,
                    starts_on,
                    hours: None,
                };
                let plan = OnCallPlan {
                    zone,
                    list: Vec::new(),
                    roster: Arc::new(Roster {
                        rotations: vec![rotation],
                        ..Roster::default()
                    }),
                    staff: staff(),
                };
                let hand_overs: Vec<Instant> = (0..3)
                    .map(|week| zone.resolve(starts_on + Days::new(7 * week), at))
                    .collect();
                let before = hand_overs[0] - Duration::hours(1);
                let stretches = plan.holders(OnCallPlace::Nurse, before, hand_overs[2]);
                let found: Vec<_> = stretches
                    .iter()
                    .map(|it| (it.from, it.what.people().to_vec()))
                    .collect();
                let expected = [
                    (before, vec![]),
                    (hand_overs[0], vec![person(1)]),
                    (hand_overs[1], vec![person(2)]),
                ];
                assert_eq!(found, expected, "{zone:?} {switch_on} {at}");
            }
        }
    }
    assert!(switches > 300, "{switches}");
}
