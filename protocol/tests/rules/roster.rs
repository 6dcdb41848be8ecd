//! Who is on call, gaps, covers and the faults of an edit, as tables.

use std::sync::Arc;

use bedside_protocol::document::{ProtocolDocument, RosterRules};
use bedside_protocol::gate::{self, ReasonCode};
use bedside_protocol::id::{PersonId, SessionId};
use bedside_protocol::people::{Contact, OnCallPlace};
use bedside_protocol::planning;
use bedside_protocol::record::SessionRecord;
use bedside_protocol::refusal::Refusal;
use bedside_protocol::roster::{
    CoverRequest, Gap, Needed, OnCallPlan, Roster, Staff, Told, check, cover, gaps_ahead,
    missing_for_session, on_call_at, to_tell, unstaffed,
};
use bedside_protocol::time::{Instant, Zone, minutes};
use serde_json::{Value, json};

use crate::play::Play;
use crate::support::{at, enrolled, nurse, patient_record, person, with_context};

const ANN: u128 = 0x1;
const BEN: u128 = 0x2;
const CAT: u128 = 0x3;
const DAN: u128 = 0x4;
const EVE: u128 = 0x5;
const GONE: u128 = 0x9;

fn id(number: u128) -> String {
    person(number).to_string()
}

fn name(person_id: PersonId) -> &'static str {
    let names = [
        (ANN, "ann"),
        (BEN, "ben"),
        (CAT, "cat"),
        (DAN, "dan"),
        (EVE, "eve"),
    ];
    let known = names.into_iter().find(|(number, _)| person(*number) == person_id);
    known.map_or("?", |(_, name)| name)
}

fn roster(value: Value) -> Roster {
    serde_json::from_value(value).unwrap()
}

/// A clinic in New York. Dan and Eve share the rota on its list, Eve is the fallback; Ann and Ben take turns as nurse from
/// Monday, November 23 at eight, Cat is backup in the daytime of working days.
fn clinic() -> OnCallPlan {
    plan(json!({
        "rotations": [
            {"place": "nurse", "people": [id(ANN), id(BEN)], "weekday": "monday", "at": "08:00:00",
             "starts_on": "2026-11-23"},
            {"place": "backup", "people": [id(CAT)], "weekday": "monday", "at": "08:00:00",
             "starts_on": "2026-11-23",
             "hours": {"days": ["monday", "tuesday", "wednesday", "thursday", "friday"],
                       "from": "08:00:00", "until": "20:00:00"}},
        ],
        "shifts": [
            {"place": "backup", "person": id(DAN),
             "from": {"on": "2026-11-28", "at": "09:00:00"}, "until": {"on": "2026-11-28", "at": "21:00:00"}},
            {"place": "nurse", "person": id(EVE),
             "from": {"on": "2026-11-26", "at": "12:00:00"}, "until": {"on": "2026-11-26", "at": "18:00:00"}},
        ],
        "covers": [
            {"place": "nurse", "instead_of": id(EVE), "by": id(DAN),
             "from": "2026-11-26T22:00:00Z", "until": "2026-11-27T17:00:00Z"},
        ],
        "holidays": [
            {"on": "2026-11-26", "place": "nurse"},
            {"on": "2026-11-26", "place": "backup", "person": id(EVE)},
        ],
    }))
}

fn plan(value: Value) -> OnCallPlan {
    OnCallPlan {
        zone: Zone::named("America/New_York").unwrap(),
        list: vec![
            (OnCallPlace::Rota, person(DAN)),
            (OnCallPlace::Rota, person(EVE)),
            (OnCallPlace::Nurse, person(EVE)),
            (OnCallPlace::Fallback, person(EVE)),
        ],
        roster: Arc::new(roster(value)),
        staff: staff(),
    }
}

fn local(text: &str) -> Instant {
    let (on, time) = text.split_once(' ').unwrap();
    let zone = Zone::named("America/New_York").unwrap();
    zone.resolve(on.parse().unwrap(), time.parse().unwrap())
}

fn who(plan: &OnCallPlan, place: OnCallPlace, at: Instant) -> String {
    let people = plan.people_at(at).into_iter();
    let names: Vec<&str> = people
        .filter(|(it, _)| *it == place)
        .map(|(_, person)| name(person))
        .collect();
    names.join(" ")
}

