//! Holds, reviews and the end of a course: what they do to the gate, and who may do them.

use bedside_protocol::case::{Cause, Level};
use bedside_protocol::dosing::{DoseReport, Logged};
use bedside_protocol::gate;
use bedside_protocol::notice::{About, Message, Who};
use bedside_protocol::people::{Caller, OnCallPlace, StaffRole};
use bedside_protocol::plan::{self, ReviewDue};
use bedside_protocol::preparation;
use bedside_protocol::record::{Decision, PatientRecord};
use bedside_protocol::refusal::Refusal;
use bedside_protocol::time::{Instant, minutes};

use crate::course::{CoursePlay, draft, prescriber};
use crate::play::Play;
use crate::support::{at, code, nurse, patient, patient_record, staff};

fn course_codes(play: &CoursePlay, index: usize, now: Instant) -> Vec<&'static str> {
    let reasons = gate::reasons(&play.sessions[index], now);
    let codes = reasons.iter().map(|reason| reason.code.name());
    codes
        .filter(|code| {
            [
                "course-held",
                "review-due",
                "course-over",
                "interval",
                "rolling-7-days",
            ]
            .contains(code)
        })
        .collect()
}

fn hold(play: &mut CoursePlay, until: &str, may_lift: &[StaffRole]) -> Result<(), Refusal> {
    let (decision, _) = play.with(nurse(), |play, context| {
        plan::hold_course(
            &play.record,
            &play.sessions,
            until.parse().unwrap(),
            may_lift,
            "new medicine",
            context,
        )
    })?;
    play.apply(decision);
    Ok(())
}

fn lift(play: &mut CoursePlay, caller: Caller) -> Result<(), Refusal> {
    let decision = play.with(caller, |play, context| {
        plan::lift_course(&play.record, &play.sessions, "all well", context)
    })?;
    play.apply(decision);
    Ok(())
}

fn review(play: &mut CoursePlay) {
    let (decision, _) = play.with(prescriber(), |play, context| {
        plan::record_review(&play.record, "goes well", context).unwrap()
    });
    play.record = decision.after;
    play.share();
}

#[test]
fn a_hold_ends_with_its_last_local_day_or_by_those_it_names() {
    let both = [StaffRole::Nurse, StaffRole::Prescriber];
    let mut play = CoursePlay::signed();
    hold(&mut play, "2026-11-30", &both).unwrap();
    let last = at("2026-12-01T04:59:59Z");
    assert_eq!(course_codes(&play, 0, last), ["course-held"]);
    assert_eq!(course_codes(&play, 0, at("2026-12-01T05:00:00Z")), [""; 0]);

    assert_eq!(
        code(&hold(&mut play, "2026-12-05", &both).unwrap_err()),
        "already-held"
    );
    lift(&mut play, nurse()).unwrap();
    assert_eq!(course_codes(&play, 0, last), [""; 0]);
    assert_eq!(code(&lift(&mut play, nurse()).unwrap_err()), "not-held");

    hold(&mut play, "2026-12-05", &[StaffRole::Prescriber]).unwrap();
    assert_eq!(code(&lift(&mut play, nurse()).unwrap_err()), "not-yours-to-lift");
    assert_eq!(code(&lift(&mut play, patient()).unwrap_err()), "not-found");
    lift(&mut play, prescriber()).unwrap();
    assert_eq!(play.record.course.holds.len(), 2, "both are kept");
}

#[test]
fn a_hold_has_a_day_to_come_and_a_clinician_who_may_lift_it() {
    let cases: [(&str, &[StaffRole], bool); 6] = [
        ("2026-11-20", &[StaffRole::Nurse], true),
        ("2026-11-19", &[StaffRole::Nurse], false),
        ("2027-11-21", &[StaffRole::Nurse], true),
        ("2027-11-22", &[StaffRole::Nurse], false),
        ("2026-11-27", &[], false),
        ("2026-11-27", &[StaffRole::Coordinator, StaffRole::Nurse], false),
    ];
    for (until, may_lift, taken) in cases {
        let held = hold(&mut CoursePlay::new(), until, may_lift);
        assert_eq!(held.is_ok(), taken, "{until} {may_lift:?}");
    }
}

