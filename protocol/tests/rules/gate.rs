//! The gate gives every reason why the dose is not open, each alone and all at once.

use bedside_protocol::case::Level;
use bedside_protocol::checklist::{Actor, AnswerValue};
use bedside_protocol::people::{CommsStatus, OnCallPlace};
use bedside_protocol::preparation;
use bedside_protocol::refusal::Refusal;
use bedside_protocol::session::{Hold, KnownSitter, SessionState};
use bedside_protocol::time::{minutes, seconds};

use crate::play::Play;
use crate::support::{order, patient};

#[test]
fn with_everything_done_there_is_no_reason_and_it_unlocks() {
    let mut play = Play::ready();
    assert_eq!(play.reason_codes(), Vec::<String>::new());
    let until = play.asked(patient(), preparation::unlock).unwrap();
    assert_eq!(until, play.now + minutes(60));
}

#[test]
fn each_reason_alone_keeps_the_dose_locked() {
    type Change = fn(&mut Play);
    let cases: [(&str, Change); 18] = [
        ("held", |play| {
            let since = play.now;
            let hold = Hold::NotConfirmed;
            play.enter(SessionState::Held { hold, since });
        }),
        ("paused", |play| play.record.patient.comms = CommsStatus::Paused),
        ("paused", |play| play.record.patient.comms = CommsStatus::Hospital),
        ("interval", |play| {
            play.record.around.other_doses = vec![play.now - minutes(71 * 60)];
        }),
        ("rolling-7-days", |play| {
            let days = |days: i64| play.now - minutes(days * 24 * 60);
            play.record.around.other_doses = vec![days(6), days(4)];
        }),
        ("no-order", |play| play.record.order = None),
        ("order-expired", |play| {
            let order = play.record.order.as_mut().unwrap();
            order.content.expires_on = "2026-11-27".parse().unwrap();
        }),
        ("nobody-on-call", |play| {
            play.record
                .around
                .on_call
                .retain(|it| it.place != OnCallPlace::Nurse);
        }),
        ("nobody-on-call", |play| {
            play.record
                .around
                .on_call
                .retain(|it| it.place != OnCallPlace::Backup);
        }),
        ("open-case", |play| {
            play.record.around.other_open_cases = vec![Level::P2];
        }),
        ("watch-down", |play| {
            play.record.around.watch_health.silent_for = Some(seconds(120));
        }),
        ("watch-down", |play| {
            play.record.around.watch_health.silent_for = None;
        }),
        ("item-open sitter_fit", |play| {
            play.record.answers.retain(|answer| answer.item != "sitter_fit");
        }),
        ("item-open room_safe", |play| {
            play.item(Actor::Patient, "room_safe", AnswerValue::Cleared)
                .unwrap();
        }),
        ("item-not-good room_safe", |play| {
            play.item(Actor::Patient, "room_safe", AnswerValue::YesNo(false))
                .unwrap();
        }),
        ("too-recent last_food_at", |play| {
            let late = AnswerValue::Time(play.planned_at() - minutes(239));
            play.item(Actor::Patient, "last_food_at", late).unwrap();
        }),
        ("item-open vitals_pre", |play| play.record.readings.clear()),
        ("vitals-over-limit vitals_pre", |play| {
            play.measure(patient(), 141, 80, 70).unwrap();
        }),
    ];
    for (reason, change) in cases {
        let mut play = Play::ready();
        change(&mut play);
        assert_eq!(play.reason_codes(), [reason]);
        let refusal = play.asked(patient(), preparation::unlock).unwrap_err();
        assert!(matches!(refusal, Refusal::Locked(reasons) if reasons.len() == 1));
    }
}

#[test]
fn the_dose_is_open_only_around_its_time() {
    let mut play = Play::ready();
    let cases = [
        (-16, vec!["too-early"]),
        (-15, vec![]),
        (0, vec![]),
        (120, vec![]),
        (121, vec!["too-late"]),
    ];
    for (after_min, expected) in cases {
        play.now = play.planned_at() + minutes(after_min);
        let mut reasons = play.reason_codes();
        reasons.retain(|reason| !reason.starts_with("item-expired"));
        assert_eq!(reasons, expected, "{after_min}");
    }
}

