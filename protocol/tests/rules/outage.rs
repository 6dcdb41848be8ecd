//! Our own outage is not the patient's miss: what a worker finds when it is back.

use bedside_protocol::case::{Cause, Level};
use bedside_protocol::duty::{DutyKind, DutyState};
use bedside_protocol::people::OnCallPlace;
use bedside_protocol::session::SessionState;
use bedside_protocol::time::minutes;

use crate::play::Play;
use crate::support::{is_missed, patient};

fn causes(play: &Play) -> Vec<&'static str> {
    play.case()
        .signals
        .iter()
        .map(|signal| signal.what.name())
        .collect()
}

#[test]
fn a_worker_down_from_ten_to_seventy_minutes_calls_for_one_call_and_blames_nobody() {
    let mut play = Play::dosed();
    play.after(10);
    play.answer("C4", 0, &[]);
    let mark = play.mark();
    play.outage_until(play.now + minutes(60));
    play.tick();
    for (key, number) in [("C5", 0), ("C6", 0), ("C7", 0), ("C8", 0)] {
        assert!(
            matches!(play.check(key, number).state, DutyState::Unknown { .. }),
            "{key}"
        );
    }
    assert_eq!(
        (play.case().level, causes(&play)),
        (Level::P1, vec!["watch_down"])
    );
    // No reminder of what is over; nurse and backup once.
    assert_eq!(
        play.lines_since(mark),
        ["T+70 nurse P1 opened", "T+70 backup P1 opened"]
    );
    // Looked at again and again: told once.
    let (before, mark) = (play.record.clone(), play.mark());
    for _ in 0..3 {
        play.tick();
    }
    assert_eq!((&play.record, play.mark()), (&before, mark));
    // The watch goes on from here.
    play.take_and_resolve();
    play.after(75);
    play.answer("C8", 1, &[]);
    play.after(94);
    assert!(is_missed(play.check("C9", 0)));
    assert_eq!(
        (play.case().level, causes(&play)),
        (Level::P2, vec!["missed_check_in"])
    );
}

#[test]
fn a_worker_silent_for_six_hours_sends_each_person_one_mail_and_no_stale_reminder() {
    let mut play = Play::dosed();
    play.all_well_until(15);
    let mark = play.mark();
    play.outage_until(play.now + minutes(6 * 60));
    play.tick();
    let sent = play.lines_since(mark);
    assert_eq!(
        sent,
        [
            "T+375 nurse P1 opened",
            "T+375 backup P1 opened",
            // The release questions, asked anew.
            "T+375 sitter task",
            // The evening check fell due in the outage and is still of use.
            "T+375 patient overdue",
        ]
    );
    let down = causes(&play)
        .into_iter()
        .filter(|cause| *cause == "watch_down")
        .count();
    assert_eq!(down, 1);
    let in_session = play
        .record
        .watch
        .duties
        .iter()
        .filter(|duty| is_missed(duty))
        .count();
    assert_eq!(in_session, 0);
}

#[test]
fn an_untaken_case_that_waited_through_an_outage_tells_everybody_once() {
    let mut play = Play::dosed();
    play.all_well_until(27);
    play.after(35);
    let mark = play.mark();
    play.outage_until(play.now + minutes(6 * 60));
    play.tick();
    let mut sent = play.case_lines_since(mark);
    let all = sent.len();
    sent.sort();
    sent.dedup();
    assert_eq!(all, sent.len());
    assert_eq!(all, 7, "each of the ladder once: {sent:?}");
    let mark = play.mark();
    play.go_to(play.now + minutes(5));
    assert_eq!(
        play.case_lines_since(mark).len(),
        7,
        "and then every five minutes"
    );
}

#[test]
fn a_taken_case_mails_again_after_an_outage_once_a_person() {
    let mut play = Play::dosed();
    play.all_well_until(27);
    play.after(35);
    play.take(OnCallPlace::Nurse).unwrap();
    let mark = play.mark();
    play.outage_until(play.now + minutes(60));
    play.tick();
    assert_eq!(
        play.case_lines_since(mark),
        ["T+95 nurse P1 new signal", "T+95 backup P1 new signal"]
    );
}