#[test]
fn a_cover_counts_before_a_shift_before_a_holiday_before_the_rotation_before_the_list() {
    let plan = clinic();
    for (moment, nurse, backup) in [
        // Before the rotations begin the list stands; it has no backup.
        ("2026-11-20 12:00:00", "eve", ""),
        ("2026-11-23 07:59:00", "eve", ""),
        // They begin at eight, and hand over at eight a week later.
        ("2026-11-23 08:00:00", "ann", "cat"),
        ("2026-11-23 19:59:00", "ann", "cat"),
        ("2026-11-23 20:00:00", "ann", ""),
        ("2026-11-30 07:59:00", "ann", ""),
        ("2026-11-30 08:00:00", "ben", "cat"),
        ("2026-12-07 08:00:00", "ann", "cat"),
        // The holiday: nobody is nurse, Eve is backup at any hour, midnight to midnight.
        ("2026-11-25 23:59:00", "ann", ""),
        ("2026-11-26 00:00:00", "", "eve"),
        // Eve's shift on the holiday, and Dan who covers her from five o'clock; the cover goes on when the shift ends.
        ("2026-11-26 12:00:00", "eve", "eve"),
        ("2026-11-26 16:59:00", "eve", "eve"),
        ("2026-11-26 17:00:00", "dan", "eve"),
        ("2026-11-26 18:00:00", "dan", "eve"),
        ("2026-11-27 00:00:00", "dan", ""),
        ("2026-11-27 12:00:00", "ann", "cat"),
        // A shift outside the hours of the rotation.
        ("2026-11-28 08:59:00", "ann", ""),
        ("2026-11-28 09:00:00", "ann", "dan"),
        ("2026-11-28 21:00:00", "ann", ""),
    ] {
        let at = local(moment);
        let found = [OnCallPlace::Nurse, OnCallPlace::Backup].map(|place| who(&plan, place, at));
        assert_eq!(found, [nurse, backup], "{moment}");
        assert_eq!(who(&plan, OnCallPlace::Rota, at), "dan eve", "{moment}");
        assert_eq!(who(&plan, OnCallPlace::Fallback, at), "eve", "{moment}");
    }
}

#[test]
fn on_call_says_since_when_and_until_when() {
    let plan = clinic();
    let turns = |moment: &str| -> Vec<(OnCallPlace, &str, Option<Instant>, Option<Instant>)> {
        on_call_at(&plan, local(moment))
            .into_iter()
            .map(|turn| (turn.place, name(turn.person), turn.since, turn.until))
            .collect()
    };
    let some = |moment| Some(local(moment));
    assert_eq!(
        turns("2026-12-01 12:00:00"),
        [
            (
                OnCallPlace::Nurse,
                "ben",
                some("2026-11-30 08:00:00"),
                some("2026-12-07 08:00:00")
            ),
            (
                OnCallPlace::Backup,
                "cat",
                some("2026-12-01 08:00:00"),
                some("2026-12-01 20:00:00")
            ),
            (OnCallPlace::Rota, "dan", None, None),
            (OnCallPlace::Rota, "eve", None, None),
            (OnCallPlace::Fallback, "eve", None, None),
        ]
    );
    let before = turns("2026-11-20 12:00:00");
    assert_eq!(
        before[0],
        (OnCallPlace::Nurse, "eve", None, some("2026-11-23 08:00:00"))
    );
    // A rotation of one is handed over to herself: that is no end.
    let alone = self::plan(
        json!({"rotations": [{"place": "nurse", "people": [id(ANN)], "weekday": "friday",
        "at": "07:30:00", "starts_on": "2026-11-20"}]}),
    );
    let turn = on_call_at(&alone, local("2027-01-01 00:00:00"))[0];
    assert_eq!((turn.since, turn.until), (some("2026-11-20 07:30:00"), None));
}

#[test]
fn who_has_left_is_on_call_nowhere() {
    let mut plan = clinic();
    plan.staff.remove(&person(BEN));
    plan.staff.remove(&person(DAN));
    let nurse = |moment| who(&plan, OnCallPlace::Nurse, local(moment));
    // Ben's week and what Dan covers; Ann's own week goes on.
    assert_eq!(nurse("2026-12-01 12:00:00"), "");
    assert_eq!(nurse("2026-11-26 17:30:00"), "");
    assert_eq!(nurse("2026-12-08 12:00:00"), "ann");
    assert_eq!(who(&plan, OnCallPlace::Rota, local("2026-12-01 12:00:00")), "eve");
}

