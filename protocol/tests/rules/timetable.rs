//! The timetable: all rows exist from the dose on, each at its time.

use bedside_protocol::dosing::DoseReport;
use bedside_protocol::duty::{DutyKind, OwedBy};
use bedside_protocol::time::{Zone, minutes};

use crate::play::Play;
use crate::support::{at, order, patient, patient_record};

/// Every check of a play as `C5 +15`, in order of time.
fn rows(play: &Play) -> Vec<(String, i64)> {
    let t0 = play.record.session.t0();
    let mut rows: Vec<_> = play
        .record
        .watch
        .open_duties()
        .filter_map(|duty| match &duty.kind {
            DutyKind::CheckIn { rule, .. } => Some((rule.clone(), (duty.due_at - t0).num_minutes())),
            _ => None,
        })
        .collect();
    rows.sort_by(|one, other| (one.1, &one.0).cmp(&(other.1, &other.0)));
    rows
}

#[test]
fn the_whole_timetable_exists_once_the_dose_is_logged() {
    for hold in [5_u32, 10, 30] {
        let mut play = Play::ready();
        play.record
            .order
            .as_mut()
            .unwrap()
            .content
            .instruction
            .hold_minutes = hold;
        play.dose(patient(), DoseReport::default());
        let mut expected: Vec<(String, i64)> = [
            ("C4", i64::from(hold)),
            ("C5", 15),
            ("C6", 30),
            ("C7", 45),
            ("C8", 60),
            ("C8", 75),
            ("C9", 90),
            ("C9b", 105),
            ("C10", 120),
            ("C10P", 120),
            ("C10b", 135),
            ("C10b", 150),
            ("C10b", 165),
            ("C10b", 180),
            ("C10b", 195),
            ("C10b", 210),
            ("C10b", 225),
            ("C10b", 240),
            ("C11", 360),
            ("C12", 1440),
            ("C13", 2880),
        ]
        .map(|(key, after_min)| (key.to_owned(), after_min))
        .to_vec();
        expected.sort_by(|one, other| (one.1, &one.0).cmp(&(other.1, &other.0)));
        assert_eq!(rows(&play), expected, "hold {hold}");
        for key in ["C10P", "C11", "C12", "C13"] {
            assert_eq!(play.check(key, 0).owed_by, OwedBy::Patient);
        }
        for key in ["C4", "C5", "C8", "C10", "C10b"] {
            assert_eq!(play.check(key, 0).owed_by, OwedBy::Sitter);
        }
    }
}

#[test]
fn no_check_waits_for_the_answer_to_another() {
    let mut silent = Play::dosed();
    let rows_at_the_dose = rows(&silent);
    silent.after(100);
    let mut left = rows_at_the_dose;
    left.retain(|(_, after_min)| *after_min > 96);
    assert_eq!(rows(&silent), left);
}

#[test]
fn every_check_is_missed_four_minutes_after_it_was_due_and_those_after_the_session_hours_after() {
    let play = Play::dosed();
    for duty in play.record.watch.open_duties() {
        if let DutyKind::CheckIn { rule, .. } = &duty.kind {
            let grace_min = match rule.as_str() {
                "C11" => 60,
                "C12" => 240,
                "C13" => 300,
                _ => 4,
            };
            assert_eq!(
                duty.missed_after,
                Some(duty.due_at + minutes(grace_min)),
                "{rule}"
            );
        }
    }
}

#[test]
fn the_evening_check_is_six_hours_later_and_not_after_half_past_nine() {
    // planned, minutes from the planned time to the dose, the evening check
    let cases = [
        ("09:00:00", 0, "2026-11-28T20:00:00Z"),
        ("15:00:00", 0, "2026-11-29T02:00:00Z"),
        ("15:00:00", 30, "2026-11-29T02:30:00Z"),
        ("15:00:00", 31, "2026-11-29T02:30:00Z"),
        ("15:00:00", 119, "2026-11-29T02:30:00Z"),
    ];
    for (planned, late_min, expected) in cases {
        let mut play = Play::planned_with(
            &patient_record(),
            "2026-11-28",
            planned,
            at("2026-11-24T14:00:00Z"),
        );
        play.go_to(play.planned_at() + minutes(late_min));
        play.dose(patient(), DoseReport::default());
        assert_eq!(play.check("C11", 0).due_at, at(expected), "{planned} {late_min}");
    }
}

#[test]
fn a_dose_too_late_in_the_day_keeps_the_six_hours() {
    let mut play = Play::planned();
    play.before(40 * 60);
    // Reported at 18:00 local time, two days early.
    assert_eq!(play.now, at("2026-11-26T23:00:00Z"));
    play.dose(patient(), DoseReport::default());
    assert_eq!(play.check("C11", 0).due_at, play.now + minutes(360));
}

#[test]
fn a_plan_keeps_its_local_time_over_a_clock_change_and_the_session_counts_real_minutes() {
    // The clocks go back on 1 November 2026: 10:00 that Sunday is 15:00 UTC, the Saturday before it 14:00 UTC.
    let mut patient_of_new_york = patient_record();
    patient_of_new_york.order = Some(order(1, 10));
    for (on, planned_at, evening) in [
        ("2026-10-31", "2026-10-31T14:00:00Z", "2026-10-31T20:00:00Z"),
        ("2026-11-01", "2026-11-01T15:00:00Z", "2026-11-01T21:00:00Z"),
        ("2027-03-13", "2027-03-13T15:00:00Z", "2027-03-13T21:00:00Z"),
        ("2027-03-14", "2027-03-14T14:00:00Z", "2027-03-14T20:00:00Z"),
    ] {
        let now = at(planned_at) - minutes(5 * 24 * 60);
        let mut play = Play::planned_with(&patient_of_new_york, on, "10:00:00", now);
        assert_eq!(play.planned_at(), at(planned_at));
        play.go_to(play.planned_at());
        play.dose(patient(), DoseReport::default());
        assert_eq!(play.check("C11", 0).due_at, at(evening));
    }
}

#[test]
fn half_past_nine_is_the_patients_own_evening() {
    for (zone, on, planned, expected) in [
        // Taken at 17:00 local time (planned 15:00, two hours late).
        ("Asia/Kolkata", "2026-11-28", "15:00:00", "2026-11-28T16:00:00Z"),
        (
            "Pacific/Auckland",
            "2026-11-28",
            "15:00:00",
            "2026-11-28T08:30:00Z",
        ),
        (
            "America/St_Johns",
            "2026-11-28",
            "15:00:00",
            "2026-11-29T01:00:00Z",
        ),
    ] {
        let mut record = patient_record();
        record.patient.zone = Zone::named(zone).unwrap();
        let mut play = Play::planned_with(&record, on, planned, at("2026-11-24T00:00:00Z"));
        play.go_to(play.planned_at() + minutes(119));
        play.dose(patient(), DoseReport::default());
        assert_eq!(play.check("C11", 0).due_at, at(expected), "{zone}");
    }
}

#[test]
fn before_the_session_patient_and_sitter_are_reminded_at_the_written_times() {
    let mut play = Play::planned();
    play.invite_and_accept();
    let mark = play.mark();
    play.before(11 * 60);
    let sent = play.lines_since(mark);
    assert_eq!(
        sent,
        [
            "T-4320 patient task",
            "T-4320 sitter task",
            "T-1560 patient task",
            "T-1560 sitter task",
            "T-1080 patient task",
            "T-720 coordinator P3 opened",
        ]
    );
}