#[test]
fn a_worker_that_comes_late_without_a_recorded_gap_still_tells_of_every_miss_in_one_case() {
    let mut play = Play::dosed();
    play.all_well_until(27);
    let mark = play.mark();
    play.now += minutes(60);
    play.tick();
    assert_eq!(play.record.watch.cases.len(), 1);
    let missed = causes(&play);
    assert_eq!(missed, vec!["missed_check_in"; 4], "C6, C7 and both of C8");
    assert_eq!(play.lines_since(mark).len(), 2);
}

#[test]
fn an_answer_during_the_outage_is_kept_and_shown_with_the_case() {
    let mut play = Play::dosed();
    play.after(10);
    play.answer("C4", 0, &[]);
    let gap_begins = play.now;
    // The API still takes answers while no worker runs.
    play.now = gap_begins + minutes(12);
    play.answer("C5", 0, &[]);
    play.now = gap_begins;
    play.outage_until(gap_begins + minutes(30));
    play.tick();
    let DutyState::Unknown { answered, .. } = play.check("C5", 0).state else {
        panic!()
    };
    assert!(answered.is_some());
    assert_eq!(causes(&play), ["watch_down", "late_answer"]);
}

#[test]
fn a_gap_before_the_dose_was_heard_of_or_after_the_release_is_nobodys_case() {
    let mut play = Play::ready();
    play.outage_until(play.planned_at() - minutes(5));
    play.go_to(play.planned_at());
    play.dose(patient(), bedside_protocol::dosing::DoseReport::default());
    play.tick();
    assert!(!causes(&play).contains(&"watch_down"));

    let mut play = Play::dosed();
    play.all_well_until(120);
    play.outage_until(play.now + minutes(60));
    play.go_to(play.now + minutes(1));
    assert!(play.record.watch.cases.is_empty());
}

#[test]
fn an_evening_check_that_fell_due_in_an_outage_is_unknown_and_still_reaches_a_nurse() {
    let mut play = Play::dosed();
    play.all_well_until(120);
    play.after(358);
    play.outage_until(play.now + minutes(3));
    let mark = play.mark();
    play.after(420);
    assert!(matches!(play.check("C11", 0).state, DutyState::Unknown { .. }));
    assert_eq!(
        (play.case().level, causes(&play)),
        (Level::P2, vec!["watch_down"])
    );
    assert_eq!(
        play.lines_since(mark),
        [
            "T+361 patient overdue",
            "T+390 patient overdue",
            "T+420 nurse P2 opened"
        ]
    );
}

#[test]
fn each_gap_is_told_once_and_a_second_one_again() {
    let mut play = Play::dosed();
    play.all_well_until(46);
    for round in 1..=2 {
        play.outage_until(play.now + minutes(10));
        play.tick();
        play.take_and_resolve();
        assert_eq!(play.record.watch.cases.len(), round);
        play.tick();
    }
    let told = play.record.watch.cases.iter().flat_map(|case| &case.signals);
    assert_eq!(
        told.filter(|signal| matches!(signal.what, Cause::WatchDown { .. }))
            .count(),
        2
    );
}

#[test]
fn reminders_before_a_session_that_an_outage_skipped_are_not_caught_up() {
    let mut play = Play::planned();
    play.invite_and_accept();
    let mark = play.mark();
    // From before R1 to an hour before the worklist step.
    play.now = play.planned_at() - minutes(13 * 60);
    play.tick();
    // Of the two reminders of the day before only the later one is still of use.
    assert_eq!(play.lines_since(mark), ["T-780 patient task"]);
    assert_eq!(play.record.session.state, SessionState::PrepOpen);
    assert_eq!(play.duty("heads_up").state.name(), "excused");
}

#[test]
fn every_duty_of_a_session_that_nobody_watched_is_looked_at_when_the_worker_is_back() {
    let mut play = Play::dosed();
    play.outage_until(play.now + minutes(10 * 24 * 60));
    play.tick();
    let overdue: Vec<_> = play
        .record
        .watch
        .open_duties()
        .filter(|duty| duty.wake_at.is_some_and(|wake_at| wake_at <= play.now))
        .collect();
    assert!(overdue.is_empty(), "{overdue:?}");
    assert!(
        play.record
            .watch
            .open_duties()
            .any(|duty| duty.kind == DutyKind::Release)
    );
}