/// Night hours that begin on one day and end on the next.
#[test]
fn hours_may_go_past_midnight() {
    let plan = plan(
        json!({"rotations": [{"place": "after_hours", "people": [id(CAT)], "weekday": "sunday",
        "at": "00:00:00", "starts_on": "2026-11-22",
        "hours": {"days": ["friday"], "from": "20:00:00", "until": "08:00:00"}}]}),
    );
    for (moment, expected) in [
        ("2026-11-27 19:59:00", ""),
        ("2026-11-27 20:00:00", "cat"),
        ("2026-11-28 07:59:00", "cat"),
        ("2026-11-28 08:00:00", ""),
        ("2026-11-28 20:00:00", ""),
    ] {
        assert_eq!(
            who(&plan, OnCallPlace::AfterHours, local(moment)),
            expected,
            "{moment}"
        );
    }
}

#[test]
fn a_rotation_is_handed_over_at_its_local_hour_on_the_days_on_which_clocks_change() {
    for (zone, starts_on, weekday, hour, hands_over) in [
        // spring: 02:30 does not exist, 03:00 is the first valid minute
        (
            "America/New_York",
            "2026-03-01",
            "sunday",
            "02:30:00",
            "2026-03-08T07:00:00Z",
        ),
        // autumn: 01:30 happens twice, the first counts
        (
            "America/New_York",
            "2026-10-25",
            "sunday",
            "01:30:00",
            "2026-11-01T05:30:00Z",
        ),
        // the week has an hour less, an hour more
        (
            "America/New_York",
            "2026-03-02",
            "monday",
            "08:00:00",
            "2026-03-09T12:00:00Z",
        ),
        (
            "America/New_York",
            "2026-10-26",
            "monday",
            "08:00:00",
            "2026-11-02T13:00:00Z",
        ),
        // clocks change by half an hour
        (
            "Australia/Lord_Howe",
            "2026-09-27",
            "sunday",
            "02:15:00",
            "2026-10-03T15:30:00Z",
        ),
        // a Friday that never was: its hand-over is the first minute of Saturday
        (
            "Pacific/Apia",
            "2011-12-23",
            "friday",
            "10:00:00",
            "2011-12-30T10:00:00Z",
        ),
    ] {
        let mut plan = plan(
            json!({"rotations": [{"place": "nurse", "people": [id(ANN), id(BEN)],
            "weekday": weekday, "at": hour, "starts_on": starts_on}]}),
        );
        plan.zone = Zone::named(zone).unwrap();
        let second = at(hands_over);
        let nurse = |at| who(&plan, OnCallPlace::Nurse, at);
        assert_eq!(nurse(second - minutes(1)), "ann", "{zone} {hands_over}");
        assert_eq!(nurse(second), "ben", "{zone} {hands_over}");
    }
}

fn rules() -> RosterRules {
    ProtocolDocument::shipped().unwrap().roster
}

fn gap(needed: Needed, from: &str, until: &str) -> Gap {
    Gap {
        needed,
        from: local(from),
        until: local(until),
    }
}

#[test]
fn the_numbers_are_those_of_the_protocol() {
    let rules = rules();
    assert_eq!(rules.staffed_from_before_min, 60);
    assert_eq!(rules.staffed_until_after_min, 360);
    assert_eq!(rules.urgent_until_after_min, 1440);
    assert_eq!(rules.look_ahead_days, 14);
    assert_eq!(rules.gap_told_before_h, [168, 24]);
}

#[test]
fn a_gap_is_a_stretch_in_the_hours_of_a_place_in_which_nobody_has_it() {
    let mut plan = clinic();
    // On Monday morning the list's nurse is still Eve, and nobody is backup.
    let now = local("2026-11-23 07:00:00");
    assert_eq!(
        gaps_ahead(&plan, now, &rules()),
        [
            Gap {
                needed: Needed::Backup,
                from: now - chrono::Duration::days(14),
                until: local("2026-11-23 08:00:00"),
            },
            gap(Needed::Nurse, "2026-11-26 00:00:00", "2026-11-26 12:00:00"),
        ]
    );
    // Nights and the weekend are outside Cat's hours; once she has left, her working days are gaps.
    plan.staff.remove(&person(CAT));
    plan.staff.remove(&person(ANN));
    let now = local("2026-12-04 12:00:00");
    let gaps = gaps_ahead(&plan, now, &rules());
    let backup: Vec<&Gap> = gaps.iter().filter(|it| it.needed == Needed::Backup).collect();
    assert_eq!(
        *backup[1],
        gap(Needed::Backup, "2026-12-07 08:00:00", "2026-12-07 20:00:00")
    );
    // One gap goes on until Ann's week ends; without nurse and backup nobody is there for urgent cases, at any hour.
    let week = ("2026-12-07 08:00:00", "2026-12-14 08:00:00");
    assert!(gaps.contains(&gap(Needed::Nurse, week.0, week.1)), "{gaps:?}");
    assert!(gaps.contains(&gap(Needed::Urgent, week.0, week.1)), "{gaps:?}");
    // An after-hours contact is somebody for urgent cases, and neither nurse nor backup.
    plan.list.push((OnCallPlace::AfterHours, person(EVE)));
    let gaps = gaps_ahead(&plan, now, &rules());
    assert!(gaps.iter().all(|it| it.needed != Needed::Urgent), "{gaps:?}");
    assert!(gaps.contains(&gap(Needed::Nurse, week.0, week.1)), "{gaps:?}");
}

