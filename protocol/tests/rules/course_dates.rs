//! The dates of a plan: tables for single days, and properties over all zones and both switch days of each.

use std::sync::OnceLock;

use bedside_protocol::plan::{self, ClockEffect, Maintenance, PlanTerms};
use bedside_protocol::record::Decision;
use bedside_protocol::time::{ClockChange, Planned, Zone, minutes};
use chrono::{Days, NaiveDate, NaiveTime, Weekday};
use proptest::prelude::{Just, Strategy, any, proptest};
use proptest::sample::select;
use proptest::test_runner::{Config as ProptestConfig, RngSeed};
use proptest::{prop_assert, prop_assert_eq};

use crate::course::{CoursePlay, draft, terms, time};
use crate::support::{at, nurse};

fn zone(name: &str) -> Zone {
    Zone::named(name).unwrap()
}

fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

/// Every zone with the days of two years on which its clocks change.
fn switch_days() -> &'static [(Zone, Vec<NaiveDate>)] {
    static DAYS: OnceLock<Vec<(Zone, Vec<NaiveDate>)>> = OnceLock::new();
    DAYS.get_or_init(|| {
        let days = || day("2026-01-01").iter_days().take(730);
        chrono_tz::TZ_VARIANTS
            .iter()
            .map(|tz| zone(tz.name()))
            .map(|zone| {
                (
                    zone,
                    days().filter(|on| zone.clock_change_on(*on).is_some()).collect(),
                )
            })
            .collect()
    })
}

#[test]
fn dates_follow_the_interval_and_the_days_of_the_week() {
    type Change = fn(&mut PlanTerms);
    let cases: [(Change, &[&str]); 5] = [
        (|_| {}, &["11-30", "12-07", "12-14", "12-21", "12-28", "01-04"]),
        (
            |it| it.interval_days = 10,
            &["11-30", "12-10", "12-20", "12-30", "01-09", "01-19"],
        ),
        // The tenth day may be a Sunday: then the Monday after it.
        (
            |it| {
                it.interval_days = 10;
                it.weekdays = vec![Weekday::Mon, Weekday::Tue, Weekday::Wed, Weekday::Thu];
            },
            &["11-30", "12-10", "12-21", "12-31", "01-11", "01-21"],
        ),
        (
            |it| {
                it.interval_days = 3;
                it.weekdays = vec![Weekday::Mon, Weekday::Thu];
            },
            &["11-30", "12-03", "12-07", "12-10", "12-14", "12-17"],
        ),
        (
            |it| {
                it.induction_sessions = 4;
                it.maintenance = Some(Maintenance {
                    interval_days: 30,
                    sessions: Some(2),
                });
            },
            &["11-30", "12-07", "12-14", "12-21", "01-20", "02-19"],
        ),
    ];
    for (change, expected) in cases {
        let mut terms = terms();
        change(&mut terms);
        let dates = terms.dates(&[1, 2, 3, 4, 5, 6], zone("America/New_York"));
        let dates: Vec<_> = dates
            .iter()
            .map(|date| date.planned.on.format("%m-%d").to_string())
            .collect();
        assert_eq!(dates, expected);
    }
}

#[test]
fn the_day_of_a_clock_change_is_known_and_what_it_does_to_a_time() {
    let cases = [
        // zone, day, time; minutes forward, effect
        (
            "America/New_York",
            "2026-11-21",
            "10:00:00",
            None,
            ClockEffect::Unchanged,
        ),
        (
            "America/New_York",
            "2027-03-14",
            "10:00:00",
            Some(60),
            ClockEffect::Unchanged,
        ),
        (
            "America/New_York",
            "2027-03-14",
            "02:30:00",
            Some(60),
            ClockEffect::MovedTo {
                on: day("2027-03-14"),
                time: time("03:00:00"),
            },
        ),
        (
            "America/New_York",
            "2026-11-01",
            "01:30:00",
            Some(-60),
            ClockEffect::FirstOfTwo,
        ),
        (
            "America/New_York",
            "2026-11-01",
            "10:00:00",
            Some(-60),
            ClockEffect::Unchanged,
        ),
        (
            "Australia/Lord_Howe",
            "2026-10-04",
            "02:15:00",
            Some(30),
            ClockEffect::MovedTo {
                on: day("2026-10-04"),
                time: time("02:30:00"),
            },
        ),
        // At midnight.
        (
            "Asia/Beirut",
            "2026-03-29",
            "00:30:00",
            Some(60),
            ClockEffect::MovedTo {
                on: day("2026-03-29"),
                time: time("01:00:00"),
            },
        ),
        (
            "Asia/Beirut",
            "2026-10-24",
            "23:30:00",
            Some(-60),
            ClockEffect::FirstOfTwo,
        ),
        (
            "Asia/Kolkata",
            "2026-03-29",
            "10:00:00",
            None,
            ClockEffect::Unchanged,
        ),
    ];
    for (name, on, at, by_minutes, effect) in cases {
        let zone = zone(name);
        let change = zone.clock_change_on(day(on));
        assert_eq!(change.map(|change| change.by_minutes), by_minutes, "{name} {on}");
        assert_eq!(
            ClockEffect::of(&Planned::new(day(on), time(at), zone)),
            effect,
            "{name} {on} {at}"
        );
    }
    let spring = zone("America/New_York").clock_change_on(day("2027-03-14"));
    assert_eq!(
        spring,
        Some(ClockChange {
            at: at("2027-03-14T07:00:00Z"),
            by_minutes: 60
        })
    );
}

