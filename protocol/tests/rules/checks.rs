//! Check-ins: how urgent a miss is, and what an answer does that is in time, late, bad, twice or for another check.

use bedside_protocol::answering::{self, CheckedIn};
use bedside_protocol::case::{Cause, Level};
use bedside_protocol::duty::{DutyState, OwedBy};
use bedside_protocol::refusal::Refusal;
use bedside_protocol::time::{minutes, seconds};

use crate::play::Play;
use crate::support::{code, is_missed, nurse, patient, reading};

#[test]
fn a_first_miss_is_a_p1_up_to_c7_and_a_p2_later() {
    for (key, number, due_min, level) in [
        ("C4", 0, 10, Level::P1),
        ("C5", 0, 15, Level::P1),
        ("C6", 0, 30, Level::P1),
        ("C7", 0, 45, Level::P1),
        ("C8", 0, 60, Level::P2),
        ("C8", 1, 75, Level::P2),
        ("C9", 0, 90, Level::P2),
        ("C9b", 0, 105, Level::P2),
        ("C10", 0, 120, Level::P2),
    ] {
        let mut play = Play::dosed();
        play.all_well_until(due_min - 1);
        play.after(due_min + 3);
        assert_eq!(play.record.watch.cases.len(), 0, "{key} before its grace is over");
        play.after(due_min + 4);
        assert!(is_missed(play.check(key, number)));
        assert_eq!(play.case().level, level, "{key} {number}");
        let first = &play.case().signals[0].what;
        assert!(matches!(first, Cause::MissedCheckIn { in_a_row: 1, rule, .. } if rule == key));
    }
}

#[test]
fn a_second_miss_in_a_row_is_a_p1_and_an_answer_between_begins_anew() {
    let mut play = Play::dosed();
    play.all_well_until(59);
    play.after(64);
    assert_eq!((play.case().level, play.case().round), (Level::P2, 1));
    play.after(79);
    assert_eq!((play.case().level, play.case().round), (Level::P1, 2));

    let mut play = Play::dosed();
    play.all_well_until(59);
    play.after(64);
    play.take_and_resolve();
    play.after(75);
    play.answer("C8", 1, &[]);
    play.after(94);
    assert_eq!(play.case().level, Level::P2);
    assert_eq!(play.record.watch.cases.len(), 2);
}

#[test]
fn an_answer_three_minutes_fifty_nine_late_is_in_time_and_one_at_four_minutes_is_not() {
    let mut play = Play::dosed();
    play.all_well_until(27);
    let deadline = play.check("C6", 0).missed_after.unwrap();
    let mut late = play.clone();
    play.go_to(deadline - seconds(1));
    assert_eq!(play.answer("C6", 0, &[]), CheckedIn::Well);
    assert!(matches!(play.check("C6", 0).state, DutyState::Met { .. }));
    // Our receipt time decides, also when no worker has looked yet.
    late.now = deadline;
    assert_eq!(late.answer("C6", 0, &[]), CheckedIn::Late);
    assert!(late.check("C6", 0).is_open());
    late.tick();
    assert!(matches!(
        late.check("C6", 0).state,
        DutyState::Missed {
            answered: Some(_),
            ..
        }
    ));
    let causes: Vec<_> = late
        .case()
        .signals
        .iter()
        .map(|signal| signal.what.name())
        .collect();
    assert_eq!(causes, ["missed_check_in", "late_answer"]);
}

#[test]
fn a_late_answer_keeps_both_times() {
    let mut play = Play::dosed();
    play.all_well_until(27);
    play.after(37);
    let mut form = play.form(&play.check("C6", 0).clone(), &[]);
    form.observed_at = Some(play.now - minutes(8));
    assert_eq!(play.send(play.sitter(), form).unwrap(), CheckedIn::Late);
    let DutyState::Missed {
        answered: Some(late), ..
    } = play.check("C6", 0).state
    else {
        panic!("it stays missed")
    };
    assert_eq!(
        (late.observed_at, late.received_at),
        (play.now - minutes(8), play.now)
    );
}

