//! Ladder A in the session, ladder B after it, ladder C for red flags: who is told, and when.

use bedside_protocol::dosing::DoseReport;
use bedside_protocol::people::{CommsStatus, OnCallPlace};
use bedside_protocol::time::minutes;
use bedside_protocol::{helping, preparation};

use crate::play::Play;
use crate::support::{at, patient, patient_record};

/// The whole rota and the prescriber.
const ALL: [&str; 4] = ["nurse", "backup", "rota", "prescriber"];
/// Everybody the last rung reaches.
const EVERYBODY: [&str; 7] = [
    "nurse",
    "backup",
    "rota",
    "prescriber",
    "manager",
    "administrator",
    "fallback",
];

fn lines(after_min: i64, people: &[&str], what: &str) -> Vec<String> {
    people
        .iter()
        .map(|person| format!("T{after_min:+} {person} {what}"))
        .collect()
}

#[test]
fn a_missed_check_climbs_ladder_a_step_by_step() {
    let mut play = Play::dosed();
    play.all_well_until(27);
    let mark = play.mark();
    play.after(55);
    let mut expected = lines(28, &["sitter"], "task");
    expected.extend(lines(32, &["sitter", "patient"], "overdue"));
    expected.extend(lines(34, &["nurse", "backup"], "P1 opened"));
    expected.extend(lines(38, &ALL, "P1 nobody took it"));
    expected.extend(lines(43, &EVERYBODY, "P1 nobody took it"));
    expected.extend(lines(43, &["sitter"], "task"));
    expected.extend(lines(47, &["sitter", "patient"], "overdue"));
    expected.extend(lines(48, &EVERYBODY, "P1 nobody took it"));
    expected.extend(lines(53, &EVERYBODY, "P1 nobody took it"));
    let mut sent = play.lines_since(mark);
    // Within one minute the order does not matter.
    sent.sort();
    expected.sort();
    assert_eq!(sent, expected);
}

#[test]
fn nobody_is_mailed_more_often_than_the_ladder_says_however_long_it_lasts() {
    let mut play = Play::dosed();
    play.all_well_until(27);
    let mark = play.mark();
    play.after(34 + 9 + 100);
    let to_nurse = play.case_lines_since(mark);
    let to_nurse = to_nurse.iter().filter(|line| line.contains(" nurse ")).count();
    // At 0, +4, +9 and then every five minutes, whatever else is missed meanwhile.
    assert_eq!(to_nurse, 3 + 100 / 5);
}

#[test]
fn the_last_rung_repeats_for_days_until_somebody_takes_it() {
    let mut play = Play::dosed();
    play.all_well_until(27);
    play.after(2 * 24 * 60);
    let mark = play.mark();
    play.go_to(play.now + minutes(60));
    let to_fallback = play.case_lines_since(mark);
    let count = to_fallback
        .iter()
        .filter(|line| line.contains(" fallback "))
        .count();
    assert_eq!(count, 12);
    play.take(OnCallPlace::Fallback).unwrap();
}

#[test]
fn an_answer_before_the_reminder_sends_none() {
    let mut play = Play::dosed();
    play.all_well_until(26);
    let mark = play.mark();
    play.answer("C6", 0, &[]);
    play.after(40);
    assert_eq!(play.lines_since(mark), Vec::<String>::new());
}

#[test]
fn a_red_flag_tells_nurse_and_backup_at_once_and_climbs_ladder_c() {
    let mut play = Play::dosed();
    play.all_well_until(20);
    let mark = play.mark();
    let sitter = play.sitter();
    play.asked(sitter, |record, context| {
        helping::help(record, Some("breathing"), None, context)
    })
    .unwrap();
    assert_eq!(play.state(), "emergency");
    play.after(29);
    let mut expected = lines(20, &["nurse", "backup"], "P1 opened");
    expected.extend(lines(24, &ALL, "P1 nobody took it"));
    expected.extend(lines(29, &EVERYBODY, "P1 nobody took it"));
    assert_eq!(play.case_lines_since(mark), expected);
}

#[test]
fn the_evening_check_reminds_twice_and_tells_the_nurse_after_an_hour() {
    let mut play = Play::dosed();
    play.all_well_until(120);
    assert_eq!(play.state(), "released");
    let mark = play.mark();
    play.after(7 * 60 + 40);
    assert_eq!(
        play.lines_since(mark),
        [
            "T+360 patient task",
            "T+390 patient overdue",
            // Between sessions a P2 is the nurse's, this hour; the backup hears half an hour later.
            "T+420 nurse P2 opened",
            "T+450 nurse P2 nobody took it",
            "T+450 backup P2 nobody took it",
        ]
    );
}

#[test]
fn a_reminder_that_the_quiet_hours_would_outlive_goes_at_once() {
    // Planned for 15:00 and taken at 16:00: T+6h would be 22:00, so the evening check is due at 21:30.
    let mut play = Play::planned_with(
        &patient_record(),
        "2026-11-28",
        "15:00:00",
        at("2026-11-24T14:00:00Z"),
    );
    play.prepare();
    play.go_to(play.planned_at() + minutes(55));
    play.measure(play.sitter(), 120, 78, 70).unwrap();
    play.here();
    play.go_to(play.planned_at() + minutes(60));
    play.asked(patient(), preparation::unlock).unwrap();
    play.dose(patient(), DoseReport::default());
    play.all_well_until(120);
    assert_eq!(play.state(), "released");
    let mark = play.mark();
    play.after(390);
    assert_eq!(
        play.lines_since(mark),
        [
            "T+330 patient task",
            "T+360 patient overdue",
            "T+390 nurse P2 opened"
        ]
    );
}

#[test]
fn a_reminder_between_sessions_waits_for_the_morning() {
    // Planned for 09:00, so the question of the day before would come at 07:00.
    let mut play = Play::planned_with(
        &patient_record(),
        "2026-11-28",
        "09:00:00",
        at("2026-11-26T14:00:00Z"),
    );
    let mark = play.mark();
    play.before(26 * 60);
    assert_eq!(play.lines_since(mark), ["T-1500 patient task"]);
}

#[test]
fn a_paused_patient_is_not_reminded_and_a_running_session_is_never_muted() {
    let mut play = Play::planned();
    play.invite_and_accept();
    play.record.patient.comms = CommsStatus::Paused;
    let mark = play.mark();
    play.before(20 * 60);
    assert_eq!(play.lines_since(mark), Vec::<String>::new());

    let mut play = Play::dosed();
    play.record.patient.comms = CommsStatus::Paused;
    play.all_well_until(27);
    let mark = play.mark();
    play.after(34);
    assert_eq!(play.lines_since(mark).len(), 1 + 2 + 2);
}

#[test]
fn somebody_who_has_not_agreed_to_be_contacted_is_only_asked_to_answer_the_invitation() {
    let mut play = Play::planned();
    play.invite("sam@example.org").unwrap();
    let mark = play.mark();
    play.before(20 * 60);
    let mut to_sitter = play.lines_since(mark);
    to_sitter.retain(|line| line.contains(" sitter t"));
    assert_eq!(
        to_sitter,
        ["T-4380 sitter task"],
        "a day after the invitation, once"
    );
}
