//! Another zone, another time for one session, and one that is left out: as tables.

use std::sync::Arc;

use bedside_protocol::case::Cause;
use bedside_protocol::checklist::AnswerValue;
use bedside_protocol::people::{Caller, Contact, OnCallPerson, OnCallPlace, StaffRole};
use bedside_protocol::plan::{self, CourseDecision, NewTime};
use bedside_protocol::preparation;
use bedside_protocol::record::{Decision, PatientRecord};
use bedside_protocol::refusal::Refusal;
use bedside_protocol::roster::{Holiday, OnCallPlan, Roster};
use bedside_protocol::session::MoveCause::{self, Asked, Clinical, SitterDroppedOut};
use bedside_protocol::time::Zone;

use crate::course::{CoursePlay, draft, fields, time};
use crate::play::Play;
use crate::support::{at, code, nurse, patient, patient_record, staff};

fn move_to(play: &mut CoursePlay, index: usize, to: &NewTime, caller: Caller) -> Result<(), Refusal> {
    let decision = play.with(caller, |play, context| {
        plan::move_session(&play.record, &play.sessions[index], to, context)
    })?;
    play.keep(decision);
    Ok(())
}

#[test]
fn in_another_zone_a_session_keeps_its_local_time_unless_it_has_begun() {
    let mut play = CoursePlay::signed();
    play.take(0);
    play.now = at("2026-12-06T15:00:00Z");
    let madrid = Zone::named("Europe/Madrid").unwrap();
    let decision = play.with(nurse(), |play, context| {
        plan::change_zone(&play.record, &play.sessions, madrid, context)
    });
    play.apply(decision);
    assert_eq!(play.record.patient.zone, madrid);
    let planned: Vec<_> = play
        .sessions
        .iter()
        .map(|it| (it.session.planned.zone.name(), it.session.planned.at))
        .collect();
    assert_eq!(planned[0], ("America/New_York", at("2026-11-30T15:00:00Z")));
    assert_eq!(planned[1], ("America/New_York", at("2026-12-07T15:00:00Z")));
    assert_eq!(planned[2], ("Europe/Madrid", at("2026-12-14T09:00:00Z")));
    assert!(
        play.sessions
            .iter()
            .all(|it| it.session.planned.time == time("10:00:00"))
    );
    let told = &play.record.watch.open_case().unwrap().signals[0].what;
    let left = vec![play.sessions[1].session.id];
    assert_eq!(
        *told,
        Cause::ZoneChanged {
            left,
            too_near: Vec::new(),
            unstaffed: Vec::new(),
        }
    );

    let again = play.with(nurse(), |play, context| {
        plan::change_zone(&play.record, &play.sessions, madrid, context)
    });
    assert_eq!(
        again,
        CourseDecision::of_patient(Decision::unchanged(&play.record))
    );
}

#[test]
fn one_session_is_moved_with_a_reason_and_late_only_for_a_good_one() {
    let monday = at("2026-11-30T15:00:00Z");
    let hours_before = |hours| monday - chrono::Duration::hours(hours);
    let (coordinator, nurse) = (staff(OnCallPlace::Coordinator, StaffRole::Coordinator), nurse());
    let to = |on: &str, at: &str, cause| NewTime {
        on: on.parse().unwrap(),
        time: time(at),
        cause,
        reason: "the car broke down".to_owned(),
    };
    let cases = [
        // when, by whom, to, cause; fields at fault
        (
            48,
            &coordinator,
            to("2026-12-02", "11:00:00", Asked),
            [].as_slice(),
        ),
        (24, &coordinator, to("2026-12-02", "11:00:00", Asked), &[]),
        (23, &coordinator, to("2026-12-02", "11:00:00", Asked), &["cause"]),
        (
            23,
            &coordinator,
            to("2026-12-02", "11:00:00", SitterDroppedOut),
            &[],
        ),
        (
            1,
            &coordinator,
            to("2026-12-02", "11:00:00", SitterDroppedOut),
            &[],
        ),
        (
            23,
            &coordinator,
            to("2026-12-02", "11:00:00", Clinical),
            &["cause"],
        ),
        (23, &nurse, to("2026-12-02", "11:00:00", Clinical), &[]),
        // The plan's own hours and the other sessions.
        (48, &nurse, to("2026-12-02", "14:30:00", Asked), &["time"]),
        (48, &nurse, to("2026-12-02", "16:00:00", Asked), &["time"]),
        (48, &nurse, to("2026-12-05", "11:00:00", Asked), &["on"]),
        (48, &nurse, to("2026-11-27", "11:00:00", Asked), &["on"]),
        (48, &nurse, to("2027-06-27", "20:00:00", Asked), &["time", "on"]),
    ];
    for (hours, caller, to, expected) in cases {
        let mut play = CoursePlay::signed();
        play.now = hours_before(hours);
        let moved = move_to(&mut play, 0, &to, (*caller).clone());
        assert_eq!(fields(moved), expected, "{hours} h before, {to:?}");
        if expected.is_empty() {
            let session = &play.sessions[0].session;
            assert_eq!(session.planned.on, to.on);
            let late = hours < 24 && to.cause == Clinical;
            assert_eq!((session.moves.len(), session.moves[0].late), (1, late));
            assert_eq!(session.moves[0].by, *caller);
        }
    }
}