#[test]
fn an_alive_watch_is_one_whose_last_cycle_is_under_two_minutes_old() {
    let mut play = Play::ready();
    for (silent_s, open) in [(0, true), (119, true), (120, false), (600, false)] {
        play.record.around.watch_health.silent_for = Some(seconds(silent_s));
        assert_eq!(play.reason_codes().is_empty(), open, "{silent_s}");
    }
}

#[test]
fn a_case_of_the_worklist_does_not_lock_and_one_that_matters_does() {
    for (level, open) in [
        (Level::Info, true),
        (Level::P3, true),
        (Level::P2, false),
        (Level::P1, false),
    ] {
        let mut play = Play::ready();
        play.record.around.other_open_cases = vec![level];
        assert_eq!(play.reason_codes().is_empty(), open, "{level:?}");
    }
}

#[test]
fn at_the_beginning_every_reason_is_given_at_once() {
    let mut play = Play::planned();
    play.record.around.watch_health.silent_for = None;
    play.record.around.on_call.clear();
    play.record.patient.comms = CommsStatus::Paused;
    let reasons = play.reason_codes();
    let blocking = 24; // Items of the default protocol that block a first session with spitting, phones and read-back twice.
    let others = [
        "preparation-not-open",
        "paused",
        "too-early",
        "no-sitter",
        "nobody-on-call",
        "watch-down",
    ];
    for other in others {
        assert!(
            reasons.iter().any(|reason| reason == other),
            "{other} in {reasons:?}"
        );
    }
    let items = reasons
        .iter()
        .filter(|reason| reason.starts_with("item-open "))
        .count();
    assert_eq!(
        (items, reasons.len()),
        (blocking + 1, blocking + 1 + others.len()),
        "{reasons:?}"
    );
}

#[test]
fn nothing_but_the_clinic_is_asked_of_a_later_session_that_swallows() {
    let mut play = Play::planned();
    play.invite("sam@example.org").unwrap();
    play.record.around.earlier.sitters = vec![KnownSitter {
        email: "Sam@Example.org".into(),
        trained_at: None,
        sat: true,
    }];
    play.record.around.other_doses = vec![play.planned_at() - minutes(7 * 24 * 60)];
    let mut swallow = order(1, 10);
    swallow.content.instruction.after_hold = bedside_protocol::order::AfterHold::Swallow;
    play.record.order = Some(swallow);
    let reasons = play.reason_codes();
    for item in ["sitter_called", "kit", "private_check", "antiemetic", "bathroom"] {
        assert!(!reasons.iter().any(|reason| reason.ends_with(item)), "{item}");
    }
}

#[test]
fn a_patient_who_says_they_ate_four_hours_before_the_planned_time_may_go_early() {
    let mut play = Play::ready();
    for (item, hours) in [("last_food_at", 4), ("last_drink_at", 2)] {
        let just = AnswerValue::Time(play.planned_at() - minutes(hours * 60));
        play.item(Actor::Patient, item, just).unwrap();
    }
    assert_eq!(play.reason_codes(), Vec::<String>::new());
}

#[test]
fn who_ate_three_hours_before_the_planned_time_waits_until_four_have_passed() {
    let mut play = Play::ready();
    let eaten = AnswerValue::Time(play.planned_at() - minutes(180));
    play.item(Actor::Patient, "last_food_at", eaten).unwrap();
    for (after_min, expected) in [
        (-10, vec!["too-recent last_food_at"]),
        (0, vec!["too-recent last_food_at"]),
        (59, vec!["too-recent last_food_at"]),
        (60, vec![]),
        (90, vec![]),
    ] {
        play.now = play.planned_at() + minutes(after_min);
        let mut reasons = play.reason_codes();
        reasons.retain(|reason| !reason.starts_with("item-expired"));
        assert_eq!(reasons, expected, "{after_min}");
    }
}