#[test]
fn a_gap_is_told_at_seven_days_and_at_one_day_and_not_again() {
    let rules = rules();
    let far = gap(Needed::Nurse, "2026-12-20 08:00:00", "2026-12-21 08:00:00");
    let mut told: Vec<Told> = Vec::new();
    let mut heard = Vec::new();
    let mut now = local("2026-12-08 08:00:00");
    while now < local("2026-12-22 08:00:00") {
        let gaps = if far.until > now { vec![far] } else { Vec::new() };
        let (to_tell, after) = to_tell(&gaps, &told, now, &rules);
        if !to_tell.is_empty() {
            heard.push(now);
        }
        told = after;
        now += minutes(60);
    }
    assert_eq!(
        heard,
        [local("2026-12-13 08:00:00"), local("2026-12-19 08:00:00")]
    );
    assert_eq!(told, []);
}

#[test]
fn a_gap_that_appears_late_is_told_once_and_one_that_opens_again_is_told_again() {
    let rules = rules();
    let now = local("2026-12-19 20:00:00");
    let near = gap(Needed::Backup, "2026-12-20 08:00:00", "2026-12-21 08:00:00");
    let (first, told) = to_tell(&[near], &[], now, &rules);
    assert_eq!((first.len(), told.len()), (1, 2));
    // Shorter or longer is the same gap.
    let shorter = gap(Needed::Backup, "2026-12-20 12:00:00", "2026-12-22 08:00:00");
    assert_eq!(to_tell(&[shorter], &told, now, &rules).0, []);
    // Another place is another gap.
    let nurse = Gap {
        needed: Needed::Nurse,
        ..near
    };
    assert_eq!(to_tell(&[near, nurse], &told, now, &rules).0, [nurse]);
    // Closed, and then open again.
    let (_, told) = to_tell(&[], &told, now, &rules);
    assert_eq!(told, []);
    assert_eq!(to_tell(&[near], &told, now, &rules).0, [near]);
}