#[test]
fn a_session_is_moved_within_the_distances_of_its_own_plan() {
    let mut play = CoursePlay::new();
    play.sign(&draft(|it| it.min_interval_hours = 96)).unwrap();
    let to = |on: &str| NewTime {
        on: on.parse().unwrap(),
        time: time("10:00:00"),
        cause: Asked,
        reason: "a wedding".to_owned(),
    };
    for (on, expected) in [("2026-12-03", [].as_slice()), ("2026-12-04", &["on"])] {
        let moved = move_to(&mut play, 0, &to(on), nurse());
        assert_eq!(fields(moved), expected, "{on}, the next is on 7 December");
    }
    let mut play = CoursePlay::new();
    play.sign(&draft(|it| it.max_doses_rolling_7d = 1)).unwrap();
    assert_eq!(fields(move_to(&mut play, 0, &to("2026-12-01"), nurse())), ["on"]);
    assert_eq!(fields(move_to(&mut play, 0, &to("2026-11-29"), nurse())), [""; 0]);
}

#[test]
fn what_was_answered_for_the_old_time_is_asked_again() {
    let mut ready = Play::ready();
    let course = PatientRecord {
        sessions: vec![ready.record.session.clone()],
        ..patient_record()
    };
    let to = NewTime {
        on: "2026-12-02".parse().unwrap(),
        time: time("11:00:00"),
        cause: MoveCause::Clinical,
        reason: "a cold".to_owned(),
    };
    let sitters = ready.record.sitters.len();
    let decision = ready.with(nurse(), |record, context| {
        plan::move_session(&course, record, &to, context).unwrap()
    });
    ready.apply(decision);
    assert_eq!(ready.state(), "scheduled");
    assert!(
        ready
            .record
            .answers
            .iter()
            .rev()
            .take(3)
            .all(|it| it.value == AnswerValue::Cleared)
    );
    assert_eq!(
        ready.record.sitters.len(),
        sitters + 1,
        "the sitter is asked about the new time"
    );
    assert_eq!(ready.record.current_sitter().unwrap().state.name(), "invited");

    let mut unlocked = Play::ready();
    unlocked.go_to(unlocked.planned_at());
    unlocked.asked(patient(), preparation::unlock).unwrap();
    let refused = unlocked.with(nurse(), |record, context| {
        plan::move_session(&course, record, &to, context)
    });
    assert_eq!(code(&refused.unwrap_err()), "session-started");
}

#[test]
fn only_a_session_of_a_plan_that_has_not_begun_is_left_out() {
    let mut play = CoursePlay::signed();
    for (reason, expected) in [("", vec!["reason".to_owned()]), ("ill", vec![])] {
        let skipped = play.with(nurse(), |play, context| {
            plan::skip(&play.sessions[0], reason, context)
        });
        assert_eq!(fields(skipped), expected);
    }
    play.take(0);
    let over = play.with(nurse(), |play, context| {
        plan::skip(&play.sessions[0], "ill", context)
    });
    assert_eq!(fields(over), ["session-started"]);
    play.sessions[1].session.slot = None;
    let single = play.with(nurse(), |play, context| {
        plan::skip(&play.sessions[1], "ill", context)
    });
    assert_eq!(fields(single), ["not-of-a-plan"]);
}

