//! Release: by the sitter's good answers from T+120 on, or by a nurse on the telephone; and what happens without one.

use bedside_protocol::answering::CheckedIn;
use bedside_protocol::case::{Cause, Level};
use bedside_protocol::refusal::Refusal;
use bedside_protocol::releasing;
use std::collections::BTreeMap;

use crate::play::Play;
use crate::support::{code, nurse, patient, staff};

fn all_yes(play: &Play) -> BTreeMap<String, bool> {
    let rule = releasing::release_questions(&play.record).unwrap();
    rule.questions
        .iter()
        .map(|question| (question.key.clone(), true))
        .collect()
}

fn release(play: &mut Play) -> Result<CheckedIn, Refusal> {
    let answers = all_yes(play);
    let sitter = play.sitter();
    play.asked(sitter, |record, context| {
        releasing::release_by_sitter(record, answers, None, context)
    })
}

fn by_telephone(play: &mut Play, patient: bool, sitter: bool, note: &str) -> Result<(), Refusal> {
    play.does(nurse(), |record, context| {
        releasing::release_by_telephone(record, patient, sitter, note, context)
    })
}

#[test]
fn the_sitter_cannot_release_before_two_hours() {
    let mut play = Play::dosed();
    for after_min in [1, 60, 119] {
        play.all_well_until(after_min);
        assert_eq!(code(&release(&mut play).unwrap_err()), "too-early", "{after_min}");
    }
    play.after(120);
    assert_eq!(release(&mut play).unwrap(), CheckedIn::Released);
    assert_eq!(play.state(), "released");
    // Tapped twice: nothing new.
    let before = play.record.clone();
    assert_eq!(release(&mut play).unwrap(), CheckedIn::Released);
    assert_eq!(play.record, before);
}

#[test]
fn all_good_answers_release_and_excuse_what_is_left_of_the_session() {
    let mut play = Play::dosed();
    play.all_well_until(119);
    play.after(120);
    assert_eq!(play.answer("C10", 0, &[]), CheckedIn::Released);
    let left: Vec<_> = play
        .record
        .watch
        .open_duties()
        .map(|duty| duty.kind.name())
        .collect();
    assert_eq!(
        left, ["check_in"; 3],
        "the evening, the day after, two days after"
    );
    let mark = play.mark();
    play.after(359);
    assert_eq!((play.mark(), play.state()), (mark, "released"));
    play.after(361);
    assert_eq!(play.state(), "follow_up");
    play.answer_own("C11", &[]);
    assert_eq!(play.state(), "follow_up");
    play.all_well_until(2881);
    assert_eq!((play.state(), play.record.watch.cases.len()), ("closed", 0));
}

#[test]
fn one_no_keeps_the_session_going_and_the_questions_come_again() {
    for no in [
        "oriented",
        "walks_steadily",
        "pressure_near_start",
        "no_vomiting",
        "patient_feels_ready",
        "sitter_agrees",
    ] {
        let mut play = Play::dosed();
        play.all_well_until(119);
        play.after(120);
        assert_eq!(play.answer("C10", 0, &[no]), CheckedIn::Noted);
        assert!(play.is_running() && play.record.watch.cases.is_empty(), "{no}");
        play.after(135);
        assert_eq!(play.answer("C10b", 0, &[]), CheckedIn::Released);
    }
}

#[test]
fn a_no_is_taken_back_by_good_answers_a_little_later() {
    let mut play = Play::dosed();
    play.all_well_until(119);
    play.after(120);
    play.answer("C10", 0, &["walks_steadily"]);
    let form = play.form(&play.check("C10P", 0).clone(), &[]);
    play.send(patient(), form).unwrap();
    play.after(124);
    assert_eq!(release(&mut play).unwrap(), CheckedIn::Released);
    assert!(play.record.watch.cases.is_empty());
}