#[test]
fn a_session_needs_nurse_and_backup_from_one_hour_before_until_six_after_and_somebody_until_the_next_day() {
    // Nurse and backup by shifts, everybody else's hours as the table says; a dose at noon on December 2.
    let shift = |place: &str, from: (&str, &str), until: (&str, &str)| {
        json!({"place": place, "person": id(ANN), "from": {"on": from.0, "at": from.1},
               "until": {"on": until.0, "at": until.1}})
    };
    let (day, next) = ("2026-12-02", "2026-12-03");
    let holidays: Vec<Value> = [day, next]
        .iter()
        .flat_map(|on| ["nurse", "backup"].map(|place| json!({"on": on, "place": place})))
        .collect();
    let noon = local("2026-12-02 12:00:00");
    for (what, shifts, missing) in [
        (
            "just enough",
            vec![
                shift("nurse", (day, "11:00:00"), (day, "18:00:00")),
                shift("backup", (day, "11:00:00"), (day, "18:00:00")),
                shift("after_hours", (day, "18:00:00"), (next, "12:00:00")),
            ],
            vec![],
        ),
        (
            "the backup comes a minute late",
            vec![
                shift("nurse", (day, "11:00:00"), (next, "12:00:00")),
                shift("backup", (day, "11:01:00"), (day, "18:00:00")),
            ],
            vec![gap(Needed::Backup, "2026-12-02 11:00:00", "2026-12-02 11:01:00")],
        ),
        (
            "the nurse goes a minute early, and the after-hours contact fills in for urgent cases only",
            vec![
                shift("nurse", (day, "08:00:00"), (day, "17:59:00")),
                shift("backup", (day, "08:00:00"), (day, "18:00:00")),
                shift("after_hours", (day, "17:00:00"), (next, "12:00:00")),
            ],
            vec![gap(Needed::Nurse, "2026-12-02 17:59:00", "2026-12-02 18:00:00")],
        ),
        (
            "nobody at all in the night",
            vec![
                shift("nurse", (day, "11:00:00"), (day, "20:00:00")),
                shift("backup", (day, "11:00:00"), (day, "19:00:00")),
                shift("after_hours", (next, "06:00:00"), (next, "11:00:00")),
            ],
            vec![
                gap(Needed::Urgent, "2026-12-02 20:00:00", "2026-12-03 06:00:00"),
                gap(Needed::Urgent, "2026-12-03 11:00:00", "2026-12-03 12:00:00"),
            ],
        ),
    ] {
        let plan = plan(json!({"shifts": shifts, "holidays": holidays}));
        let week_before = noon - chrono::Duration::days(7);
        assert_eq!(
            missing_for_session(&plan, week_before, noon, &rules()),
            missing,
            "{what}"
        );
    }
    // What lies in the past is of no matter any more.
    let plan = plan(json!({"shifts": [
        shift("nurse", (day, "12:00:00"), (next, "12:00:00")),
        shift("backup", (day, "12:00:00"), (day, "18:00:00")),
    ], "holidays": holidays}));
    assert_eq!(missing_for_session(&plan, noon, noon, &rules()), []);
    assert_eq!(
        missing_for_session(&plan, noon - minutes(30), noon, &rules()).len(),
        3
    );
}

#[test]
fn a_planned_session_in_a_gap_is_found_within_the_days_ahead_and_counts_the_steps_before_it() {
    let gap = plan(json!({"holidays": [
        {"on": "2026-12-01", "place": "nurse"}, {"on": "2026-12-09", "place": "nurse"},
        {"on": "2026-12-20", "place": "nurse"},
    ], "rotations": [
        {"place": "backup", "people": [id(BEN)], "weekday": "monday", "at": "08:00:00", "starts_on": "2026-11-02"},
    ]}));
    let session = |number: u128| SessionId::from(uuid::Uuid::from_u128(number));
    let planned = [
        (session(4), local("2026-12-20 12:00:00")),
        (session(3), local("2026-12-09 12:00:00")),
        (session(2), local("2026-12-03 12:00:00")),
        (session(1), local("2026-12-01 12:00:00")),
    ];
    // At each time: session, steps of the protocol (seven days, one day) that it has reached. The one of the 20th is too far.
    let rows = [
        ("2026-11-24 11:59:00", vec![(1, 0)]),
        ("2026-11-24 12:00:00", vec![(1, 1)]),
        ("2026-11-30 11:59:00", vec![(1, 1), (3, 0)]),
        ("2026-11-30 12:00:00", vec![(1, 2), (3, 0)]),
        ("2026-12-01 12:00:00", vec![(1, 2), (3, 0)]),
        ("2026-12-01 12:01:00", vec![(3, 0)]),
        ("2026-12-08 12:00:00", vec![(3, 2), (4, 0)]),
    ];
    for (now, expected) in rows {
        let found = unstaffed(&gap, &planned, local(now), &rules());
        let found: Vec<(SessionId, usize)> = found.iter().map(|it| (it.session, it.steps_reached)).collect();
        let expected: Vec<_> = expected
            .iter()
            .map(|(number, steps)| (session(*number), *steps))
            .collect();
        assert_eq!(found, expected, "{now}");
    }
    // The same gaps at each look, also when the session's own time has begun.
    let of_first = |now: &str| {
        unstaffed(&gap, &planned[3..], local(now), &rules())[0]
            .gaps
            .clone()
    };
    assert_eq!(of_first("2026-11-24 12:00:00"), of_first("2026-12-01 11:30:00"));
}

/// As a clinic whose roster stands: who is on call comes from it.
fn with_roster(record: &mut SessionRecord, plan: &OnCallPlan, now: Instant) {
    record.around.on_call = plan.contacts_at(now);
    record.around.roster = Some(Arc::new(plan.clone()));
}

