//! Who is on call has shown that messages reach them (PROTOCOL 4.1 `on_call_tested`, FEATURES 76).

use std::sync::Arc;

use bedside_protocol::document::{ProtocolDocument, TestedRules};
use bedside_protocol::people::OnCallPlace::{self, Backup, Nurse};
use bedside_protocol::people::{Contact, OnCallPerson};
use bedside_protocol::roster::{
    Cover, OnCallPlan, Roster, is_test_due, is_test_overdue, is_tested, untested_places,
};
use bedside_protocol::time::{Instant, Zone};
use chrono::Duration;

use crate::play::Play;
use crate::support::{STAFF, at, on};

fn rules() -> TestedRules {
    ProtocolDocument::shipped().unwrap().roster.tested.unwrap()
}

fn maybe(text: &str) -> Option<Instant> {
    (!text.is_empty()).then(|| at(&format!("2026-11-{text}:00Z")))
}

#[test]
fn the_numbers_are_those_of_the_protocol() {
    let TestedRules {
        before_turn_min,
        good_for_h,
        again_after_h,
        answer_within_min,
    } = rules();
    assert_eq!(
        (before_turn_min, good_for_h, again_after_h, answer_within_min),
        (60, 7 * 24, 6 * 24, 30)
    );
}

#[test]
fn an_answer_counts_from_an_hour_before_the_turn_and_for_seven_days() {
    // Reached last, turn since, now, tested. Days of November 2026.
    let rows = [
        ("never reached", "", "", "28T12:00", false),
        ("by the list, today", "28T08:00", "", "28T12:00", true),
        ("by the list, seven days ago", "21T12:00", "", "28T12:00", true),
        ("by the list, a minute more", "21T11:59", "", "28T12:00", false),
        ("in this turn", "28T08:01", "28T08:00", "28T12:00", true),
        ("an hour before it", "28T07:00", "28T08:00", "28T12:00", true),
        (
            "a minute more before it",
            "28T06:59",
            "28T08:00",
            "28T12:00",
            false,
        ),
        ("by a clock a little ahead", "28T12:05", "", "28T12:00", true),
        (
            "in a turn of ten days, eight days ago",
            "20T12:00",
            "18T12:00",
            "28T12:00",
            false,
        ),
    ];
    for (name, reached, since, now, expected) in rows {
        let tested = is_tested(maybe(reached), maybe(since), maybe(now).unwrap(), &rules());
        assert_eq!(tested, expected, "{name}");
    }
}

#[test]
fn a_test_is_sent_once_a_turn_and_a_day_before_the_last_answer_grows_old() {
    // Reached last, asked last, turn since, now, due.
    let rows = [
        ("never", "", "", "", "28T12:00", true),
        ("asked an hour ago", "", "28T11:00", "", "28T12:00", false),
        (
            "asked six days ago, no answer",
            "",
            "22T11:59",
            "",
            "28T12:00",
            true,
        ),
        ("reached five days ago", "23T12:00", "", "", "28T12:00", false),
        (
            "reached six days ago",
            "22T11:59",
            "22T11:50",
            "",
            "28T12:00",
            true,
        ),
        (
            "reached in the last turn",
            "27T08:00",
            "27T07:30",
            "28T08:00",
            "28T08:00",
            true,
        ),
        (
            "reached just before this turn",
            "28T07:30",
            "27T07:30",
            "28T08:00",
            "28T08:00",
            false,
        ),
        (
            "asked and reached by a clock that was wrong",
            "29T12:00",
            "29T11:00",
            "",
            "28T12:00",
            true,
        ),
        (
            "asked in this turn",
            "27T08:00",
            "28T08:00",
            "28T08:00",
            "28T12:00",
            false,
        ),
    ];
    for (name, reached, asked, since, now, expected) in rows {
        let now = maybe(now).unwrap();
        let due = is_test_due(maybe(reached), maybe(asked), maybe(since), now, &rules());
        assert_eq!(due, expected, "{name}");
        // Somebody who is not tested has been asked, or is asked now.
        let tested = is_tested(maybe(reached), maybe(since), now, &rules());
        assert!(tested || due || maybe(asked).is_some(), "{name}");
    }
}

