//! Vital signs: what is plausible, what is over a limit, and who hears of it.

use bedside_protocol::answering::CheckedIn;
use bedside_protocol::case::{Cause, Level};
use bedside_protocol::measuring::{Measured, measure};
use bedside_protocol::refusal::Refusal;
use bedside_protocol::time::minutes;
use bedside_protocol::vitals::{Finding, Vitals, judge_before_dose, judge_in_session};

use crate::play::Play;
use crate::support::{code, patient, patient_record, reading};

fn vitals(sbp: u32, dbp: u32, hr: u32) -> Vitals {
    reading(sbp, dbp, hr).vitals
}

#[test]
fn a_value_that_cannot_be_is_asked_again_and_alarms_nobody() {
    let mut play = Play::dosed();
    for (sbp, dbp, hr, field) in [
        (59, 40, 70, "sbp"),
        (261, 90, 70, "sbp"),
        (120, 29, 70, "dbp"),
        (240, 161, 70, "dbp"),
        (120, 80, 29, "hr"),
        (120, 80, 221, "hr"),
        (90, 80, 70, "sbp"),
        (u32::MAX, u32::MAX, 70, "sbp"),
    ] {
        let Refusal::MeasureAgain(faults) = play.measure(patient(), sbp, dbp, hr).unwrap_err() else {
            panic!()
        };
        assert_eq!(faults.0[0].field, field);
    }
    assert!(play.record.readings.is_empty() || play.record.watch.cases.is_empty());
    for (sbp, dbp, hr) in [(60, 49, 30), (260, 160, 220), (91, 80, 70)] {
        play.clone().measure(patient(), sbp, dbp, hr).unwrap();
    }
}

#[test]
fn before_the_dose_each_limit_counts_by_itself() {
    let limits = &patient_record().around.protocol.vitals.pre_dose;
    for (value, over) in [
        (vitals(140, 90, 100), &[][..]),
        (vitals(90, 60, 50), &[]),
        (vitals(141, 90, 100), &["sbp_max"]),
        (vitals(140, 91, 100), &["dbp_max"]),
        (vitals(140, 90, 101), &["hr_max"]),
        (vitals(120, 80, 49), &["hr_min"]),
        (vitals(89, 60, 70), &["sbp_min"]),
        (vitals(150, 95, 110), &["sbp_max", "dbp_max", "hr_max"]),
    ] {
        let expected = if over.is_empty() {
            Finding::Within
        } else {
            Finding::TooHighBeforeDose(over.iter().map(|&it| it.to_owned()).collect())
        };
        assert_eq!(judge_before_dose(&value, limits), expected, "{value:?}");
    }
}

#[test]
fn in_the_session_a_reading_is_judged_by_the_table() {
    let mut limits = patient_record().around.protocol.vitals.during.clone();
    limits.oximeter = true;
    let limits = &limits;
    let baseline = vitals(120, 80, 70);
    let judged = |value: Vitals, symptom, confirming| match judge_in_session(
        &value,
        symptom,
        confirming,
        Some(&baseline),
        limits,
    ) {
        Finding::Tell(level, _) => level.name(),
        Finding::Recheck(_) => "recheck",
        Finding::Within | Finding::TooHighBeforeDose(_) => "within",
    };
    let oxygen = |spo2| Vitals {
        spo2: Some(spo2),
        ..baseline
    };
    for (value, symptom, confirming, expected) in [
        (vitals(159, 104, 120), false, false, "within"),
        (vitals(160, 80, 70), false, false, "P3"),
        (vitals(130, 105, 70), false, false, "P3"),
        (vitals(180, 100, 70), false, false, "recheck"),
        (vitals(170, 110, 70), false, false, "recheck"),
        (vitals(180, 100, 70), false, true, "P1"),
        (vitals(180, 100, 70), true, false, "P1"),
        (vitals(179, 109, 70), false, true, "P3"),
        (vitals(200, 100, 70), false, false, "P1"),
        (vitals(170, 120, 70), false, false, "P1"),
        (vitals(120, 80, 121), false, false, "P2"),
        (vitals(120, 80, 44), false, false, "P2"),
        (vitals(120, 80, 45), false, false, "within"),
        (oxygen(91), false, false, "P1"),
        (oxygen(92), false, false, "within"),
    ] {
        assert_eq!(
            judged(value, symptom, confirming),
            expected,
            "{value:?} {symptom} {confirming}"
        );
    }
}

#[test]
fn three_tries_over_the_limit_minutes_apart_hold_the_session() {
    let mut play = Play::ready();
    assert_eq!(play.measure(patient(), 150, 80, 70).unwrap(), Measured::TryAgain);
    // A second reading in the same minute is the same try.
    play.go_to(play.now + minutes(1));
    assert_eq!(play.measure(patient(), 149, 80, 70).unwrap(), Measured::TryAgain);
    play.go_to(play.now + minutes(10));
    assert_eq!(play.measure(patient(), 148, 80, 70).unwrap(), Measured::TryAgain);
    play.go_to(play.now + minutes(10));
    assert_eq!(play.measure(patient(), 147, 80, 70).unwrap(), Measured::Held);
    assert_eq!((play.state(), play.case().level), ("held", Level::P2));
}

#[test]
fn c7_without_blood_pressure_asks_for_it_and_after_ten_minutes_tells_the_nurse() {
    let mut play = Play::dosed();
    play.all_well_until(44);
    play.after(45);
    let form = play.form(&play.check("C7", 0).clone(), &[]);
    assert_eq!(
        play.send(play.sitter(), form.clone()).unwrap(),
        CheckedIn::VitalsToFollow
    );
    assert_eq!(play.send(play.sitter(), form).unwrap(), CheckedIn::VitalsToFollow);
    let mut sent = play.clone();
    sent.after(54);
    sent.measure(sent.sitter(), 130, 80, 75).unwrap();
    sent.after(59);
    assert!(sent.record.watch.cases.is_empty());
    play.after(54);
    assert!(play.record.watch.cases.is_empty());
    play.after(55);
    assert_eq!(play.case().level, Level::P2);
    assert!(matches!(play.case().signals[0].what, Cause::VitalsMissing { .. }));
}