#[test]
fn the_time_a_device_claims_is_bounded_by_the_checks_opening_and_by_now() {
    let mut play = Play::dosed();
    play.all_well_until(20);
    play.after(30);
    for (claimed, believed) in [(-600, -5), (-3, -3), (600, 0)] {
        let mut play = play.clone();
        let mut form = play.form(&play.check("C6", 0).clone(), &[]);
        let claimed = play.now + minutes(claimed);
        form.observed_at = Some(claimed);
        play.send(play.sitter(), form).unwrap();
        let answer = play.record.check_ins.last().unwrap();
        let believed = play.now + minutes(believed);
        assert_eq!(answer.observed_at, believed);
        assert_eq!(answer.claimed_at, (claimed != believed).then_some(claimed));
    }
}

#[test]
fn a_form_for_an_older_check_is_recorded_for_that_one_and_never_meets_a_later_one() {
    let mut play = Play::dosed();
    play.all_well_until(27);
    let stale_page = play.form(&play.check("C6", 0).clone(), &[]);
    play.after(44);
    assert_eq!(play.send(play.sitter(), stale_page).unwrap(), CheckedIn::Late);
    assert!(play.check("C7", 0).is_open());
    let open_now = answering::check_open_now(&play.record, OwedBy::Sitter, play.now).unwrap();
    assert_eq!(open_now.id, play.check("C7", 0).id);
}

#[test]
fn a_check_cannot_be_answered_before_it_opens() {
    let mut play = Play::dosed();
    play.all_well_until(20);
    play.after(24);
    let form = play.form(&play.check("C6", 0).clone(), &[]);
    let refusal = play.send(play.sitter(), form.clone()).unwrap_err();
    assert_eq!(code(&refusal), "check-not-open");
    play.after(25);
    assert_eq!(play.send(play.sitter(), form).unwrap(), CheckedIn::Well);
}

#[test]
fn bad_answers_are_told_at_the_level_of_the_worst() {
    for (key, due_min, bad, outcome, level) in [
        ("C4", 10, "as_ordered", CheckedIn::ActNow, Level::P1),
        ("C5", 15, "rousable", CheckedIn::ActNow, Level::P1),
        ("C5", 15, "safe_position", CheckedIn::Noted, Level::P2),
        ("C6", 30, "breathing_normal", CheckedIn::ActNow, Level::P1),
    ] {
        let mut play = Play::dosed();
        play.all_well_until(due_min - 1);
        play.after(due_min);
        assert_eq!(play.answer(key, 0, &[bad]), outcome);
        assert_eq!(play.case().level, level);
        let Cause::BadAnswer { questions, .. } = &play.case().signals[0].what else {
            panic!()
        };
        assert_eq!(questions, &[bad]);
        // It is an answer all the same.
        assert!(matches!(play.check(key, 0).state, DutyState::Met { .. }));
    }
}

#[test]
fn the_same_answer_sent_twice_is_one_answer_with_one_outcome() {
    for (bad, outcome) in [
        (vec![], CheckedIn::Well),
        (vec!["safe_position"], CheckedIn::Noted),
        (vec!["rousable"], CheckedIn::ActNow),
    ] {
        let mut play = Play::dosed();
        play.after(10);
        play.answer("C4", 0, &[]);
        play.after(15);
        assert_eq!(play.answer("C5", 0, &bad), outcome);
        let before = play.record.clone();
        play.now += seconds(20);
        assert_eq!(play.answer("C5", 0, &bad), outcome);
        assert_eq!(play.record, before);
    }
}