#[test]
fn no_session_is_planned_in_a_gap_and_the_fault_names_it() {
    let plan = clinic();
    let now = local("2026-11-24 12:00:00");
    let mut record = enrolled(patient_record(), now);
    record.around.on_call = plan.contacts_at(now);
    record.around.roster = Some(Arc::new(plan));
    let faults_on = |on: &str, time: &str| -> Vec<String> {
        let outcome = with_context(&mut 1, now, nurse(), |context| {
            planning::plan(
                &record,
                on.parse().unwrap(),
                time.parse().unwrap(),
                person(ANN),
                context,
            )
        });
        match outcome {
            Ok(_) => Vec::new(),
            Err(Refusal::Invalid(faults)) => faults
                .0
                .into_iter()
                .map(|it| format!("{}: {}", it.field, it.message))
                .collect(),
            Err(other) => panic!("{other}"),
        }
    };
    assert_eq!(faults_on("2026-11-30", "12:00:00"), Vec::<String>::new());
    assert_eq!(
        faults_on("2026-11-30", "14:30:00"),
        [
            "on_call: the clinic has no backup on call from Monday, November 30, 2026 at 8:00 PM EST until \
          Monday, November 30, 2026 at 8:30 PM EST"
        ]
    );
    assert_eq!(
        faults_on("2026-11-26", "10:00:00"),
        [
            "on_call: the clinic has no nurse on call from Thursday, November 26, 2026 at 9:00 AM EST until \
          Thursday, November 26, 2026 at 12:00 PM EST"
        ]
    );
}

#[test]
fn no_dose_opens_in_a_gap_and_the_reason_names_it() {
    let mut play = Play::ready();
    let planned_at = play.record.session.planned.at;
    let zone = Zone::named("America/New_York").unwrap();
    let on = zone.date_of(planned_at).to_string();
    let reasons = |record: &SessionRecord, now| -> Vec<String> {
        gate::reasons(record, now)
            .into_iter()
            .filter(|reason| reason.code == ReasonCode::NobodyOnCall)
            .map(|reason| reason.message)
            .collect()
    };
    let shift = |place: &str, until: &str| {
        json!({"place": place, "person": id(ANN), "from": {"on": on, "at": "00:00:00"},
               "until": {"on": on, "at": until}})
    };
    let mut plan = plan(json!({"shifts": [shift("backup", "12:00:00")]}));
    plan.list.push((OnCallPlace::AfterHours, person(EVE)));
    let now = planned_at - minutes(10);
    with_roster(&mut play.record, &plan, now);
    let hour = zone.time_of(planned_at);
    assert!(
        hour < "12:00:00".parse().unwrap(),
        "the play's dose is planned at {hour}"
    );
    let noon = zone.long(zone.resolve(on.parse().unwrap(), "12:00:00".parse().unwrap()));
    assert_eq!(
        reasons(&play.record, now),
        [format!("Your clinic has no backup on call from {noon}.")]
    );
    let late = planned_at + minutes(5 * 60);
    assert_eq!(
        reasons(&play.record, late),
        ["Your clinic has no backup on call now."]
    );
    // With a backup into the evening the same dose opens.
    let mut plan = self::plan(json!({"shifts": [shift("backup", "23:00:00")]}));
    plan.list.push((OnCallPlace::AfterHours, person(EVE)));
    with_roster(&mut play.record, &plan, now);
    assert_eq!(reasons(&play.record, now), Vec::<String>::new());
}