#[test]
fn a_high_pressure_is_measured_again_after_five_minutes_and_confirmed_is_a_p1() {
    for (again, level) in [
        ((182, 100), Some(Level::P1)),
        ((150, 112), Some(Level::P1)),
        ((155, 95), None),
    ] {
        let mut play = Play::dosed();
        play.all_well_until(50);
        assert_eq!(
            play.measure(play.sitter(), 185, 100, 80).unwrap(),
            Measured::Recheck
        );
        assert!(play.record.watch.cases.is_empty());
        play.after(55);
        play.measure(play.sitter(), again.0, again.1, 80).unwrap();
        assert_eq!(play.record.watch.cases.last().map(|case| case.level), level);
        assert_eq!(play.duty("recheck_vitals").state.name(), "met");
    }
}

#[test]
fn a_high_pressure_that_is_not_measured_again_is_a_p1() {
    let mut play = Play::dosed();
    play.all_well_until(50);
    play.measure(play.sitter(), 185, 100, 80).unwrap();
    let mark = play.mark();
    play.after(59);
    assert_eq!(
        play.lines_since(mark),
        [
            "T+53 sitter task",
            "T+57 sitter overdue",
            "T+57 patient overdue",
            "T+58 sitter task",
            "T+59 nurse P1 opened",
            "T+59 backup P1 opened",
        ]
    );
}

#[test]
fn the_same_reading_sent_twice_confirms_nothing() {
    let mut play = Play::dosed();
    play.all_well_until(50);
    let mut high = reading(185, 100, 80);
    high.observed_at = Some(play.now);
    for _ in 0..3 {
        play.now += bedside_protocol::time::seconds(10);
        let sitter = play.sitter();
        let measured = play.asked(sitter, |record, context| measure(record, high, context));
        assert_eq!(measured.unwrap(), Measured::Recheck);
    }
    assert!(play.record.watch.cases.is_empty());
    let asked = play
        .record
        .watch
        .open_duties()
        .filter(|duty| duty.kind.name() == "recheck_vitals");
    assert_eq!(asked.count(), 1);
}

#[test]
fn c9_asks_for_blood_pressure_only_if_it_was_over_before() {
    for (at_45, expected) in [
        ((125, 80), CheckedIn::Well),
        ((185, 100), CheckedIn::VitalsToFollow),
    ] {
        let mut play = Play::dosed();
        play.all_well_until(44);
        play.after(45);
        let mut form = play.form(&play.check("C7", 0).clone(), &[]);
        form.reading = Some(reading(at_45.0, at_45.1, 75));
        play.send(play.sitter(), form).unwrap();
        play.after(50);
        play.measure(play.sitter(), 130, 80, 75).unwrap();
        play.all_well_until(89);
        play.after(90);
        let form = play.form(&play.check("C9", 0).clone(), &[]);
        assert_eq!(play.send(play.sitter(), form).unwrap(), expected);
    }
}

#[test]
fn after_the_release_only_what_calls_for_a_person_is_told() {
    let mut play = Play::dosed();
    play.all_well_until(120);
    assert_eq!(play.measure(patient(), 165, 95, 80).unwrap(), Measured::Recorded);
    assert!(play.record.watch.cases.is_empty());
    assert_eq!(play.measure(patient(), 205, 95, 80).unwrap(), Measured::Told);
    assert_eq!(play.case().level, Level::P1);
}

#[test]
fn a_session_that_is_over_takes_no_reading() {
    let mut play = Play::planned();
    play.does(patient(), |record, context| {
        bedside_protocol::planning::cancel(record, "moved", context)
    })
    .unwrap();
    assert_eq!(
        code(&play.measure(patient(), 120, 80, 70).unwrap_err()),
        "session-over"
    );
}

#[test]
fn oxygen_is_a_p1_only_where_the_clinic_gives_the_oximeter() {
    let limits = patient_record().around.protocol.vitals.during.clone();
    assert!(!limits.oximeter, "the shipped protocol gives none");
    let judged = |spo2, oximeter| {
        let limits = bedside_protocol::document::DuringLimits {
            oximeter,
            ..limits.clone()
        };
        let value = Vitals {
            spo2,
            ..vitals(120, 80, 70)
        };
        match judge_in_session(&value, false, false, None, &limits) {
            Finding::Tell(level, _) => level.name(),
            _ => "within",
        }
    };
    for (spo2, given, not_given) in [
        (None, "within", "within"),
        (Some(92), "within", "within"),
        (Some(91), "P1", "P2"),
        (Some(70), "P1", "P2"),
    ] {
        assert_eq!(
            (judged(spo2, true), judged(spo2, false)),
            (given, not_given),
            "{spo2:?}"
        );
    }
}

#[test]
fn a_hold_before_the_dose_takes_three_tries_ten_minutes_apart() {
    // minutes between the tries, and what the third one says
    for (apart_min, expected) in [
        (1, Measured::TryAgain),
        (4, Measured::TryAgain),
        (10, Measured::Held),
    ] {
        let mut play = Play::ready();
        for _ in 0..2 {
            assert_eq!(play.measure(patient(), 150, 80, 70).unwrap(), Measured::TryAgain);
            play.go_to(play.now + minutes(apart_min));
        }
        assert_eq!(
            play.measure(patient(), 150, 80, 70).unwrap(),
            expected,
            "{apart_min}"
        );
    }
}