#[test]
fn a_session_moved_by_hand_stays_where_it_is_when_the_plan_changes_and_keeps_its_local_time_in_another_zone()
{
    let mut play = CoursePlay::signed();
    let to = NewTime {
        on: "2026-12-08".parse().unwrap(),
        time: time("11:00:00"),
        cause: MoveCause::Asked,
        reason: "a wedding".into(),
    };
    move_to(&mut play, 1, &to, nurse()).unwrap();
    play.change(1, |it| it.time = time("12:00:00")).unwrap();
    assert_eq!(
        play.lines()[..3],
        [
            "1 2026-11-30 12:00 scheduled",
            "2 2026-12-08 11:00 scheduled",
            "3 2026-12-14 12:00 scheduled"
        ]
    );
    let madrid = Zone::named("Europe/Madrid").unwrap();
    let decision = play.with(nurse(), |play, context| {
        plan::change_zone(&play.record, &play.sessions, madrid, context)
    });
    play.apply(decision);
    assert_eq!(play.sessions[1].session.planned.at, at("2026-12-08T10:00:00Z"));
}

#[test]
fn the_place_of_a_session_that_a_plan_dropped_is_free_for_a_later_version() {
    let mut play = CoursePlay::signed();
    play.change(1, |it| {
        it.induction_sessions = 4;
        it.dispensed_lozenges = 8;
        it.review_after_sessions = vec![1, 2, 4];
    })
    .unwrap();
    let live = |play: &CoursePlay| -> Vec<u32> {
        let to_come = play
            .sessions
            .iter()
            .filter(|it| it.session.state.is_before_dose());
        let mut ordinals: Vec<u32> = to_come
            .filter_map(|it| it.session.slot)
            .map(|slot| slot.ordinal)
            .collect();
        ordinals.sort_unstable();
        ordinals
    };
    assert_eq!(live(&play), [1, 2, 3, 4]);
    play.change(2, |_| {}).unwrap();
    assert_eq!(live(&play), [1, 2, 3, 4, 5, 6]);
    assert_eq!(
        play.sessions.len(),
        8,
        "the two that were dropped are kept as they ended"
    );
}

#[test]
fn in_another_zone_too_near_is_by_the_patients_own_plan() {
    // One session is prepared already and stays; the next, in Madrid, is six hours nearer to it than a week.
    for (least_hours, near) in [(72, 0), (168, 1)] {
        let mut play = CoursePlay::new();
        play.sign(&draft(|it| it.min_interval_hours = least_hours))
            .unwrap();
        play.now = at("2026-12-06T15:00:00Z");
        play.take(0);
        let madrid = Zone::named("Europe/Madrid").unwrap();
        let decision = play.with(nurse(), |play, context| {
            plan::change_zone(&play.record, &play.sessions, madrid, context)
        });
        play.apply(decision);
        let told = &play.record.watch.open_case().unwrap().signals[0].what;
        let Cause::ZoneChanged { too_near, .. } = told else {
            panic!("{told:?}")
        };
        assert_eq!(too_near.len(), near, "{least_hours} hours");
    }
}

#[test]
fn a_session_that_another_zone_brings_into_a_gap_of_the_roster_is_named() {
    // Nobody is the nurse on December 14.
    for (holiday, lacking) in [
        (Some("2026-12-14"), vec![2]),
        (Some("2026-12-15"), vec![]),
        (None, vec![]),
    ] {
        let mut play = CoursePlay::signed();
        play.now = at("2026-12-06T15:00:00Z");
        play.take(0);
        let around = &mut play.record.around;
        let contact = |it: &OnCallPerson| Contact {
            name: it.name.clone(),
            email: it.email.clone(),
            reached_at: None,
        };
        around.roster = holiday.map(|on| {
            let day = Holiday {
                on: on.parse().unwrap(),
                place: OnCallPlace::Nurse,
                person: None,
            };
            Arc::new(OnCallPlan {
                zone: around.clinic.zone,
                list: around.on_call.iter().map(|it| (it.place, it.person)).collect(),
                roster: Arc::new(Roster {
                    holidays: vec![day],
                    ..Roster::default()
                }),
                staff: around.on_call.iter().map(|it| (it.person, contact(it))).collect(),
            })
        });
        let madrid = Zone::named("Europe/Madrid").unwrap();
        let decision = play.with(nurse(), |play, context| {
            plan::change_zone(&play.record, &play.sessions, madrid, context)
        });
        play.apply(decision);
        let told = &play.record.watch.open_case().unwrap().signals[0].what;
        let Cause::ZoneChanged { unstaffed, .. } = told else {
            panic!("{told:?}")
        };
        let expected: Vec<_> = lacking
            .iter()
            .map(|index: &usize| play.sessions[*index].session.id)
            .collect();
        assert_eq!(*unstaffed, expected, "{holiday:?}");
    }
}