#[test]
fn a_hold_stops_reminders_and_doses_and_no_escalation() {
    let mut play = CoursePlay::signed();
    hold(&mut play, "2026-12-06", &[StaffRole::Nurse]).unwrap();
    let held = play.sessions[0].clone();
    let mut one = Play::begin(held.clone(), Decision::unchanged(&held), play.now, 9);
    one.go_to(held.session.planned.at);
    let causes: Vec<_> = one
        .record
        .watch
        .cases
        .iter()
        .flat_map(|case| &case.signals)
        .map(|it| it.what.clone())
        .collect();
    assert!(causes.contains(&Cause::CourseHeld), "{causes:?}");
    assert!(
        one.sent
            .iter()
            .all(|notice| !matches!(notice.message, Message::PatientTask { .. }))
    );
    assert!(
        one.sent
            .iter()
            .any(|notice| matches!(notice.about, About::Case { .. })),
        "the worklist is told"
    );

    let mut dosed = Play::dosed();
    dosed.record.course = play.record.course.clone();
    let before = dosed.sent.len();
    dosed.after(20);
    assert!(
        dosed
            .record
            .watch
            .open_case()
            .is_some_and(|case| case.level == Level::P1)
    );
    assert!(dosed.sent.len() > before);
}

#[test]
fn the_next_dose_waits_for_the_review_after_the_sessions_the_plan_names() {
    // One after sessions 1, 2, 4 and 6; there are six.
    let waits = [false, true, true, false, true, false];
    let mut play = CoursePlay::signed();
    for (index, waits) in waits.into_iter().enumerate() {
        let planned_at = play.sessions[index].session.planned.at;
        let due = course_codes(&play, index, planned_at);
        assert_eq!(
            due == ["review-due"],
            waits,
            "before session {}: {due:?}",
            index + 1
        );
        if waits {
            play.now = planned_at - minutes(60);
            review(&mut play);
            assert_eq!(course_codes(&play, index, planned_at), [""; 0]);
        }
        play.take(index);
    }
    assert_eq!(play.record.course.reviews.len(), 3);
}

#[test]
fn a_review_from_before_a_session_does_not_stand_for_it() {
    let mut play = CoursePlay::signed();
    review(&mut play);
    play.take(0);
    let second = play.sessions[1].session.planned.at;
    assert_eq!(course_codes(&play, 1, second), ["review-due"]);
}

#[test]
fn a_long_gap_asks_for_a_review() {
    let dose = at("2026-01-01T15:00:00Z");
    let day = |days: i64| dose + minutes(days * 24 * 60);
    let rules = bedside_protocol::document::CourseRules::default();
    let reviewed = |days: i64| {
        let mut play = CoursePlay::new();
        play.now = day(days);
        review(&mut play);
        play.record.course.reviews
    };
    let cases = [
        (83, vec![], None),
        (84, vec![], Some(ReviewDue::AfterGap { days: 84 })),
        (90, reviewed(7), Some(ReviewDue::AfterGap { days: 90 })),
        (90, reviewed(85), None),
    ];
    for (days, reviews, expected) in cases {
        assert_eq!(
            plan::review_due(None, &reviews, &[dose], &rules, day(days)),
            expected,
            "{days} days"
        );
    }
    assert_eq!(
        plan::review_due(None, &[], &[], &rules, dose),
        None,
        "nobody waits before the first dose"
    );
}

#[test]
fn staff_hear_a_day_before_that_a_review_is_missing() {
    let mut play = CoursePlay::signed();
    play.take(0);
    let second = play.sessions[1].clone();
    let mut one = Play::begin(second.clone(), Decision::unchanged(&second), play.now, 9);
    one.before(25 * 60);
    let case = one.record.watch.open_case().unwrap();
    assert_eq!(
        (case.level, &case.signals[0].what),
        (Level::P3, &Cause::ReviewDue)
    );
}

#[test]
fn only_staff_review_and_they_say_what_they_found() {
    let mut play = CoursePlay::signed();
    for (caller, note, expected) in [
        (patient(), "fine", "not-found"),
        (prescriber(), "  ", "invalid"),
        (prescriber(), &"x".repeat(4001), "invalid"),
    ] {
        let refused = play.with(caller, |play, context| {
            plan::record_review(&play.record, note, context)
        });
        assert_eq!(code(&refused.unwrap_err()), expected);
    }
}

#[test]
fn the_course_ends_with_its_lozenges_and_keeps_to_its_own_intervals() {
    let mut play = CoursePlay::new();
    play.sign(&draft(|it| {
        it.min_interval_hours = 96;
        it.max_doses_rolling_7d = 1;
        it.review_after_sessions = Vec::new();
    }))
    .unwrap();
    for index in 0..5 {
        play.take(index);
    }
    let last = play.sessions[5].session.planned.at;
    assert_eq!(course_codes(&play, 5, last), [""; 0]);
    let five = play.sessions[4].session.planned.at;
    assert_eq!(
        course_codes(&play, 5, five + minutes(95 * 60)),
        ["interval", "rolling-7-days"]
    );
    assert_eq!(
        course_codes(&play, 5, five + minutes(97 * 60)),
        ["rolling-7-days"]
    );
    // More for one session than when the plan was signed.
    play.sessions[5]
        .order
        .as_mut()
        .unwrap()
        .content
        .instruction
        .lozenge_count = 3;
    assert_eq!(course_codes(&play, 5, last), ["course-over"]);
}