#[test]
fn silence_is_told_half_an_hour_after_the_question() {
    let rows = [
        ("not asked", "", "", "28T12:00", false),
        ("half an hour ago", "", "28T11:30", "28T12:00", true),
        ("a minute less", "", "28T11:31", "28T12:00", false),
        ("answered", "28T11:31", "28T11:30", "28T12:30", false),
        (
            "answered by a clock that was wrong",
            "29T12:00",
            "28T11:30",
            "28T12:00",
            true,
        ),
        (
            "reached before it was asked",
            "28T11:29",
            "28T11:30",
            "28T12:00",
            true,
        ),
    ];
    for (name, reached, asked, now, expected) in rows {
        let overdue = is_test_overdue(maybe(reached), maybe(asked), maybe(now).unwrap(), &rules());
        assert_eq!(overdue, expected, "{name}");
    }
}

fn person_at(place: OnCallPlace, reached: &str) -> OnCallPerson {
    OnCallPerson {
        place,
        person: on(place),
        name: "name".into(),
        email: "name@elm.example".into(),
        reached_at: maybe(reached),
    }
}

#[test]
fn a_place_with_several_people_needs_one_of_them_and_an_empty_one_is_told_otherwise() {
    let now = at("2026-11-28T12:00:00Z");
    let untested = |people: &[OnCallPerson]| untested_places(people, None, now, &rules());
    let (old, new) = ("20T12:00", "27T12:00");
    let rows = [
        (vec![person_at(Nurse, old), person_at(Backup, new)], vec![Nurse]),
        (
            vec![
                person_at(Nurse, old),
                person_at(Nurse, new),
                person_at(Backup, new),
            ],
            vec![],
        ),
        (
            vec![person_at(Nurse, ""), person_at(Backup, "")],
            vec![Nurse, Backup],
        ),
        (vec![person_at(Nurse, new)], vec![]),
        (vec![person_at(OnCallPlace::Manager, "")], vec![]),
    ];
    for (people, expected) in rows {
        assert_eq!(untested(&people), expected, "{people:?}");
    }
}

#[test]
fn under_a_roster_each_turn_is_tested_anew() {
    let (begins, ends) = (at("2026-11-28T10:00:00Z"), at("2026-11-28T18:00:00Z"));
    let contact = |name: &str| Contact {
        name: name.into(),
        email: format!("{name}@elm.example"),
        reached_at: maybe("27T12:00"),
    };
    let plan = OnCallPlan {
        zone: Zone::UTC,
        list: STAFF.map(|(place, _)| (place, on(place))).to_vec(),
        roster: Arc::new(Roster {
            covers: vec![Cover {
                place: Nurse,
                instead_of: on(Nurse),
                by: on(OnCallPlace::Prescriber),
                from: begins,
                until: ends,
            }],
            ..Roster::default()
        }),
        staff: STAFF.map(|(place, name)| (on(place), contact(name))).into(),
    };
    let week = Duration::days(7);
    assert_eq!(plan.turn_began(Nurse, begins, week), Some(begins));
    assert_eq!(plan.turn_began(Nurse, ends, week), Some(ends));
    assert_eq!(plan.turn_began(Nurse, ends + week, week), None);
    assert_eq!(plan.turn_began(Backup, begins, week), None);
    let untested = |now: Instant| untested_places(&plan.contacts_at(now), Some(&plan), now, &rules());
    let minute = Duration::minutes(1);
    assert_eq!(untested(begins - minute), []);
    // Who covers was reached yesterday, and so was the nurse who is back: both before their turn.
    assert_eq!(untested(begins), [Nurse]);
    assert_eq!(untested(ends), [Nurse]);
}

#[test]
fn no_dose_opens_while_nurse_or_backup_were_not_reached_and_an_older_document_asks_nobody() {
    let mut play = Play::ready();
    let codes = |play: &Play| play.reason_codes();
    assert!(
        !codes(&play).contains(&"on-call-not-tested".to_owned()),
        "{:?}",
        codes(&play)
    );
    let silent = |play: &mut Play, place: OnCallPlace| {
        let on_call = &mut play.record.around.on_call;
        let person = on_call.iter_mut().find(|it| it.place == place).unwrap();
        person.reached_at = None;
    };
    silent(&mut play, OnCallPlace::Manager);
    assert!(!codes(&play).contains(&"on-call-not-tested".to_owned()));
    for place in [Nurse, Backup] {
        let mut play = play.clone();
        silent(&mut play, place);
        assert_eq!(codes(&play), ["on-call-not-tested"], "{place:?}");
        let mut protocol = (*play.record.around.protocol).clone();
        protocol.roster.tested = None;
        play.record.around.protocol = Arc::new(protocol);
        assert_eq!(codes(&play), Vec::<String>::new(), "{place:?}");
    }
}