#[test]
fn every_question_is_answered_and_no_other() {
    let mut play = Play::dosed();
    play.after(10);
    let good = play.form(&play.check("C4", 0).clone(), &[]);
    let mut missing = good.clone();
    missing.answers.remove("no_choking");
    let mut unknown = good.clone();
    unknown.answers.insert("mood".into(), true);
    let mut nonsense = good;
    nonsense.answers.insert("<script>".into(), true);
    for (form, field) in [
        (missing, "answers.no_choking"),
        (unknown, "answers.mood"),
        (nonsense, "answers"),
    ] {
        let Refusal::Invalid(faults) = play.send(play.sitter(), form).unwrap_err() else {
            panic!()
        };
        assert_eq!(faults.0[0].field, field);
    }
    assert!(play.check("C4", 0).is_open());
}

#[test]
fn each_person_answers_their_own_checks_and_a_nurse_any() {
    let mut play = Play::dosed();
    play.after(10);
    let form = play.form(&play.check("C4", 0).clone(), &[]);
    assert_eq!(
        code(&play.send(patient(), form.clone()).unwrap_err()),
        "not-your-check"
    );
    let manager = crate::support::staff(
        bedside_protocol::people::OnCallPlace::Manager,
        bedside_protocol::people::StaffRole::Manager,
    );
    assert_eq!(code(&play.send(manager, form.clone()).unwrap_err()), "not-found");
    assert_eq!(play.send(nurse(), form).unwrap(), CheckedIn::Well);
}

#[test]
fn a_reading_that_cannot_be_is_asked_again_and_the_check_stays_open() {
    let mut play = Play::dosed();
    play.all_well_until(44);
    play.after(45);
    let mut form = play.form(&play.check("C7", 0).clone(), &[]);
    form.reading = Some(reading(1200, 80, 70));
    let Refusal::MeasureAgain(faults) = play.send(play.sitter(), form).unwrap_err() else {
        panic!()
    };
    assert_eq!(faults.0[0].field, "vitals.sbp");
    assert!(play.check("C7", 0).is_open() && play.record.watch.cases.is_empty());
}

#[test]
fn check_ins_that_arrive_together_after_a_time_offline_make_one_case_for_those_still_missing() {
    let mut play = Play::dosed();
    play.all_well_until(27);
    let mut offline = play.clone();
    // The server hears nothing from T+28 to T+62.
    play.after(62);
    let cases = play.record.watch.cases.len();
    for (key, taken_min) in [("C6", 31), ("C7", 45)] {
        let mut form = offline.form(&offline.check(key, 0).clone(), &[]);
        form.observed_at = Some(play.record.session.t0() + minutes(taken_min));
        assert_eq!(play.send(play.sitter(), form).unwrap(), CheckedIn::Late);
    }
    play.answer("C8", 0, &[]);
    assert_eq!((cases, play.record.watch.cases.len()), (1, 1));
    assert!(matches!(play.check("C8", 0).state, DutyState::Met { .. }));
    // One P1 for all of them: one round, and each person told once a step.
    let case = play.case();
    assert_eq!((case.level, case.round), (Level::P1, 1));
    for key in ["C6", "C7"] {
        let DutyState::Missed { answered, .. } = &play.check(key, 0).state else {
            panic!("{key}")
        };
        assert!(
            answered.is_some_and(|it| it.observed_at < it.received_at),
            "{key}"
        );
    }
    offline.tick();
}

#[test]
fn an_answer_after_everything_is_over_is_kept_and_a_bad_one_still_told() {
    let mut play = Play::dosed();
    play.all_well_until(120);
    play.after(420);
    play.take_and_resolve();
    play.all_well_until(2881);
    assert_eq!(play.state(), "closed");
    let closed = play.record.clone();
    play.tick();
    assert_eq!(play.record, closed, "a tick after the close changes nothing");
    let form = play.form(&play.check("C11", 0).clone(), &["safety_now"]);
    assert_eq!(play.send(patient(), form).unwrap(), CheckedIn::ActNow);
    assert_eq!(play.case().level, Level::P1);
    play.take_and_resolve();
    assert_eq!(play.state(), "closed");
}