#[test]
fn cover_me_takes_every_turn_of_that_time_and_nothing_else() {
    let plan = clinic();
    let now = local("2026-11-24 12:00:00");
    let request = |instead_of: u128, by: u128, from: &str, until: &str| CoverRequest {
        instead_of: person(instead_of),
        by: person(by),
        from: local(from),
        until: local(until),
    };
    // Ann is ill from Tuesday to Saturday: not the holiday, not what Dan covers.
    let ill = request(ANN, BEN, "2026-11-24 00:00:00", "2026-11-28 12:00:00");
    let mut covered = plan.clone();
    covered.roster = Arc::new(cover(&plan, ill, now).unwrap());
    for (moment, expected) in [
        // What is over stays as it was.
        ("2026-11-24 11:59:00", "ann"),
        ("2026-11-24 12:00:00", "ben"),
        ("2026-11-26 00:00:00", ""),
        ("2026-11-26 17:00:00", "dan"),
        ("2026-11-27 12:00:00", "ben"),
        ("2026-11-28 11:59:00", "ben"),
        ("2026-11-28 12:00:00", "ann"),
    ] {
        assert_eq!(
            who(&covered, OnCallPlace::Nurse, local(moment)),
            expected,
            "{moment}"
        );
    }
    assert_eq!(check(&covered.roster, covered.zone, &covered.staff, now), Ok(()));
    // Ben falls ill as well for a day: his covers make room.
    let ill_too = request(BEN, CAT, "2026-11-25 00:00:00", "2026-11-26 00:00:00");
    let mut twice = covered.clone();
    twice.roster = Arc::new(cover(&covered, ill_too, now).unwrap());
    for (moment, expected) in [
        ("2026-11-24 23:59:00", "ben"),
        ("2026-11-25 00:00:00", "cat"),
        ("2026-11-25 23:59:00", "cat"),
        ("2026-11-27 12:00:00", "ben"),
    ] {
        assert_eq!(
            who(&twice, OnCallPlace::Nurse, local(moment)),
            expected,
            "{moment}"
        );
    }
    assert_eq!(check(&twice.roster, twice.zone, &twice.staff, now), Ok(()));
    // From the list, too.
    let early = local("2026-11-20 12:00:00");
    let from_list = request(EVE, CAT, "2026-11-21 00:00:00", "2026-11-22 00:00:00");
    let mut plan = plan;
    plan.roster = Arc::new(cover(&plan, from_list, early).unwrap());
    assert_eq!(
        who(&plan, OnCallPlace::Nurse, local("2026-11-21 12:00:00")),
        "cat"
    );
}

#[test]
fn a_cover_that_cannot_be_says_every_fault() {
    let mut plan = clinic();
    plan.list.push((OnCallPlace::Manager, person(CAT)));
    plan.list.push((OnCallPlace::Manager, person(DAN)));
    let now = local("2026-11-24 12:00:00");
    let day = ("2026-11-25 00:00:00", "2026-11-26 00:00:00");
    for (instead_of, by, from, until, fields) in [
        (ANN, ANN, day.0, day.1, vec!["by"]),
        (ANN, GONE, day.0, day.1, vec!["by"]),
        (ANN, BEN, day.1, day.0, vec!["until"]),
        (
            ANN,
            BEN,
            "2026-11-20 00:00:00",
            "2026-11-24 12:00:00",
            vec!["until"],
        ),
        (ANN, BEN, day.0, "2027-04-01 00:00:00", vec!["until"]),
        (
            ANN,
            GONE,
            "2029-01-01 00:00:00",
            "2029-01-02 00:00:00",
            vec!["by", "from"],
        ),
        // Not on call then, and a place that is shared.
        (BEN, ANN, day.0, day.1, vec!["from"]),
        (DAN, ANN, day.0, day.1, vec!["instead_of"]),
        (GONE, GONE, day.1, day.0, vec!["by", "until"]),
    ] {
        let request = CoverRequest {
            instead_of: person(instead_of),
            by: person(by),
            from: local(from),
            until: local(until),
        };
        let faults = cover(&plan, request, now).unwrap_err();
        let found: Vec<String> = faults.0.into_iter().map(|fault| fault.field).collect();
        assert_eq!(found, fields, "{instead_of} {by} {from} {until}");
    }
}

fn staff() -> Staff {
    let contact = |number| {
        let name = name(person(number)).to_owned();
        let email = format!("{name}@elm.example");
        let reached_at = Some(crate::support::always_reached());
        let contact = Contact {
            name,
            email,
            reached_at,
        };
        (person(number), contact)
    };
    [ANN, BEN, CAT, DAN, EVE].map(contact).into()
}

fn faults(value: Value) -> Vec<String> {
    let zone = Zone::named("America/New_York").unwrap();
    match check(&roster(value), zone, &staff(), local("2026-11-24 12:00:00")) {
        Ok(()) => Vec::new(),
        Err(faults) => faults.0.into_iter().map(|fault| fault.field).collect(),
    }
}