#[test]
fn a_coordinator_lifts_nothing_and_a_nurse_who_is_named_does() {
    let mut play = CoursePlay::signed();
    hold(&mut play, "2026-12-05", &[StaffRole::Nurse]).unwrap();
    let coordinator = staff(OnCallPlace::Coordinator, StaffRole::Coordinator);
    assert_eq!(
        code(&lift(&mut play, coordinator).unwrap_err()),
        "not-yours-to-lift"
    );
    lift(&mut play, nurse()).unwrap();
}

#[test]
fn a_hold_locks_a_screen_that_is_unlocked_and_a_dose_all_the_same_is_recorded_as_unplanned() {
    let mut unlocked = Play::ready();
    unlocked.go_to(unlocked.planned_at());
    unlocked.asked(patient(), preparation::unlock).unwrap();
    let course = PatientRecord {
        sessions: vec![unlocked.record.session.clone()],
        course: unlocked.record.course.clone(),
        ..patient_record()
    };
    let (held, _) = unlocked.with(nurse(), |record, context| {
        let until = "2026-11-30".parse().unwrap();
        let sessions = [record.clone()];
        plan::hold_course(&course, &sessions, until, &[StaffRole::Nurse], "a cold", context).unwrap()
    });
    unlocked.apply(held.changed.into_iter().next().unwrap());
    assert_eq!(gate::unlocked_until(&unlocked.record, unlocked.now), None);
    let logged = unlocked.dose(patient(), DoseReport::default());
    let Logged::RecordedOutsideReadySession { reasons, .. } = logged else {
        panic!("{logged:?}");
    };
    assert_eq!(reasons, ["course-held"]);
}

#[test]
fn what_fell_due_during_a_hold_is_asked_again_when_it_is_lifted() {
    let mut play = CoursePlay::signed();
    hold(&mut play, "2026-12-06", &[StaffRole::Nurse]).unwrap();
    // An hour before the session nobody was asked, so nobody said that it is on.
    let held = play.sessions[0].clone();
    let mut one = Play::begin(held.clone(), Decision::unchanged(&held), play.now, 9);
    let planned_at = held.session.planned.at;
    one.go_to(planned_at - minutes(100));
    assert_eq!(one.state(), "held");
    assert!(
        one.sent
            .iter()
            .all(|notice| matches!(notice.to.who, Who::Staff(_)))
    );
    for lifted_before_min in [100_i64, 20 * 60] {
        let mut one = Play::begin(held.clone(), Decision::unchanged(&held), play.now, 9);
        one.go_to(planned_at - minutes(lifted_before_min));
        let mut there = CoursePlay {
            record: play.record.clone(),
            sessions: vec![one.record.clone()],
            now: one.now,
            seed: 5,
        };
        lift(&mut there, nurse()).unwrap();
        let before = one.record.watch.duties.len();
        let mark = one.mark();
        one.record = there.sessions[0].clone();
        one.record.course = there.record.course.clone();
        assert_eq!(one.state(), "prep_open", "{lifted_before_min}");
        let asked: Vec<&str> = one.record.watch.duties[before..]
            .iter()
            .map(|duty| duty.kind.name())
            .collect();
        // Two hours before the session it is too late to say that it is on; the day's list can still be done.
        let expected: &[&str] = if lifted_before_min > 120 {
            &["confirm_plan", "prepare_day", "start"]
        } else {
            &["prepare_day", "start"]
        };
        assert_eq!(asked, expected, "{lifted_before_min}");
        one.go_to(planned_at - minutes(10));
        let to_patient = one.sent[mark..]
            .iter()
            .any(|notice| matches!(notice.to.who, Who::Patient(_)));
        assert!(to_patient, "{lifted_before_min}: the patient is reminded");
    }
}

#[test]
fn a_clinic_that_does_not_wait_for_reviews_is_not_told_of_one() {
    let mut play = CoursePlay::signed();
    play.take(0);
    let mut second = play.sessions[1].clone();
    let mut document = second.around.protocol.as_ref().clone();
    document.course.block_next_until_review = false;
    second.around.protocol = std::sync::Arc::new(document);
    let mut one = Play::begin(second.clone(), Decision::unchanged(&second), play.now, 9);
    one.before(25 * 60);
    assert!(one.record.watch.open_case().is_none());
}