#[test]
fn not_released_after_three_hours_a_nurse_and_after_four_a_clinician_again_and_again() {
    let mut play = Play::dosed();
    play.all_well_until(119);
    for (number, after_min) in [(None, 120), (Some(0), 135), (Some(1), 150), (Some(2), 165)] {
        play.after(after_min);
        let key = if number.is_some() { "C10b" } else { "C10" };
        play.answer(key, number.unwrap_or(0), &["sitter_agrees"]);
        if after_min == 120 {
            let form = play.form(&play.check("C10P", 0).clone(), &["ready_alone"]);
            play.send(patient(), form).unwrap();
        }
    }
    play.after(179);
    assert!(play.record.watch.cases.is_empty());
    play.after(180);
    play.answer("C10b", 3, &["sitter_agrees"]);
    assert_eq!(play.case().level, Level::P2);
    assert_eq!(
        play.case().signals[0].what,
        Cause::NotReleased { after_minutes: 180 }
    );
    play.take_and_resolve();
    for (number, after_min) in [(4, 195), (5, 210), (6, 225)] {
        play.after(after_min);
        play.answer("C10b", number, &["sitter_agrees"]);
    }
    assert_eq!(play.record.watch.cases.len(), 1);
    play.after(240);
    play.answer("C10b", 7, &["sitter_agrees"]);
    assert_eq!((play.record.watch.cases.len(), play.case().level), (2, Level::P1));
    play.take_and_resolve();
    for (number, after_min) in [(8, 255), (9, 270), (10, 285)] {
        play.after(after_min);
        assert_eq!(
            play.case().signals[0].what,
            Cause::NotReleased {
                after_minutes: after_min
            }
        );
        play.take_and_resolve();
        // The questions are asked anew each time, so that the sitter can still answer them.
        play.answer("C10b", number, &["sitter_agrees"]);
    }
    play.after(286);
    assert_eq!(release(&mut play).unwrap(), CheckedIn::Released);
}

#[test]
fn a_session_nobody_answers_for_is_never_forgotten() {
    let mut play = Play::dosed();
    play.after(3 * 24 * 60);
    assert!(play.is_running());
    let mark = play.mark();
    play.after(3 * 24 * 60 + 15);
    assert!(!play.case_lines_since(mark).is_empty());
}

#[test]
fn a_nurse_releases_by_telephone_after_speaking_to_both() {
    let mut play = Play::dosed();
    play.after(200);
    for (patient, sitter, note) in [(false, true, "well"), (true, false, "well"), (true, true, " ")] {
        assert_eq!(
            code(&by_telephone(&mut play, patient, sitter, note).unwrap_err()),
            "invalid"
        );
    }
    let manager = staff(
        bedside_protocol::people::OnCallPlace::Manager,
        bedside_protocol::people::StaffRole::Manager,
    );
    for caller in [manager, patient(), play.sitter()] {
        let refusal = play.does(caller, |record, context| {
            releasing::release_by_telephone(record, true, true, "well", context)
        });
        assert_eq!(code(&refusal.unwrap_err()), "not-found");
    }
    by_telephone(&mut play, true, true, "both say she is well").unwrap();
    // The case stays somebody's until it is closed, and its ladder keeps the pace it had.
    assert_eq!((play.state(), play.case().is_open()), ("released", true));
    let mark = play.mark();
    play.go_to(play.now + bedside_protocol::time::minutes(15));
    assert!(!play.case_lines_since(mark).is_empty());
    play.after(430);
    play.take_and_resolve();
    play.all_well_until(2881);
    assert_eq!(play.state(), "closed");
}

#[test]
fn a_nurse_may_release_without_a_sitter_where_none_is_left() {
    let mut play = Play::dosed();
    play.all_well_until(100);
    play.does(play.sitter(), bedside_protocol::sitting::leave)
        .unwrap();
    by_telephone(&mut play, true, false, "alone, well, sister on her way").unwrap();
    assert_eq!(play.state(), "released");
}

#[test]
fn a_pressure_that_waits_to_be_measured_again_holds_the_release() {
    let mut play = Play::dosed();
    play.all_well_until(119);
    play.after(120);
    play.measure(play.sitter(), 185, 95, 80).unwrap();
    assert_eq!(play.answer("C10", 0, &[]), CheckedIn::VitalsToFollow);
    assert!(play.is_running());
    play.after(126);
    play.measure(play.sitter(), 150, 90, 80).unwrap();
    assert_eq!(release(&mut play).unwrap(), CheckedIn::Released);
}