#[test]
fn every_fault_of_an_edit_is_said_at_once_by_its_path() {
    let good = serde_json::to_value(&*clinic().roster).unwrap();
    assert_eq!(faults(good), Vec::<String>::new());
    let rotation = |place: &str, people: Vec<u128>, weekday: &str, starts_on: &str| {
        json!({"place": place, "people": people.into_iter().map(id).collect::<Vec<_>>(), "weekday": weekday,
               "at": "08:00:30", "starts_on": starts_on})
    };
    let shift = |place: &str, who: u128, from: &str, until: &str| {
        let moment = |text: &str| {
            let (on, at) = text.split_once(' ').unwrap();
            json!({"on": on, "at": at})
        };
        json!({"place": place, "person": id(who), "from": moment(from), "until": moment(until)})
    };
    let all = json!({
        "rotations": [
            rotation("nurse", vec![ANN, GONE], "monday", "2026-11-24"),
            rotation("nurse", vec![], "tuesday", "2026-11-24"),
            rotation("fallback", vec![ANN], "tuesday", "9999-01-01"),
            {"place": "backup", "people": [id(ANN)], "weekday": "tuesday", "at": "08:00:00",
             "starts_on": "2026-11-24", "hours": {"days": [], "from": "08:00:30", "until": "08:00:30"}},
        ],
        "shifts": [
            shift("nurse", GONE, "2026-12-01 08:00:00", "2026-12-01 20:00:00"),
            shift("nurse", ANN, "2026-12-01 19:59:00", "2026-12-02 08:00:00"),
            shift("nurse", ANN, "2026-12-02 08:00:00", "2026-12-02 08:00:00"),
            shift("rota", ANN, "2026-12-01 08:00:00", "2027-12-02 08:00:01"),
            // In the gap of March 14, 2027 both ends are 03:00.
            shift("nurse", ANN, "2027-03-14 02:00:00", "2027-03-14 03:00:00"),
            // Over, and of somebody who has left since: no fault.
            shift("nurse", GONE, "2026-11-01 08:00:00", "2026-11-01 20:00:00"),
            // The next begins when the last ends, and another place at the same time: no fault.
            shift("backup", ANN, "2026-12-01 08:00:00", "2026-12-01 20:00:00"),
            shift("backup", ANN, "2026-12-01 20:00:00", "2026-12-01 21:00:00"),
        ],
        "covers": [
            {"place": "nurse", "instead_of": id(ANN), "by": id(ANN), "from": "2026-12-01T08:00:00Z",
             "until": "2026-12-02T08:00:00Z"},
            {"place": "nurse", "instead_of": id(ANN), "by": id(GONE), "from": "2026-12-02T07:00:00Z",
             "until": "2026-12-02T08:00:00Z"},
            {"place": "administrator", "instead_of": id(ANN), "by": id(BEN), "from": "1926-12-02T07:00:00Z",
             "until": "2026-12-02T08:00:00Z"},
        ],
        "holidays": [
            {"on": "2026-12-25", "place": "nurse", "person": id(GONE)},
            {"on": "2026-12-25", "place": "nurse"},
            {"on": "2026-12-25", "place": "backup"},
            {"on": "3026-12-25", "place": "fallback"},
        ],
    });
    assert_eq!(
        faults(all),
        [
            "rotations[0].people[1]",
            "rotations[0].at",
            "rotations[0].starts_on",
            "rotations[1].people",
            "rotations[1].at",
            "rotations[2].place",
            "rotations[2].at",
            "rotations[2].starts_on",
            "rotations[3].hours.days",
            "rotations[3].hours.from",
            "rotations[3].hours.until",
            "rotations[3].hours.until",
            "rotations[1].place",
            "shifts[0].person",
            "shifts[2].until",
            "shifts[3].place",
            "shifts[3].until.at",
            "shifts[3].until",
            "shifts[4].until",
            "shifts[1]",
            "covers[0].by",
            "covers[1].by",
            "covers[2].place",
            "covers[2].from",
            "covers[1]",
            "holidays[0].person",
            "holidays[1]",
            "holidays[3].place",
            "holidays[3].on",
        ]
    );
}

#[test]
fn a_roster_that_was_never_checked_does_no_harm() {
    let plan = plan(json!({
        "rotations": [
            {"place": "nurse", "people": [], "weekday": "monday", "at": "08:00:00", "starts_on": "2026-11-24"},
            {"place": "backup", "people": [id(ANN)], "weekday": "monday", "at": "08:00:00",
             "starts_on": "+262142-12-31",
             "hours": {"days": ["monday"], "from": "08:00:00", "until": "08:00:00"}},
        ],
        "shifts": [{"place": "nurse", "person": id(ANN), "from": {"on": "-262143-01-01", "at": "08:00:00"},
            "until": {"on": "+262142-12-31", "at": "08:00:00"}}],
        "holidays": [{"on": "+262142-12-31", "place": "manager"}],
    }));
    let now = local("2026-11-24 12:00:00");
    assert_eq!(who(&plan, OnCallPlace::Nurse, now), "ann");
    assert!(!gaps_ahead(&plan, now, &rules()).is_empty());
    assert!(!on_call_at(&plan, now).is_empty());
}