#[test]
fn a_preview_marks_the_days_on_which_the_clocks_change() {
    let play = CoursePlay::new();
    let layout = plan::lay_out(
        &play.record,
        &[],
        &draft(|it| it.first_on = day("2027-02-21")),
        play.now,
    );
    let marked: Vec<_> = layout.slots.iter().filter(|slot| slot.clock.is_some()).collect();
    assert_eq!(marked.len(), 1);
    assert_eq!((marked[0].ordinal, marked[0].planned.on), (4, day("2027-03-14")));
    assert_eq!(marked[0].clock.unwrap().1, ClockEffect::Unchanged);
    let reviewed: Vec<_> = layout
        .slots
        .iter()
        .filter(|slot| slot.review_before)
        .map(|slot| slot.ordinal)
        .collect();
    assert_eq!(reviewed, [2, 3, 5]);
}

#[test]
fn three_days_over_a_spring_change_are_an_hour_short_and_told_before_signing() {
    let layout = |first: &str| {
        let play = CoursePlay::new();
        let draft = draft(|it| {
            it.first_on = day(first);
            it.interval_days = 3;
            it.weekdays = vec![Weekday::Fri, Weekday::Mon];
        });
        plan::lay_out(&play.record, &[], &draft, play.now).faults.0
    };
    assert_eq!(layout("2027-02-01"), []);
    let faults = layout("2027-03-05");
    assert_eq!(faults.len(), 1, "{faults:?}");
    assert_eq!(
        (faults[0].field.as_str(), faults[0].message.as_str()),
        (
            "sessions[4]",
            "is less than 72 hours from the session before it: the clocks change"
        )
    );
}

/// A zone, and a first day so that one of eight sessions falls on a switch day, if the zone has one.
fn course() -> impl Strategy<Value = (Zone, NaiveDate, NaiveTime, u32)> {
    let zones = switch_days();
    let minute =
        (0_u32..24 * 60).prop_map(|minute| NaiveTime::from_hms_opt(minute / 60, minute % 60, 0).unwrap());
    (select(zones), 1_u32..15, minute, any::<usize>(), 0_u64..8).prop_flat_map(
        |((zone, days), interval, time, pick, before)| {
            let on = days
                .get(pick % days.len().max(1))
                .copied()
                .unwrap_or_else(|| day("2026-06-01"));
            let first = on - Days::new(before * u64::from(interval));
            Just((zone, first, time, interval))
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, rng_seed: RngSeed::Fixed(41), ..ProptestConfig::default() })]

    #[test]
    fn in_every_zone_n_sessions_are_n_increasing_instants_at_their_local_time_or_by_the_rule(
        (zone, first_on, time, interval_days) in course(),
    ) {
        let terms = PlanTerms { first_on, time, interval_days, ..terms() };
        let ordinals: Vec<u32> = (1..=6).chain(9..=10).collect();
        let dates = terms.dates(&ordinals, zone);
        prop_assert_eq!(dates.iter().map(|date| date.ordinal).collect::<Vec<_>>(), ordinals);
        for pair in dates.windows(2) {
            prop_assert!(pair[0].planned.at < pair[1].planned.at, "{:?} {:?}", zone, pair);
        }
        for date in dates {
            let planned = date.planned;
            prop_assert_eq!(planned.time, time);
            match ClockEffect::of(&planned) {
                ClockEffect::Unchanged => {}
                // The minute before the instant is before the gap, so nothing valid was passed over.
                ClockEffect::MovedTo { on, time: moved } => {
                    prop_assert!((on, moved) > (planned.on, planned.time));
                    let earlier = planned.at - minutes(1);
                    prop_assert!((zone.date_of(earlier), zone.time_of(earlier)) < (planned.on, planned.time));
                    prop_assert!(zone.clock_change_on(planned.on).is_some());
                }
                ClockEffect::FirstOfTwo => {
                    let change = zone.clock_change_on(planned.on).unwrap();
                    prop_assert!(planned.at < change.at && change.by_minutes < 0);
                    let second = planned.at - minutes(change.by_minutes);
                    prop_assert_eq!((zone.date_of(second), zone.time_of(second)), (planned.on, planned.time));
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, rng_seed: RngSeed::Fixed(43), ..ProptestConfig::default() })]

    #[test]
    fn planning_again_and_moving_zone_again_changes_nothing(
        (one, _, _, _) in course(),
        (other, _, _, _) in course(),
        days in 1_u64..200,
    ) {
        let mut play = CoursePlay::new();
        play.record.patient.zone = one;
        let first_on = day("2026-11-22") + Days::new(days);
        // Some plans end after the order does; those are another test's.
        if play.sign(&draft(|it| it.first_on = first_on)).is_err() {
            return Ok(());
        }
        let before = play.lines();
        play.change(1, |it| it.first_on = first_on).unwrap();
        prop_assert_eq!(play.lines(), before.clone());

        for round in 0..2 {
            let sessions = play.sessions.clone();
            let decision = play.with(nurse(), |play, context| {
                plan::change_zone(&play.record, &play.sessions, other, context)
            });
            if round == 1 || one == other {
                prop_assert_eq!(&decision.changed, &[]);
                prop_assert_eq!(&decision.patient, &Decision::unchanged(&play.record));
            }
            play.apply(decision);
            prop_assert_eq!(play.lines(), before.clone(), "local dates and times stay");
            prop_assert_eq!(play.sessions.len(), sessions.len());
        }
        let mut instants: Vec<_> = play.sessions.iter().map(|it| it.session.planned.at).collect();
        let in_order = instants.clone();
        instants.sort();
        instants.dedup();
        prop_assert_eq!(instants, in_order);
    }
}
